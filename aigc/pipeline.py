"""The loop of the house: rows → prompts → completions → verdicts → records; retries join the running batch.

Whatever was made before is found in the journal by what determines it, so a run that died, an edited sheet and a
changed threshold are all one case: walk the rows, take what is there, make what is not.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from aigc.earlier import Earlier
from aigc.engine import Engine
from aigc.errors import StoreError, TemplateError
from aigc.filters import feedback
from aigc.hashing import digest
from aigc.job import Job
from aigc.jury import NOBODY, Judges, Jury
from aigc.models import ModelRef
from aigc.outputs import read_output
from aigc.provenance import new_record_id, now
from aigc.records import (
    Attempt,
    Brief,
    Completion,
    EngineInfo,
    InvalidRow,
    Message,
    Outcome,
    Prompt,
)
from aigc.rows import Ending, Family, Row, broken_off, ended, failed, invalid_record
from aigc.store import Placed, Store
from aigc.talk import Talks, with_line_verdicts
from aigc.tally import Tally


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
        judges: Judges = NOBODY,
        may_make: Callable[[], str] = lambda: "",
        commit: Callable[[Sequence[Message]], str] = lambda _: "",
    ) -> None:
        self.tally = Tally()
        self.engines: dict[str, EngineInfo] = {}
        self._job, self._engine, self._store, self._earlier = job, engine, store, earlier
        self._on_row, self._on_engine, self._may_make, self._commit = on_row, on_engine, may_make, commit
        self._jury = Jury(job, judges, on_wait=self._keep, on_verdict=self._conclude)
        self._fingerprints = job.fingerprints(model)
        self._text_key = job.text_key(model)
        self._talks = Talks(job, self._text_key)
        self._in_flight: dict[str, tuple[Row, Prompt]] = {}
        self._unfinished: deque[Row] = deque()
        """Rows whose next text is wanted; they may have been made before."""
        self._ready: deque[Row] = deque()
        """Rows with a prompt for the engine."""
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

    def records(self) -> Placed:
        """The records of all rows given to `generate`, in the sheet's order."""
        return self._store.at(self._places)

    def _prompts(self, rows: Iterable[Brief | InvalidRow]) -> Iterator[Prompt | None]:
        """Prompts for the engine: retries first, then new rows; None while only rows in flight can bring more."""
        fresh = self._rows_to_make(rows)
        while True:
            self._advance()
            if self._ready and self._may_make():
                self._unfinished += self._ready
                self._ready.clear()
            elif self._ready:
                yield self._send(self._ready.popleft())
            elif row := next(fresh, None):
                self._unfinished.append(row)
            elif self._jury.waiting and self._jury.waiting >= len(self._in_flight):
                self._jury.hear_waiting()  # at the sheet's end batches are smaller, so that retries still join others
            elif self._in_flight:
                yield None
            else:
                return

    def _send(self, row: Row) -> Prompt:
        if row.prompt is None:
            raise ValueError(f"row {row.order} has no prompt")
        self._in_flight[row.prompt.request_id] = row, row.prompt
        self.tally.in_flight = len(self._in_flight)
        return row.prompt

    def _rows_to_make(self, rows: Iterable[Brief | InvalidRow]) -> Iterator[Row]:
        """Rows that have no record yet; all others are settled on the way."""
        for brief in rows:
            if isinstance(brief, InvalidRow):
                self._settle_invalid(brief)
                continue
            family, wanted = Family(brief.variants), list[Row]()
            for variant in range(brief.variants):
                fingerprint, again = self._fingerprints.of(brief, variant), self._job.again(brief, variant)
                row = Row(brief, variant, fingerprint, len(self._places), family, again)
                self._places.append(-1)
                if not self._take_over(row):
                    wanted.append(row)
            for row in wanted:  # only now: what is made is compared with all that stands
                row.made = self._made(row)
                yield row

    def _take_over(self, row: Row) -> bool:
        """Settle a row whose record was made before from all the same. Unfinished ones are gone on with.

        Where rows are made again upon editors' decisions, those that are not stay as they are, unfinished or not.
        """
        wanted, keeps = (row.brief.id, row.variant, row.fingerprint), self._job.keeps(row.brief, row.variant)
        place, record = self._store.find_placed(*wanted) or (None, None)
        if record is None or (record.is_unfinished and not keeps):
            place, record = None, self._earlier.find(*wanted, unfinished_too=keeps)
        if record is None and keeps:
            found, expected = f"no record of brief {row.brief.id}, variant {row.variant}", "all that the run has made"
            raise StoreError("journals of earlier runs", found, expected, "Restore the run's journal from a copy.")
        if record is None:
            return False
        moved = msgspec.structs.replace(record, row=row.brief.row, source=row.brief.source,
                                        record_id=record.record_id or new_record_id())
        if place is None or moved != record:
            place = self._store.append(moved)
        self._places[row.order] = place
        if moved.taken_from in ("", self._store.run_id):
            self.tally.made_before += 1
            self.tally.retries += max(0, len(record.attempts) - 1)
        else:
            self.tally.taken_from[moved.taken_from] += 1
        self._count(record.outcome)
        self._jury.settled(row, record.content.text if record.content else None)
        return True

    def _advance(self) -> None:
        """Bring rows to their next prompt, replaying texts that were made before, under whatever thresholds."""
        while self._unfinished:
            row = self._unfinished.popleft()
            try:
                prompt = self._next_prompt(row)
            except TemplateError as exc:
                self._settle_broken(row, "invalid", "template_failed", exc)
                continue
            known, why_not = row.made.get(prompt.request_id), self._may_make()
            if known is None and why_not:
                known = self._made_instead(row)
            if known:
                self.tally.attempts_before += known.request_id in row.made_here
                self._add_attempt(row, prompt, known.completion, known)
            elif why_not:
                self._settle(row, broken_off(row, "short", row.not_made(why_not, self._job.settings.run)))
            else:
                row.prompt = prompt
                self._ready.append(row)

    def _made(self, row: Row) -> dict[str, Attempt]:
        """Texts made for this row before, by request, under whatever thresholds they were judged."""
        brief, variant = row.brief, row.variant
        own = {request: attempt for request, attempt in self._store.attempts(brief.id, variant).items()
               if not attempt.completion.fault}
        row.made_here = frozenset(own)
        return self._earlier.attempts(brief.id, variant) | own

    def _made_instead(self, row: Row) -> Attempt | None:
        """The newest text that was made as the row's next attempt and differs in nothing but the filters' advice."""
        if self._talks.are_for(row):  # what was said before is a part of what a line is asked for
            return None
        found = [attempt for attempt in row.made.values() if attempt.number == len(row.attempts)
                 and attempt.feedback[: len(row.advice)] == row.advice]
        same = (each for each in found if self._prompt(row, each.feedback).request_id == each.request_id)
        return max(same, key=lambda attempt: attempt.created_at, default=None)

    def _next_prompt(self, row: Row) -> Prompt:
        is_told = row.own_attempts and self._job.settings.run.feedback
        row.given = [*row.advice, *(feedback(row.attempts[-1].verdicts) if is_told else [])]
        return self._prompt(row, row.given)

    def _prompt(self, row: Row, advice: list[str]) -> Prompt:
        run = self._job.settings.run
        sampling = self._job.sampling(row.brief)
        if self._talks.are_for(row):
            prompt = self._talks.prompt(row, advice)
        else:
            number = len(row.attempts)
            prompt = self._job.asking.prompt(row.brief, row.variant, number, advice, sampling, self._text_key)
        return msgspec.structs.replace(prompt, logprob=True) if run.best_of > 1 and run.score == "logprob" else prompt

    def _take(self, row: Row, prompt: Prompt, completion: Completion) -> None:
        """A completion from the engine: judge it, keep it, and send the row round again if it did not pass."""
        self.tally.in_flight = len(self._in_flight)
        self.tally.came(completion)
        self._add_attempt(row, prompt, completion)
        if self._places[row.order] < 0:  # else it was counted, and told with it
            self._on_row(self.tally)

    def _add_attempt(self, row: Row, prompt: Prompt, completion: Completion, known: Attempt | None = None) -> None:
        """A completion becomes the row's next attempt, and is judged unless it has no text."""
        if self._talks.are_for(row):
            self._add_line(row, prompt, completion, known)
            return
        brief, problem = row.brief, None
        try:
            pack, visible = self._job.packs[brief.content_type], self._job.settings.labels.visible
            completion = read_output(completion, pack, brief.language, visible)
        except TemplateError as exc:
            problem = exc
        row.messages = prompt.messages
        made = known or self._attempt(prompt, completion, row.given)
        row.attempts.append(msgspec.structs.replace(made, number=len(row.attempts), completion=completion, verdicts=[]))
        if known:
            row.kept = len(row.attempts)  # it is in a journal already
        if problem:
            self._settle_broken(row, "failed", "layout_failed", problem)
        elif completion.fault:
            self._settle(row, failed(row, completion.fault, self._job.settings.run))
        else:
            self._jury.hear(row)

    def _attempt(self, prompt: Prompt, completion: Completion, advice: list[str]) -> Attempt:
        return Attempt(
            number=prompt.attempt,
            request_id=prompt.request_id,
            seed=prompt.seed,
            sampling=prompt.sampling,
            completion=completion,
            verdicts=[],
            feedback=advice,
            created_at=now(),
            engine=self._engine_key(),
            prompt_commitment=self._commit(prompt.messages),
        )

    def _add_line(self, row: Row, prompt: Prompt, completion: Completion, known: Attempt | None) -> None:
        """A completion is the next line of a dialogue, kept before another is asked for; the last makes it whole."""
        made = known or self._attempt(prompt, completion, self._talks.advice(row))
        turn = self._talks.take(row, prompt, made)
        if not known:
            self._store.append_attempt(row.brief.id, row.variant, turn)
        if not self._talks.is_over(row):
            self._unfinished.append(row)
            return
        try:
            row.attempts.append(self._talks.whole(row, row.given))
        except TemplateError as exc:
            self._settle_broken(row, "failed", "layout_failed", exc)
            return
        whole = row.attempts[-1]
        if whole.completion.fault:
            self._settle(row, failed(row, whole.completion.fault, self._job.settings.run))
        elif whole.verdicts:
            row.heard = len(row.attempts)
            self._conclude(row)
        else:
            self._jury.hear(row)

    def _keep(self, row: Row) -> None:
        """Have the newest attempt in the journal while its row is not settled."""
        if row.kept < len(row.attempts):
            self._store.append_attempt(row.brief.id, row.variant, row.attempts[-1])
            row.kept = len(row.attempts)

    def _conclude(self, row: Row) -> None:
        """The newest attempt has its verdicts: the row is settled by them, or goes round again."""
        row.attempts[-1] = with_line_verdicts(row.attempts[-1])
        if ending := ended(row, self._job.settings.run):
            self._settle(row, ending)
            return
        self._keep(row)
        self.tally.retries += 1
        self._unfinished.append(row)

    def _settle(self, row: Row, ending: Ending) -> None:
        template = self._job.packs[row.brief.content_type].type.digest
        record = msgspec.structs.replace(row.record(ending, template), record_id=new_record_id())
        self._places[row.order] = self._store.append(record)
        self.tally.made[record.outcome] += 1
        self._count(record.outcome)
        self._jury.settled(row, record.content.text if record.content else None)

    def _settle_broken(self, row: Row, outcome: Outcome, code: str, exc: TemplateError) -> None:
        """Settle a row on which a template fails: one row's trouble, not the run's."""
        self._settle(row, broken_off(row, outcome, row.error(code, exc.found, exc.expected, exc.remedy)))

    def _settle_invalid(self, row: InvalidRow) -> None:
        fingerprint = self._fingerprints.of_invalid(row)
        place = self._store.place_of(row.id, 0, fingerprint)
        if place is None:
            record = msgspec.structs.replace(invalid_record(row, fingerprint), record_id=new_record_id())
            place = self._store.append(record)
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

