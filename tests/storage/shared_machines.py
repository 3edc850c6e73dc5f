"""Machines that share storage, in one process: each has a disk of its own."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
from small_project import GOOD, Power, Project, stopping_after

from aigc.provenance import RunFile
from aigc.records import Prompt
from aigc.review.decisions import Decision
from aigc.review.ledger import Source, append, read_ledger
from aigc.review.reviewable import reviewables
from aigc.runs import find_earlier, open_run
from aigc.storage import Place, bring_run, copied

HAS_S3 = all(importlib.util.find_spec(name) for name in ("s3fs", "moto", "flask"))
NEEDS_S3 = pytest.mark.skipif(not HAS_S3, reason="no S3 server here: pip install s3fs moto flask flask-cors")

IN_MEMORY = pytest.mark.parametrize("url", ["memory"], indirect=True)
"""For what no kind of storage does otherwise: a server takes long."""


class Machine(Project):
    """A disk of its own, with the project at the same place as on every machine."""

    disk: Path

    @property
    def out(self) -> Path:
        return self.disk / "outputs"


def make(
    project: Project, script: Callable[..., object] = lambda _: GOOD, on_way: Callable[[Path], None] = lambda _: None
) -> RunFile:
    """A run as `aigc run` makes it, as far as its copy goes; `on_way` is called when its rows are made."""
    job = project.job()
    with (
        copied(job.settings.run, job.briefs, project.said.append) as copy,
        open_run(
            job, project.model, project.engine(script, slots=1), find_earlier(job, "auto"),  # type: ignore[arg-type]
        ) as run,
    ):
        run.begin(job.survey())
        copy.follow(run.folder)
        run.generate(job.rows())
        on_way(run.folder)
        return run.finish()


def stopped(project: Project, answers: int) -> str:
    """The id of a run that stops after so many answers."""
    with pytest.raises(Power):
        make(project, stopping_after(answers))
    return project.newest().run_id


def names(place: Place, run_id: str) -> set[str]:
    return {name.partition("/")[2] for name in place.files(run_id)}


LAMP = b"Lampyris"
EDIT = "Lampyris, as an editor wants it."


def held(machine: Project, place: Place, run_id: str) -> list[str]:
    """Files here and there in which the second product stands, the sheet apart."""
    here = [path.name for path in (machine.out / run_id).rglob("*") if path.is_file() and LAMP in path.read_bytes()]
    there = {**place.parts(run_id), **place.files(run_id)}
    return here + [name for name in there if LAMP in (place.read(name) or b"")]


def named(prompt: Prompt) -> str:
    return GOOD.replace("kettle", "Lampyris") if "lamp" in prompt.messages[-1].content else GOOD


def stopped_with_three(project: Project) -> str:
    """An unfinished run of three texts, of which the second is the lamp's."""
    project.products("kettle", "lamp", "stool", "jug")
    answers = iter(range(3))

    def script(prompt: Prompt) -> str:
        if next(answers, None) is None:
            raise Power
        return named(prompt)

    with pytest.raises(Power):
        make(project, script)
    return project.newest().run_id


def reviewed(machine: Project, run_id: str, name: str, editor: str = "Ana", text: str = EDIT) -> None:
    """An editor's edit of the text of a brief, imported on this machine."""
    folder = machine.out / run_id
    row = next(row for row in reviewables(folder) if row.record.brief_id == name)
    decision = Decision(record_id=row.record.record_id, run_id=run_id, verb="edit", editor=editor, base=row.base,
                        at=f"2026-11-28T10:00:0{len(read_ledger(folder).entries)}.000+00:00", text=text)
    append(folder, [decision], Source(name="a.jsonl", digest=f"sha256:{editor}", imported_at="2026-11-28T11:00:00Z"))


def two_machines(machines: Callable[[str], Project], place: Place) -> tuple[Project, Project, str]:
    """Two machines with a finished run of two texts, of which the second is the lamp's."""
    a, b = machines("a"), machines("b")
    a.products("kettle", "lamp")
    run_id = make(a, named).run_id
    assert bring_run(place, b.out, run_id)
    return a, b, run_id
