"""A row of the results as the page shows it: a line of its list, and all that is read beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from aigc.content import ContentType
from aigc.errors import problem_text
from aigc.parquet_rows import read_rows
from aigc.records import PASSING, Action, Attempt, FieldValue, Limits, Outcome, OutputValue, Record, Value, Verdict
from aigc.review.decisions import Decision, Verb
from aigc.review.reviewable import PARQUET, Reviewable, first_line, title_of
from aigc.review.standing import Standing, State

TITLE_CHARS, EXCERPT_CHARS = 120, 160
_MARKS = re.compile(r"^\s*(?:#+|[-*>])\s+|\*\*")
_HAN = re.compile("[\u4e00-\u9fff]")


class Row(Protocol):
    """A record and the digest of its text: what `aigc.review` gives to editors, and rows without a text too."""

    @property
    def record(self) -> Record: ...

    @property
    def base(self) -> str: ...


@dataclass(frozen=True)
class AnyRow:
    """A row of the results, whatever became of it."""

    record: Record
    base: str


class Listed(Value, frozen=True, omit_defaults=True):
    """What the list shows of a row. Without `base`, the digest of its text, there is nothing to decide on.

    `stands` is what decisions that were imported before amount to, and `edited` whether that is an edit.
    """

    id: str
    brief: str
    variant: int
    type: str
    language: str
    outcome: Outcome
    reasons: list[str] = []
    title: str = ""
    excerpt: str = ""
    base: str = ""
    stands: State | None = None
    edited: bool = False


class Objection(Value, frozen=True, omit_defaults=True):
    """A verdict that did not pass. `spans` are pairs of places in the text, in characters."""

    filter: str
    action: Action
    reason: str = ""
    message: str = ""
    advice: str = ""
    measured: float | str | None = None
    limit: float | str | None = None
    spans: list[tuple[int, int]] = []


class Other(Value, frozen=True, omit_defaults=True):
    """Another attempt at the same text. `number` counts from 0."""

    number: int
    text: str
    reasons: list[str] = []


class Before(Value, frozen=True, omit_defaults=True):
    """A decision that was imported before this page was written."""

    verb: Verb
    editor: str
    at: str
    reason: str = ""
    note: str = ""
    text: str = ""
    fields: dict[str, OutputValue] = {}
    final: bool = False
    """Whether it is the final word: nothing that was decided before it counts any more."""


class Shown(Value, frozen=True, omit_defaults=True):
    """What is shown of a row when it is read."""

    source: str
    text: str = ""
    fields: dict[str, OutputValue] = {}
    brief: dict[str, FieldValue] = {}
    tone: str = ""
    audience: str = ""
    limits: Limits = Limits()
    objections: list[Objection] = []
    others: list[Other] = []
    before: list[Before] = []
    errors: list[str] = []
    attempt: int = 0
    made_at: str = ""
    label: str = ""
    label_place: str = ""


class TypeHelp(Value, frozen=True, omit_defaults=True):
    """What a content type says of its fields, to those who read their texts. `names` are those of briefs in Chinese."""

    title: str
    names: dict[str, str] = {}
    brief: dict[str, str] = {}
    output: dict[str, dict[str, str] | str] = {}


def all_rows(folder: Path) -> Iterator[AnyRow]:
    """Every row of a run's records, in order; memory does not grow with their number. Raises as `read_rows` does."""
    return (AnyRow(row.record, row.provenance.output) for row in read_rows(folder / PARQUET))


def page_row(row: Row, standing: Standing | None = None) -> tuple[Listed, Shown]:
    """A row for the list, and for reading."""
    record, reviewable = row.record, _reviewable(row)
    text, title = reviewable.text if reviewable else "", title_of(record.brief, TITLE_CHARS)
    listed = Listed(
        id=record.record_id, brief=record.brief_id, variant=record.variant, type=record.content_type,
        language=record.language, outcome=record.outcome, reasons=record.reasons, title=title,
        excerpt=_excerpt(text, title), base=reviewable.base if reviewable else "",
        stands=standing.state if standing else None,
        edited=bool(standing and standing.decision and standing.decision.verb == "edit"),
    )
    shown = Shown(
        source=f"{record.source.file} line {record.source.line}", brief=record.brief, tone=record.tone,
        audience=record.audience, limits=record.limits, errors=_errors(record),
        before=[_before(decision) for decision in standing.latest] if standing else [],
    )
    return listed, _with_text(shown, record, reviewable) if reviewable else shown


def help_of(type_: ContentType) -> TypeHelp:
    """What a content type says of the fields of its briefs and of its texts."""
    output = {name: part.help for field in type_.output.whole.values() for name, part in field.fields.items()}
    output |= {name: field.help for name, field in type_.output.whole.items()}
    return TypeHelp(
        title=type_.title,
        names={name: alias for name, field in type_.fields.items()
               if (alias := next(filter(_HAN.search, field.aliases), ""))},
        brief={name: field.help for name, field in type_.fields.items() if field.help},
        output={name: help_ for name, help_ in output.items() if help_},
    )


def _reviewable(row: Row) -> Reviewable | None:
    """The row's text with what belongs to it; None of a row that has none."""
    attempt = row.record.attempt or (row.record.attempts[-1] if row.record.attempts else None)
    if attempt is None or attempt.completion.fault:
        return None
    found = Reviewable(row.record, attempt, row.base)
    return found if found.text.strip() else None


def _with_text(shown: Shown, record: Record, reviewable: Reviewable) -> Shown:
    attempt = reviewable.attempt
    content = attempt.completion.content
    return msgspec.structs.replace(
        shown,
        text=reviewable.text,
        fields=reviewable.fields,
        objections=[_objection(verdict) for verdict in record.verdicts if verdict.action != "pass"],
        others=[_other(other) for other in reviewable.others],
        attempt=attempt.number,
        made_at=attempt.created_at,
        label=content.disclosure if content and content.place in ("start", "end") else "",
        label_place=content.place if content else "",
    )


def _objection(verdict: Verdict) -> Objection:
    return Objection(
        filter=verdict.filter, action=verdict.action, reason=verdict.reason, message=verdict.message,
        advice=verdict.advice, measured=verdict.measured, limit=verdict.limit,
        spans=[(span.start, span.end) for span in verdict.spans],
    )


def _other(attempt: Attempt) -> Other:
    content = attempt.completion.content
    reasons = [verdict.reason for verdict in attempt.verdicts if verdict.action not in PASSING]
    return Other(number=attempt.number, text=content.text if content else attempt.completion.text,
                 reasons=list(dict.fromkeys(reasons)))


def _before(decision: Decision) -> Before:
    return Before(verb=decision.verb, editor=decision.editor, at=decision.at, reason=decision.reason,
                  note=decision.note, text=decision.text, fields=decision.fields, final=decision.final is True)


def _errors(record: Record) -> list[str]:
    """Why there is no text, or fewer to choose from than were wanted."""
    errors = [error.message for error in record.errors]
    fault = record.attempts[-1].completion.fault if record.attempts else None
    if fault and record.chosen is None:
        errors.append(problem_text(f"attempt {record.attempts[-1].number + 1}", fault.found, fault.expected,
                                   fault.remedy))
    return errors


def _excerpt(text: str, title: str) -> str:
    """The start of a text without marks of headings and lists, nor the title that stands above it."""
    lines = [_MARKS.sub("", line).strip() for line in text[: 4 * EXCERPT_CHARS].split("\n")]
    told = next((lines[at:] for at, line in enumerate(lines) if line and line != title), lines)
    return first_line("\n".join(told), EXCERPT_CHARS)
