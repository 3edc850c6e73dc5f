"""How a model is stepped: over pages where its attention can be replaced, else row by row through its own cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, cast

import torch

from aigc.engine.attention import NAME, page_attention
from aigc.engine.cache import CacheShape, PagedCache, Placement
from aigc.engine.cpu.linear import TILE, computes_rows_apart
from aigc.engine.deaths import first_line, is_deadly
from aigc.engine.device import fill, to_device
from aigc.engine.graphs import Capturer, CudaGraphs, Eager, Shape, StepInputs, Steps
from aigc.engine.pages import PAGE, Lease, Pages
from aigc.engine.plan import PREVIOUS, Plan
from aigc.engine.sizing import is_out_of_memory, longrope_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PROBE_TOKENS = 24
WIDTHS = sorted({1 << n for n in range(1, 13)} | {3 << n for n in range(1, 12)})
"""Widths to try: powers of two, and what lies half-way between them. Not 1, which is a kernel of another kind."""
TILE_WIDTHS = (2, TILE, 8 * TILE)
"""Widths to try where products do not depend on them: the rest of a step is to show the same."""
LEAST_CUDA_WIDTH = 8
"""Below it a GPU takes no less time, and every width is a graph more."""
CUDA_ASKED_EVERY = 4
"""On a GPU logits are computed for every fourth width below a step's own, a quarter each: fewer graphs, too."""


class Runner(Protocol):
    """Steps a model. `slots` is how many rows, and how many tokens, a step holds at most."""

    slots: int
    model: PreTrainedModel
    knows_previous: bool
    """Whether a plan may say PREVIOUS, so that a step can be launched before the one before is collected."""
    invariant: bool
    """Whether a token's logits were found the same wherever in a step it stands and whatever else the step holds."""

    def open(self, row: int, tokens: Sequence[int], total: int) -> int | None:
        """Give `row` room for a prompt and its answer, `total` tokens. None while there is none.

        Returns how many tokens of the prompt need not be fed, since they were computed for another row.
        """

    def close(self, row: int) -> None:
        """Take the room back."""

    def step(self, plan: Plan) -> torch.Tensor:
        """Feed the plan's tokens. Returns float32 logits [sampled, vocabulary].

        They may be changed in place, and are to be used before the next step is made, which may take their memory.
        """

    def remember(self, rows: list[int], tokens: torch.Tensor) -> None:
        """The tokens just chosen for `rows`, which a plan may name as `PREVIOUS`."""


class FlatPass:
    """The model over one sequence of all tokens of a step, whosever they are. Steps read the page table and the tokens
    chosen last where they lie at the time, so that a captured one stays right."""

    def __init__(self, model: PreTrainedModel, slots: int, pages: int, context: int) -> None:
        """`pages` of a cache, the scratch page included, for rows of up to `context` tokens."""
        self.cache = PagedCache(CacheShape(model.config, model.dtype), pages, model.device)
        # One row more than there are slots: padding belongs to it, and writes to the scratch page.
        self.last = torch.zeros(slots + 1, dtype=torch.int64, device=model.device)
        self.table = torch.zeros(slots + 1, max(2, -(-context // PAGE)), dtype=torch.int32, device=model.device)
        self._model = model

    def __call__(self, inputs: StepInputs) -> torch.Tensor:
        """Logits [asked, vocabulary] in the model's type."""
        self.cache.place(Placement(inputs.rows, inputs.positions, self.table))
        tokens = torch.where(inputs.tokens == PREVIOUS, self.last[inputs.rows.long()], inputs.tokens.long())
        output = self._model(
            input_ids=tokens.unsqueeze(0),
            position_ids=inputs.positions.long().unsqueeze(0),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=inputs.sampled.long(),
            page_cache=self.cache,
        )
        return cast("torch.Tensor", output.logits[0])


class PagedRunner:
    """All tokens of a step in one forward pass, padded to one of a few widths.

    A width is used only if `find_widths` saw it compute bit for bit what the full width computes; where no product of
    the model's is the library's, and all that were tried agree, those between them too.
    """

    def __init__(
        self, model: PreTrainedModel, slots: int, pages: int, context: int, capturer: Capturer | None = None
    ) -> None:
        self.slots, self.invariant, self.model = slots, True, model
        self.knows_previous = True
        self.widths = [slots]
        self._device = model.device
        self._asked_every = CUDA_ASKED_EVERY if model.device.type == "cuda" else 1
        self._pages = Pages(pages)
        self._leases: dict[int, Lease] = {}
        self._reading: dict[int, int] = {}
        """Rows whose prompt is not yet all in the cache, and its length."""
        self._pass = FlatPass(model, slots, pages, context)
        self._steps = Steps(self._pass, slots, model.device, capturer or Eager())

    @property
    def windows(self) -> set[int]:
        return self._pass.cache.windows

    def open(self, row: int, tokens: Sequence[int], total: int) -> int | None:
        lease = self._pages.lease(tokens, total)
        if lease is None:
            return None
        self._leases[row], self._reading[row] = lease, len(tokens)
        fill(self._pass.table[row, : len(lease.pages)], lease.pages)
        return lease.shared

    def close(self, row: int) -> None:
        self._pages.release(self._leases.pop(row))
        self._reading.pop(row, None)

    def step(self, plan: Plan) -> torch.Tensor:
        if self._reading:
            self._note_computed(plan)
        return self._steps.run(plan, self._shape(plan))

    def remember(self, rows: list[int], tokens: torch.Tensor) -> None:
        self._pass.last[to_device(rows, self._device, torch.int64)] = tokens

    def find_widths(self) -> None:
        """Try smaller widths, and the full width with its tokens in another order.

        All rows get the same first page and each another next token. Reduction order depends on shapes and not on data,
        so widths that agree bit for bit on every row here agree on all rows. The same holds for the logits of a part of
        a step's tokens, whose number is one of the widths. A graph is compared when it is captured.
        """
        page = probe_tokens(self.model, PAGE)
        for row in range(self.slots):
            if self.open(row, [*page, self._probe_token(row)], PAGE + 1) is None:
                raise MemoryError("a cache too small for its slots")
            if row == 0:
                self._read_at_full_width(page)
        self.widths = self._agreeing()
        for row in range(self.slots):
            self.close(row)

    def _probe_token(self, row: int) -> int:
        return (31 * row + 5) % vocabulary(self.model)

    def _read_at_full_width(self, page: list[int]) -> None:
        for start in range(0, PAGE, self.slots):
            plan = Plan()
            plan.feed(0, page[start : start + self.slots], start, sample=True)
            self.step(plan)

    def _agreeing(self) -> list[int]:
        def logits(rows: list[int]) -> torch.Tensor:
            plan = Plan()
            for row in rows:
                plan.feed(row, [self._probe_token(row)], PAGE, sample=True)
            return self._steps.run(plan, Shape(len(rows), len(rows)))

        expected = logits(list(range(self.slots))).clone()

        def agrees(width: int) -> bool:
            order = [(row + self.slots // 2 + 1) % self.slots for row in range(width)]
            return torch.equal(logits(order), expected[to_device(order, self._device, torch.int64)])

        self.invariant = agrees(self.slots)
        least = LEAST_CUDA_WIDTH if self._device.type == "cuda" else 2
        apart = self._device.type == "cpu" and computes_rows_apart(self.model)
        tried = [width for width in (TILE_WIDTHS if apart else WIDTHS) if least <= width < self.slots]
        agreeing = [width for width in tried if self.invariant and agrees(width)]
        if apart and agreeing == tried:
            agreeing = sorted({*agreeing, *range(TILE, self.slots, TILE)})
        return [*agreeing, self.slots]

    def _shape(self, plan: Plan) -> Shape:
        """The least width that holds the plan, and of it and the widths below, the least that holds what is asked."""
        width = next(width for width in self.widths if width >= len(plan))
        below = [each for each in reversed(self.widths) if each <= width][:: self._asked_every]
        return Shape(width, min(each for each in below if each >= len(plan.sampled)))

    def _note_computed(self, plan: Plan) -> None:
        last = dict(zip(plan.rows, plan.positions, strict=True))
        for row in self._reading.keys() & last.keys():
            self._pages.computed(self._leases[row], last[row] + 1)
            if last[row] + 1 >= self._reading[row]:
                del self._reading[row]


class RowRunner:
    """Each row through the model's own cache: slow, right for every architecture, and as reproducible.

    `reason` says why the model does not run over pages.
    """

    def __init__(self, model: PreTrainedModel, slots: int, reason: str = "") -> None:
        self.slots, self.knows_previous, self.invariant, self.model = slots, False, True, model
        self.reason = reason
        self._caches: dict[int, object | None] = {}
        self._unread: dict[int, list[int]] = {}
        """Pieces of prompts. They are read whole: how they were cut depends on other rows."""

    def open(self, row: int, tokens: Sequence[int], total: int) -> int | None:
        self._caches[row], self._unread[row] = None, []
        return 0

    def close(self, row: int) -> None:
        del self._caches[row], self._unread[row]

    def step(self, plan: Plan) -> torch.Tensor:
        logits = []
        for row, tokens, sampled in plan.pieces():
            self._unread[row] += tokens
            if sampled:
                logits.append(self._forward(row, self._unread[row]))
                self._unread[row] = []
        return torch.stack(logits) if logits else torch.empty(0, vocabulary(self.model))

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

    `pages` is how many the cache has, the scratch page included; `context` how many tokens a row may have in all.

    Raises:
        MemoryError, RuntimeError: memory ran out in the trial, or the device's context is dead.
    """
    if reason := _objection(model):
        return RowRunner(model, slots, reason)
    capturer = CudaGraphs(model.device) if model.device.type == "cuda" else Eager()
    runner = PagedRunner(model, slots, pages, context, capturer)
    runner.find_widths()
    mixes_positions = 0 < longrope_tokens(model.config) < context
    runner.invariant &= not (mixes_positions or _routes_rows(model))
    return runner


def _objection(model: PreTrainedModel) -> str:
    """Why the model does not run over pages; empty where it does.

    Found by trying a prompt and a few steps against the model's own attention: a list of names would age. A model that
    runs is left with this attention, and is not tried again when a runner of another size is opened.
    """
    from transformers import AttentionInterface

    own = model.config._attn_implementation
    if own == NAME:
        return ""
    expected = _probe(RowRunner(model, PROBE_TOKENS))
    AttentionInterface.register(NAME, page_attention)
    try:
        model.set_attn_implementation(NAME)
        trial = PagedRunner(model, PROBE_TOKENS, 4, 2 * PAGE)
        objection = "" if _close(_probe(trial), expected) else "other logits over pages"
        if not objection and not _knows_windows(model, trial.windows):
            objection = "its windows are not those of its config"
    except (AssertionError, AttributeError, ImportError, LookupError, RuntimeError, TypeError, ValueError) as exc:
        if is_out_of_memory(exc) or is_deadly(exc):
            model.set_attn_implementation(own)
            raise
        # Whatever way the architecture differs, its own cache is right. On a GPU it may also be Triton, or the C
        # compiler it needs, that is missing: the message says so.
        objection = f"{type(exc).__name__}: {first_line(exc)}".rstrip(": ")
    if objection:
        model.set_attn_implementation(own)
    return objection


def probe_tokens(model: PreTrainedModel, count: int) -> list[int]:
    """A prompt for trials: ids spread over the vocabulary."""
    return [(7919 * i + 11) % vocabulary(model) for i in range(count)]


def vocabulary(model: PreTrainedModel) -> int:
    """How many tokens the model knows; of one that also sees or hears, its text model."""
    return int(model.config.get_text_config().vocab_size)


def _probe(runner: Runner) -> torch.Tensor:
    """Logits after a prompt and after two further tokens, [3, vocabulary]."""
    tokens = probe_tokens(runner.model, PROBE_TOKENS)
    runner.open(0, tokens, len(tokens))
    steps = []
    for start, end in ((0, PROBE_TOKENS - 2), (PROBE_TOKENS - 2, PROBE_TOKENS - 1), (PROBE_TOKENS - 1, PROBE_TOKENS)):
        plan = Plan()
        plan.feed(0, tokens[start:end], start, sample=True)
        steps.append(runner.step(plan)[0].clone())
    return torch.stack(steps)


def _close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    """Equal up to the rounding of bf16 attention: relative L2 distance under 5%."""
    distance = (found - expected).norm() / expected.norm().clamp(min=1e-6)
    return bool(distance < 0.05)


def _knows_windows(model: PreTrainedModel, seen: set[int]) -> bool:
    """Whether the windows that the config states are those that attention was asked for.

    A short probe would not notice a window that the model keeps in a mask of its own.
    """
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or [])
    stated = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    if kinds and "sliding_attention" not in kinds:
        stated = None
    return kinds <= {"full_attention", "sliding_attention"} and seen == ({int(stated)} if stated else set())


def _routes_rows(model: PreTrainedModel) -> bool:
    """Whether tokens are sent to experts: how many an expert gets, and with it its product's shape, depends on all rows
    of a step, which a trial of like rows does not show."""
    config = model.config.get_text_config()
    return any(getattr(config, name, None) for name in ("num_experts", "num_local_experts", "n_routed_experts"))
