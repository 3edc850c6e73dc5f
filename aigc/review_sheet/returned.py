"""A file that came back, as what its editor decided: from there into the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from aigc.disk import disk_errors
from aigc.errors import UsageError, shown, writable
from aigc.hashing import digest_file
from aigc.review.decisions import Decision, says_the_same
from aigc.review.intake import Offered, Reading, Reported, Reviewed, Taken, editor_name, named, open_reviewed, take
from aigc.review.ledger import Ledger, Source, read_ledger
from aigc.review.page_file import read_page_file
from aigc.review.words import VERB_WORDS, other_word
from aigc.review_sheet.columns import EDITOR, FIELD, GUIDE
from aigc.review_sheet.comparing import Sheet, is_as_written
from aigc.review_sheet.deciding import decide, named_editor
from aigc.review_sheet.reading import WORKBOOKS, ReturnedSheet, SheetRow, read_sheet
from aigc.review_sheet.versions import Known
from aigc.sheets.cells import Problem

PAGE_FILES = (".jsonl", ".ndjson", ".json")


def import_file(
    folder: Path, run_id: str, path: Path, editor: str = "", *, final: bool = False, earlier: Sequence[Decision] = ()
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
    if any("\ud800" <= char <= "\udfff" for char in editor):  # bytes that are no UTF-8
        raise UsageError("--editor", shown(editor), "a name that the terminal and this program read alike",
                         "Set the terminal to UTF-8, or have the editor sign in the file.")
    with disk_errors(path, "nothing was imported"):
        source = Source(name=writable(path.name), digest=digest_file(path), imported_at=_now())
    reviewed = open_reviewed(folder, run_id)
    if path.suffix.lower() in PAGE_FILES:
        reading = read_page_file(path, editor)
        reading.offered[:] = [named(reviewed, offer) for offer in reading.offered]
    else:
        reading = read_decisions(path, reviewed, editor, source.imported_at, earlier)
    return take(reviewed, reading, source, final=final, earlier=earlier)


def read_decisions(
    path: Path, reviewed: Reviewed, editor: str, at: str, earlier: Sequence[Decision] = ()
) -> Reading:
    """The decisions of a sheet, made by `editor` or by whom it names; `at` is the time of its import.

    `earlier` decisions are those of runs before, as of `import_file`.

    Raises:
        UsageError: nobody is named, or another than `editor` is.
        ReviewError: the sheet cannot be read.
        StoreError: the run's ledger cannot be read.
    """
    known = Known(reviewed.folder, [*earlier, *read_ledger(reviewed.folder).decisions])
    returned = _read(path, reviewed, known)
    return _reading(returned, reviewed, known, _editor(returned, editor_name(editor)), at)


def has_unsaved_work(path: Path, reviewed: Reviewed, ledger: Ledger) -> bool:
    """Whether a sheet holds decisions that were not imported, or rows that could not be; raises as `read_decisions`.

    `ledger` has all decisions on the run's texts.
    """
    known = Known(reviewed.folder, ledger.decisions)
    reading = _reading(_read(path, reviewed, known), reviewed, known, "nobody", _now())
    imported = digest_file(path) in {entry.source_digest for entry in ledger.entries}
    return bool(reading.problems) or (bool(reading.offered) and not imported)


def _read(path: Path, reviewed: Reviewed, known: Known) -> ReturnedSheet:
    returned = read_sheet(path, lambda row, encoding: is_as_written(row, reviewed, known, encoding))
    return replace(returned, rows=[_with_its_field(row, reviewed) for row in returned.rows])


def _with_its_field(row: SheetRow, reviewed: Reviewed) -> SheetRow:
    """A row of a type with an output field `editor` or `guide`, in a sheet from before there were such columns."""
    original = reviewed.originals.get(str(row.cells.get("record_id")).strip())
    fields = original.fields if original else {}
    own = {name: FIELD + name for name in (EDITOR.name, GUIDE.name)
           if name in fields and name in row.cells and FIELD + name not in row.cells}
    return replace(row, cells={own.get(column, column): cell for column, cell in row.cells.items()}) if own else row


def _reading(returned: ReturnedSheet, reviewed: Reviewed, known: Known, editor: str, at: str) -> Reading:
    sheet = Sheet(reviewed, known, editor, at, returned.encoding, returned.rows)
    decided = [decide(row, sheet) for row in returned.rows]
    offered, twice = _once([one.offered for one in decided if one.offered])
    problems = [*returned.problems, *(problem for one in decided for problem in one.problems), *twice]
    notices = [*(notice for one in decided for notice in one.notices), *_other_words(returned),
               *_missing(returned, reviewed)]
    return Reading(offered, problems, notices)


def _editor(returned: ReturnedSheet, editor: str) -> str:
    """Whose the decisions are of rows that name nobody: the only one whom the command and the file name."""
    in_rows, signed = _named(returned.rows), editor_name(returned.editor)
    for name, place in [(signed, returned.name), *in_rows.items()]:
        if editor and name and name != editor:
            raise UsageError("--editor", shown(editor), f"{shown(name)}, whom the file names as its editor ({place})",
                             "Leave --editor out, or correct the name in the file.")
    if not (editor or signed or in_rows):
        _refuse_unreadable(returned.rows)
        is_workbook = Path(returned.name).suffix.lower() in WORKBOOKS
        place = (f"the cell beside '{EDITOR.words['en']}' on the workbook's first sheet" if is_workbook
                 else f"the column '{EDITOR.words['en']}' ({EDITOR.words['zh']}) of any row")
        raise UsageError(returned.name, "nobody's name", "the name of the editor who decided",
                         f"Give it as --editor NAME, or write it into {place}.")
    return editor or signed or (next(iter(in_rows)) if len(in_rows) == 1 else "")


def _refuse_unreadable(rows: Sequence[SheetRow]) -> None:
    """Raise UsageError where somebody is named, and nobody can tell who."""
    for row in rows:
        try:
            named_editor(row)
        except Problem as problem:
            raise UsageError(row.place, problem.found, "the name of the editor who decided",
                             f"{problem.remedy} Or give the name as --editor NAME.") from problem


def _named(rows: Sequence[SheetRow]) -> dict[str, str]:
    """Whom rows name as their editors, each with the first place that does; rows that cannot be read name nobody."""
    found: dict[str, str] = {}
    for row in rows:
        try:
            name = named_editor(row)
        except Problem:  # which its row reports
            continue
        if name:
            found.setdefault(name, row.place)
    return found


def _once(offered: Sequence[Offered]) -> tuple[list[Offered], list[Reported]]:
    """The decisions, one of each editor for each record; where several rows of that differ, none is taken."""
    first: dict[tuple[str, str], Offered] = {}
    differ: dict[tuple[str, str], list[Offered]] = {}
    for offer in offered:
        key = offer.decision.record_id, offer.decision.editor
        earlier = first.setdefault(key, offer)
        if not says_the_same(earlier.decision, offer.decision):
            differ.setdefault(key, [earlier]).append(offer)
    problems = [
        Reported(place=offer.place, code="twice", found="one of several rows of a record that decide differently",
                 expected="one row for each text", remedy="Delete the others.")
        for offers in differ.values() for offer in offers
    ]
    return [offer for key, offer in first.items() if key not in differ], problems


def _missing(returned: ReturnedSheet, reviewed: Reviewed) -> list[Reported]:
    there = {cell.strip() for row in returned.rows if isinstance(cell := row.cells.get("record_id"), str)}
    missing = len(reviewed.originals.keys() - there)
    if not missing:
        return []
    return [Reported(place=returned.name, code="rows_missing", found=f"no row of {missing:,} of the run's "
                     f"{len(reviewed.originals):,} texts", expected="a row of each that was to be decided",
                     remedy="They stay as they are.")]


def _other_words(returned: ReturnedSheet) -> list[Reported]:
    """Which words that are no choice were read as one, each told once with how many rows have it."""
    said = Counter((word.strip(), verb) for row in returned.rows
                   if isinstance(word := row.cells.get("decision"), str) and (verb := other_word(word)))
    return [
        Reported(place=returned.name, code="read_as", remedy=f"It is read as {verb}.",
                 found=f"the decision {shown(word)} in {rows:,} row{'s' if rows > 1 else ''}",
                 expected=f"one of {', '.join(VERB_WORDS['en'].values())}")
        for (word, verb), rows in said.items()
    ]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
