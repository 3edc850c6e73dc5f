"""A row that can be reviewed as cells, by column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aigc.cells import cell_text
from aigc.records import PASSING, FieldValue, Record, Verdict
from aigc.review.decisions import Decision
from aigc.review.reviewable import Original, Reviewable
from aigc.review.standing import Standing
from aigc.review.words import (
    REASON_WORDS,
    STATE_WORDS,
    VERB_WORDS,
    Language,
    filter_words,
    outcome_words,
    type_words,
)
from aigc.review_sheet.columns import SEEN, SHOWN, VERSIONS
from aigc.review_sheet.comparing import written
from aigc.review_sheet.versions import Known, edit_that_stands, is_edit_of, mark, marks

LONGEST_QUOTE = 80
_DEMANDS: dict[Language, dict[str, str]] = {
    "en": {"tone": "tone", "audience": "audience", "min_words": "at least", "max_words": "at most",
           "keywords": "keywords", "must_not_mention": "not to mention"},
    "zh": {"tone": "语气", "audience": "读者", "min_words": "至少", "max_words": "至多", "keywords": "关键词",
           "must_not_mention": "不可提及"},
}
_HAN = re.compile("[\u4e00-\u9fff]")
_ATTEMPT: dict[Language, str] = {"en": "attempt {}", "zh": "第 {} 稿"}
_AS_MADE: dict[Language, str] = {"en": "as it was made", "zh": "原稿"}
_FINAL: dict[Language, str] = {"en": "the final word", "zh": "终审"}
_OVERRULED: dict[Language, str] = {"en": "overruled", "zh": "已被终审取代"}


@dataclass(frozen=True)
class Telling:
    """What a sheet tells of its run beside the texts, in the language of its editors."""

    run_id: str
    language: Language
    standing: Mapping[str, Standing]
    known: Known

    def title(self, content_type: str) -> str:
        """What editors call a content type."""
        return type_words(content_type, self.known.title(content_type), self.language)


def cells_of(row: Reviewable, telling: Telling) -> dict[str, str]:
    """The cells of a row as whole texts; those that an editor fills in are absent.

    Where a text stands approved with an edit, its cells have the edit.
    """
    record, language = row.record, telling.language
    stands = telling.standing.get(record.record_id)
    edit = edit_that_stands(stands, row.original)
    return {
        "id": record.brief_id,
        **written(telling.known.edited(row.original, edit)),
        VERSIONS.name: "\n\n".join(_versions(row.original, stands, telling)) if stands else "",
        "findings": "\n".join(_findings(row, language)),
        "brief": "\n".join(_brief(record, language)),
        "outcome": outcome_words(record.outcome, language),
        "standing": "\n".join(_standing(stands, language)) if stands else "",
        "other_texts": "\n\n".join(_others(row, language)),
        "content_type": telling.title(record.content_type),
        "language": record.language,
        "variant": str(record.variant),
        "source": f"{record.source.file} {record.source.line}",
        "record_id": record.record_id,
        "run_id": telling.run_id,
        "base": row.base,
        SHOWN.name: mark(edit) if edit else "",
        SEEN.name: marks(stands.latest) if stands else "",
    }


def _findings(row: Reviewable, language: Language) -> Iterable[str]:
    """What filters found, in Chinese where they say it so."""
    for verdict in row.attempt.verdicts:
        if verdict.action not in PASSING:
            quotes = "".join(f" «{quote}»" for quote in _quotes(row.text, verdict))
            said = verdict.advice if language == "zh" and _HAN.search(verdict.advice) else verdict.message
            yield f"{filter_words(verdict.filter, language)}: {said or verdict.reason}{quotes}"


def _quotes(text: str, verdict: Verdict) -> list[str]:
    found = [" ".join(text[span.start : span.end].split()) for span in verdict.spans]
    short = [quote if len(quote) <= LONGEST_QUOTE else quote[: LONGEST_QUOTE - 1] + "…" for quote in found if quote]
    return list(dict.fromkeys(short))[:5]


def _brief(record: Record, language: Language) -> Iterable[str]:
    words, limits = _DEMANDS[language], record.limits
    demands: dict[str, FieldValue] = {
        "tone": record.tone, "audience": record.audience, "min_words": limits.min_words, "max_words": limits.max_words,
        "keywords": limits.keywords, "must_not_mention": limits.must_not_mention,
    }
    named = {**record.brief, **{words[name]: value for name, value in demands.items()}}
    for name, value in named.items():
        if value not in (None, "", []):
            yield f"{name}: {'; '.join(value) if isinstance(value, list) else value}"


def _standing(stands: Standing, language: Language) -> Iterable[str]:
    """How a text stands, and who decided what."""
    yield STATE_WORDS[language][stands.state]
    for one in stands.latest:
        yield _said(one, language)
    for one in stands.overruled:
        yield f"{_said(one, language)} ({_OVERRULED[language]})"


def _said(one: Decision, language: Language) -> str:
    """Who decided what and when, and why."""
    final = f", {_FINAL[language]}" if one.final else ""
    reason = f", {REASON_WORDS[language].get(one.reason, one.reason)}" if one.reason else ""
    note = f": “{one.note}”" if one.note else ""
    return f"{one.editor}: {VERB_WORDS[language][one.verb]}{final}{reason}{note} ({_when(one)})"


def _versions(original: Original, stands: Standing, telling: Telling) -> Iterable[str]:
    """What editors made of a text, each version whole; and the text as it was made, where the row shows another."""
    for one in [*stands.overruled, *stands.latest]:
        if is_edit_of(one, original):
            yield f"{_said(one, telling.language)}\n{_body(telling.known.edited(original, one))}"
    if edit_that_stands(stands, original):
        yield f"{_AS_MADE[telling.language]}:\n{_body(original)}"


def _body(version: Original) -> str:
    """A text as one reads it in a cell: its fields by name where it has some."""
    texts = [(name, cell_text(value)) for name, value in version.fields.items()]
    named = [f"{name}:\n{text}" if "\n" in text else f"{name}: {text}" for name, text in texts]
    return "\n".join(named) or version.text


def _when(one: Decision) -> str:
    return f"{one.at[:10]} {one.at[11:16]} UTC"


def _others(row: Reviewable, language: Language) -> Iterable[str]:
    for attempt in row.others:
        content = attempt.completion.content
        text = content.text if content else attempt.completion.text
        yield f"{_ATTEMPT[language].format(attempt.number + 1)}:\n{text}"
