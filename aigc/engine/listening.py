"""A text as it comes: told token by token, as far as no later token can change what was told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

OnText: TypeAlias = Callable[[str], bool]
"""Is given an answer as far as it is there, again and again; says whether it is to go on."""
_HALF = "\ufffd"
"""What a decoder makes of bytes that are no whole character yet."""


def settled_text(text: str, stops: Sequence[str]) -> str:
    """`text` without what may become another character, or the beginning of a stop text."""
    text = text.rstrip(_HALF)
    begun = (length for stop in stops for length in range(1, len(stop)) if text.endswith(stop[:length]))
    return text[: len(text) - max(begun, default=0)]
