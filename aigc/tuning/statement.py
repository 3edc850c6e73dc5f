"""tuning.json: what a tuned model was made of, how, what came of it; and what is kept while it is being made."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import TypeVar

import msgspec

from aigc import __version__
from aigc.disk import disk_errors, write_atomically
from aigc.engine.tuning.values import Likelihood, Recipe, Trained
from aigc.errors import StoreError, shown
from aigc.provenance import FileFacts
from aigc.records import Value
from aigc.tuning.comparison import Finding, Shift
from aigc.tuning.recipes import Options
from aigc.tuning.writing import Written

STATEMENT = "tuning.json"
SCHEMA = "aigc.tuning/2"
FIRST_SCHEMA = "aigc.tuning/1"
"""In which a recipe's `method` was what is now its `weights`, and lessons were examples. It is read, not written."""
Kept = TypeVar("Kept", bound=Value)
_LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "safetensors")


class BaseFacts(Value, frozen=True):
    """The model that was tuned: by name, and by the digest of its files."""

    ref: str
    digest: str
    licence: str
    files: dict[str, str]


class DataFacts(Value, frozen=True):
    """What it was taught: the data by its digest, the runs that it came from, and what of it was used."""

    digest: str
    runs: dict[str, str]
    """Digest of each run's manifest."""
    dialogues: dict[str, str]
    """Digest of each file of dialogues."""
    lessons: int
    """Answers to learn, of which a dialogue has one for each turn of the assistant; or pairs, by the method."""
    validation: int
    test: int
    """Held-out answers."""
    pairs: int
    """Held-out pairs."""
    left_out: dict[str, int]
    """Answers that could not be learned, by why."""


class Plan(Value, frozen=True):
    """What is to be made. It is written before anything else, so that the same call finds what was begun."""

    base: BaseFacts
    data: DataFacts
    options: Options
    recipe: Recipe
    started_at: str


class Measurements(Value, frozen=True):
    """A model's held-out answers, pairs and texts: what it is measured by."""

    answers: dict[str, Likelihood]
    chosen: dict[str, Likelihood]
    rejected: dict[str, Likelihood]
    texts: list[Written]


class Statement(Value, frozen=True):
    """tuning.json."""

    plan: Plan
    trained: Trained
    shifts: list[Shift]
    finding: Finding
    digest: str
    """Of the files of the tuned model, by which a run knows it: of the adapter, or of the whole model."""
    files: list[FileFacts]
    versions: dict[str, str]
    finished_at: str
    schema: str = SCHEMA


def versions() -> dict[str, str]:
    """Versions of all that takes part in tuning."""
    found = {"aigc": __version__, "python": platform.python_version(), "platform": platform.platform()}
    return found | {name: importlib.metadata.version(name) for name in _LIBRARIES}


def keep(path: Path, value: Value) -> None:
    """Write a value as JSON that people can read, whole or not at all."""
    data = msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
    write_atomically(path, lambda file: file.write(data))


def kept_plan(path: Path) -> Plan | None:
    """The plan that a tuning was begun with; None where none was."""
    return _read(path, Plan)


def kept_statement(path: Path) -> Statement | None:
    return _read(path, Statement)


def kept_measurements(path: Path) -> Measurements | None:
    return _read(path, Measurements)


def kept_trained(path: Path) -> Trained | None:
    return _read(path, Trained)


def _read(path: Path, kind: type[Kept]) -> Kept | None:
    with disk_errors(path, "nothing was changed"):
        if not path.is_file():
            return None
        try:
            told = msgspec.json.decode(path.read_bytes())
            _refuse_newer(path, told)
            return msgspec.convert(_brought_up(told), kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise StoreError(str(path), f"a damaged file ({shown(exc, 120)})", "a tuning of this version",
                             "Name another folder with --out, or remove this one.") from exc


def _refuse_newer(path: Path, told: object) -> None:
    version = told.get("schema", SCHEMA) if isinstance(told, dict) else SCHEMA
    if version not in (SCHEMA, FIRST_SCHEMA):
        raise StoreError(str(path), f"version {shown(version)}", f"{SCHEMA} or {FIRST_SCHEMA}",
                         "The model in the folder can be used as it is. To tune, name another folder with --out.")


def _brought_up(told: object) -> object:
    """What the first version wrote, as this one has it: a plan, or a statement with its plan."""
    plan = told.get("plan", told) if isinstance(told, dict) else None
    recipe = plan.get("recipe") if isinstance(plan, dict) else None
    if isinstance(recipe, dict) and "weights" not in recipe:
        recipe.update(weights=recipe.get("method"), method="sft", beta=0.0)
    return told
