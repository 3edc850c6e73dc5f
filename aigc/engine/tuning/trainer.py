"""TRL's trainers, on tokens that are cut already; full, or by LoRA through peft.

A checkpoint counts once a file in it says that it is whole, so that a process that was killed as it wrote one goes on
from the one before. Nothing is reported to anybody: TRL's own trainer tells a hub of its use as it is made, and that is
left out here, as are model cards and dashboards.
"""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from aigc.engine.cards import hold_here
from aigc.engine.loader import load_config, load_tokenizer
from aigc.engine.quantised import stored_method
from aigc.engine.sizing import is_out_of_memory
from aigc.engine.tuning.methods import WHOLE, arguments, rows, trainer_for
from aigc.engine.tuning.values import Point, Recipe, Taught, Trained
from aigc.errors import ModelError, SettingsError, shown
from aigc.settings import EngineSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Place:
    """Where checkpoints are kept, where what comes of it is written, and the name that the base is known by."""

    checkpoints: Path
    made: Path
    base_name: str


def train(
    base: Path,
    settings: EngineSettings,
    recipe: Recipe,
    taught: Taught,
    place: Place,
    on_point: Callable[[Point], None] = lambda _: None,
) -> Trained:
    """Tune the model in `base`, and write the adapter or the whole model.

    What is kept from a training that was stopped is gone on with.

    Raises:
        ModelError: the model cannot be tuned, or the memory has no room for it.
        EngineError: another process uses the GPU.
        SettingsError: settings choose another GPU than the first, which the trainer takes.
    """
    if recipe.device == "cuda":
        refuse_other_gpu(settings)
        hold_here(settings)
    try:
        with _quiet():
            return _train(base, settings, recipe, taught, place, on_point)
    except (MemoryError, RuntimeError) as exc:
        if not is_out_of_memory(exc):
            raise
        raise ModelError(str(base), "no memory left to tune it", "room for weights, gradients and the optimizer",
                         "Leave --full out, lower --max-tokens, or take a smaller model.") from exc
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def refuse_other_gpu(settings: EngineSettings) -> None:
    """Raise SettingsError where settings choose another GPU first: transformers' trainer takes CUDA's first."""
    if settings.devices.split(",")[0] not in ("all", "0"):
        raise SettingsError("key engine.devices", shown(settings.devices), "`all` or `0` first, for tuning",
                            "Show the GPU alone: CUDA_VISIBLE_DEVICES=N, with engine.devices = \"all\".")


def _train(
    base: Path, settings: EngineSettings, recipe: Recipe, taught: Taught, place: Place,
    on_point: Callable[[Point], None],
) -> Trained:
    import transformers

    kind = trainer_for(recipe)
    model = _load(base, settings, recipe)
    stored = str(load_config(base, settings).dtype or "float32").removeprefix("torch.")
    trainer = kind(
        model=model,
        args=arguments(recipe, taught, place.checkpoints),
        train_dataset=rows(taught.train),
        eval_dataset=rows(taught.validation) if taught.validation else None,
        processing_class=load_tokenizer(base, settings),
        peft_config=_lora(recipe),
        callbacks=[_telling(on_point), *_stopping(recipe, taught)],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    counts = [(weight.numel(), weight.requires_grad) for weight in trainer.model.parameters()]
    newest = whole_checkpoint(place.checkpoints)
    trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    _save(trainer, recipe, getattr(torch, stored), place)
    state = trainer.state
    return Trained(
        steps=state.global_step,
        best_step=state.best_global_step or state.global_step,
        points=[point for entry in state.log_history if (point := _point(entry))],
        stopped_early=state.global_step < recipe.steps,
        parameters=sum(number for number, _ in counts),
        trained_parameters=sum(number for number, is_trained in counts if is_trained),
    )


def whole_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint; those that were being written when the process was killed are removed."""
    found = [path for path in folder.glob("checkpoint-*") if path.is_dir()]
    for path in found:
        if not (path / WHOLE).is_file():
            shutil.rmtree(path)
    return max((path for path in found if path.exists()), key=lambda path: int(path.name.rpartition("-")[2]),
               default=None)


def _load(base: Path, settings: EngineSettings, recipe: Recipe) -> PreTrainedModel:
    """The model as it is trained: with PyTorch's kernels, since ours have no gradients.

    Raises:
        ModelError: its weights are quantised.
    """
    import transformers

    if method := stored_method(load_config(base, settings)):
        raise ModelError(str(base), f"weights quantised by {method}", "weights in full precision",
                         "Take the model that it was made from.")
    model = transformers.AutoModelForCausalLM.from_pretrained(
        base, dtype=getattr(torch, recipe.dtype), use_safetensors=True, local_files_only=True,
        trust_remote_code=settings.trust_remote_code,
    )
    return cast("PreTrainedModel", model.to(recipe.device))


def _lora(recipe: Recipe) -> Any:
    if recipe.weights == "full":
        return None
    import peft

    return peft.LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=recipe.dropout,
                           target_modules="all-linear", task_type="CAUSAL_LM")


def _stopping(recipe: Recipe, taught: Taught) -> list[Any]:
    import transformers

    return [transformers.EarlyStoppingCallback(recipe.patience)] if taught.validation else []


def _telling(on_point: Callable[[Point], None]) -> Any:
    """A callback that tells each loss as it is measured."""
    import transformers

    class Telling(transformers.TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if point := _point({**(logs or {}), "step": state.global_step}):
                on_point(point)

    return Telling()


def _point(entry: dict[str, Any]) -> Point | None:
    """The loss in a line of the trainer's log, if there is one."""
    if "loss" in entry:
        return Point(step=int(entry["step"]), train=float(entry["loss"]))
    if "eval_loss" in entry:
        return Point(step=int(entry["step"]), validation=float(entry["eval_loss"]))
    return None


def _save(trainer: Any, recipe: Recipe, dtype: torch.dtype, place: Place) -> None:
    """The weights of the best step; a whole model in the precision that it came in."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    if recipe.weights == "full":
        model.to(dtype).save_pretrained(place.made)
        return
    for config in model.peft_config.values():
        config.base_model_name_or_path = place.base_name  # else the folder that it lies in on this machine
    model.save_pretrained(place.made, save_embedding_layers=False)
    (place.made / "README.md").unlink(missing_ok=True)  # peft's says nothing that ours does not


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' bars, and their notices of what will be called otherwise one day."""
    import datasets
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    before = os.environ.get("TQDM_DISABLE")
    os.environ["TQDM_DISABLE"] = "1"  # TRL asks it alone for the bar of its reference
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.environ.pop("TQDM_DISABLE")
        os.environ.update({"TQDM_DISABLE": before} if before is not None else {})
