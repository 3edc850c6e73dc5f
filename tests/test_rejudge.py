"""`aigc judge`: the texts of a run under other thresholds, and what the next run then makes."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_project import GOOD, SHORT, Project, interrupted, small_project

from aigc.errors import BriefsError, UsageError
from aigc.provenance import RunFile
from aigc.rejudge import changes, rejudge
from aigc.settings import load_settings


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path)


def judged(project: Project, **tables: dict[str, object]) -> RunFile:
    """Judge the newest run under these settings, and have the project keep them."""
    project.overrides.update(tables)
    settings = load_settings(None, {**tables, "run": {"out": str(project.out), **tables.get("run", {})}}, {})
    _, file, _ = rejudge(None, settings)
    return file


def test_texts_are_judged_again_under_other_thresholds_and_none_is_made(project: Project) -> None:
    first = project.run(lambda prompt: SHORT if "lamp" in prompt.messages[-1].content else GOOD)
    assert first.outcomes == {"accepted": 2, "exhausted": 1}
    second = judged(project, filters={"length": {"action": "flag"}})
    assert second.run_id != first.run_id
    assert second.outcomes == {"accepted": 3}
    assert second.tokens_out == 0
    assert changes(first, second) == ["accepted 2 → 3", "exhausted 1 → 0"]
    old, new = project.records(first), project.records(second)
    assert [record.outcome for record in old] == ["accepted", "exhausted", "accepted"], "the old run is as it was"
    assert new[1].attempts[0].completion.text == SHORT
    assert len(new[1].attempts) == 1, "the first text is good enough now"


def test_the_next_run_makes_only_what_falls_short_now(project: Project) -> None:
    project.run(lambda prompt: GOOD + (" It is blue." if "lamp" in prompt.messages[-1].content else ""))
    file = judged(project, filters={"length": {"action": "flag"}, "required_terms": {"action": "flag"}})
    assert file.outcomes == {"accepted": 3}
    assert project.run().outcomes == {"accepted": 3}
    assert project.prompts == [], "nothing fell short"


def test_a_text_that_was_made_upon_other_advice_is_judged_all_the_same(project: Project) -> None:
    """The first text fell short of two things; under new settings it falls short of one, so the advice is another."""
    project.products("kettle")
    project.sheet([{"id": "a", "content_type": "note", "product": "kettle", "keywords": "litre"}])
    project.run(lambda prompt: GOOD if prompt.attempt else SHORT)
    file = judged(project, filters={"required_terms": {"action": "flag"}})
    assert file.outcomes == {"accepted": 1}
    (record,) = project.records(file)
    assert [len(attempt.feedback) for attempt in record.attempts] == [0, 2], "as it was given when it was made"
    assert project.run().outcomes == {"accepted": 1}
    assert project.prompts == []


def test_texts_of_an_edited_template_are_not_passed_off_as_those_of_the_new_one(project: Project) -> None:
    project.run()
    project.pack("note", user_j2="Write about {{ product }} for children.")
    file = judged(project)
    assert file.outcomes == {"short": 3}
    assert project.run().outcomes == {"accepted": 3}
    assert len(project.prompts) == 3


def test_a_renamed_run_is_judged_as_it_is(project: Project) -> None:
    file = project.run()
    (project.out / file.run_id).rename(project.out / "kept")
    settings = load_settings(None, {"run": {"out": str(project.out)}}, {})
    assert rejudge("kept", settings)[1].outcomes == {"accepted": 3}


def test_rows_whose_texts_do_not_pass_any_more_are_short_and_made_at_the_next_run(project: Project) -> None:
    project.overrides["filters"] = {"length": {"action": "flag"}}
    project.run(lambda prompt: SHORT if "lamp" in prompt.messages[-1].content else GOOD)
    file = judged(project, filters={"length": {"action": "retry"}})
    assert file.outcomes == {"accepted": 2, "short": 1}
    assert file.reasons["not_made"] == {"short": 1}
    after = project.run(lambda _: GOOD)
    assert after.outcomes == {"accepted": 3}
    assert [prompt.attempt for prompt in project.prompts] == [1], "with advice on the text that fell short"
    assert "at least 10 words" in project.prompts[0].messages[-1].content


def test_a_classifier_that_is_required_only_now_holds_what_nobody_has_checked(project: Project) -> None:
    project.run()
    file = judged(project, safety={"required": True})
    assert file.outcomes == {"held": 3}
    assert file.reasons["safety_not_run"] == {"held": 3}


def test_a_run_that_has_not_finished_is_not_judged(project: Project) -> None:
    run_id = interrupted(project, 1).run_id
    with pytest.raises(UsageError, match="Finish it first: run the command that started it again") as caught:
        judged(project)
    assert run_id in str(caught.value)


def test_a_sheet_that_has_changed_since_is_not_judged_by_old_texts(project: Project) -> None:
    project.run()
    project.products("kettle", "bench")
    with pytest.raises(BriefsError, match="other bytes than the run was made of"):
        judged(project)


def test_without_runs_there_is_nothing_to_judge(project: Project) -> None:
    with pytest.raises(UsageError, match="no run"):
        judged(project)
