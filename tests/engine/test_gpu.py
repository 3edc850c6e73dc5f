"""What only a GPU can show: its kernel, its graphs, and that nothing in a step makes the host wait for it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AttentionInterface, PreTrainedModel

from aigc.engine.attention import NAME, page_attention
from aigc.engine.cache import Placement
from aigc.engine.graphs import Capturer, CudaGraphs, Eager, NotCapturedError
from aigc.engine.local import LocalEngine
from aigc.engine.plan import PREVIOUS
from aigc.engine.runners import PagedRunner, open_runner
from aigc.models import ModelRef
from aigc.settings import EngineSettings
from aigc.watermark import Mark

from . import test_waits, tiny
from .test_attention import DTYPES, LENGTHS, NAMES, Step, agree, step
from .test_graphs import plan, run_rows
from .test_local_engine import PROMPTS
from .test_waits import MARK, WAYS
from .tiny import texts

GPU = torch.device("cuda")
KINDS: list[tuple[str, dict[str, object]]] = [
    ("Llama", {}),
    ("Qwen3", {}),
    ("Mistral", {"sliding_window": 8}),
    ("Gemma2", {"sliding_window": 8}),
    ("Gemma3Text", {"sliding_window": 8}),
]

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]


def attend(at: Step, *, window: int = 0, soft_cap: float = 0.0) -> torch.Tensor:
    from aigc.engine.cuda_attention import attend

    placement = Placement(*(each.to(GPU) for each in at.placement))
    query, keys, values = (each.to(GPU) for each in at[:3])
    scale = at.query.shape[-1] ** -0.5
    return attend(query, keys, values, placement, scale=scale, window=window, soft_cap=soft_cap).cpu()


@pytest.mark.parametrize("dtype", DTYPES, ids=NAMES.values())
@pytest.mark.parametrize(
    ("heads", "kv_heads", "head_dim"),
    [(9, 3, 64), (4, 4, 16), (32, 8, 128), (14, 2, 64), (8, 1, 80), (32, 32, 96), (8, 4, 256), (32, 1, 40)],
)
def test_the_kernel_computes_what_is_written_down_plainly(
    heads: int, kv_heads: int, head_dim: int, dtype: torch.dtype
) -> None:
    at = step([*LENGTHS, 127, 128, 129, 1000], heads, kv_heads, head_dim, dtype)
    assert agree(attend(at), at)
    assert agree(attend(at, window=100), at, window=100)
    loud = at._replace(query=at.query * 8)  # scores beyond the cap on both sides
    assert agree(attend(loud, soft_cap=20.0), loud, soft_cap=20.0, slack=10.0)


@pytest.mark.parametrize("dtype", DTYPES, ids=NAMES.values())
def test_the_bits_of_a_token_are_the_same_alone_and_anywhere_in_a_step(dtype: torch.dtype) -> None:
    lengths = [random.Random(0).randrange(1, 3000) for _ in range(300)]
    at = step(lengths, 9, 3, 64, dtype)
    together = attend(at)
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(0))
    for chosen in (order, order[:7], order[:1]):
        placement = at.placement._replace(rows=at.placement.rows[chosen], positions=at.placement.positions[chosen])
        assert torch.equal(attend(at._replace(query=at.query[:, chosen], placement=placement)), together[chosen])


def test_pages_that_32_bits_do_not_count_are_read() -> None:
    from aigc.engine.cuda_attention import attend

    pages = 2**31 // (16 * 8 * 128) + 2
    if torch.cuda.mem_get_info()[0] < 5 * pages * 16 * 8 * 128:
        pytest.skip("needs 11 GB")
    keys, values = (torch.empty(pages, 16, 8, 128, dtype=torch.bfloat16, device=GPU) for _ in range(2))
    for storage in (keys, values):
        storage[-1] = torch.arange(8, device=GPU).repeat_interleave(128).view(8, 128)
    one = torch.zeros(1, dtype=torch.int32, device=GPU)
    placement = Placement(one, one + 15, torch.tensor([[pages - 1]], dtype=torch.int32, device=GPU))
    found = attend(torch.randn(8, 1, 128, dtype=torch.bfloat16, device=GPU), keys, values, placement, scale=0.01)
    assert torch.equal(found[0].cpu(), values[-1, 0].cpu())


def paged(kind: str, changes: dict[str, object], dtype: torch.dtype) -> PreTrainedModel:
    AttentionInterface.register(NAME, page_attention)
    model = tiny.model(kind, dtype=dtype, **changes).to(GPU)
    model.set_attn_implementation(NAME)
    return model


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize(("kind", "changes"), KINDS)
def test_graphs_give_the_bits_of_their_kernels(kind: str, changes: dict[str, object], dtype: torch.dtype) -> None:
    model, made = paged(kind, changes, dtype), list[torch.Tensor]()
    capturers: list[Capturer] = [CudaGraphs(GPU), Eager()]
    for capturer in capturers:
        runner = PagedRunner(model, 8, 40, 64, capturer)
        runner.find_widths()
        made += [run_rows(runner), run_rows_again(runner)]
    graphs, again, eager, eager_again = made
    assert torch.equal(graphs, eager)
    assert torch.equal(again, eager_again)


def run_rows_again(runner: PagedRunner) -> torch.Tensor:
    for row in range(3):
        runner.close(row)
    runner._pages = type(runner._pages)(40)  # nothing is shared with the rows before
    return run_rows(runner)


def test_a_run_that_waits_for_the_gpu_is_refused_and_the_gpu_goes_on() -> None:
    graphs, numbers = CudaGraphs(GPU), torch.ones(4, 8, device=GPU)

    def waits() -> torch.Tensor:
        return numbers * float(numbers.sum())

    with pytest.raises(NotCapturedError):
        graphs.capture(waits)
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    assert float((numbers + 1).sum()) == 64.0


@pytest.mark.parametrize(("kind", "changes"), KINDS)
def test_greedy_tokens_in_float32_are_those_of_generate(kind: str, changes: dict[str, object]) -> None:
    prompts = [[5, 9, 200, 31], [40] * 17, list(range(3, 40)), [*range(3, 36), 80]]
    stock = tiny.model(kind, tie_word_embeddings=False, **changes).to(GPU)
    options = {"do_sample": False, "max_new_tokens": 12, "eos_token_id": [], "pad_token_id": 0}
    given = [torch.tensor([prompt], device=GPU) for prompt in prompts]
    expected = [stock.generate(each, attention_mask=torch.ones_like(each), **options)[0].tolist() for each in given]
    runner = open_runner(stock, 64, 70, 64)
    assert isinstance(runner, PagedRunner)
    found = [list(prompt) for prompt in prompts]
    for row, prompt in enumerate(prompts):
        read = runner.open(row, prompt, len(prompt) + 12) or 0
        found[row].append(int(runner.step(plan((row, prompt[read:], read, True))).argmax()))
    for _ in range(11):
        logits = runner.step(plan(*((row, [all_[-1]], len(all_) - 1, True) for row, all_ in enumerate(found))))
        for all_, token in zip(found, logits.argmax(-1).tolist(), strict=True):
            all_.append(token)
    assert found == expected
    assert runner._steps.captured


def test_a_warm_step_does_not_make_the_host_wait() -> None:
    runner = open_runner(tiny.model("Llama", dtype=torch.bfloat16).to(GPU), 16, 200, 128)
    for row in range(10):
        runner.open(row, [row + 3] * 5, 100)
        runner.remember([row], runner.step(plan((row, [row + 3] * 5, 0, True))).argmax(-1))

    def decode(position: int) -> None:
        logits = runner.step(plan(*((row, [PREVIOUS], position, True) for row in range(10))))
        runner.remember(list(range(10)), logits.argmax(-1))

    for position in range(5, 8):
        decode(position)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for position in range(8, 40):
            decode(position)
        runner.open(10, [9] * 20, 40)  # page tables, too
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("mark", [None, MARK], ids=["unmarked", "marked"])
def test_a_warm_batch_does_not_make_the_host_wait(tmp_path: Path, mark: Mark | None) -> None:
    """Runner and sampler, rows of every way of choosing beside each other but those that `top_p` alone limits."""
    settings = EngineSettings(device="cuda", dtype="bfloat16", slots=16)
    engine = LocalEngine(settings, test_waits.wide(tmp_path), mark=mark)
    batch = test_waits.begun(engine, test_waits.rows(mark))
    torch.cuda.set_sync_debug_mode("error")
    try:
        test_waits.go_on(batch, 30)
        assert batch.admit(tiny.prompt("one more", **WAYS["penalised"])) is None
    finally:
        torch.cuda.set_sync_debug_mode("default")
        engine.close()


@pytest.fixture(scope="module")
def engine(llama: ModelRef) -> Iterator[LocalEngine]:
    made = LocalEngine(EngineSettings(device="cuda", dtype="bfloat16", slots=64), llama)
    yield made
    made.close()


def test_a_rows_text_is_the_same_alone_and_in_any_batch(engine: LocalEngine) -> None:
    alone = {}
    for prompt in PROMPTS:
        alone |= texts(list(engine.generate([prompt])))
    assert engine.info().batch_invariant
    many = [tiny.prompt(f"more{i}", f"About {i}.", max_new_tokens=10 + i % 40) for i in range(100)]
    for seed in range(5):
        mixed = random.Random(seed).sample([*PROMPTS, *many], 40 + 10 * seed)
        made = texts(list(engine.generate(mixed)))
        assert {name: text for name, text in made.items() if name in alone} == {
            prompt.request_id: alone[prompt.request_id] for prompt in mixed if prompt.request_id in alone
        }
    assert engine._loaded is not None
    runner = engine._loaded._runner
    assert isinstance(runner, PagedRunner)
    assert runner._steps.captured


def test_out_of_memory_halves_the_slots_and_loses_no_row(llama: ModelRef, caplog: pytest.LogCaptureFixture) -> None:
    engine = LocalEngine(EngineSettings(device="cuda", dtype="bfloat16", slots=1024), llama)
    torch.cuda.empty_cache()
    room = torch.cuda.memory_reserved() + (96 << 20)  # keys and values of 1,024 rows of 512 tokens take 134 MB
    torch.cuda.set_per_process_memory_fraction(room / torch.cuda.get_device_properties(GPU).total_memory)
    try:
        made = texts(list(engine.generate(PROMPTS)))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        engine.close()
    assert made.keys() == {prompt.request_id for prompt in PROMPTS}
    assert all(each.finish_reason != "error" for each in made.values())
    assert "out of memory at 1024 slots: going on with 512" in caplog.messages
