"""Adapters: merged as peft itself would compute them, refused where they do not fit."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file

from aigc.engine.loader import load_config, load_model, load_tokenizer, versions
from aigc.errors import ModelError
from aigc.models import ModelRef
from aigc.settings import EngineSettings

from . import tiny

WEIGHTS = "adapter_model.safetensors"
TOKENS = torch.arange(3, 83).reshape(4, 20)


def write_adapter(folder: Path, kind: str = "Llama", **changes: object) -> peft.PeftModel:
    """An adapter with random weights for a tiny model, and that model with it, not merged."""
    torch.manual_seed(2)
    settings: dict[str, object] = {"r": 4, "lora_alpha": 16, "target_modules": ["q_proj", "down_proj"], **changes}
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of transformers, for what peft asks it
        adapted = peft.get_peft_model(tiny.model(kind), peft.LoraConfig(**settings)).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.5)
    adapted.save_pretrained(str(folder), save_embedding_layers=False)
    return adapted


def settings(adapter: Path) -> EngineSettings:
    return EngineSettings(device="cpu", dtype="float32", adapter=str(adapter))


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    write_adapter(tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.mark.parametrize(("kind", "changes"), [
    ("Llama", {}),
    ("Llama", {"use_dora": True}),
    ("Llama", {"use_rslora": True, "modules_to_save": ["lm_head"]}),
    ("GPT2", {"target_modules": ["c_attn", "c_fc"], "fan_in_fan_out": True}),
], ids=["lora", "dora", "rslora and a saved head", "transposed layers"])
def test_a_merged_adapter_computes_what_peft_computes_with_it(
    kind: str, changes: dict[str, object], tmp_path: Path
) -> None:
    ref = tiny.saved(tmp_path / "model", kind)
    adapted = write_adapter(tmp_path / "adapter", kind, **changes)
    with torch.no_grad():
        merged = load_model(ref.folder(), settings(tmp_path / "adapter"))
        plain = load_model(ref.folder(), EngineSettings(device="cpu", dtype="float32"))
        expected = adapted(input_ids=TOKENS).logits
        assert torch.allclose(merged(TOKENS).logits, expected, atol=1e-3, rtol=1e-4)
        assert not torch.allclose(plain(TOKENS).logits, expected, atol=1e-1)
    assert not [name for name, _ in merged.named_modules() if "lora" in name], "nothing of it is left to compute"


def test_an_engine_writes_other_texts_with_an_adapter(llama: ModelRef, adapter: Path) -> None:
    prompts = [tiny.prompt("a"), tiny.prompt("b")]
    plain = tiny.texts(list(tiny.engine(llama).generate(iter(prompts))))
    adapted = tiny.texts(list(tiny.engine(llama, adapter=str(adapter)).generate(iter(prompts))))
    assert plain.keys() == adapted.keys()
    assert plain != adapted
    assert "peft" in versions(llama.folder(), settings(adapter))


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: _change(folder, lambda weights: {key: v for key, v in weights.items() if name not in key})


def renamed(old: str, new: str) -> Callable[[Path], None]:
    return lambda folder: _change(folder, lambda weights: {key.replace(old, new): v for key, v in weights.items()})


def cut(name: str) -> Callable[[Path], None]:
    return lambda folder: _change(folder, lambda weights: {
        key: value[..., :-1].clone() if name in key else value for key, value in weights.items()
    })


def _change(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS)


@pytest.mark.parametrize(("damage", "message"), [
    (renamed("layers.1.", "layers.7."),
     "found a matrix for model.layers.7.mlp.down_proj, which the model has not (and 3 more); expected matrices of the "
     "model it is merged into. Take the model that it was trained on"),
    (cut("layers.1.self_attn.q_proj.lora_A"),
     "found a matrix for 63 values of model.layers.1.self_attn.q_proj, which has 64; expected matrices of the model"),
    (without("layers.1.self_attn.q_proj.lora_B"), "found an incomplete adapter_model.safetensors"),
    (lambda folder: (folder / WEIGHTS).write_bytes(b"no"), "found no readable adapter_model.safetensors"),
], ids=["another depth", "another width", "a matrix short", "no safetensors"])
def test_an_adapter_that_does_not_fit_is_one_clear_error(
    damage: Callable[[Path], None], message: str, llama: ModelRef, adapter: Path
) -> None:
    damage(adapter)
    with pytest.raises(ModelError) as caught:
        load_model(llama.folder(), settings(adapter))
    assert f"adapter {adapter}: found " in str(caught.value)
    assert message in str(caught.value)


def test_an_adapter_of_another_model_is_refused_before_weights_are_read(llama: ModelRef, tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapter", "GPT2", target_modules=["c_attn"], fan_in_fan_out=True)
    with pytest.raises(ModelError, match=r"a matrix for transformer\.h\.0\.attn\.c_attn, which the model has not"):
        load_config(llama.folder(), settings(tmp_path / "adapter"))


def test_an_adapter_on_a_layer_that_is_also_the_embedding_is_refused(tmp_path: Path, adapter: Path) -> None:
    ref = tiny.saved(tmp_path / "tied", tie_word_embeddings=True)
    renamed("model.layers.0.mlp.down_proj", "lm_head")(adapter)
    with pytest.raises(ModelError, match="a matrix for lm_head, which the model uses both to read and to write"):
        load_config(ref.folder(), settings(adapter))


def test_an_adapters_tokenizer_and_chat_template_go_first(llama: ModelRef, adapter: Path) -> None:
    assert load_tokenizer(llama.folder(), settings(adapter)).chat_template == tiny.CHATML
    (adapter / "chat_template.jinja").write_text("{{ messages }}", "utf-8")
    assert load_tokenizer(llama.folder(), settings(adapter)).chat_template == "{{ messages }}"
    own = tiny.tokenizer(chat=False)
    own.add_tokens(["<house>"])
    (adapter / "chat_template.jinja").unlink()
    own.save_pretrained(adapter)
    used = load_tokenizer(llama.folder(), settings(adapter))
    assert "<house>" in used.get_added_vocab()
    assert used.chat_template == tiny.CHATML, "the model's, since the adapter has none"
    with pytest.raises(ModelError, match="found a tokenizer of 260 tokens; expected at most the model's 259"):
        load_model(llama.folder(), settings(adapter))


def test_an_adapter_for_a_quantised_model_is_refused(llama: ModelRef, adapter: Path, tmp_path: Path) -> None:
    config = json.loads((llama.folder() / "config.json").read_text("utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "fp8"}}))
    with pytest.raises(ModelError, match="found weights quantised by fp8, and an adapter; expected weights that"):
        load_config(tmp_path, settings(adapter))
