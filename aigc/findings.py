"""What an examination of the machine finds."""

from __future__ import annotations

from typing import Literal, TypeAlias

from aigc.records import Value

Status: TypeAlias = Literal["ok", "warn", "problem"]


class Finding(Value, frozen=True):
    """One thing examined. `remedy` is empty where there is nothing to do."""

    name: str
    status: Status
    found: str
    remedy: str = ""
