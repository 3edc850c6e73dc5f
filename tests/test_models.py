"""Models: the catalogue, pulling, what is refused, digests."""

from __future__ import annotations

import inspect
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec
import pytest
from model_folders import write_model

from aigc.errors import ModelError
from aigc.hashing import digest_bytes, digest_file, digest_files
from aigc.models import (
    CatalogueModel,
    HubSource,
    ModelRef,
    WheelSource,
    catalogue,
    check_languages,
    installed,
    pull,
    resolve,
)
from aigc.models.entries import MANIFEST, FileFacts, Manifest
from aigc.models.weights import SETTLED_NS, file_digests
from aigc.settings import DEFAULT_MODEL

LONG_AGO_S = 1_600_000_000
INDEX = "model.safetensors.index.json"
Damage: TypeAlias = Callable[[Path], None]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def local(folder: Path, *, trust: bool = False) -> ModelRef:
    return resolve(str(folder), trust_remote_code=trust)


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        local(folder)
    return str(caught.value)


# The catalogue


def test_the_default_model_is_in_the_catalogue_and_pinned() -> None:
    source = catalogue()[DEFAULT_MODEL].source
    assert isinstance(source, WheelSource)
    assert "==" in source.requirement
    assert all(re.fullmatch(r"[0-9a-f]{64}", pin) for pin in (source.sha256, source.member_sha256))


@pytest.mark.parametrize("model", catalogue().values(), ids=lambda model: model.name)
def test_every_model_of_the_catalogue_is_sound(model: CatalogueModel) -> None:
    assert model.licence == "Apache-2.0"
    assert all(re.fullmatch(r"[a-z]{2}", code) for code in model.languages)
    assert len(set(model.languages)) == len(model.languages)
    assert model.min_memory_gib * 2**30 > 2 * model.parameters, "weights alone take two bytes a parameter"
    if isinstance(model.source, HubSource):
        assert model.name == model.source.repo
    else:
        assert re.fullmatch(r"[a-z0-9.-]+", model.name), "it is a folder's name"


def test_the_catalogue_goes_from_small_to_large_and_names_are_unique() -> None:
    sizes = [model.parameters for model in catalogue().values()]
    assert sizes == sorted(sizes)
    text = Path(inspect.getfile(CatalogueModel)).with_name("catalogue.toml").read_text("utf-8")
    assert text.count("[[model]]") == len(sizes)


# Names


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("smolm2-135m-instruct",
         "model smolm2-135m-instruct: found no such model; expected a name of `aigc models list`, a folder, a GGUF"
         " file, or org/name of a hub. Correct the name. Did you mean 'smollm2-135m-instruct'?"),
        ("SmolLM2-135M-Instruct", "Did you mean 'smollm2-135m-instruct'?"),
        ("./not-here", "model ./not-here: found no such model"),
        ("a\nb", r"model a\nb: found no such model"),
        ("", "model : found no such model"),
        (DEFAULT_MODEL, "found no copy on this machine"),
        (DEFAULT_MODEL, "Fetch it: aigc models pull smollm2-135m-instruct"),
    ],
)
def test_a_name_that_leads_nowhere_says_what_to_do(name: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        resolve(name, trust_remote_code=False)
    assert message in str(caught.value)


# Folders


def test_a_folder_resolves_with_a_digest_over_all_that_decides_a_text(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    files = [folder / name for name in ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json")]
    before = local(folder)
    assert before.path == folder
    assert (before.languages, before.licence, before.chat_template) == (None, "", False)
    assert before.digest == digest_files(files, folder)
    (folder / "README.md").write_text("not decisive")
    assert local(folder).digest == before.digest
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    after = local(folder)
    assert after.chat_template
    assert after.digest != before.digest
    shutil.copytree(folder, tmp_path / "copy")
    assert local(tmp_path / "copy").digest == after.digest, "a digest does not depend on the place"


def test_a_chat_template_in_the_tokenizer_config_counts(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    (folder / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    assert local(folder).chat_template


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 9, 40, 100, -256, -1])
def test_weights_cut_off_anywhere_are_called_half_downloaded(tmp_path: Path, keep: int) -> None:
    folder = write_model(tmp_path / "m")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    message, size = refusal(folder), weights.stat().st_size
    assert f"model {folder}, model.safetensors: found a half-downloaded file of {size:,} bytes" in message
    assert "Copy the folder again from where it came from." in message


def edit(name: str, content: bytes) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return damage


def delete(name: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).unlink()

    return damage


def only_pickles(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")


def longer(folder: Path) -> None:
    with (folder / "model.safetensors").open("ab") as file:
        file.write(b"\0")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (delete("config.json"), "found no config.json; expected a folder with config.json, *.safetensors and a "),
        (delete("tokenizer.json"), "found no tokenizer; expected tokenizer.json or tokenizer.model"),
        (delete("model.safetensors"), "found no weights; expected model.safetensors, or shards with"),
        (only_pickles, "pytorch_model.bin: found weights as a pickle, which runs code when it is loaded"),
        (only_pickles, "load it where that is safe and save it again with `save_pretrained`"),
        (edit("config.json", b'{"model_type": "lla'), "config.json: found broken or half-downloaded JSON"),
        (edit("config.json", b'{"auto_map": {"AutoModel": "x.X"}}'), "config.json: found code of the model's own"),
        (edit("tokenizer_config.json", b'{"auto_map": {"AutoTokenizer": ["x.X"]}}'), "`trust_remote_code = true`"),
        (edit("model.safetensors", b"version https://git-lfs.example/spec/v1\n"), "found a Git LFS pointer"),
        (edit("model.safetensors", (9).to_bytes(8, "little") + b"not json!"), "found a broken header"),
        (longer, "bytes by its own header"),
    ],
)
def test_a_folder_that_is_broken_or_unsafe_is_refused(tmp_path: Path, damage: Damage, message: str) -> None:
    folder = write_model(tmp_path / "m")
    damage(folder)
    assert message in refusal(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (delete("model-00002-of-00003.safetensors"),
         "model-00002-of-00003.safetensors: found a half-downloaded model: no such file"),
        (delete(INDEX), "found a half-downloaded model: shards without their index"),
        (edit(INDEX, b'{"weight_map": {"t": "../secret.safetensors"}}'), "found a shard called '../secret"),
        (edit(INDEX, b'{"weight_map": {}}'), "found no shards"),
        (edit("model-00003-of-00003.safetensors", b"\1"),
         "model-00003-of-00003.safetensors: found a half-downloaded file"),
    ],
)
def test_a_sharded_model_needs_all_its_shards(tmp_path: Path, damage: Damage, message: str) -> None:
    folder = write_model(tmp_path / "m", shards=3)
    assert local(folder).digest
    damage(folder)
    assert message in refusal(folder)


def test_an_adapter_without_its_base_model_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "found an adapter without its base model" in refusal(tmp_path)


def test_trusted_code_is_part_of_the_digest(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    (folder / "config.json").write_text('{"auto_map": {"AutoModel": "modeling_x.X"}}')
    (folder / "modeling_x.py").write_text("a = 1")
    before = local(folder, trust=True).digest
    (folder / "modeling_x.py").write_text("a = 2")
    assert local(folder, trust=True).digest != before


# Digests


def test_a_digest_is_read_once_until_the_file_changes(tmp_path: Path) -> None:
    file, known = tmp_path / "f", tmp_path / "cache" / "digests.json"
    file.write_bytes(b"one")
    os.utime(file, (LONG_AGO_S, LONG_AGO_S))
    assert file_digests([file], known) == {file: digest_bytes(b"one")}
    file.write_bytes(b"two")
    os.utime(file, (LONG_AGO_S, LONG_AGO_S))
    assert file_digests([file], known) == {file: digest_bytes(b"one")}, "same size and time: not read again"
    os.utime(file, (LONG_AGO_S, LONG_AGO_S + 1))
    assert file_digests([file], known) == {file: digest_bytes(b"two")}


def test_the_digest_of_a_file_that_just_changed_is_not_kept(tmp_path: Path) -> None:
    file, known = tmp_path / "f", tmp_path / "digests.json"
    file.write_bytes(b"one")
    file_digests([file], known)
    assert not known.exists(), f"younger than {SETTLED_NS} ns"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"x": 1}', b"\xff"])
def test_a_broken_digest_cache_costs_only_time(tmp_path: Path, content: bytes) -> None:
    file, known = tmp_path / "f", tmp_path / "digests.json"
    file.write_bytes(b"one")
    os.utime(file, (LONG_AGO_S, LONG_AGO_S))
    known.write_bytes(content)
    for _ in range(2):
        assert file_digests([file], known) == {file: digest_bytes(b"one")}


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"one")
    os.utime(file, (LONG_AGO_S, LONG_AGO_S))
    assert file_digests([file], file / "digests.json") == {file: digest_bytes(b"one")}


# Models in the cache


def install(cache: Path) -> Path:
    """The default model's place in the cache, with a small model in it and its manifest."""
    folder = write_model(cache / "models" / DEFAULT_MODEL)
    files = {file.name: FileFacts(bytes=file.stat().st_size, sha256=digest_file(file)) for file in folder.iterdir()}
    model = catalogue()[DEFAULT_MODEL]
    manifest = Manifest(name=model.name, languages=["en"], licence="Apache-2.0", source=model.source, files=files)
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    return folder


def test_a_model_in_the_cache_knows_its_languages_and_licence(cache: Path) -> None:
    assert installed() == []
    folder = install(cache)
    ref = resolve(DEFAULT_MODEL, trust_remote_code=False)
    assert (ref.path, ref.languages, ref.licence) == (folder, ["en"], "Apache-2.0")
    assert [(model.name, model.path, model.problem) for model in installed()] == [(DEFAULT_MODEL, folder, "")]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (delete("tokenizer_config.json"), "tokenizer_config.json: found a half-downloaded or altered file of 0 bytes"),
        (edit("tokenizer.json", b"{ }"), "found a half-downloaded or altered file of 3 bytes; expected 2 bytes"),
        (edit("tokenizer.json", b"[]"), "tokenizer.json: found an altered file (sha256:"),
        (edit("generation_config.json", b"{}"), "generation_config.json: found an altered file"),
        (edit(MANIFEST, b"{"), "found a broken manifest"),
        (edit("model.safetensors", b""), "model.safetensors: found a half-downloaded file of 0 bytes"),
    ],
)
def test_a_damaged_model_of_the_cache_is_refused(cache: Path, damage: Damage, message: str) -> None:
    damage(install(cache))
    with pytest.raises(ModelError) as caught:
        resolve(DEFAULT_MODEL, trust_remote_code=False)
    assert message in str(caught.value)
    assert "Fetch it again: aigc models pull smollm2-135m-instruct" in str(caught.value)


def test_pulling_a_model_that_is_here_and_whole_fetches_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = install(cache)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert pull(DEFAULT_MODEL, report=lambda _: None) == folder


# Languages

ENGLISH = ModelRef(ref=DEFAULT_MODEL, languages=["en"])


@pytest.mark.parametrize(
    ("ref", "languages", "message"),
    [
        (ENGLISH, ["en", "en-GB"], ""),
        (ENGLISH, [], ""),
        (ModelRef(ref="./mine"), ["zh", "tlh"], ""),  # nobody knows what it writes
        (ENGLISH, ["zh", "en"], "model smollm2-135m-instruct: found briefs in zh; expected en. "
                                "Take a model that speaks it: --model Qwen/Qwen3-0.6B"),
        (ENGLISH, ["zh-Hant", "de"],
         "found briefs in de, zh; expected en. Take a model that speaks it: --model Qwen/Qwen"),
        (ENGLISH, ["tlh"], "Give each language a run of its own."),
    ],
)
def test_briefs_in_a_language_the_model_does_not_write_are_refused(
    ref: ModelRef, languages: list[str], message: str
) -> None:
    said = ""
    try:
        check_languages(ref, languages)
    except ModelError as exc:
        said = str(exc)
    assert message in said
    assert bool(said) == bool(message)


def test_a_reference_without_files_has_no_folder() -> None:
    with pytest.raises(ModelError, match="found no files"):
        ModelRef(ref="scripted").folder()
