"""A GGUF file as a folder that loads at once: `python -m aigc.engine.convert GGUF DEST`.

Run in a process of its own: it needs memory for the weights in float32, which must not stay with a long run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from gguf import GGUFReader
from tokenizers import Tokenizer, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from aigc.errors import shown

END_TOKENS = (
    "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<end_of_turn>", "<|end|>",
)
"""Each ends an answer where the vocabulary has it, as llama.cpp takes it too. The file names one alone; small chat
models now and then emit another."""
SINGLE_DIGITS = frozenset({"smollm", "starcoder", "refact", "command-r"})
"""Pre-tokenizers that cut digits off one by one before ByteLevel's own rule; the names are llama.cpp's."""
PLAIN = frozenset({"gpt-2"})
"""Pre-tokenizers that are ByteLevel's own rule."""
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
    _restore_pre_tokenizer(tokenizer.backend_tokenizer, reader)
    tokenizer.model_max_length = int(str(_value(reader, f"{_value(reader, 'general.architecture')}.context_length")))
    # Without `dequantize` the weights stay packed: slow in bfloat16, and not to be saved.
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
    )
    model.save_pretrained(dest)
    tokenizer.save_pretrained(dest)
    named = [tokenizer.convert_tokens_to_ids(token) for token in END_TOKENS if token in tokenizer.get_vocab()]
    ends = list(dict.fromkeys([*([tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []), *named]))
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


def _restore_pre_tokenizer(backend: Tokenizer, reader: GGUFReader) -> None:
    """Have a text cut before its merges as the model was trained. GGUF keeps a name alone for it.

    transformers knows most names and takes plain ByteLevel for any other, which would quietly tokenise wrongly: only
    what it knows is left as it is. SentencePiece vocabularies ("llama", "gemma4") have no such rule.
    """
    if str(_value(reader, "tokenizer.ggml.model")) != "gpt2":
        return
    name = str(_value(reader, "tokenizer.ggml.pre"))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if name in SINGLE_DIGITS:
        backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])
    elif name in PLAIN:
        backend.pre_tokenizer = byte_level
    elif not _splits(backend):
        raise ValueError(f"pre-tokenizer {shown(name)}, of which it is not known how it cuts a text")


def _splits(backend: Tokenizer) -> bool:
    """Whether transformers gave the tokenizer a rule of its own."""
    rule = json.loads(backend.to_str())["pre_tokenizer"] or {}
    return any(part.get("type") == "Split" for part in rule.get("pretokenizers", []))


def _write_json(path: Path, table: dict[str, object]) -> None:
    path.write_text(json.dumps(table, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
