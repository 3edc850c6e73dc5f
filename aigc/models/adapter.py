"""An adapter (LoRA) beside a model: whether its folder is whole and safe, fits the model by name, and its digest."""

from __future__ import annotations

from pathlib import Path

import msgspec

from aigc.errors import ModelError, shown
from aigc.models.entries import cache_folder, catalogue
from aigc.models.hub import HUB_ID
from aigc.models.weights import (
    TOKENIZERS,
    ModelFolder,
    check_safetensors,
    file_digests,
    has_chat_template,
    model_digest,
)
from aigc.records import Value

CONFIG, WEIGHTS, PICKLE = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
BESIDE = (
    "chat_template.jinja", "chat_template.json", *TOKENIZERS, "merges.txt", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json",
)
"""Files of a tokenizer, which are used in place of the model's where the adapter brings them."""
UNMERGEABLE = {
    "megatron_config": "layers of Megatron",
    "alora_invocation_tokens": "an activated LoRA, which acts on a part of the tokens",
    "layer_replication": "layers that are repeated",
}
"""Keys whose adapters are no sum with the weights, or name a module to import, and what they mean."""


class AdapterRef(Value, frozen=True):
    """An adapter that is here and whole. `base_digest` is the digest of the model without it."""

    path: Path
    digest: str
    base_digest: str
    chat_template: bool = False


class _Config(msgspec.Struct):
    """What matters here of adapter_config.json."""

    peft_type: str = ""
    base_model_name_or_path: str | None = None
    megatron_config: object = None
    alora_invocation_tokens: object = None
    layer_replication: object = None
    auto_map: object = None


def find_adapter(given: str, model: str, base_digest: str) -> AdapterRef:
    """The adapter in the folder `given`, for the model that `model` names.

    Raises:
        ModelError: no such folder, a file is missing or cut off, the weights are a pickle, it is no LoRA that can be
            merged, or it was trained for another model.
    """
    path = Path(given).expanduser()
    folder = ModelFolder(place=f"adapter {shown(given, 120)[1:-1]}", path=path,
                         remedy="Copy the folder again from where it came from.")
    if not path.is_dir():
        raise folder.problem("", "no such folder", f"a folder with {CONFIG} and {WEIGHTS}",
                             "Correct the path. An adapter of a hub is fetched first: hf download NAME --local-dir DIR")
    config = _read_config(folder)
    _check_kind(folder, config)
    _check_base(folder, config.base_model_name_or_path or "", model)
    if not (path / WEIGHTS).is_file():
        raise _no_weights(folder)
    check_safetensors(folder, path / WEIGHTS)
    files = [path / CONFIG, path / WEIGHTS, *(path / name for name in BESIDE if (path / name).is_file())]
    digests = file_digests(files, cache_folder() / "digests.json")
    return AdapterRef(path=path, digest=model_digest(digests, path), base_digest=base_digest,
                      chat_template=has_chat_template(folder))


def _read_config(folder: ModelFolder) -> _Config:
    try:
        return msgspec.json.decode((folder.path / CONFIG).read_bytes(), type=_Config)
    except FileNotFoundError as exc:
        raise folder.problem("", f"no {CONFIG}", "a folder as `save_pretrained` of peft writes it") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise folder.problem(CONFIG, "broken or half-downloaded JSON", "valid JSON") from exc


def _check_kind(folder: ModelFolder, config: _Config) -> None:
    if config.peft_type != "LORA":
        raise folder.problem(CONFIG, f"peft_type {shown(config.peft_type)}", "LORA, the kind that is merged",
                             "Merge it yourself (`merge_and_unload` of peft), and name the saved folder as --model.")
    for key, meaning in UNMERGEABLE.items():
        if getattr(config, key):
            raise folder.problem(CONFIG, f"{meaning} ({key})", "a LoRA that can be merged into the weights",
                                 "Take another adapter.")


def _check_base(folder: ModelFolder, base: str, model: str) -> None:
    """Two names of a hub say for sure that the models differ; of a folder the shapes of its weights decide later."""
    known = model in catalogue() or (HUB_ID.fullmatch(model) and not Path(model).is_dir())
    if not known or not HUB_ID.fullmatch(base) or _name(base) == _name(model):
        return
    raise folder.problem(
        CONFIG, f"an adapter for {base}", f"one for {model}",
        f"Run it with --model {base}. If that is the same model under another name, write the name that you use as "
        f"base_model_name_or_path in {CONFIG}.",
    )


def _name(model: str) -> str:
    """`smollm2-135m-instruct` of HuggingFaceTB/SmolLM2-135M-Instruct@main: mirrors keep a model's own name."""
    return model.partition("@")[0].rpartition("/")[2].casefold()


def _no_weights(folder: ModelFolder) -> ModelError:
    if (folder.path / PICKLE).is_file():
        return folder.problem(PICKLE, "weights as a pickle, which runs code when it is loaded", WEIGHTS,
                              "Load it where that is safe and save it again with `save_pretrained`.")
    return folder.problem("", "no weights", WEIGHTS)
