"""Texts that editors refused, made again with what they said, into a run beside the one that they read.

All other rows are taken over as they are, with their ids, so that what was decided on them stands. The attempts that a
refused row had stay in its record, and count for nothing: it may make as many new ones as any row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from aigc.again import Again, Key, Redo
from aigc.decided import Decided, read_decided
from aigc.earlier import own_runs, runs_of_sheet, same_results
from aigc.engine import open_engine
from aigc.errors import UsageError
from aigc.job import Job, Survey
from aigc.models import ModelRef
from aigc.panel import find_models, open_panel, open_published
from aigc.parquet_rows import read_rows
from aigc.policy import budget, settled
from aigc.provenance import RunFacts, RunFile, now
from aigc.provenance.commitments import open_commitments
from aigc.records import Record, Redone, Value
from aigc.rejudge import refuse_changed
from aigc.review.advice import advice_of
from aigc.review.reviewable import PARQUET, reviewables
from aigc.review.standing import Standing
from aigc.review_page import write_review_html
from aigc.runs import find_finished, open_run
from aigc.settings import Settings, TypeSettings
from aigc.start import find_model
from aigc.tally import Tally


class Stale(Value, frozen=True):
    """A refusal of another text than the record has now: nothing is made upon it."""

    record_id: str
    brief_id: str
    variant: int


@dataclass(frozen=True)
class Opened:
    """A run whose refused texts are to be made again. `earlier` are the runs that texts are taken from, in order."""

    job: Job
    before: RunFile
    folder: Path
    redo: Redo
    types: Counter[str]
    """Refused texts by content type."""
    stale: list[Stale]

    @cached_property
    def earlier(self) -> list[RunFacts]:
        """A redo of the run that was stopped; the run itself; and all others of the sheet, the newest first.

        The run comes before younger ones: it is its records that stay. In the others is what was made upon the same
        decisions before.
        """
        made = runs_of_sheet(self.job, lambda _: None)
        begun = [run for run in made if run.redo_of == self.redo.run_id and run.status != "finished"]
        facts = msgspec.convert(msgspec.to_builtins(self.before), RunFacts)
        known = {self.folder.name, *(run.run_id for run in begun)}
        others = [run for run in made if run.run_id not in known]
        return [*begun[:1], msgspec.structs.replace(facts, run_id=self.folder.name), *others]


@dataclass(frozen=True)
class Remade:
    """What came of it. `folder` and `file` are None where nothing was refused."""

    opened: Opened
    folder: Path | None = None
    file: RunFile | None = None
    accepted: int = 0
    """Of the texts made again, those that the filters accept."""


def redo(
    name: str | None,
    settings: Settings,
    on_row: Callable[[Tally], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
    override_policy: str | None = None,
) -> Remade:
    """Make the refused texts of a run again, of the newest finished one where `name` is None.

    The same call goes on with one that was stopped, and makes nothing twice.

    Raises:
        UsageError: there is no such run, or it has not finished, or its templates or its model are others now.
        BriefsError: the run's sheet is gone or changed.
        StoreError: a record that is to stay is in no journal any more.
        AigcError: of the stage that refuses.
    """
    opened = open_redo(name, settings, say)
    if not opened.types:
        return Remade(opened)
    job = opened.job
    survey = job.survey()
    job.override = settled(job.settings.policy, job.objections(_of_refused(survey, opened)), override_policy, now())
    tokens = budget(job.settings.policy, job.override)
    model = _same_model(opened, survey, say)
    readers = find_models(job, survey.types, say)
    with open_published(job, own_runs(job), say) as published:
        if there := same_results(job, model, opened.earlier):
            say(f"Nothing to do: {there[0].name} already holds these texts.")
            return Remade(opened, *there, accepted=accepted_again(opened, there[0]))
        with (
            open_panel(job, model, readers, published, lambda tally: tokens.why_not(tally.tokens_out)) as panel,
            closing(open_engine(job.settings.engine, model, job.mark)) as engine,
            open_run(job, model, engine, opened.earlier, on_row, say, panel, open_commitments().of) as run,
        ):
            run.begin(survey)
            run.generate(job.rows())
            file, folder = run.finish(), run.folder
    if job.settings.review.page:  # once more: a run is finished before anybody can ask how its texts stand
        write_review_html(folder, reviewables(folder), read_decided(folder).standing())
    return Remade(opened, folder, file, accepted_again(opened, folder))


def open_redo(name: str | None, settings: Settings, say: Callable[[str], None] = lambda _: None) -> Opened:
    """The run, and the job of making its refused texts again; raises as `redo` does."""
    folder, before = find_finished(Path(settings.run.out), name, say)
    folder = folder.resolve()
    job = Job(Path(before.briefs), _settings(before.settings, settings, folder.parent), limit=before.limit)
    refuse_changed(job, before)
    found, types, stale = _redo_of(folder, before.run_id, read_decided(folder))
    for content_type in types:
        _refuse_other_templates(job, before, content_type)
    job.redo = found
    return Opened(job, before, folder, found, types, stale)


def accepted_again(opened: Opened, folder: Path) -> int:
    """How many of the texts that were made again the filters accept."""
    return sum((row.record.brief_id, row.record.variant) in opened.redo.again and row.record.outcome == "accepted"
               for row in read_rows(folder / PARQUET))


def _redo_of(folder: Path, run_id: str, decided: Decided) -> tuple[Redo, Counter[str], list[Stale]]:
    standing = decided.standing()
    again: dict[Key, Again] = {}
    kept: dict[Key, str] = {}
    types: Counter[str] = Counter()
    stale: list[Stale] = []
    for row in read_rows(folder / PARQUET):
        record, key = row.record, (row.record.brief_id, row.record.variant)
        kept[key] = record.fingerprint
        stands = standing.get(record.record_id)
        if stands is None or stands.state != "rejected":
            continue
        if stands.latest[-1].base != row.provenance.output:
            stale.append(Stale(record_id=record.record_id, brief_id=record.brief_id, variant=record.variant))
            continue
        again[key] = _again(record, run_id, stands, decided)
        types[record.content_type] += 1
    return Redo(run_id, again, kept), types, stale


def _again(record: Record, run_id: str, stands: Standing, decided: Decided) -> Again:
    redone = Redone(record_id=record.record_id, run_id=run_id, attempts=len(record.attempts),
                    decisions=decided.digests(record.record_id, stands))
    return Again(attempts=record.attempts, advice=advice_of(stands.latest, record.language),
                 redone=[*(record.redone or []), redone])


def _settings(made: Settings, today: Settings, out: Path) -> Settings:
    """The run's own, but for what a run may do, who signs it and who is told of it: that is today's."""
    types = {name: msgspec.structs.replace(own, policy=today.types.get(name, TypeSettings()).policy)
             for name, own in made.types.items()}
    return msgspec.structs.replace(
        made, run=msgspec.structs.replace(made.run, out=str(out)), policy=today.policy, signing=today.signing,
        lineage=today.lineage, types=types,
    )


def _of_refused(survey: Survey, opened: Opened) -> Survey:
    """What the policy is asked about: only the texts that are made again, with their part of all dialogues' lines."""
    types = dict(opened.types)
    lines = {name: -(-count * types[name] // survey.types[name]) for name, count in survey.lines.items()
             if types.get(name)}
    return msgspec.structs.replace(survey, types=types, lines=lines)


def _refuse_other_templates(job: Job, before: RunFile, name: str) -> None:
    pack = job.packs.get(name)
    if pack is None or pack.type.digest != before.templates.get(name):
        found = "no such content type" if pack is None else "other templates than its texts were made with"
        raise UsageError(f"{job.settings.run.templates}/{name}", found, f"those of run {before.run_id}",
                         "Bring them back from version control. With new templates, `aigc run` makes all texts anew.")


def _same_model(opened: Opened, survey: Survey, say: Callable[[str], None]) -> ModelRef:
    model, before = find_model(opened.job.settings, survey.languages, say), opened.before
    if model.digest != before.model.digest:
        raise UsageError(f"run {before.run_id}", f"that the files of its model, {before.model.ref}, are others now",
                         "the model that made its texts", "Put its files back, or make a new run with `aigc run`.")
    return model
