"""Verbs, reasons and states in the languages of editors, and back."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

from aigc.content import base_language
from aigc.review.decisions import REASONS, VERBS, Verb

Language: TypeAlias = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

VERB_WORDS: dict[Language, dict[Verb, str]] = {
    "en": {"approve": "approve", "edit": "edit", "reject": "reject"},
    "zh": {"approve": "通过", "edit": "修改", "reject": "退回"},
}
REASON_WORDS: dict[Language, dict[str, str]] = {
    "en": {"facts_wrong": "facts wrong", "off_brief": "off brief", "tone_wrong": "tone wrong",
           "language_poor": "language poor", "repetitive": "repetitive", "too_long": "too long",
           "too_short": "too short", "unsafe": "unsafe", "legal": "legal", "duplicate": "duplicate", "other": "other"},
    "zh": {"facts_wrong": "事实错误", "off_brief": "偏离要求", "tone_wrong": "语气不当", "language_poor": "文字欠佳",
           "repetitive": "内容重复", "too_long": "过长", "too_short": "过短", "unsafe": "不安全", "legal": "法律问题",
           "duplicate": "与他文雷同", "other": "其他"},
}
STATE_WORDS: dict[Language, dict[str, str]] = {
    "en": {"approved": "approved", "rejected": "rejected", "in_conflict": "in conflict"},
    "zh": {"approved": "已通过", "rejected": "已退回", "in_conflict": "意见不一"},
}
_ALSO: dict[str, Verb] = {
    "approved": "approve", "accept": "approve", "accepted": "approve", "ok": "approve", "批准": "approve",
    "同意": "approve", "采用": "approve", "okay": "approve", "good": "approve", "可以": "approve",
    "edited": "edit", "change": "edit", "changed": "edit", "编辑": "edit",
    "改": "edit", "rejected": "reject", "refuse": "reject", "拒绝": "reject", "不通过": "reject", "驳回": "reject",
}
"""What editors write where no list is offered, in CSV."""


def language_of(languages: Iterable[str]) -> Language:
    """The language of a review of texts in `languages`: that of most of them, English for all but Chinese."""
    chinese = [base_language(language) == "zh" for language in languages]
    return "zh" if 2 * sum(chinese) > len(chinese) else "en"


def read_verb(word: str) -> Verb | None:
    """The verb that `word` means in any of the languages; None where it means none."""
    return _VERBS.get(_folded(word))


def read_reason(word: str) -> str | None:
    """The code that `word` means, a code itself or its words in any of the languages; None where it means none."""
    return _REASONS.get(_folded(word))


def _folded(word: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", word).casefold().replace("_", " ").split())


_VERBS: dict[str, Verb] = {
    **{_folded(VERB_WORDS[language][verb]): verb for language in LANGUAGES for verb in VERBS},
    **_ALSO,
}
_REASONS = {
    **{_folded(code): code for code in REASONS},
    **{_folded(REASON_WORDS[language][code]): code for language in LANGUAGES for code in REASONS},
}
