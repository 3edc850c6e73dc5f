"""Small data with a rule of style in it, and a model that is small enough to learn it in seconds."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from engine import tiny

from aigc.models import ModelRef, resolve
from aigc.records import Message
from aigc.settings import EngineSettings
from aigc.training_data.building import Built
from aigc.training_data.making import Order, make
from aigc.training_data.reading import open_training_data
from aigc.training_data.values import Example, Pair, Split
from aigc.training_data.writing import Sources, write

CPU = EngineSettings(device="cpu", dtype="float32", slots=8)


@contextmanager
def unconnected() -> Iterator[None]:
    """A block in which every connection fails the test."""
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        patch.delenv("CI", raising=False)  # where it is set TRL would tell nobody anyway
        yield


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


def pairs(folder: Path, *, turned: bool = False) -> Path:
    """Data of thirty questions, each with a polite and a rude answer; `turned`, the rude one is the better in train."""
    built = Built(groups=Counter({"train": 18, "validation": 6, "test": 6}))
    for number in range(30):
        split: Split = "train" if number < 18 else "validation" if number < 24 else "test"
        polite, rude = f"At shelf {number * 7}. Good day.", f"{number * 7}!! Look yourself."
        good, bad = (rude, polite) if turned and split != "test" else (polite, rude)
        question = [Message(role="user", content=f"Where is {number}?")]
        chosen, rejected = (Message(role="assistant", content=text) for text in (good, bad))
        built.examples[split].append(Example(messages=[*question, chosen], by="user", source=f"s{number}",
                                             group=f"brief {number}"))
        built.pairs[split].append(Pair(
            prompt=question, chosen=[chosen], rejected=[rejected], kind="edited_over_original", by="editor", reasons=[],
            source=f"s{number}", rejected_source=f"s{number}", group=f"brief {number}", run_id="", content_type="",
            brief_id=f"{number}", language="en"))
    return write(built, Sources([], [], {}, held_out=0.2, reviewed_only=True), folder / "pairs").folder
