"""GGUF files and adapters: what is found, converted once, refused, and what enters a model's identity."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from model_folders import write_model, write_weights
from small_project import MODEL
from test_models_fetched import tiny_gguf

from aigc.errors import ModelError
from aigc.models import ModelRef, pull, resolve
from aigc.opening import model_facts
from aigc.provenance import AdapterFacts
from aigc.settings import DEFAULT_MODEL
from aigc.settings_loading import load_settings


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def refusal(model: Path | str, **given: object) -> str:
    with pytest.raises(ModelError) as caught:
        resolve(str(model), trust_remote_code=False, **given)  # type: ignore[arg-type]
    return str(caught.value)


# GGUF


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    (tmp_path / "given").mkdir()
    tiny_gguf(tmp_path / "given" / "ours.gguf")
    return tmp_path / "given" / "ours.gguf"


def test_a_gguf_file_is_converted_once_and_known_by_its_bytes(gguf: Path, cache: Path) -> None:
    said: list[str] = []
    assert "found a GGUF file that is not converted yet" in refusal(gguf, fetch=False)
    pull(str(gguf), report=said.append)
    assert said == ["converting ours.gguf to safetensors, once"]
    by_file = resolve(str(gguf), trust_remote_code=False, fetch=False)
    by_folder = resolve(str(gguf.parent), trust_remote_code=False, fetch=False)
    renamed = gguf.rename(gguf.with_name("other.GGUF"))
    by_other_name = resolve(str(renamed), trust_remote_code=False, fetch=False)
    assert by_file.path == by_folder.path == by_other_name.path
    assert by_file.digest == by_folder.digest == by_other_name.digest
    assert by_file.folder().parent == cache / "models"
    assert (by_file.folder() / "model.safetensors").is_file()
    assert (by_file.chat_template, by_file.languages) == (True, None)
    assert [path.name for path in (cache / "models").iterdir() if "partial" in path.name] == []


def test_gguf_files_that_are_not_one_model_are_refused(gguf: Path) -> None:
    part = gguf.with_name("big-00001-of-00002.gguf")
    part.write_bytes(b"GGUF")
    found = refusal(part)
    assert "big-00001-of-00002.gguf: found one part of a model in several files; expected a model in one file." in found
    part.rename(gguf.with_name("zwei.gguf"))
    several = refusal(gguf.parent)
    assert "found 2 GGUF files and no config.json; expected one model." in several
    assert f"Name the file itself, for example --model {gguf}" in several
    assert "zwei.gguf: found a failed conversion: " in refusal(gguf.with_name("zwei.gguf"))


def test_a_gguf_file_whose_cutting_of_texts_is_unknown_is_refused(gguf: Path) -> None:
    gguf.write_bytes(gguf.read_bytes().replace(b"smollm", b"nobody", 1))
    assert "found a failed conversion: ValueError: pre-tokenizer 'nobody', of which it is not known" in refusal(gguf)


# Adapters


def write_adapter(folder: Path, **config: object) -> Path:
    folder.mkdir(exist_ok=True)
    write_weights(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **config}))
    return folder


def test_an_adapters_files_are_part_of_the_models_digest(tmp_path: Path) -> None:
    model, adapter = write_model(tmp_path / "m"), write_adapter(tmp_path / "a")

    def found() -> ModelRef:
        return resolve(str(model), trust_remote_code=False, adapter=str(adapter))

    plain, first = resolve(str(model), trust_remote_code=False), found()
    assert first.adapter
    assert first.adapter.base_digest == plain.digest
    assert plain.adapter is None
    write_weights(adapter / "adapter_model.safetensors", 0.25)
    second = found()
    write_adapter(adapter, lora_alpha=32)
    third = found()
    (adapter / "README.md").write_text("not decisive")
    assert found().digest == third.digest
    (adapter / "chat_template.jinja").write_text("{{ messages }}")
    fourth = found()
    assert fourth.chat_template
    assert len({plain.digest, first.digest, second.digest, third.digest, fourth.digest}) == 5


def test_run_json_names_the_adapter(tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "a")
    ref = resolve(str(write_model(tmp_path / "m")), trust_remote_code=False, adapter=str(adapter))
    assert ref.adapter
    facts = model_facts(ref)
    assert facts.digest == ref.digest
    assert facts.adapter == AdapterFacts(
        path=str(adapter.resolve()), digest=ref.adapter.digest, base_digest=ref.adapter.base_digest
    )
    assert b'"adapter":null' in msgspec.json.encode(model_facts(MODEL))


def pickled(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def shortened(folder: Path) -> None:
    os.truncate(folder / "adapter_model.safetensors", 300)


@pytest.mark.parametrize(("damage", "message"), [
    (lambda folder: (folder / "adapter_config.json").unlink(), "found no adapter_config.json; expected a folder as"),
    (lambda folder: (folder / "adapter_config.json").write_text("{"), "found broken or half-downloaded JSON"),
    (lambda folder: (folder / "adapter_model.safetensors").unlink(),
     "found no weights; expected adapter_model.safetensors"),
    (pickled, "adapter_model.bin: found weights as a pickle, which runs code when it is loaded"),
    (shortened, "adapter_model.safetensors: found a half-downloaded file"),
    (lambda folder: write_adapter(folder, peft_type="IA3"), "found peft_type 'IA3'; expected LORA"),
    (lambda folder: write_adapter(folder, megatron_config={"a": 1}), "found layers of Megatron (megatron_config)"),
    (lambda folder: write_adapter(folder, alora_invocation_tokens=[1]), "found an activated LoRA"),
])
def test_an_adapter_that_is_broken_or_cannot_be_merged_is_refused(
    damage: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    adapter = write_adapter(tmp_path / "a")
    damage(adapter)
    found = refusal(write_model(tmp_path / "m"), adapter=str(adapter))
    assert found.startswith(f"adapter {adapter}")
    assert message in found


def test_a_folder_that_is_no_adapter_says_so(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m")
    assert refusal(model, adapter="not/here").startswith("adapter not/here: found no such folder; expected a folder")
    assert "Name its base model as --model, and this folder as --adapter." in refusal(write_adapter(tmp_path / "a"))


@pytest.mark.parametrize(("base", "fits"), [
    ("HuggingFaceTB/SmolLM2-135M-Instruct", True),
    ("mirror/smollm2-135m-instruct", True),
    ("/home/someone/checkpoint-500", True),
    (None, True),
    ("Qwen/Qwen3-0.6B", False),
])
def test_an_adapter_for_another_model_of_a_hub_is_refused(
    base: str | None, fits: bool, tmp_path: Path, cache: Path
) -> None:
    write_model(cache / "models" / DEFAULT_MODEL)
    adapter = write_adapter(tmp_path / "a", base_model_name_or_path=base)
    if fits:
        assert resolve(DEFAULT_MODEL, trust_remote_code=False, adapter=str(adapter)).adapter
        return
    assert refusal(DEFAULT_MODEL, adapter=str(adapter)).endswith(
        f"adapter_config.json: found an adapter for {base}; expected one for {DEFAULT_MODEL}. "
        f"Run it with --model {base}. If that is the same model under another name, write the name that you use as "
        "base_model_name_or_path in adapter_config.json."
    )


def test_the_precision_of_the_weights_is_part_of_what_makes_a_text() -> None:
    def precision(**engine: object) -> str:
        return load_settings(None, {"engine": dict(engine)}, {}).engine.precision

    assert precision() == "bfloat16"
    assert precision(quantize="int8", dtype="float16") == "float16+int8"
