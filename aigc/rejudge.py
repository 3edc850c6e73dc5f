"""A run's texts under other thresholds: judged again into a run beside it, and not one of them made.

What decides how a text is judged comes from the settings of today; what decides the text itself, from the run's own. So
every text is found again, and the next `aigc run` with the same settings makes only what now falls short.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from aigc.again import made_again
from aigc.earlier import own_runs
from aigc.engine.scripted import ScriptedEngine
from aigc.errors import BriefsError, UsageError
from aigc.export import PARQUET
from aigc.job import Job
from aigc.models import ModelRef
from aigc.panel import find_models, open_panel, open_published
from aigc.provenance import RunFacts, RunFile, runs
from aigc.records import EngineInfo
from aigc.runs import find_run, open_run
from aigc.settings import Settings, TypeSettings
from aigc.start import find_model
from aigc.tally import Tally

_NOT_MADE = "`aigc judge`, which makes no texts"
_OF_JUDGING = ("max_attempts", "feedback", "best_of", "score", "max_tokens_per_text", "strict", "corpus")
"""Settings of a run that decide what becomes of texts, not what they are."""


def rejudge(
    name: str | None,
    settings: Settings,
    on_row: Callable[[Tally], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Path, RunFile, RunFile]:
    """Judge the texts of a run, the newest finished one where `name` is None.

    The same call goes on with a judging that was stopped. Returns the new run's folder, and both run.json.

    Raises:
        UsageError: there is no such run, or it has not finished, or its templates or its model are not to be had.
        BriefsError: the run's sheet is gone or changed.
    """
    folder, before = _finished(Path(settings.run.out), name, say)
    job = Job(Path(before.briefs), _settings(before.settings, settings, folder.parent, say), limit=before.limit)
    job.judged_run = folder.name
    job.redo = made_again(folder / PARQUET, before.run_id)
    _refuse_other_types(job, before)
    refuse_changed(job, before)
    survey = job.survey()
    readers = find_models(job, survey.types, say)
    writer = _found_writer(job.settings, before, say) if readers.asks_writer else _named_writer(before)
    engine = _Silent(next(iter(before.engines.values()), None))
    with open_published(job, own_runs(job), say) as published:
        earlier = _earlier(job, writer, folder, before)
        with (
            open_panel(job, writer, readers, published, lambda _: _NOT_MADE) as panel,
            open_run(job, writer, engine, earlier, on_row, say, panel) as run,
        ):
            run.begin(survey)
            run.generate(job.rows())
            return run.folder, run.finish(), before


def changes(before: RunFile, after: RunFile) -> list[str]:
    """`accepted 30 → 34`, for each outcome whose number is another."""
    names = dict.fromkeys([*before.outcomes, *after.outcomes])
    counts = [(name, before.outcomes.get(name, 0), after.outcomes.get(name, 0)) for name in names]
    return [f"{name} {old:,} → {new:,}" for name, old, new in counts if old != new]


def _finished(out: Path, name: str | None, say: Callable[[str], None]) -> tuple[Path, RunFile]:
    """The run whose texts are judged: the one named, else the newest that has finished. Its folder is resolved."""
    if name is None and (newest := next((run for run in runs(out, say) if run.status == "finished"), None)):
        name = str(out / newest.run_id)
        say(f"Judging the texts of {newest.run_id}, the newest run that has finished.")
    folder, before = find_run(out, name)
    if before.status != "finished":
        found, remedy = f"a run that is {before.status}", "Finish it first: run the command that started it again."
        raise UsageError(f"run {before.run_id}", found, "a finished run", remedy)
    return folder.resolve(), before


def _earlier(job: Job, writer: ModelRef, folder: Path, before: RunFile) -> list[RunFacts]:
    """A judging of the same run under the same settings that was stopped; the run; and those whose texts it judged.

    Only these: what others of the sheet have made is not what is to be judged.
    """
    made, wanted = runs(folder.parent), job.digest(writer)
    begun = [run for run in made if run.judged_run == folder.name and run.status != "finished" and run.job == wanted]
    facts = msgspec.convert(msgspec.to_builtins(before), RunFacts)
    found = [msgspec.structs.replace(facts, run_id=folder.name)]  # a folder may have been renamed
    # A judging keeps of each row the texts that it came to: those behind them are in the run that made them.
    by_name = {run.run_id: run for run in made}
    while (judged := by_name.pop(found[-1].judged_run, None)) is not None:
        found.append(judged)
    return [*begun[:1], *found]


def _settings(made: Settings, today: Settings, out: Path, say: Callable[[str], None]) -> Settings:
    """The run's settings, and of today's those that decide how a text is judged."""
    run = {name: getattr(today.run, name) for name in _OF_JUDGING} | {"out": str(out)}
    if made.run.templates and not Path(made.run.templates).is_dir():
        say(f"{made.run.templates}: the run's templates are there no more; those of today's settings are taken.")
        run["templates"] = today.run.templates
    types = {
        name: TypeSettings(
            sampling=made.types.get(name, TypeSettings()).sampling,
            filters=today.types.get(name, TypeSettings()).filters,
            policy=today.types.get(name, TypeSettings()).policy,
        )
        for name in {**made.types, **today.types}
    }
    return msgspec.structs.replace(
        made,
        run=msgspec.structs.replace(made.run, **run),
        filters=today.filters,
        safety=today.safety,
        judge=today.judge,
        labels=today.labels,
        types=types,
    )


def refuse_changed(job: Job, before: RunFile) -> None:
    if sorted(job.inputs.values()) == sorted(file.digest for file in before.inputs):
        return
    found, expected = "other bytes than the run was made of", "the sheet as it was"
    raise BriefsError(str(job.briefs), found, expected, "Run `aigc run` on it: unchanged rows are taken over.")


def _refuse_other_types(job: Job, before: RunFile) -> None:
    made = [name for name, outcomes in before.acceptance.items() if outcomes.keys() - {"invalid"}]
    if strange := [name for name in made if name not in job.packs]:
        found = f"texts of {', '.join(strange)}, which is no content type of {job.settings.run.templates}"
        raise UsageError(f"run {before.run_id}", found, "the templates that they were made from",
                         "Put them back, or name their folder in run.templates.")


def _found_writer(settings: Settings, before: RunFile, say: Callable[[str], None]) -> ModelRef:
    """The model that made the texts, with its files, since it answers questions about them too."""
    writer = find_model(settings, [], say)
    if writer.digest != before.model.digest:
        raise UsageError(f"run {before.run_id}", f"that the files of its model, {before.model.ref}, are others now",
                         "the model that made its texts, which is to judge them",
                         "Put its files back, or name another judge in judge.model.")
    return writer


def _named_writer(before: RunFile) -> ModelRef:
    """The run's model by name and digest: no file of it is needed."""
    facts = before.model
    return ModelRef(ref=facts.ref, digest=facts.digest, licence=facts.licence, languages=facts.languages)


class _Silent(ScriptedEngine):
    """An engine that is never asked. It says it is what made the texts."""

    def __init__(self, info: EngineInfo | None) -> None:
        super().__init__()
        self._info = info

    def info(self) -> EngineInfo:
        return self._info or super().info()
