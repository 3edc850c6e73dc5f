"""The limits of filters that are settings, and where editors would have set them.

A limit is read from verdicts: what was measured, against what. Which setting it is follows from the values that the run
was made with; a limit that is none of them (what a brief asks for, a count of nothing) is left alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import Any, Literal, NamedTuple, TypeAlias, get_type_hints

import msgspec

from aigc.duplicates import Thresholds
from aigc.errors import AigcError
from aigc.filters import FILTERS
from aigc.packs import Pack
from aigc.past import Past
from aigc.records import Limits as BriefLimits
from aigc.records import Record, Value, Verdict
from aigc.settings import FilterTables

EXAMPLES = 5
MOST_BY_CHANCE = 0.01
"""How probable it may be at most that a proposal is no better: the best of many limits looks better than it is."""
Side: TypeAlias = Literal["at_most", "at_least"]
"""What passes: what measures at most the limit, or at least."""


class Found(NamedTuple):
    """A limit as a run had it: whose, under which key of settings, and whether it counts something."""

    filter: str
    key: str
    value: float
    is_whole: bool


class Reading(Value, frozen=True):
    """What was measured of a text, and what filter and editors said of it."""

    record_id: str
    content_type: str
    measured: float
    is_flagged: bool
    objected: bool


class Limit(Value, frozen=True):
    """A limit that would have agreed with editors more often. `improved` and `worsened` name records that change.

    `p_value` is the probability that as many or more of those that change would be better by chance alone: a sign test.
    """

    filter: str
    key: str
    passes: Side
    now: float
    proposed: float
    decided: int
    agreed_now: int
    agreed_then: int
    p_value: float
    content_types: list[str]
    improved: list[str]
    worsened: list[str]


class Limits:
    """The limits of a run, by its settings and its templates' own; without those where they are gone."""

    def __init__(self, past: Past) -> None:
        self._settings, self._tables = past.run.settings, dict[str, FilterTables]()
        self._packs: Mapping[str, Pack] = {}
        with contextlib.suppress(AigcError):  # templates that are gone: their own thresholds are not known then
            self._packs = past.packs

    def of(self, record: Record, verdicts: Sequence[Verdict]) -> Iterator[tuple[Found, float]]:
        """The limits that verdicts of one filter on a text were given by, each with what was measured."""
        for verdict in verdicts:
            if not isinstance(verdict.measured, int | float):
                continue
            if verdict.filter == "length":
                excess = _excess(verdict.measured, record.limits)
                tolerance = self._tables_of(record.content_type).get("length", {}).get("tolerance", 0.0)
                if excess is not None and isinstance(tolerance, int | float):
                    yield Found("length", "filters.length.tolerance", float(tolerance), is_whole=False), excess
            elif isinstance(verdict.limit, int | float) and (found := self._setting(record.content_type, verdict)):
                yield found, float(verdict.measured)

    def _setting(self, content_type: str, verdict: Verdict) -> Found | None:
        """The one setting of the filter that has the value of its limit; None where there is none, or several."""
        name, limit = verdict.filter, float(str(verdict.limit))
        if name == "safety":
            is_known = self._settings.safety.threshold == limit
            return Found(name, "safety.threshold", limit, is_whole=False) if is_known else None
        kind = _kind(name)
        if kind is None:
            return None
        table = self._tables_of(content_type).get(name, {})
        given = {one.name: table.get(one.name, one.default) for one in dataclasses.fields(kind)}
        same = [key for key, value in given.items() if _is_number(value) and value == limit]
        if len(same) != 1:
            return None
        is_whole = not _takes(_hint(kind, same[0]), 0.5)
        return Found(name, f"filters.{name}.{same[0]}", limit, is_whole)

    def _tables_of(self, content_type: str) -> FilterTables:
        if content_type not in self._tables:
            pack = self._packs.get(content_type)
            own = pack.type.filters if pack else {}
            self._tables[content_type] = self._settings.filters_for(content_type, own)
        return self._tables[content_type]


def best_limit(found: Found, readings: Sequence[Reading]) -> Limit | None:
    """The limit that agrees with editors most often, the one next to today's where several do.

    None where that is today's, or where it could as well be chance.
    """
    side = _side(found.value, readings)
    if side is None:
        return None
    now = [reading.is_flagged == reading.objected for reading in readings]
    candidates = [limit for limit in _candidates(found, side, readings) if _allows(found, limit)]
    best = max(candidates, default=None, key=lambda limit: (
        sum(_agrees(reading, side, limit) for reading in readings), -abs(limit - found.value)))
    if best is None:
        return None
    then = [_agrees(reading, side, best) for reading in readings]
    improved = [reading.record_id for reading, before, after in zip(readings, now, then, strict=True) if after > before]
    worsened = [reading.record_id for reading, before, after in zip(readings, now, then, strict=True) if after < before]
    by_chance = sign_test(len(improved), len(worsened))
    if by_chance > MOST_BY_CHANCE:
        return None
    return Limit(
        filter=found.filter, key=found.key, passes=side, now=found.value, proposed=best, decided=len(readings),
        agreed_now=sum(now), agreed_then=sum(then), p_value=round(by_chance, 6),
        content_types=sorted({reading.content_type for reading in readings}),
        improved=improved[:EXAMPLES], worsened=worsened[:EXAMPLES],
    )


def sign_test(better: int, worse: int) -> float:
    """How probable so many better ones are, or more, where each is better or worse by chance."""
    total = better + worse
    return sum(math.comb(total, count) for count in range(better, total + 1)) / (1 << total)


def roundest(low: float, high: float) -> float:
    """The number between two others that takes the fewest digits, nearest to their middle; never one of them."""
    middle = Decimal(repr((low + high) / 2))
    for digits in range(-6, 12):
        step = Decimal(1).scaleb(-digits)
        found = float((middle / step).to_integral_value() * step)
        if low < found < high:
            return found
    return (low + high) / 2


def _agrees(reading: Reading, side: Side, limit: float) -> bool:
    is_flagged = reading.measured > limit if side == "at_most" else reading.measured < limit
    return is_flagged == reading.objected


def _side(limit: float, readings: Sequence[Reading]) -> Side | None:
    """Which side of the limit passes; None where the verdicts do not follow from it alone."""
    flagged = [reading.measured for reading in readings if reading.is_flagged]
    passed = [reading.measured for reading in readings if not reading.is_flagged]
    at_most = all(one >= limit for one in flagged) and all(one <= limit for one in passed)
    at_least = all(one <= limit for one in flagged) and all(one >= limit for one in passed)
    if at_most == at_least:
        return None
    return "at_most" if at_most else "at_least"


def _candidates(found: Found, side: Side, readings: Sequence[Reading]) -> Iterator[float]:
    """A limit between each two measures that follow each other, and one that all of them pass."""
    values = sorted({reading.measured for reading in readings})
    for low, high in pairwise(values):
        if found.is_whole:
            yield float(math.floor(low) if side == "at_most" else math.ceil(high))
        else:
            yield roundest(low, high)
    yield _all_pass(values[-1] if side == "at_most" else values[0], side)


def _all_pass(last: float, side: Side) -> float:
    """A round limit that `last` still passes."""
    if last == 0:
        return 0.0
    step = Decimal(1).scaleb(math.floor(math.log10(abs(last))) - 1)
    rounding = ROUND_CEILING if side == "at_most" else ROUND_FLOOR
    return float((Decimal(repr(last)) / step).to_integral_value(rounding) * step)


def _excess(measured: float, limits: BriefLimits) -> float | None:
    """By which part a text is longer than its brief allows, or shorter; less than nothing within."""
    parts = [measured / limits.max_words - 1] if limits.max_words else []
    parts += [1 - measured / limits.min_words] if limits.min_words else []
    return max(parts, default=None)


def _allows(found: Found, limit: float) -> bool:
    """Whether the setting can be this."""
    if found.filter == "safety":
        return 0 < limit < 1
    kind = _kind(found.filter)
    return kind is not None and _takes(_hint(kind, found.key.rpartition(".")[2]),
                                       int(limit) if found.is_whole else limit)


def _kind(name: str) -> Any:
    """The dataclass whose fields are the filter's settings."""
    return Thresholds if name == "near_duplicate" else FILTERS.get(name)


def _hint(kind: Any, key: str) -> Any:
    return get_type_hints(kind, include_extras=True)[key]


def _takes(hint: Any, value: float) -> bool:
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError:
        return False
    return True


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
