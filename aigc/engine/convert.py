"""A GGUF file as a folder that loads at once: `python -m aigc.engine.convert GGUF DEST`.

Run in a process of its own: it needs memory for the weights in float32, which must not stay with a long run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from gguf import GGUFReader
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

END_TOKENS = ("<|im_end|>", "<|endoftext|>")
"""Either ends an answer. The file names the first alone; small chat models now and then emit the second."""
VOLATILE_KEYS = ("transformers_version", "_model_name_or_path", "_name_or_path", "is_local", "local_files_only")
"""What the library writes of itself and of the place: it would change the model's digest for nothing."""


def convert(gguf: Path, dest: Path) -> None:
    """Write bfloat16 safetensors, config, tokenizer, chat template and generation config of `gguf` to `dest`.

    The same file gives the same bytes.

    Raises:
        ValueError: the file's pre-tokenizer is not one of which we know how to restore it.
    """
    reader = GGUFReader(gguf)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.backend_tokenizer.pre_tokenizer = _pre_tokenizer(str(_value(reader, "tokenizer.ggml.pre")))
    tokenizer.model_max_length = int(str(_value(reader, f"{_value(reader, 'general.architecture')}.context_length")))
    # Without `dequantize` the weights stay packed: slow in bfloat16, and not to be saved.
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
    )
    model.save_pretrained(dest)
    tokenizer.save_pretrained(dest)
    ends = [tokenizer.convert_tokens_to_ids(token) for token in END_TOKENS if token in tokenizer.get_vocab()]
    generation = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": ends, "pad_token_id": tokenizer.pad_token_id}
    _write_json(dest / "generation_config.json", generation)
    for name in ("config.json", "tokenizer_config.json"):
        table = json.loads((dest / name).read_text("utf-8"))
        _write_json(dest / name, {key: value for key, value in table.items() if key not in VOLATILE_KEYS})
    for weights in dest.glob("*.safetensors"):
        weights.chmod((dest / "config.json").stat().st_mode)  # safetensors makes them readable to their owner alone


def _value(reader: GGUFReader, key: str) -> object:
    field = reader.get_field(key)
    if field is None:
        raise ValueError(f"the GGUF file has no {key}")
    return field.contents()


def _pre_tokenizer(name: str) -> pre_tokenizers.PreTokenizer:
    """How a text is cut before its merges. GGUF keeps a name alone, and transformers takes plain ByteLevel for each.

    SmolLM2 was trained with digits cut off one by one first; it shows where white space comes before them.
    """
    if name != "smollm":
        raise ValueError(f"pre-tokenizer {name!r}; known: 'smollm'")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])


def _write_json(path: Path, table: dict[str, object]) -> None:
    path.write_text(json.dumps(table, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
