"""A model and its tokenizer, loaded from safetensors, on the device and in the precision that the settings name.

    config ─▶ checks (quantised, adapter) ─▶ weights ─▶ adapter merged ─▶ quantised ─▶ device ─▶ packed for the CPU
"""

from __future__ import annotations

from collections.abc import Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch

from aigc.engine.adapters import check_adapter, merge_adapter, own_template, tokenizer_folder
from aigc.engine.chat import Tokenizer
from aigc.engine.cpu.activation import pack_activations
from aigc.engine.cpu.gated import pack_gated
from aigc.engine.cpu.linear import multiplies_itself, pack_linears
from aigc.engine.deaths import EngineDied, first_line, is_deadly
from aigc.engine.quantised import (
    check_quantisation,
    library_versions,
    loaded_bytes,
    loading_config,
    mixes_rows,
    quantise,
    stored_method,
)
from aigc.engine.sizing import Sizes, is_out_of_memory
from aigc.errors import AigcError, ModelError
from aigc.settings import EngineSettings

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

SMALLER_MODEL = "Take a smaller model, or a machine with more memory."
BESIDE_THE_WRITER = (
    "Take a smaller classifier, or lower engine.slots and engine.max_context, whose product bounds the memory of the "
    "model that writes."
)


@contextmanager
def loading(place: str, remedy: str = SMALLER_MODEL) -> Iterator[None]:
    """Tell what goes wrong in loading and no file's reader has told; `remedy` is that for a lack of memory.

    Raises:
        ModelError: the model cannot be loaded.
        EngineDied: the device's context is dead.
    """
    try:
        yield
    except AigcError:
        raise
    except Exception as exc:
        if is_out_of_memory(exc):
            raise ModelError(place, "weights that do not fit the memory", "room for them", remedy) from exc
        if is_deadly(exc):
            raise EngineDied(first_line(exc)) from exc
        found = f"{type(exc).__name__} as it was loaded ({first_line(exc)})"
        raise ModelError(place, found, "a model and a tokenizer that load", "Take another model, or mend it.") from exc


def device_for(settings: EngineSettings) -> torch.device:
    """The device to run on: of several GPUs the first that settings name, for all of this process.

    Raises:
        ModelError: CUDA is asked for and absent.
    """
    if settings.device == "cpu" or (settings.device == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ModelError(
            "engine.device",
            "no CUDA device that torch can use",
            'one, since device = "cuda"',
            'Run `aigc doctor`, or set device = "auto".',
        )
    if settings.devices != "all":
        torch.cuda.set_device(int(settings.devices.split(",")[0]))
    return torch.device("cuda")


def load_model(folder: Path, settings: EngineSettings) -> PreTrainedModel:
    """The model in evaluation mode, with the adapter merged into it and its weights quantised as settings say.

    Only safetensors are read; the folder's code runs only where settings say so.

    Raises:
        ModelError: it cannot be loaded, lacks a library or a device, or the adapter does not fit it.
    """
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    device, config = device_for(settings), load_config(folder, settings)
    # Weights that come quantised go to their device at once: some ways have no form on the CPU to be moved from.
    placed = {"device_map": {"": device}} if stored_method(config) else {}
    given = {"quantization_config": chosen} if (chosen := loading_config(config)) else {}
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, settings.dtype),
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=settings.trust_remote_code,
            **placed,
            **given,
        )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, TypeError, AssertionError) as exc:
        if is_out_of_memory(exc) or is_deadly(exc):
            raise  # the files are right
        raise _unloadable(folder, "a model", exc) from exc
    if settings.adapter:
        model = merge_adapter(model, len(cast("Sized", load_tokenizer(folder, settings))), settings)
    if settings.quantize:
        quantise(model, settings, device)
    if not placed:
        model = model.to(device)
    if device.type == "cpu":
        _use_own_kernels(model)
    return cast("PreTrainedModel", model.eval())


def _use_own_kernels(model: PreTrainedModel) -> None:
    """Put the project's kernels in the place of PyTorch's where they are faster, or bits would depend on the batch."""
    if not multiplies_itself(model.dtype):
        pack_gated(model)
        pack_linears(model)
    pack_activations(model)


def load_config(folder: Path, settings: EngineSettings) -> PretrainedConfig:
    """The model's config, once all that it and the settings need is known to be here. No weight is read.

    Raises:
        ModelError: it cannot be read, lacks a library or a device, or the adapter does not fit the model.
    """
    config = _read_config(folder, settings)
    check_quantisation(config, str(folder), settings, device_for(settings))
    check_adapter(config, settings)
    return config


def _read_config(folder: Path, settings: EngineSettings) -> PretrainedConfig:
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=settings.trust_remote_code
        )
    except (OSError, ValueError, RuntimeError, KeyError) as exc:
        raise _unloadable(folder, "a model", exc) from exc
    return cast("PretrainedConfig", config)


def promises_same_bytes(folder: Path, settings: EngineSettings) -> bool:
    """Whether the model's own arithmetic keeps the rows of a step apart; all do but LLM.int8()."""
    return not mixes_rows(_read_config(folder, settings))


def versions(folder: Path, settings: EngineSettings) -> dict[str, str]:
    """Versions of the libraries that make the texts."""
    return {"torch": str(torch.__version__), **library_versions(_read_config(folder, settings), settings)}


def sizes_for(folder: Path, settings: EngineSettings, device: torch.device) -> Sizes:
    """Slots and context for the model in `folder`, from its config and the size of its weights; nothing is loaded."""
    config = load_config(folder, settings)
    file_bytes = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return Sizes(settings, config, loaded_bytes(file_bytes, config, settings), device)


def load_tokenizer(folder: Path, settings: EngineSettings) -> Tokenizer:
    """The model's tokenizer, or the adapter's where it brings one; the same for the chat template."""
    source = tokenizer_folder(folder, settings)
    tokenizer = _read_tokenizer(source, settings)
    if template := own_template(settings):
        tokenizer.chat_template = template
    elif source != folder and not tokenizer.chat_template:
        tokenizer.chat_template = _read_tokenizer(folder, settings).chat_template
    return tokenizer


def _read_tokenizer(folder: Path, settings: EngineSettings) -> Tokenizer:
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=settings.trust_remote_code
        )
    except (OSError, ValueError, RuntimeError, KeyError) as exc:
        raise _unloadable(folder, "a tokenizer", exc) from exc
    return cast("Tokenizer", tokenizer)


def end_tokens(model: PreTrainedModel, tokenizer: Tokenizer) -> frozenset[int]:
    """Ids that end a text: the generation config's, and the tokenizer's own."""
    generation = getattr(model.generation_config, "eos_token_id", None)
    listed = generation if isinstance(generation, list) else [generation]
    return frozenset(token for token in [*listed, getattr(tokenizer, "eos_token_id", None)] if token is not None)


def _unloadable(folder: Path, what: str, exc: Exception) -> ModelError:
    return ModelError(
        str(folder),
        f"files that do not load as {what} ({type(exc).__name__}: {first_line(exc)[:160]})",
        "a Hugging Face model folder with safetensors",
        "Fetch it again, or take another model.",
    )
