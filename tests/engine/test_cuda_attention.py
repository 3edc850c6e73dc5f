"""The GPU's kernel without a GPU: run by Triton's interpreter, and compiled for an H100. `test_gpu.py` has it run.

TRITON_INTERPRET=1 pytest tests/engine/test_cuda_attention.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from aigc.engine.pages import PAGE

from .test_attention import DTYPES, LENGTHS, NAMES, Step, agree, step

pytest.importorskip("triton", reason="triton comes with CUDA builds of torch; on a CPU: pip install triton")
if os.environ.get("TRITON_INTERPRET") != "1":  # transformers imports triton, which reads it then
    pytest.skip("needs TRITON_INTERPRET=1 in the environment", allow_module_level=True)

from aigc.engine.cuda_attention import attend as launch

# tanh is made of e^2x, which may be infinite
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in exp:RuntimeWarning")


@pytest.fixture(autouse=True)
def bfloat16_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Triton 3.7's interpreter multiplies the bits of bfloat16 as integers. They are widened before, as a GPU does."""
    import triton.language as tl
    from triton.runtime.interpreter import InterpreterBuilder

    product = InterpreterBuilder.create_dot

    def widened(self: Any, a: Any, b: Any, *rest: Any) -> Any:
        wide = [self.cast_impl(x, tl.float32) if x.dtype.scalar == tl.bfloat16 else x for x in (a, b)]
        return product(self, *wide, *rest)

    monkeypatch.setattr(InterpreterBuilder, "create_dot", widened)


def attend(at: Step, *, window: int = 0, soft_cap: float = 0.0) -> torch.Tensor:
    scale = at.query.shape[-1] ** -0.5
    return launch(at.query, at.keys, at.values, at.placement, scale=scale, window=window, soft_cap=soft_cap)


@pytest.mark.parametrize("dtype", DTYPES, ids=NAMES.values())
@pytest.mark.parametrize("head_dim", [8, 40, 64, 80, 96, 128, 256])
def test_every_head_size_and_precision_is_as_the_reference(head_dim: int, dtype: torch.dtype) -> None:
    at = step(LENGTHS, 4, 2, head_dim, dtype)
    assert agree(attend(at), at)


@pytest.mark.parametrize(("heads", "kv_heads"), [(1, 1), (4, 4), (8, 1), (9, 3), (14, 2), (32, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_query_heads_share_keys_and_values_in_every_grouping(heads: int, kv_heads: int, dtype: torch.dtype) -> None:
    at = step([1, 17, 61], heads, kv_heads, 64, dtype)
    assert agree(attend(at), at)


@pytest.mark.parametrize("window", [1, PAGE, PAGE + 1, 130, 10_000])
def test_a_window_is_as_the_reference_wherever_it_begins(window: int) -> None:
    at = step([1, 2, PAGE, PAGE + 1, 127, 128, 129, 300], 4, 2, 16, torch.float32)
    assert agree(attend(at, window=window), at, window=window)


@pytest.mark.parametrize("window", [0, 20])
@pytest.mark.parametrize("soft_cap", [0.5, 50.0])
def test_a_soft_cap_is_as_the_reference(soft_cap: float, window: int) -> None:
    at = step(LENGTHS, 4, 2, 32, torch.float32)
    at = at._replace(query=at.query * 8)  # scores beyond the cap on both sides
    found = attend(at, window=window, soft_cap=soft_cap)
    assert agree(found, at, window=window, soft_cap=soft_cap, slack=10.0)


@pytest.mark.parametrize("dtype", DTYPES, ids=NAMES.values())
def test_long_rows_are_as_the_reference(dtype: torch.dtype) -> None:
    at = step([2500, 1, 1000], 4, 2, 64, dtype)
    assert agree(attend(at), at)


def test_a_prompt_read_in_one_step_sees_only_what_is_before_each_token() -> None:
    at = step([50], 4, 2, 16, torch.float32)
    positions = torch.arange(50, dtype=torch.int32)
    query = torch.randn(4, 50, 16, generator=torch.Generator().manual_seed(0))
    at = at._replace(
        query=query, placement=at.placement._replace(rows=torch.zeros_like(positions), positions=positions)
    )
    assert agree(attend(at), at)


def test_a_query_between_others_in_memory_is_read_by_its_strides() -> None:
    at = step(LENGTHS, 4, 2, 32, torch.float32)
    beside = torch.full((len(LENGTHS), 6, 32), torch.nan)
    beside[:, :4] = at.query.transpose(0, 1)
    by_strides = at._replace(query=beside[:, :4].transpose(0, 1))
    assert torch.equal(attend(by_strides), attend(at))
    apart = at._replace(query=at.query.transpose(1, 2).contiguous().transpose(1, 2))
    assert torch.equal(attend(apart), attend(at))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_the_bits_of_a_token_are_the_same_alone_and_anywhere_in_a_step(dtype: torch.dtype) -> None:
    at = step([40, 129, 7, 300], 4, 2, 64, dtype)
    together = attend(at, window=100)
    for token in range(4):
        rows, positions = (each[token : token + 1] for each in (at.placement.rows, at.placement.positions))
        alone = at._replace(
            query=at.query[:, token : token + 1], placement=at.placement._replace(rows=rows, positions=positions)
        )
        assert torch.equal(attend(alone, window=100)[0], together[token])
    back = at.placement._replace(rows=at.placement.rows.flip(0), positions=at.placement.positions.flip(0))
    turned = attend(at._replace(query=at.query.flip(1), placement=back), window=100)
    assert torch.equal(turned.flip(0), together)


def test_a_nan_that_a_row_has_written_stays_in_that_row() -> None:
    at = step([20, 20], 4, 2, 16, torch.float32)
    clean = attend(at)
    at.keys[at.placement.table[0, 0], 3] = torch.nan
    found = attend(at)
    assert found[0].isnan().all(), "never a number that looks right"
    assert torch.equal(found[1], clean[1])


COMPILE = """
import sys, torch, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from aigc.engine import cuda_attention
heads, kv_heads, head_dim, dtype = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), getattr(torch, sys.argv[4])
kernel = cuda_attention._kernel()
sizes = cuda_attention._sizes(kv_heads, heads // kv_heads, head_dim, dtype)
options = {name: sizes[name] for name in ("num_warps", "num_stages")}
constants = {name: size for name, size in sizes.items() if name not in options}
constants["SOFT_CAPPED"] = sys.argv[5] == "True"
kinds = dict.fromkeys(kernel.arg_names, "i32") | dict.fromkeys(constants, "constexpr")
kinds |= dict.fromkeys(("scale", "soft_cap"), "fp32")
kinds |= dict.fromkeys(("query", "keys", "values", "out"), {2: "*bf16", 4: "*fp32"}[dtype.itemsize])
kinds |= dict.fromkeys(("table", "rows", "positions"), "*i32")
aligned = {(i,): [["tt.divisibility", 16]] for i, name in enumerate(kernel.arg_names) if kinds[name][0] in "*i"}
made = triton.compile(ASTSource(kernel, kinds, constants, aligned), target=GPUTarget("cuda", 90, 32), options=options)
print("shared", made.metadata.shared, "cubin", len(made.asm["cubin"]))
print(made.asm["ptx"])
"""


@pytest.mark.parametrize(
    ("heads", "kv_heads", "head_dim", "dtype", "capped"),
    [
        (9, 3, 64, "bfloat16", False),
        (32, 8, 128, "bfloat16", False),
        (8, 4, 256, "bfloat16", True),
        (32, 32, 96, "float32", False),
    ],
)
def test_the_kernel_compiles_for_an_h100(
    heads: int, kv_heads: int, head_dim: int, dtype: str, capped: bool, tmp_path: Path
) -> None:
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path)}
    del environment["TRITON_INTERPRET"]
    command = [sys.executable, "-c", COMPILE, *map(str, (heads, kv_heads, head_dim, dtype, capped))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    shared = int(re.search(r"shared (\d+) cubin \d+", done.stdout).group(1))  # type: ignore[union-attr]
    assert shared <= 227 * 1024 // 4, "four programs at a time on a multiprocessor, so that memory is never idle"
    assert "cp.async" in done.stdout, "blocks are read ahead"
    assert ("mma.sync" in done.stdout) == (dtype == "bfloat16"), "float32 is not rounded for tensor cores"
