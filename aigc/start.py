"""From a request to a run that is ready to generate: settings, job, survey, model, languages, engine, in that order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from aigc import models
from aigc.briefs import BriefSheet
from aigc.earlier import own_runs, same_results
from aigc.engine import open_engine, slots_of
from aigc.errors import BriefsError, ModelError
from aigc.hashing import digest
from aigc.job import Job, Survey
from aigc.models import ModelRef
from aigc.outlook import outlook
from aigc.panel import find_models, open_panel, open_published
from aigc.policy import budget, settled
from aigc.provenance import RunFile, now
from aigc.provenance.commitments import open_commitments
from aigc.records import Brief, InvalidRow, RowError, Value
from aigc.report import counted
from aigc.runs import Mode, Run, find_earlier, open_run
from aigc.settings import Settings
from aigc.settings_loading import load_settings
from aigc.settings_reading import Table
from aigc.storage import copied
from aigc.survey_kept import KEPT_FROM_ROWS, drop_survey, keep_survey, known_survey
from aigc.tally import Tally

SHARD_WAVES = 16
"""Times that a shard fills the engine's slots: at its end they run empty, which costs about half a wave."""
MOST_SHARDS = 500
ERRORS_SHOWN = 40


class Request(Value, frozen=True):
    """What a person asked for: the arguments of `aigc run`. `overrides` are settings given on the command line."""

    briefs: str
    config: str = ""
    overrides: dict[str, Table] = {}
    limit: int | None = None
    mode: Mode = "auto"
    override_policy: str | None = None
    """Why the policy is set aside for this run, where it is to be."""

    def settings(self) -> Settings:
        return load_settings(Path(self.config) if self.config else default_config(), self.overrides)


@dataclass(frozen=True)
class Started:
    """A run ready to generate, or, where `run` is None, the finished run that already holds all of it."""

    job: Job
    survey: Survey
    run: Run | None
    folder: Path
    file: RunFile
    slots: int = 1

    def shards(self) -> Iterator[list[Brief | InvalidRow]]:
        """The sheet's rows in consecutive lists: few enough tasks for a server, long enough to be worth one."""
        rows = self.job.rows()
        count = self.survey.briefs + self.survey.invalid
        size = self.job.settings.run.shard_rows or max(SHARD_WAVES * self.slots, -(-count // MOST_SHARDS))
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
    started_s = time.monotonic()
    survey = known_survey(job) or job.survey()
    survey_s = time.monotonic() - started_s
    name_bad_rows(survey, say)
    refuse_bad_rows(job.sheet, survey, strict=job.settings.run.strict)
    if survey.invalid:
        good = counted(survey.briefs, "good brief")
        say(f"{counted(survey.invalid, 'bad brief')} in the results as invalid; {good} to run.")
    job.override = settled(job.settings.policy, job.objections(survey), request.override_policy, now())
    if job.override:
        say(f"The policy is set aside by {job.override.who}: {job.override.why}")
    tokens = budget(job.settings.policy, job.override)
    model = find_model(job.settings, survey.languages, say)
    readers = find_models(job, survey.types, say)
    with copied(job.settings.run, job.briefs, say) as copy, open_published(job, own_runs(job), say) as published:
        earlier = find_earlier(job, request.mode, say)
        if there := same_results(job, model, earlier):
            folder, file = there
            copy.follow(folder)
            say(f"Nothing to do: {folder.name} already holds these results. --new makes them again.")
            yield Started(job, survey, None, folder, file)
            return
        with (
            open_panel(job, model, readers, published, lambda tally: tokens.why_not(tally.tokens_out)) as panel,
            closing(open_engine(job.settings.engine, model, job.mark)) as engine,
            open_run(job, model, engine, earlier, on_row, say, panel, open_commitments().of) as run,
        ):
            run.begin(survey, survey_s, outlook(job, survey.types, model, earlier))
            copy.follow(run.folder)
            if survey.briefs + survey.invalid >= KEPT_FROM_ROWS:
                keep_survey(job, survey, run.file.run_id)
            yield Started(job, survey, run, run.folder, run.file, slots_of(engine))
            drop_survey(job)  # reached where nothing was raised: the run has finished


def open_job(request: Request) -> Job:
    return Job(Path(request.briefs), request.settings(), limit=request.limit)


def name_bad_rows(survey: Survey, say: Callable[[str], None]) -> None:
    """Say each bad row before the good ones run, as many as a person reads."""
    told = ToldErrors(say)
    for error in survey.errors:
        if told.lines == ERRORS_SHOWN:
            break
        told(error)
    if survey.error_count > told.errors:
        say(f"… and {survey.error_count - told.errors:,} more; `aigc check` lists them.")


class ToldErrors:
    """Says the errors of a sheet, one that lies in its heading for the first row alone: it is the same in all."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.lines = self.errors = 0
        self._say = say
        self._in_heading: set[str] = set()

    def __call__(self, error: RowError) -> None:
        self.errors += 1
        is_in_heading = error.code == "ambiguous_column" or error.found.startswith("no column for the field")
        if is_in_heading and error.found in self._in_heading:
            return
        self.lines += 1
        self._say(f"{error.message} It lies in the heading: of other rows it is not told again."
                  if is_in_heading else error.message)
        if is_in_heading:
            self._in_heading.add(error.found)


def refuse_bad_rows(sheet: BriefSheet, survey: Survey, *, strict: bool) -> None:
    """Raise BriefsError where nothing can run: `strict` and a bad row, or no good row at all."""
    bad, left_out = counted(survey.invalid, "bad brief"), counted(survey.skipped, "brief")
    if survey.invalid and strict:
        expected, remedy = "none, since --strict is set", "`aigc check` names each: correct them, or omit --strict."
        raise BriefsError(str(sheet.path), bad, expected, remedy)
    if not survey.briefs and survey.invalid:
        found, remedy = f"{bad} and no good one", "`aigc check` with this sheet names each and how to correct it."
        raise BriefsError(str(sheet.path), found, "a good brief", remedy)
    if not survey.briefs:
        raise BriefsError(
            str(sheet.path), f"no brief left, with {left_out} left out", "a brief to run",
            "Change the rules of input.skip.",
        )


def find_model(settings: Settings, languages: list[str], say: Callable[[str], None]) -> ModelRef:
    """The model of the settings, fetched first where the catalogue has it and it is not here.

    A server's model is a name there: nothing is fetched, and what it writes is not known. For the scripted engine it is
    a name alone, which is told where it can be no model's: a rehearsal is to find what would stop the run.

    Raises:
        ModelError: it cannot be used, or does not write one of `languages`; what the catalogue knows is told unfetched.
        EngineError: the server does not answer, or refuses the key.
    """
    name = settings.run.model
    if settings.engine.name == "scripted":
        if not settings.engine.url:  # else it is a server's, and any name may be one there
            models.check_name(name)
        return ModelRef(ref="scripted", digest=digest("scripted"))
    if settings.engine.name == "openai":
        from aigc.engine.openai_server import served_model

        return served_model(settings.engine, name)
    known = models.catalogue().get(name)
    if known:
        models.check_languages(ModelRef(ref=name, languages=known.languages), languages)
        if name not in {model.name for model in models.installed() if not model.problem}:
            models.pull(name, report=say)
    engine = settings.engine
    model = models.resolve(name, trust_remote_code=engine.trust_remote_code, adapter=engine.adapter, report=say)
    models.check_languages(model, languages)
    return model


def model_here(settings: Settings) -> ModelRef | None:
    """The model of the settings where it can be had without a network; None else."""
    engine, name = settings.engine, settings.run.model
    if engine.name == "scripted":
        return ModelRef(ref="scripted", digest=digest("scripted"))
    if engine.name == "openai":
        return None
    try:
        return models.resolve(
            name, trust_remote_code=engine.trust_remote_code, adapter=engine.adapter, fetch=False
        )
    except ModelError:
        return None


def default_config() -> Path | None:
    """./aigc.toml where there is one."""
    local = Path("aigc.toml")
    return local if local.is_file() else None
