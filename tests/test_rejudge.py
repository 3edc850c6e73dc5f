"""`aigc judge`: the texts of a run under other thresholds, and what the next run then makes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from model_folders import write_weights
from small_project import GOOD, NOTE, SHORT, Power, Project, interrupted, small_project

from aigc.duplicates import CorpusText, CorpusWriter
from aigc.errors import BriefsError, UsageError
from aigc.models import resolve
from aigc.provenance import RunFile
from aigc.rejudge import changes, rejudge
from aigc.settings_loading import load_settings
from aigc.tally import Tally

ASKING = NOTE["template.toml"] + """
        [judge]
        questions = [{ id = "plain", text = "Is it plain?" }]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path)


def judged(
    project: Project,
    name: str | None = None,
    on_row: Callable[[Tally], None] = lambda _: None,
    **tables: dict[str, object],
) -> RunFile:
    """Judge a run, the newest finished one without a name, under these settings, and have the project keep them."""
    project.overrides.update(tables)
    settings = load_settings(None, {**tables, "run": {"out": str(project.out), **tables.get("run", {})}}, {})
    _, file, _ = rejudge(name, settings, on_row, project.said.append)
    return file


def lights_out(_: Tally) -> None:
    raise Power


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


def test_without_a_name_the_newest_run_that_has_finished_is_judged_and_told(project: Project) -> None:
    finished = project.run()
    project.set("run", seed=5)
    stopped = interrupted(project, 1)
    assert stopped.run_id != finished.run_id
    assert judged(project).outcomes == {"accepted": 3}
    assert f"Judging the texts of {finished.run_id}, the newest run that has finished." in project.said
    with pytest.raises(UsageError, match=f"run {stopped.run_id}: found a run that is failed"):
        judged(project, stopped.run_id)


def test_a_judging_that_was_stopped_is_gone_on_with_and_stands_in_nobodys_way(project: Project) -> None:
    first = project.run()
    lax: dict[str, object] = {"length": {"action": "flag"}}
    with pytest.raises(Power):
        judged(project, on_row=lights_out, filters=lax)
    stopped = project.newest()
    assert (stopped.status, stopped.judged_run) == ("failed", first.run_id)
    file = judged(project, filters=lax)
    assert (file.run_id, file.status, file.judged_run) == (stopped.run_id, "finished", first.run_id)
    assert file.made_before == 1, "what was judged before it was stopped is not judged again"
    assert [record.outcome for record in project.records(file)] == ["accepted"] * 3


def test_other_settings_begin_another_judging(project: Project) -> None:
    project.run()
    with pytest.raises(Power):
        judged(project, on_row=lights_out, filters={"length": {"action": "flag"}})
    stopped = project.newest()
    assert judged(project, filters={"length": {"action": "hold"}}).run_id != stopped.run_id


def test_a_run_does_not_end_as_a_judging_that_was_stopped(project: Project) -> None:
    project.run()
    with pytest.raises(Power):
        judged(project, on_row=lights_out, filters={"length": {"action": "flag"}})
    stopped = project.newest()
    file = project.run()
    assert (file.status, file.judged_run, project.prompts) == ("finished", "", [])
    assert file.run_id != stopped.run_id


def test_a_judging_can_be_judged_by_all_texts_of_the_run_that_made_them(project: Project) -> None:
    project.run(lambda prompt: GOOD if prompt.attempt else SHORT)
    lax = judged(project, filters={"length": {"action": "flag"}})
    assert {len(record.attempts) for record in project.records(lax)} == {1}
    strict = judged(project, filters={"length": {"action": "retry"}})
    assert (strict.judged_run, strict.outcomes) == (lax.run_id, {"accepted": 3})


@pytest.fixture
def from_elsewhere(project: Project, monkeypatch: pytest.MonkeyPatch) -> RunFile:
    """A run made in the project's folder, with its ./templates; the working folder is another now."""
    monkeypatch.chdir(project.folder)
    project.set("run", templates="")
    file = project.run()
    other = project.folder / "other"
    (other / "templates").mkdir(parents=True)
    monkeypatch.chdir(other)
    return file


def test_a_run_is_judged_with_its_own_templates_from_anywhere(project: Project, from_elsewhere: RunFile) -> None:
    shutil.copytree(project.folder / "templates" / "note", Path("templates") / "memo")
    assert judged(project).outcomes == from_elsewhere.outcomes == {"accepted": 3}


def test_a_run_whose_templates_are_gone_is_not_judged_with_others(project: Project, from_elsewhere: RunFile) -> None:
    (project.folder / "templates").rename("templates/kept")
    shutil.copytree(Path("templates") / "kept" / "note", Path("templates") / "memo")
    shutil.rmtree(Path("templates") / "kept")
    with pytest.raises(UsageError) as caught:
        judged(project)
    assert str(caught.value) == (
        f"run {from_elsewhere.run_id}: found texts of note, which is no content type of {Path('templates').resolve()}; "
        "expected the templates that they were made from. Put them back, or name their folder in run.templates."
    )
    assert project.said[-1] == (
        f"{project.folder}/templates: the run's templates are there no more; those of today's settings are taken."
    )
    assert len(list(project.out.iterdir())) == 1, "nothing was written"


def test_a_row_of_a_type_that_never_was_stands_in_nobodys_way(project: Project) -> None:
    project.sheet([{"id": "a", "content_type": "note", "product": "kettle"},
                   {"id": "b", "content_type": "nete", "product": "lamp"}])
    assert project.run().outcomes == {"accepted": 1, "invalid": 1}
    assert judged(project).outcomes == {"accepted": 1, "invalid": 1}


@pytest.fixture
def writer(project: Project, tmp_path: Path) -> Path:
    """The folder of a tiny model that wrote the project's newest run."""
    from engine import tiny

    folder = tmp_path / "writer"
    tiny.saved(folder, max_position_embeddings=2048)
    project.model = resolve(str(folder), trust_remote_code=False)
    project.set("run", model=str(folder))
    project.set("engine", device="cpu", dtype="float32", slots=8)
    project.products("kettle")
    project.run()
    return folder


def test_questions_asked_only_now_are_answered_by_the_model_that_wrote(project: Project, writer: Path) -> None:
    project.pack("note", toml=ASKING)
    file = judged(project)
    (record,) = project.records(file)
    verdict = next(verdict for verdict in record.verdicts if verdict.filter == "judge")
    assert verdict.reason in ("", "judge_plain")
    assert verdict.measured in (0.0, 1.0), "it was answered"
    assert file.model.digest == resolve(str(writer), trust_remote_code=False).digest


def test_a_model_with_other_files_does_not_judge_in_the_writers_name(project: Project, writer: Path) -> None:
    project.pack("note", toml=ASKING)
    write_weights(writer / "model.safetensors", 0.25)
    with pytest.raises(UsageError) as caught:
        judged(project)
    assert str(caught.value).endswith(
        f"found that the files of its model, {writer}, are others now; expected the model that made its texts, which "
        "is to judge them. Put its files back, or name another judge in judge.model."
    )


def test_without_questions_no_file_of_the_model_is_needed(project: Project, writer: Path) -> None:
    shutil.rmtree(writer)
    assert judged(project).outcomes == {"accepted": 1}


def test_texts_are_compared_with_the_corpus_of_todays_settings(project: Project) -> None:
    project.run(lambda _: GOOD)
    with CorpusWriter(project.folder / "published") as corpus:
        corpus.add("old.csv", "file", "old.csv", [CorpusText(text=GOOD, line=7)])
    near: dict[str, object] = {"near_duplicate": {"max_similarity": 0.1}}
    assert judged(project, filters=near, run={"corpus": str(project.folder / "published")}).flagged == 3


def test_a_sheet_that_has_changed_since_is_not_judged_by_old_texts(project: Project) -> None:
    project.run()
    project.products("kettle", "bench")
    with pytest.raises(BriefsError, match="other bytes than the run was made of"):
        judged(project)


def test_without_runs_there_is_nothing_to_judge(project: Project) -> None:
    with pytest.raises(UsageError, match="no run"):
        judged(project)
