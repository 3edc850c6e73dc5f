"""A row that can be reviewed as cells, by column."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aigc.cells import cell_text
from aigc.records import PASSING, FieldValue, Record, Verdict
from aigc.review.reviewable import Reviewable
from aigc.review.standing import Standing
from aigc.review.words import STATE_WORDS, VERB_WORDS, Language
from aigc.review_sheet.columns import FIELD

LONGEST_QUOTE = 80
_DEMANDS: dict[Language, dict[str, str]] = {
    "en": {"tone": "tone", "audience": "audience", "min_words": "at least", "max_words": "at most",
           "keywords": "keywords", "must_not_mention": "not to mention"},
    "zh": {"tone": "语气", "audience": "读者", "min_words": "至少", "max_words": "至多", "keywords": "关键词",
           "must_not_mention": "不可提及"},
}
_OUTCOMES: dict[str, str] = {"accepted": "通过检查", "held": "待人工", "rejected": "检查未过", "exhausted": "多次未过",
                             "short": "尚未过"}
_HAN = re.compile("[\u4e00-\u9fff]")
_ATTEMPT: dict[Language, str] = {"en": "attempt {}", "zh": "第 {} 稿"}


def cells_of(row: Reviewable, stands: Standing | None, run_id: str, language: Language) -> dict[str, str]:
    """The cells of a row as whole texts; those that an editor fills in are absent."""
    record = row.record
    return {
        "id": record.brief_id,
        "text": row.text,
        **{FIELD + name: cell_text(value) for name, value in row.fields.items()},
        "findings": "\n".join(_findings(row, language)),
        "brief": "\n".join(_brief(record, language)),
        "outcome": outcome_word(record.outcome, language),
        "standing": _standing(stands, language),
        "other_texts": "\n\n".join(_others(row, language)),
        "content_type": record.content_type,
        "language": record.language,
        "variant": str(record.variant),
        "source": f"{record.source.file} {record.source.line}",
        "record_id": record.record_id,
        "run_id": run_id,
        "base": row.base,
    }


def outcome_word(outcome: str, language: Language) -> str:
    return _OUTCOMES.get(outcome, outcome) if language == "zh" else outcome


def _findings(row: Reviewable, language: Language) -> Iterable[str]:
    """What filters found, in Chinese where they say it so."""
    for verdict in row.attempt.verdicts:
        if verdict.action not in PASSING:
            quotes = "".join(f" «{quote}»" for quote in _quotes(row.text, verdict))
            said = verdict.advice if language == "zh" and _HAN.search(verdict.advice) else verdict.message
            yield f"{verdict.filter}: {said or verdict.reason}{quotes}"


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


def _standing(stands: Standing | None, language: Language) -> str:
    if stands is None:
        return ""
    said = ", ".join(f"{one.editor}: {VERB_WORDS[language][one.verb]}" for one in stands.latest)
    return f"{STATE_WORDS[language][stands.state]} ({said})"


def _others(row: Reviewable, language: Language) -> Iterable[str]:
    for attempt in row.others:
        content = attempt.completion.content
        text = content.text if content else attempt.completion.text
        yield f"{_ATTEMPT[language].format(attempt.number + 1)}:\n{text}"
