"""Reading a text's facts: addresses first, then dates and times, then what numbers are left."""

from __future__ import annotations

from collections.abc import Iterable

from aigc.filters.facts.addresses import phones_in, urls_and_emails_in
from aigc.filters.facts.dates import dates_in, times_in
from aigc.filters.facts.fact import Fact
from aigc.filters.facts.numerals import plain
from aigc.filters.facts.quantities import numbers_in


def facts_in(text: str, *, is_ground: bool = False) -> list[Fact]:
    """The facts that `text` states, in its order, none inside another.

    A ground is read for all that it could mean; a claim only for what is surely stated.
    """
    reading = plain(text)
    found = list(urls_and_emails_in(reading, text))
    reading = _without(reading, found)
    for find in (dates_in, times_in):
        facts = list(find(reading, is_ground=is_ground))
        found += facts
        if not is_ground:
            reading = _without(reading, facts)
    numbered = list(phones_in(reading))
    found += numbered
    found += numbers_in(reading if is_ground else _without(reading, numbered), text, is_ground=is_ground)
    return sorted(found, key=lambda fact: fact.start)


def _without(text: str, facts: Iterable[Fact]) -> str:
    """`text` with its facts blanked out, so that a date's day is not found again as a number."""
    pieces, done = list[str](), 0
    for fact in sorted(facts, key=lambda fact: fact.start):
        pieces += [text[done:fact.start], "\0" * (fact.end - max(fact.start, done))]
        done = max(done, fact.end)
    return "".join([*pieces, text[done:]])
