"""How long a sheet takes, found by making some of its rows: with the real engine and all filters, kept nowhere."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from aigc.earlier import Earlier
from aigc.engine import Engine, open_engine, slots_of, uses_of
from aigc.engine.cards import expected_devices
from aigc.errors import EngineError
from aigc.job import Job
from aigc.jury import Judges
from aigc.models import ModelRef
from aigc.pipeline import Pipeline
from aigc.records import Brief, Completion, EngineInfo, Prompt
from aigc.store import Store
from aigc.tally import Forecast, Tally

FEED_S = 20.0
"""Seconds after the first text was begun in which more rows are given."""
END_S, MOST_S = 45.0, 180.0
"""After that what is not done is left, once half of what the engine takes at a time has come: those that come first are
the short ones. After `MOST_S` the next text to come ends it."""
WAVES = 8
"""Rows that are chosen from the sheet, in fillings of the engine."""
BUSY = 0.25
"""Part of the time that rows are in the engine, above which it is the engine that bounds the speed."""


@dataclass(frozen=True)
class Seen:
    """What a probe saw. `round` is a row's text that is judged; of a dialogue it is made of many completions.

    `in_flight` is how many the engine made at a time. Durations in seconds.
    """

    start_s: float
    took_s: float
    completions: int
    tokens_out: int
    in_engine_s: float
    """Seconds that all completions together were in the engine."""
    left: int
    left_s: float
    """Those that were not done, and the seconds that they had been in it."""
    in_flight: int
    rounds: int
    accepted: int
    again: int
    """Rounds after which a row has to be made again."""
    devices: int = 1

    @property
    def row_tokens_per_s(self) -> float:
        return self.tokens_out / self.in_engine_s if self.in_engine_s else 0.0

    @property
    def tokens_each(self) -> float:
        """Of a completion. The short ones end first, so that those that were left count with what they had and as much
        again as one that ended."""
        so_far = self.left_s * self.row_tokens_per_s
        return self.tokens_out / self.completions + so_far / (self.completions + self.left)

    @property
    def tokens_per_s(self) -> float:
        """While the engine is full; where it hardly has rows at a time, what the others leave it."""
        if self.in_engine_s + self.left_s >= BUSY * self.took_s * self.in_flight:
            return self.row_tokens_per_s * self.in_flight
        return self.tokens_out / max(self.took_s, 1e-6)


def probe(job: Job, briefs: int, model: ModelRef, judges: Judges) -> Seen:
    """Make rows from all over the sheet, of `briefs` good ones, for about half a minute; longer where few texts are
    done by then.

    Raises:
        EngineError: no text came.
        AigcError: of the engine.
    """
    with (
        tempfile.TemporaryDirectory(prefix="aigc-probe-") as folder,
        closing(open_engine(job.settings.engine, model, job.mark)) as engine,
        closing(Store.create(Path(folder, "probe"))) as store,
        closing(Earlier([])) as nothing,
    ):
        watched = _Watched(engine)
        pipeline = Pipeline(job, model, watched, store, earlier=nothing, judges=judges)
        pipeline.generate(watched.while_young(_spread(job, briefs, WAVES * slots_of(engine))))
        devices = expected_devices(job.settings.engine).count or max(1, len(uses_of(engine)))
        return watched.seen(pipeline.tally, devices)


def foretold(seen: Seen, job: Job, wanted: Mapping[str, int], taken_over: int) -> Forecast:
    """What `wanted` rows take, by what a probe saw."""
    rows, run = sum(wanted.values()), job.settings.run
    again, most = seen.again / seen.rounds, run.max_attempts + run.best_of - 1
    rounds = rows * (most if again == 1 else (1 - again**most) / (1 - again))
    texts = rounds * seen.completions / seen.rounds
    tokens = texts * seen.tokens_each
    each_s = seen.tokens_each / seen.row_tokens_per_s if seen.row_tokens_per_s else 0.0
    longest_s = each_s * _rounds_of_one(rows, again, most)  # of a row that is made again and again: one after the other
    return Forecast(
        rows=rows,
        taken_over=taken_over,
        texts=round(texts),
        tokens_out=round(tokens),
        seconds=round(seen.start_s + max(tokens / seen.tokens_per_s, longest_s) + each_s / 2, 1),
        accepted=round(rounds * seen.accepted / seen.rounds),
        basis=f"a probe of {seen.completions:,} texts in {seen.took_s:.0f} s",
        devices=seen.devices,
    )


def _rounds_of_one(rows: int, again: float, most: int) -> float:
    """Rounds of the row that takes the most, where this part of all rounds is to be made again."""
    if rows < 1 or not 0 < again < 1:
        return most if again == 1 else 1
    return min(most, 1 + math.log(rows) / -math.log(again))


def _spread(job: Job, briefs: int, most: int) -> Iterator[Brief]:
    """About `most` of the sheet's good rows, evenly from its beginning to its end."""
    good = (row for row in job.rows() if isinstance(row, Brief))
    return islice(good, 0, None, max(1, briefs // most))


class _Watched:
    """An engine, and when its prompts were given and came back."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._opened_s = engine, time.monotonic()
        self._given_s: dict[str, float] = {}
        self._began_s: float | None = None
        self._ended_s = 0.0
        self._completions = self._tokens_out = self._most = 0
        self._in_engine_s = 0.0

    def info(self) -> EngineInfo:
        return self._engine.info()

    def close(self) -> None:
        """Its owner closes it."""

    def generate(self, prompts: Iterable[Prompt | None]) -> Iterator[Completion]:
        for completion in self._engine.generate(self._noted(prompts)):
            self._note(completion)
            yield completion
            if self._age_s > (END_S if 2 * self._completions >= self._most else MOST_S):
                return

    def while_young(self, rows: Iterable[Brief]) -> Iterator[Brief]:
        for row in rows:
            if self._age_s > FEED_S:
                return
            yield row

    def seen(self, tally: Tally, devices: int) -> Seen:
        """What there was to see, with how the rows ended."""
        outcomes = tally.outcomes
        rounds = tally.retries + sum(number for outcome, number in outcomes.items() if outcome != "invalid")
        if not (self._completions and rounds and self._tokens_out and self._began_s is not None):
            raise EngineError("probe", "no text", "some that tell how long all take",
                              "Run `aigc run` with --limit 1 to see what comes.")
        return Seen(
            start_s=self._began_s - self._opened_s, took_s=self._ended_s - self._began_s,
            completions=self._completions, tokens_out=self._tokens_out, in_engine_s=self._in_engine_s,
            left=len(self._given_s), left_s=sum(self._ended_s - given_s for given_s in self._given_s.values()),
            in_flight=self._most, rounds=rounds, accepted=outcomes["accepted"],
            again=tally.retries + outcomes["exhausted"], devices=devices,
        )

    @property
    def _age_s(self) -> float:
        return 0.0 if self._began_s is None else time.monotonic() - self._began_s

    def _noted(self, prompts: Iterable[Prompt | None]) -> Iterator[Prompt | None]:
        for prompt in prompts:
            if prompt:
                self._given_s[prompt.request_id] = time.monotonic()
                self._most = max(self._most, len(self._given_s))
            yield prompt

    def _note(self, completion: Completion) -> None:
        self._ended_s = time.monotonic()
        if self._began_s is None:
            self._began_s = self._ended_s - completion.generate_s
        self._given_s.pop(completion.request_id, None)
        self._completions += 1
        self._tokens_out += completion.tokens_out
        self._in_engine_s += completion.generate_s
