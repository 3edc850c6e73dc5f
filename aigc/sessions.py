"""The sessions of a run: from the command that begins it, or goes on with it, to that command's end; and all together.

The one place that says what a speed is: tokens of some sessions over the time of the same sessions in which texts were
made, without what came before the first text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from aigc.records import Value

SessionEnd: TypeAlias = Literal["", "finished", "interrupted", "failed", "killed", "unknown"]
"""How a session ended. Empty while it is at work; `unknown` of sessions that an older version told nothing of."""
FINISHED: SessionEnd = "finished"


class Spent(Value, frozen=True):
    """What some sessions took together, without the `not_known` of them of which nobody can tell any more.

    `generate_s` are seconds of making texts, `start_s` of them those before the first text of each session, `device_s`
    those of all devices together.
    """

    sessions: int = 0
    not_known: int = 0
    attempts: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    generate_s: float = 0.0
    start_s: float = 0.0
    device_s: float = 0.0

    @property
    def work_s(self) -> float:
        """Seconds in which texts were made: without loading the model."""
        return self.generate_s - self.start_s

    @property
    def tokens_per_s(self) -> float:
        """Of all devices together, without loading the model; 0 where nothing was made."""
        return self.tokens_out / self.work_s if self.work_s > 0 else 0.0


class Session(Value, frozen=True):
    """What one session did. Of one that was killed it is what its journal tells, up to its last text.

    `texts` are results that it settled, `accepted` of them those that passed; `attempts` are texts that the engine
    gave it, those that were made again too.
    """

    began_at: str
    ended: SessionEnd = ""
    texts: int = 0
    accepted: int = 0
    attempts: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    generate_s: float = 0.0
    """Seconds of making texts, `start_s` included: those before the first text was begun. The model is loaded then."""
    start_s: float = 0.0
    devices: int = 1
    """GPUs at work, or machines without any."""
    is_known: bool = True
    """False where nobody can tell any more what it took."""

    @property
    def spent(self) -> Spent:
        return together([self])


def together(sessions: Sequence[Session]) -> Spent:
    """What sessions took in all."""
    known = [each for each in sessions if each.is_known]
    return Spent(
        sessions=len(sessions),
        not_known=len(sessions) - len(known),
        attempts=sum(each.attempts for each in known),
        tokens_in=sum(each.tokens_in for each in known),
        tokens_out=sum(each.tokens_out for each in known),
        generate_s=round(sum(each.generate_s for each in known), 3),
        start_s=round(sum(each.start_s for each in known), 3),
        device_s=round(sum(each.generate_s * each.devices for each in known), 3),
    )


def sessions_of_old(started_at: str, last: Session) -> list[Session]:
    """The sessions of a run whose run.json tells of its last one alone, as older versions wrote it."""
    if last.began_at == started_at:
        return [last]
    return [Session(began_at=started_at, ended="unknown", is_known=False), last]


def count_devices(device: str, places: Sequence[str]) -> int:
    """GPUs at work, or machines: processes on one machine's cores are not counted apart."""
    if device == "cpu":  # `worker 2 on a.example`, and `process 2` of the machine itself
        return max(1, len({name.partition(" on ")[2] for name in places}))
    return max(1, len(places))
