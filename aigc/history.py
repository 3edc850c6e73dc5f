"""The nights so far: what finished runs took and gave, and what the next is expected to take."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from aigc.errors import shown
from aigc.provenance import RUN_FILE
from aigc.records import EngineInfo, Value
from aigc.sessions import FINISHED, Session, Spent, count_devices, sessions_of_old, together
from aigc.tally import DeviceUse, Forecast, Usage

LEARNT_FROM = 5
"""Newest runs that a forecast is made of: older ones had other templates, filters and libraries."""
LEAST_TOKENS = 200
"""A run of fewer tells of loading, not of speed."""


class _Model(Value, frozen=True):
    ref: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Without the folder that it lies in here."""
        return Path(self.ref).name if self.ref.startswith(("/", ".", "~")) else self.ref


class _Timings(Value, frozen=True):
    generate_s: float = 0.0
    start_s: float = 0.0


class Night(Value, frozen=True):
    """A finished run, as far as its run.json tells; what an older version lacks is empty. Durations in seconds."""

    run_id: str
    status: str = ""
    started_at: str = ""
    session_at: str = ""
    finished_at: str = ""
    model: _Model = _Model()
    engines: dict[str, EngineInfo] = {}
    rows: int = 0
    taken_over: int = 0
    made_before: int = 0
    tokens_out: int = 0
    outcomes: dict[str, int] = {}
    usage: dict[str, Usage] = {}
    timings: _Timings = _Timings()
    devices: dict[str, DeviceUse] = {}
    forecast: Forecast | None = None
    """What the latest session was expected to take."""
    sessions: list[Session] = []

    @property
    def accepted(self) -> int:
        return self.outcomes.get("accepted", 0)

    @property
    def made(self) -> int:
        """Texts that it made itself: another run, perhaps in the same list, made those that were taken over."""
        return max(0, self.rows - self.taken_over)

    @property
    def made_accepted(self) -> int:
        """Of those; where an older version told nothing of them apart, in proportion."""
        if self.usage or not self.rows:
            return sum(used.accepted for used in self.usage.values())
        return self.accepted * self.made // self.rows

    @property
    def all_sessions(self) -> list[Session]:
        """Its sessions, as far as anybody can tell."""
        if self.sessions:
            return self.sessions
        last = Session(
            began_at=self.session_at or self.started_at, ended=FINISHED, tokens_out=self.tokens_out,
            generate_s=self.timings.generate_s, start_s=self.timings.start_s, devices=self.device_count,
        )
        return sessions_of_old(self.started_at, last)

    @property
    def took(self) -> Spent:
        """What the whole run took, all its sessions."""
        return together(self.all_sessions)

    @property
    def device_work_s(self) -> float:
        """Seconds of one device in which texts were made."""
        return sum(each.spent.work_s * each.devices for each in self.all_sessions if each.is_known)

    @property
    def gpu_hours(self) -> float:
        """Hours of all devices together, of all sessions, loading included."""
        return self.took.device_s / 3600

    def cost(self, price_per_hour: float) -> float:
        """What its generation took of its devices, at a price an hour of each."""
        return self.gpu_hours * price_per_hour

    @property
    def off(self) -> float | None:
        """By how much of what it was expected to take the latest session took longer; None where nothing was
        expected of it."""
        before = self.forecast
        expected = before and before.rows and before.seconds
        return before.error(self.all_sessions[-1].generate_s) if before and expected else None

    @property
    def device_count(self) -> int:
        """GPUs at work in the latest session, or machines without any."""
        return count_devices(self.device[0], [*self.devices])

    @property
    def device(self) -> tuple[str, str]:
        """Device and dtype of the last engine."""
        last = [*self.engines.values()][-1:]
        return (last[0].device, last[0].dtype) if last else ("", "")


def nights(out: Path, say: Callable[[str], None] = lambda _: None) -> list[Night]:
    """Finished runs under `out`, newest first. One that cannot be read is told and left out."""
    found = []
    for path in out.glob(f"*/{RUN_FILE}"):
        try:
            night = msgspec.json.decode(path.read_bytes(), type=Night)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as exc:
            say(f"{path}: cannot be read ({shown(exc, 120)}). This run is passed over.")
            continue
        if night.status == "finished":
            found.append(msgspec.structs.replace(night, run_id=path.parent.name))
    return sorted(found, key=lambda night: night.finished_at, reverse=True)


def forecast(
    wanted: Mapping[str, int], taken_over: int, past: Sequence[Night], model_digest: str, device: str = "",
    devices: int = 0,
) -> Forecast | None:
    """What making `wanted` rows by content type takes, by the newest runs with the same model; None without any.

    A type that those runs never made counts as the mean of those they made. `device` leaves out runs of others;
    `devices` is how many there are now, 0 where that is not known: as many as in the newest run.
    """
    alike = [night for night in past if night.model.digest == model_digest and night.took.tokens_out >= LEAST_TOKENS
             and (not device or night.device[0] == device)][:LEARNT_FROM]
    usage = _summed(alike)
    if not usage:
        return None
    every = _total(usage.values())
    chosen = [(rows, usage.get(name) or every) for name, rows in wanted.items()]
    tokens = sum(rows * used.tokens_out / used.rows for rows, used in chosen)
    count, devices = len(alike), devices or alike[0].device_count
    return Forecast(
        rows=sum(wanted.values()),
        taken_over=taken_over,
        texts=round(sum(rows * used.attempts / used.rows for rows, used in chosen)),
        tokens_out=round(tokens),
        seconds=round(_start_s(alike) + _work_s(tokens, alike) / devices, 1) if tokens else 0.0,
        accepted=round(sum(rows * used.accepted / used.rows for rows, used in chosen)),
        basis=f"{count} earlier run{'s' if count > 1 else ''} of this model" + (f" on {device}" if device else ""),
        runs=[night.run_id for night in alike],
        devices=devices,
    )


def _start_s(alike: Sequence[Night]) -> float:
    """Seconds before the first text, which no number of devices makes fewer."""
    return statistics.median(
        next((each.start_s for each in reversed(night.all_sessions) if each.tokens_out), 0.0) for night in alike
    )


def _work_s(tokens: float, alike: Sequence[Night]) -> float:
    """Seconds of one device for so many tokens: those that any run takes, such as its last long rows, and a time a
    token, by least squares where the runs differ enough in size to tell them apart."""
    points = [(night.took.tokens_out, night.device_work_s) for night in alike]
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread > (0.2 * mean_x) ** 2 else 0.0
    always = mean_y - slope * mean_x
    if slope <= 0 or always < 0:  # runs that tell nothing of that: in proportion
        return tokens * mean_y / mean_x
    return always + slope * tokens


def _summed(past: Sequence[Night]) -> dict[str, Usage]:
    names = dict.fromkeys(name for night in past for name in night.usage)
    summed = {name: _total(night.usage[name] for night in past if name in night.usage) for name in names}
    return {name: used for name, used in summed.items() if used.rows}


def _total(parts: Iterable[Usage]) -> Usage:
    own = list(parts)
    return Usage(**{field: sum(getattr(part, field) for part in own) for field in Usage.__struct_fields__})
