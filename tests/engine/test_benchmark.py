"""What `benchmarks/engine.py` reckons and tells; that it measures is no test's business."""

from __future__ import annotations

import importlib.util
import json
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

from aigc.engine.graphs import Eager, Run
from aigc.engine.runners import CUDA_ASKED_EVERY, WIDTHS, PagedRunner
from aigc.models import ModelRef

from . import tiny

FOLDER = Path(__file__).parents[2] / "benchmarks"
SHAPE = {"hidden_size": 10, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
         "intermediate_size": 20, "vocab_size": 100}
LAYERS = 2 * (10 * 5 * (2 * 2 + 2 * 1) + 3 * 10 * 20)  # weights: queries, keys, values, output; gate, up, down
OUTPUT = 10 * 100


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


def script() -> ModuleType:
    """`benchmarks/engine.py`; these tests' own package is called `engine` too."""
    spec = importlib.util.spec_from_file_location("engine_benchmark", FOLDER / "engine.py")
    assert spec
    assert spec.loader
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(SHAPE))
    return tmp_path


@pytest.mark.usefixtures("modules")
def test_the_floor_counts_the_rows_that_were_in_a_step_and_not_the_slots(folder: Path) -> None:
    from engine_roofline import Load, Roofline

    load = Load(tokens_read=50, tokens_out=400, context=3_000, rows_in_flight=8.0, seconds=2.0)
    memory = 2 * (LAYERS + OUTPUT) * 400 / 8 + 4 * 2 * 1 * 5 * 3_000
    assert Roofline(folder, 1e6, 0.001).share(load) == pytest.approx(memory / 1e6 / 2)
    flops = 2 * (LAYERS * 450 + OUTPUT * 400)
    assert Roofline(folder, 0.001, 0.0).share(load) == pytest.approx(flops / 1e6 / 2)
    assert Roofline(folder, 0.001, 1e6).share(load) == pytest.approx(flops / 1e6 / 2)


@pytest.mark.usefixtures("modules")
def test_a_gpu_that_is_not_known_is_not_taken_for_another(folder: Path) -> None:
    from engine_roofline import Roofline

    known = Roofline.of_gpu(folder, "NVIDIA H100 80GB HBM3")
    assert known == Roofline(folder, 989_000.0, 3_350.0)
    assert Roofline.of_gpu(folder, "NVIDIA H100 PCIe") is None
    assert Roofline.of_gpu(folder, "NVIDIA H100 PCIe", (756_000.0, 2_000.0)) == Roofline(folder, 756_000.0, 2_000.0)


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(("prompts", "before", "expected"), [
    ([[1, 2, 3, 4, 5]], [], 5),
    ([[1, 2, 3, 4, 5], [1, 2, 3, 4, 6]], [], 5 + 1),
    ([[1, 2, 3, 4, 5], [1, 2, 9, 4, 6]], [], 5 + 3),
    ([[1, 2, 3, 4], [1, 2, 3, 4]], [], 4 + 2),
    ([[1, 2, 3, 4, 5]], [[1, 2, 3]], 3),
    ([[9, 2, 3, 4]], [[1, 2, 3, 4]], 4),
], ids=["alone", "shared", "a page apart", "the last is asked", "warm", "another beginning"])
def test_a_shared_beginning_is_read_once(prompts: list[list[int]], before: list[list[int]], expected: int) -> None:
    from engine_roofline import tokens_to_read

    assert tokens_to_read(prompts, 2, before) == expected


@pytest.mark.usefixtures("modules")
def test_rows_that_fail_are_counted_by_their_code_and_the_others_measured(llama: ModelRef) -> None:
    import engine_work

    texts = ["Salt", "Salt", "<|im_end|>"]
    rows = [{"messages": [{"role": "user", "content": text}], "new": 20} for text in texts]
    work = {"model": str(llama.path), "dtype": "float32", "device": "cpu", "slots": 2, "temperature": 0.0, "top_k": 0,
            "fixed": True, "captures": False, "warm": [], "rows": rows}
    found = engine_work.ours(work, engine_work.Clock())
    assert (found["faults"], found["tokens"]) == ({"special_token": 1}, 40)
    prompt = found["tokens_in"] // 2
    assert found["tokens_read"] == prompt + (prompt - (prompt - 1) // 16 * 16)
    assert found["context"] == 2 * sum(prompt + at for at in range(1, 20))
    assert 1.0 < found["rows_in_flight"] <= 2.0


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize("count", [1, 7, 24, 96, 768])
def test_rows_of_a_warm_up_end_a_few_at_a_time_so_that_every_width_comes(count: int) -> None:
    import engine_work

    ends = engine_work.falling(count)
    assert ends == sorted(ends)
    left = [sum(end > step for end in ends) for step in range(-1, ends[-1] + 1)]
    assert (left[0], left[-1]) == (count, 0)
    assert all(few - more <= few / engine_work.FALL + 1 for few, more in pairwise(left))
    for width, below in pairwise([each for each in reversed(WIDTHS) if 8 <= each <= count]):
        assert sum(below < each <= width for each in left) >= 4


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(("captures", "count"), [(True, 192), (True, 40), (False, 192)])
def test_nothing_is_captured_after_the_warm_up_of_a_gpu(
    llama: ModelRef, monkeypatch: pytest.MonkeyPatch, captures: bool, count: int
) -> None:
    """Played on a CPU, with the shapes that steps have on a GPU; more rows than slots, and fewer. Eight rows, as
    for a CPU, are too few."""
    import engine_work

    find, clock, late = PagedRunner.find_widths, engine_work.Clock(), list[object]()

    def find_as_a_gpu(self: PagedRunner) -> None:
        find(self)
        self.widths, self._asked_every = [8, 12, 16, 24, 32, 48, 64], CUDA_ASKED_EVERY

    def capture(self: Eager, run: Run) -> Run:
        if "warm_s" in clock.seconds:
            late.append(run)
        return run

    monkeypatch.setattr(PagedRunner, "find_widths", find_as_a_gpu)
    monkeypatch.setattr(Eager, "capture", capture)
    lengths = script().spread(10, 90)
    turns = [[{"role": "user", "content": f"Model {at}: a lamp"}] for at in range(3 * count)]
    made = [{"messages": each, "new": next(lengths)} for each in turns]
    rows, warm = made[:count], made[count:]
    work = {"model": str(llama.path), "dtype": "float32", "device": "cpu", "slots": 64, "temperature": 0.0, "top_k": 0,
            "fixed": True, "captures": captures, "rows": rows, "warm": warm if captures else rows[:8]}
    found = engine_work.ours(work, clock)
    assert (found["faults"], found["tokens"]) == ({}, sum(row["new"] for row in rows))
    assert bool(late) != captures


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize("side", [0, 1])
def test_a_ratio_with_failed_rows_is_none(folder: Path, side: int) -> None:
    from engine_roofline import Roofline

    measured = {"tokens_per_s": 10.0, "tokens": 20, "cpu_s": 4.0, "faults": {}, "tokens_read": 1, "context": 1,
                "rows_in_flight": 1.0, "steady_s": 2.0}
    failed = measured | {"faults": {"no_token": 1}}
    bench, sides = script(), [measured, measured]
    assert (bench._ratio(*sides), bench._cpu_ratio(*sides)) == (1.0, 1.0)
    assert bench._cpu_ratio(measured | {"cpu_s": None}, measured) is None
    sides[side] = failed
    assert (bench._ratio(*sides), bench._cpu_ratio(*sides)) == (None, None)
    assert bench._share(Roofline(folder, 0.001, 0.0), measured) > 0
    assert bench._share(Roofline(folder, 0.001, 0.0), failed) is None
    assert bench._share(None, measured) is None


@pytest.mark.usefixtures("modules")
def test_a_benchmark_with_failed_rows_tells_them_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = script()
    for code in ("no_token", "no_token", "grammar"):
        monkeypatch.setitem(bench.MEASURES, f"with {code}", lambda at, code=code: at.note_faults("ours", {code: 2}))
    monkeypatch.setitem(bench.MEASURES, "good", lambda at: at.note_faults("peer", {}))
    monkeypatch.setattr(bench, "resolve", lambda *_, **__: ModelRef(ref="m", path=Path()))
    monkeypatch.setattr(sys, "argv", ["engine.py", "--json", "--only", "good", "with no_token", "with grammar"])
    with pytest.raises(SystemExit) as ended:
        bench.main()
    assert ended.value.code == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["faults"] == {"ours": {"no_token": 2, "grammar": 2}}


@pytest.mark.usefixtures("modules")
def test_a_shape_becomes_a_model_that_the_engine_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import engine_shapes

    config, made = tmp_path / "config.json", tmp_path / "made"
    config.write_text(json.dumps({**SHAPE, "model_type": "qwen3", "head_dim": 8, "hidden_size": 16}))
    monkeypatch.setattr(sys, "argv", ["engine_shapes.py", str(config), str(made)])
    engine_shapes.main()
    assert tiny.engine(ModelRef(ref="random", path=made)).info().slots == 4
