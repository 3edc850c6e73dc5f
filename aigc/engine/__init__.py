"""The engine room: prompts in, completions out, in the order in which they finish. Only this package imports torch.

`open_engine` is the door. The heavy imports happen behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from aigc.models import ModelRef
from aigc.records import Completion, EngineInfo, Prompt
from aigc.settings import EngineSettings
from aigc.tally import DeviceUse
from aigc.watermark import Mark, refuse_engine


class Engine(Protocol):
    """Generates text for prompts that it pulls from an iterator whenever it has room."""

    def info(self) -> EngineInfo:
        """What makes the texts. Known before the weights are loaded."""

    def generate(self, prompts: Iterable[Prompt | None]) -> Iterator[Completion]:
        """Yield one completion for every prompt, as each finishes; a prompt that fails yields its fault.

        `None` from `prompts` means nothing to take now, perhaps something after the next completion: this is how a
        retry joins the batch that is running. `None` while nothing is in flight ends the run, as does exhaustion.
        """

    def close(self) -> None:
        """Release the model's memory."""


def open_engine(settings: EngineSettings, model: ModelRef, mark: Mark | None = None) -> Engine:
    """The engine that `settings` names, for `model`, which gives `mark` to texts whose sampling names it.

    Raises:
        SettingsError: an engine that cannot give one, or settings that choose a GPU which is not there.
        EngineError: another process uses one of the GPUs, or there is no cluster to join.
    """
    if mark:
        refuse_engine(settings.name)
    match settings.name:
        case "scripted":
            from aigc.engine.scripted import ScriptedEngine

            return ScriptedEngine()
        case "local" if settings.on == "ray":
            from aigc.engine.ray_engine import RayEngine

            return RayEngine(settings, model, mark=mark)
        case "local":
            from aigc.engine.threads import choose_waiting

            choose_waiting()
            from aigc.engine.restart import RestartingEngine, belongs_apart

            if belongs_apart(settings) or settings.processes > 1:
                from aigc.engine.places import open_pool

                return open_pool(settings, model, mark)
            return RestartingEngine(settings, model, mark=mark)
        case "openai":
            from aigc.engine.openai import OpenAIEngine

            return OpenAIEngine(settings, model)


def slots_of(engine: Engine) -> int:
    """Rows that `engine` generates at a time, in all its processes."""
    from aigc.engine.pool import EnginePool
    from aigc.engine.ray_engine import RayEngine

    return engine.slots if isinstance(engine, EnginePool | RayEngine) else engine.info().slots


def uses_of(engine: Engine) -> dict[str, DeviceUse]:
    """What each process of `engine` has made, by the name of its place; nothing where it has but one."""
    from aigc.engine.pool import EnginePool
    from aigc.engine.ray_engine import RayEngine

    return engine.uses if isinstance(engine, EnginePool | RayEngine) and len(engine.uses) > 1 else {}
