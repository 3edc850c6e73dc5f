"""A row that came back as a decision: what its editor chose, and what was changed.

| Decision | Text     | Taken as                                                |
|----------|----------|---------------------------------------------------------|
| approve  | same     | approve; where a colleague's edit is shown, that edit   |
| approve  | changed  | edit, and the editor is told                            |
| edit     | same     | reported: nothing is changed                            |
| reject   | changed  | reject; the editor is told that the text is not kept    |
| as NAME  | same     | what that colleague decided                             |
| as NAME  | changed  | reported, but where it is that colleague's edit         |
| none     | changed  | edit, and the editor is told                            |
| none     | same     | nothing; reported where there is a reason or a note     |
| any      | restored | approve, and the editor is told: but for reject         |

"Same" is as the row was written: a text as it was made, or as a colleague left it; then "restored" is as it was made.

Codes beside those of `aigc.review.intake`: `unknown_decision`, `unknown_colleague`, `unknown_version`, `no_decision`,
`no_record_id`, `no_base`, `formula`, `error_value`, `not_a_text`, `undecodable`, `wrongly_decoded`, `lost_characters`,
`cut_cell`, `unclear_field`, `rows_mixed`, `twice`, `mangled`, `no_headings`. Told: `mangled`,
`taken_as_edit`, `taken_as_approval`, `text_not_kept`, `fields_given_up`, `rows_missing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from aigc.errors import nearest
from aigc.errors import shown as quoted
from aigc.review.decisions import REASONS, Decision, Verb
from aigc.review.intake import Offered, Reported, clean, clean_fields, editor_name
from aigc.review.reviewable import Original
from aigc.review.words import VERB_WORDS, read_colleague, read_reason, read_verb
from aigc.review_sheet.columns import EDITOR, SEEN, TEXT
from aigc.review_sheet.comparing import Change, Sheet, cell_of, change_of
from aigc.review_sheet.reading import SheetRow
from aigc.sheets.cells import Problem


@dataclass(frozen=True)
class Decided:
    """What a row comes to: a decision or none, and what is to be said."""

    offered: Offered | None = None
    problems: list[Reported] = field(default_factory=list)
    notices: list[Reported] = field(default_factory=list)


@dataclass(frozen=True)
class _Choice:
    """What stands under `decision`: a verb, or a colleague to decide as."""

    verb: Verb | None = None
    colleague: str = ""


def decide(row: SheetRow, sheet: Sheet) -> Decided:
    """The decision of one row."""
    try:
        if row.problem:
            raise row.problem
        return _decided(row, sheet)
    except Problem as problem:
        return Decided(problems=[_reported(row, problem)])


def named_editor(row: SheetRow) -> str:
    """Whom a row names as its editor; empty where nobody. Raises Problem where that is no name."""
    return editor_name(cell_of(row, EDITOR.name))


def _decided(row: SheetRow, sheet: Sheet) -> Decided:
    choice, reviewed = _choice(row), sheet.reviewed
    decision = Decision(
        record_id=cell_of(row, "record_id").strip(), run_id=cell_of(row, "run_id").strip() or reviewed.run_id,
        verb=choice.verb or "approve", editor=named_editor(row) or sheet.editor, at=sheet.at,
        base=cell_of(row, "base").strip(), reason=_reason(row), note=cell_of(row, "note").strip(),
    )
    said = bool(choice.verb or choice.colleague or decision.reason or decision.note)
    original = reviewed.originals.get(decision.record_id)
    if not decision.record_id and (said or cell_of(row, TEXT.name).strip()):
        raise Problem("no_record_id", f"a {'decision' if said else 'text'} without a record_id", "the id of a text",
                      "Restore the column record_id from the file as it was written.")
    if original is None or decision.run_id != reviewed.run_id or decision.base not in ("", original.base):
        # There is nothing to compare it with; what is wrong with it, the intake says.
        return Decided(_offered(row, decision, sheet)) if said else Decided()
    change = change_of(row, original, sheet)
    if change.problem and choice.verb != "reject":
        raise change.problem
    if change.is_edit and not decision.base:
        raise Problem("no_base", "a changed text without its digest", "the digest in the column base",
                      "Restore the column base from the file as it was written.")
    based = msgspec.structs.replace(decision, base=original.base)
    if choice.colleague:
        other = sheet.known.decision_as(choice.colleague, original, cell_of(row, SEEN.name).split())
        return Decided(_offered(row, _as_colleague(based, other, change, original), sheet))
    taken = _taken(choice.verb, change, said=said)
    notices = [_reported(row, notice) for notice in _notices(choice.verb, change)]
    return Decided(_offered(row, _with_text(based, taken, change), sheet) if taken else None, notices=notices)


def _offered(row: SheetRow, decision: Decision, sheet: Sheet) -> Offered:
    if not decision.editor:
        raise Problem("no_editor", "a decision of nobody, in a file of several editors", "the name of who decided",
                      "Write it into the row's cell 'editor'.")
    at = sheet.known.made_at(decision, cell_of(row, SEEN.name).split())
    return Offered(place=row.place, decision=msgspec.structs.replace(decision, at=at))


def _taken(verb: Verb | None, change: Change, *, said: bool) -> Verb | None:
    """What a row is taken as; None where nothing was decided. Raises Problem where that cannot be told."""
    if verb == "reject" or (verb == "approve" and not change.is_edit):
        return verb
    if change.is_edit:
        return "approve" if change.is_restored else "edit"
    if verb == "edit":
        if change.mangled:
            raise Problem("mangled", f"{', '.join(change.mangled)} as a program changed it", "the edited text",
                          "Give the cell the format 'text' and write it again.")
        raise Problem("no_change", f"'edit' beside the text as {_left_by(change)}", "a changed text",
                      "Change the text, or approve it as it is.")
    if said:
        raise Problem("no_decision", "a reason or a note without a decision", "approve, edit or reject",
                      "Choose a decision for the row.")
    return None


def _with_text(decision: Decision, taken: Verb, change: Change) -> Decision:
    """The decision with the text that it wants: who approves a colleague's edit wants that very edit."""
    if taken == "edit":
        return msgspec.structs.replace(decision, verb=taken, text=change.text, fields=change.fields)
    if taken == "approve" and change.edit and not change.is_restored:
        if decision.reason:
            raise Problem("needless_reason", f"an approval with the reason {decision.reason}",
                          "a reason to edit or reject", "Take the reason away, or reject the text.")
        return msgspec.structs.replace(decision, verb="edit", text=change.edit.text, fields=change.edit.fields)
    return msgspec.structs.replace(decision, verb=taken)


def _as_colleague(mine: Decision, other: Decision, change: Change, original: Original) -> Decision:
    """The decision of who decides as a colleague did. Raises Problem where the text was changed in another way."""
    language = original.language
    changed = clean(change.text, language), clean_fields(change.fields, language)
    if change.is_edit and changed != (other.text, other.fields):
        raise Problem("two_edits", f"a changed text beside a decision as {other.editor}", "one of them",
                      "Take the change back, or choose edit.")
    return msgspec.structs.replace(mine, verb=other.verb, text=other.text, fields=other.fields,
                                   reason=mine.reason or other.reason)


def _notices(verb: Verb | None, change: Change) -> Iterator[Problem]:
    """What the editor is told about how the row was read."""
    if change.mangled:
        yield Problem("mangled", f"{', '.join(change.mangled)} as a program changed it, not its editor",
                      "the text as it was written", "It is read as unchanged.")
    if verb == "reject":
        if change.is_edit or change.problem:
            yield Problem("text_not_kept", "a changed text that is rejected", "a rejection alone",
                          "The rejection is taken, the change is not: choose edit where it should be.")
        return
    if change.is_restored and change.edit:
        yield Problem("taken_as_approval", f"the text as it was made, where it stood as {_left_by(change)}", "approve",
                      "It is taken as an approval of the text as it was made.")
    elif change.is_edit and verb != "edit":
        beside = f"beside '{VERB_WORDS['en'][verb]}'" if verb else "without a decision"
        yield Problem("taken_as_edit", f"a changed text {beside}", "edit", "It is taken as an edit.")
    if change.gives_fields_up and not change.is_restored:
        yield Problem("fields_given_up", "a changed text, where it is made of fields", "changed fields",
                      "It is taken, and its fields are given up: change those where they should be kept.")


def _left_by(change: Change) -> str:
    return f"{change.edit.editor} left it" if change.edit else "it was"


def _choice(row: SheetRow) -> _Choice:
    word = cell_of(row, "decision").strip()
    if not word:
        return _Choice()
    if verb := read_verb(word):
        return _Choice(verb=verb)
    if colleague := read_colleague(word):
        return _Choice(colleague=colleague)
    words = [*VERB_WORDS["en"].values(), *VERB_WORDS["zh"].values()]
    raise Problem("unknown_decision", f"the decision {quoted(word)}",
                  f"one of {', '.join(words)}, or 'as' and a colleague's name, or nothing",
                  f"Correct the cell.{nearest(word, words)}")


def _reason(row: SheetRow) -> str:
    word = cell_of(row, "reason").strip()
    reason = read_reason(word) if word else ""
    if reason is None:
        raise Problem("unknown_reason", f"the reason {quoted(word)}", f"one of {', '.join(REASONS)}, or nothing",
                      f"Correct the cell, or write it as a note.{nearest(word, list(REASONS))}")
    return reason


def _reported(row: SheetRow, problem: Problem) -> Reported:
    return Reported(place=row.place, code=problem.code, found=problem.found, expected=problem.expected,
                    remedy=problem.remedy)
