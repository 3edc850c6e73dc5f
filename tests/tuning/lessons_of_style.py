"""Small data with a rule of style in it, and a model that is small enough to learn it in seconds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from engine import tiny

from aigc.models import ModelRef, resolve
from aigc.settings import EngineSettings
from aigc.training_data.making import Order, make
from aigc.training_data.reading import open_training_data

CPU = EngineSettings(device="cpu", dtype="float32", slots=8)


def dialogues(folder: Path, answers: Callable[[int], str] = lambda number: f"At shelf {number * 7}. Good day.") -> Path:
    """Data of thirty dialogues that end politely, each of its own words."""
    lines = [
        {"messages": [{"role": "user", "content": f"Where is {number}?"},
                      {"role": "assistant", "content": answers(number)}]}
        for number in range(30)
    ]
    file = folder / "shop.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return make(Order(runs=[], dialogues=[file], out=folder / "data", held_out=0.25)).folder


def held_out_numbers(data: Path) -> set[int]:
    """The numbers whose dialogues are in test."""
    return {int(example.messages[0].content[9:-1]) for example in open_training_data(data).examples("test")}


def a_model(folder: Path) -> ModelRef:
    """A random Llama over bytes, found as a run finds one."""
    tiny.saved(folder)
    return resolve(str(folder), trust_remote_code=False)
