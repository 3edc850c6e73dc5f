"""The night with an engine that takes its time, in a process of its own as on a GPU: what `chaos.py` disturbs."""

from __future__ import annotations

import chaos_model

import aigc.start
from aigc.engine.restart import RestartingEngine
from aigc.models import ModelRef
from aigc.settings import EngineSettings
from flows.nightly import nightly

__all__ = ["nightly"]


def _open_engine(_: EngineSettings, model: ModelRef, *__: object) -> RestartingEngine:
    return RestartingEngine(EngineSettings(), model, apart=True, worker=chaos_model.__name__)


aigc.start.open_engine = _open_engine
