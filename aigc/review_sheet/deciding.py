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
from collections.abc import Iterator
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
from aigc.review_sheet.columns import FIELD
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

    @cached_property
    def owners(self) -> dict[str, str]:
        """Record ids by text, of texts long enough to be nobody else's."""
        texts = ((plain(original.text, original.language), original.record_id)
                 for original in self.reviewed.originals.values())
        return {text: record_id for text, record_id in texts if len(text) >= WORTH_COMPARING_CHARS}


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
    written = {"text": original.text, **{FIELD + name: cell_text(value) for name, value in original.fields.items()}}
    try:
        found = {column: _compared(row, column, text, original, sheet) for column, text in written.items()}
        edited = {column: text for column, (how, text) in found.items() if how == "edited"}
        fields = {name: parse_field(value, edited[FIELD + name], name) if FIELD + name in edited else value
                  for name, value in original.fields.items()}
    except Problem as problem:
        return _Change(problem=problem)
    return _Change(text=edited.get("text", ""), fields=fields if edited.keys() - {"text"} else {},
                   mangled=[column for column, (how, _) in found.items() if how == "mangled"])


def _compared(row: SheetRow, column: str, written: str, original: Original, sheet: Sheet) -> tuple[Difference, str]:
    """How a cell differs, and what it says. Raises Problem where it is changed in a way that no editor meant."""
    if column not in row.cells:  # the editor removed the column, which changes no text
        return "same", ""
    found = _text(row, column)
    how = difference(written, found, original.language, sheet.encoding)
    if how == "edited":
        _refuse_broken(row, column, written, sheet)
        same = plain(found, original.language)
        if sheet.owners.get(same, original.record_id) != original.record_id:
            raise Problem("rows_mixed", f"the {column} of another record", "its own",
                          "Sort all columns together, or none: put the rows back as they were.")
    return how, found


def _refuse_broken(row: SheetRow, column: str, written: str, sheet: Sheet) -> None:
    cell, found = row.cells[column], _text(row, column)
    if not found.strip():
        raise Problem("empty_text", f"an empty cell in {column}", "its text", "Restore it, or reject the text.")
    if found.strip() in ERROR_VALUES:
        raise Problem("error_value", f"{quoted(found)} in {column}", "its text", "Restore the text, and save again.")
    if isinstance(cell, float | bool | date | datetime | time | timedelta):
        raise Problem("not_a_text", f"{quoted(found)} in {column}, as a number or date", "a text",
                      "Give the cell the format 'text' and write it again.")
    if is_cut(written):
        raise Problem("cut_cell", f"a change of {column}, of which the cell has only the beginning", "the whole text",
                      "Edit this text in review.html.")
    if is_garbled(written, found) or (wrongly_decoded(found) and not wrongly_decoded(written)):
        raise Problem("wrongly_decoded", f"{column} read in another encoding than it was saved in", "its characters",
                      "Save the sheet as .xlsx or 'CSV UTF-8', from a file that shows them right.")
    gone = found.count("?") > written.count("?") and lost(written, sheet.encoding)
    if gone or found.count("\ufffd") > written.count("\ufffd"):
        raise Problem("lost_characters", f"? in {column} for characters that {sheet.encoding} lacks", "its characters",
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
    cell = row.cells.get(column)
    if isinstance(cell, Formula):
        raise Problem("formula", f"a formula in {column}", "a value", "Copy the cell, and paste it as a value.")
    text = cell if isinstance(cell, str) else clean_text(cell, MAX_CHARS)
    if _UNDECODED.search(text):
        raise Problem("undecodable", f"bytes in {column} outside the file's encoding", "text in one encoding",
                      "Save the sheet as .xlsx or 'CSV UTF-8'.")
    return text


def _reported(row: SheetRow, problem: Problem) -> Reported:
    return Reported(place=row.place, code=problem.code, found=problem.found, expected=problem.expected,
                    remedy=problem.remedy)
