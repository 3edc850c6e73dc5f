"""The text states numbers, prices, dates or addresses that its brief does not hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from aigc.filters.facts import Fact, Kind, cells_of, facts_in, ground_of
from aigc.filters.verdicts import MAX_SPANS, Count, FilterAction, asked, at_most_flag, readable, wording
from aigc.records import Brief, Completion, Span, Verdict

_SHOWN = 5
_READ_CHARS = 40_000
_PERSONAL = {"phone": ("a phone number", "电话号码"), "email": ("an e-mail address", "电子邮箱")}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundingFilter:
    """Holds every fact of the text against the brief: its cells, keywords, tone, audience and limits.

    An invented fact of `strict_kinds` asks for the filter's action, one of `flagged_kinds` for a flag at most. Bare
    numbers up to `small_count` need no ground: `3 reasons` counts what the text itself lists. A brief that says
    nothing is no ground, and nothing is held against it. Off unless a content type asks for it: its brief must be all
    that its texts may state.
    """

    name: ClassVar[str] = "grounding"
    action: FilterAction = "off"
    strict_kinds: tuple[Kind, ...] = ("price", "percent", "date", "url", "email", "phone")
    flagged_kinds: tuple[Kind, ...] = ("time", "year", "quantity", "number")
    small_count: Count = 10

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        text, limits = readable(completion)[:_READ_CHARS], brief.limits
        cells = cells_of(brief.fields.values())
        if not cells or not text:
            return Verdict(filter=self.name, action="pass")
        cells += cells_of([brief.tone, brief.audience, limits.keywords, limits.min_words, limits.max_words])
        facts = [fact for fact in facts_in(text) if self._counts(fact)]
        ground = ground_of(cells) if facts else None
        invented = [fact for fact in facts if ground and not ground.holds(fact, text)]
        if not invented:
            return Verdict(filter=self.name, action="pass", measured=0, limit=0)
        return self._failed(brief, text, invented, len(facts))

    def _counts(self, fact: Fact) -> bool:
        if fact.kind == "number" and all(reading.value <= self.small_count for reading in fact.readings):
            return False
        return fact.kind in self.strict_kinds or fact.kind in self.flagged_kinds

    def _failed(self, brief: Brief, text: str, invented: list[Fact], count: int) -> Verdict:
        invented = sorted(invented, key=lambda fact: fact.kind not in self.strict_kinds)
        strict = [fact for fact in invented if fact.kind in self.strict_kinds]
        named = (strict or invented)[:MAX_SPANS]
        english, chinese = (list(dict.fromkeys(_named(text, fact, at) for fact in named))[:_SHOWN] for at in (0, 1))
        return Verdict(
            filter=self.name, action=(asked if strict else at_most_flag)(self.action),
            reason="invented_fact" if strict else "unsupported_number", measured=len(invented), limit=0,
            spans=[Span(start=fact.start, end=fact.end) for fact in invented[:MAX_SPANS]],
            message=f"The brief does not hold {len(invented)} of the text's {count} figures, dates and addresses: "
                    f"{', '.join(english)}.",
            advice=wording(brief, en=f"Do not state {_or(english)}: the brief does not say it. Use only its facts.",
                           zh=f"不要写{'、'.join(chinese)}：资料里没有。只用资料里的事实。"),
        )


def _named(text: str, fact: Fact, language: int) -> str:
    """A fact as people and model are told of it. Whose number or mailbox it may be is not repeated."""
    if fact.kind in _PERSONAL:
        return _PERSONAL[fact.kind][language]
    stated = text[fact.start:fact.end][:60]
    return f"“{stated}”" if language else stated


def _or(samples: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(samples[:-1]), samples[-1]]))
