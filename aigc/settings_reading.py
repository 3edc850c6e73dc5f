"""How tables of settings are read, whatever the settings are: TOML, environment, layers, types and unknown keys."""

from __future__ import annotations

import tomllib
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Literal, TypeAlias, TypeGuard, get_args, get_origin

import msgspec

from aigc.errors import SettingsError, nearest, shown, writable

Table: TypeAlias = dict[str, object]
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}


def read_toml(config: Path | None) -> tuple[Table, str]:
    """The tables of a file and how messages name it; none without a file.

    Raises:
        SettingsError: it cannot be read, or is no TOML.
    """
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


def read_environment(
    environ: Mapping[str, str], shapes: Mapping[str, type[msgspec.Struct]], others: Container[str]
) -> Table:
    """Tables of the `AIGC_` variables but `others`. `AIGC_MODEL` and `AIGC_RUN_MODEL` both set run.model.

    Raises:
        SettingsError: a variable that names no setting, or whose text cannot be its value.
    """
    names = _variables(shapes)
    table: dict[str, dict[str, object]] = {}
    for variable, text in environ.items():
        if not variable.startswith("AIGC_") or variable in others:
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


def _variables(shapes: Mapping[str, type[msgspec.Struct]]) -> dict[str, tuple[str, str, object]]:
    """Table, key and type that each variable sets."""
    names: dict[str, tuple[str, str, object]] = {}
    for section, shape in shapes.items():
        for field in msgspec.structs.fields(shape):
            names[f"AIGC_{section}_{field.name}".upper()] = (section, field.name, field.type)
            if section == "run":
                names[f"AIGC_{field.name}".upper()] = (section, field.name, field.type)
    return names


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


def merged(layers: list[Table]) -> Table:
    """Tables merged key by key, later layers over earlier ones."""
    table: Table = {}
    for layer in layers:
        for key, value in layer.items():
            below = table.get(key)
            table[key] = merged([below, value]) if isinstance(below, dict) and isinstance(value, dict) else value
    return table
