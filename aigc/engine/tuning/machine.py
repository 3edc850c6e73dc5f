"""What a model is, and what there is to tune it on; no weight is read."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from safetensors import safe_open

from aigc.engine.loader import device_for, load_config
from aigc.engine.sizing import memory_bytes
from aigc.errors import ModelError
from aigc.memory import free_memory_bytes
from aigc.settings import EngineSettings

_NEEDED = ("trl", "peft", "datasets", "matplotlib")


@dataclass(frozen=True)
class Machine:
    """`memory_bytes` None is not known; `context` is the tokens that the model reads, 0 where it states none."""

    device: Literal["cpu", "cuda"]
    memory_bytes: int | None
    parameters: int
    context: int


def machine_for(folder: Path, settings: EngineSettings) -> Machine:
    """The machine that tunes the model in `folder`.

    Raises:
        ModelError: a library is not here, the device is not, or the model's config cannot be read.
    """
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise ModelError("aigc finetune", f"no {', '.join(missing)} here", "the libraries that tune models",
                         "Install them: pip install 'aigc[finetune]'")
    config, device = load_config(folder, settings), device_for(settings)
    on_gpu = device.type == "cuda"
    return Machine(
        device="cuda" if on_gpu else "cpu",
        memory_bytes=memory_bytes(device) if on_gpu else free_memory_bytes(),
        parameters=sum(map(_numbers, folder.glob("*.safetensors"))),
        context=int(getattr(config.get_text_config(), "max_position_embeddings", 0) or 0),
    )


def _numbers(path: Path) -> int:
    with safe_open(path, framework="pt") as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 - no mapping
