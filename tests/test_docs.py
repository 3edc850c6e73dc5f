"""The documents say what the program does: every key, option and filter is told, and every command in them parses."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer.main

from aigc.arrow import record_schema
from aigc.cli import app
from aigc.content import Disclosure, FieldSpec, Length, Output, OutputField, OutputPart
from aigc.filters import FILTERS
from aigc.packs import PackFile
from aigc.provenance import RunFile
from aigc.settings import (
    DatasetSettings,
    EngineSettings,
    InputSettings,
    JudgeSettings,
    LabelSettings,
    LineageSettings,
    MonitoringSettings,
    PolicySettings,
    ReviewSettings,
    RunSettings,
    SafetySettings,
    SamplingPatch,
    Settings,
    SigningSettings,
    SkipRule,
    TypePolicy,
    TypeSettings,
    WatermarkSettings,
)
from aigc.sheets.columns import BUILT_IN

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
ALL_TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
COMMAND: Any = typer.main.get_command(app)


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def told(names: Any, text: str) -> list[str]:
    """Those of `names` that `text` does not have as code."""
    codes = set(re.findall(r"[\w./-]+", " ".join(re.findall(r"`([^`\n]+)`", _FENCE.sub("", text)))))
    return [name for name in names if name not in codes]


def keys(shape: type[msgspec.Struct]) -> list[str]:
    return [field.name for field in msgspec.structs.fields(shape)]


@pytest.mark.parametrize(("name", "shapes"), [
    ("settings.md", [RunSettings, InputSettings, SkipRule, EngineSettings, SamplingPatch, SafetySettings, JudgeSettings,
                     PolicySettings, TypePolicy, LineageSettings, DatasetSettings, WatermarkSettings,
                     SigningSettings, LabelSettings, ReviewSettings, MonitoringSettings]),
    ("templates.md", [FieldSpec, Output, OutputField, OutputPart, Length, Disclosure]),
    ("results.md", [RunFile]),
])
def test_every_key_is_told(name: str, shapes: list[type[msgspec.Struct]]) -> None:
    assert [key for shape in shapes for key in told(keys(shape), page(name))] == []


@pytest.mark.parametrize(("name", "shape"), [
    ("settings.md", Settings), ("settings.md", TypeSettings), ("templates.md", PackFile),
])
def test_every_table_is_told(name: str, shape: type[msgspec.Struct]) -> None:
    assert [key for key in keys(shape) if not re.search(rf"`[^`]*\b{key}\b[^`]*`", page(name))] == []


@pytest.mark.parametrize(("table", "shape"), [
    ("run", RunSettings), ("input", InputSettings), ("engine", EngineSettings), ("safety", SafetySettings),
    ("judge", JudgeSettings), ("policy", PolicySettings), ("lineage", LineageSettings), ("dataset", DatasetSettings),
    ("watermark", WatermarkSettings), ("signing", SigningSettings), ("labels", LabelSettings),
    ("review", ReviewSettings), ("monitoring", MonitoringSettings),
])
def test_the_defaults_told_are_those_of_the_program(table: str, shape: type[msgspec.Struct]) -> None:
    section = page("settings.md").partition(f"\n## `[{table}]`\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", section, re.M))
    plain = msgspec.to_builtins(shape())
    assert {key: tomllib.loads(f"x = {rows[key]}")["x"] for key in plain} == plain


def test_every_filter_is_told() -> None:
    assert told(FILTERS, page("filters.md")) == []


def test_every_column_of_the_parquet_file_is_told() -> None:
    assert told(record_schema().names, page("results.md")) == []


def test_every_built_in_column_of_a_sheet_is_told() -> None:
    assert told(BUILT_IN, page("briefs.md")) == []


def test_every_dependency_is_told() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = [re.split(r"[<>=!~\[ ]", need)[0] for need in needed]
    assert told(names, page("dependencies.md")) == []


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


def test_every_option_is_told() -> None:
    options = {option for _, command in commands(COMMAND) for parameter in command.params
               for option in [*parameter.opts, *parameter.secondary_opts] if option.startswith("--")}
    assert sorted(told(options, ALL_TEXT)) == []


def test_the_commands_that_have_an_option_are_told_beside_it() -> None:
    section = page("settings.md").partition("\n## Options that are no settings\n")[2]
    having: dict[str, set[str]] = {}
    for path, command in commands(COMMAND):
        for option in (option for parameter in command.params for option in parameter.opts + parameter.secondary_opts):
            having.setdefault(option, set()).add(path[0] if path else "aigc")
    every = {path[0] for path, _ in commands(COMMAND) if path}
    for cell, of in re.findall(r"^\| (`-.+?`) \| ([^|]+) \|", section, re.M):
        told_of = every - set(of[8:].split(", ")) if of.startswith("all but ") else set(of.split(", "))
        for option in re.findall(r"--[a-z-]+", cell):
            assert option == "--help" or told_of == having[option], option


def shell_lines() -> Iterator[tuple[str, str]]:
    for source in PAGES:
        for kind, body in _FENCE.findall(source.read_text("utf-8")):
            if kind in ("sh", "bash", "shell", "console"):
                for line in body.replace("\\\n", " ").splitlines():
                    if kind != "console" or line.startswith("$ "):  # the rest of such a block is what came of it
                        yield source.relative_to(ROOT).as_posix(), line.removeprefix("$ ")


def aigc_commands() -> list[tuple[str, list[str]]]:
    """`(page, arguments)` of every aigc command in a shell block, without variables set before it."""
    found = []
    for source, line in shell_lines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        if words and Path(words[0]).name == "aigc":
            found.append((source, words[1:]))
    return found


@pytest.mark.parametrize(("source", "arguments"), aigc_commands(), ids=lambda value: str(value)[:60])
def test_every_command_shown_parses(source: str, arguments: list[str]) -> None:
    command, context = COMMAND, None
    rest = list(arguments)
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    try:
        context = command.make_context("aigc", rest)
    except Exception as exc:  # noqa: BLE001 - typer may carry click inside itself, under other names
        pytest.fail(f"{source}: aigc {' '.join(arguments)}: {exc}")
    context.close()


def test_options_named_in_running_text_exist() -> None:
    wrong = []
    for source in PAGES:
        for words in re.findall(r"`aigc ([^`\n]+)`", _FENCE.sub("", source.read_text("utf-8"))):
            command, rest = COMMAND, shlex.split(words)
            while rest and rest[0] in getattr(command, "commands", {}):
                command = command.commands[rest.pop(0)]
            known = {"--help"} | {option for parameter in command.params
                                  for option in [*parameter.opts, *parameter.secondary_opts]}
            wrong += [f"{source.name}: aigc {words}" for word in rest if word.startswith("-") and word not in known]
    assert wrong == []


def anchors(path: Path) -> set[str]:
    """Anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", path.read_text("utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).strip().replace(" ", "-")
            for heading in headings}


@pytest.mark.parametrize("source", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(source: Path) -> None:
    dead = []
    for link in _LINK.findall(_FENCE.sub("", source.read_text("utf-8"))):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (source.parent / name).resolve() if name else source
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_every_page_is_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [path.name for path in PAGES[2:] if f"docs/{path.name}" not in readme] == []


def test_toml_and_json_shown_is_valid() -> None:
    readers: dict[str, Callable[[str], object]] = {"toml": tomllib.loads, "json": json.loads}
    shown, wrong = set[str](), list[str]()
    for source in PAGES:
        for kind, body in _FENCE.findall(source.read_text("utf-8")):
            if read := readers.get(kind):
                shown.add(kind)
                try:
                    read(body)
                except ValueError as exc:
                    wrong.append(f"{source.name}: {exc}: {body[:60]}")
    assert wrong == []
    assert shown == {*readers}
