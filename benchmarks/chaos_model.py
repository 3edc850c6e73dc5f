"""The model's process of `chaos.py`: ScriptedEngine where a GPU's model would be, apart from the run.

Told by its environment, and by files in the project's folder, which the one who disturbs it puts there.
"""

from __future__ import annotations

import os
from pathlib import Path

from aigc.engine import worker
from aigc.engine.scripted import ScriptedEngine, answer
from aigc.models import ModelRef
from aigc.records import Prompt
from aigc.settings import EngineSettings
from aigc.watermark import Mark

STEP = "CHAOS_STEP_S"
"""Variable with the time of an answer."""
SLOTS = 8
ANSWERS = "answers"
"""A file with a byte for each answer: how often the engine was asked."""
NO_MEMORY = "no-memory"
"""While this file is there, the next answer meets an end of memory, and takes it away."""


class Played(ScriptedEngine):
    """The scripted engine, which has nothing to load."""

    def prepare(self) -> None:
        pass


def serve(fd: int) -> None:
    """What a model's process is begun with."""
    worker.serve(fd, _open)


def _open(_: EngineSettings, __: ModelRef, slots: int, ___: Mark | None) -> Played:
    return Played(_answer, slots=slots or SLOTS, step_s=float(os.environ[STEP]))


def _answer(prompt: Prompt) -> str:
    if Path(NO_MEMORY).exists():
        Path(NO_MEMORY).unlink()
        raise MemoryError("played")
    with Path(ANSWERS).open("ab", buffering=0) as file:
        file.write(b".")
    return answer(prompt) if prompt.seed % 5 else "No."
