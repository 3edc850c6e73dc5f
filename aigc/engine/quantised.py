"""Quantised models: which libraries and devices they need, and models that are quantised as they are loaded.

Everything is asked before a weight is read. Models that come quantised load by transformers' own classes;
`engine.quantize` rounds a plain model's weights by torchao, matrix by matrix, on their way to the device.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

import torch

from aigc.errors import ModelError
from aigc.settings import EngineSettings

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

NEEDED: Mapping[str, tuple[str, ...]] = {
    "awq": ("gptqmodel",),
    "bitsandbytes": ("bitsandbytes",),
    "compressed-tensors": ("compressed_tensors",),
    "fp8": (),
    "gptq": ("gptqmodel", "optimum"),
    "mxfp4": (),
    "mxfp8": (),
    "torchao": ("torchao",),
}
"""Ways of quantising that models come in, and the modules that transformers needs to load each."""
UNPACKED = {"fp8": 2.0, "mxfp8": 2.0, "mxfp4": 3.8}
"""Ways that are turned back into the settings' dtype as they are loaded, and by what factor the weights grow.

The kernels that would compute in them are programs that transformers fetches from a hub as the model runs.
"""
KEPT_SHARE = {"int8": 0.51, "fp8": 0.51, "int4": 0.29}
"""What remains of 16-bit weights with their scales."""
LEAST_CAPABILITY = {"int4": (8, 0), "fp8": (8, 9)}
"""Compute capability of the GPUs that have the arithmetic. int8 weights run anywhere."""


def stored_method(config: PretrainedConfig) -> str:
    """How the weights in the model's folder are quantised; empty where they are not."""
    stored = _stored(config)
    if stored is None:
        return ""
    loads_bits = stored.get("load_in_8bit") or stored.get("load_in_4bit")  # older ones of bitsandbytes name no method
    return "bitsandbytes" if loads_bits else str(stored.get("quant_method") or "unknown")


def check_quantisation(config: PretrainedConfig, place: str, settings: EngineSettings, device: torch.device) -> None:
    """Raise ModelError where the model's weights, or `engine.quantize`, need what is not here.

    `place` is how messages name the model.
    """
    if method := stored_method(config):
        _check_stored(method, place, settings)
    if settings.quantize:
        _check_wanted(settings, device)


def loading_config(config: PretrainedConfig) -> object | None:
    """What `from_pretrained` is to be given as quantization_config; None leaves it to the model's own."""
    import transformers

    method = stored_method(config)
    if method in ("fp8", "mxfp8"):
        return cast("object", transformers.FineGrainedFP8Config(dequantize=True))
    return cast("object", transformers.Mxfp4Config(dequantize=True)) if method == "mxfp4" else None


def quantise(model: PreTrainedModel, settings: EngineSettings, device: torch.device) -> None:
    """Round the weights of every linear layer but the output's as `engine.quantize` says, on `device`."""
    from torchao import quantization

    kinds: dict[str, Callable[[], object]] = {
        "int8": lambda: quantization.Int8WeightOnlyConfig(version=2),
        "int4": lambda: quantization.Int4WeightOnlyConfig(int4_packing_format="tile_packed_to_4d"),
        # A scale for each row: one for all would make a text depend on its neighbours.
        "fp8": lambda: quantization.Float8DynamicActivationFloat8WeightConfig(granularity=quantization.PerRow()),
    }
    output = model.get_output_embeddings()
    quantization.quantize_(
        model,
        kinds[settings.quantize](),
        filter_fn=lambda module, _: isinstance(module, torch.nn.Linear) and module is not output,
        device=device,
    )


def quieten() -> None:
    """Keep off the terminal what these say of kernels that this machine cannot have; transformers imports them."""
    for name in ("bitsandbytes", "torchao", "torch.utils._pytree"):
        logging.getLogger(name).setLevel(logging.ERROR)


def loaded_bytes(file_bytes: int, config: PretrainedConfig, settings: EngineSettings) -> int:
    """Memory that weights of `file_bytes` on disk take once they are loaded, about."""
    if not settings.quantize:
        return int(file_bytes * UNPACKED.get(stored_method(config), 1.0))
    table = int(getattr(config, "vocab_size", 0)) * int(getattr(config, "hidden_size", 0)) * 2
    kept = min(file_bytes, table if getattr(config, "tie_word_embeddings", False) else 2 * table)
    return kept + int((file_bytes - kept) * KEPT_SHARE[settings.quantize])


def mixes_rows(config: PretrainedConfig) -> bool:
    """Whether a row's arithmetic depends on the other rows of its step, so that the same bytes cannot be promised.

    LLM.int8() computes a column in 16 bits where any row of the step has an outlier in it.
    """
    stored = _stored(config) or {}
    eight_bits = stored_method(config) == "bitsandbytes" and bool(stored.get("load_in_8bit"))
    return eight_bits and float(cast("float", stored.get("llm_int8_threshold", 6.0))) > 0.0


def library_versions(config: PretrainedConfig | None, settings: EngineSettings) -> dict[str, str]:
    """Versions of the libraries that take part in the arithmetic, or prepare the weights, beside torch."""
    names = ["transformers"]
    if settings.quantize:
        names.append("torchao")
    elif config is not None:
        names += NEEDED.get(stored_method(config), ())
    if settings.adapter:
        names.append("peft")
    return {name: importlib.metadata.version(name.replace("_", "-")) for name in names}


def _stored(config: PretrainedConfig) -> dict[str, object] | None:
    stored = getattr(config, "quantization_config", None)
    if stored is None or isinstance(stored, dict):
        return stored
    return cast("dict[str, object]", stored.to_dict())


def _check_stored(method: str, place: str, settings: EngineSettings) -> None:
    found = f"weights quantised by {method}"
    if method not in NEEDED:
        remedy = 'Take a release without quantisation; `quantize = "int8"` under [engine] makes it smaller.'
        raise ModelError(place, found, "one of " + ", ".join(NEEDED) + ", or none", remedy)
    if missing := _absent(NEEDED[method]):
        needs = "the package that loads them" if len(missing) == 1 else "the packages that load them"
        raise ModelError(place, f"{found}, and no {' or '.join(missing)} here", needs,
                         f"Install it: pip install {_install(missing)}")
    if settings.quantize:
        raise ModelError(place, f'{found}, and engine.quantize = "{settings.quantize}"', "one of the two",
                         "Leave quantize empty, or take a release without quantisation.")
    if settings.adapter:
        raise ModelError(place, f"{found}, and an adapter", "weights that an adapter can be merged into",
                         'Take a release without quantisation, and `quantize = "int8"` under [engine].')


def _check_wanted(settings: EngineSettings, device: torch.device) -> None:
    place = f'engine.quantize = "{settings.quantize}"'
    if _absent(("torchao",)):
        raise ModelError(place, "no torchao here", "the package that quantises",
                         "Install it: pip install 'aigc[quantized]'")
    if settings.quantize == "int4" and settings.dtype != "bfloat16":
        raise ModelError(place, f'dtype = "{settings.dtype}"', "bfloat16, which its kernels compute in",
                         'Set dtype = "bfloat16" under [engine].')
    least = LEAST_CAPABILITY.get(settings.quantize)
    if least is None:
        return
    expected = f"an NVIDIA GPU of compute capability {least[0]}.{least[1]} or more"
    if device.type != "cuda":
        raise ModelError(place, "the CPU to run on", expected, 'Set quantize = "int8" under [engine], or leave it out.')
    capability = torch.cuda.get_device_capability(device)
    if capability < least:
        raise ModelError(place, f"a GPU of compute capability {capability[0]}.{capability[1]}", expected,
                         'Set quantize = "int8" under [engine], or leave it out.')


def _absent(modules: tuple[str, ...]) -> list[str]:
    return [name for name in modules if importlib.util.find_spec(name) is None]


def _install(missing: list[str]) -> str:
    return "'aigc[quantized]'" if missing == ["torchao"] else " ".join(name.replace("_", "-") for name in missing)

