"""A small project for tests of the loop: one content type of two fields, a sheet, and runs of it by ScriptedEngine."""

from __future__ import annotations

import csv
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aigc.earlier import same_results
from aigc.engine import Engine
from aigc.engine.scripted import ScriptedEngine
from aigc.hashing import digest
from aigc.job import Job
from aigc.models import ModelRef
from aigc.packs import Packs, load_packs
from aigc.panel import NO_PANEL, Panel, open_published
from aigc.provenance import RunFile, read_run, runs
from aigc.records import Completion, Prompt, Record
from aigc.runs import Mode, Run, find_earlier, open_run
from aigc.settings_loading import load_settings
from aigc.settings_reading import Table
from aigc.store import Store
from aigc.tally import Tally

MODEL = ModelRef(ref="scripted", digest=digest("scripted"))
GOOD = "The kettle holds a litre of water and pours it slowly, in a thin and even stream, over the coffee."
SHORT = "The kettle is good."
NOTE = {
    "template.toml": """
        title = "Note"
        languages = ["en", "zh"]
        [fields.product]
        required = true
        [fields.facts]
        type = "list"
        [output]
        format = "text"
        [length]
        min_words = { en = 10 }
        max_words = { en = 30 }
    """,
    "system.j2": "You write notes.\n",
    "user.j2": "Write about {{ product }}.{% for fact in facts %} {{ fact }}.{% endfor %}\n",
}


@dataclass
class Project:
    """Files under `folder`, and runs of them. `prompts` are those that engines were given since the last look."""

    folder: Path
    overrides: dict[str, Table] = field(default_factory=dict)
    prompts: list[Prompt] = field(default_factory=list)
    sheet_name: str = "briefs.csv"
    said: list[str] = field(default_factory=list)
    panel: Panel = NO_PANEL
    model: ModelRef = MODEL

    def pack(self, name: str, **files: str) -> None:
        """Write a content type; `system_j2="…"` gives system.j2."""
        place = self.folder / "templates" / name
        place.mkdir(parents=True, exist_ok=True)
        given = {("template.toml" if key == "toml" else key.replace("_", ".")): text for key, text in files.items()}
        for file, text in given.items():
            (place / file).write_text(textwrap.dedent(text), "utf-8")

    def sheet(self, rows: Sequence[dict[str, str]]) -> None:
        headings = dict.fromkeys(name for row in rows for name in row)
        with (self.folder / self.sheet_name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(headings))
            writer.writeheader()
            writer.writerows(rows)

    def products(self, *names: str) -> None:
        """A sheet of notes about products, each with its name as its id."""
        self.sheet([{"id": name, "content_type": "note", "product": name} for name in names])

    def job(self, **changes: int | None) -> Job:
        job = Job(self.folder / self.sheet_name, load_settings(None, self._settings(), {}), **changes)
        with open_published(job, []):  # fingerprints cover it
            return job

    def packs(self) -> Packs:
        return load_packs(self.folder / "templates")

    def engine(self, script: Callable[[Prompt], str | Completion], *, slots: int = 4) -> ScriptedEngine:
        """An engine whose prompts are noted."""

        def noted(prompt: Prompt) -> str | Completion:
            self.prompts.append(prompt)
            return script(prompt)

        return ScriptedEngine(noted, slots=slots)

    @contextmanager
    def opened(
        self,
        engine: Engine,
        *,
        mode: Mode = "auto",
        on_row: Callable[[Tally], None] = lambda _: None,
        limit: int | None = None,
    ) -> Iterator[tuple[Job, Run]]:
        job = self.job(limit=limit)
        earlier = find_earlier(job, mode, self.said.append)
        with open_run(job, self.model, engine, earlier, on_row, self.said.append, self.panel) as run:
            run.begin(job.survey())
            yield job, run

    def run(
        self,
        script: Callable[[Prompt], str | Completion] = lambda _: GOOD,
        *,
        slots: int = 4,
        mode: Mode = "auto",
        limit: int | None = None,
    ) -> RunFile:
        """One whole run. Afterwards `prompts` are those of this run alone."""
        self.prompts.clear()
        with self.opened(self.engine(script, slots=slots), mode=mode, limit=limit) as (job, run):
            run.generate(job.rows())
            return run.finish()

    def has_nothing_to_do(self) -> bool:
        job = self.job()
        return same_results(job, self.model, find_earlier(job, "auto")) is not None

    def newest(self) -> RunFile:
        return read_run(self.out / runs(self.out)[0].run_id)

    def records(self, file: RunFile) -> list[Record]:
        """The run's results in their order, read from what it exported and kept."""
        import pyarrow.parquet as pq

        rows = pq.read_table(self.out / file.run_id / "records.parquet").to_pylist()
        with Store.read(self.out / file.run_id) as store:
            found = [store.find(row["brief_id"], row["variant"], row["fingerprint"]) for row in rows]
        return [record for record in found if record]

    @property
    def out(self) -> Path:
        return self.folder / "outputs"

    def set(self, section: str, **values: object) -> None:
        """Change settings for all runs to come."""
        self.overrides[section] = {**self.overrides.get(section, {}), **values}

    def _settings(self) -> dict[str, Table]:
        run = {"templates": str(self.folder / "templates"), "out": str(self.out), "corpus": str(self.folder / "corpus")}
        return {**self.overrides, "run": {**run, **self.overrides.get("run", {})}}


def small_project(folder: Path) -> Project:
    project = Project(folder)
    project.pack(
        "note", **{("toml" if name == "template.toml" else name.replace(".", "_")): text for name, text in NOTE.items()}
    )
    project.products("kettle", "lamp", "stool")
    return project


class Power(Exception):
    """The lights go out."""


def stopping_after(answers: int, kind: type[BaseException] = Power) -> Callable[[Prompt], str]:
    """A script that gives `answers` texts, and then the machine stops."""
    left = iter(range(answers))

    def script(_: Prompt) -> str:
        if next(left, None) is None:
            raise kind
        return GOOD

    return script


def interrupted(project: Project, answers: int, kind: type[BaseException] = Power) -> RunFile:
    """run.json of a run that is stopped after that many answers."""
    with pytest.raises(kind):
        project.run(stopping_after(answers, kind), slots=1)
    return project.newest()
