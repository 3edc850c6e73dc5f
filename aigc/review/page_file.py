"""The file that review.html exports: a line that says whose it is, then a decision a line.

    {"aigc_review": 1, "run_id": "…", "editor": "…"}
    {"record_id": "…", "action": "approve", …}

Several such files may be put one behind the other. A line that is no decision is reported as `broken_line`.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path

import msgspec

from aigc.disk import disk_errors
from aigc.errors import ReviewError, UsageError, shown, writable
from aigc.records import Value
from aigc.review.decisions import Decision
from aigc.review.intake import Offered, Reading, Reported, editor_name

VERSION = 1


class Heading(Value, frozen=True):
    """The first line."""

    aigc_review: int
    run_id: str
    editor: str = ""


class _Kind(Value, frozen=True):
    """What tells headings, decisions and lines of a ledger apart."""

    aigc_review: int | None = None
    previous: str | None = None
    run_id: str | None = None
    editor: str | None = None


def read_page_file(path: Path, editor: str = "") -> Reading:
    """The decisions of an exported file; of `editor` where it names none.

    Raises:
        UsageError: `editor` is another than the file's.
        ReviewError: it is no such file, or cannot be read.
    """
    reading, heading = Reading([], [], []), None
    for place, line in _lines(path):
        kind = _kind(line)
        if kind and kind.previous is not None:
            raise ReviewError(place, "a line of a run's ledger", "a file that review.html exported",
                              "Import what the editors sent: a ledger is never imported.")
        if kind and kind.aigc_review is not None:
            heading = _heading(place, line, kind.aigc_review)
            _refuse_other(place, heading.editor, editor)
            continue
        if heading is None:
            raise ReviewError(place, "no heading", 'a first line such as {"aigc_review": 1, "run_id": …}',
                              "Import the file as review.html exported it.")
        _add(reading, place, line, heading, editor)
    if heading is None:
        raise ReviewError(writable(path), "an empty file", "a file that review.html exported", "Export it again.")
    return reading


def _add(reading: Reading, place: str, line: bytes, heading: Heading, editor: str) -> None:
    try:
        given = {"run_id": heading.run_id, "editor": heading.editor or editor}
        found = given | msgspec.json.decode(line, type=dict[str, object])
        decision = msgspec.convert(found | {"editor": found["editor"] or given["editor"]}, Decision)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        reading.problems.append(Reported(
            place=place, code="broken_line", found=f"no decision ({shown(exc, 120)})", expected="a decision as JSON",
            remedy="Export the file again: it was cut short or changed.",
        ))
        return
    _refuse_other(place, decision.editor, editor)
    passed_on = decision.editor != (given["editor"] or decision.editor)
    reading.offered.append(Offered(place=place, decision=decision, passed_on=passed_on))


def _refuse_other(place: str, named: str, editor: str) -> None:
    if named and editor and editor_name(named) != editor_name(editor):
        raise UsageError("--editor", shown(editor), f"{shown(named)}, who the file ({place}) says decided",
                         "Leave --editor out.")


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    with disk_errors(path, "nothing was imported"):
        data = path.read_bytes()
    for number, given in enumerate(data.split(b"\n"), 1):
        if line := given.removeprefix(BOM_UTF8).strip():
            yield f"{writable(path.name)} line {number}", line


def _kind(line: bytes) -> _Kind | None:
    try:
        return msgspec.json.decode(line, type=_Kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _heading(place: str, line: bytes, version: int) -> Heading:
    if version != VERSION:
        raise ReviewError(place, f"a file of version {version}", f"one of version {VERSION}",
                          "Import it with the version of aigc that wrote the page.")
    try:
        return msgspec.json.decode(line, type=Heading)
    except msgspec.MsgspecError as exc:
        raise ReviewError(place, f"a damaged heading ({shown(exc, 120)})", "the run's id and the editor's name",
                          "Import the file as review.html exported it.") from exc
