"""Settings from their layers: the file, the environment, the command line; read once, checked, handed on in parts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from aigc.settings import (
    NOT_SETTINGS,
    DatasetSettings,
    EngineSettings,
    InputSettings,
    JudgeSettings,
    LabelSettings,
    LineageSettings,
    MonitoringSettings,
    ReviewSettings,
    RunSettings,
    SafetySettings,
    SamplingPatch,
    Settings,
    SigningSettings,
    WatermarkSettings,
)
from aigc.settings_ranges import check_ranges
from aigc.settings_reading import Table, check_table, merged, read_environment, read_toml
from aigc.urls import is_storage, working_folder

_IN_ENVIRONMENT: dict[str, type[msgspec.Struct]] = {
    "engine": EngineSettings, "input": InputSettings, "sampling": SamplingPatch, "safety": SafetySettings,
    "judge": JudgeSettings, "lineage": LineageSettings, "dataset": DatasetSettings, "labels": LabelSettings,
    "watermark": WatermarkSettings, "signing": SigningSettings, "review": ReviewSettings,
    "monitoring": MonitoringSettings, "run": RunSettings,
}
"""Tables whose keys a variable can set, `AIGC_ENGINE_SLOTS` for one; those of the last also without its name."""


def load_settings(
    config: Path | None, overrides: Mapping[str, Table], environ: Mapping[str, str] = os.environ
) -> Settings:
    """Settings from all layers. `overrides` are tables given on the command line, e.g. `{"run": {"seed": 7}}`.

    Raises:
        SettingsError: an unknown key (with the nearest known one), a value of the wrong type, or a broken file.
    """
    table, place = read_toml(config)
    _convert(table, place)
    environment = read_environment(environ, _IN_ENVIRONMENT, NOT_SETTINGS)
    layers: list[Table] = [table, environment, {name: dict(part) for name, part in overrides.items()}]
    settings = _convert(merged(layers), f"{place} with the environment and the command line" if config else "settings")
    if not is_storage(out := settings.run.out):
        return settings
    run = msgspec.structs.replace(settings.run, out=str(working_folder(out)), publish_to=out)
    return msgspec.structs.replace(settings, run=run)


def _convert(table: Table, place: str) -> Settings:
    check_table(table, Settings, place)
    settings = msgspec.convert(table, Settings)
    check_ranges(settings, place)
    return settings
