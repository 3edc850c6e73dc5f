"""The night with an engine that takes its time: what `chaos.py` disturbs. `CHAOS_STEP_S` is the time of an answer."""

from __future__ import annotations

import os
from pathlib import Path

import aigc.start
from aigc.engine.scripted import ScriptedEngine, answer
from aigc.records import Prompt
from flows.nightly import nightly

__all__ = ["nightly"]

SLOTS = 8
ANSWERS = "answers"
"""A file with a byte for each answer: how often the engine was asked."""


def _answer(prompt: Prompt) -> str:
    with Path(ANSWERS).open("ab", buffering=0) as file:
        file.write(b".")
    return answer(prompt) if prompt.seed % 5 else "No."


def _open_engine(*_: object) -> ScriptedEngine:
    return ScriptedEngine(_answer, slots=SLOTS, step_s=float(os.environ["CHAOS_STEP_S"]))


aigc.start.open_engine = _open_engine
