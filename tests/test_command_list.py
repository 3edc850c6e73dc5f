"""`aigc --help`: every command in a section, those of the first hour first, and nothing cut off."""

from __future__ import annotations

from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from aigc.cli import app
from aigc.commands import SECTIONS

COMMAND: Any = typer.main.get_command(app)
GROUPS = [name for name, command in COMMAND.commands.items() if getattr(command, "commands", {})]


def shown(*arguments: str, columns: int = 80) -> str:
    done = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": str(columns)}, terminal_width=columns)
    assert done.exit_code == 0
    return done.output


def test_every_command_has_its_place_and_none_is_told_of_that_is_not_there() -> None:
    placed = [name for described in SECTIONS.values() for name in described]
    assert sorted(placed) == sorted(COMMAND.commands)


def test_what_a_newcomer_needs_comes_first() -> None:
    lines = shown().splitlines()
    at = lines.index("Make texts:")
    assert [line.split()[0] for line in lines[at + 1:at + 4]] == ["run", "check", "init"]


@pytest.mark.parametrize("described", SECTIONS.values(), ids=SECTIONS.keys())
def test_each_is_told_on_one_line_of_80_columns(described: dict[str, str]) -> None:
    lines = shown().splitlines()
    rows = {line.split(maxsplit=1)[0]: line for line in lines if line.startswith("  ")}
    assert [name for name, what in described.items() if not rows[name].endswith(f"  {what}")] == []
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("columns", [40, 60, 80])
@pytest.mark.parametrize("group", ["", *GROUPS])
def test_no_description_is_cut_off(group: str, columns: int) -> None:
    told = shown(*([group] if group else []), columns=columns)
    assert "..." not in told.replace("[ARGS]...", "")
