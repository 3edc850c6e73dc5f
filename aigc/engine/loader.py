"""A model and its tokenizer, loaded from safetensors, on the device and in the dtype that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch

from aigc.engine.chat import Tokenizer
from aigc.engine.sizing import Sizes
from aigc.errors import ModelError
from aigc.settings import EngineSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel



def device_for(settings: EngineSettings) -> torch.device:
    """The device to run on. Raises ModelError where CUDA is asked for and absent."""
    if settings.device == "cpu" or (settings.device == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ModelError(
            "engine.device",
            "no CUDA device that torch can use",
            'one, since device = "cuda"',
            'Run `aigc doctor`, or set device = "auto".',
        )
    return torch.device("cuda")


def load_model(folder: Path, settings: EngineSettings) -> PreTrainedModel:
    """The model in evaluation mode. Only safetensors are read; the folder's code runs only where settings say so."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, settings.dtype),
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=settings.trust_remote_code,
        )
    except (OSError, ValueError, RuntimeError, KeyError) as exc:
        raise _unloadable(folder, "a model", exc) from exc
    return cast("PreTrainedModel", model.to(device_for(settings)).eval())


def sizes_for(folder: Path, settings: EngineSettings, device: torch.device) -> Sizes:
    """Slots and context for the model in `folder`, from its config and the size of its weights; nothing is loaded."""
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=settings.trust_remote_code
        )
    except (OSError, ValueError, RuntimeError, KeyError) as exc:
        raise _unloadable(folder, "a model", exc) from exc
    weights_bytes = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return Sizes(settings, config, weights_bytes, device)


def load_tokenizer(folder: Path, settings: EngineSettings) -> Tokenizer:
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
        f"files that do not load as {what} ({type(exc).__name__}: {str(exc).splitlines()[0][:160]})",
        "a Hugging Face model folder with safetensors",
        "Fetch it again, or take another model.",
    )
