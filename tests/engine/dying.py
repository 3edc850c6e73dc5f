"""What the tests of restarting run in the model's process: the real worker, with an engine that can be ended.

The environment says how: `DYING_HOW` names an entry of `WAYS`, `DYING_NOTES` is a file with a line for each start.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec

from aigc.engine import worker
from aigc.engine.deaths import EngineDied
from aigc.engine.scripted import Script, ScriptedEngine, answer
from aigc.errors import ModelError
from aigc.models import ModelRef
from aigc.records import Completion, EngineInfo, Fault, Message, Prompt, Sampling
from aigc.settings import EngineSettings
from aigc.watermark import Mark

POISON = "poison"
SLOTS = 6


class Played(ScriptedEngine):
    """The scripted engine in the model's process."""

    def __init__(self, script: Script, slots: int = SLOTS, step_s: float = 0.0) -> None:
        super().__init__(script, slots=slots, step_s=step_s)

    def prepare(self) -> None:
        pass


class Shrinking(Played):
    """Says a line and goes on with fewer slots, as the local engine does where memory runs out."""

    def prepare(self) -> None:
        if self._slots == SLOTS:
            logging.getLogger("aigc.engine.local").warning("played: %d slots", SLOTS // 2)
            self._slots = SLOTS // 2


class OtherCard(Played):
    """On a GPU of another make, with less memory."""

    def info(self) -> EngineInfo:
        return msgspec.structs.replace(super().info(), device="Played 24GB", slots=4)


class Tardy(Played):
    """Takes half a second to load."""

    def prepare(self) -> None:
        time.sleep(0.5)


def rows(count: int, poisonous: tuple[int, ...] = ()) -> list[Prompt]:
    """Prompts r0, r1, …"""
    texts = [POISON if i in poisonous else f"row {i}" for i in range(count)]
    return [
        Prompt(request_id=f"r{i}", messages=[Message(role="user", content=text)], sampling=Sampling(), seed=97 * i)
        for i, text in enumerate(texts)
    ]


def is_poisonous(prompt: Prompt) -> bool:
    return POISON in prompt.messages[0].content


def be_killed(prompt: Prompt) -> str:
    """Answer, unless the prompt is a poisonous one."""
    if is_poisonous(prompt):
        os.kill(os.getpid(), signal.SIGKILL)
    return answer(prompt)


def refuse_or_be_killed(prompt: Prompt) -> str | Completion:
    """Refuse the prompt as the engine does before a step, unless it is a poisonous one."""
    be_killed(prompt)
    fault = Fault(code="special_token", found="a control token", expected="plain text", remedy="Remove it.")
    return Completion(request_id=prompt.request_id, text="", finish_reason="error", fault=fault)


def lose_context(prompt: Prompt) -> str:
    if is_poisonous(prompt):
        raise EngineDied("CUDA error: device-side assert triggered")
    return answer(prompt)


def fail_by_bug(prompt: Prompt) -> str:
    raise LookupError(prompt.request_id)


def refuse(settings: EngineSettings, model: ModelRef, slots: int, mark: Mark | None) -> NoReturn:
    raise ModelError(f"model {model.ref}", "played weights", "real ones", "Play no more.")


def open_poisonable(
    settings: EngineSettings, model: ModelRef, slots: int, mark: Mark | None
) -> worker.ModelEngine:
    """The real engine, which loses its context in a step with a poisonous row."""
    poison_steps(setattr)
    return worker.open_local(settings, model, slots, mark)


def poison_steps(set_to: Callable[[object, str, object], None]) -> None:
    import torch

    from aigc.engine.batch import Batch, Step

    launch = Batch.launch

    def poisonable(batch: Batch) -> Step | None:
        if any(map(is_poisonous, batch.prompts)):
            raise torch.AcceleratorError("CUDA error: device-side assert triggered\nCompile with ...")
        return launch(batch)

    set_to(Batch, "launch", poisonable)


WAYS: dict[str, worker.Opener] = {
    "be_killed": lambda _settings, _model, slots, _mark: Played(be_killed, slots or SLOTS),
    "refuse_or_be_killed": lambda _settings, _model, slots, _mark: Played(refuse_or_be_killed, slots or SLOTS),
    "lose_context": lambda _settings, _model, slots, _mark: Played(lose_context, slots or SLOTS),
    "fail_by_bug": lambda _settings, _model, slots, _mark: Played(fail_by_bug),
    "shrink": lambda _settings, _model, slots, _mark: Shrinking(be_killed, slots or SLOTS),
    "take_2_ms": lambda _settings, _model, slots, _mark: Played(be_killed, slots or SLOTS, step_s=0.002),
    "load_late": lambda _settings, _model, slots, _mark: Tardy(be_killed, slots or SLOTS),
    "slowly": lambda _settings, _model, slots, _mark: Played(be_killed, slots or SLOTS, step_s=0.3),
    "take_long": lambda _settings, _model, slots, _mark: Played(be_killed, slots or SLOTS, step_s=30.0),
    "other_card": lambda _settings, _model, slots, _mark: OtherCard(be_killed, slots or SLOTS, step_s=0.002),
    "end_at_once": lambda _settings, _model, slots, _mark: os._exit(3),
    "refuse": refuse,
    "local": open_poisonable,
}


def serve(fd: int) -> None:
    notes = Path(os.environ["DYING_NOTES"])
    with notes.open("a") as file:
        file.write(f"{os.getpid()}\n")
    worker.serve(fd, WAYS[os.environ["DYING_HOW"]])


def started(notes: Path) -> list[int]:
    """Ids of the processes that were started."""
    return [int(line) for line in notes.read_text().splitlines()] if notes.exists() else []


def is_gone(pid: int, within_s: float = 10.0) -> bool:
    """Whether a process ends in time."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        stat = Path(f"/proc/{pid}/stat")
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def info_of(slots: int) -> EngineInfo:
    return msgspec.structs.replace(ScriptedEngine().info(), slots=slots)
