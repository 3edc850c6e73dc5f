"""What the fixtures `aigc` and `aigc_process` give."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Shown(NamedTuple):
    """What a command left: its exit code and what it wrote."""

    code: int
    out: str
    err: str


Aigc = Callable[..., Shown]
