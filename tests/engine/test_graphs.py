"""Shapes, padding and memory of captured steps. What a GPU does with a graph is in `test_gpu.py`."""

from __future__ import annotations

import gc
import logging
import weakref

import pytest
import torch
from transformers import AttentionInterface, PreTrainedModel

from aigc.engine.attention import NAME, page_attention
from aigc.engine.device import fill, to_device
from aigc.engine.graphs import MOST_GRAPHS, Eager, NotCapturedError, Output, Run, Shape, StepInputs, Steps
from aigc.engine.plan import PREVIOUS, Plan
from aigc.engine.runners import FlatPass, PagedRunner, open_runner

from . import tiny

CPU = torch.device("cpu")
VOCABULARY = 7


class Recorder(Eager):
    """Keeps what it was given, and writes where a graph would."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.output = Output()

    def capture(self, run: Run) -> Run:
        self.runs.append(run)
        logits = self.output.like(run())
        return lambda: logits.copy_(run())


class Refuses(Eager):
    tries = 0

    def capture(self, run: Run) -> Run:
        self.tries += 1
        raise NotCapturedError("a sync in the middle")


def spread(inputs: StepInputs) -> torch.Tensor:
    """Logits that tell everything they were made of: [asked, VOCABULARY] of token, row, position and the width."""
    rows = [each[inputs.sampled.long()] for each in inputs[:3]]
    rows.append(torch.full_like(rows[0], len(inputs.tokens)))
    return torch.nn.functional.pad(torch.stack(rows, 1), (0, VOCABULARY - 4)).to(torch.bfloat16)


def plan(*pieces: tuple[int, list[int], int, bool]) -> Plan:
    made = Plan()
    for row, tokens, position, sample in pieces:
        made.feed(row, tokens, position, sample=sample)
    return made


def paged(kind: str) -> PreTrainedModel:
    AttentionInterface.register(NAME, page_attention)
    model = tiny.model(kind)
    model.set_attn_implementation(NAME)
    return model


TWO = plan((1, [5, 6, 7], 10, True), (0, [9], 3, False), (2, [PREVIOUS], 8, True))


def test_padding_belongs_to_the_row_after_the_last_and_fills_the_shape() -> None:
    given: list[StepInputs] = []

    def keep(inputs: StepInputs) -> torch.Tensor:
        given.append(StepInputs(*(each.clone() for each in inputs)))
        return spread(inputs)

    steps = Steps(keep, 8, CPU, Eager())
    steps.run(plan((3, [1] * 8, 0, True)), Shape(8, 1))
    logits = steps.run(TWO, Shape(6, 4))
    tokens, rows, positions, sampled = given[1]
    assert tokens.tolist() == [5, 6, 7, 9, PREVIOUS, 0]
    assert rows.tolist() == [1, 1, 1, 0, 2, 8]
    assert positions.tolist() == [10, 11, 12, 3, 8, 0]
    assert sampled.tolist() == [2, 4, 0, 0]
    assert logits.dtype is torch.float32
    assert logits[:, :4].tolist() == [[7, 1, 12, 6], [-1, 2, 8, 6]], "the logits of padding are not given out"


def test_a_step_may_ask_for_nothing() -> None:
    steps = Steps(spread, 4, CPU, Eager())
    assert steps.run(plan((0, [1, 2], 0, False)), Shape(4, 2)).shape == (0, VOCABULARY)


def test_a_shape_is_captured_the_second_time_it_comes_and_replayed_from_then_on() -> None:
    recorder = Recorder()
    steps = Steps(spread, 8, CPU, recorder)
    for _ in range(2):
        for shape in (Shape(8, 2), Shape(6, 2)):
            steps.run(TWO, shape)
    assert steps.captured == {Shape(8, 2), Shape(6, 2)}
    steps.run(TWO, Shape(8, 4))
    assert len(recorder.runs) == 2, "a shape that came once is not captured, nor one that is captured already"


def test_a_replay_reads_the_numbers_of_its_own_step() -> None:
    captured, plain = Steps(spread, 8, CPU, Recorder()), Steps(spread, 8, CPU, Eager())
    for step in range(5):
        each = plan((1, [step, step + 1], step, True), (step, [40 + step], 7 * step, True))
        for shape in (Shape(4, 2), Shape(8, 4), Shape(3, 3)):
            assert torch.equal(captured.run(each, shape), plain.run(each, shape))


def test_logits_of_all_graphs_lie_in_the_same_memory_until_the_next_step() -> None:
    steps = Steps(spread, 8, CPU, Recorder())
    shapes = [Shape(8, 8), Shape(6, 2), Shape(4, 3)]
    each = plan((0, [1, 2, 3], 0, True), (1, [3], 0, True))
    for shape in shapes:
        steps.run(each, shape)
    places = {steps.run(each, shape).data_ptr() for shape in shapes}
    assert len(places) == 1
    with torch.inference_mode():
        steps.run(each, Shape(8, 8)).fill_(torch.nan)  # as a sampler may
    assert steps.run(each, Shape(8, 8)).isfinite().all()


def test_a_graph_keeps_its_memory_when_larger_logits_need_more() -> None:
    output = Output()
    small = output.like(torch.zeros(2, 3, dtype=torch.bfloat16))
    large = output.like(torch.zeros(4, 3))
    again = output.like(torch.zeros(2, 3))
    small.fill_(1.0)
    large.fill_(2.0)
    assert small.dtype is torch.float32
    assert (small == 1.0).all()
    assert (again == 2.0).all()


def test_graphs_are_so_many_and_no_more() -> None:
    recorder = Recorder()
    steps = Steps(spread, 2 * MOST_GRAPHS, CPU, recorder)
    each = plan((0, [1], 0, True))
    for _ in range(3):
        for width in range(1, 2 * MOST_GRAPHS):
            assert steps.run(each, Shape(width, 1))[0, :4].tolist() == [1, 0, 0, width]
    assert len(recorder.runs) == MOST_GRAPHS


def test_a_capture_that_fails_is_said_once_and_steps_go_on_without(caplog: pytest.LogCaptureFixture) -> None:
    refuses = Refuses()
    steps = Steps(spread, 8, CPU, refuses)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            for shape in (Shape(8, 2), Shape(6, 2)):
                assert steps.run(TWO, shape)[0, :4].tolist() == [7, 1, 12, shape.width]
    assert refuses.tries == 1
    assert caplog.messages == ["steps are sent kernel by kernel, which is slower: a sync in the middle"]


def test_an_error_of_the_step_itself_is_not_taken_for_a_failed_capture() -> None:
    def broken(_: StepInputs) -> torch.Tensor:
        raise torch.OutOfMemoryError("no room")

    with pytest.raises(torch.OutOfMemoryError, match="no room"):
        Steps(broken, 8, CPU, Recorder()).run(TWO, Shape(8, 2))


@pytest.mark.parametrize("capturer", [Eager, Recorder])
def test_keys_and_values_are_freed_with_the_runner_and_not_later(capturer: type[Eager]) -> None:
    runner = PagedRunner(paged("Llama"), 4, 9, 32, capturer())
    runner.find_widths()
    keys = weakref.ref(runner._pass.cache.keys[0])
    gc.disable()
    try:
        del runner
        assert keys() is None, "a smaller cache that takes its place needs the room"
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", ["Llama", "Gemma2"])
def test_a_model_gives_the_same_bits_from_captured_steps(kind: str) -> None:
    made = {}
    for name, capturer in (("captured", Recorder()), ("plain", Eager())):
        runner = PagedRunner(paged(kind), 8, 40, 64, capturer)
        runner.find_widths()
        made[name] = run_rows(runner)
    assert torch.equal(made["captured"], made["plain"])


def run_rows(runner: PagedRunner) -> torch.Tensor:
    """Logits of rows that come and go while a step ahead only knows the tokens before as PREVIOUS."""
    found = []
    for row, start in enumerate((3, 50, 90)):
        tokens = list(range(start, start + 20))
        assert runner.open(row, tokens, 40) == 0
        for at in range(0, 20, 8):
            piece = tokens[at : at + 8]
            logits = runner.step(plan((row, piece, at, at + len(piece) == 20)))
        found.append(logits.clone())
        runner.remember([row], logits.argmax(-1))
    for position in range(20, 26):
        logits = runner.step(plan(*((row, [PREVIOUS], position, True) for row in range(3))))
        found.append(logits.clone())
        runner.remember([0, 1, 2], logits.argmax(-1))
        if position == 22:
            runner.close(1)
            assert runner.open(1, list(range(3, 23)), 40) == 16, "a page that row 0 has filled"
            found.append(runner.step(plan((1, [19, 20, 21, 22], 16, True))).clone())
            runner.step(plan((1, [7, 7, 7], 20, False)))
    return torch.cat(found)


def test_a_prefix_is_shared_once_every_token_of_it_was_fed() -> None:
    runner = PagedRunner(paged("Llama"), 16, 40, 64)
    tokens = list(range(3, 43))
    assert runner.open(0, tokens, 48) == 0
    runner.step(plan((0, tokens[:15], 0, False)))
    assert runner.open(1, tokens, 48) == 0
    runner.step(plan((0, tokens[15:30], 15, False)))
    assert runner.open(2, tokens, 48) == 16
    runner.step(plan((0, tokens[30:], 30, True)))
    assert runner.open(3, tokens, 48) == 32
    runner.step(plan((0, [5], 40, True)))
    assert 0 not in runner._reading, "a row that answers is not looked at again"


def test_steps_read_the_page_table_and_the_last_tokens_as_they_are_at_the_time() -> None:
    forward = FlatPass(paged("Llama"), 2, 5, 32)
    with torch.inference_mode():
        inputs = StepInputs(*(torch.zeros(1, dtype=torch.int32) for _ in range(4)))
        before = forward(inputs).clone()
        inputs.tokens.fill_(PREVIOUS)
        assert torch.equal(forward(inputs), before), "the last token of a fresh row is 0"
        forward.last[0] = 9
        assert not torch.equal(forward(inputs), before)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.float64, None])
def test_numbers_reach_the_device_as_they_are(dtype: torch.dtype | None) -> None:
    for values in ([], [3], [0, -1, 2**31 - 1]):
        assert torch.equal(to_device(values, CPU, dtype), torch.tensor(values, dtype=dtype))


def test_a_part_of_a_tensor_is_filled() -> None:
    target = torch.zeros(2, 4, dtype=torch.int32)
    fill(target[1, :3], [7, 8, 9])
    fill(target[0, :0], [])
    assert target.tolist() == [[0] * 4, [7, 8, 9, 0]]


@pytest.mark.parametrize(("context", "invariant"), [(32, True), (64, False)])
def test_rows_whose_encoding_follows_the_longest_are_not_said_to_be_the_same_in_any_step(
    context: int, invariant: bool
) -> None:
    rope = {
        "rope_type": "longrope",
        "rope_theta": 10_000.0,
        "short_factor": [1.0] * 8,
        "long_factor": [4.0] * 8,
    }
    model = tiny.model("Phi3", rope_parameters=rope, original_max_position_embeddings=32, sliding_window=None)
    runner = open_runner(model, 4, 30, context)
    assert isinstance(runner, PagedRunner)
    assert runner.invariant is invariant


def test_a_runner_of_another_size_is_opened_for_the_same_model() -> None:
    model = tiny.model("Llama")
    wide, narrow = (open_runner(model, slots, 40, 64) for slots in (8, 4))
    assert isinstance(wide, PagedRunner)
    assert isinstance(narrow, PagedRunner)
    assert torch.allclose(run_rows(wide), run_rows(open_runner(model, 8, 40, 64)))  # type: ignore[arg-type]
    assert narrow.slots == 4


def test_memory_that_runs_out_in_the_trial_leaves_the_model_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.model("Llama")
    own = model.config._attn_implementation

    def full(*_: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("no room")

    with monkeypatch.context() as scarce:
        scarce.setattr(FlatPass, "__call__", full)
        with pytest.raises(torch.OutOfMemoryError):
            open_runner(model, 4, 40, 64)
    assert model.config._attn_implementation == own
    assert isinstance(open_runner(model, 4, 40, 64), PagedRunner)
