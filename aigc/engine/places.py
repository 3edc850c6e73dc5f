"""Where engines run on this machine: on each chosen GPU, under its lock, or beside each other on its CPU."""

from __future__ import annotations

import os
from collections.abc import Sequence

from msgspec.structs import replace

from aigc.engine.cards import Card, Hold, chosen_cards, visible_cards
from aigc.engine.child import WORKER, Place
from aigc.engine.pool import EnginePool
from aigc.engine.restart import RestartingEngine, belongs_apart
from aigc.models import ModelRef
from aigc.settings import EngineSettings
from aigc.watermark import Mark


def open_pool(
    settings: EngineSettings, model: ModelRef, mark: Mark | None = None, *, worker: str = WORKER
) -> EnginePool:
    """An engine on each GPU that settings choose, under its lock; or so many on this CPU.

    Raises:
        SettingsError: settings choose what is not there.
        EngineError: another process uses one of the GPUs, or no process can be started.
    """
    cards = visible_cards() if belongs_apart(settings) else []
    chosen = chosen_cards(settings, cards)
    hold, engines = Hold(chosen), list[RestartingEngine]()
    try:
        if chosen:  # each process sees its own GPU alone, and is not to go on without it where there are others
            settings = replace(settings, devices="all", device="cuda" if len(cards) > 1 else settings.device)
        places = _gpu_places(chosen, hold, cards) if chosen else _cpu_places(settings.processes or 1)
        for place in places:
            engines.append(RestartingEngine(settings, model, apart=True, worker=worker, mark=mark, place=place))
        return EnginePool(engines, hold)
    except BaseException:
        EnginePool(engines, hold).close()
        raise


def _gpu_places(chosen: Sequence[Card], hold: Hold, cards: Sequence[Card]) -> list[Place]:
    """CUDA_VISIBLE_DEVICES is left as it is where it leaves one GPU: it may name a part of it, which has no number."""
    return [
        Place(
            name=card.place if len(chosen) > 1 else "",
            environment={"CUDA_VISIBLE_DEVICES": card.uuid} if len(cards) > 1 else {},
            locks=[lock],
        )
        for card, lock in zip(chosen, hold.descriptors, strict=True)
    ]


def _cpu_places(count: int) -> list[Place]:
    """Places that share this process's cores, unless the environment says how many threads each has."""
    if count == 1:
        return [Place()]
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, len(os.sched_getaffinity(0)) // count))
    return [Place(f"process {number}", {"OMP_NUM_THREADS": threads}) for number in range(1, count + 1)]
