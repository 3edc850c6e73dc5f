"""A file that came back, as what its editor decided: from there into the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from aigc.disk import disk_errors
from aigc.errors import UsageError, shown, writable
from aigc.hashing import digest_file
from aigc.review.decisions import Decision, says_the_same
from aigc.review.intake import Offered, Reading, Reported, Reviewed, Taken, named, open_reviewed, take
from aigc.review.ledger import Ledger, Source
from aigc.review.page_file import read_page_file
from aigc.review_sheet.deciding import Sheet, decide, is_as_written
from aigc.review_sheet.reading import ReturnedSheet, read_sheet

PAGE_FILES = (".jsonl", ".ndjson", ".json")


def import_file(
    folder: Path, run_id: str, path: Path, editor: str = "", *, final: bool = False, earlier: Iterable[Decision] = ()
) -> Taken:
    """Append the decisions of `path` to the run's ledger: of the page's export, of review.xlsx, or of review.csv.

    With `final` they are the final word on their records. `earlier` decisions are those of runs before, on texts that
    were taken over.

    Raises:
        UsageError: there is no such file, or it cannot be told whose decisions they are.
        ReviewError: the file as a whole cannot be read.
        RunLocked: another process is importing.
        StoreError: the run or its ledger cannot be read, or the disk refused.
    """
    if not path.is_file():
        raise UsageError("FILE", f"{shown(path)}, which is no file", "what an editor sent back", "Correct the path.")
    with disk_errors(path, "nothing was imported"):
        source = Source(name=writable(path.name), digest=digest_file(path), imported_at=_now())
    reviewed = open_reviewed(folder, run_id)
    if path.suffix.lower() in PAGE_FILES:
        reading = read_page_file(path, editor)
        reading.offered[:] = [named(reviewed, offer) for offer in reading.offered]
    else:
        reading = read_decisions(path, reviewed, editor, source.imported_at)
    return take(reviewed, reading, source, final=final, earlier=earlier)


def read_decisions(path: Path, reviewed: Reviewed, editor: str, at: str) -> Reading:
    """The decisions of a sheet, made by `editor` or by whom its first page names; `at` is the time of its import.

    Raises:
        UsageError: nobody is named, or two are.
        ReviewError: the sheet cannot be read.
    """
    returned = _read(path, reviewed)
    return _reading(returned, reviewed, _editor(returned, editor), at)


def has_unsaved_work(path: Path, reviewed: Reviewed, ledger: Ledger) -> bool:
    """Whether a sheet holds decisions that were not imported, or rows that could not be; raises as `read_decisions`."""
    reading = _reading(_read(path, reviewed), reviewed, "nobody", _now())
    imported = digest_file(path) in {entry.source_digest for entry in ledger.entries}
    return bool(reading.problems) or (bool(reading.offered) and not imported)


def _read(path: Path, reviewed: Reviewed) -> ReturnedSheet:
    return read_sheet(path, lambda row, encoding: is_as_written(row, reviewed, encoding))


def _reading(returned: ReturnedSheet, reviewed: Reviewed, editor: str, at: str) -> Reading:
    sheet = Sheet(reviewed, editor, at, returned.encoding, returned.rows)
    decided = [decide(row, sheet) for row in returned.rows]
    offered, twice = _once([one.offered for one in decided if one.offered])
    problems = [problem for one in decided for problem in one.problems] + twice
    notices = [notice for one in decided for notice in one.notices] + _missing(returned, reviewed)
    return Reading(offered, problems, notices)


def _editor(returned: ReturnedSheet, editor: str) -> str:
    if editor and returned.editor and editor != returned.editor:
        raise UsageError("--editor", shown(editor), f"{shown(returned.editor)}, whom the file names as its editor",
                         "Leave --editor out, or correct the name in the file.")
    if not (editor or returned.editor):
        raise UsageError(returned.name, "nobody's name", "the name of the editor who decided",
                         "Give it as --editor NAME, or write it into the workbook's first sheet.")
    return editor or returned.editor


def _once(offered: Sequence[Offered]) -> tuple[list[Offered], list[Reported]]:
    """The decisions, one for each record; where rows of one record differ, none is taken."""
    first: dict[str, Offered] = {}
    differ: dict[str, list[Offered]] = {}
    for offer in offered:
        earlier = first.setdefault(offer.decision.record_id, offer)
        if not says_the_same(earlier.decision, offer.decision):
            differ.setdefault(offer.decision.record_id, [earlier]).append(offer)
    problems = [
        Reported(place=offer.place, code="twice", found="one of several rows of a record that decide differently",
                 expected="one row for each text", remedy="Delete the others.")
        for offers in differ.values() for offer in offers
    ]
    return [offer for record_id, offer in first.items() if record_id not in differ], problems


def _missing(returned: ReturnedSheet, reviewed: Reviewed) -> list[Reported]:
    there = {cell.strip() for row in returned.rows if isinstance(cell := row.cells.get("record_id"), str)}
    missing = len(reviewed.originals.keys() - there)
    if not missing:
        return []
    return [Reported(place=returned.name, code="rows_missing", found=f"no row of {missing:,} of the run's "
                     f"{len(reviewed.originals):,} texts", expected="a row of each that was to be decided",
                     remedy="They stay as they are.")]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
