"""run.json: what a run was made from, with what, and how it ended. From it alone a run can be understood."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from aigc import __version__
from aigc.disk import disk_errors
from aigc.errors import StoreError
from aigc.policy import Override
from aigc.records import EngineInfo, Value
from aigc.sessions import FINISHED, Session, Spent, sessions_of_old, together
from aigc.settings import Settings
from aigc.tally import DeviceUse, Forecast, Usage

RUN_FILE = "run.json"
SCHEMA_VERSION = 1
_LIBRARIES = ("torch", "transformers", "llguidance", "jinja2", "msgspec", "pyarrow", "prefect")


class FileFacts(Value, frozen=True):
    """A file as it was: `rows` is None where rows are not what it holds."""

    path: str
    digest: str
    bytes: int
    rows: int | None = None


class AdapterFacts(Value, frozen=True):
    """An adapter that was merged into the model. `base_digest` is the digest of the model without it."""

    path: str
    digest: str
    base_digest: str


class ModelFacts(Value, frozen=True):
    """The model. `digest` covers the adapter's files too."""

    ref: str
    digest: str
    licence: str = ""
    languages: list[str] | None = None
    adapter: AdapterFacts | None = None
    files: dict[str, str] = {}
    """Digest of each of the model's own files that decides a text."""


class Timings(Value, frozen=True):
    """Seconds of wall time, the latest session's only. `generate_s` includes `start_s`, before the first text was
    begun: the model is loaded then."""

    survey_s: float = 0.0
    generate_s: float = 0.0
    start_s: float = 0.0
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
    session_at: str = ""
    """When the latest session of this run began. Settings, model, inputs and timings are that session's."""
    limit: int | None = None
    """Rows of the sheet that were asked for; None for all."""
    judged_run: str = ""
    """The run whose texts this one judged again; empty for one that makes texts."""
    redo_of: str = ""
    """The run of which this one made those texts again that editors had refused."""
    policy_override: Override | None = None
    """By whom, when and why the policy was set aside for this session, where it was."""
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
    """Rows whose record another run made."""
    made_before: int = 0
    """Rows whose record an earlier session of this run made."""
    attempts_before: int = 0
    """Attempts at other rows that an earlier session of this run made, so that they were not asked for again."""
    tokens_in: int = 0
    tokens_out: int = 0
    """Tokens of the latest session's generation; the records hold each attempt's own."""
    flagged: int = 0
    """Accepted rows that a filter flagged for a look."""
    outcomes: dict[str, int] = {}
    acceptance: dict[str, dict[str, int]] = {}
    """Outcomes by content type."""
    reasons: dict[str, dict[str, int]] = {}
    """Rows by reason code and outcome."""
    not_run: dict[str, dict[str, int]] = {}
    """Rows whose text a filter asked nothing of because nobody checked it, by filter and outcome."""
    outputs: list[FileFacts] = []
    earlier: dict[str, int] = {}
    """Rows taken over unchanged, by the run that made them."""
    versions: dict[str, str] = {}
    usage: dict[str, Usage] = {}
    """By content type, what the rows took that this run made itself."""
    devices: dict[str, DeviceUse] = {}
    """What each engine process made in this session, by its GPU or number; empty where there was one."""
    forecast: Forecast | None = None
    """What this session was expected to take, where earlier runs could tell."""
    manifest: str = ""
    """Digest of manifest.json, written just before run.json says `finished`."""
    brief_count: int = 0
    """Rows of the sheet that were asked for, bad ones too."""
    sessions: list[Session] = []
    """What each session of this run did, the latest last; empty where an older version wrote this."""
    whole: Spent = Spent()
    """What all sessions took together."""

    @property
    def all_sessions(self) -> list[Session]:
        """The sessions of this run, as far as anybody can tell."""
        if self.sessions:
            return self.sessions
        last = Session(
            began_at=self.session_at or self.started_at,
            ended=FINISHED if self.status == FINISHED else "unknown",
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            generate_s=self.timings.generate_s,
            start_s=self.timings.start_s,
            is_known=self.status == FINISHED,
        )
        return sessions_of_old(self.started_at, last)

    @property
    def took(self) -> Spent:
        """What the whole run took."""
        return together(self.all_sessions)

    @property
    def session(self) -> Session:
        """The latest session."""
        return self.all_sessions[-1]


class _RunPart(Value, frozen=True):
    variants: int = 1


class _SettingsPart(Value, frozen=True):
    run: _RunPart = _RunPart()


class RunFacts(Value, frozen=True):
    """What earlier runs are found by. The rest of their run.json may be of any version of aigc."""

    run_id: str
    status: str
    briefs: str
    job: str
    model: ModelFacts
    started_at: str
    session_at: str = ""
    limit: int | None = None
    judged_run: str = ""
    redo_of: str = ""
    inputs: list[FileFacts] = []
    settings: _SettingsPart = _SettingsPart()
    engines: dict[str, EngineInfo] = {}
    outcomes: dict[str, int] = {}
    reasons: dict[str, dict[str, int]] = {}
    sessions: list[Session] = []


class _Version(Value, frozen=True):
    schema_version: int = SCHEMA_VERSION


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


def encode(run: object) -> bytes:
    """run.json, a RunFile or its plain values, as people and programs read it: indented, keys in declared order."""
    return msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n"


def read_run(folder: Path) -> RunFile:
    """run.json of `folder`.

    Raises:
        StoreError: it is absent, damaged or of another version.
    """
    return _read(folder / RUN_FILE, RunFile)


def runs(out: Path, say: Callable[[str], None] = lambda _: None) -> list[RunFacts]:
    """The runs under `out`, newest first, by the names of their folders. One that cannot be read is told and left out.

    A folder without run.json is none.
    """
    found = []
    for path in out.glob(f"*/{RUN_FILE}"):
        try:
            # A folder may have been renamed or copied since; it is found by the name it has now.
            found.append(msgspec.structs.replace(_read(path, RunFacts), run_id=path.parent.name))
        except StoreError as exc:
            say(f"{exc} This run is passed over.")
    # By the time in UTC that each holds: folder names have the local one, to the minute.
    return sorted(found, key=lambda run: run.session_at or run.started_at, reverse=True)


Read = TypeVar("Read", RunFile, RunFacts)


def _read(path: Path, kind: type[Read]) -> Read:
    with disk_errors(path, "nothing was changed"):
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise StoreError(str(path), "no run there", "the folder of a run", "Name a folder under outputs/.") from exc
    expected = f"version {SCHEMA_VERSION}"
    try:
        version = msgspec.json.decode(data, type=_Version).schema_version
        if version == SCHEMA_VERSION:
            return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        remedy = "Restore it from a copy, or move its folder away."
        raise StoreError(str(path), f"a damaged run.json ({exc})", expected, remedy) from exc
    remedy = "Read it with the version of aigc that wrote it."
    raise StoreError(str(path), f"a run.json of version {version}", expected, remedy)
