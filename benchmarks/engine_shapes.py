"""Models of known shapes with random weights, for measuring a GPU without a download.

`python benchmarks/engine_shapes.py CONFIG.json FOLDER` makes one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Shape:
    """`published`: the best output tokens a second told for vLLM 0.15.0 on one H100 with 80 GB."""

    name: str
    published: int
    rows: int
    config: dict[str, object] = field(default_factory=dict)


def _qwen3(hidden: int, layers: int, heads: int, intermediate: int, *, tied: bool) -> dict[str, object]:
    return {"model_type": "qwen3", "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
            "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": intermediate, "vocab_size": 151_936,
            "max_position_embeddings": 40_960, "tie_word_embeddings": tied}


GPU_SHAPES = (
    Shape("SmolLM2-135M", 45_540, 3072),
    Shape("Qwen3-0.6B", 14_069, 2048, _qwen3(1024, 28, 16, 3072, tied=True)),
    Shape("Qwen3-4B", 8_086, 1024, _qwen3(2560, 36, 32, 9728, tied=True)),
    Shape("Qwen3-8B", 6_443, 512, _qwen3(4096, 36, 32, 12_288, tied=False)),
)


def random_model(shape: Shape, default: Path, folder: Path) -> Path:
    """A folder with random weights of `shape` and the default model's tokenizer; the default model itself for none.

    One such folder is kept at a time: the largest takes 16 GB.
    """
    if not shape.config:
        return default
    made = folder / "random"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    config = folder / "random.json"
    config.write_text(json.dumps(shape.config), "utf-8")
    # In a process of its own: with its end the GPU's memory is free again for the engine that is measured.
    subprocess.run([sys.executable, __file__, str(config), str(made)], check=True)
    for file in (*default.glob("*token*"), *default.glob("*.jinja")):
        shutil.copy(file, made)
    return made


def main() -> None:
    """On a GPU where there is one: a CPU takes minutes to draw eight billion numbers."""
    import torch
    import transformers

    kind = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    config = transformers.AutoConfig.for_model(kind.pop("model_type"), **kind)
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(sys.argv[2])


if __name__ == "__main__":
    main()
