"""Decisions that came back in a file: each checked against the text that it was made on, then appended to the ledger.

What is wrong is reported row by row, and all that is right is taken. Codes, stable for ever:

    unknown_record   the run has no text of that id           unknown_reason   none of the codes
    wrong_run        decided on a text of another run         no_editor        nobody's name
    text_changed     the text is another than was decided on  bad_time         no time in UTC, or one to come
    no_change        an edit that changes nothing             wrong_fields     other fields than the text has
    empty_text       an edit that leaves nothing              needless_reason  a reason beside an approval
    two_edits        text and fields both changed             conflict         taken, but another editor differs
    no_reason        taken, but a rejection that does not say why

Told: `overruled`, a decision made before the final word on its text; of sheets also `read_as` and others.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from msgspec import UNSET

from aigc.characters import mended
from aigc.errors import nearest, problem_text, shown
from aigc.records import OutputValue, Value
from aigc.review.decisions import REASONS, Decision
from aigc.review.ledger import Source, append
from aigc.review.reviewable import Original, reviewables
from aigc.review.standing import standings

CLOCKS_DIFFER = timedelta(days=1)
"""How far ahead an editor's clock may be; a decision from further ahead would outrank all to come."""
_AGAIN = "Write the review files again (aigc review files) and decide on the text as it is now."


class Reported(Value, frozen=True):
    """What is to be said of one row of a file. `taken` is whether its decision is kept for all that."""

    place: str
    code: str
    found: str
    expected: str
    remedy: str
    taken: bool = False

    @property
    def message(self) -> str:
        return problem_text(self.place, self.found, self.expected, self.remedy)


class Offered(Value, frozen=True):
    """A decision of a file, and where it stands there."""

    place: str
    decision: Decision
    passed_on: bool = False
    """Whether it is a colleague's, which the page of the file's own editor had imported: never the final word."""


@dataclass(frozen=True)
class Reading:
    """What a file holds: decisions, what is wrong, and what was read in a way that its editor should know of."""

    offered: list[Offered]
    problems: list[Reported]
    notices: list[Reported]


@dataclass(frozen=True)
class Reviewed:
    """A run under review: its texts by record id."""

    folder: Path
    run_id: str
    originals: Mapping[str, Original]


class Taken(Value, frozen=True):
    """What came of an import. `problems` has conflicts and rejections without a reason too, though these are kept.

    What was found was taken, known or not taken.
    """

    run_id: str
    source: str
    editors: list[str]
    found: int
    taken: int
    known: int
    """Decisions that were there already, or that their editor had replaced before."""
    not_taken: int
    final: bool
    """Whether they were brought as the final word."""
    overruling: int
    """Texts on which the final word is another than others wanted."""
    in_conflict: int
    """Texts of the run on which editors differ now, whoever decided on them."""
    problems: list[Reported]
    notices: list[Reported]


def editor_name(text: str) -> str:
    """A name as it is kept."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def place_of(place: str, brief_id: object, variant: str) -> str:
    """A place in a file with the text that stands there: lines alone are not what an editor sees."""
    return f"{place}, id {shown(brief_id, 40)}{f' variant {variant}' if variant != '0' else ''}"


def named(reviewed: Reviewed, offer: Offered) -> Offered:
    """What a file offers, its place with the text that it is on."""
    text = reviewed.originals.get(offer.decision.record_id)
    if text is None:
        return offer
    return msgspec.structs.replace(offer, place=place_of(offer.place, text.brief_id, str(text.variant)))


def open_reviewed(folder: Path, run_id: str) -> Reviewed:
    """The texts of a finished run; raises as `reviewables` does."""
    originals = (row.original for row in reviewables(folder))
    return Reviewed(folder, run_id, {original.record_id: original for original in originals})


def take(
    reviewed: Reviewed, reading: Reading, source: Source, *, final: bool = False, earlier: Iterable[Decision] = ()
) -> Taken:
    """Append the decisions of a file that are sound, as the final word where `final`.

    `earlier` were imported into runs that texts were taken over from. Raises as `append` does.
    """
    offered, problems = checked(reviewed, reading.offered, datetime.fromisoformat(source.imported_at))
    if final:
        offered = [offer if offer.passed_on else _final(offer) for offer in offered]
    added, ledger = append(reviewed.folder, [offer.decision for offer in offered], source)
    new = {msgspec.json.encode(entry.decision) for entry in added}
    standing = standings([*earlier, *ledger.decisions])
    fresh = [(offer, standing[offer.decision.record_id]) for offer in offered
             if msgspec.json.encode(offer.decision) in new]
    conflicts = [_conflict(offer, stands.latest) for offer, stands in fresh if stands.state == "in_conflict"]
    overruled = [_overruled(offer, stands.final) for offer, stands in fresh
                 if stands.final and offer.decision in stands.overruled]
    kept = {offer.place for offer in offered}
    notices = [msgspec.structs.replace(notice, taken=notice.place in kept) for notice in reading.notices]
    return Taken(
        run_id=reviewed.run_id, source=source.name,
        editors=sorted({offer.decision.editor for offer in offered}),
        found=len(reading.offered) + len(reading.problems), taken=len(added), known=len(offered) - len(added),
        not_taken=len(reading.offered) - len(offered) + len(reading.problems), final=final,
        overruling=sum(bool(offer.decision.final and stands.overruled) for offer, stands in fresh),
        in_conflict=sum(stands.state == "in_conflict" and record_id in reviewed.originals
                        for record_id, stands in standing.items()),
        problems=[*reading.problems, *problems, *conflicts], notices=[*notices, *overruled],
    )


def checked(
    reviewed: Reviewed, offered: Iterable[Offered], now: datetime
) -> tuple[list[Offered], list[Reported]]:
    """The sound ones of `offered` in the form in which they are kept, and what is wrong with each of the others.

    None of them is a final word: that is for who imports to say, and not for a file.
    """
    sound, problems = [], []
    for offer in offered:
        found = _sound(reviewed, offer, now)
        if isinstance(found, Reported):
            problems.append(found)
        else:
            sound.append(found)
            if found.decision.verb == "reject" and not found.decision.reason:
                problems.append(_reasonless(found))
    return sound, problems


def _sound(reviewed: Reviewed, offer: Offered, now: datetime) -> Offered | Reported:
    decision = offer.decision

    def report(code: str, found: str, expected: str, remedy: str) -> Reported:
        return Reported(place=offer.place, code=code, found=found, expected=expected, remedy=remedy)

    if decision.run_id != reviewed.run_id:
        return report("wrong_run", f"a decision on run {shown(decision.run_id)}", f"one on run {reviewed.run_id}",
                      "Import the file into the run that it was written for.")
    original = reviewed.originals.get(decision.record_id)
    if original is None:
        return report("unknown_record", f"the record {shown(decision.record_id)}, which the run has no text of",
                      "the id of one of its texts", "Restore the column record_id from the file as it was written.")
    if decision.base != original.base:
        return report("text_changed", "a decision on another text than the record has now",
                      f"one on {original.base[:19]}…", _AGAIN)
    if decision.reason and decision.reason not in REASONS:
        return report("unknown_reason", f"the reason {shown(decision.reason)}", f"one of {', '.join(REASONS)}",
                      f"Correct it, or write it as a note.{nearest(decision.reason, list(REASONS))}")
    if decision.reason and decision.verb == "approve":
        return report("needless_reason", f"an approval with the reason {decision.reason}", "a reason to edit or reject",
                      "Take the reason away, or reject the text.")
    editor = editor_name(decision.editor)
    if not editor:
        return report("no_editor", "a decision of nobody", "the name of who decided", "Name the editor with --editor.")
    at = _time(decision.at)
    if at is None or at > now + CLOCKS_DIFFER:
        return report("bad_time", f"the time {shown(decision.at)}", "a time with its zone that is not to come",
                      "Set the clock of the machine that decided, and export again.")
    kept = msgspec.structs.replace(decision, editor=editor, at=at.isoformat(timespec="milliseconds"),
                                   note=decision.note.strip(), final=UNSET)
    edited = _edited(kept, original)
    return report(*edited) if isinstance(edited, tuple) else msgspec.structs.replace(offer, decision=edited)


def _edited(decision: Decision, original: Original) -> Decision | tuple[str, str, str, str]:
    """The decision with its edit as it is kept; without text and fields where it is none."""
    if decision.verb != "edit":
        return msgspec.structs.replace(decision, text="", fields={})
    text, fields = clean(decision.text, original.language), clean_fields(decision.fields, original.language)
    if fields and not _fits(fields, original.fields):
        return ("wrong_fields", f"fields {', '.join(fields)}", f"{', '.join(original.fields) or 'no fields'}, in form",
                "Edit the text alone, or all of its fields in their own form.")
    new_text = text != "" and text != clean(original.text, original.language)
    new_fields = bool(fields) and fields != clean_fields(original.fields, original.language)
    if emptied := [name for name, value in fields.items() if original.fields[name] and not value]:
        return ("empty_text", f"nothing left of {', '.join(emptied)}", "words", "Restore it, or reject the text.")
    if not fields and not text:
        return ("empty_text", "an edit that leaves nothing", "words", "Restore the text, or reject it.")
    if new_text and new_fields:
        return ("two_edits", "an edit of the text and of its fields", "one of them: the text is made of the fields",
                "Take one of them back.")
    if not (new_text or new_fields):
        return ("no_change", "an edit that changes nothing", "a changed text",
                "Change the text, or approve it as it is.")
    return msgspec.structs.replace(decision, text=text if new_text else "", fields=fields if new_fields else {})


def clean(text: str, language: str) -> str:
    """A text as an edit is kept: line ends as `\\n`, no blanks around, none of the characters that no reader sees."""
    return mended(text.replace("\r\n", "\n").replace("\r", "\n"), language)[0].strip()


def clean_fields(fields: Mapping[str, OutputValue], language: str) -> dict[str, OutputValue]:
    return {name: _clean_value(value, language) for name, value in fields.items()}


def _clean_value(value: OutputValue, language: str) -> OutputValue:
    if isinstance(value, str):
        return clean(value, language)
    entries = [clean(entry, language) if isinstance(entry, str) else
               {name: clean(text, language) for name, text in entry.items()} for entry in value]
    return [entry for entry in entries if entry and (isinstance(entry, str) or any(entry.values()))]


def _fits(fields: Mapping[str, OutputValue], original: Mapping[str, OutputValue]) -> bool:
    """Whether the fields have the names of the original's, and each its form."""
    return fields.keys() == original.keys() and all(
        isinstance(value, str) == isinstance(original[name], str)
        and (isinstance(value, str) or len(_forms(value) | _forms(original[name])) <= 1)
        for name, value in fields.items()
    )


def _forms(entries: OutputValue) -> set[object]:
    """What the entries of a list are: texts, or objects of which texts."""
    return {"text" if isinstance(entry, str) else tuple(entry) for entry in entries}


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):  # in UTC the first or the last day of all may be none
        return None


def _reasonless(offer: Offered) -> Reported:
    """What is to be said of a rejection without a reason. It counts: a text that was refused must not be published."""
    return Reported(place=offer.place, code="no_reason", found="a rejection without a reason", expected="why",
                    remedy="It is taken. Choose a reason in the same file, and import that again: a text that is made "
                    "again is told why.", taken=True)


def _conflict(offer: Offered, latest: Sequence[Decision]) -> Reported:
    mine = offer.decision
    others = ", ".join(f"{other.editor}: {other.verb}{' (final word)' if other.final else ''}"
                       for other in latest if other.editor != mine.editor)
    return Reported(place=offer.place, code="conflict", found=f"{mine.editor}: {mine.verb}, where {others}",
                    expected="one decision", remedy="Both are kept, and the text is not approved until they agree: one "
                    "of them decides again, or a chief editor's file brings the final word (--final).", taken=True)


def _final(offer: Offered) -> Offered:
    return msgspec.structs.replace(offer, decision=msgspec.structs.replace(offer.decision, final=True))


def _overruled(offer: Offered, final: Decision) -> Reported:
    mine = offer.decision
    return Reported(place=offer.place, code="overruled", expected="a decision made after it", taken=True,
                    found=f"{mine.editor}: {mine.verb}, made before the final word of {final.editor}: {final.verb}",
                    remedy="It is kept, and the final word stands.")
