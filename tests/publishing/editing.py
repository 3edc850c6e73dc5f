"""A small project, editors who decide on its texts, and what they refused made again by a scripted engine."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from small_project import GOOD, Project

from aigc.panel import open_published
from aigc.provenance import RunFile
from aigc.records import Completion, OutputValue, Prompt
from aigc.redo import Opened, open_redo
from aigc.review.decisions import Decision, Verb
from aigc.review.intake import Offered, Reading, Taken, open_reviewed, take
from aigc.review.ledger import Source
from aigc.runs import open_run
from aigc.settings import Settings
from aigc.settings_loading import load_settings

_minutes = count()


def decide(
    project: Project, file: RunFile, name: str, verb: Verb, *, editor: str = "Ana", text: str = "", reason: str = "",
    note: str = "", variant: int = 0, fields: dict[str, OutputValue] | None = None, final: bool = False,
) -> Taken:
    """An editor's decision on the text of a brief, imported as one from a file is. Each is a minute after the last."""
    folder, at = project.out / file.run_id, next(_minutes)
    time = f"2026-11-24T{at // 60 % 24:02d}:{at % 60:02d}:00.000+00:00"
    reviewed = open_reviewed(folder, file.run_id)
    original = next(row for row in reviewed.originals.values() if (row.brief_id, row.variant) == (name, variant))
    decision = Decision(record_id=original.record_id, run_id=file.run_id, verb=verb, editor=editor, at=time, note=note,
                        base=original.base, text=text, fields=fields or {}, reason=reason)
    taken = take(reviewed, Reading([Offered(place="line 2", decision=decision)], [], []),
                 Source(name="decisions.jsonl", digest=f"sha256:{at}", imported_at="2026-11-28T17:00:00.000+00:00"),
                 final=final)
    assert [problem.code for problem in taken.problems if problem.code != "conflict"] == []
    return taken


def today(project: Project) -> Settings:
    """Settings as a command reads them: the folder of runs, and what the project sets."""
    return load_settings(None, {**project.overrides, "run": {"out": str(project.out)}}, {})


def opened(project: Project, file: RunFile) -> Opened:
    return open_redo(str(project.out / file.run_id), today(project))


def redone(
    project: Project,
    file: RunFile,
    script: Callable[[Prompt], str | Completion] = lambda _: GOOD,
) -> RunFile:
    """What editors refused of a run, made again by an engine of one slot. `prompts` are those of this run alone."""
    project.prompts.clear()
    found = opened(project, file)
    with (
        open_published(found.job, []),
        open_run(found.job, project.model, project.engine(script, slots=1), found.earlier,
                 say=project.said.append) as run,
    ):
        run.begin(found.job.survey())
        run.generate(found.job.rows())
        return run.finish()


def note_of(prompt: Prompt) -> str:
    """What a prompt says of the text before it."""
    return prompt.messages[-1].content.partition("Your last answer was not accepted:\n")[2]

