"""From a request to a run that is ready to generate: settings, job, survey, model, language check, engine, in that order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from aigc import models
from aigc.briefs import BriefSheet
from aigc.engine import Engine, open_engine
from aigc.errors import BriefsError
from aigc.job import Job, Survey
from aigc.models import ModelRef
from aigc.pipeline import Tally
from aigc.provenance import RunFile
from aigc.records import Brief, InvalidRow, Value
from aigc.runs import Mode, Run, find_earlier, nothing_to_do, open_run
from aigc.settings import Settings, Table, load_settings

SHARD_ROWS = 256
MOST_SHARDS = 500


class Request(Value, frozen=True):
    """What a person asked for: the arguments of `aigc run`. `overrides` are settings given on the command line."""

    briefs: str
    config: str = ""
    overrides: dict[str, Table] = {}
    limit: int | None = None
    mode: Mode = "auto"

    def settings(self) -> Settings:
        return load_settings(Path(self.config) if self.config else default_config(), self.overrides)


@dataclass(frozen=True)
class Started:
    """A run ready to generate, or, where `run` is None, the finished run that already holds all of it."""

    job: Job
    survey: Survey
    run: Run | None
    file: RunFile

    def shards(self) -> Iterator[list[Brief | InvalidRow]]:
        """The sheet's rows in consecutive lists: few enough tasks for a server, long enough to be worth one."""
        rows = self.job.rows()
        count = self.survey.briefs + self.survey.invalid
        size = self.job.settings.run.shard_rows or max(SHARD_ROWS, -(-count // MOST_SHARDS))
        while shard := list(islice(rows, size)):
            yield shard


@contextmanager
def start(
    request: Request, on_row: Callable[[Tally], None] = lambda _: None, say: Callable[[str], None] = lambda _: None
) -> Iterator[Started]:
    """Open all that `request` names. Leaving the block closes the engine and the run, whatever happened.

    Raises:
        AigcError: of the stage that refuses; nothing has been written then.
    """
    job = open_job(request)
    survey = job.survey()
    refuse_bad_rows(job.sheet, survey, strict=job.settings.run.strict)
    model = find_model(job.settings, say)
    models.check_languages(model, survey.languages)
    earlier = find_earlier(job, request.mode)
    if earlier and nothing_to_do(job, model, earlier):
        yield Started(job, survey, None, earlier)
        return
    engine: Engine = open_engine(job.settings.engine, model)
    try:
        with open_run(job, model, engine, earlier, on_row) as run:
            run.begin(survey)
            if run.damaged_lines:
                say(f"journal: {len(run.damaged_lines)} damaged lines are left out; their rows are made again")
            yield Started(job, survey, run, run.file)
    finally:
        engine.close()


def open_job(request: Request) -> Job:
    return Job(Path(request.briefs), request.settings(), limit=request.limit)


def refuse_bad_rows(sheet: BriefSheet, survey: Survey, *, strict: bool) -> None:
    """Raise BriefsError where nothing can run: `strict` and a bad row, or no good row at all."""
    if survey.invalid and strict:
        raise BriefsError(
            str(sheet.path),
            f"{survey.invalid:,} bad rows",
            "none, since --strict is set",
            "Correct the rows listed, or leave --strict out.",
        )


def find_model(settings: Settings, say: Callable[[str], None]) -> ModelRef:
    """The model of the settings, fetched first where the catalogue has it and it is not here."""
    if settings.engine.name == "scripted":
        return ModelRef(ref="scripted", digest="sha256:scripted")
    name = settings.run.model
    if name in models.catalogue() and name not in {model.name for model in models.installed() if not model.problem}:
        models.pull(name, report=say)
    return models.resolve(name, trust_remote_code=settings.engine.trust_remote_code)


def default_config() -> Path | None:
    """./aigc.toml where there is one."""
    local = Path("aigc.toml")
    return local if local.is_file() else None
