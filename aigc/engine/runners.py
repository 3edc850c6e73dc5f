"""How a model is stepped: over pages where its attention can be replaced, else row by row through its own cache."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import torch

from aigc.engine.attention import NAME, page_attention
from aigc.engine.cache import CacheShape, PagedCache, Placement
from aigc.engine.device import to_device
from aigc.engine.pages import PAGE, Lease, Pages
from aigc.engine.plan import PREVIOUS, Plan
from aigc.engine.sizing import is_out_of_memory

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PROBE_TOKENS = 24
WIDTHS = sorted({1 << n for n in range(1, 13)} | {3 << n for n in range(1, 12)})
"""Widths to try: powers of two, and what lies half-way between them. Not 1, which is a kernel of another kind."""

_log = logging.getLogger(__name__)


class StepInputs(NamedTuple):
    """What a forward pass is given: tokens int64 [width], where they stand, and which are asked for, int64."""

    tokens: torch.Tensor
    placement: Placement
    sampled: torch.Tensor


class Runner(Protocol):
    """Steps a model. `slots` is how many rows, and how many tokens, a step holds at most."""

    slots: int
    model: PreTrainedModel
    invariant: bool
    """Whether a token's logits were found the same wherever in a step it stands and whatever else the step holds."""

    def open(self, row: int, tokens: Sequence[int], total: int) -> int | None:
        """Give `row` room for a prompt and its answer, `total` tokens. None while there is none.

        Returns how many tokens of the prompt need not be fed, since they were computed for another row.
        """

    def close(self, row: int) -> None:
        """Take the room back."""

    def step(self, plan: Plan) -> torch.Tensor:
        """Feed the plan's tokens. Returns float32 logits [sampled, vocabulary]."""

    def remember(self, rows: list[int], tokens: torch.Tensor) -> None:
        """The tokens just chosen for `rows`, which a plan may name as `PREVIOUS`."""


class PagedRunner:
    """All tokens of a step in one forward pass, padded to one of a few widths.

    A width is used only if `find_widths` saw it compute bit for bit what the full width computes.
    """

    def __init__(self, model: PreTrainedModel, slots: int, pages: int, context: int) -> None:
        self.slots, self.invariant, self.model = slots, True, model
        self.widths = [slots]
        self._device = model.device
        self._pages = Pages(pages)
        self._leases: dict[int, Lease] = {}
        self._cache = PagedCache(CacheShape(model.config, model.dtype), pages, model.device)
        # One row more than there are slots: padding belongs to it, and writes to the scratch page.
        self._last = torch.zeros(slots + 1, dtype=torch.int64, device=model.device)
        self._table = torch.zeros(slots + 1, -(-context // PAGE), dtype=torch.int32, device=model.device)

    @property
    def windows(self) -> set[int]:
        return self._cache.windows

    def open(self, row: int, tokens: Sequence[int], total: int) -> int | None:
        lease = self._pages.lease(tokens, total)
        if lease is None:
            return None
        self._leases[row] = lease
        self._table[row, : len(lease.pages)] = torch.tensor(lease.pages, dtype=torch.int32, device=self._device)
        return lease.shared

    def close(self, row: int) -> None:
        self._pages.release(self._leases.pop(row))

    def step(self, plan: Plan) -> torch.Tensor:
        for row, position in zip(plan.rows, plan.positions, strict=True):
            self._pages.computed(self._leases[row], position + 1)
        return self._step_at(self._width(len(plan)), plan)

    def remember(self, rows: list[int], tokens: torch.Tensor) -> None:
        self._last[to_device(rows, self._device)] = tokens

    def find_widths(self) -> None:
        """Try smaller widths, and the full width with its tokens in another order.

        All rows get the same first page and each another next token. Reduction order depends on shapes and not on data,
        so widths that agree bit for bit on every row here agree on all rows.
        """
        page = probe_tokens(self.model, PAGE)
        for row in range(self.slots):
            token = (31 * row + 5) % int(self.model.config.vocab_size)
            if self.open(row, [*page, token], PAGE + 1) is None:
                raise MemoryError("a cache too small for its slots")
            if row == 0:
                self._read_at_full_width(page)
        self.widths = self._agreeing()
        for row in range(self.slots):
            self.close(row)

    def _read_at_full_width(self, page: list[int]) -> None:
        for start in range(0, PAGE, self.slots):
            plan = Plan()
            plan.feed(0, page[start : start + self.slots], start, sample=True)
            self._step_at(self.slots, plan)
        self._pages.computed(self._leases[0], PAGE)

    def _agreeing(self) -> list[int]:
        def logits(rows: list[int]) -> torch.Tensor:
            plan = Plan()
            for row in rows:
                plan.feed(row, [(31 * row + 5) % int(self.model.config.vocab_size)], PAGE, sample=True)
            return self._step_at(len(rows), plan)

        expected = logits(list(range(self.slots)))

        def agrees(width: int) -> bool:
            order = [(row + self.slots // 2 + 1) % self.slots for row in range(width)]
            return torch.equal(logits(order), expected[order])

        self.invariant = agrees(self.slots)
        tried = [width for width in WIDTHS if width < self.slots]
        return [width for width in tried if self.invariant and agrees(width)] + [self.slots]

    def _width(self, tokens: int) -> int:
        return next(width for width in self.widths if width >= tokens)

    def _step_at(self, width: int, plan: Plan) -> torch.Tensor:
        """Logits [sampled, vocabulary] of a plan padded to `width`; what is asked for has widths of its own."""
        idle, to = width - len(plan), self._device
        asked = self._width(len(plan.sampled)) if plan.sampled else self.widths[0]
        rows = to_device(plan.rows + [self.slots] * idle, to, torch.int32)
        positions = to_device(plan.positions + [0] * idle, to, torch.int32)
        tokens = to_device(plan.tokens + [0] * idle, to)
        sampled = to_device(plan.sampled + [0] * (min(asked, width) - len(plan.sampled)), to)
        with torch.inference_mode():
            tokens = torch.where(tokens == PREVIOUS, self._last[rows.long()], tokens)
            logits = self._forward(StepInputs(tokens, Placement(rows, positions, self._table), sampled))
            return logits[: len(plan.sampled)].float()

    def _forward(self, inputs: StepInputs) -> torch.Tensor:
        self._cache.place(inputs.placement)
        output = self.model(
            input_ids=inputs.tokens.unsqueeze(0),
            position_ids=inputs.placement.positions.long().unsqueeze(0),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=inputs.sampled,
            page_cache=self._cache,
        )
        return cast("torch.Tensor", output.logits[0])

class RowRunner:
    """Each row through the model's own cache: slow, right for every architecture, and as reproducible."""

    def __init__(self, model: PreTrainedModel, slots: int) -> None:
        self.slots, self.invariant, self.model = slots, True, model
        self._caches: dict[int, object | None] = {}

    def open(self, row: int, tokens: Sequence[int], total: int) -> int | None:
        self._caches[row] = None
        return 0

    def close(self, row: int) -> None:
        del self._caches[row]

    def step(self, plan: Plan) -> torch.Tensor:
        logits = [(self._forward(row, tokens), sampled) for row, tokens, sampled in plan.pieces()]
        return torch.stack([found for found, sampled in logits if sampled])

    def remember(self, rows: list[int], tokens: torch.Tensor) -> None:
        """Nothing to keep: plans for this runner name every token."""

    def _forward(self, row: int, tokens: list[int]) -> torch.Tensor:
        with torch.inference_mode():
            output = self.model(
                input_ids=torch.tensor([tokens], device=self.model.device),
                past_key_values=self._caches[row],
                use_cache=True,
            )
        self._caches[row] = output.past_key_values
        return cast("torch.Tensor", output.logits[0, -1].float())


def open_runner(model: PreTrainedModel, slots: int, pages: int, context: int) -> PagedRunner | RowRunner:
    """A PagedRunner where it computes what the model itself computes, else a RowRunner.

    The choice is made by trying: a prompt and a few steps, compared with the model's own attention. A list of names
    would age.
    """
    from transformers import AttentionInterface

    expected = _probe(RowRunner(model, PROBE_TOKENS))
    previous = model.config._attn_implementation
    AttentionInterface.register(NAME, page_attention)
    try:
        model.set_attn_implementation(NAME)
        trial = PagedRunner(model, PROBE_TOKENS, 4, 2 * PAGE)
        if _close(_probe(trial), expected) and _knows_windows(model, trial.windows):
            del trial
            runner = PagedRunner(model, slots, pages, context)
            runner.find_widths()
            return runner
    except (AssertionError, AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as exc:
        if is_out_of_memory(exc):
            raise
        # Whatever way the architecture differs, its own cache is right.
        _log.info("%s does not run over pages (%s: %s)", type(model).__name__, type(exc).__name__, exc)
    model.set_attn_implementation(previous)
    return RowRunner(model, slots)


def probe_tokens(model: PreTrainedModel, count: int) -> list[int]:
    """A prompt for trials: ids spread over the vocabulary."""
    return [(7919 * i + 11) % int(model.config.vocab_size) for i in range(count)]


def _probe(runner: Runner) -> torch.Tensor:
    """Logits after a prompt and after two further tokens, [3, vocabulary]."""
    tokens = probe_tokens(runner.model, PROBE_TOKENS)
    runner.open(0, tokens, len(tokens))
    steps = []
    for start, end in ((0, PROBE_TOKENS - 2), (PROBE_TOKENS - 2, PROBE_TOKENS - 1), (PROBE_TOKENS - 1, PROBE_TOKENS)):
        plan = Plan()
        plan.feed(0, tokens[start:end], start, sample=True)
        steps.append(runner.step(plan)[0])
    return torch.stack(steps)


def _close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    """Equal up to the rounding of bf16 attention: relative L2 distance under 5%."""
    distance = (found - expected).norm() / expected.norm().clamp(min=1e-6)
    return bool(distance < 0.05)


def _knows_windows(model: PreTrainedModel, seen: set[int]) -> bool:
    """Whether the windows that the config states are those that attention was asked for.

    A short probe would not notice a window that the model keeps in a mask of its own.
    """
    config = model.config
    kinds = set(getattr(config, "layer_types", None) or [])
    stated = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    if kinds and "sliding_attention" not in kinds:
        stated = None
    return kinds <= {"full_attention", "sliding_attention"} and seen == ({int(stated)} if stated else set())
