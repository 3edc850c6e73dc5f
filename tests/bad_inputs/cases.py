"""What a case of a bad input is: files, a command, and what its user must be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

Files = Mapping[str, "str | bytes | None"]

HEADER = "id,content_type,product,grade\n"
GOOD = HEADER + "b1,note,Bread,5\n"
MANIFEST = """\
title = "Note"
languages = ["en", "zh"]
[fields.product]
required = true
help = "What it is about."
[fields.grade]
type = "integer"
[output]
format = "text"
"""
PROJECT: Files = {
    "briefs.csv": GOOD,
    "templates/note/template.toml": MANIFEST,
    "templates/note/system.j2": "You write notes.",
    "templates/note/user.j2": "Write a note about {{ product }}.",
}
"""A small sound project; each case spoils one thing of it."""


class Case(NamedTuple):
    """`command` is run in a folder that holds `PROJECT` under `files` (None: not there), then changed by `make`.

    `says` must be in what the command shows; `messages` is how many messages of the form `place: found …; expected ….
    Remedy.` it shows; 0 for usage errors, which have the option parser's form.
    """

    name: str
    command: str
    code: int
    says: tuple[str, ...]
    files: Files = {}
    make: Callable[[Path], object] | None = None
    environ: Mapping[str, str] = {}
    messages: int = 1
    as_process: bool = False
    most_bytes: int = 0
    """Size that no file may pass, as on a full disk; needs `as_process`."""


def lay_out(case: Case, folder: Path) -> None:
    """Make the files of `case` in `folder`."""
    for name, content in {**PROJECT, **case.files}.items():
        path = folder / name
        if content is None:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if case.make:
        case.make(folder)
