"""The whole loop by its commands, with a tiny model and an editor who decides by turns: the chain, not the style.

`benchmarks/editors_loop.py` goes round with the default model.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from engine import tiny
from tuning_commands import Call

pytest.importorskip("trl", reason="needs trl: pip install 'aigc[finetune]'")
pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'aigc[finetune]'")
_SPEC = importlib.util.spec_from_file_location("editors_loop", Path(__file__).parents[2] / "benchmarks/editors_loop.py")
assert _SPEC
assert _SPEC.loader
loop = importlib.util.module_from_spec(_SPEC)
sys.modules["editors_loop"] = loop
_SPEC.loader.exec_module(loop)


def by_turns(row: dict[str, str], run: str) -> dict[str, Any]:
    """Every third text is refused, every third edited, the rest approved; what was made again is edited."""
    thing, is_second = row["id"].partition("-")[2], bool(row["other attempts"])
    turn = loop.THINGS.index(thing) % 3
    if turn == 0 and not is_second:
        return {**loop.of_row(row, run), "action": "reject", "reason": "off_brief", "note": f"Say {thing}."}
    if turn == 1 or is_second:
        return {**loop.of_row(row, run), "action": "edit", "reason": "tone_wrong", "text": f"A {thing}. {loop.SLOGAN}"}
    return {**loop.of_row(row, run), "action": "approve"}


def test_the_loop_goes_round_by_its_commands(aigc: Call, tmp_path: Path) -> None:
    def said(*arguments: str) -> str:
        """A command may end with 3, which tells of texts and models that are not good enough."""
        shown = aigc(*arguments)
        assert shown.code in (0, 3), f"{arguments}: {shown.err}"
        return shown.out

    tiny.saved_plain(tmp_path / "model")
    result = loop.go_round(tmp_path, "model", 18, 6, said, by_turns,
                           ("--epochs", "1", "--eval-texts", "2", "--max-tokens", "400"))
    first, again = result.first_night, result.after_redo
    assert all(first[verb] > 1 for verb in ("approve", "edit", "reject")), "a random model gives most texts"
    assert [*again] == ["edit"], "only what was made again is open"
    assert 0 < again["edit"] <= first["reject"]
    assert result.examples == first["approve"] + first["edit"] + again["edit"], "what was approved before is in it"
    assert result.pairs == first["edit"] + 2 * again["edit"], "over its original, and over what was refused before it"
    assert set(result.shifts) >= {"loss", "preferred"}
    assert result.call in ("better", "worse", "not_shown")
    assert result.exported == result.second_night["edit"] + result.second_night["approve"]
    assert result.calibration.partition("\n")[0].endswith(" texts that editors decided on, of 3 runs.")
    tuning = json.loads((tmp_path / "tuned/house/tuning.json").read_text())
    [after] = [facts for path in (tmp_path / "outputs").glob("*/run.json")
               if (facts := json.loads(path.read_text()))["model"].get("adapter")]
    assert after["model"]["adapter"]["digest"] == tuning["digest"], "from a text to the tuning that it came of"
