"""The plan of a deployment that makes sheets every night."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from aigc.errors import UsageError, nearest, shown
from aigc.records import Value

Collision: TypeAlias = Literal["enqueue", "cancel_new"]


class NightsPlan(Value, frozen=True):
    """When and how sheets are made. Seconds, where a name ends so; `folder` is the project's, absolute."""

    cron: str
    timezone: str
    folder: Path
    name: str = "nightly"
    pool: str = "aigc"
    sheets: str = "inputs"
    publish: str | None = None
    config: str | None = None
    collision: Collision = "enqueue"
    """What becomes of a night that is due while the one before still runs: it waits, or it is left out."""
    tries_again: int = 2
    least_accepted: float = 0.5
    silent_after_s: float = 180.0
    late_after_s: float = 600.0
    webhook: str = ""
    """Address that is told of nights that went wrong. A secret: the server keeps it encrypted."""
    block: str = ""
    """`type/name` of a notification block at the server, in place of `webhook`."""
    environment: dict[str, str] = {}
    """Variables that runs have beside those of their worker."""


def check_timezone(name: str) -> None:
    """Raise UsageError where `name` is no IANA time zone."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise UsageError("--timezone", shown(name), "an IANA time zone such as Europe/Berlin or Asia/Shanghai",
                         f"Correct it.{nearest(name, sorted(available_timezones()))}") from exc
