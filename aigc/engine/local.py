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
from aigc.engine.loader import device_for, end_tokens, load_model, load_tokenizer, sizes_for
from aigc.engine.rows import Row, failed
from aigc.engine.runners import RowRunner, SlotRunner, open_runner
from aigc.engine.sampler import Sampler
from aigc.engine.sizing import is_out_of_memory
from aigc.errors import EngineError, ModelError
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
        self._sizes = sizes_for(model.folder(), settings, self._device)
        self._slots = self._sizes.slots
        self._invariant = True
        self._loaded: _Loaded | None = None

    def info(self) -> EngineInfo:
        import transformers

        return EngineInfo(
            engine="local",
            model=self._ref.ref,
            model_digest=self._ref.digest,
            dtype=self._settings.dtype,
            device=_device_name(self._device),
            slots=self._slots,
            batch_invariant=self._invariant,
            versions={"torch": str(torch.__version__), "transformers": transformers.__version__},
        )

    def generate(self, prompts: Iterable[Prompt | None]) -> Iterator[Completion]:
        """See `Engine.generate`. Each turn admits a prompt while there is room, else moves every row by a token.

        Out of memory halves the slots and starts the rows in flight again. Prompts are pulled and completions given
        outside the guard: what their owners raise is theirs.
        """
        source, waiting = iter(prompts), deque[Prompt]()
        batch: _Batch | None = None
        while True:
            prompt = None
            if batch is None or batch.has_room:
                prompt = waiting.popleft() if waiting else next(source, None)
            if prompt is None and (batch is None or not batch.rows):
                return
            loaded = self._load()
            try:
                batch = batch or self._open_batch(loaded)
                answers = batch.admit(prompt) if prompt else batch.step()
            except (MemoryError, RuntimeError) as exc:
                answers = self._recover(exc, batch, prompt, waiting)
                batch = None
                self._release()
            yield from answers

    def close(self) -> None:
        self._loaded = None
        self._release()

    def _load(self) -> _Loaded:
        if self._loaded is None:
            try:
                self._loaded = _Loaded(self._settings, self._ref)
            except (MemoryError, RuntimeError) as exc:
                if not is_out_of_memory(exc):
                    raise
                place, remedy = f"model {self._ref.ref}", "Take a smaller model, or a machine with more memory."
                raise ModelError(place, "weights that do not fit the memory", "room for them", remedy) from exc
        return self._loaded

    def _open_batch(self, loaded: _Loaded) -> _Batch:
        batch = _Batch(loaded, self._slots, self._sizes.context(self._slots))
        self._invariant = loaded.runner(self._slots).invariant
        return batch

    def _recover(
        self, exc: Exception, batch: _Batch | None, prompt: Prompt | None, waiting: deque[Prompt]
    ) -> list[Completion]:
        """After out of memory: the rows in flight wait again, before fewer slots; one that has all to itself fails."""
        if not is_out_of_memory(exc):
            kind, remedy = type(exc).__name__, "Run again; the rows made so far are kept."
            raise EngineError("engine", f"{kind} in a step of the model", "a step that computes", remedy) from exc
        in_flight = [row.prompt for row in batch.rows] if batch else []
        waiting.extendleft(reversed([*in_flight, *([prompt] if prompt else [])]))
        if self._slots == 1:
            return [failed(waiting.popleft(), _TOO_LARGE)]
        _log.warning("out of memory at %d slots: going on with %d", self._slots, self._slots // 2)
        self._slots //= 2
        if self._loaded:
            self._loaded.drop_runner()
        return []

    def _release(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


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

    def drop_runner(self) -> None:
        """Free the cache of keys and values."""
        self._runner = None


class _Batch:
    """The rows in flight, and the step that moves them all by one token. A row's place in `rows` is its slot."""

    def __init__(self, loaded: _Loaded, slots: int, context: int) -> None:
        self.rows: list[Row] = []
        self._loaded, self._context = loaded, context
        self._runner = loaded.runner(slots)
        self._device = loaded.model.device
        self._seen = torch.zeros(slots, loaded.vocabulary, dtype=torch.bool, device=self._device)
        self._sampler: Sampler | None = None

    @property
    def has_room(self) -> bool:
        return len(self.rows) < self._runner.slots

    def admit(self, prompt: Prompt) -> list[Completion]:
        """Read a prompt into the next slot and choose its first token. A completion where that already ends it."""
        loaded, slot = self._loaded, len(self.rows)
        try:
            tokens = loaded.chat.encode(prompt, self._context - prompt.sampling.max_new_tokens)
            matcher = loaded.grammars.matcher(prompt.json_schema) if prompt.json_schema else None
        except PromptFault as exc:
            return [failed(prompt, exc.fault)]
        row = Row(prompt, tokens, matcher, time.perf_counter())
        self._runner.reserve(len(tokens) + prompt.sampling.max_new_tokens)
        logits = self._runner.prefill(slot, tokens).unsqueeze(0)
        self._seen[slot] = False
        self._seen[slot, torch.tensor(tokens, device=self._device)] = True
        sampler = Sampler([prompt.sampling], [prompt.seed], self._device)
        first = torch.zeros(1, dtype=torch.int64, device=self._device)
        chosen, finite = sampler.choose(logits, first, self._seen[slot : slot + 1], self._allowed([row]))
        completion = self._take(row, int(chosen[0]), finite=bool(finite[0]))
        if completion:
            return [completion]
        self._seen[slot, chosen] = True
        self.rows.append(row)
        self._sampler = None
        return []

    def step(self) -> list[Completion]:
        """One token for every row in flight. Returns the completions of those that end with it."""
        rows = self.rows
        logits = self._runner.decode([row.tokens[-1] for row in rows], [row.length for row in rows])
        if self._sampler is None:
            samplings, seeds = [row.prompt.sampling for row in rows], [row.prompt.seed for row in rows]
            self._sampler = Sampler(samplings, seeds, self._device)
        positions = torch.tensor([len(row.tokens) for row in rows], device=self._device)
        chosen, finite = self._sampler.choose(logits, positions, self._seen[: len(rows)], self._allowed(rows))
        if self._sampler.penalises:
            self._seen[torch.arange(len(rows), device=self._device), chosen] = True
        answers = [
            self._take(row, token, finite=ok)
            for row, token, ok in zip(rows, chosen.tolist(), finite.tolist(), strict=True)
        ]
        for slot in reversed(range(len(answers))):
            if answers[slot]:
                self._vacate(slot)
        return [answer for answer in answers if answer]

    def _vacate(self, slot: int) -> None:
        """Take a row out and close the gap with the last one."""
        last = len(self.rows) - 1
        if slot != last:
            self._runner.move(last, slot)
            self.rows[slot] = self.rows[last]
            self._seen[slot] = self._seen[last]
        self.rows.pop()
        self._sampler = None

    def _take(self, row: Row, token: int, *, finite: bool) -> Completion | None:
        """Give a row its next token; its completion where it ends with it."""
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


_TOO_LARGE = Fault(
    code="out_of_memory",
    found="a prompt that does not fit the memory by itself",
    expected="room for it",
    remedy="Shorten it, lower max_new_tokens, or take a smaller model.",
)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
