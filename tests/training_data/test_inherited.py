"""What editors decided in the runs before counts in the data of a later one, and so do the texts that they refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from publishing.editing import decide, redone
from reviewed_runs import answer, made_of, project_of, text_of
from small_project import Project

from aigc.training_data.reading import TrainingData
from aigc.training_data.values import SPLITS, Example, Pair

BETTER = "A lamp for long evenings: its light is warm and falls on the desk alone, so that nobody else is woken by it."


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return project_of(tmp_path, ("kettle", "lamp", "stool"))


def examples_of(data: TrainingData) -> dict[str, Example]:
    return {example.brief_id: example for split in SPLITS for example in data.examples(split)}


def pairs_of(data: TrainingData) -> list[Pair]:
    return [pair for split in SPLITS for pair in data.pairs(split)]


def test_an_approval_holds_in_the_run_that_made_refused_texts_again(project: Project) -> None:
    first = project.run(answer)
    decide(project, first, "kettle", "approve")
    decide(project, first, "stool", "edit", text=f"{text_of('stool')} Made to last.")
    decide(project, first, "lamp", "reject", reason="tone_wrong")
    second = redone(project, first, lambda _: BETTER)
    decide(project, second, "lamp", "approve")
    made, data = made_of(project, second, reviewed_only=True)
    found = examples_of(data)
    assert {name: (one.messages[-1].content, one.by, one.edited) for name, one in found.items()} == {
        "kettle": (text_of("kettle"), "editor", False),
        "lamp": (BETTER, "editor", False),
        "stool": (f"{text_of('stool')} Made to last.", "editor", True),
    }
    assert found["lamp"].messages[1].content == "Write about lamp.", "without what the editor said of the text before"
    [source] = made.statement.runs
    assert (sorted(source.ledgers), source.decisions) == (sorted([first.run_id, second.run_id]), 4)


def test_a_text_that_an_editor_refused_loses_to_the_one_that_was_made_after_it(project: Project) -> None:
    first = project.run(answer)
    decide(project, first, "lamp", "reject", reason="tone_wrong", note="warmer")
    second = redone(project, first, lambda _: BETTER)
    decide(project, second, "lamp", "approve")
    _, data = made_of(project, second, reviewed_only=True)
    [pair] = pairs_of(data)
    assert (pair.kind, pair.by, pair.reasons) == ("accepted_over_rejected", "editor", ["tone_wrong"])
    assert (pair.chosen[0].content, pair.rejected[0].content) == (BETTER, text_of("lamp"))
    _, both = made_of(project, first, second, reviewed_only=True, out=project.folder / "both")
    assert [(one.chosen, one.rejected) for one in pairs_of(both)] == [(pair.chosen, pair.rejected)], "once"


def test_without_the_run_of_the_refusal_nothing_is_said_of_the_text_before(project: Project) -> None:
    first = project.run(answer)
    decide(project, first, "lamp", "reject", reason="tone_wrong")
    second = redone(project, first, lambda _: BETTER)
    decide(project, second, "lamp", "approve")
    shutil.rmtree(project.out / first.run_id)
    made, data = made_of(project, second, reviewed_only=True)
    assert ([*examples_of(data)], pairs_of(data)) == (["lamp"], [])
    assert [*made.statement.runs[0].ledgers] == [second.run_id]


def test_what_was_refused_before_a_run_took_it_over_is_no_example_there(project: Project) -> None:
    first = project.run(answer)
    decide(project, first, "lamp", "reject", reason="off_brief")
    project.products("kettle", "lamp", "stool", "basket")
    second = project.run(answer)
    made, data = made_of(project, second)
    assert sorted(examples_of(data)) == ["basket", "kettle", "stool"]
    assert made.statement.left_out == {"rejected": 1}
