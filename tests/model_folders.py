"""Small folders that look like models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file


def write_weights(path: Path, fill: float = 0.5) -> None:
    save_file({"a": np.full((8, 16), fill, np.float32), "b": np.arange(64, dtype=np.float32)}, path, {"format": "pt"})


def write_model(folder: Path, *, shards: int = 0) -> Path:
    """A folder that looks like a model to everything but the engine."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"model-{i:05}-of-{shards:05}.safetensors" for i in range(1, shards + 1)] or ["model.safetensors"]
    for number, name in enumerate(names):
        write_weights(folder / name, number)
    if shards:
        index = {"metadata": {}, "weight_map": {f"t{i}": name for i, name in enumerate(names)}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text("{}")
    return folder
