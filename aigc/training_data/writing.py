"""The folder of training data: written beside its place, then moved there whole."""

from __future__ import annotations

import os
import secrets
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from aigc import __version__
from aigc.disk import disk_errors, json_bytes, sync
from aigc.errors import UsageError, writable
from aigc.hashing import digest_bytes
from aigc.provenance import FileFacts
from aigc.records import Value
from aigc.training_data.building import Built
from aigc.training_data.card import card
from aigc.training_data.dialogues import BadLine, DialogueFile
from aigc.training_data.values import (
    CARD,
    EXAMPLES,
    HELD_OUT,
    PAIRS,
    SPLITS,
    STATEMENT,
    DialogueSource,
    Judging,
    RowSource,
    RunSource,
    Statement,
    digest_of,
)

FOLDER = "datasets"
"""Where data goes that nobody gave a folder for, each under a name made of its digest."""


@dataclass(frozen=True)
class Made:
    """What was made, and the lines that were not good enough."""

    folder: Path
    statement: Statement
    bad: list[BadLine]
    new: bool


@dataclass(frozen=True)
class Sources:
    """What data was made of, and how."""

    runs: list[RunSource]
    files: Sequence[DialogueFile]
    judging: dict[str, Judging]
    held_out: float
    reviewed_only: bool


def write(built: Built, sources: Sources, out: Path | None) -> Made:
    """Write the data to `out`, or to a folder named by its digest. What is there already is not written again.

    Raises:
        UsageError: `out` holds something else.
        StoreError: the disk refused; what stood there is as it was.
    """
    contents = _contents(built)
    data = {name: b"".join(json_bytes(row) + b"\n" for row in rows) for name, rows in contents.items()}
    statement = _statement(built, sources, contents, data)
    folder = out or Path(FOLDER) / statement.digest.partition(":")[2][:12]
    bad = [line for file in sources.files for line in file.bad]
    if _stands(folder, statement):
        return Made(folder, statement, bad, new=False)
    languages = sorted({example.language for rows in built.examples.values() for example in rows})
    _put(folder, {**data, STATEMENT: _encoded(statement), CARD: card(statement, languages).encode()})
    return Made(folder, statement, bad, new=True)


def _contents(built: Built) -> dict[str, Sequence[Value]]:
    """The rows of each file that has some: an empty one opens in no library."""
    files: dict[str, Sequence[Value]] = {}
    for split in SPLITS:
        files[f"{EXAMPLES}/{split}.jsonl"] = built.examples[split]
        files[f"{PAIRS}/{split}.jsonl"] = built.pairs[split]
    files[HELD_OUT] = built.held_out
    return {name: rows for name, rows in sorted(files.items()) if rows}


def _statement(
    built: Built, sources: Sources, contents: dict[str, Sequence[Value]], data: dict[str, bytes]
) -> Statement:
    files = [FileFacts(path=name, digest=digest_bytes(data[name]), bytes=len(data[name]), rows=len(rows))
             for name, rows in contents.items()]
    held = {row.run_id for row in built.held_out}
    return Statement(
        digest=digest_of(files),
        made_with=__version__,
        held_out=sources.held_out,
        reviewed_only=sources.reviewed_only,
        runs=sources.runs,
        dialogues=[DialogueSource(file=file.name, digest=file.digest, dialogues=len(file.dialogues),
                                  bad_lines=len(file.bad)) for file in sources.files],
        groups={name: built.groups[name] for name in SPLITS},
        left_out=dict(sorted((+Counter(built.left_out)).items())),
        files=files,
        rows={name: [RowSource(source=str(getattr(row, "source", "")),
                               rejected_source=str(getattr(row, "rejected_source", ""))) for row in rows]
              for name, rows in contents.items()},
        judging={run_id: judging for run_id, judging in sources.judging.items() if run_id in held},
    )


def _encoded(statement: Statement) -> bytes:
    return msgspec.json.format(json_bytes(statement), indent=2) + b"\n"


def _stands(folder: Path, statement: Statement) -> bool:
    """Whether `folder` holds this very data.

    Raises:
        UsageError: it holds something that is no training data.
    """
    with disk_errors(folder, "nothing was changed"):
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return False
        if not (folder / STATEMENT).is_file():
            raise UsageError("--out", f"{writable(folder)}, which holds something else",
                             "a new or empty folder, or one of training data", "Name another folder.")
        return (folder / STATEMENT).read_bytes() == _encoded(statement)


def _put(folder: Path, files: dict[str, bytes]) -> None:
    """Write `files` in a folder of their own, then have it take the place of `folder`."""
    made = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.new")
    old = made.with_suffix(".old")
    with disk_errors(folder, "what stood there is as it was"):
        try:
            made.mkdir(parents=True)
            for name, data in files.items():
                path = made / name
                path.parent.mkdir(exist_ok=True)
                with path.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            if folder.exists():
                folder.rename(old)
            made.rename(folder)
            sync(folder.parent)
        finally:
            shutil.rmtree(made, ignore_errors=True)
            if old.exists() and not folder.exists():
                old.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
