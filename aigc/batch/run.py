"""A batch from its requests file to its results: generated over the journal, then written in the file's order.

What is asked of the engine is known by the digest of all that decides its text, and every answer is in the journal
before the next is begun. So a batch that died, an edited file and other settings are one case: walk the lines, take the
answers that are there, make those that are not, and write the results when none is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from aigc.batch.lines import Line, RequestFile
from aigc.batch.requests import ChatRequest, Refusal, read_request, refused
from aigc.batch.results import ResultLine, answered, failed
from aigc.disk import write_atomically
from aigc.engine import Engine
from aigc.errors import EngineError
from aigc.hashing import digest
from aigc.provenance import now
from aigc.records import Attempt, Completion, EngineInfo, Prompt, Sampling, Value
from aigc.store import Store
from aigc.tally import Tally


class Meaning(Value, frozen=True):
    """What a line's parameters mean here, beyond what the line says."""

    defaults: Sampling
    models: list[str]
    """Names that the loaded model answers to; the first is written where a request names none."""
    text_key: str
    seed: int


class Counts(Value, frozen=True):
    """As OpenAI's `request_counts`. `codes` counts the failed lines by error code."""

    total: int
    completed: int
    failed: int
    codes: dict[str, int]


@dataclass(slots=True)
class _Pending:
    """A line in flight: how many of its choices the engine still owes."""

    request: ChatRequest
    left: int
    faults: int = 0


class Batch:
    """One requests file being worked on: `generate`, then `write`."""

    def __init__(
        self,
        requests: RequestFile,
        meaning: Meaning,
        engine: Engine,
        store: Store,
        on_request: Callable[[Tally], None] = lambda _: None,
    ) -> None:
        self.tally = Tally(total=requests.total, unit="requests", good="answered")
        self._requests, self._meaning, self._engine, self._store = requests, meaning, engine, store
        self._on_request = on_request
        self._in_flight: dict[str, tuple[Prompt, int, _Pending]] = {}
        self._engine_info: EngineInfo | None = None
        self._engine_digest = ""

    def generate(self) -> None:
        """Have an attempt for every choice of every request in the journal.

        Raises:
            EngineError: the engine cannot go on. StoreError: an answer cannot be kept. BatchError: the file changed.
        """
        for completion in self._engine.generate(self._prompts()):
            self._keep(completion)
        self._store.sync()
        if self._in_flight:
            raise EngineError("engine", f"no answer for {len(self._in_flight):,} prompts", "one for each",
                              "Run the same command again; the answers made so far are kept.")

    def write(self, output: Path, errors: Path | None) -> Counts:
        """Write the results in the order of the requests; failed lines go to `errors` where there is one.

        Either file appears whole or stays as it was; `output` appears last.
        """
        codes: Counter[str] = Counter()

        def write(results: BinaryIO, apart: BinaryIO) -> None:
            codes.clear()
            for result in self._results():
                if result.error:
                    codes[result.error.code] += 1
                (apart if result.error else results).write(result.encoded())

        if errors is None:
            write_atomically(output, lambda results: write(results, results))
        else:
            write_atomically(output, lambda results: write_atomically(errors, lambda apart: write(results, apart)))
        bad, total = codes.total(), self._requests.total
        return Counts(total=total, completed=total - bad, failed=bad, codes=dict(codes.most_common()))

    def _prompts(self) -> Iterator[Prompt]:
        """Prompts that have no answer yet, in the order of the file; all other lines are counted on the way."""
        for line in self._requests.lines():
            request = self._read(line)
            if isinstance(request, Refusal):
                self._count(good=False)
                continue
            missing = [
                (choice, prompt) for choice, prompt in enumerate(self._prompts_of(request))
                if self._made(request, choice, prompt, good=True) is None
            ]
            if not missing:
                self.tally.made_before += 1
                self._count(good=True)
            pending = _Pending(request, len(missing))
            for choice, prompt in missing:
                self._in_flight[prompt.request_id] = prompt, choice, pending
                self.tally.in_flight = len(self._in_flight)
                yield prompt

    def _keep(self, completion: Completion) -> None:
        prompt, choice, pending = self._in_flight.pop(completion.request_id)
        attempt = Attempt(
            number=0, request_id=prompt.request_id, seed=prompt.seed, sampling=prompt.sampling, completion=completion,
            verdicts=[], created_at=now(), engine=self._engine_key(),
        )
        self._store.append_attempt(pending.request.custom_id, choice, attempt)
        self.tally.came(completion)
        pending.left -= 1
        pending.faults += completion.fault is not None
        if not pending.left:
            self._count(good=not pending.faults)

    def _results(self) -> Iterator[ResultLine]:
        for line in self._requests.lines():
            request = self._read(line)
            yield failed(request, line) if isinstance(request, Refusal) else self._result(request, line)

    def _result(self, request: ChatRequest, line: Line) -> ResultLine:
        attempts = []
        for choice, prompt in enumerate(self._prompts_of(request)):
            attempt = self._made(request, choice, prompt)
            if attempt is None:
                raise self._requests.changed()  # since the engine was given the prompts
            if attempt.completion.fault:
                return failed(refused(request, attempt.completion.fault, self._requests.place(line)), line)
            attempts.append(attempt)
        return answered(request, attempts, line)

    def _read(self, line: Line) -> ChatRequest | Refusal:
        return read_request(line.data, self._requests.place(line), defaults=self._meaning.defaults,
                            models=self._meaning.models, repeated=line.repeated)

    def _prompts_of(self, request: ChatRequest) -> list[Prompt]:
        return request.prompts(self._meaning.text_key, self._meaning.seed)

    def _made(self, request: ChatRequest, choice: int, prompt: Prompt, *, good: bool = False) -> Attempt | None:
        """The newest attempt at a choice, if any; where `good`, none that failed, for what failed is tried again."""
        attempt = self._store.attempts(request.custom_id, choice).get(prompt.request_id)
        return None if attempt and good and attempt.completion.fault else attempt

    def _count(self, *, good: bool) -> None:
        self.tally.done += 1
        self.tally.outcomes["accepted" if good else "failed"] += 1
        self._on_request(self.tally)

    def _engine_key(self) -> str:
        """Digest of what the engine is now; it changes where memory made it go on with fewer slots."""
        info = self._engine.info()
        if info != self._engine_info:
            self._engine_info, self._engine_digest = info, digest(info)
        return self._engine_digest
