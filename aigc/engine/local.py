"""The engine of the house: a fixed number of slots over a transformers model, refilled as rows finish."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Iterable

import torch
from msgspec import UNSET

from aigc.engine.batch import Batch, NoRoom, Step
from aigc.engine.deaths import EngineDied, first_line, is_deadly
from aigc.engine.listening import OnText
from aigc.engine.loaded import Loaded
from aigc.engine.loader import device_for, loading, promises_same_bytes, sizes_for, versions
from aigc.engine.rows import failed
from aigc.engine.sizing import is_out_of_memory
from aigc.errors import EngineError
from aigc.models import ModelRef
from aigc.records import Completion, EngineInfo, Fault, Prompt
from aigc.settings import EngineSettings
from aigc.watermark import Mark

_log = logging.getLogger(__name__)


class LocalEngine:
    """Runs one model on this machine. The model is loaded at the first prompt.

    `slots`, where not 0, are at most as many as fit: an engine that takes over from another has as many as that had.
    `mark` is given to texts whose sampling names it. `on_text` hears every text as it comes: for one row at a time.
    After EngineDied it is of no use, nor is another one on the same device in this process.
    """

    def __init__(
        self, settings: EngineSettings, model: ModelRef, *, slots: int = 0, mark: Mark | None = None,
        on_text: OnText | None = None,
    ) -> None:
        self._settings, self._ref, self._mark, self._on_text = settings, model, mark, on_text
        with loading(f"model {model.ref}"):
            self._device = device_for(settings)
            self._sizes = sizes_for(model.folder(), settings, self._device)
            self._device_name = _device_name(self._device)
            self._versions = versions(model.folder(), settings)
            self._promises = promises_same_bytes(model.folder(), settings)
        self._slots = min(slots or self._sizes.slots, self._sizes.slots)
        self._invariant = True
        self._died = False
        self._loaded: Loaded | None = None
        self._ahead = 1 if self._device.type == "cuda" else 0
        """Steps launched before the oldest is collected, where the runner allows it."""

    def info(self) -> EngineInfo:
        return EngineInfo(
            engine="local",
            model=self._ref.ref,
            model_digest=self._ref.digest,
            dtype=self._settings.precision,
            device=self._device_name,
            slots=self._slots,
            batch_invariant=self._invariant and self._promises,
            versions=self._versions,
            watermark=self._mark.ref if self._mark else UNSET,
        )

    def prepare(self) -> None:
        """Load the model and find out how to step it, as `generate` does at the first prompt.

        Raises:
            ModelError: the model cannot be loaded, or its weights do not fit the memory.
            EngineDied: the device's context is dead.
            EngineError: the trial of the model failed for another reason than memory, which `generate` deals with.
        """
        loaded = self._load()
        try:
            self._open_batch(loaded)
            if self._device.type == "cuda":
                torch.cuda.synchronize()  # what a trial left behind must not be laid at the first row's door
        except (MemoryError, RuntimeError) as exc:
            if not is_out_of_memory(exc):
                raise self._stopped(exc) from exc
            # `generate` meets it again, and goes on with fewer slots.
        except Exception as exc:
            raise self._stopped(exc) from exc

    def generate(self, prompts: Iterable[Prompt | None]) -> Generator[Completion, None, None]:
        """See `Engine.generate`. Each turn admits prompts while there is room, then moves every row by a token.

        On a GPU a step is launched before the one before is collected, so that the host's work is not waited for.
        Out of memory halves the slots and starts the rows in flight again. Prompts are pulled and completions given
        outside the guard: what their owners raise is theirs.

        Raises:
            ModelError: the model cannot be loaded, or its weights do not fit the memory.
            EngineDied: the device's context is dead, and with it the rows in flight.
            EngineError: a step failed for another reason than memory.
        """
        source, waiting = iter(prompts), deque[Prompt]()
        batch: Batch | None = None
        under_way = deque[Step]()
        try:
            while True:
                has_room = batch is None or batch.has_room
                if has_room and not waiting and (prompt := next(source, None)):
                    waiting.append(prompt)
                if not waiting and not under_way and (batch is None or not batch.rows):
                    return
                loaded = self._load()
                try:
                    batch = batch or self._open_batch(loaded)
                    answers = self._turn(batch, waiting if has_room else deque(), under_way)
                except (MemoryError, RuntimeError) as exc:
                    answers, batch = self._recover(exc, batch, waiting), None
                    under_way.clear()
                except Exception as exc:
                    raise self._stopped(exc) from exc
                if batch is None:  # only out here, where the error is gone: its traceback held the step's tensors
                    self._release()
                yield from answers
        finally:
            if batch and batch.rows and self._loaded:
                self._loaded.drop_runner()  # the pages of rows that nobody will wait for

    def _turn(
        self, batch: Batch, waiting: deque[Prompt], under_way: deque[Step]
    ) -> list[Completion]:
        """Take a prompt in, else make a step."""
        if waiting:
            try:
                completion = batch.admit(waiting[0])
            except NoRoom:
                pass
            else:
                waiting.popleft()
                return [completion] if completion else []
        step = batch.launch()
        if step:
            under_way.append(step)
        if under_way and (step is None or len(under_way) > (self._ahead if batch.can_run_ahead else 0)):
            return batch.collect(under_way.popleft())
        return []

    def close(self) -> None:
        self._loaded = None
        self._release()

    def _load(self) -> Loaded:
        if self._loaded is None:
            try:
                with loading(f"model {self._ref.ref}"):
                    self._loaded = Loaded(self._settings, self._ref)
            except EngineDied:
                self._died = True
                raise
        return self._loaded

    def _open_batch(self, loaded: Loaded) -> Batch:
        runner = loaded.runner(self._slots, self._sizes)
        self._invariant = runner.invariant
        return Batch(loaded, runner, self._sizes.context, self._mark, self._on_text)

    def _recover(
        self, exc: Exception, batch: Batch | None, waiting: deque[Prompt]
    ) -> list[Completion]:
        """After out of memory: the rows in flight wait again, before fewer slots; one that has all to itself fails.

        Where not even the cache could be opened, and fewer slots would not make it smaller, rows also get less context.
        """
        if not is_out_of_memory(exc):
            raise self._stopped(exc) from exc
        waiting.extendleft(reversed(batch.prompts if batch else []))
        if self._loaded:
            self._loaded.drop_runner()
        if self._slots == 1:
            return [failed(waiting.popleft(), _TOO_LARGE)]
        _log.warning("out of memory at %d slots: going on with %d", self._slots, self._slots // 2)
        if batch is None and self._sizes.gives_up_context(self._slots):
            _log.warning("no room for a row of the whole context: going on with %d tokens a row", self._sizes.context)
        self._slots //= 2
        return []

    def _stopped(self, exc: Exception) -> EngineError:
        """What an error that is no lack of memory means: the end of the device's context, or a fault in the code."""
        if is_deadly(exc):
            self._died = True
            return EngineDied(first_line(exc))
        kind, remedy = type(exc).__name__, "Run again; the texts made so far are kept."
        return EngineError("engine", f"{kind} in a step of the model", "a step that computes", remedy)

    def _release(self) -> None:
        if self._device.type == "cuda" and not self._died:  # a dead context refuses this too
            torch.cuda.empty_cache()


_TOO_LARGE = Fault(
    code="out_of_memory",
    found="a prompt that does not fit the memory by itself",
    expected="room for it",
    remedy="Shorten it, lower max_new_tokens, or take a smaller model.",
)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
