"""What one checkable statement in a text is."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["price", "percent", "date", "url", "email", "phone", "time", "year", "quantity", "number"]
Date: TypeAlias = tuple[int | None, int | None, int | None]
"""Year, month, day, as far as they are said."""


class Reading(NamedTuple):
    """One thing that a number can mean. `factor` turns `value` into the dimension's basic unit."""

    value: float
    dimension: str = ""
    factor: float = 1.0


class Fact(NamedTuple):
    """Characters `start:end` of a text that state something checkable.

    A price, percentage or number has `readings`, a date `dates`, a time `minutes` since midnight, an address its `key`
    in its usual form: each as many as it can be read as.
    """

    kind: Kind
    start: int
    end: int
    readings: tuple[Reading, ...] = ()
    dates: tuple[Date, ...] = ()
    minutes: tuple[int, ...] = ()
    key: str = ""
