"""How much of a machine the engine takes, and what it tells of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig

from aigc.engine.pages import PAGE
from aigc.engine.sizing import Sizes
from aigc.settings import EngineSettings

from . import tiny

LONGROPE = {
    "rope_parameters": {
        "rope_type": "longrope",
        "rope_theta": 10_000.0,
        "short_factor": [1.0] * 8,
        "long_factor": [4.0] * 8,
    },
    "original_max_position_embeddings": 128,
    "sliding_window": None,
}


def sizes(folder: Path, kind: str = "Llama", *, max_context: int = 0, slots: int = 64, **changes: Any) -> Sizes:
    tiny.model(kind, **changes).config.save_pretrained(folder)
    settings = EngineSettings(device="cpu", dtype="float32", slots=slots, max_context=max_context)
    return Sizes(settings, AutoConfig.from_pretrained(folder), 0, torch.device("cpu"))


@pytest.mark.parametrize(("max_context", "context", "told"), [
    (0, 128, "of up to 128 tokens (beyond, LongRoPE lets rows change each other; engine.max_context sets more): of"),
    (64, 64, "of up to 64 tokens: of"),
    (256, 256, "of up to 256 tokens: of"),
    (4096, 512, "of up to 512 tokens: of"),
])
def test_a_context_that_nobody_set_ends_where_longrope_mixes_rows(
    tmp_path: Path, max_context: int, context: int, told: str
) -> None:
    found = sizes(tmp_path, "Phi3", max_context=max_context, **LONGROPE)
    assert found.context == context
    assert told in found.told("cpu")


def test_other_models_have_the_context_that_they_state(tmp_path: Path) -> None:
    found = sizes(tmp_path)
    assert found.context == 512
    assert "64 slots on cpu, of up to 512 tokens: of" in found.told("cpu")


def test_fewer_slots_take_fewer_pages_but_no_fewer_than_one_row_or_the_trial(tmp_path: Path) -> None:
    found = sizes(tmp_path)
    row = 512 // PAGE
    assert found.pages == 64 * row + 1
    taken = {slots: found.pages_for(slots) for slots in (64, 32, 2, 1)}
    assert taken == {64: 64 * row + 1, 32: 32 * row, 2: 2 * row, 1: row + 1}
    found.pages = 40
    assert [found.pages_for(slots) for slots in (64, 32, 1)] == [67, 35, row + 1]


def test_context_is_given_up_where_fewer_slots_free_nothing_and_down_to_what_a_row_may_want(tmp_path: Path) -> None:
    found = sizes(tmp_path, max_position_embeddings=1200)
    found.pages = 1200 // PAGE + 40
    assert [found.gives_up_context(slots) for slots in (64, 32, 16, 8, 4)] == [False, True, True, False, False]
    assert found.context == 512
