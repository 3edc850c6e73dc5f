"""What each method of learning is to TRL: its trainer, its arguments, and the rows that it takes.

    sft   the answers of examples, by their own loss (SFTTrainer)
    dpo   the better answer of a pair before the worse (DPOTrainer), by Rafailov et al. 2023; to its loss that of the
          better answer is added, as by Pang et al. 2024 (Iterative Reasoning Preference Optimization): without it both
          answers may become less likely, the worse one only faster
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aigc.disk import write_atomically
from aigc.engine.tuning.values import PairTokens, Recipe, Taught, Tokens

WHOLE = "whole"
"""Name of the file that says that a checkpoint is."""
STEP_TOKENS = {"cpu": 4_096, "cuda": 16_384}
"""Tokens that are computed at a time; a step of more is computed in parts."""


def trainer_for(recipe: Recipe) -> Any:
    """TRL's trainer, which tells nobody of its use, takes tokens as they are, and marks whole checkpoints."""
    import trl

    class Quiet:
        def _send_telemetry(self) -> None:
            """TRL's would ask a hub."""

        def create_model_card(self, *_: object, **__: object) -> None:
            """TRL's would name this machine's folders."""

        def _save_checkpoint(self, model: object, trial: object) -> None:
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
            own: Any = self
            write_atomically(Path(own.args.output_dir) / f"checkpoint-{own.state.global_step}" / WHOLE, lambda _: None)

    class Examples(Quiet, trl.SFTTrainer):  # type: ignore[misc]
        pass

    class Pairs(Quiet, trl.DPOTrainer):  # type: ignore[misc]
        def _prepare_dataset(self, dataset: Any, *_: object, **__: object) -> Any:
            """TRL's would cut texts into tokens; these are cut as the engine cuts them."""
            return dataset

    return Pairs if recipe.method == "dpo" else Examples


def arguments(recipe: Recipe, taught: Taught, folder: Path) -> Any:
    """The arguments of `trainer_for`'s."""
    import trl

    common = _common(recipe, taught, folder)
    if recipe.method == "sft":
        made = trl.SFTConfig(**common, dataset_kwargs={"skip_prepare_dataset": True})
    else:  # the base's own likelihoods once, not at each pass: a whole model then needs no copy of it beside itself
        made = trl.DPOConfig(**common, beta=recipe.beta, loss_type=["sigmoid", "sft"], precompute_ref_log_probs=True)
    if made.n_gpu > 1:
        made._n_gpu = 1  # else it spreads over all that CUDA shows, which others may be at work on
    return made


def rows(lessons: Sequence[Tokens | PairTokens]) -> Any:
    """Lessons or pairs as the trainer takes them: only what the model is to say has a label."""
    import datasets

    return datasets.Dataset.from_list([
        {"prompt_ids": one.prompt, "chosen_ids": one.chosen, "rejected_ids": one.rejected}
        if isinstance(one, PairTokens) else
        {"input_ids": [*one.prompt, *one.answer], "labels": [-100] * len(one.prompt) + one.answer}
        for one in lessons
    ])


def _common(recipe: Recipe, taught: Taught, folder: Path) -> dict[str, Any]:
    longest = max(map(_length, [*taught.train, *taught.validation]))
    at_once = max(1, min(recipe.batch, STEP_TOKENS[recipe.device] // longest))
    while recipe.batch % at_once:
        at_once -= 1
    return {
        "output_dir": str(folder),
        "max_steps": recipe.steps,
        "per_device_train_batch_size": at_once,
        "per_device_eval_batch_size": at_once,
        "gradient_accumulation_steps": recipe.batch // at_once,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": recipe.warmup_steps,
        "weight_decay": 0.0,
        "seed": recipe.seed,
        "data_seed": recipe.seed,
        "use_cpu": recipe.device == "cpu",
        "bf16": recipe.device == "cuda",
        "gradient_checkpointing": recipe.device == "cuda",  # half the speed of a step for most of its memory
        "logging_strategy": "steps",
        "logging_steps": 1,
        "eval_strategy": "steps" if taught.validation else "no",
        "eval_steps": recipe.check_every,
        "save_strategy": "steps",
        "save_steps": recipe.check_every,
        "save_total_limit": 2,
        "load_best_model_at_end": bool(taught.validation),
        "metric_for_best_model": "loss",
        "greater_is_better": False,
        "restore_callback_states_from_checkpoint": True,
        "max_length": None,
        "dataloader_pin_memory": recipe.device == "cuda",
        "report_to": "none",
        "push_to_hub": False,
        "disable_tqdm": True,
    }


def _length(lesson: Tokens | PairTokens) -> int:
    """Tokens that are computed for it: of a pair those of both answers, each with the prompt and as long as the longer.
    """
    if isinstance(lesson, PairTokens):
        return 2 * (len(lesson.prompt) + max(len(lesson.chosen), len(lesson.rejected)))
    return len(lesson.prompt) + len(lesson.answer)
