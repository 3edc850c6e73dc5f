"""Keys and values of all rows in flight, in pages, as the cache object that a transformers model writes through."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from aigc.engine.pages import PAGE

if TYPE_CHECKING:
    from transformers import PretrainedConfig


class LayerShape(NamedTuple):
    """Key/value heads of one layer, and numbers in each."""

    kv_heads: int
    head_dim: int


class CacheShape:
    """Sizes of one model's keys and values: of each layer that has its own."""

    def __init__(self, config: PretrainedConfig, dtype: torch.dtype) -> None:
        self.dtype = dtype
        if hasattr(config, "get_text_config"):  # a model that also sees or hears has a config for each
            config = config.get_text_config()
        # Gemma 4: layers differ, and the last ones read what an earlier one has written.
        own = int(config.num_hidden_layers) - int(getattr(config, "num_kv_shared_layers", None) or 0)
        each = getattr(config, "per_layer_config", None) or [config] * own
        self.layers = [_layer_shape(each[at]) for at in range(own)]

    @property
    def bytes_per_page(self) -> int:
        """Memory of one page in all layers, keys and values."""
        return 2 * PAGE * sum(layer.kv_heads * layer.head_dim for layer in self.layers) * self.dtype.itemsize


def _layer_shape(config: PretrainedConfig) -> LayerShape:
    heads = int(config.num_attention_heads)
    return LayerShape(
        int(getattr(config, "num_key_value_heads", None) or heads),
        int(getattr(config, "head_dim", None) or config.hidden_size // heads),
    )


class Placement(NamedTuple):
    """Where the tokens of a step stand. `rows` and `positions` int32 [tokens]; `table` int32 [rows, pages of a row]."""

    rows: torch.Tensor
    positions: torch.Tensor
    table: torch.Tensor

    def places(self) -> torch.Tensor:
        """Where each token's key lies, as an index over all pages' positions: int64 [tokens]."""
        positions = self.positions.long()
        return self.table[self.rows.long(), positions // PAGE].long() * PAGE + positions % PAGE


class PagedCache:
    """`keys` and `values` of each layer that has its own: [pages, PAGE, kv_heads, head_dim].

    Before a forward pass `place` says where its tokens stand. The pass is over one sequence of all tokens of the step,
    whosever they are: `update` writes them all, then attention lets each see its own row.
    """

    is_compileable = False

    def __init__(self, shape: CacheShape, pages: int, device: torch.device) -> None:
        self.shape = shape
        sizes = [(pages, PAGE, *layer) for layer in shape.layers]
        # Uninitialised: attention reads no position that was not written, and a CPU's memory is taken page by page.
        self.keys = [torch.empty(size, dtype=shape.dtype, device=device) for size in sizes]
        self.values = [torch.empty(size, dtype=shape.dtype, device=device) for size in sizes]
        self.placement: Placement | None = None
        self.windows: set[int] = set()
        """Sliding windows that the model's layers asked attention for."""
        self._places = torch.empty(0)

    def place(self, placement: Placement) -> None:
        self.placement = placement
        self._places = placement.places()

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer_idx: int, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store `[1, kv_heads, tokens, head_dim]` and return the layer's whole storage, for attention to read."""
        keys, values = self.keys[layer_idx], self.values[layer_idx]
        keys.flatten(0, 1).index_copy_(0, self._places, key[0].transpose(0, 1))
        values.flatten(0, 1).index_copy_(0, self._places, value[0].transpose(0, 1))
        return keys, values

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Models ask this only to number positions, which the runner always gives."""
        return 0
