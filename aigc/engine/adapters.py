"""LoRA adapters, merged into the weights as a model is loaded, so that they cost nothing while it runs."""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from safetensors import SafetensorError, safe_open

from aigc.errors import ModelError, shown
from aigc.settings import EngineSettings

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

WEIGHTS = "adapter_model.safetensors"
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
TEMPLATE = "chat_template.jinja"
PREFIX = "base_model.model."
_FACTOR = re.compile(r"(.+)\.(lora_(?:embedding_)?[AB])(?:\.weight)?")


def check_adapter(config: PretrainedConfig, settings: EngineSettings) -> None:
    """Compare the adapter's matrices with those of a model of that config, by name and shape. Nothing is loaded.

    Raises:
        ModelError: peft is not here, or the adapter was not made for such a model.
    """
    folder = adapter_folder(settings)
    if folder is None:
        return
    if importlib.util.find_spec("peft") is None:
        raise _problem(folder, "no peft here", "the package that merges adapters",
                       "Install it: pip install 'aigc[adapters]'")
    model, shapes = _outline(config, settings), _shapes(folder)
    odd = [found for name, shape in shapes.items() if (found := _misfit(name, shape, model))]
    if odd:
        others = f" (and {len(odd) - 1} more)" if len(odd) > 1 else ""
        raise _problem(folder, f"{odd[0]}{others}", "matrices of the model it is merged into",
                       "Take the model that it was trained on: base_model_name_or_path in adapter_config.json.")


def merge_adapter(model: PreTrainedModel, vocabulary: int, settings: EngineSettings) -> PreTrainedModel:
    """`model` with the adapter in its weights. `vocabulary` is how many tokens the tokenizer has.

    Raises:
        ModelError: the adapter is incomplete, or brings tokens that the model has no embeddings for.
    """
    folder = adapter_folder(settings)
    if folder is None:
        return model
    rows = int(model.get_input_embeddings().weight.shape[0])
    if vocabulary > rows:
        raise _problem(folder, f"a tokenizer of {vocabulary:,} tokens", f"at most the model's {rows:,}",
                       "Merge it yourself, after `resize_token_embeddings`, and name the saved folder as --model.")
    import peft

    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            adapted = peft.PeftModel.from_pretrained(model, str(folder), torch_device="cpu", local_files_only=True)
            if missing := [str(each.message) for each in said if "missing adapter keys" in str(each.message)]:
                raise _problem(folder, f"an incomplete {WEIGHTS} ({shown(missing[0], 160)})",
                               "a matrix for every module that adapter_config.json names",
                               "Copy the folder again from where it came from.")
            return cast("PreTrainedModel", adapted.merge_and_unload(safe_merge=True))
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, NotImplementedError) as exc:
        raise _problem(folder, f"an adapter that does not merge ({type(exc).__name__}: {shown(exc, 160)})",
                       "a LoRA of this model", "Take another adapter, or merge it yourself with peft.") from exc


def tokenizer_folder(model: Path, settings: EngineSettings) -> Path:
    """Where the tokenizer is read from: the adapter's folder if it brings one, else the model's."""
    folder = adapter_folder(settings)
    return folder if folder and any((folder / name).is_file() for name in TOKENIZERS) else model


def own_template(settings: EngineSettings) -> str:
    """The chat template that the adapter brings as a file of its own, empty if there is none."""
    folder = adapter_folder(settings)
    file = folder / TEMPLATE if folder else None
    return file.read_text("utf-8") if file and file.is_file() else ""


def adapter_folder(settings: EngineSettings) -> Path | None:
    return Path(settings.adapter).expanduser() if settings.adapter else None


def _outline(config: PretrainedConfig, settings: EngineSettings) -> PreTrainedModel:
    """The model without weights: the modules and their shapes."""
    import transformers

    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, trust_remote_code=settings.trust_remote_code)
    return cast("PreTrainedModel", model)


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes from the header of the adapter's file."""
    try:
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as exc:
        raise _problem(folder, f"no readable {WEIGHTS} ({type(exc).__name__})", "a whole safetensors file",
                       "Copy the folder again from where it came from.") from exc


def _misfit(name: str, shape: tuple[int, ...], model: PreTrainedModel) -> str:
    """Why the adapter's matrix `name` cannot belong to `model`; empty where it can."""
    path = name.removeprefix(PREFIX)
    factor = _FACTOR.fullmatch(path)
    if not factor:
        return "" if "lora_" in path or "token_adapter" in path else _misfit_copy(path, shape, model)
    module = _module(factor[1], model)
    if module is None:
        return f"a matrix for {factor[1]}, which the model has not"
    if getattr(model.config, "tie_word_embeddings", False) and module in (
        model.get_input_embeddings(), model.get_output_embeddings()
    ):
        return f"a matrix for {factor[1]}, which the model uses both to read and to write"
    wide = _sizes(module).get(factor[2])
    have = shape[1 if factor[2] in ("lora_A", "lora_embedding_A") else 0]
    return f"a matrix for {have} values of {factor[1]}, which has {wide}" if wide not in (None, have) else ""


def _misfit_copy(path: str, shape: tuple[int, ...], model: PreTrainedModel) -> str:
    """The same for a whole parameter that was trained beside the LoRA (`modules_to_save`)."""
    module = _module(path.rpartition(".")[0], model)
    parameter = getattr(module, path.rpartition(".")[2], None) if module is not None else None
    if parameter is None:
        return f"weights for {path}, which the model has not"
    own = tuple(parameter.shape)
    return f"weights of shape {list(shape)} for {path}, which has {list(own)}" if own != shape else ""


def _module(path: str, model: PreTrainedModel) -> torch.nn.Module | None:
    try:
        return cast("torch.nn.Module", model.get_submodule(path))
    except AttributeError:
        return None


def _sizes(module: torch.nn.Module) -> Mapping[str, int]:
    """What a module takes and gives, by the factor of a LoRA that must match it."""
    if isinstance(module, torch.nn.Embedding):
        return {"lora_embedding_A": module.num_embeddings, "lora_embedding_B": module.embedding_dim}
    if isinstance(module, torch.nn.Linear):
        return {"lora_A": module.in_features, "lora_B": module.out_features}
    if type(module).__name__ == "Conv1D":  # GPT-2's linear layer, which keeps its weights transposed
        return {"lora_A": cast("int", module.nx), "lora_B": cast("int", module.nf)}
    return {}


def _problem(folder: Path, found: str, expected: str, remedy: str) -> ModelError:
    return ModelError(f"adapter {folder}", found, expected, remedy)
