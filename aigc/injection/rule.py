"""One way of speaking to the model: its kind, how much it says, and how it is found."""

from __future__ import annotations

import re
from typing import NamedTuple

_LINE_END = re.compile(r"\n\s*")
AS_A_WHOLE = frozenset({"chat_token"})
"""Kinds whose rules read over the ends of sentences; all others are tried on one sentence at a time."""


class Rule(NamedTuple):
    """`pattern` is tried on lower-case text, and only where one of `triggers` and one of `also` stand in it."""

    kind: str
    weight: float
    triggers: tuple[str, ...]
    also: tuple[str, ...]
    pattern: re.Pattern[str]

    def may_match(self, text: str) -> bool:
        return any(map(text.__contains__, self.triggers)) and (not self.also or any(map(text.__contains__, self.also)))


def rule(kind: str, weight: float, triggers: str, pattern: str) -> Rule:
    """A rule with its triggers between bars, and after & those that have to stand there too."""
    first, _, second = triggers.partition("&")
    also = tuple(second.split("|")) if second else ()
    return Rule(kind, weight, tuple(first.split("|")), also, re.compile(laid_out(pattern), re.MULTILINE))


def laid_out(pattern: str) -> str:
    """A pattern written over several lines: a line's end and the next line's indentation mean nothing."""
    return _LINE_END.sub("", pattern)


def any_of(words: str) -> str:
    """A pattern for one of `words`, which white space parts; a low line stands for a space."""
    return "(?:" + "|".join(words.split()).replace("_", " ") + ")"
