"""Who judges beside the filters of a type, as settings name them, through a whole run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from small_project import GOOD, MODEL, SHORT, Project, small_project

from aigc.duplicates import CorpusText, CorpusWriter
from aigc.panel import open_panel, open_published
from aigc.provenance import RunFile
from aigc.records import Completion, Prompt, Record
from aigc.runs import find_earlier, open_run

LONG = (
    "The kettle holds a litre of water and pours it slowly, in a thin and even stream, over the coffee. Its handle "
    "stays cool, its lid sits firmly, and nobody has yet burned a hand on it, not even on the busiest of mornings."
)
OTHER = (
    "Mornings begin with patience. Whoever waits until the water sings will taste the difference, and the cup on the "
    "table tells the rest of the story without a word about how it came to be so good and so quiet."
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = small_project(tmp_path)
    found.overrides["filters"] = {"length": {"action": "off"}, "near_duplicate": {"action": "retry"}}
    return found


def run(project: Project, script: Callable[[Prompt], str | Completion]) -> tuple[RunFile, list[Record]]:
    """A run with the panel that settings name."""
    job = project.job()
    with (
        open_published(job, [], project.folder / "corpus") as published,
        open_panel(job, MODEL, published) as panel,
        open_run(job, MODEL, project.engine(script), find_earlier(job, "new"), panel=panel) as made,
    ):
        made.begin(job.survey())
        made.generate(job.rows())
        file = made.finish()
    return file, project.records(file)


def reasons(project: Project, file: RunFile) -> list[str]:
    """What records.parquet says of each row."""
    import pyarrow.parquet as pq

    rows = pq.read_table(project.out / file.run_id / "records.parquet").to_pylist()
    return [";".join(row["reasons"]) for row in rows]


def test_variants_of_a_brief_that_say_the_same_are_made_again(project: Project) -> None:
    project.products("kettle")
    project.set("run", variants=2)
    _, records = run(project, lambda prompt: OTHER if prompt.attempt else LONG)
    assert [(record.outcome, len(record.attempts)) for record in records] == [("accepted", 1), ("accepted", 2)]
    assert records[1].attempts[0].verdicts[-1].reason == "near_duplicate"
    assert "another version of this brief" in records[1].attempts[0].verdicts[-1].message


def test_texts_of_different_briefs_that_say_the_same_are_flagged_in_the_results(project: Project) -> None:
    file, _ = run(project, lambda _: LONG)
    assert file.outcomes == {"accepted": 3}
    assert reasons(project, file) == ["", "near_duplicate", "near_duplicate"]
    assert file.flagged == 2


def test_a_text_that_was_published_before_is_flagged_and_says_where(project: Project) -> None:
    with CorpusWriter(project.folder / "corpus") as corpus:
        corpus.add("old.csv", "file", "old.csv", [CorpusText(text=LONG, line=7)])
    project.products("kettle", "lamp")
    _, records = run(project, lambda prompt: LONG if "kettle" in prompt.messages[-1].content else OTHER)
    assert [record.reasons for record in records] == [["near_duplicate"], []]
    assert "old.csv" in records[0].verdicts[-2].message


def test_a_corpus_that_grew_has_rows_looked_at_again(project: Project) -> None:
    before = project.job().fingerprints(MODEL).of_type("note")
    with CorpusWriter(project.folder / "corpus") as corpus:
        corpus.add("old.csv", "file", "old.csv", [CorpusText(text=LONG, line=7)])
    assert project.job().fingerprints(MODEL).of_type("note") != before


def test_comparisons_that_are_off_are_not_made(project: Project) -> None:
    project.overrides["filters"]["near_duplicate"] = {"action": "off", "elsewhere": "off"}
    project.set("run", variants=2)
    file, records = run(project, lambda _: LONG)
    assert file.flagged == 0
    assert "near_duplicate" not in {verdict.filter for record in records for verdict in record.verdicts}


def test_without_a_classifier_every_text_says_that_nobody_has_checked_it_and_none_waits(project: Project) -> None:
    file, records = run(project, lambda prompt: GOOD if prompt.attempt else SHORT)
    assert file.outcomes == {"accepted": 3}
    assert {record.verdicts[-1].action for record in records} == {"not_run"}
    assert {record.verdicts[-1].filter for record in records} == {"safety"}


def test_a_classifier_that_is_required_and_not_there_holds_every_text(project: Project) -> None:
    project.overrides["safety"] = {"required": True}
    file, _ = run(project, lambda _: LONG)
    assert file.outcomes == {"held": 3}
