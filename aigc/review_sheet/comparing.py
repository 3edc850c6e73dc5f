"""What was changed in the text and in the fields of a row, against what the row was written with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cached_property

from aigc.cells import cell_text
from aigc.characters import wrongly_decoded
from aigc.errors import shown as quoted
from aigc.records import OutputValue
from aigc.review.decisions import Decision
from aigc.review.intake import Reviewed, clean_fields
from aigc.review.reviewable import Original
from aigc.review_sheet.columns import FIELD, SHOWN, TEXT, heading_of
from aigc.review_sheet.edits import Difference, difference, is_garbled, lost, parse_field, plain
from aigc.review_sheet.reading import Formula, SheetRow
from aigc.review_sheet.spelling import is_cut
from aigc.review_sheet.versions import Known
from aigc.sheets.cells import ERROR_VALUES, Problem, clean_text

WORTH_COMPARING_CHARS = 40
"""From how many characters on a text that stands in the row of another was sorted there, not written."""
MAX_CHARS = 1 << 20
_UNDECODED = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Sheet:
    """What all rows of a file have in common. `editor` is whose decisions they are, where a row names nobody."""

    reviewed: Reviewed
    known: Known
    editor: str
    at: str
    encoding: str
    rows: Sequence[SheetRow] = ()

    def has_moved(self, column: str, text: str, original: Original) -> bool:
        """Whether `text` stands here that is another record's, as where a column was sorted alone.

        A field that is still in its own row too was copied by an editor; a whole text is nobody's to copy.
        """
        owners = self._owners.get((column, text), {original.record_id})
        is_copy = column != TEXT.name and any(self._holds(owner, column, text) for owner in owners)
        return original.record_id not in owners and not is_copy

    def _holds(self, record_id: str, column: str, text: str) -> bool:
        """Whether the row of a record has `text`."""
        row = self._by_record.get(record_id)
        found = row.cells.get(column) if row else None
        return isinstance(found, str) and plain(found, self.reviewed.originals[record_id].language) == text

    @cached_property
    def _by_record(self) -> dict[str, SheetRow]:
        return {str(row.cells.get("record_id")).strip(): row for row in self.rows}

    @cached_property
    def _owners(self) -> dict[tuple[str, str], set[str]]:
        """Record ids by column and text, of texts long enough to be nobody else's."""
        found: dict[tuple[str, str], set[str]] = {}
        for original in [*self.reviewed.originals.values(), *self._versions()]:
            for column, text in written(original).items():
                if len(same := plain(text, original.language)) >= WORTH_COMPARING_CHARS:
                    found.setdefault((column, same), set()).add(original.record_id)
        return found

    def _versions(self) -> list[Original]:
        """The texts that rows show as editors left them."""
        return [version for row in self.rows if row.cells.get(SHOWN.name)
                and (version := as_shown(row, self.reviewed, self.known))]


@dataclass(frozen=True)
class Change:
    """What was changed in a row that shows `edit`, or the text as it was made. `problem` is why it cannot be told."""

    edit: Decision | None = None
    text: str = ""
    fields: dict[str, OutputValue] = field(default_factory=dict)
    mangled: list[str] = field(default_factory=list)
    is_restored: bool = False
    """Whether the row has the text as it was made, where it showed an edit."""
    gives_fields_up: bool = False
    problem: Problem | None = None

    @property
    def is_edit(self) -> bool:
        return bool(self.text or self.fields)


def written(original: Original) -> dict[str, str]:
    """The cells of a text and of its fields as they were written, by column."""
    return {TEXT.name: original.text, **{FIELD + name: cell_text(value) for name, value in original.fields.items()}}


def as_shown(row: SheetRow, reviewed: Reviewed, known: Known) -> Original | None:
    """The text of a row as it was written; None where the run has none of it."""
    original = reviewed.originals.get(str(row.cells.get("record_id")).strip())
    try:
        return known.edited(original, known.shown(original, cell_of(row, SHOWN.name).strip())) if original else None
    except Problem:
        return None


def is_as_written(row: SheetRow, reviewed: Reviewed, known: Known, encoding: str) -> bool:
    """Whether a row has its text as it was written, as far as a file in that encoding can have it."""
    version, found = as_shown(row, reviewed, known), row.cells.get(TEXT.name)
    return version is not None and isinstance(found, str) and difference(
        version.text, found, version.language, encoding) == "same"


def change_of(row: SheetRow, original: Original, sheet: Sheet) -> Change:
    """What was changed in the text and in the fields of a row."""
    try:
        edit = sheet.known.shown(original, cell_of(row, SHOWN.name).strip())
        version = sheet.known.edited(original, edit)
        found = {column: _compared(row, column, text, version, sheet) for column, text in written(version).items()}
        if found[TEXT.name][0] == "edited" and version.fields and edit and _is_original(found[TEXT.name][1], original,
                                                                                      sheet):
            found[TEXT.name] = "same", ""  # a text that is laid out from fields: these tell what is wanted
        _refuse_given_up(row, original, version)
        edited = {column: text for column, (how, text) in found.items() if how == "edited"}
        fields = {name: parse_field(value, edited[FIELD + name], name) if FIELD + name in edited else value
                  for name, value in version.fields.items()} if edited.keys() - {TEXT.name} else {}
    except Problem as problem:
        return Change(problem=problem)
    text = edited.get(TEXT.name, "")
    return Change(
        edit=edit, text=text, fields=fields, gives_fields_up=bool(text and version.fields and not fields),
        is_restored=edit is not None and _is_restored(text, fields, original, sheet),
        mangled=[heading_of(column) for column, (how, _) in found.items() if how == "mangled"],
    )


def cell_of(row: SheetRow, column: str) -> str:
    """What a cell says, whatever it holds."""
    cell, name = row.cells.get(column), heading_of(column)
    if isinstance(cell, Formula):
        raise Problem("formula", f"a formula in {name}", "a value", "Copy the cell, and paste it as a value.")
    text = cell if isinstance(cell, str) else clean_text(cell, MAX_CHARS)
    if _UNDECODED.search(text):
        raise Problem("undecodable", f"bytes in {name} of an encoding that nothing tells", "UTF-8",
                      "Save the sheet as .xlsx or 'CSV UTF-8'.")
    return text


def _is_restored(text: str, fields: dict[str, OutputValue], original: Original, sheet: Sheet) -> bool:
    if fields:
        same = clean_fields(fields, original.language) == clean_fields(original.fields, original.language)
        return same and not text
    return bool(text) and _is_original(text, original, sheet)


def _is_original(text: str, original: Original, sheet: Sheet) -> bool:
    return difference(original.text, text, original.language, sheet.encoding) == "same"


def _refuse_given_up(row: SheetRow, original: Original, version: Original) -> None:
    """Raise Problem where words stand in a field of a text that has none any more."""
    for name in original.fields.keys() - version.fields.keys():
        if cell_of(row, FIELD + name).strip():
            raise Problem("unclear_field", f"words in {heading_of(FIELD + name)}, of a text that was edited as a whole",
                          "an empty cell", "Change the text; or decide on its fields in review.html.")


def _compared(row: SheetRow, column: str, before: str, version: Original, sheet: Sheet) -> tuple[Difference, str]:
    """How a cell differs, and what it says. Raises Problem where it is changed in a way that no editor meant."""
    if column not in row.cells:  # the editor removed the column, which changes no text
        return "same", ""
    found = cell_of(row, column)
    how = difference(before, found, version.language, sheet.encoding)
    if how == "edited":
        _refuse_broken(row, column, before, sheet)
        if sheet.has_moved(column, plain(found, version.language), version):
            raise Problem("rows_mixed", f"the {heading_of(column)} of another record", "its own",
                          "Sort all columns together, or none: put the rows back as they were.")
    return how, found


def _refuse_broken(row: SheetRow, column: str, before: str, sheet: Sheet) -> None:
    cell, found, name = row.cells[column], cell_of(row, column), heading_of(column)
    if not found.strip():
        raise Problem("empty_text", f"an empty cell in {name}", "its text", "Restore it, or reject the text.")
    if found.strip() in ERROR_VALUES:
        raise Problem("error_value", f"{quoted(found)} in {name}", "its text", "Restore the text, and save again.")
    if isinstance(cell, float | bool | date | datetime | time | timedelta):
        raise Problem("not_a_text", f"{quoted(found)} in {name}, as a number or date", "a text",
                      "Give the cell the format 'text' and write it again.")
    if is_cut(before):
        raise Problem("cut_cell", f"a change of {name}, of which the cell has only the beginning", "the whole text",
                      "Edit this text in review.html.")
    if is_garbled(before, found) or (wrongly_decoded(found) and not wrongly_decoded(before)):
        raise Problem("wrongly_decoded", f"{name} read in another encoding than it was saved in", "its characters",
                      "Save the sheet as .xlsx or 'CSV UTF-8', from a file that shows them right.")
    gone = found.count("?") > before.count("?") and lost(before, sheet.encoding)
    if gone or found.count("\ufffd") > before.count("\ufffd"):
        raise Problem("lost_characters", f"? in {name} for characters that {sheet.encoding} lacks", "its characters",
                      "Change the file as it was written, and save it as .xlsx or 'CSV UTF-8'.")
