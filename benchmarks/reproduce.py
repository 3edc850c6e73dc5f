"""The default model's texts made again: by `aigc reproduce`, after kill -9 and resume, and in another batch.

    python benchmarks/reproduce.py [--json] [--sides reproduce,resumed,shuffled,slots] [--variants 3] [--new-tokens 128]

The example sheet goes through `aigc run` undisturbed. Then each side makes the same texts in another way:

    reproduce  `aigc reproduce RUN --sample 100`
    resumed    the same command, killed without warning after a third and two thirds of its lines, and started again
    shuffled   the rows of the sheet in another order, so that other rows are neighbours in a step
    slots      half as many rows in flight

Texts are told apart by brief, variant and attempt, and compared by request id, bytes, digest of the token ids and how
they ended. An attempt that only one of two runs has counts as one that differs. Ends with 1 where anything does.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow.parquet as pq

REPOSITORY = Path(__file__).resolve().parent.parent
SHEET = REPOSITORY / "inputs" / "briefs.csv"
AIGC = [sys.executable, "-m", "aigc"]
SLOTS = 64
SEED = 11
"""Of the other order of rows."""
PREDICTED = {"reproduce": 1.0, "resumed": 1.0, "shuffled": 1.0, "slots": 1.0}
"""Shares of texts that come out the same, as they were thought to be before the first measurement."""
Key: TypeAlias = tuple[str, int, int]
"""Brief, variant, attempt."""


@dataclass(frozen=True)
class Side:
    """What came of one way of making the texts again. `only` counts attempts that one of the two runs does not have."""

    name: str
    texts: int
    same: int
    only: int = 0
    took_s: float = 0.0
    note: str = ""

    @property
    def share(self) -> float:
        return self.same / self.texts if self.texts else 0.0


class Bench:
    """The undisturbed run in a folder, and each way of making its texts again."""

    def __init__(self, folder: Path, variants: int, new_tokens: int, sample: int) -> None:
        self._folder, self._variants, self._new_tokens, self._sample = folder, variants, new_tokens, sample
        self._calm = Path()

    def calm(self) -> Side:
        """The run that all others are compared with."""
        began = time.monotonic()
        self._calm = self._run(self._start("calm", SHEET, SLOTS))
        made = self._attempts(self._calm)
        return Side("calm", len(made), len(made), took_s=time.monotonic() - began, note=rows_of(self._calm))

    def sides(self) -> dict[str, Callable[[], Side]]:
        return {"reproduce": self.reproduce, "resumed": self.resumed, "shuffled": self.shuffled, "slots": self.slots}

    def reproduce(self) -> Side:
        began = time.monotonic()
        command = [*AIGC, "reproduce", str(self._calm), "--sample", str(self._sample), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self._folder)
        if not done.stdout:
            raise SystemExit(done.stderr)
        found = json.loads(done.stdout)
        tokens = sum(row["tokens_same"] is True for row in found["rows"])
        differences = "; ".join(found["differences"]) or "same code, libraries and engine"
        return Side("reproduce", len(found["rows"]), sum(row["is_same"] for row in found["rows"]),
                    took_s=time.monotonic() - began, note=f"token ids of {tokens} told the same; {differences}")

    def resumed(self) -> Side:
        began, lines = time.monotonic(), len((self._calm / "journal.jsonl").read_bytes().splitlines())
        kills = sum(self._killed("resumed", lines * third // 3) for third in (1, 2))
        folder = self._run(self._start("resumed", SHEET, SLOTS))
        return self._compared("resumed", folder, began, f"killed {kills} times; {rows_of(folder)}")

    def shuffled(self) -> Side:
        began, sheet = time.monotonic(), self._folder / "shuffled" / SHEET.name
        sheet.parent.mkdir(exist_ok=True)
        shuffle(SHEET, sheet)
        folder = self._run(self._start("shuffled", sheet, SLOTS))
        return self._compared("shuffled", folder, began, rows_of(folder))

    def slots(self) -> Side:
        began = time.monotonic()
        folder = self._run(self._start("slots", SHEET, SLOTS // 2))
        return self._compared("slots", folder, began, rows_of(folder))

    def _compared(self, name: str, folder: Path, began: float, note: str) -> Side:
        calm, other = self._attempts(self._calm), self._attempts(folder)
        same = sum(other.get(key) == made for key, made in calm.items())
        return Side(name, len(calm), same, len(calm.keys() ^ other.keys()), time.monotonic() - began, note)

    def _start(self, name: str, sheet: Path, slots: int) -> subprocess.Popen[str]:
        settings = self._folder / f"{slots}.toml"
        settings.write_text(f"[run]\nmax_attempts = 2\n[engine]\nslots = {slots}\n"
                            f"[sampling]\nmax_new_tokens = {self._new_tokens}\n", "utf-8")
        command = [*AIGC, "run", str(sheet), "--config", str(settings), "--out", str(self._folder / name / "outputs"),
                   "--templates", str(REPOSITORY / "templates"), "--variants", str(self._variants), "--json", "--quiet"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self._folder,
                                env={**os.environ, "AIGC_ENGINE_NAME": "local"})

    @staticmethod
    def _run(process: subprocess.Popen[str]) -> Path:
        """The folder of a run that came to its end."""
        out, err = process.communicate()
        if process.returncode not in (0, 3):
            raise SystemExit(err)
        return Path(json.loads(out)["folder"])

    def _killed(self, name: str, lines: int) -> bool:
        """Start the run, and kill it once its journal has so many lines."""
        process = self._start(name, SHEET, SLOTS)
        outputs = self._folder / name / "outputs"
        while process.poll() is None and sum(map(lines_of, outputs.glob("*/journal.jsonl"))) < lines:
            time.sleep(0.05)
        was_running = process.poll() is None
        process.kill()
        process.communicate()
        return was_running

    @staticmethod
    def _attempts(folder: Path) -> dict[Key, tuple[object, ...]]:
        """What each attempt of a run was asked and what it came to."""
        return {(row["brief_id"], row["variant"], one["number"]): tuple(
                    one[name] for name in ("request_id", "text", "tokens_out_digest", "finish_reason", "seed"))
                for row in rows(folder) for one in row["attempts"]}


def rows(folder: Path) -> list[dict[str, Any]]:
    columns = ["brief_id", "variant", "outcome", "attempts"]
    found: list[dict[str, Any]] = pq.read_table(folder / "records.parquet", columns=columns).to_pylist()
    return found


def rows_of(folder: Path) -> str:
    found = [row["outcome"] for row in rows(folder)]
    return f"{len(found)} rows, {found.count('accepted')} of them accepted"


def lines_of(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def shuffle(sheet: Path, to: Path) -> None:
    with sheet.open(encoding="utf-8", newline="") as file:
        heading, *lines = csv.reader(file)
    random.Random(SEED).shuffle(lines)
    with to.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([heading, *lines])


def show(side: Side) -> None:
    predicted = PREDICTED.get(side.name)
    expected = "" if predicted is None else f"{predicted:.0%}"
    print(f"{side.name:<10} {side.texts:>6} {side.same:>6} {side.only:>6} {expected:>10} {side.share:>9.1%} "
          f"{side.took_s:>7.0f}  {side.note}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--sides", default=",".join(PREDICTED), help="which ways, in this order")
    parser.add_argument("--variants", type=int, default=3, help="of each brief that names no number")
    parser.add_argument("--new-tokens", type=int, default=128, help="longest answer")
    parser.add_argument("--sample", type=int, default=100, help="texts that `aigc reproduce` makes again")
    parser.add_argument("--keep", type=Path, help="folder for the runs; else a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aigc-reproduce-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        bench = Bench(folder.resolve(), options.variants, options.new_tokens, options.sample)
        print(f"{'':<10} {'texts':>6} {'same':>6} {'only':>6} {'predicted':>10} {'came out':>9} {'s':>7}")
        sides = [bench.calm()]
        show(sides[0])
        for name in options.sides.split(","):
            sides.append(bench.sides()[name]())
            show(sides[-1])
    load = os.getloadavg()
    print(f"load now {load[0]:.1f}, over a quarter of an hour {load[2]:.1f}")
    if options.json:
        print(json.dumps({side.name: {**asdict(side), "share": side.share} for side in sides}))
    sys.exit(any(side.same != side.texts or side.only for side in sides))


if __name__ == "__main__":
    main()
