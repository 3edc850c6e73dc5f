"""A run changed in a thousand ways, one at a time, each looked at by `verify`: how many are found, and at their place.

    python benchmarks/tamper.py [--changes 1000] [--seed 1] [--json]

A signed run of the scripted engine, with labels, sidecars and descriptions. Changes take turns:

    byte      one bit of one byte, of a file drawn by chance
    field     one value of one row of records.parquet, at any depth: texts, provenance, verdicts, sampling, label
    value     one value of manifest.json or run.json, at any depth
    label     one character of a label, in accepted.jsonl, in a text of accepted.csv or in the schema of records.parquet
    cut       the end of a file
    gone      a file

Found is what makes `verify` say that the run does not hold. The place is right where a finding names the file, and for
fields and values of rows also the row.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aigc.errors import AigcError
from aigc.provenance import RUN_FILE
from aigc.provenance.manifest import MANIFEST, SIGNATURE, SUMS, read_manifest
from aigc.signing import new_identity
from aigc.start import Request, start
from aigc.verification import verify

SHEETS = Path(__file__).parent.parent / "inputs"
PARQUET = "records.parquet"
Changed = tuple[str, str]
"""A file, and what its finding's place has to hold beside it."""


def make(folder: Path) -> Path:
    """A signed run of the Chinese example sheet, whose texts carry visible labels. Returns its folder."""
    new_identity(folder / "keys", name="Tamper bench", days=30)
    request = Request(briefs=str(SHEETS / "zh" / "briefs.csv"), overrides={
        "engine": {"name": "scripted"},
        "run": {"out": str(folder / "outputs"), "templates": str(SHEETS.parent / "templates")},
        "signing": {"enabled": True, "identity": str(folder / "keys")},
        "labels": {"producer": "Example"},
    })
    with start(request) as started:
        if started.run is None:
            raise SystemExit("the run was there already")
        started.run.generate(started.job.rows())
        started.run.finish()
        return started.folder


def path_names(folder: Path) -> set[str]:
    """Files that the manifest tells of or that tell of it: a page for reviewers, which can be written anew, is none."""
    manifest, _ = read_manifest(folder)
    return {file.path for file in [*manifest.run.outputs, *manifest.files]} | {MANIFEST, SIGNATURE, SUMS, RUN_FILE}


class Vandal:
    """Changes one thing at a time, and puts it back."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self._chance = folder, random.Random(seed)
        told = path_names(folder)
        self._files = sorted(path for path in folder.iterdir() if path.is_file() and path.name in told)
        self._whole = {path.name: path.read_bytes() for path in self._files}

    @property
    def kinds(self) -> dict[str, Callable[[], Changed]]:
        return {"byte": self.byte, "field": self.field, "value": self.value, "label": self.label, "cut": self.cut,
                "gone": self.gone}

    def put_back(self) -> None:
        for path in self._files:
            if not path.is_file() or path.read_bytes() != self._whole[path.name]:
                path.write_bytes(self._whole[path.name])

    def byte(self) -> Changed:
        path = self._any_file()
        data = bytearray(self._whole[path.name])
        data[self._chance.randrange(len(data))] ^= 1 << self._chance.randrange(8)
        path.write_bytes(bytes(data))
        return path.name, ""

    def cut(self) -> Changed:
        path = self._any_file()
        data = self._whole[path.name]
        path.write_bytes(data[: self._chance.randrange(len(data))])
        return path.name, ""

    def gone(self) -> Changed:
        path = self._any_file()
        path.unlink()
        return path.name, ""

    def field(self) -> Changed:
        """A table such as somebody with a data frame would write, one value of it another."""
        table = pq.read_table(self.folder / PARQUET)
        rows = table.to_pylist()
        at = self._chance.randrange(len(rows))
        self._change(rows[at])
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), self.folder / PARQUET)
        return PARQUET, f"row {at + 1} "

    def value(self) -> Changed:
        path = self.folder / self._chance.choice(["manifest.json", "run.json"])
        plain = json.loads(self._whole[path.name])
        self._change(plain)
        indent = 2 if path.name == "run.json" else None
        separators = (",", ": ") if indent else (",", ":")
        text = json.dumps(plain, indent=indent, separators=separators, ensure_ascii=False)
        path.write_bytes(text.encode() + (b"\n" if indent else b""))
        return path.name, ""

    def label(self) -> Changed:
        name = self._chance.choice(["accepted.jsonl", "accepted.csv", PARQUET])
        path, data = self.folder / name, self._whole[name]
        hidden = b'"Label":"1"', b'"Label":"2"'  # that of records.parquet stands in its footer, which is not compressed
        old, new = ("生成".encode(), "创作".encode()) if name.endswith(".csv") else hidden
        places = [at for at in range(len(data)) if data.startswith(old, at)]
        at = self._chance.choice(places)
        path.write_bytes(data[:at] + new + data[at + len(old) :])
        return name, ""

    def _any_file(self) -> Path:
        return self._chance.choice([path for path in self._files if self._whole[path.name]])

    def _change(self, value: Any) -> None:
        """Another value at a leaf drawn by chance."""
        leaves = [*_leaves(value)]
        owner, key = self._chance.choice(leaves)
        owner[key] = _other(owner[key])


def _leaves(value: Any) -> list[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found: list[tuple[Any, Any]] = []
    for key, inner in pairs:
        if isinstance(inner, dict | list) and inner:
            found += _leaves(inner)
        elif inner is not None and not isinstance(inner, dict | list):
            found.append((value, key))
    return found


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"{value}x" if not value.startswith(("{", "[")) else value.replace("}", ',"x":1}', 1).replace("{,", "{")


def look(folder: Path, anchor: Path) -> list[str]:
    """Places that are told, of a manifest that is refused its name."""
    try:
        return [finding.place for finding in verify(folder, [anchor]).findings]
    except AigcError as exc:
        return [Path(exc.place).name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    made, found, placed, missed = Counter[str](), Counter[str](), Counter[str](), list[str]()
    with tempfile.TemporaryDirectory(prefix="aigc-tamper-") as place:
        folder, anchor = make(Path(place)), Path(place) / "keys" / "anchor.pem"
        shutil.copytree(folder, copy := Path(place) / "copy" / folder.name)
        if before := look(copy, anchor):
            raise SystemExit(f"the run does not hold before anything is changed: {before}")
        vandal = Vandal(copy, options.seed)
        for turn in range(options.changes):
            kind = [*vandal.kinds][turn % len(vandal.kinds)]
            name, beside = vandal.kinds[kind]()
            places = look(copy, anchor)
            made[kind] += 1
            found[kind] += bool(places)
            is_placed = any(one.startswith(name) and (beside in one or one == name) for one in places)
            placed[kind] += is_placed
            if not is_placed:
                missed.append(f"{kind} of {name} {beside}: {places[:3]}")
            vandal.put_back()
    for kind in made:
        print(f"{kind:<8} {made[kind]:>5} changes  {found[kind]:>5} found  {placed[kind]:>5} at their place")
    for line in missed[:20]:
        print(line)
    figures = {"changes": made.total(), "found": found.total(), "at_their_place": placed.total()}
    print(figures if not options.json else json.dumps(figures))
    sys.exit(0 if found.total() == placed.total() == made.total() else 1)


if __name__ == "__main__":
    main()
