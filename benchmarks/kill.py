"""Kill -9 at random moments, the same command again, and at last the results of a run that nobody disturbed.

    python benchmarks/kill.py [--json] [--kills 30] [--rows 200] [--seed 0]

A process makes a run as `aigc run` does, with ScriptedEngine in place of a model: two variants of every brief, a fifth
of the answers unusable and tried again, bad rows between. It is killed without warning, every third time while it
writes its result files; then it is started again, and killed again, before it may come to its end. Then the next run
begins.
Told at the end, of all runs together:

    lost       rows of the undisturbed run that are missing
    doubled    rows that stand twice in the results, or were settled twice in the journal
    differing  rows (and CSV and JSONL files) with any other value than the undisturbed run's, apart from times
    remade     answers that had to be made a second time: those in flight when the process died
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import write_sheet

from aigc.earlier import same_results
from aigc.engine.scripted import ScriptedEngine, answer
from aigc.hashing import digest
from aigc.job import Job
from aigc.models import ModelRef
from aigc.provenance import RunFile, read_run, runs
from aigc.records import Prompt
from aigc.runs import find_earlier, open_run
from aigc.settings_loading import load_settings
from aigc.store import JOURNAL

STEP_S = 0.003
SLOTS = 8
MODEL = ModelRef(ref="scripted", digest=digest("scripted"))
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
COMPARED_FILES = ("accepted.csv", "accepted.jsonl", "rejected.csv")


@dataclass
class Found:
    """What the comparison of a run with the undisturbed one has found."""

    lost: int = 0
    doubled: int = 0
    differing: int = 0
    remade: int = 0

    def add(self, other: Found) -> None:
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def work() -> None:
    """The process that is killed, in its folder. It tells on stdout when it begins to generate and to export."""
    answers = os.open("answers", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def script(prompt: Prompt) -> str:
        os.write(answers, b".")
        return answer(prompt) if prompt.seed % 5 else "No."

    job = Job(Path("products.csv"), load_settings(None, {"run": {"variants": 2, "max_attempts": 3}}, {}))
    earlier = find_earlier(job, "auto")
    if same_results(job, MODEL, earlier):
        return
    with open_run(job, MODEL, ScriptedEngine(script, slots=SLOTS, step_s=STEP_S), earlier) as run:
        run.begin(job.survey())
        print("generate", flush=True)
        run.generate(job.rows())
        print("export", flush=True)
        run.finish()
        print("done", flush=True)


@dataclass
class Killer:
    """Starts the process again and again, and kills it while it is in the stage whose turn it is."""

    kills: int
    rows: int
    chance: random.Random
    stage_s: dict[str, float] = field(default_factory=dict)
    """How long the stages of an undisturbed run take."""
    killed: Counter[str] = field(default_factory=Counter)

    def undisturbed(self, folder: Path) -> None:
        began: dict[str, float] = {}
        with self._process(folder) as process:
            while line := self._told(process):
                began[line] = time.monotonic()
        self.stage_s = {"generate": began["export"] - began["generate"], "export": began["done"] - began["export"]}

    def disturbed(self, folder: Path) -> None:
        """One run, killed several times in a row before it may come to its end."""
        for _ in range(min(self.kills - self.killed.total(), self.chance.randint(3, 8))):
            stage = "export" if self.killed.total() % 3 == 2 else "generate"
            self._kill_in(stage, folder)
        with self._process(folder) as process:
            process.communicate()
        assert process.returncode == 0, "the last process, which nobody killed, did not come to its end"

    def _kill_in(self, stage: str, folder: Path) -> None:
        # A fifth of a run at a time, so that one run is killed at many places.
        longest_s = self.stage_s[stage] / (5 if stage == "generate" else 1)
        with self._process(folder) as process:
            while (told := self._told(process)) not in (stage, ""):
                pass
            time.sleep(self.chance.uniform(0, longest_s))
            process.kill()
            process.wait()
            self.killed[stage if told else "too late"] += process.returncode != 0

    @staticmethod
    def _process(folder: Path) -> subprocess.Popen[str]:
        command = [sys.executable, str(Path(__file__).resolve()), "--work"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)

    @staticmethod
    def _told(process: subprocess.Popen[str]) -> str:
        assert process.stdout
        return process.stdout.readline().strip()


def compare(folder: Path, undisturbed: Path) -> Found:
    """What differs between the finished runs in two folders."""
    mine, theirs = _records(folder), _records(undisturbed)
    keys = Counter(key for key, _ in mine)
    rows = dict(mine)
    found = Found(
        lost=sum(key not in rows for key, _ in theirs),
        doubled=sum(count - 1 for count in keys.values()) + _settled_twice(folder),
        differing=sum(rows.get(key, row) != row for key, row in theirs),
        remade=(folder / "answers").stat().st_size - (undisturbed / "answers").stat().st_size,
    )
    for name in COMPARED_FILES:
        found.differing += _text(_run_folder(folder) / name) != _text(_run_folder(undisturbed) / name)
    return found


def _text(path: Path) -> bytes:
    """What a file holds, without record ids and the run's own id."""
    return _UUID.sub(b"", path.read_bytes()).replace(path.parent.name.encode(), b"")


def _finished(folder: Path) -> RunFile:
    (facts,) = runs(folder / "outputs")
    file = read_run(folder / "outputs" / facts.run_id)
    assert file.status == "finished", file.status
    return file


def _run_folder(folder: Path) -> Path:
    return folder / "outputs" / _finished(folder).run_id


def _records(folder: Path) -> list[tuple[tuple[str, int, int], str]]:
    """Every row of records.parquet as text, by id, variant and (bad rows share ids) row; without times and own ids."""
    import pyarrow.parquet as pq

    found = []
    for row in pq.read_table(_run_folder(folder) / "records.parquet").to_pylist():
        # Ids are drawn by chance, commitments are salted by the run, and a leaf covers all of these and the times.
        del row["record_id"], row["leaf"]
        for name in ("record_id", "run_id", "created_at", "prompt"):
            del row["provenance"][name]
        for attempt in row["attempts"]:
            del attempt["created_at"], attempt["prompt_commitment"]
        found.append(((row["brief_id"], row["variant"], row["row"]), json.dumps(row)))
    return found


def _settled_twice(folder: Path) -> int:
    """Rows that the journal holds more than once under the same fingerprint."""
    lines = (_run_folder(folder) / JOURNAL).read_bytes().splitlines()[1:]
    settled = Counter(line[9:58] for line in lines if line[42:58] != b"0" * 16)
    return sum(count - 1 for count in settled.values())


def run(kills: int, rows: int, seed: int) -> dict[str, int]:
    killer, found, disturbed_runs = Killer(kills, rows, random.Random(seed)), Found(), 0
    with tempfile.TemporaryDirectory(prefix="aigc-kill-") as temporary:
        folder = Path(temporary)
        calm = _fresh(folder / "calm", rows)
        killer.undisturbed(calm)
        while killer.killed.total() < kills:
            disturbed_runs += 1
            disturbed = _fresh(folder / f"disturbed-{disturbed_runs}", rows)
            killer.disturbed(disturbed)
            found.add(compare(disturbed, calm))
        file = _finished(calm)
    return {
        "kills": killer.killed.total(),
        "kills_in_export": killer.killed["export"],
        "runs": disturbed_runs,
        "rows_each": file.rows,
        **{f"rows_{name}": count for name, count in file.outcomes.items()},
        "lost": found.lost,
        "doubled": found.doubled,
        "differing": found.differing,
        "remade": found.remade,
    }


def _fresh(folder: Path, rows: int) -> Path:
    folder.mkdir()
    write_sheet(folder / "products.csv", rows)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--rows", type=int, default=200, help="briefs of the sheet; each has two variants")
    parser.add_argument("--seed", type=int, default=0, help="of the moments at which the process is killed")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work()
        return
    figures = run(options.kills, options.rows, options.seed)
    for name, count in figures.items():
        print(f"{name:<16} {count:>8,}")
    if options.json:
        print(json.dumps(figures))
    sys.exit(1 if figures["lost"] or figures["doubled"] or figures["differing"] else 0)


if __name__ == "__main__":
    main()
