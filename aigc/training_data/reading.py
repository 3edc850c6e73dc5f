"""Training data read back: whole and as it was written, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from aigc.disk import disk_errors
from aigc.errors import StoreError, UsageError, shown, writable
from aigc.hashing import digest_file
from aigc.records import Value
from aigc.training_data.values import (
    EXAMPLES,
    FIRST_SCHEMA,
    HELD_OUT,
    PAIRS,
    SCHEMA,
    STATEMENT,
    Example,
    HeldOut,
    Pair,
    Split,
    Statement,
    digest_of,
)

Row = TypeVar("Row", Example, Pair, HeldOut)
_REMEDY = "Make it anew: aigc dataset RUN…"


@dataclass(frozen=True)
class TrainingData:
    """The folder of training data, whose files have the digests that its statement tells."""

    folder: Path
    statement: Statement

    def examples(self, split: Split) -> list[Example]:
        return self._rows(f"{EXAMPLES}/{split}.jsonl", Example)

    def pairs(self, split: Split) -> list[Pair]:
        return self._rows(f"{PAIRS}/{split}.jsonl", Pair)

    def held_out(self) -> list[HeldOut]:
        return self._rows(HELD_OUT, HeldOut)

    def _rows(self, name: str, kind: type[Row]) -> list[Row]:
        if name not in {file.path for file in self.statement.files}:
            return []
        decoder = msgspec.json.Decoder(kind)
        with disk_errors(self.folder / name, "nothing was changed"):
            return [decoder.decode(line) for line in (self.folder / name).read_bytes().split(b"\n") if line]


def open_training_data(folder: Path) -> TrainingData:
    """The training data in `folder`.

    Raises:
        UsageError: there is none.
        StoreError: it is damaged, changed since it was made, or of another version.
    """
    path = folder / STATEMENT
    if not path.is_file():
        raise UsageError("DATA", f"no {STATEMENT} in {writable(folder)}", "a folder that `aigc dataset` made", _REMEDY)
    with disk_errors(path, "nothing was changed"):
        statement = _statement(path, path.read_bytes())
    if digest_of(statement.files) != statement.digest:
        raise StoreError(str(path), "files other than its own digest says", statement.digest, _REMEDY)
    for file in statement.files:
        with disk_errors(folder / file.path, "nothing was changed"):
            found = digest_file(folder / file.path)
        if found != file.digest:
            remedy = f"{_REMEDY} Rows that are wrong are decided anew in the review, not edited here."
            raise StoreError(str(folder / file.path), f"other bytes than {STATEMENT} tells", file.digest, remedy)
    return TrainingData(folder, statement)


class _Version(Value, frozen=True):
    schema: str = ""


def _statement(path: Path, data: bytes) -> Statement:
    """The statement, also where an earlier version of the program wrote it."""
    try:
        if (version := msgspec.json.decode(data, type=_Version).schema) not in (SCHEMA, FIRST_SCHEMA):
            raise StoreError(str(path), f"version {shown(version)}", f"{SCHEMA} or {FIRST_SCHEMA}", _REMEDY)
        return msgspec.json.decode(data, type=Statement) if version == SCHEMA else _of_first(msgspec.json.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise StoreError(str(path), f"a damaged statement ({shown(exc, 120)})", SCHEMA, _REMEDY) from exc


def _of_first(told: object) -> Statement:
    """A statement of the first version, whose runs name one ledger each, as this version has them."""
    runs = told.get("runs") if isinstance(told, dict) else None
    for run in runs if isinstance(runs, list) else []:
        if isinstance(run, dict) and "ledgers" not in run:
            run["ledgers"] = {run.get("run_id"): run["ledger"]} if run.get("ledger") else {}
    return msgspec.convert(told, Statement)
