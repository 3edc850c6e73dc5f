"""A row that came back as a decision: what its editor chose, and what was changed.

| Decision | Text    | Taken as                                              |
|----------|---------|-------------------------------------------------------|
| approve  | changed | edit, and the editor is told                          |
| edit     | same    | reported: nothing is changed                          |
| reject   | changed | reject; the editor is told that the text is not kept  |
| none     | changed | edit, and the editor is told                          |
| none     | same    | nothing; reported where there is a reason or a note   |

Codes beside those of `aigc.review.intake`: `unknown_decision`, `no_decision`, `no_record_id`, `no_base`, `formula`,
`error_value`, `not_a_text`, `undecodable`, `wrongly_decoded`, `lost_characters`, `cut_cell`, `unclear_field`,
`rows_mixed`, `twice`, `mangled`. Told: `mangled`, `taken_as_edit`, `text_not_kept`, `fields_given_up`, `rows_missing`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cached_property

import msgspec

from aigc.cells import cell_text
from aigc.characters import wrongly_decoded
from aigc.errors import nearest
from aigc.errors import shown as quoted
from aigc.records import OutputValue
from aigc.review.decisions import REASONS, Decision, Verb
from aigc.review.intake import Offered, Reported, Reviewed
from aigc.review.reviewable import Original
from aigc.review.words import VERB_WORDS, read_reason, read_verb
from aigc.review_sheet.columns import FIELD, TEXT, heading_of
from aigc.review_sheet.edits import Difference, difference, is_garbled, lost, parse_field, plain
from aigc.review_sheet.reading import Formula, SheetRow
from aigc.review_sheet.spelling import is_cut
from aigc.sheets.cells import ERROR_VALUES, Problem, clean_text

WORTH_COMPARING_CHARS = 40
"""From how many characters on a text that stands in the row of another was sorted there, not written."""
MAX_CHARS = 1 << 20
_UNDECODED = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Sheet:
    """What all rows of a file have in common."""

    reviewed: Reviewed
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
        for original in self.reviewed.originals.values():
            for column, text in written(original).items():
                if len(same := plain(text, original.language)) >= WORTH_COMPARING_CHARS:
                    found.setdefault((column, same), set()).add(original.record_id)
        return found


@dataclass(frozen=True)
class Decided:
    """What a row comes to: a decision or none, and what is to be said."""

    offered: Offered | None = None
    problems: list[Reported] = field(default_factory=list)
    notices: list[Reported] = field(default_factory=list)


@dataclass(frozen=True)
class _Change:
    """What was changed in a row. `problem` is why it cannot be told."""

    text: str = ""
    fields: dict[str, OutputValue] = field(default_factory=dict)
    mangled: list[str] = field(default_factory=list)
    problem: Problem | None = None

    @property
    def is_edit(self) -> bool:
        return bool(self.text or self.fields)


def decide(row: SheetRow, sheet: Sheet) -> Decided:
    """The decision of one row."""
    try:
        if row.problem:
            raise row.problem
        return _decided(row, sheet)
    except Problem as problem:
        return Decided(problems=[_reported(row, problem)])


def written(original: Original) -> dict[str, str]:
    """The cells of a text and of its fields as they were written, by column."""
    return {TEXT.name: original.text, **{FIELD + name: cell_text(value) for name, value in original.fields.items()}}


def is_as_written(row: SheetRow, reviewed: Reviewed, encoding: str) -> bool:
    """Whether a row has the text of its record as it was made, as far as a file in that encoding can have it."""
    original = reviewed.originals.get(str(row.cells.get("record_id")).strip())
    found = row.cells.get("text")
    return original is not None and isinstance(found, str) and difference(
        original.text, found, original.language, encoding) == "same"


def _decided(row: SheetRow, sheet: Sheet) -> Decided:
    verb, reviewed = _verb(row), sheet.reviewed
    decision = Decision(
        record_id=_text(row, "record_id").strip(), run_id=_text(row, "run_id").strip() or reviewed.run_id,
        verb=verb or "approve", editor=sheet.editor, at=sheet.at, base=_text(row, "base").strip(), reason=_reason(row),
        note=_text(row, "note").strip(),
    )
    said = bool(verb or decision.reason or decision.note)
    original = reviewed.originals.get(decision.record_id)
    if said and not decision.record_id:
        raise Problem("no_record_id", "a decision without a record_id", "the id of a text",
                      "Restore the column record_id from the file as it was written.")
    if original is None or decision.run_id != reviewed.run_id or decision.base not in ("", original.base):
        # There is nothing to compare it with; what is wrong with it, the intake says.
        return Decided(Offered(place=row.place, decision=decision)) if said else Decided()
    change = _change(row, original, sheet)
    if change.problem and verb != "reject":
        raise change.problem
    if change.is_edit and not decision.base:
        raise Problem("no_base", "a changed text without its digest", "the digest in the column base",
                      "Restore the column base from the file as it was written.")
    taken = _taken(verb, change, said=said)
    notices = [_reported(row, notice) for notice in _notices(verb, change, original)]
    if taken is None:
        return Decided(notices=notices)
    edit = {"text": change.text, "fields": change.fields} if taken == "edit" else {}
    decision = msgspec.structs.replace(decision, verb=taken, base=original.base, **edit)
    return Decided(Offered(place=row.place, decision=decision), notices=notices)


def _taken(verb: Verb | None, change: _Change, *, said: bool) -> Verb | None:
    """What a row is taken as; None where nothing was decided. Raises Problem where that cannot be told."""
    if verb == "reject" or (verb == "approve" and not change.is_edit):
        return verb
    if change.is_edit:
        return "edit"
    if verb == "edit":
        if change.mangled:
            raise Problem("mangled", f"{', '.join(change.mangled)} as a program changed it", "the edited text",
                          "Give the cell the format 'text' and write it again.")
        raise Problem("no_change", "'edit' beside the text as it was", "a changed text",
                      "Change the text, or approve it as it is.")
    if said:
        raise Problem("no_decision", "a reason or a note without a decision", "approve, edit or reject",
                      "Choose a decision for the row.")
    return None


def _notices(verb: Verb | None, change: _Change, original: Original) -> Iterator[Problem]:
    """What the editor is told about how the row was read."""
    if change.mangled:
        yield Problem("mangled", f"{', '.join(change.mangled)} as a program changed it, not its editor",
                      "the text as it was written", "It is read as unchanged.")
    if verb == "reject":
        if change.is_edit or change.problem:
            yield Problem("text_not_kept", "a changed text that is rejected", "a rejection alone",
                          "The rejection is taken, the change is not: choose edit where it should be.")
        return
    if change.is_edit and verb != "edit":
        beside = f"beside '{VERB_WORDS['en'][verb]}'" if verb else "without a decision"
        yield Problem("taken_as_edit", f"a changed text {beside}", "edit", "It is taken as an edit.")
    if change.text and original.fields and not change.fields:
        yield Problem("fields_given_up", "a changed text, where it is made of fields", "changed fields",
                      "It is taken, and its fields are given up: change those where they should be kept.")


def _change(row: SheetRow, original: Original, sheet: Sheet) -> _Change:
    """What was changed in the text and in the fields of a row."""
    try:
        found = {column: _compared(row, column, text, original, sheet) for column, text in written(original).items()}
        edited = {column: text for column, (how, text) in found.items() if how == "edited"}
        fields = {name: parse_field(value, edited[FIELD + name], name) if FIELD + name in edited else value
                  for name, value in original.fields.items()}
    except Problem as problem:
        return _Change(problem=problem)
    return _Change(text=edited.get("text", ""), fields=fields if edited.keys() - {"text"} else {},
                   mangled=[heading_of(column) for column, (how, _) in found.items() if how == "mangled"])


def _compared(row: SheetRow, column: str, before: str, original: Original, sheet: Sheet) -> tuple[Difference, str]:
    """How a cell differs, and what it says. Raises Problem where it is changed in a way that no editor meant."""
    if column not in row.cells:  # the editor removed the column, which changes no text
        return "same", ""
    found = _text(row, column)
    how = difference(before, found, original.language, sheet.encoding)
    if how == "edited":
        _refuse_broken(row, column, before, sheet)
        if sheet.has_moved(column, plain(found, original.language), original):
            raise Problem("rows_mixed", f"the {heading_of(column)} of another record", "its own",
                          "Sort all columns together, or none: put the rows back as they were.")
    return how, found


def _refuse_broken(row: SheetRow, column: str, before: str, sheet: Sheet) -> None:
    cell, found, name = row.cells[column], _text(row, column), heading_of(column)
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


def _verb(row: SheetRow) -> Verb | None:
    word = _text(row, "decision").strip()
    verb = read_verb(word) if word else None
    if word and verb is None:
        words = [*VERB_WORDS["en"].values(), *VERB_WORDS["zh"].values()]
        raise Problem("unknown_decision", f"the decision {quoted(word)}", f"one of {', '.join(words)}, or nothing",
                      f"Correct the cell.{nearest(word, words)}")
    return verb


def _reason(row: SheetRow) -> str:
    word = _text(row, "reason").strip()
    reason = read_reason(word) if word else ""
    if reason is None:
        raise Problem("unknown_reason", f"the reason {quoted(word)}", f"one of {', '.join(REASONS)}, or nothing",
                      f"Correct the cell, or write it as a note.{nearest(word, list(REASONS))}")
    return reason


def _text(row: SheetRow, column: str) -> str:
    """What a cell says, whatever it holds."""
    cell, name = row.cells.get(column), heading_of(column)
    if isinstance(cell, Formula):
        raise Problem("formula", f"a formula in {name}", "a value", "Copy the cell, and paste it as a value.")
    text = cell if isinstance(cell, str) else clean_text(cell, MAX_CHARS)
    if _UNDECODED.search(text):
        raise Problem("undecodable", f"bytes in {name} outside the file's encoding", "text in one encoding",
                      "Save the sheet as .xlsx or 'CSV UTF-8'.")
    return text


def _reported(row: SheetRow, problem: Problem) -> Reported:
    return Reported(place=row.place, code=problem.code, found=problem.found, expected=problem.expected,
                    remedy=problem.remedy)
