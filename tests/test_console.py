"""What a run shows of its texts: one of them to whoever looks on, and nothing to a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace
from test_report import RUN

from aigc.console import EXCERPT_LINES, show_one
from aigc.settings import EngineSettings, Settings

Row = dict[str, object]
FLAGGED: Row = {"id": "b1", "text": "Made up 99 times.", "flags": ["unsupported_number"]}
GOOD: Row = {"id": "b2", "text": "# The Night Coach\n\nLeaves at 23:15.\n", "flags": []}
LONG: Row = {"id": "b3", "text": "word " * 400}
CHINESE: Row = {"id": "b4", "text": "夜班车" * 100}
HOSTILE: Row = {"id": "b5\x1b[2J", "text": "bread\x1b]0;x\x07"}


def shown(
    folder: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    *, is_terminal: bool = True, engine: str = "local",
) -> list[str]:
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (folder / "accepted.jsonl").write_text("".join(lines), "utf-8")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    settings = Settings(engine=EngineSettings(name=engine))  # type: ignore[arg-type]
    show_one(folder, replace(RUN, settings=settings))
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(("rows", "told"), [
    ([FLAGGED, GOOD], ["One of them, b2:", "  # The Night Coach", "  Leaves at 23:15."]),
    ([FLAGGED], ["One of them, b1:", "  Made up 99 times."]),
    ([HOSTILE], ["One of them, b5\\x1b[2J:", "  bread\\x1b]0;x\\x07"]),
    ([], []),
], ids=["the first without flags", "flagged", "control characters", "none"])
def test_one_text_is_shown_at_a_terminal(
    rows: list[Row], told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown(tmp_path, rows, monkeypatch, capsys) == told


def test_a_long_text_is_cut_and_no_line_is_wider_than_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for row, columns_a_character in ((LONG, 1), (CHINESE, 2)):
        lines = shown(tmp_path, [row], monkeypatch, capsys)
        assert len(lines) == 2 + EXCERPT_LINES
        assert lines[-1] == "  …"
        assert max(len(line) - 2 for line in lines[1:]) * columns_a_character <= 58


@pytest.mark.parametrize(("is_terminal", "engine"), [(False, "local"), (True, "scripted")])
def test_a_file_and_a_rehearsal_are_shown_none(
    is_terminal: bool, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown(tmp_path, [GOOD], monkeypatch, capsys, is_terminal=is_terminal, engine=engine) == []
