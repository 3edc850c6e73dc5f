"""Settings, read once: command line > environment `AIGC_*` > aigc.toml > template pack > default.

Every stage is given its own part; none is given the whole.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias, TypeGuard, get_args, get_origin

import msgspec
from msgspec import UNSET, UnsetType

from aigc.errors import SettingsError, nearest, shown, writable
from aigc.records import Sampling, Value
from aigc.urls import url_problem

Scalar: TypeAlias = str | int | float | bool
Table: TypeAlias = dict[str, object]
FilterTables: TypeAlias = dict[str, dict[str, bool | int | float | str | list[str]]]
DEFAULT_MODEL = "smollm2-135m-instruct"
MOST_STOPS, LONGEST_STOP = 16, 200
NOT_SETTINGS = frozenset({"AIGC_CACHE"})
"""Variables that tell where things lie, not what a run does."""
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}


class RunSettings(Value, frozen=True, forbid_unknown_fields=True):
    """What a run is. Paths are relative to the working folder."""

    out: str = "outputs"
    model: str = DEFAULT_MODEL
    templates: str = ""
    variants: int = 1
    seed: int = 0
    max_attempts: int = 3
    strict: bool = False
    describe_form: Literal["auto", "yes", "no"] = "auto"
    """Whether prompts say what the answer's fields are; `auto` spares models too small to follow it."""
    shard_rows: int = 0
    """Rows a Prefect task takes; 0 chooses so that a run has at most 500 tasks."""


class SkipRule(Value, frozen=True, forbid_unknown_fields=True):
    """Rows to leave out: where `column` is blank, or equals a value. Skipped rows are counted, never silent."""

    column: str
    blank: bool = False
    equals: str | None = None


class InputSettings(Value, frozen=True, forbid_unknown_fields=True):
    """How a sheet is read. `columns` maps a field to the heading of the column that holds it."""

    content_type: str = ""
    language: str = ""
    sheet: str = ""
    encoding: str = ""
    delimiter: str = ""
    columns: dict[str, str] = {}
    skip: list[SkipRule] = []
    strip_html: bool = True
    max_cell_chars: int = 100_000


class EngineSettings(Value, frozen=True, forbid_unknown_fields=True):
    """How the model is run. `slots` 0 and `max_context` 0 are chosen from the machine and the model.

    `quantize` is what weights are rounded to as they are loaded; `adapter` the folder of a LoRA merged into them.

    `url` and what follows it are the openai engine's. The key is no setting: `key_variable` names where it is.
    """

    name: Literal["local", "openai", "scripted"] = "local"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    slots: int = 0
    max_context: int = 0
    trust_remote_code: bool = False
    quantize: Literal["", "int8", "int4", "fp8"] = ""
    adapter: str = ""
    url: str = ""
    concurrency: int = 32
    timeout_s: float = 300.0
    max_retries: int = 6
    key_variable: str = "OPENAI_API_KEY"

    @property
    def precision(self) -> str:
        """What the arithmetic is done in, as far as settings decide it: `bfloat16`, or `bfloat16+int8`."""
        return f"{self.dtype}+{self.quantize}" if self.quantize else self.dtype


class SamplingPatch(Value, frozen=True, forbid_unknown_fields=True):
    """The sampling values that a layer sets; the others come from the layer below."""

    temperature: float | UnsetType = UNSET
    top_p: float | UnsetType = UNSET
    top_k: int | UnsetType = UNSET
    min_p: float | UnsetType = UNSET
    repetition_penalty: float | UnsetType = UNSET
    max_new_tokens: int | UnsetType = UNSET
    min_new_tokens: int | UnsetType = UNSET
    stop: list[str] | UnsetType = UNSET

    def over(self, sampling: Sampling) -> Sampling:
        """`sampling` with the values that this layer sets."""
        given = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not UNSET}
        return msgspec.structs.replace(sampling, **given)


class TypeSettings(Value, frozen=True, forbid_unknown_fields=True):
    """What aigc.toml changes for one content type."""

    sampling: SamplingPatch = SamplingPatch()
    filters: FilterTables = {}


class Settings(Value, frozen=True, forbid_unknown_fields=True):
    run: RunSettings = RunSettings()
    input: InputSettings = InputSettings()
    engine: EngineSettings = EngineSettings()
    sampling: SamplingPatch = SamplingPatch()
    filters: FilterTables = {}
    types: dict[str, TypeSettings] = {}

    def sampling_for(self, content_type: str, pack: Sampling) -> Sampling:
        """Sampling of one type: its own table over the common one over the pack's."""
        own = self.types.get(content_type, TypeSettings()).sampling
        return own.over(self.sampling.over(pack))

    def filters_for(self, content_type: str, pack: FilterTables) -> FilterTables:
        """Filter tables of one type, merged key by key in the same order."""
        merged: FilterTables = {}
        for layer in (pack, self.filters, self.types.get(content_type, TypeSettings()).filters):
            for name, table in layer.items():
                merged[name] = {**merged.get(name, {}), **table}
        return merged


def load_settings(
    config: Path | None, overrides: Mapping[str, Table], environ: Mapping[str, str] = os.environ
) -> Settings:
    """Settings from all layers. `overrides` are tables given on the command line, e.g. `{"run": {"seed": 7}}`.

    Raises:
        SettingsError: an unknown key (with the nearest known one), a value of the wrong type, or a broken file.
    """
    table, place = _read_toml(config)
    _convert(table, place)
    environment = _from_environment(environ)
    layers: list[Table] = [table, environment, {name: dict(part) for name, part in overrides.items()}]
    return _convert(_merge(layers), f"{place} with the environment and the command line" if config else "settings")


def check_table(table: Mapping[str, object], shape: type[msgspec.Struct], place: str, prefix: str = "") -> None:
    """Raise SettingsError, with its key, for the first value of `table` that is not as `shape` has it."""
    known = {field.name: field for field in msgspec.structs.fields(shape)}
    for key, value in table.items():
        if key not in known:
            raise SettingsError(
                f"{place}, key {prefix}{key}",
                "an unknown key",
                "one of " + ", ".join(sorted(known)),
                f"Remove it or correct its name.{nearest(key, list(known))}",
            )
        _check_value(value, known[key].type, place, f"{prefix}{key}")
    if absent := [name for name, field in known.items() if field.required and name not in table]:
        raise SettingsError(f"{place}, key {prefix}{absent[0]}", "nothing", "a value", "Add it.")


def _check_value(value: object, kind: object, place: str, key: str) -> None:
    inner = get_args(kind)[1] if get_origin(kind) is dict else None
    if _is_table(kind) and isinstance(value, dict):
        check_table(value, kind, place, f"{key}.")
    elif _is_table(inner) and isinstance(value, dict):
        for name, part in value.items():
            _check_value(part, inner, place, f"{key}.{name}")
    else:
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as exc:
            where = str(exc).partition(" - at ")[2].strip("`").removeprefix("$").replace("[...]", "")
            found = shown(value) if isinstance(value, str) else shown(msgspec.json.encode(value).decode())
            raise SettingsError(f"{place}, key {key}{where}", found, _wanted(exc, kind), "Correct the value.") from exc
        if isinstance(value, str) and writable(value) != value:  # run.json could not hold it
            raise SettingsError(f"{place}, key {key}", shown(value), "a text in UTF-8", "Rename what it names.")


def _is_table(kind: object) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _wanted(exc: msgspec.ValidationError, kind: object) -> str:
    """What a value should be, in words: `a whole number` of msgspec's "Expected `int`, got `str`"."""
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(word or '""' for word in get_args(kind))
    what = str(exc).partition(" - at ")[0]
    if not what.startswith("Expected "):
        return f"another value ({what})"
    for name, words in _WORDS.items():
        what = what.replace(f"`{name}`", words)
    return what.removeprefix("Expected ").partition(", got ")[0].replace(" | ", " or ").replace("`", "")


def _read_toml(config: Path | None) -> tuple[Table, str]:
    if config is None:
        return {}, "settings"
    try:
        return tomllib.loads(config.read_text("utf-8")), str(config)
    except OSError as exc:
        found, remedy = f"no readable file ({exc.strerror})", "Give another path with --config, or leave it out."
        raise SettingsError(str(config), found, "a TOML file", remedy) from exc
    except UnicodeDecodeError as exc:
        found = f"bytes that are not UTF-8 at offset {exc.start}"
        raise SettingsError(str(config), found, "a UTF-8 text file", "Save it as UTF-8.") from exc
    except tomllib.TOMLDecodeError as exc:
        raise SettingsError(str(config), f"broken TOML: {exc}", "valid TOML", "Correct the line named.") from exc


def _convert(table: Table, place: str) -> Settings:
    check_table(table, Settings, place)
    settings = msgspec.convert(table, Settings)
    _check_ranges(settings, place)
    return settings


def _check_ranges(settings: Settings, place: str) -> None:
    for key, number, lowest in (
        ("run.variants", settings.run.variants, 1),
        ("run.max_attempts", settings.run.max_attempts, 1),
        ("run.seed", settings.run.seed, 0),
        ("run.shard_rows", settings.run.shard_rows, 0),
        ("engine.slots", settings.engine.slots, 0),
        ("engine.max_context", settings.engine.max_context, 0),
        ("engine.concurrency", settings.engine.concurrency, 1),
        ("engine.max_retries", settings.engine.max_retries, 0),
        ("input.max_cell_chars", settings.input.max_cell_chars, 1),
    ):
        if number < lowest:
            raise SettingsError(f"{place}, key {key}", shown(number), f"a whole number from {lowest}", "Correct it.")
    if settings.run.seed > (1 << 53) - 1:
        found, key = shown(settings.run.seed), f"{place}, key run.seed"
        raise SettingsError(key, found, "at most 2^53 - 1", "Take a smaller seed.")
    _check_server(settings.engine, place)
    check_sampling(settings.sampling.over(Sampling()), f"{place}, table sampling")
    for name, part in settings.types.items():
        check_sampling(part.sampling.over(Sampling()), f"{place}, table types.{name}.sampling")


def _check_server(engine: EngineSettings, place: str) -> None:
    """Refuse what would keep a secret in run.json. The values are not shown: they may be one."""
    if problem := url_problem(engine.url) if engine.url else "":
        expected, remedy = "http://HOST/v1 or https://HOST/v1", "A key goes into the environment."
        raise SettingsError(f"{place}, key engine.url", problem, expected, remedy)
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", engine.key_variable):
        remedy = "Put the key into a variable, and that variable's name here."
        raise SettingsError(f"{place}, key engine.key_variable", "no such name", "an environment variable's", remedy)
    if not 0.0 < engine.timeout_s <= 86_400.0:
        found, expected = shown(engine.timeout_s), "seconds above 0, at most a day"
        raise SettingsError(f"{place}, key engine.timeout_s", found, expected, "Correct it.")


def check_sampling(sampling: Sampling, place: str) -> None:
    """Raise SettingsError for a sampling value outside its range."""
    for key, number, low, high in (
        ("temperature", sampling.temperature, 0.0, 5.0),
        ("top_p", sampling.top_p, 1e-6, 1.0),
        ("top_k", sampling.top_k, 0, 1_000_000),
        ("min_p", sampling.min_p, 0.0, 1.0),
        ("repetition_penalty", sampling.repetition_penalty, 0.1, 10.0),
        ("max_new_tokens", sampling.max_new_tokens, 1, 1_000_000),
        ("min_new_tokens", sampling.min_new_tokens, 0, 1_000_000),
    ):
        if not low <= number <= high:
            expected = f"a number from {low:g} to {high:g}"
            raise SettingsError(f"{place}, key {key}", shown(number), expected, "Correct it.")
    if len(sampling.stop) > MOST_STOPS:
        raise SettingsError(
            f"{place}, key stop", f"{len(sampling.stop)} texts", f"at most {MOST_STOPS}", "Remove some of them."
        )
    for text in sampling.stop:
        if not 0 < len(text) <= LONGEST_STOP:
            found = f"a text of {len(text)} characters, {shown(text, 20)}" if text else "an empty text"
            raise SettingsError(
                f"{place}, key stop", found, f"texts of 1 to {LONGEST_STOP} characters", "Correct it or remove it."
            )


def _from_environment(environ: Mapping[str, str]) -> Table:
    """`AIGC_MODEL=x` and `AIGC_RUN_MODEL=x` set run.model; `AIGC_ENGINE_SLOTS=8` sets engine.slots."""
    names: dict[str, tuple[str, str, object]] = {}
    for section, shape in (
        ("engine", EngineSettings),
        ("input", InputSettings),
        ("sampling", SamplingPatch),
        ("run", RunSettings),
    ):
        for field in msgspec.structs.fields(shape):
            names[f"AIGC_{section}_{field.name}".upper()] = (section, field.name, field.type)
            if shape is RunSettings:
                names[f"AIGC_{field.name}".upper()] = (section, field.name, field.type)
    table: dict[str, dict[str, object]] = {}
    for variable, text in environ.items():
        if not variable.startswith("AIGC_") or variable in NOT_SETTINGS:
            continue
        if variable not in names:
            raise SettingsError(
                f"environment variable {variable}",
                "an unknown setting",
                "an AIGC_ variable of the settings",
                f"Unset it or correct its name.{nearest(variable, list(names))}",
            )
        section, key, kind = names[variable]
        table.setdefault(section, {})[key] = _from_text(variable, text, kind)
    return dict(table)


def _from_text(variable: str, text: str, kind: object) -> object:
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as exc:
        raise SettingsError(
            f"environment variable {variable}",
            shown(text),
            _wanted(exc, kind),
            "Correct the value.",
        ) from exc


def _merge(layers: list[Table]) -> Table:
    """Tables merged key by key, later layers over earlier ones."""
    merged: Table = {}
    for layer in layers:
        for key, value in layer.items():
            below = merged.get(key)
            merged[key] = _merge([below, value]) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
