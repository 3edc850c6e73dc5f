"""Which kind of classifier a model folder holds, told by its own files."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar, get_args

import msgspec

from aigc.errors import ModelError, SettingsError, nearest, shown
from aigc.safety.formats import GraniteGuardian, GuardFormat, LlamaGuard, Qwen3Guard, ShieldGemma, llama_guard_codes
from aigc.safety.taxonomy import HARMS, HarmAction
from aigc.settings import SafetySettings

HEAD = "classifier"
"""A model with a classification head, whose labels are in its config."""
KINDS = ("qwen3guard", "llama_guard", "shieldgemma", "granite_guardian", HEAD)
_MARKS = (
    ("Safety: Controversial", "qwen3guard"),
    ("guardian_config", "granite_guardian"),
    ("policy expert", "shieldgemma"),
    ("BEGIN UNSAFE CONTENT CATEGORIES", "llama_guard"),  # last: Qwen3Guard's policy has that heading too
)
"""What stands in a kind's chat template and in no other's."""


class _Config(msgspec.Struct):
    architectures: list[str] | None = None
    id2label: dict[str, str] = {}


class _Tokenizer(msgspec.Struct):
    chat_template: str | list[dict[str, str]] | None = None


_File = TypeVar("_File", _Config, _Tokenizer)


def check_settings(settings: SafetySettings) -> None:
    """Raise SettingsError for a kind or a category that does not exist, with the nearest that does."""
    if settings.kind not in ("auto", *KINDS):
        expected = "one of " + ", ".join(("auto", *KINDS))
        raise SettingsError(
            "key safety.kind", shown(settings.kind), expected, f"Correct it.{nearest(settings.kind, [*KINDS])}"
        )
    for name in settings.actions:
        if name not in HARMS:
            expected, remedy = "one of " + ", ".join(HARMS), f"Correct its name.{nearest(name, [*HARMS])}"
            raise SettingsError(f"key safety.actions.{name}", "an unknown category", expected, remedy)


def kind_of(folder: Path, given: str) -> str:
    """`given`, or what the folder's files say where that is "auto".

    Raises:
        ModelError: they say nothing that is known here.
    """
    if given != "auto":
        return given
    config = _config(folder)
    if any(name.endswith("ForSequenceClassification") for name in config.architectures or []):
        return HEAD
    template = template_of(folder)
    for mark, kind in _MARKS:
        if mark in template:
            return kind
    name = folder.name.lower().replace("-", "").replace("_", "")
    if kind := next((kind for kind in KINDS[:-1] if kind.replace("_", "") in name), ""):
        return kind
    raise ModelError(
        str(folder), "no classifier that is known by its files", "one of " + ", ".join(KINDS),
        "Take another model for [safety], or say which of these it is in safety.kind.",
    )


def labels_of(folder: Path) -> list[str]:
    """The labels of a classification head; none where the config names none."""
    return list(_config(folder).id2label.values())


def format_of(kind: str, folder: Path, threshold: float) -> GuardFormat:
    """How a causal guard of this kind is asked and read."""
    template = template_of(folder)
    match kind:
        case "qwen3guard":
            return Qwen3Guard(threshold)
        case "llama_guard":
            return LlamaGuard(threshold, llama_guard_codes(template))
        case "shieldgemma":
            return ShieldGemma(threshold)
        case "granite_guardian":
            return GraniteGuardian(threshold, judges="criteria_id" in template)
        case _:
            raise ValueError(f"no guard of kind {kind}")


def template_of(folder: Path) -> str:
    """The chat template, or all of them where there are several; empty where there is none."""
    if (path := folder / "chat_template.jinja").is_file():
        try:
            return path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise _broken(folder, path.name) from exc
    template = _read(folder, "tokenizer_config.json", _Tokenizer).chat_template
    return template if isinstance(template, str) else "\n".join(each.get("template", "") for each in template or [])


def action_of(category: str, settings: SafetySettings) -> HarmAction:
    return settings.actions.get(category, HARMS[category].action)


STRICTNESS: tuple[HarmAction, ...] = get_args(HarmAction)
"""Actions, the weakest first."""


def _config(folder: Path) -> _Config:
    return _read(folder, "config.json", _Config)


def _read(folder: Path, name: str, kind: type[_File]) -> _File:
    try:
        return msgspec.json.decode((folder / name).read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise _broken(folder, name) from exc


def _broken(folder: Path, name: str) -> ModelError:
    return ModelError(str(folder / name), "a file that cannot be read", "a model's own", "Fetch the model again.")
