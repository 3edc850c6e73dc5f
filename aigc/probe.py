"""How long a sheet takes, found by making some of its rows: with the real engine and all filters, kept nowhere."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from itertools import accumulate, islice
from operator import add, mul
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
from aigc.tally import Forecast

FEED_S = 20.0
"""Seconds after the first text was begun in which more rows are given."""
END_S, MOST_S = 45.0, 180.0
"""After that what is not done is left, once half of what the engine takes at a time has come: those that come first are
the short ones. After `MOST_S` the next text to come ends it."""
FEW = 10
"""Texts of an attempt number below which they tell too little alone."""
WAVES = 8
"""Rows that are chosen from the sheet, in fillings of the engine."""
BUSY = 0.25
"""Part of the time that rows are in the engine, above which it is the engine that bounds the speed."""


@dataclass(frozen=True)
class Round:
    """The texts of one attempt number: a second attempt is asked for where a first was sent back, which is the harder
    part of the rows. Of a dialogue a text that is judged is made of many completions."""

    completions: int = 0
    tokens_out: int = 0
    left: int = 0
    """Completions that were not done."""
    left_s: float = 0.0
    """Seconds that these had been in the engine."""
    judged: int = 0
    accepted: int = 0
    again: int = 0
    """Texts after which a row has to be made again."""


@dataclass(frozen=True)
class Seen:
    """What a probe saw: `rounds` by attempt number, from the first. Durations in seconds.

    `in_flight` is how many completions the engine made at a time.
    """

    start_s: float
    took_s: float
    in_engine_s: float
    """Seconds that all completions together were in the engine."""
    in_flight: int
    rounds: Sequence[Round]
    devices: int = 1

    @property
    def completions(self) -> int:
        return sum(each.completions for each in self.rounds)

    @property
    def tokens_out(self) -> int:
        return sum(each.tokens_out for each in self.rounds)

    @property
    def row_tokens_per_s(self) -> float:
        return self.tokens_out / self.in_engine_s if self.in_engine_s else 0.0

    @property
    def tokens_per_s(self) -> float:
        """While the engine is full; where it hardly has rows at a time, what the others leave it."""
        if self.in_engine_s + sum(each.left_s for each in self.rounds) >= BUSY * self.took_s * self.in_flight:
            return self.row_tokens_per_s * self.in_flight
        return self.tokens_out / max(self.took_s, 1e-6)

    def tokens_each(self, of: Round) -> float:
        """Of a completion. The short ones end first: tokens of those that were left count, over those that ended."""
        return (of.tokens_out + of.left_s * self.row_tokens_per_s) / of.completions


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
        given = list[Brief]()
        pipeline.generate(watched.while_young(_spread(job, briefs, WAVES * slots_of(engine)), given))
        devices = expected_devices(job.settings.engine).count or max(1, len(uses_of(engine)))
        return watched.seen(list(_judged(job, store, given)), devices)


def foretold(seen: Seen, job: Job, wanted: Mapping[str, int], taken_over: int) -> Forecast:
    """What `wanted` rows take, by what a probe saw."""
    rows, run = sum(wanted.values()), job.settings.run
    rounds = [*_expected(seen.rounds, run.max_attempts + run.best_of - 1)]
    reached = [*accumulate((each.again / each.judged for each in rounds[:-1]), mul, initial=float(rows))]
    per_text = seen.completions / sum(each.judged for each in seen.rounds)
    each_tokens = [seen.tokens_each(each) for each in rounds]
    tokens = per_text * sum(map(mul, reached, each_tokens))
    # of a row that is made again and again, one after the other, which the last rows are
    longest = [tokens_each for number, tokens_each in zip(reached, each_tokens, strict=True) if number >= 1]
    per_token_s = 1 / seen.row_tokens_per_s if seen.row_tokens_per_s else 0.0
    work_s = max(tokens / seen.tokens_per_s, sum(longest) * per_token_s)
    return Forecast(
        rows=rows,
        taken_over=taken_over,
        texts=round(sum(reached) * per_text),
        tokens_out=round(tokens),
        seconds=round(seen.start_s + work_s + each_tokens[0] * per_token_s / 2, 1) if rows else 0.0,
        accepted=round(sum(number * each.accepted / each.judged for number, each in zip(reached, rounds, strict=True))),
        basis=f"a probe of {seen.completions:,} attempt{'s' if seen.completions > 1 else ''} in {seen.took_s:.0f} s",
        devices=seen.devices,
    )


def _expected(seen: Sequence[Round], most: int) -> Iterator[Round]:
    """What each of `most` attempt numbers is expected to be like: one of which little was seen, as that little and the
    one before together."""
    before = Round()
    for number in range(most):
        own = seen[number] if number < len(seen) else Round()
        if min(own.judged, own.completions) < FEW:
            own = before = _together(before, own)
        else:
            before = own
        yield own


def _together(one: Round, other: Round) -> Round:
    return Round(*map(add, astuple(one), astuple(other)))


def _spread(job: Job, briefs: int, most: int) -> Iterator[Brief]:
    """About `most` of the sheet's good rows, evenly from its beginning to its end."""
    good = (row for row in job.rows() if isinstance(row, Brief))
    return islice(good, 0, None, max(1, briefs // most))


def _judged(job: Job, store: Store, given: Sequence[Brief]) -> Iterator[tuple[int, bool, bool]]:
    """Every text that was judged: its attempt number, whether it was accepted, and whether it was sent back."""
    settled = {(record.brief_id, record.variant): record for _, record in store.records()}
    for brief in given:
        of_turns = job.packs[brief.content_type].type.output.format == "dialogue"
        for variant in range(brief.variants):
            if record := settled.get((brief.id, variant)):
                last = len(record.attempts) - 1
                yield from ((number, False, True) for number in range(last))
                if last >= 0:
                    yield last, record.outcome == "accepted", record.outcome == "exhausted"
            else:
                made = store.attempts(brief.id, variant).values()
                yield from ((each.number, False, True) for each in made if each.turns or not of_turns)


class _Watched:
    """An engine, and when its prompts were given and came back."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._opened_s = engine, time.monotonic()
        self._given: dict[str, tuple[int, float]] = {}
        self._began_s: float | None = None
        self._ended_s = 0.0
        self._completions, self._tokens_out = Counter[int](), Counter[int]()
        self._most, self._in_engine_s = 0, 0.0

    def info(self) -> EngineInfo:
        return self._engine.info()

    def close(self) -> None:
        """Its owner closes it."""

    def generate(self, prompts: Iterable[Prompt | None]) -> Iterator[Completion]:
        for completion in self._engine.generate(self._noted(prompts)):
            self._note(completion)
            yield completion
            if self._age_s > (END_S if 2 * self._completions.total() >= self._most else MOST_S):
                return

    def while_young(self, rows: Iterable[Brief], given: list[Brief]) -> Iterator[Brief]:
        for row in rows:
            if self._age_s > FEED_S:
                return
            given.append(row)
            yield row

    def seen(self, judged: Sequence[tuple[int, bool, bool]], devices: int) -> Seen:
        """What there was to see, with what was said of the texts."""
        if not (judged and self._tokens_out.total() and self._began_s is not None):
            raise EngineError("probe", "no text", "some that tell how long all take",
                              "Run `aigc run` with --limit 1 to see what comes.")
        numbers = max(*self._completions, *(number for number, _, _ in judged)) + 1
        return Seen(
            start_s=self._began_s - self._opened_s, took_s=self._ended_s - self._began_s,
            in_engine_s=self._in_engine_s, in_flight=self._most, devices=devices,
            rounds=[self._round(number, judged) for number in range(numbers)],
        )

    def _round(self, number: int, judged: Sequence[tuple[int, bool, bool]]) -> Round:
        left = [self._ended_s - given_s for of, given_s in self._given.values() if of == number]
        own = [(accepted, again) for of, accepted, again in judged if of == number]
        return Round(
            completions=self._completions[number], tokens_out=self._tokens_out[number], left=len(left),
            left_s=sum(left), judged=len(own), accepted=sum(accepted for accepted, _ in own),
            again=sum(again for _, again in own),
        )

    @property
    def _age_s(self) -> float:
        return 0.0 if self._began_s is None else time.monotonic() - self._began_s

    def _noted(self, prompts: Iterable[Prompt | None]) -> Iterator[Prompt | None]:
        for prompt in prompts:
            if prompt:
                self._given[prompt.request_id] = prompt.attempt, time.monotonic()
                self._most = max(self._most, len(self._given))
            yield prompt

    def _note(self, completion: Completion) -> None:
        self._ended_s = time.monotonic()
        if self._began_s is None:
            self._began_s = self._ended_s - completion.generate_s
        number, _ = self._given.pop(completion.request_id)
        self._completions[number] += 1
        self._tokens_out[number] += completion.tokens_out
        self._in_engine_s += completion.generate_s
