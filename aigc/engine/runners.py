"""How a model is stepped: through slots where its attention can be replaced, else row by row through its own cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import torch

from aigc.engine.slots import ATTENTION, SlotCache, SlotShape, slot_attention

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PROBE_TOKENS = 24


class Runner(Protocol):
    """Steps a model. Logits are float32."""

    slots: int

    def reserve(self, positions: int) -> None:
        """Make room for rows of this many tokens."""

    def prefill(self, slot: int, tokens: list[int]) -> torch.Tensor:
        """Read a prompt into `slot`. Returns logits [vocabulary] for its next token."""

    def decode(self, tokens: list[int], lengths: list[int]) -> torch.Tensor:
        """Feed `tokens[slot]` at position `lengths[slot]` of every slot. Returns logits [slots, vocabulary].

        A slot with length 0 is idle; its logits mean nothing.
        """


class SlotRunner:
    """All slots in one forward pass at one shape."""

    def __init__(self, model: PreTrainedModel, slots: int) -> None:
        self.slots = slots
        self._model = model
        self._device = model.device
        self._cache = SlotCache(SlotShape(model.config, slots, model.dtype, model.device))

    def reserve(self, positions: int) -> None:
        self._cache.reserve(positions)

    def prefill(self, slot: int, tokens: list[int]) -> torch.Tensor:
        # One prompt at its own length: its arithmetic cannot depend on another's.
        self._cache.begin_prefill(slot)
        return self._forward(torch.tensor([tokens]), torch.arange(len(tokens)).unsqueeze(0))[0]

    def decode(self, tokens: list[int], lengths: list[int]) -> torch.Tensor:
        positions = torch.tensor(lengths, device=self._device)
        self._cache.begin_decode(positions)
        return self._forward(torch.tensor(tokens).unsqueeze(1), positions.unsqueeze(1))

    def _forward(self, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            output = self._model(
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
        self.slots = slots
        self._model = model
        self._caches: list[object | None] = [None] * slots

    def reserve(self, positions: int) -> None:
        """Nothing to do: the model's own cache grows."""

    def prefill(self, slot: int, tokens: list[int]) -> torch.Tensor:
        self._caches[slot] = None
        return self._forward(slot, tokens)

    def decode(self, tokens: list[int], lengths: list[int]) -> torch.Tensor:
        rows = [self._forward(slot, [tokens[slot]]) if length else None for slot, length in enumerate(lengths)]
        blank = torch.zeros_like(next(row for row in rows if row is not None))
        return torch.stack([blank if row is None else row for row in rows])

    def _forward(self, slot: int, tokens: list[int]) -> torch.Tensor:
        with torch.inference_mode():
            output = self._model(
                input_ids=torch.tensor([tokens], device=self._model.device),
                past_key_values=self._caches[slot],
                use_cache=True,
            )
        self._caches[slot] = output.past_key_values
        return cast("torch.Tensor", output.logits[0, -1].float())


def open_runner(model: PreTrainedModel, slots: int) -> SlotRunner | RowRunner:
    """A SlotRunner where it computes what the model itself computes, else a RowRunner.

    The choice is made by trying: a prompt and a few steps, compared with the model's own attention. A list of names would age.
    """
    stock = RowRunner(model, 1)
    tokens = [(7 * i + 11) % int(model.config.vocab_size) for i in range(PROBE_TOKENS)]
    expected = _probe(stock, tokens)
    previous = model.config._attn_implementation
    from transformers import AttentionInterface

    AttentionInterface.register(ATTENTION, slot_attention)
    try:
        model.set_attn_implementation(ATTENTION)
        if _reads_whole_context(model) and _close(_probe(SlotRunner(model, 2), tokens), expected):
            return SlotRunner(model, slots)
    except (AttributeError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError):
        # Whatever way the architecture differs, its own cache is right.
        pass
    model.set_attn_implementation(previous)
    return RowRunner(model, slots)


def _probe(runner: SlotRunner | RowRunner, tokens: list[int]) -> torch.Tensor:
    """Logits after a prompt and after two further tokens, [3, vocabulary], with the row in the last slot."""
    slot, idle = runner.slots - 1, [0] * (runner.slots - 1)
    runner.reserve(len(tokens))
    steps = [runner.prefill(slot, tokens[:-2])]
    for at in (-2, -1):
        steps.append(runner.decode([*idle, tokens[at]], [*idle, len(tokens) + at])[slot])
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
