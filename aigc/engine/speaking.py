"""An engine whose answers are heard as they come: for one conversation, where `open_engine` is for many rows."""

from __future__ import annotations

from aigc.engine import Engine
from aigc.engine.listening import OnText
from aigc.models import ModelRef
from aigc.settings import EngineSettings
from aigc.watermark import Mark, refuse_engine


def open_speaker(settings: EngineSettings, model: ModelRef, on_text: OnText, mark: Mark | None = None) -> Engine:
    """The engine that `settings` name, to be given one prompt at a time; `on_text` hears its answer as it comes.

    A model of this machine is loaded now, into this process, which is the one that hears it. The scripted engine is
    heard when it has answered.

    Raises:
        SettingsError: an engine that cannot give `mark`, or settings that choose a GPU which is not there.
        EngineError: another process uses the GPU.
        ModelError: the model cannot be loaded.
    """
    if mark:
        refuse_engine(settings.name)
    match settings.name:
        case "scripted":
            from aigc.engine.scripted import ScriptedEngine

            return ScriptedEngine()
        case "local":
            from aigc.engine.threads import choose_waiting

            choose_waiting()
            return _open_local(settings, model, on_text, mark)
        case "openai":
            from aigc.engine.openai import OpenAIEngine

            return OpenAIEngine(settings, model, on_text=on_text)


def _open_local(settings: EngineSettings, model: ModelRef, on_text: OnText, mark: Mark | None) -> Engine:
    from aigc.engine.cards import hold_here
    from aigc.engine.quantised import quieten

    hold_here(settings)
    quieten()
    from aigc.engine.local import LocalEngine

    engine = LocalEngine(settings, model, mark=mark, on_text=on_text)
    engine.prepare()
    return engine
