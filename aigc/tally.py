"""What a run has done so far, counted row by row."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from aigc.records import Completion, Value


@dataclass
class Tally:
    """What a run has done so far. Durations in seconds."""

    total: int = 0
    done: int = 0
    made_before: int = 0
    """Rows that an earlier session of this run made."""
    attempts_before: int = 0
    """Attempts at other rows that an earlier session of this run made, and that were judged in place of new ones."""
    made: Counter[str] = field(default_factory=Counter)
    """Outcomes of the rows that this session made."""
    taken_from: Counter[str] = field(default_factory=Counter)
    """Rows taken over, by the run that made them."""
    attempts: int = 0
    retries: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    started_s: float = field(default_factory=time.monotonic)
    began_s: float | None = None
    """When the first text was begun, which is after the model was loaded; None until it is there."""
    in_flight: int = 0
    unit: str = "texts"
    good: str = "accepted"
    """What is counted, and what it is where it went well, in words of progress."""

    @property
    def accepted(self) -> int:
        return self.outcomes["accepted"]

    @property
    def taken_over(self) -> int:
        return self.taken_from.total()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.started_s

    def came(self, completion: Completion) -> None:
        """The engine gave a completion."""
        self.began_s = self.began_s or time.monotonic() - completion.generate_s
        self.attempts += 1
        self.tokens_in += completion.tokens_in
        self.tokens_out += completion.tokens_out


class Usage(Value, frozen=True):
    """What the rows of a content type took that a run made itself: none that it took over."""

    rows: int = 0
    accepted: int = 0
    attempts: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


class DeviceUse(Value, frozen=True):
    """What one of several engine processes has made. `busy_s` are seconds with a loaded model and rows to make.

    `deaths` is how often it had to be begun anew; `is_left_out` says that it was given up, and others made its rows.
    """

    texts: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    busy_s: float = 0.0
    deaths: int = 0
    is_left_out: bool = False


class Forecast(Value, frozen=True):
    """What a run is expected to take, told before it. `basis` says from what; `runs` are those it was learnt from."""

    rows: int
    """Rows to be made; those that are taken over are not among them."""
    taken_over: int
    texts: int
    """Attempts, retries included."""
    tokens_out: int
    seconds: float
    accepted: int
    basis: str
    runs: list[str] = []
    devices: int = 1
    """GPUs that are at work all that time, or machines without any."""

    @property
    def gpu_hours(self) -> float:
        """Hours of all devices together."""
        return self.seconds / 3600 * self.devices

    def error(self, took_s: float) -> float:
        """By how much of it a run took longer: 0.2 is a fifth more, -0.2 a fifth less."""
        return took_s / self.seconds - 1 if self.seconds else 0.0
