"""How a model is tuned, where nobody says otherwise: by how much there is to learn from.

Few lessons are gone through often and in small steps of the optimizer's batch, many once or twice; in either case it
stops when the loss on validation has not fallen for a while. docs/finetune.md has the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from aigc.engine.tuning.values import Method, Recipe, Weights
from aigc.errors import ModelError, UsageError
from aigc.records import Value

if TYPE_CHECKING:
    from aigc.engine.tuning.machine import Machine

PASSES = ((100, 8.0, 4), (500, 4.0, 8), (2_000, 3.0, 16), (10_000, 2.0, 32))
"""Below so many lessons: passes over all of them, and lessons in a step. Beyond, one pass, 32 in a step."""
CHECKS = 12
"""Looks at the loss on validation, about so many in all."""
PATIENCE = 3
WARM_UP = 0.05
MOST_TOKENS = 2_048
"""Tokens of a lesson, unless more are asked for."""
LEARNING_RATES: dict[Method, dict[Weights, float]] = {
    "sft": {"lora": 2e-4, "full": 2e-5}, "dpo": {"lora": 2e-4, "full": 2e-6},
}
BYTES_A_WEIGHT = 16
"""Of a weight that is trained: itself, its gradient and the two moments of AdamW, in float32."""
GIB = 1 << 30
DROPOUT = 0.05
BETA = 0.1
"""As in Rafailov et al. 2023 (Direct Preference Optimization), section 6."""


class Options(Value, frozen=True):
    """What a person asks for; 0 leaves it to the data. Together with data and model this is what a tuning is."""

    method: Method = "sft"
    full: bool = False
    epochs: float = 0.0
    batch: int = 0
    learning_rate: float = 0.0
    rank: int = 16
    max_tokens: int = 0
    beta: float = 0.0
    seed: int = 0
    eval_texts: int = 64
    """Held-out texts that each of both models writes; 0 for none."""


def recipe_for(options: Options, lessons: int, machine: Machine) -> Recipe:
    """The recipe for so many lessons, or pairs."""
    is_of_pairs = options.method == "dpo"
    passes, batch = next(((passes, batch) for most, passes, batch in PASSES if lessons < most), (1.0, 32))
    batch = options.batch or min(batch, lessons)
    steps = max(1, round((options.epochs or passes) * lessons / batch))
    weights: Weights = "full" if options.full else "lora"
    return Recipe(
        method=options.method, weights=weights, steps=steps, batch=batch,
        learning_rate=options.learning_rate or LEARNING_RATES[options.method][weights],
        warmup_steps=max(1, round(WARM_UP * steps)),
        check_every=max(1, round(steps / CHECKS)),
        patience=PATIENCE,
        max_tokens=tokens_at_most(options, machine),
        rank=options.rank, alpha=2 * options.rank, dropout=0.0 if options.full or is_of_pairs else DROPOUT,
        beta=(options.beta or BETA) if is_of_pairs else 0.0,
        seed=options.seed, device=machine.device, dtype=_dtype(weights, machine),
    )


def told_memory(options: Options, machine: Machine) -> str:
    """What training all weights takes of the memory, in words; nothing where an adapter is trained.

    Raises:
        ModelError: there is not so much.
    """
    if not options.full:
        return ""
    wanted, free = BYTES_A_WEIGHT * machine.parameters, machine.memory_bytes
    what = f"{wanted / GIB:.1f} GiB for the weights, their gradients and the optimizer, and more for what is learned"
    if free is not None and free < wanted:
        raise ModelError("--full", f"{free / GIB:.1f} GiB of memory free for {machine.parameters:,} weights", what,
                         "Leave --full out, so that an adapter is trained, or take a smaller model.")
    return f"Memory: {what}."


def tokens_at_most(options: Options, machine: Machine) -> int:
    """Tokens that a lesson may have: no more than the model reads."""
    wanted = options.max_tokens or MOST_TOKENS
    return min(wanted, machine.context) if machine.context else wanted


def _dtype(weights: Weights, machine: Machine) -> Literal["float32", "bfloat16"]:
    """Weights in training. On a GPU those of LoRA are frozen and need no more than bfloat16; on a CPU float32 is faster
    where the processor does not multiply in bfloat16 itself, and is taken if the memory has room for it.

    All weights that are trained are kept in float32: steps are too small for bfloat16, in which they would be lost.
    """
    if weights == "full":
        return "float32"
    if machine.device == "cuda":
        return "bfloat16"
    fits = machine.memory_bytes is None or 2 * 4 * machine.parameters < machine.memory_bytes
    return "float32" if fits else "bfloat16"


def check(options: Options) -> None:
    """Raise UsageError for what no tuning can be asked for."""
    if options.beta and options.method != "dpo":
        raise UsageError("--beta", f"{options.beta:g} with --method {options.method}", "--method dpo, or no --beta",
                         "Only learning from pairs has one.")
    limits: list[tuple[str, float, float, float]] = [
        ("--epochs", options.epochs, 0, 1_000), ("--batch", options.batch, 0, 4_096),
        ("--learning-rate", options.learning_rate, 0, 1), ("--rank", options.rank, 1, 1_024),
        ("--beta", options.beta, 0, 100), ("--max-tokens", options.max_tokens, 0, 1_000_000),
        ("--seed", options.seed, 0, 2**32 - 1), ("--eval-texts", options.eval_texts, 0, 1_000_000),
    ]
    for name, value, least, most in limits:
        if not least <= value <= most:
            raise UsageError(name, f"{value:g}", f"{least:g} to {most:g}", "Correct it.")
