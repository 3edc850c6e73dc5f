"""Held-out briefs are written by both models and judged by the filters that their run had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lessons_of_style import CPU, a_model
from reviewed_runs import answer, decide, made_of, project_of, text_of
from small_project import SHORT, Project

from aigc.errors import UsageError
from aigc.hashing import digest
from aigc.models import ModelRef
from aigc.settings import EngineSettings
from aigc.training_data.reading import TrainingData
from aigc.tuning.recipes import Options
from aigc.tuning.tuning import Order, tune
from aigc.tuning.writing import chosen, open_court, write_texts

SCRIPTED = ModelRef(ref="scripted", digest=digest("scripted"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = project_of(tmp_path)
    project.set("sampling", max_new_tokens=24)
    return project


@pytest.fixture
def data(project: Project) -> TrainingData:
    """Three of twelve notes were refused once; three were edited."""
    file = project.run(lambda prompt: SHORT if prompt.attempt == 0 and "zip" in prompt.messages[-1].content
                       else answer(prompt))
    for name in ("kettle", "lamp", "stool", "basket", "ladder", "mirror"):
        decide(project, file, name, "edit", text=f"{text_of(name)} Made to last.")
    return made_of(project, file, held_out=0.3)[1]


def test_texts_are_judged_by_the_filters_of_their_run(data: TrainingData) -> None:
    held = data.held_out()
    court = open_court(data.statement.judging, None)
    found = write_texts(held, SCRIPTED, EngineSettings(name="scripted"), court)
    assert [text.source for text in found] == [one.source for one in held]
    assert all(text.text for text in found)
    settings = next(iter(data.statement.judging.values()))
    assert settings.filters["note"] == {}
    for text, one in zip(found, held, strict=True):
        words = len(text.text.split())
        assert text.accepted == (10 <= words <= 30), "the limits of the type"
        assert text.accepted or {"too_long", "too_short"} & {*text.reasons}
        assert text.group == one.group


def test_the_same_briefs_are_chosen_every_time_and_no_more_than_asked_for(data: TrainingData) -> None:
    held = data.held_out()
    assert len(held) >= 2
    assert chosen(held, 1) == chosen([*reversed(held)], 1)
    assert sorted(one.source for one in chosen(held, 99)) == sorted(one.source for one in held)
    assert chosen(held, 0) == []


def test_templates_that_are_gone_or_others_are_told_before_anything_is_done(
    data: TrainingData, project: Project, tmp_path: Path
) -> None:
    judging = data.statement.judging
    with pytest.raises(UsageError) as caught:
        open_court(judging, tmp_path / "nowhere")
    assert str(caught.value) == (
        f"--templates: found no folder {tmp_path}/nowhere; expected the templates by which texts are read and judged. "
        "Name their folder with --templates, or leave texts out with --eval-texts 0."
    )
    project.pack("note", user_j2="Another {{ product }}.\n")
    with pytest.raises(UsageError, match=r"templates/note: found other templates than the data was made with"):
        open_court(judging, None)


def test_a_tuning_measures_texts_and_pairs_and_shows_both_side_by_side(data: TrainingData, tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="needs trl: pip install 'aigc[finetune]'")
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'aigc[finetune]'")
    base = a_model(tmp_path / "base")
    tuned = tune(Order(data=data.folder, base=base, settings=CPU, options=Options(epochs=1), out=tmp_path / "out"))
    found = {one.name: one for one in tuned.statement.shifts}
    assert found.keys() == {"loss", "accepted", "preferred"} if data.pairs("test") else {"loss", "accepted"}
    assert found["accepted"].items == len(data.held_out())
    rows = [json.loads(line) for line in (tuned.folder / "held_out.jsonl").read_text().splitlines()]
    assert {row["source"] for row in rows} == {one.source for one in data.held_out()}
    assert {*rows[0]} == {"source", "brief_id", "before", "after", "before_reasons", "after_reasons"}
    plan = tuned.statement.plan
    assert plan.data.runs == {run.run_id: run.manifest for run in data.statement.runs}
    assert (plan.data.test, plan.data.pairs) == (len(data.examples("test")), len(data.pairs("test")))
