"""Tiny random models and a byte-level tokenizer, made in the test: every architecture without a download."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from aigc.engine.local import LocalEngine
from aigc.models import ModelRef
from aigc.records import Completion, Message, Prompt, Sampling
from aigc.settings import EngineSettings
from aigc.watermark import Mark

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
PLAIN = [*map(chr, range(33, 127)), "\u0120", "\u010a"]
"""Visible ASCII, blank and line end, as byte-level tokenizers write them."""


class Made(NamedTuple):
    """What has to be the same of two completions of one prompt."""

    text: str
    finish_reason: str
    tokens_out: int


def tokenizer(*, chat: bool = True, plain: bool = False) -> PreTrainedTokenizerFast:
    """Every byte a token, three control tokens before them; `plain` has those of ASCII alone, so that what a random
    model says is text, and cut into the same tokens again."""
    alphabet = sorted(letter for letter in pre_tokenizers.ByteLevel.alphabet() if not plain or letter in PLAIN)
    vocabulary = {token: index for index, token in enumerate([*SPECIAL, *alphabet])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|im_end|>",
        bos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
    )
    made.chat_template = CHATML if chat else None
    return made


def model(kind: str, *, dtype: torch.dtype = torch.float32, **changes: object) -> PreTrainedModel:
    """A random model of a config class, e.g. `Llama`, with 4 query heads over 2 key/value heads where it has them."""
    torch.manual_seed(1)
    sizes: dict[str, object] = {
        "vocab_size": 259,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 96,
        "max_position_embeddings": 512,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "bos_token_id": 0,
    }
    if kind == "GPT2":
        del sizes["num_key_value_heads"]
    if kind == "GPTNeo":
        sizes |= {"num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]]}
    if kind in ("Qwen3", "Gemma2", "Gemma3Text"):
        sizes |= {"head_dim": 16}
    return of_config(getattr(transformers, f"{kind}Config")(**(sizes | changes)), dtype)


def of_config(config: PretrainedConfig, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """A random model whose continuations say something."""
    made = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
    with torch.no_grad():
        for parameter in made.parameters():  # far from uniform, so that greedy choices are not ties
            if parameter.dim() > 1:
                parameter.mul_(6.0)
        made.get_output_embeddings().weight[:3] = 0.0  # control tokens: never the likeliest, so texts have some length
    return made


def saved(folder: Path, kind: str = "Llama", *, chat: bool = True, **changes: object) -> ModelRef:
    """A tiny model and tokenizer as a folder of safetensors."""
    model(kind, **changes).save_pretrained(folder)
    tokenizer(chat=chat).save_pretrained(folder)
    return ModelRef(ref=kind, path=folder, digest="sha256:tiny", chat_template=chat)


def saved_plain(folder: Path) -> ModelRef:
    """A tiny Llama that says ASCII."""
    model("Llama", vocab_size=len(SPECIAL) + len(PLAIN)).save_pretrained(folder)
    tokenizer(plain=True).save_pretrained(folder)
    return ModelRef(ref="plain", path=folder, digest="sha256:plain", chat_template=True)


def engine(ref: ModelRef, slots: int = 4, dtype: str = "float32", **changes: object) -> LocalEngine:
    settings = EngineSettings(device="cpu", dtype=dtype, slots=slots, **changes)  # type: ignore[arg-type]
    return LocalEngine(settings, ref)


def marking(ref: ModelRef, mark: Mark | None, slots: int = 4) -> LocalEngine:
    """An engine that can give texts a watermark."""
    return LocalEngine(EngineSettings(device="cpu", dtype="float32", slots=slots), ref, mark=mark)


def prompt(
    name: str,
    text: str = "Write a line about the sea.",
    *,
    schema: str | None = None,
    seed: int | None = None,
    **sampling: object,
) -> Prompt:
    chosen = {"temperature": 1.0, "top_k": 40, "max_new_tokens": 24, **sampling}
    return Prompt(
        request_id=name,
        messages=[Message(role="user", content=text)],
        sampling=Sampling(**chosen),  # type: ignore[arg-type]
        seed=sum(name.encode()) if seed is None else seed,
        json_schema=schema,
    )


def texts(completions: list[Completion]) -> dict[str, Made]:
    """What was made, by request."""
    return {made.request_id: Made(made.text, made.finish_reason, made.tokens_out) for made in completions}
