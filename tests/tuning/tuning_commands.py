"""What a command of this package shows, called in the test's own process."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Shown(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Shown]
