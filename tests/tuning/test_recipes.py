"""How a model is tuned follows from how much there is to learn, unless somebody says otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aigc.engine.tuning.machine import Machine
from aigc.errors import ModelError, UsageError
from aigc.tuning.recipes import Options, check, recipe_for, tokens_at_most, told_memory

CPU = Machine(device="cpu", memory_bytes=16 << 30, parameters=135_000_000, context=8_192)
GPU = Machine(device="cuda", memory_bytes=80 << 30, parameters=8_000_000_000, context=32_768)


@pytest.mark.parametrize(("lessons", "steps", "batch"), [
    (1, 8, 1), (3, 8, 3), (40, 80, 4), (99, 198, 4), (100, 50, 8), (499, 250, 8), (500, 94, 16), (5_000, 312, 32),
    (100_000, 3_125, 32),
])
def test_few_lessons_are_gone_through_often_and_many_once(lessons: int, steps: int, batch: int) -> None:
    recipe = recipe_for(Options(), lessons, CPU)
    assert (recipe.steps, recipe.batch) == (steps, batch)
    assert 1 <= recipe.check_every <= max(1, steps // 6)
    assert 1 <= recipe.warmup_steps <= max(1, steps // 10)


def test_what_is_asked_for_goes_before_what_the_data_say() -> None:
    options = Options(epochs=2, batch=10, learning_rate=1e-3, rank=4, max_tokens=300, seed=7)
    recipe = recipe_for(options, 100, CPU)
    assert (recipe.steps, recipe.batch, recipe.learning_rate, recipe.rank, recipe.alpha, recipe.max_tokens,
            recipe.seed) == (20, 10, 1e-3, 4, 8, 300, 7)


@pytest.mark.parametrize(("full", "machine", "expected"), [
    (False, CPU, ("lora", "cpu", "float32", 2e-4)),
    (False, GPU, ("lora", "cuda", "bfloat16", 2e-4)),
    (True, CPU, ("full", "cpu", "float32", 2e-5)),
    (True, GPU, ("full", "cuda", "float32", 2e-5)),
    (False, Machine("cpu", 16 << 30, 8_000_000_000, 0), ("lora", "cpu", "bfloat16", 2e-4)),
    (False, Machine("cpu", None, 8_000_000_000, 0), ("lora", "cpu", "float32", 2e-4)),
], ids=["adapter on a cpu", "adapter on a gpu", "whole on a cpu", "whole on a gpu", "little memory", "unknown memory"])
def test_precision_fits_method_and_machine(full: bool, machine: Machine, expected: tuple[object, ...]) -> None:
    recipe = recipe_for(Options(full=full), 100, machine)
    assert (recipe.weights, recipe.device, recipe.dtype, recipe.learning_rate) == expected


def test_a_lesson_is_never_longer_than_the_model_reads() -> None:
    assert tokens_at_most(Options(), CPU) == 2_048
    assert tokens_at_most(Options(max_tokens=100_000), CPU) == 8_192
    assert tokens_at_most(Options(), Machine("cpu", None, 1, 0)) == 2_048


@pytest.mark.parametrize(("options", "message"), [
    (Options(epochs=-1), "--epochs: found -1; expected 0 to 1000. Correct it."),
    (Options(batch=5_000), "--batch: found 5000; expected 0 to 4096. Correct it."),
    (Options(learning_rate=2), "--learning-rate: found 2; expected 0 to 1. Correct it."),
    (Options(rank=0), "--rank: found 0; expected 1 to 1024. Correct it."),
    (Options(max_tokens=-1), "--max-tokens: found -1; expected 0 to 1e+06. Correct it."),
    (Options(seed=-1), "--seed: found -1; expected 0 to 4.29497e+09. Correct it."),
    (Options(eval_texts=-1), "--eval-texts: found -1; expected 0 to 1e+06. Correct it."),
])
def test_a_number_that_makes_no_sense_is_refused(options: Options, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(options)
    assert str(caught.value) == message


def test_what_training_all_weights_takes_of_the_memory_is_told_before_anything_is_begun() -> None:
    assert told_memory(Options(), GPU) == ""
    told = "Memory: 2.0 GiB for the weights, their gradients and the optimizer, and more for what is learned."
    for machine in (CPU, replace(CPU, memory_bytes=None), replace(CPU, memory_bytes=16 * CPU.parameters)):
        assert told_memory(Options(full=True), machine) == told
    with pytest.raises(ModelError) as caught:
        told_memory(Options(full=True), GPU)
    assert str(caught.value) == (
        "--full: found 80.0 GiB of memory free for 8,000,000,000 weights; expected 119.2 GiB for the weights, their "
        "gradients and the optimizer, and more for what is learned. Leave --full out, so that an adapter is trained, "
        "or take a smaller model."
    )
