"""Matrix products of a few rows with a weight matrix, for CPUs that do not multiply 16-bit numbers themselves.

PyTorch's bfloat16 product is up to ten times slower than its float32 one on such a CPU. Here weights stay in 16 bits
and are widened a panel at a time; sums are in float32. Each output is one chain of fused multiply-adds over the inputs
in their order, so its bits depend on its own row alone, never on how many rows there are: the scheme of Goto and van de
Geijn (2008) without its split of the inputs.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import TypeAlias, TypeGuard, cast

import torch
from llvmlite import ir

from aigc.engine.cpu.activation import Curve, activates_by_place, write_curve
from aigc.engine.cpu.compiler import Kernel, lanes
from aigc.engine.cpu.ir import I64, POINTER, Code, Storage, Value, bytes_of, dtype_of, storage_of
from aigc.engine.cpu.replacing import replace_modules

TILE = 6
"""Rows that are multiplied together, on CPUs with vectors of 8."""
VECTORS = 2
"""Vectors of a panel's width."""
DIRECT_TILES = 2
"""Up to as many tiles a panel is widened as it is used; for more it is widened once, into scratch."""
SCRATCH_BYTES = 1 << 18
"""Of panels that are taken together, so that a tile's inputs are read and its outputs written in long runs: half of a
small second-level cache."""
ITEMS = 4
"""Shares of the work a thread takes at least, so that one that is held up holds nobody up."""
UNROLL = 4
Range: TypeAlias = tuple[Value, Value]


class _Arguments(ctypes.Structure):
    """8 bytes each, in the order of `_FIELDS`."""

    _fields_ = tuple(
        (name, ctypes.c_void_p) for name in ("inputs", "weights", "bias", "out", "scratch", "counter", "thread_counter")
    ) + tuple((name, ctypes.c_int64) for name in ("panels", "tiles", "blocks", "together"))


_FIELDS = [field[0] for field in _Arguments._fields_]
_KINDS = {**dict.fromkeys(_FIELDS[:7], POINTER), **dict.fromkeys(_FIELDS[7:], I64)}


class Product:
    """The compiled kernel for one number of inputs. `tile` rows and `panel` outputs are computed together.

    With a `curve` a panel's first half are gates and its second what they let through: curve(first) times second
    comes out, as float32 and half as wide.
    """

    def __init__(self, inputs: int, storage: Storage, width: int, curve: Curve | None = None) -> None:
        self.inputs, self.panel = inputs, VECTORS * width
        self.out_panel = width if curve else self.panel
        self.out_dtype = torch.float32 if curve else dtype_of(storage)
        self.tile = 2 * TILE if width == 16 else TILE  # sums fill 24 of 32 registers, or 12 of 16
        self._together = max(1, min(8, SCRATCH_BYTES // (4 * inputs * self.panel)))
        module = ir.Module(name="product")
        _Writer(Code(module, "multiply", 1, width), self.inputs, self.tile, storage, curve).write()
        self._kernel = Kernel(module, "multiply")

    def widen(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows [rows, inputs] of any dtype as float32 [tiles * tile, inputs], padded with zeros."""
        wide = torch.empty(-(-len(rows) // self.tile) * self.tile, self.inputs, dtype=torch.float32)
        wide[: len(rows)] = rows
        wide[len(rows) :] = 0.0
        return wide

    def __call__(self, wide: torch.Tensor, packed: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """Products [tiles * tile, panels * out_panel]; outputs beyond the matrix's are padding.

        Args:
            wide: float32 [tiles * tile, inputs], as `widen` makes it.
            packed: [panels, inputs, panel], as `pack` makes it.
            bias: float32 [panels * panel].
        """
        tiles, panels, threads = len(wide) // self.tile, len(packed), torch.get_num_threads()
        out = torch.empty(tiles * self.tile, panels * self.out_panel, dtype=self.out_dtype)
        rounds = -(-panels // (threads * self._together))
        together = -(-panels // (threads * rounds))
        scratch = torch.empty(threads * together * self.inputs * self.panel, dtype=torch.float32)
        counters = (ctypes.c_int64 * 2)()
        place = ctypes.addressof(counters)
        pointers = [tensor.data_ptr() for tensor in (wide, packed, bias, out, scratch)]
        blocks = max(1, min(tiles // 4, -(-ITEMS * threads // -(-panels // together))))
        self._kernel.run(_Arguments(*pointers, place, place + 8, panels, tiles, blocks, together))
        return out


class PackedLinear(torch.nn.Module):
    """Stands for a linear layer of matrix [outputs, inputs] in a model that is only run."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self._product = product(self.in_features, storage_of(weight.dtype), lanes())
        self._packed = pack(weight, self._product.panel)
        self._bias = torch.zeros(len(self._packed) * self._product.panel, dtype=torch.float32, device="cpu")
        if bias is not None:
            self._bias[: self.out_features] = bias.float()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """[..., in_features] of any dtype to [..., out_features] of the matrix's."""
        rows = inputs.reshape(-1, self.in_features)
        out = self._product(self._product.widen(rows), self._packed, self._bias)
        return out[: len(rows), : self.out_features].reshape(*inputs.shape[:-1], self.out_features)

    @property
    def weight(self) -> torch.Tensor:
        """The matrix as it was, [outputs, inputs]; made anew at each call."""
        flat = self._packed.transpose(1, 2).reshape(-1, self.in_features)
        return flat[: self.out_features]


def pack(weight: torch.Tensor, panel: int) -> torch.Tensor:
    """A matrix [outputs, inputs] as panels [panels, inputs, panel], padded with zeros."""
    outputs, inputs = weight.shape
    panels = -(-outputs // panel)
    padded = torch.zeros(panels * panel, inputs, dtype=weight.dtype)
    padded[:outputs] = weight
    return padded.view(panels, panel, inputs).transpose(1, 2).contiguous()


def pack_linears(model: torch.nn.Module) -> None:
    """Replace the model's plain linear layers by packed ones.

    Their matrices are freed, but for one that is tied to the embedding.
    """

    def made(module: torch.nn.Module) -> PackedLinear | None:
        if (matrix := _matrix(module)) is None:
            return None
        bias = getattr(module, "bias", None)
        return PackedLinear(matrix, bias.detach() if bias is not None else None)

    replace_modules(model, made)


def computes_rows_apart(model: torch.nn.Module) -> bool:
    """Whether all products and activation functions are this package's, whose bits depend on their own row alone: the
    model has no matrix left but embeddings, which are read."""
    if activates_by_place(model):
        return False
    embeddings = {id(each.weight) for each in model.modules() if isinstance(each, torch.nn.Embedding)}
    return all(each.dim() < 2 or id(each) in embeddings for each in model.parameters())


def is_plain(module: torch.nn.Module) -> TypeGuard[torch.nn.Linear]:
    """Whether it is a linear layer, and neither quantised nor one that another library has put in its place."""
    return type(module) is torch.nn.Linear and type(module.weight.data) is torch.Tensor


def _matrix(module: torch.nn.Module) -> torch.Tensor | None:
    """The matrix [outputs, inputs] of a plain linear layer; None of any other."""
    if is_plain(module):
        return module.weight.detach()
    if type(module).__name__ != "Conv1D":
        return None
    weight = getattr(module, "weight", None)  # GPT-2's, which keeps it transposed
    plain = isinstance(weight, torch.nn.Parameter) and type(weight.data) is torch.Tensor
    return cast("torch.Tensor", weight).detach().T if plain else None


def multiplies_itself(dtype: torch.dtype) -> bool:
    """Whether this CPU has instructions for products of `dtype` numbers, which PyTorch then uses."""
    names = {torch.bfloat16: ("avx512_bf16", "amx_bf16", "bf16"), torch.float16: ("avx512_fp16", "amx_fp16", "fp16")}
    found = cast("dict[str, object]", getattr(torch.cpu, "get_capabilities", dict)())  # torch 2.10 and later
    return any(found.get(name) for name in names.get(dtype, ()))


@cache
def product(inputs: int, storage: Storage, width: int, curve: Curve | None = None) -> Product:
    """The kernel for a number of inputs, compiled once."""
    return Product(inputs, storage, width, curve)


class _Writer:
    """Writes the kernel: a thread takes a panel and a block of the rows' tiles, and goes through the tiles."""

    def __init__(self, code: Code, inputs: int, tile: int, storage: Storage, curve: Curve | None) -> None:
        self.code, self.inputs, self.tile, self.storage, self.curve = code, inputs, tile, storage, curve
        self.panel = VECTORS * code.lanes
        struct = code.function.args[0]
        self.given = {name: code.field(struct, at, _KINDS[name]) for at, name in enumerate(_FIELDS)}
        self.sums = [[code.variable(code.vector) for _ in range(VECTORS)] for _ in range(tile)]

    def write(self) -> None:
        code, build, given = self.code, self.code.build, self.given
        size = code.whole(4 * self.inputs * self.panel)
        thread = build.mul(code.take(given["thread_counter"]), given["together"])
        scratch = build.gep(given["scratch"], [build.mul(thread, size)])
        groups = build.sdiv(build.add(given["panels"], build.sub(given["together"], code.whole(1))), given["together"])
        with code.shared_loop(given["counter"], build.mul(groups, given["blocks"])) as item:
            first = build.mul(build.sdiv(item, given["blocks"]), given["together"])
            last = code.least(build.add(first, given["together"]), given["panels"])
            block = build.srem(item, given["blocks"])
            start = build.sdiv(build.mul(block, given["tiles"]), given["blocks"])
            stop = build.sdiv(build.mul(build.add(block, code.whole(1)), given["tiles"]), given["blocks"])
            self._block((first, last), (start, stop), scratch)
        code.finish()

    def _block(self, panels: Range, tiles: Range, scratch: Value) -> None:
        code, build = self.code, self.code.build
        first, last = (build.mul(panel, code.whole(self.inputs * self.panel)) for panel in panels)
        weights = build.gep(self.given["weights"], [build.mul(first, code.whole(bytes_of(self.storage)))])
        if self.storage == "float32":
            self._tiles(panels, tiles, weights, "float32")
            return
        many = build.icmp_signed(">", build.sub(tiles[1], tiles[0]), code.whole(DIRECT_TILES))
        with build.if_else(many) as (then, otherwise):
            with then:
                with code.loop(code.whole(0), build.sdiv(build.sub(last, first), code.whole(code.lanes))) as at:
                    place = build.mul(at, code.whole(code.lanes))
                    code.store(code.load(weights, place, self.storage), scratch, place, "float32")
                self._tiles(panels, tiles, scratch, "float32")
            with otherwise:
                self._tiles(panels, tiles, weights, self.storage)

    def _tiles(self, panels: Range, tiles: Range, base: Value, storage: Storage) -> None:
        """All `tiles` with all `panels`, whose numbers begin at `base`. A tile's rows are written side by side."""
        code, build = self.code, self.code.build
        with code.loop(*tiles) as tile, code.loop(*panels) as panel:
            row = build.mul(tile, code.whole(self.tile))
            for place in (place for places in self.sums for place in places):
                build.store(code.constant(0.0), place)
            inputs = build.mul(row, code.whole(self.inputs))
            first = build.mul(build.sub(panel, panels[0]), code.whole(self.inputs * self.panel))
            step = UNROLL if self.inputs % UNROLL == 0 else 1
            with code.loop(code.whole(0), code.whole(self.inputs // step)) as at:
                for offset in range(step):
                    place = build.add(build.mul(at, code.whole(step)), code.whole(offset))
                    self._multiply(build.add(inputs, place), place, base, first, storage)
            self._write_out(row, panel)

    def _multiply(self, inputs: Value, at: Value, base: Value, first: Value, storage: Storage) -> None:
        """Add input `at` of each row times its weights to the sums. `inputs`: where the first row's input lies."""
        code, build = self.code, self.code.build
        place = build.add(first, build.mul(at, code.whole(self.panel)))
        weights = [
            code.load(base, build.add(place, code.whole(one * code.lanes)), storage) for one in range(VECTORS)
        ]
        for row, sums in enumerate(self.sums):
            own = code.spread(code.load_real(self.given["inputs"], build.add(inputs, code.whole(row * self.inputs))))
            for weight, total in zip(weights, sums, strict=True):
                build.store(code.fma(own, weight, build.load(total)), total)

    def _write_out(self, row: Value, panel: Value) -> None:
        code, build = self.code, self.code.build
        vectors = 1 if self.curve else VECTORS
        column = build.mul(panel, code.whole(vectors * code.lanes))
        width = build.mul(self.given["panels"], code.whole(vectors * code.lanes))
        for own, places in enumerate(self.sums):
            start = build.add(build.mul(build.add(row, code.whole(own)), width), column)
            sums = [build.fadd(build.load(place), self._bias(panel, at)) for at, place in enumerate(places)]
            if self.curve:
                gated = code.mul(write_curve(code, self.curve, sums[0]), sums[1])
                code.store(gated, self.given["out"], start, "float32")
                continue
            for at, total in enumerate(sums):
                code.store(total, self.given["out"], build.add(start, code.whole(at * code.lanes)), self.storage)

    def _bias(self, panel: Value, vector: int) -> Value:
        code, build = self.code, self.code.build
        at = build.add(build.mul(panel, code.whole(self.panel)), code.whole(vector * code.lanes))
        return code.load(self.given["bias"], at, "float32")
