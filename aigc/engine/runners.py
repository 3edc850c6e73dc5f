"""How a model is stepped: through slots where its attention can be replaced, else row by row through its own cache."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol, cast

import torch

from aigc.engine.sizing import is_out_of_memory
from aigc.engine.slots import ATTENTION, SlotCache, SlotShape, slot_attention

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PROBE_TOKENS = 24

_log = logging.getLogger(__name__)


class Runner(Protocol):
    """Steps a model. Logits are float32."""

    slots: int
    invariant: bool
    """Whether a row's logits were found the same in every slot and beside any neighbours."""

    def reserve(self, positions: int) -> None:
        """Make room for rows of this many tokens."""

    def prefill(self, slot: int, tokens: list[int]) -> torch.Tensor:
        """Read a prompt into `slot`. Returns logits [vocabulary] for its next token."""

    def decode(self, tokens: list[int], lengths: list[int]) -> torch.Tensor:
        """Feed `tokens[slot]` at position `lengths[slot]` of the first slots. Returns logits [slots, vocabulary]."""

    def move(self, source: int, target: int) -> None:
        """Put the row in slot `source` into slot `target`."""


class SlotRunner:
    """The rows in flight in one forward pass, at one of a few widths.

    A width below `slots` is used only if `find_widths` saw it compute bit for bit what the full width computes.
    """

    def __init__(self, model: PreTrainedModel, slots: int) -> None:
        self.slots, self.invariant = slots, True
        self.model = model
        self._device = model.device
        self._widths = [slots]
        self._cache = SlotCache(SlotShape(model.config, slots, model.dtype, model.device))

    def reserve(self, positions: int) -> None:
        self._cache.reserve(positions)

    def prefill(self, slot: int, tokens: list[int]) -> torch.Tensor:
        # One prompt at its own length: its arithmetic cannot depend on another's.
        self._cache.begin_prefill(slot)
        return self._forward(torch.tensor([tokens]), torch.arange(len(tokens)).unsqueeze(0))[0]

    def decode(self, tokens: list[int], lengths: list[int]) -> torch.Tensor:
        width = next(width for width in self._widths if width >= len(tokens))
        return self._decode_at(width, tokens, lengths)[: len(tokens)]

    def move(self, source: int, target: int) -> None:
        self._cache.move(source, target)

    def find_widths(self) -> None:
        """Try each power of two below `slots`, and the full width with its rows in another order.

        All slots get the same prompt and each another next token. Reduction order depends on shapes and not on data, so
        widths that agree bit for bit on every row here agree on all rows.
        """
        prompt = probe_tokens(self.model)
        self.reserve(len(prompt) + 1)
        self.prefill(0, prompt)
        for slot in range(1, self.slots):
            self.move(0, slot)
        tokens = [(31 * slot + 5) % int(self.model.config.vocab_size) for slot in range(self.slots)]
        expected = self._decode_at(self.slots, tokens, [len(prompt)] * self.slots)

        def agrees(width: int) -> bool:
            order = [(slot + self.slots // 2 + 1) % self.slots for slot in range(width)]
            found = self._decode_at(width, [tokens[slot] for slot in order], [len(prompt)] * width)
            return torch.equal(found, expected[order])

        self.invariant = agrees(self.slots)
        powers = [1 << n for n in range(1, self.slots.bit_length()) if 1 << n < self.slots]
        self._widths = [width for width in powers if self.invariant and agrees(width)] + [self.slots]

    def _decode_at(self, width: int, tokens: list[int], lengths: list[int]) -> torch.Tensor:
        idle = width - len(tokens)
        positions = torch.tensor([*lengths, *[0] * idle], device=self._device)
        self._cache.begin_decode(positions, max(lengths))
        return self._forward(torch.tensor([*tokens, *[0] * idle]).unsqueeze(1), positions.unsqueeze(1))

    def _forward(self, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            output = self.model(
                input_ids=tokens.to(self._device),
                position_ids=positions.to(self._device),
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
                slot_cache=self._cache,
            )
        return cast("torch.Tensor", output.logits[:, -1].float())


class RowRunner:
    """Each row through the model's own cache: slow, right for every architecture, and as reproducible."""

    def __init__(self, model: PreTrainedModel, slots: int) -> None:
        self.slots, self.invariant = slots, True
        self.model = model
        self._caches: list[object | None] = [None] * slots

    def reserve(self, positions: int) -> None:
        """Nothing to do: the model's own cache grows."""

    def prefill(self, slot: int, tokens: list[int]) -> torch.Tensor:
        self._caches[slot] = None
        return self._forward(slot, tokens)

    def decode(self, tokens: list[int], lengths: list[int]) -> torch.Tensor:
        return torch.stack([self._forward(slot, [token]) for slot, token in enumerate(tokens)])

    def move(self, source: int, target: int) -> None:
        self._caches[target], self._caches[source] = self._caches[source], None

    def _forward(self, slot: int, tokens: list[int]) -> torch.Tensor:
        with torch.inference_mode():
            output = self.model(
                input_ids=torch.tensor([tokens], device=self.model.device),
                past_key_values=self._caches[slot],
                use_cache=True,
            )
        self._caches[slot] = output.past_key_values
        return cast("torch.Tensor", output.logits[0, -1].float())


def open_runner(model: PreTrainedModel, slots: int) -> SlotRunner | RowRunner:
    """A SlotRunner where it computes what the model itself computes, else a RowRunner.

    The choice is made by trying: a prompt and a few steps, compared with the model's own attention. A list of names
    would age.
    """
    from transformers import AttentionInterface

    expected = _probe(RowRunner(model, 1))
    previous = model.config._attn_implementation
    AttentionInterface.register(ATTENTION, slot_attention)
    try:
        model.set_attn_implementation(ATTENTION)
        if _reads_whole_context(model) and _close(_probe(SlotRunner(model, 1)), expected):
            runner = SlotRunner(model, slots)
            runner.find_widths()
            return runner
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as exc:
        if is_out_of_memory(exc):
            raise
        # Whatever way the architecture differs, its own cache is right.
        _log.info("%s does not run in slots (%s)", type(model).__name__, type(exc).__name__)
    model.set_attn_implementation(previous)
    return RowRunner(model, slots)


def probe_tokens(model: PreTrainedModel) -> list[int]:
    """A prompt for trials: `PROBE_TOKENS` ids spread over the vocabulary."""
    return [(7919 * i + 11) % int(model.config.vocab_size) for i in range(PROBE_TOKENS)]


def _probe(runner: SlotRunner | RowRunner) -> torch.Tensor:
    """Logits after a prompt and after two further tokens, [3, vocabulary]."""
    tokens = probe_tokens(runner.model)
    runner.reserve(len(tokens))
    steps = [runner.prefill(0, tokens[:-2])]
    for at in (len(tokens) - 2, len(tokens) - 1):
        steps.append(runner.decode([tokens[at]], [at])[0])
    return torch.stack(steps)


def _close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    """Equal up to the rounding of bf16 attention: relative L2 distance under 5%."""
    distance = (found - expected).norm() / expected.norm().clamp(min=1e-6)
    return bool(distance < 0.05)


def _reads_whole_context(model: PreTrainedModel) -> bool:
    """Sliding windows and soft caps are not in `slot_attention`, and a short probe would not notice a window."""
    config = model.config
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    layers = set(getattr(config, "layer_types", None) or ["full_attention"])
    capped = getattr(config, "attn_logit_softcapping", None)
    return layers == {"full_attention"} and not window and not capped
