"""The loop of the house: rows → prompts → completions → verdicts → records; retries join the running batch.

Whatever was made before is found in the journal by what determines it, so a run that died, an edited sheet and a
changed threshold are all one case: walk the rows, take what is there, make what is not.
"""

from __future__ import annotations

import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from aigc.earlier import Earlier
from aigc.engine import Engine
from aigc.errors import TemplateError
from aigc.filters import feedback, judge, settle
from aigc.hashing import digest
from aigc.job import Job
from aigc.models import ModelRef
from aigc.outputs import read_output
from aigc.prompts import make_prompt
from aigc.provenance import now
from aigc.records import Attempt, Brief, Completion, EngineInfo, InvalidRow, Outcome, Prompt, Record, RowError
from aigc.store import Store


@dataclass
class Tally:
    """What a run has done so far. Durations in seconds."""

    total: int = 0
    done: int = 0
    made_before: int = 0
    """Rows that an earlier session of this run made."""
    taken_from: Counter[str] = field(default_factory=Counter)
    """Rows taken over, by the run that made them."""
    attempts: int = 0
    retries: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    started_s: float = field(default_factory=time.monotonic)
    in_flight: int = 0
    unit: str = "rows"
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


@dataclass(slots=True)
class _Row:
    """A row of the results on its way: one variant of one brief, at place `order`."""

    brief: Brief
    variant: int
    fingerprint: str
    order: int
    prompt: Prompt | None = None
    given: list[str] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)


class Pipeline:
    """One run's loop: `generate` with rows, in one go or shard by shard, then `records` in the sheet's order."""

    def __init__(
        self,
        job: Job,
        model: ModelRef,
        engine: Engine,
        store: Store,
        *,
        earlier: Earlier,
        on_row: Callable[[Tally], None] = lambda _: None,
        on_engine: Callable[[], None] = lambda: None,
    ) -> None:
        self.tally = Tally()
        self.engines: dict[str, EngineInfo] = {}
        self._job, self._engine, self._store, self._earlier = job, engine, store, earlier
        self._on_row, self._on_engine = on_row, on_engine
        self._fingerprints = job.fingerprints(model)
        self._text_key = job.text_key(model)
        self._in_flight: dict[str, tuple[_Row, Prompt]] = {}
        self._retries: deque[_Row] = deque()
        self._places = array("q")
        """Place in the journal of each row of the results, in the sheet's order; -1 while there is none."""
        self._engine_info: EngineInfo | None = None
        self._engine_digest = ""

    def generate(self, rows: Iterable[Brief | InvalidRow]) -> None:
        """Make a record for every variant of every row. Every record is in the journal before the next is begun."""
        for completion in self._engine.generate(self._prompts(rows)):
            row, prompt = self._in_flight.pop(completion.request_id)
            self._take(row, prompt, completion)
        self._store.sync()

    @property
    def given(self) -> int:
        """Number of rows of the results that the rows given so far make."""
        return len(self._places)

    @property
    def settled(self) -> int:
        """Number of rows of the results that have their record."""
        return sum(place >= 0 for place in self._places)

    def records(self) -> Iterator[Record]:
        """The records of all rows given to `generate`, in the sheet's order."""
        return (self._store.record_at(place) for place in self._places)

    def _prompts(self, rows: Iterable[Brief | InvalidRow]) -> Iterator[Prompt | None]:
        """Prompts for the engine: retries first, then new rows; None while only rows in flight can bring more."""
        fresh = self._rows_to_make(rows)
        while True:
            row = self._retries.popleft() if self._retries else next(fresh, None)
            if row is None and not self._in_flight:
                return
            if row is None or row.prompt is None:
                yield None
                continue
            self._in_flight[row.prompt.request_id] = row, row.prompt
            self.tally.in_flight = len(self._in_flight)
            yield row.prompt

    def _rows_to_make(self, rows: Iterable[Brief | InvalidRow]) -> Iterator[_Row]:
        """Rows that need the engine; all others are settled on the way."""
        for brief in rows:
            if isinstance(brief, InvalidRow):
                self._settle_invalid(brief)
                continue
            for variant in range(brief.variants):
                row = _Row(brief, variant, self._fingerprints.of(brief, variant), len(self._places))
                self._places.append(-1)
                if not self._take_over(row) and self._prepare(row):
                    yield row

    def _take_over(self, row: _Row) -> bool:
        """Settle a row whose record was made before from all the same. Failed rows are made again."""
        wanted = row.brief.id, row.variant, row.fingerprint
        place = self._store.place_of(*wanted)
        record = self._store.record_at(place) if place is not None else None
        if record is None or record.outcome == "failed":
            place, record = None, self._earlier.find(*wanted)
        if record is None:
            return False
        moved = msgspec.structs.replace(record, row=row.brief.row, source=row.brief.source)
        if place is None or moved != record:
            place = self._store.append(moved)
        self._places[row.order] = place
        if moved.taken_from in ("", self._store.run_id):
            self.tally.made_before += 1
        else:
            self.tally.taken_from[moved.taken_from] += 1
        self._count(record.outcome)
        return True

    def _prepare(self, row: _Row) -> bool:
        """Bring a row to its next prompt, replaying attempts that were made before. False where that settles it."""
        made = self._made(row)
        while True:
            try:
                prompt = self._next_prompt(row)
            except TemplateError as exc:
                self._settle_broken(row, "invalid", "template_failed", exc)
                return False
            known = made.get(prompt.request_id)
            if known is None:
                row.prompt = prompt
                return True
            if self._add_attempt(row, prompt, known.completion, known):
                return False

    def _made(self, row: _Row) -> dict[str, Attempt]:
        """Texts made for this row before, by request, under whatever thresholds they were judged."""
        brief, variant = row.brief, row.variant
        own = self._store.attempts(brief.id, variant).items()
        return self._earlier.attempts(brief.id, variant) | {
            request: attempt for request, attempt in own if not attempt.completion.fault
        }

    def _next_prompt(self, row: _Row) -> Prompt:
        row.given = feedback(row.attempts[-1].verdicts) if row.attempts else []
        return make_prompt(
            self._job.messages(row.brief, row.given),
            brief=row.brief,
            variant=row.variant,
            attempt=len(row.attempts),
            packs=self._job.packs,
            sampling=self._job.sampling(row.brief),
            run_seed=self._job.settings.run.seed,
            model=self._text_key,
        )

    def _take(self, row: _Row, prompt: Prompt, completion: Completion) -> None:
        """A completion from the engine: judge it, keep it, and send the row round again if it did not pass."""
        self.tally.in_flight = len(self._in_flight)
        self.tally.attempts += 1
        self.tally.tokens_in += completion.tokens_in
        self.tally.tokens_out += completion.tokens_out
        if self._add_attempt(row, prompt, completion):
            return
        self._store.append_attempt(row.brief.id, row.variant, row.attempts[-1])
        self.tally.retries += 1
        if self._prepare(row):
            self._retries.append(row)
        self._on_row(self.tally)

    def _add_attempt(self, row: _Row, prompt: Prompt, completion: Completion, known: Attempt | None = None) -> bool:
        """Judge a completion as the row's next attempt. True where that settles the row."""
        brief, problem = row.brief, None
        try:
            completion = read_output(completion, self._job.packs[brief.content_type], brief.language)
        except TemplateError as exc:
            problem = exc
        verdicts = [] if problem else judge(brief, completion, self._job.filters(brief), prompt.messages)
        row.attempts.append(
            Attempt(
                number=len(row.attempts),
                request_id=prompt.request_id,
                seed=prompt.seed,
                sampling=prompt.sampling,
                completion=completion,
                verdicts=verdicts,
                feedback=row.given,
                created_at=known.created_at if known else now(),
                engine=known.engine if known else self._engine_key(),
            )
        )
        if problem:
            self._settle_broken(row, "failed", "layout_failed", problem)
            return True
        if completion.fault:
            self._settle(row, "failed")
            return True
        outcome = settle(verdicts, len(row.attempts) - 1, self._job.settings.run.max_attempts)
        if outcome:
            self._settle(row, outcome)
        return outcome is not None

    def _settle(self, row: _Row, outcome: Outcome, errors: list[RowError] | None = None) -> None:
        brief = row.brief
        chosen = len(row.attempts) - 1 if outcome in ("accepted", "held") else None
        self._places[row.order] = self._store.append(
            Record(
                row=brief.row,
                brief_id=brief.id,
                variant=row.variant,
                content_type=brief.content_type,
                language=brief.language,
                outcome=outcome,
                source=brief.source,
                fingerprint=row.fingerprint,
                brief=brief.fields,
                limits=brief.limits,
                template_digest=self._job.packs[brief.content_type].type.digest,
                attempts=row.attempts,
                chosen=chosen,
                errors=errors or [],
            )
        )
        self._count(outcome)

    def _settle_broken(self, row: _Row, outcome: Outcome, code: str, exc: TemplateError) -> None:
        """Settle a row on which a template fails: one row's trouble, not the run's."""
        brief = row.brief
        self._settle(
            row,
            outcome,
            [
                RowError(
                    row=brief.row,
                    id=brief.id,
                    source=brief.source,
                    column="",
                    code=code,
                    found=exc.found,
                    expected=exc.expected,
                    remedy=exc.remedy,
                )
            ],
        )

    def _settle_invalid(self, row: InvalidRow) -> None:
        fingerprint = self._fingerprints.of_invalid(row)
        place = self._store.place_of(row.id, 0, fingerprint)
        if place is None:
            place = self._store.append(
                Record(
                    row=row.row,
                    brief_id=row.id,
                    variant=0,
                    content_type=row.content_type,
                    language=row.language,
                    outcome="invalid",
                    source=row.source,
                    fingerprint=fingerprint,
                    errors=row.errors,
                )
            )
        self._places.append(place)
        self._count("invalid")

    def _count(self, outcome: Outcome) -> None:
        self.tally.done += 1
        self.tally.outcomes[outcome] += 1
        self._on_row(self.tally)

    def _engine_key(self) -> str:
        """Digest of what the engine is now; it changes where memory made it go on with fewer slots.

        `on_engine` is told before the first record that names it is kept, so that run.json can say what it means.
        """
        info = self._engine.info()
        if info != self._engine_info:
            self._engine_info, self._engine_digest = info, digest(info)
            self.engines[self._engine_digest] = info
            self._on_engine()
        return self._engine_digest
