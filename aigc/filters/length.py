"""Longer or shorter than the brief asks for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from aigc.content import PER_CHARACTER_LANGUAGES, base_language, count_words
from aigc.filters.verdicts import FilterAction, Share, asked, readable, wording
from aigc.records import Brief, Completion, Limits, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthFilter:
    """Counts words (characters in Chinese and Japanese) against the brief's limits.

    `tolerance` widens both limits by that share: 0.1 lets 165 words pass where 150 are the most.
    """

    name: ClassVar[str] = "length"
    action: FilterAction = "retry"
    tolerance: Share = 0.0

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        limits, text = brief.limits, readable(completion)
        if not text.strip():
            return Verdict(filter=self.name, action="pass")
        count = count_words(text, brief.language)
        if limits.max_words is not None and count > math.floor(limits.max_words * (1 + self.tolerance) + 1e-9):
            return self._failed(brief, "too_long", count, limits.max_words)
        if limits.min_words is not None and count < math.ceil(limits.min_words * (1 - self.tolerance) - 1e-9):
            return self._failed(brief, "too_short", count, limits.min_words)
        return Verdict(filter=self.name, action="pass", measured=count, limit=_range(limits))

    def _failed(self, brief: Brief, reason: str, count: int, limit: int) -> Verdict:
        unit = "characters" if base_language(brief.language) in PER_CHARACTER_LANGUAGES else "words"
        most = reason == "too_long"
        bound = "at most" if most else "at least"
        return Verdict(
            filter=self.name, action=asked(self.action), reason=reason, measured=count, limit=limit,
            message=f"The text has {count} {unit}; the brief asks for {bound} {limit}.",
            advice=wording(
                brief, en=f"The last text had {count} {unit}. Write {bound} {limit} {unit}.",
                zh=f"上一稿有 {count} 字，" + (f"请控制在 {limit} 字以内。" if most else f"请写到 {limit} 字以上。")),
        )


def _range(limits: Limits) -> float | str | None:
    if limits.min_words is not None and limits.max_words is not None:
        return f"{limits.min_words}–{limits.max_words}"
    return limits.max_words if limits.max_words is not None else limits.min_words
