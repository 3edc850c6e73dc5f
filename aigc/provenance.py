"""run.json: what a run was made from, with what, and how it ended. From it alone a run can be understood."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from aigc import __version__
from aigc.errors import StoreError
from aigc.records import EngineInfo, Value
from aigc.settings import Settings

RUN_FILE = "run.json"
SCHEMA_VERSION = 1
_LIBRARIES = ("torch", "transformers", "llguidance", "jinja2", "msgspec", "pyarrow", "prefect")


class FileFacts(Value, frozen=True):
    """A file as it was: `rows` is None where rows are not what it holds."""

    path: str
    digest: str
    bytes: int
    rows: int | None = None


class ModelFacts(Value, frozen=True):
    ref: str
    digest: str
    licence: str = ""
    languages: list[str] | None = None


class Timings(Value, frozen=True):
    """Seconds of wall time, this session only. `generate_s` includes loading the model."""

    survey_s: float = 0.0
    generate_s: float = 0.0
    export_s: float = 0.0


class RunFile(Value, frozen=True):
    """run.json. `status` is `running` until every result is in place, so that a dead run cannot look finished."""

    run_id: str
    status: Literal["running", "interrupted", "failed", "finished"]
    briefs: str
    job: str
    """Digest of all that decides the results: sheet, templates, model, settings."""
    settings: Settings
    model: ModelFacts
    started_at: str
    schema_version: int = SCHEMA_VERSION
    inputs: list[FileFacts] = []
    templates: dict[str, str] = {}
    engines: dict[str, EngineInfo] = {}
    """Engines by digest, as attempts name them."""
    finished_at: str = ""
    timings: Timings = Timings()
    rows: int = 0
    skipped_rows: int = 0
    taken_over: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    """Tokens of this session's generation; the records hold each attempt's own."""
    outcomes: dict[str, int] = {}
    acceptance: dict[str, dict[str, int]] = {}
    """Outcomes by content type."""
    reasons: dict[str, dict[str, int]] = {}
    """Rows by reason code and outcome."""
    outputs: list[FileFacts] = []
    earlier: str = ""
    """The run whose unchanged rows were taken over."""
    versions: dict[str, str] = {}


def now() -> str:
    """The time in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def versions() -> dict[str, str]:
    """Versions of what takes part in making a text. Reads metadata; imports nothing."""
    found = {"aigc": __version__, "python": platform.python_version(), "platform": platform.platform()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def encode(run: RunFile) -> bytes:
    """run.json as people and programs read it: indented, keys in declared order."""
    return msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n"


def read_run(folder: Path) -> RunFile:
    """run.json of `folder`.

    Raises:
        StoreError: it is absent, damaged or of another version.
    """
    path = folder / RUN_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunFile)
    except OSError as exc:
        raise StoreError(str(path), "no run there", "the folder of a run", "Name a folder under outputs/.") from exc
    except msgspec.DecodeError as exc:
        raise StoreError(
            str(path),
            f"a damaged run.json ({exc})",
            f"version {SCHEMA_VERSION}",
            "Restore it, or start a new run with --new.",
        ) from exc


def runs(out: Path) -> Iterator[RunFile]:
    """The runs under `out`, newest first. A folder without run.json is none; a damaged one is an error."""
    # By the time in UTC that each holds: folder names have the local one, to the minute.
    found = [read_run(path.parent) for path in out.glob(f"*/{RUN_FILE}")]
    return iter(sorted(found, key=lambda run: run.started_at, reverse=True))
