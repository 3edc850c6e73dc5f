"""The engine of the house: a fixed number of slots over a transformers model, refilled as rows finish."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import torch

from aigc.engine.chat import ChatEncoder, PromptFault, Tokenizer
from aigc.engine.grammar import Grammars
from aigc.engine.loader import device_for, end_tokens, load_model, load_tokenizer
from aigc.engine.rows import Row, failed
from aigc.engine.runners import RowRunner, SlotRunner, open_runner
from aigc.engine.sampler import Sampler
from aigc.engine.sizing import context_for, slots_for
from aigc.errors import EngineError
from aigc.models import ModelRef
from aigc.records import Completion, EngineInfo, Fault, Prompt
from aigc.settings import EngineSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_log = logging.getLogger(__name__)


class LocalEngine:
    """Runs one model on this machine. The model is loaded at the first prompt."""

    def __init__(self, settings: EngineSettings, model: ModelRef) -> None:
        self._settings, self._ref = settings, model
        self._device = device_for(settings)
        self._slots = slots_for(settings, self._device)
        self._loaded: _Loaded | None = None

    def info(self) -> EngineInfo:
        import transformers

        loaded = self._loaded
        return EngineInfo(
            engine="local",
            model=self._ref.ref,
            model_digest=self._ref.digest,
            dtype=self._settings.dtype,
            device=_device_name(self._device),
            slots=self._slots,
            batch_invariant=loaded.runner(self._slots).invariant if loaded else True,
            versions={"torch": str(torch.__version__), "transformers": transformers.__version__},
        )

    def generate(self, prompts: Iterable[Prompt | None]) -> Iterator[Completion]:
        """See `Engine.generate`. Out of memory halves the slots and starts the rows in flight again."""
        source, waiting = iter(prompts), deque[Prompt]()
        while True:
            batch = _Batch(self._load(), self._slots)
            try:
                yield from batch.run(source, waiting)
                return
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as exc:
                if not _is_out_of_memory(exc):
                    raise EngineError(
                        "engine",
                        f"{type(exc).__name__} in a step of the model",
                        "a step that computes",
                        "Run again; the rows made so far are kept.",
                    ) from exc
                waiting.extendleft(reversed(batch.in_flight()))
                if self._slots == 1:
                    yield failed(waiting.popleft(), _too_large())
                    continue
                _log.warning("out of memory at %d slots: going on with %d", self._slots, self._slots // 2)
            self._slots = max(1, self._slots // 2)
            del batch
            self._release()

    def close(self) -> None:
        self._loaded = None
        self._release()

    def _release(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _load(self) -> _Loaded:
        if self._loaded is None:
            self._loaded = _Loaded(self._settings, self._ref)
        return self._loaded


class _Loaded:
    """A model in memory with all that belongs to it."""

    def __init__(self, settings: EngineSettings, ref: ModelRef) -> None:
        folder = ref.folder()
        self.tokenizer: Tokenizer = load_tokenizer(folder, settings)
        self.model: PreTrainedModel = load_model(folder, settings)
        self.settings = settings
        self.chat = ChatEncoder(self.tokenizer)
        self.end_tokens = end_tokens(self.model, self.tokenizer)
        self.vocabulary = int(self.model.get_output_embeddings().weight.shape[0])
        self._grammars: Grammars | None = None
        self._runner: SlotRunner | RowRunner | None = None

    @property
    def grammars(self) -> Grammars:
        if self._grammars is None:
            self._grammars = Grammars(self.tokenizer, self.vocabulary, sorted(self.end_tokens))
        return self._grammars

    def runner(self, slots: int) -> SlotRunner | RowRunner:
        """The runner for `slots` rows; its cache is kept between batches of the same size."""
        if self._runner is None or self._runner.slots != slots:
            self._runner = None
            self._runner = open_runner(self.model, slots)
            if isinstance(self._runner, RowRunner):
                _log.warning(
                    "%s cannot run in slots: each row is computed by itself, which is slower", type(self.model).__name__
                )
        return self._runner


class _Batch:
    """The rows in flight: which slot holds which row, and the step that moves them all by one token."""

    def __init__(self, loaded: _Loaded, slots: int) -> None:
        self._loaded = loaded
        self._runner = loaded.runner(slots)
        self._rows: list[Row] = []
        """Rows in flight; a row's place in the list is its slot."""
        self._device = loaded.model.device
        self._context = context_for(loaded.settings, loaded.model, slots)
        self._seen = torch.zeros(slots, loaded.vocabulary, dtype=torch.bool, device=self._device)
        self._sampler: Sampler | None = None
        self._admitting: Prompt | None = None

    def in_flight(self) -> list[Prompt]:
        """Prompts taken and not answered, in the order of their slots."""
        rows = [row.prompt for row in self._rows]
        return rows if self._admitting is None else [*rows, self._admitting]

    def run(self, source: Iterator[Prompt | None], waiting: deque[Prompt]) -> Iterator[Completion]:
        while True:
            yield from self._fill(source, waiting)
            if not self._rows:
                return
            yield from self._step()

    def _fill(self, source: Iterator[Prompt | None], waiting: deque[Prompt]) -> Iterator[Completion]:
        """Give every free slot a prompt, as far as there are any."""
        while len(self._rows) < self._runner.slots:
            prompt = waiting.popleft() if waiting else next(source, None)
            if prompt is None:
                return
            self._admitting = prompt
            completion = self._admit(prompt, len(self._rows))
            self._admitting = None
            if completion:
                yield completion

    def _admit(self, prompt: Prompt, slot: int) -> Completion | None:
        """Read a prompt into a slot and choose its first token. A completion where that already ends it."""
        loaded = self._loaded
        try:
            room = self._context - prompt.sampling.max_new_tokens
            tokens = loaded.chat.encode(prompt, room)
            matcher = loaded.grammars.matcher(prompt.json_schema) if prompt.json_schema else None
        except PromptFault as exc:
            return failed(prompt, exc.fault)
        row = Row(prompt, tokens, matcher, time.perf_counter())
        self._runner.reserve(len(tokens) + prompt.sampling.max_new_tokens)
        logits = self._runner.prefill(slot, tokens).unsqueeze(0)
        self._seen[slot] = False
        self._seen[slot, torch.tensor(tokens, device=self._device)] = True
        sampler = Sampler([prompt.sampling], [prompt.seed], self._device)
        chosen, finite = sampler.choose(
            logits,
            torch.zeros(1, dtype=torch.int64, device=self._device),
            self._seen[slot : slot + 1],
            self._allowed([row]),
        )
        completion = self._advance(row, slot, int(chosen[0]), finite=bool(finite[0]))
        if completion is None:
            self._rows.append(row)
            self._sampler = None
        return completion

    def _step(self) -> list[Completion]:
        """One token for every row in flight. Returns the completions of those that end with it."""
        rows = self._rows
        logits = self._runner.decode([row.tokens[-1] for row in rows], [row.length for row in rows])
        if self._sampler is None:
            self._sampler = Sampler(
                [row.prompt.sampling for row in rows], [row.prompt.seed for row in rows], self._device
            )
        positions = torch.tensor([len(row.tokens) for row in rows], device=self._device)
        chosen, finite = self._sampler.choose(logits, positions, self._seen[: len(rows)], self._allowed(rows))
        answers = [
            self._advance(row, slot, token, finite=ok)
            for slot, (row, token, ok) in enumerate(zip(rows, chosen.tolist(), finite.tolist(), strict=True))
        ]
        for slot in reversed(range(len(answers))):
            if answers[slot]:
                self._vacate(slot)
        return [answer for answer in answers if answer]

    def _vacate(self, slot: int) -> None:
        """Take a row out and close the gap with the last one."""
        last = len(self._rows) - 1
        if slot != last:
            self._runner.move(last, slot)
            self._rows[slot] = self._rows[last]
            self._seen[slot] = self._seen[last]
        self._rows.pop()
        self._sampler = None

    def _advance(self, row: Row, slot: int, token: int, *, finite: bool) -> Completion | None:
        """Give a row its next token; its completion where it ends with it."""
        self._seen[slot, token] = True
        return row.take(token, self._loaded.tokenizer, self._loaded.end_tokens, finite=finite)

    def _allowed(self, rows: list[Row]) -> torch.Tensor | None:
        """Tokens that the rows' grammars allow, bool [rows, vocabulary]; None where no row has a grammar."""
        held = [(index, row.matcher) for index, row in enumerate(rows) if row.matcher]
        if not held:
            return None
        masks = torch.from_numpy(self._loaded.grammars.masks([matcher for _, matcher in held])).to(self._device)
        if len(held) == len(rows):
            return masks
        allowed = torch.ones(len(rows), self._loaded.vocabulary, dtype=torch.bool, device=self._device)
        allowed[torch.tensor([index for index, _ in held], device=self._device)] = masks
        return allowed


def _is_out_of_memory(exc: BaseException) -> bool:
    """CUDA has an exception of its own; the CPU allocator raises a RuntimeError that says so."""
    if isinstance(exc, torch.OutOfMemoryError | MemoryError):
        return True
    return "not enough memory" in str(exc) or "can't allocate memory" in str(exc)


def _too_large() -> Fault:
    return Fault(
        code="out_of_memory",
        found="a prompt that does not fit the memory by itself",
        expected="room for it",
        remedy="Shorten it, lower max_new_tokens, or take a smaller model.",
    )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
