"""Quantised models: what is missing is told before a weight is read; what is there computes nearly the same."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from aigc.engine.loader import load_config, load_model, promises_same_bytes, sizes_for
from aigc.engine.quantised import NEEDED, loaded_bytes
from aigc.errors import ModelError
from aigc.models import ModelRef
from aigc.settings import EngineSettings

from . import tiny

CPU = torch.device("cpu")
TOKENS = torch.arange(3, 83).reshape(4, 20)
needs_torchao = pytest.mark.skipif(importlib.util.find_spec("torchao") is None, reason="needs aigc[quantized]")


def settings(**changes: object) -> EngineSettings:
    return EngineSettings(device="cpu", **changes)  # type: ignore[arg-type]


def marked(folder: Path, ref: ModelRef, **quantization: object) -> Path:
    """A folder with the config of a quantised model and no weights."""
    config = json.loads((ref.folder() / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": quantization}))
    return folder


def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.util.find_spec
    packages = {name for names in NEEDED.values() for name in names}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in packages else known(name, *rest)
    )


@pytest.mark.parametrize(("stored", "message"), [
    ({"quant_method": "gptq", "bits": 4},
     "found weights quantised by gptq, and no gptqmodel or optimum here; expected the packages that load them. "
     "Install it: pip install gptqmodel optimum"),
    ({"quant_method": "awq", "bits": 4}, "pip install gptqmodel"),
    ({"load_in_4bit": True}, "found weights quantised by bitsandbytes, and no bitsandbytes here; expected the package "
     "that loads them. Install it: pip install bitsandbytes"),
    ({"quant_method": "compressed-tensors"}, "pip install compressed-tensors"),
    ({"quant_method": "torchao"}, "Install it: pip install 'aigc[quantized]'"),
    ({"quant_method": "vptq"}, "found weights quantised by vptq; expected one of awq, bitsandbytes,"),
    ({}, "found weights quantised by unknown; expected one of"),
])
def test_what_a_quantised_model_needs_is_told_before_weights_are_read(
    stored: dict[str, object], message: str, llama: ModelRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent(monkeypatch)
    with pytest.raises(ModelError) as caught:
        sizes_for(marked(tmp_path, llama, **stored), settings(), CPU)
    assert str(caught.value).startswith(f"{tmp_path}: ")
    assert message in str(caught.value)


def test_quantising_without_its_package_names_the_extra(llama: ModelRef, monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch)
    with pytest.raises(ModelError) as caught:
        load_config(llama.folder(), settings(quantize="int8"))
    assert str(caught.value) == (
        'engine.quantize = "int8": found no torchao here; expected the package that quantises. '
        "Install it: pip install 'aigc[quantized]'"
    )


@pytest.mark.parametrize(("changes", "message"), [
    ({"quantize": "fp8"}, "found the CPU to run on; expected an NVIDIA GPU of compute capability 8.9 or more. "
     'Set quantize = "int8" under [engine], or leave it out.'),
    ({"quantize": "int4"}, "found the CPU to run on; expected an NVIDIA GPU of compute capability 8.0 or more."),
    ({"quantize": "int4", "dtype": "float16"}, 'found dtype = "float16"; expected bfloat16, which its kernels'),
])
def test_a_device_that_cannot_compute_it_is_refused(
    changes: dict[str, object], message: str, llama: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: known("json") if name == "torchao" else known(name))
    with pytest.raises(ModelError) as caught:
        load_config(llama.folder(), settings(**changes))
    assert message in str(caught.value)


def test_a_quantised_model_is_not_quantised_again(llama: ModelRef, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r'quantised by fp8, and engine\.quantize = "int8"; expected one of the two'):
        load_config(marked(tmp_path, llama, quant_method="fp8"), settings(quantize="int8"))


def test_an_fp8_model_is_turned_back_into_the_dtype_of_the_settings(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny.saved(tmp_path / "m", hidden_size=256, intermediate_size=256).folder()
    plain = load_model(folder, settings())
    weights, scaled = load_file(folder / "model.safetensors"), {}
    for name, value in weights.items():
        if "proj" not in name:
            scaled[name] = value
            continue
        blocks = value.unflatten(0, (-1, min(128, value.shape[0]))).unflatten(2, (-1, 128))
        scale = blocks.abs().amax((1, 3)) / 448
        scaled[name] = (blocks / scale[:, None, :, None]).flatten(2, 3).flatten(0, 1).to(torch.float8_e4m3fn)
        scaled[f"{name}_scale_inv"] = scale
    save_file(scaled, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text("utf-8"))
    stored = {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": stored}))
    loaded = load_model(folder, settings())
    name = "model.layers.1.self_attn.o_proj"
    got, expected = loaded.get_submodule(name).weight.detach(), plain.get_submodule(name).weight.detach()
    assert got.dtype == torch.bfloat16
    assert float((got - expected).abs().max() / expected.abs().max()) < 0.05
    assert loaded_bytes(100, load_config(folder, settings()), settings()) == 200


def test_llm_int8_is_known_to_mix_the_rows_of_a_step(llama: ModelRef, tmp_path: Path) -> None:
    assert promises_same_bytes(llama.folder(), settings())
    assert not promises_same_bytes(marked(tmp_path, llama, quant_method="bitsandbytes", load_in_8bit=True), settings())
    whole = marked(tmp_path, llama, quant_method="bitsandbytes", load_in_8bit=True, llm_int8_threshold=0.0)
    assert promises_same_bytes(whole, settings())


def test_weights_that_are_quantised_leave_room_for_rows(llama: ModelRef) -> None:
    config = load_config(llama.folder(), settings())
    plain, small = loaded_bytes(10**6, config, settings()), loaded_bytes(10**6, config, settings(quantize="int8"))
    assert plain == 10**6
    assert 0.5e6 < small < 0.6e6


@needs_torchao
def test_int8_weights_compute_nearly_the_same_and_rows_stay_apart(llama: ModelRef) -> None:
    plain = load_model(llama.folder(), settings())
    rounded = load_model(llama.folder(), settings(quantize="int8"))
    assert type(rounded.get_submodule("model.layers.0.mlp.up_proj").weight).__name__ == "Int8Tensor"
    assert type(rounded.get_output_embeddings().weight) is torch.nn.Parameter
    with torch.no_grad():
        expected, found = plain(TOKENS).logits.float(), rounded(TOKENS).logits.float()
    assert 0.0 < float((found - expected).abs().mean() / expected.abs().mean()) < 0.1


@needs_torchao
def test_an_engine_runs_int8_weights_alone_as_in_a_batch(llama: ModelRef) -> None:
    prompts = [tiny.prompt(name) for name in "abcde"]
    together = tiny.texts(list(tiny.engine(llama, dtype="bfloat16", quantize="int8").generate(iter(prompts))))
    engine, alone = tiny.engine(llama, dtype="bfloat16", quantize="int8"), {}
    for each in prompts:
        alone |= tiny.texts(list(engine.generate(iter([each]))))
    assert alone == together


@needs_torchao
def test_a_model_that_was_saved_by_torchao_loads_as_it_is(llama: ModelRef, tmp_path: Path) -> None:
    from torchao.quantization import Int8WeightOnlyConfig
    from transformers import AutoModelForCausalLM, TorchAoConfig

    made = AutoModelForCausalLM.from_pretrained(
        llama.folder(), dtype=torch.bfloat16, quantization_config=TorchAoConfig(Int8WeightOnlyConfig(version=2))
    )
    made.save_pretrained(tmp_path)
    loaded = load_model(tmp_path, settings())
    with torch.no_grad():
        assert torch.equal(loaded(TOKENS).logits, made(TOKENS).logits)
