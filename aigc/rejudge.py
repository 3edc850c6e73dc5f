"""A run's texts under other thresholds: judged again into a run beside it, and not one of them made.

What decides how a text is judged comes from the settings of today; what decides the text itself, from the run's own. So
every text is found again, and the next `aigc run` with the same settings makes only what now falls short.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from aigc.earlier import runs_of_sheet
from aigc.engine.scripted import ScriptedEngine
from aigc.errors import BriefsError, UsageError
from aigc.job import Job
from aigc.models import ModelRef
from aigc.panel import open_panel, open_published
from aigc.provenance import RunFacts, RunFile
from aigc.records import EngineInfo
from aigc.runs import find_run, open_run
from aigc.settings import Settings, TypeSettings
from aigc.tally import Tally

_NOT_MADE = "`aigc judge`, which makes no texts"
_OF_JUDGING = ("max_attempts", "feedback", "best_of", "score", "max_tokens_per_text", "strict")
"""Settings of a run that decide what becomes of texts, not what they are."""


def rejudge(
    name: str | None,
    settings: Settings,
    on_row: Callable[[Tally], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Path, RunFile, RunFile]:
    """Judge the texts of a run, the newest where `name` is None. Returns the new run's folder, and both run.json.

    Raises:
        UsageError: there is no such run, or it has not finished.
        BriefsError: the run's sheet is gone or changed.
    """
    out = Path(settings.run.out)
    folder, before = find_run(out, name, say)
    folder = folder.resolve()
    if before.status != "finished":
        found, remedy = f"a run that is {before.status}", "Finish it first: run the command that started it again."
        raise UsageError(f"run {before.run_id}", found, "a finished run", remedy)
    job = Job(Path(before.briefs), _settings(before.settings, settings, folder.parent), limit=before.limit)
    _refuse_changed(job, before)
    model = _model(before)
    engine = _Silent(next(iter(before.engines.values()), None))
    # Only this run: what others of the sheet have made is not what is to be judged.
    facts = msgspec.convert(msgspec.to_builtins(before), RunFacts)
    earlier = [msgspec.structs.replace(facts, run_id=folder.name)]  # a folder may have been renamed
    own = [run.run_id for run in runs_of_sheet(job, say)]
    with (
        open_published(job, own) as published,
        open_panel(job, model, published, lambda _: _NOT_MADE, say) as panel,
        open_run(job, model, engine, earlier, on_row, say, panel) as run,
    ):
        run.begin(job.survey())
        run.generate(job.rows())
        return run.folder, run.finish(), before


def changes(before: RunFile, after: RunFile) -> list[str]:
    """`accepted 30 → 34`, for each outcome whose number is another."""
    names = dict.fromkeys([*before.outcomes, *after.outcomes])
    counts = [(name, before.outcomes.get(name, 0), after.outcomes.get(name, 0)) for name in names]
    return [f"{name} {old:,} → {new:,}" for name, old, new in counts if old != new]


def _settings(made: Settings, today: Settings, out: Path) -> Settings:
    """The run's settings, and of today's those that decide how a text is judged."""
    run = {name: getattr(today.run, name) for name in _OF_JUDGING} | {"out": str(out)}
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


def _refuse_changed(job: Job, before: RunFile) -> None:
    if sorted(job.inputs.values()) == sorted(file.digest for file in before.inputs):
        return
    found, expected = "other bytes than the run was made of", "the sheet as it was"
    raise BriefsError(str(job.briefs), found, expected, "Run `aigc run` on it: unchanged rows are taken over.")


def _model(before: RunFile) -> ModelRef:
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
