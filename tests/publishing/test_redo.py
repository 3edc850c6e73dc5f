"""Texts that editors refused are made again with what they said, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from editing import decide, note_of, opened, redone, today
from msgspec.structs import replace
from small_project import GOOD, SHORT, Power, Project, small_project, stopping_after
from test_dialogue import TALK, briefs, good

from aigc.errors import BriefsError, StoreError, UsageError
from aigc.provenance import RunFile
from aigc.records import Prompt, Record
from aigc.redo import redo
from aigc.rejudge import rejudge
from aigc.review.advice import NOTE_CHARS, advice_of
from aigc.review.decisions import REASONS, Decision
from aigc.settings_loading import load_settings
from aigc.verification import verify

BETTER = "This kettle is a kettle for slow mornings: a litre of water, a thin stream, and coffee that takes its time."


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path)


def by_name(project: Project, file: RunFile) -> dict[str, Record]:
    return {record.brief_id: record for record in project.records(file)}


def test_a_refused_text_is_made_again_with_the_reason_and_the_note_and_no_other_is(project: Project) -> None:
    first = project.run()
    decide(project, first, "lamp", "reject", reason="tone_wrong", note="colder, \n and no {{ coffee }}")
    decide(project, first, "kettle", "approve")
    second = redone(project, first, lambda _: BETTER)
    (prompt,) = project.prompts
    assert "Write about lamp." in prompt.messages[-1].content
    assert note_of(prompt).splitlines()[:2] == [
        "- An editor found its tone wrong. Keep to the tone that is asked for.",
        "- The editor says: colder, and no {{ coffee }}",
    ]
    old, new = by_name(project, first), by_name(project, second)
    assert second.redo_of == first.run_id
    assert {name: new[name].record_id == old[name].record_id for name in new} == {
        "kettle": True, "lamp": False, "stool": True}
    assert replace(new["kettle"], taken_from="") == old["kettle"]
    assert new["lamp"].content
    assert new["lamp"].content.text == BETTER
    assert old == by_name(project, first), "the run that was read is as it was"


def test_a_redone_row_keeps_its_attempts_and_names_what_was_refused(project: Project) -> None:
    first = project.run()
    taken = decide(project, first, "lamp", "reject", reason="too_long")
    assert taken.taken == 1
    second = redone(project, first, lambda _: BETTER)
    before, after = by_name(project, first)["lamp"], by_name(project, second)["lamp"]
    assert [attempt.number for attempt in after.attempts] == [0, 1]
    assert after.attempts[0] == before.attempts[0]
    assert after.chosen == 1
    (one,) = after.redone or []
    assert (one.record_id, one.run_id, one.attempts) == (before.record_id, first.run_id, 1)
    assert [digest[:7] for digest in one.decisions] == ["sha256:"]


def test_what_led_to_a_redone_text_is_in_its_provenance_and_the_run_holds(project: Project) -> None:
    first = project.run()
    decide(project, first, "lamp", "reject", reason="other")
    second = redone(project, first)
    from aigc.parquet_rows import read_rows

    rows = {row.record.brief_id: row for row in read_rows(project.out / second.run_id / "records.parquet")}
    assert rows["kettle"].provenance.decisions == []
    (one,) = rows["lamp"].record.redone or []
    assert rows["lamp"].provenance.decisions == one.decisions
    assert rows["lamp"].record == by_name(project, second)["lamp"]
    assert verify(project.out / second.run_id).findings == []


def test_a_redo_may_make_as_many_attempts_as_any_row_and_tells_the_editors_words_each_time(project: Project) -> None:
    first = project.run(lambda prompt: GOOD if prompt.attempt == 2 else SHORT)
    assert project.records(first)[0].attempts[2].completion.text == GOOD, "two of its three attempts fell short"
    decide(project, first, "kettle", "reject", reason="repetitive", note="say it once")
    second = redone(project, first, lambda _: SHORT)
    assert [prompt.attempt for prompt in project.prompts] == [3, 4, 5]
    assert all("The editor says: say it once" in note_of(prompt) for prompt in project.prompts)
    assert ["at least 10 words" in note_of(prompt) for prompt in project.prompts] == [False, True, True]
    record = by_name(project, second)["kettle"]
    assert (record.outcome, record.chosen, len(record.attempts)) == ("exhausted", None, 6)


def test_the_text_that_was_refused_does_not_come_back_where_nothing_better_came(project: Project) -> None:
    """The filters had accepted it: of the attempts that count none passes, and so none stands."""
    first = project.run()
    decide(project, first, "kettle", "reject", reason="off_brief")
    second = redone(project, first, lambda _: SHORT)
    assert by_name(project, second)["kettle"].content is None
    assert by_name(project, second)["kettle"].outcome == "exhausted"


def test_several_editors_are_all_heard(project: Project) -> None:
    first = project.run()
    decide(project, first, "lamp", "reject", reason="too_long", note="half of it", editor="Ana")
    decide(project, first, "lamp", "reject", reason="too_long", note="and no jokes", editor="Bo")
    redone(project, first)
    assert note_of(project.prompts[0]).splitlines()[:3] == [
        "- An editor found it too long. Write less.", "- The editor says: half of it",
        "- The editor says: and no jokes",
    ]


def test_a_record_in_conflict_is_left_as_it_is(project: Project) -> None:
    first = project.run()
    decide(project, first, "lamp", "reject", reason="too_long", editor="Ana")
    decide(project, first, "lamp", "approve", editor="Bo")
    assert opened(project, first).redo.again == {}


def test_a_killed_redo_goes_on_and_makes_nothing_twice(project: Project) -> None:
    first = project.run()
    for name in ("kettle", "lamp", "stool"):
        decide(project, first, name, "reject", reason="other", note=f"not {name}")
    with pytest.raises(Power):
        redone(project, first, stopping_after(2))
    stopped = project.newest()
    assert (stopped.redo_of, stopped.status) == (first.run_id, "failed")
    second = redone(project, first, lambda _: BETTER)
    assert second.run_id == stopped.run_id
    assert ["stool" in prompt.messages[-1].content for prompt in project.prompts] == [True]
    assert second.outcomes == {"accepted": 3}
    assert [len(record.attempts) for record in project.records(second)] == [2, 2, 2]


def test_an_ordinary_run_of_the_sheet_does_not_end_as_a_redo_that_was_stopped(project: Project) -> None:
    first = project.run()
    decide(project, first, "lamp", "reject", reason="other")
    with pytest.raises(Power):
        redone(project, first, stopping_after(0))
    stopped = project.newest()
    project.products("kettle", "lamp", "stool", "basket")
    third = project.run()
    assert third.run_id not in (first.run_id, stopped.run_id)
    assert third.redo_of == ""


def test_a_text_that_is_refused_twice_has_one_story(project: Project) -> None:
    first = project.run()
    decide(project, first, "lamp", "reject", reason="other", note="first word")
    second = redone(project, first, lambda _: BETTER)
    decide(project, second, "lamp", "reject", reason="other", note="second word")
    third = redone(project, second, lambda prompt: BETTER.replace("slow", f"calm {prompt.attempt}"))
    assert "second word" in note_of(project.prompts[0])
    assert "first word" not in note_of(project.prompts[0]), "that was said of another text"
    record = by_name(project, third)["lamp"]
    assert [attempt.number for attempt in record.attempts] == [0, 1, 2]
    assert [one.run_id for one in record.redone or []] == [first.run_id, second.run_id]
    assert [one.attempts for one in record.redone or []] == [1, 2]


def test_what_was_made_upon_the_same_decision_is_not_made_again_for_a_later_run(project: Project) -> None:
    """The sheet is edited: the refused text is taken over with its refusal, and its redo is there already."""
    first = project.run()
    decide(project, first, "lamp", "reject", reason="other")
    second = redone(project, first, lambda _: BETTER)
    project.products("kettle", "lamp", "stool", "basket")
    third = project.run()
    assert by_name(project, third)["lamp"].record_id == by_name(project, first)["lamp"].record_id
    fourth = redone(project, third, stopping_after(0))
    assert project.prompts == []
    assert by_name(project, fourth)["lamp"].record_id == by_name(project, second)["lamp"].record_id


def test_rows_of_the_run_that_was_read_stay_though_a_younger_run_has_others(project: Project) -> None:
    first = project.run()
    project.run(lambda _: BETTER, mode="new")
    decide(project, first, "lamp", "reject", reason="other")
    second = redone(project, first)
    assert by_name(project, second)["kettle"].record_id == by_name(project, first)["kettle"].record_id


def test_a_decision_that_is_taken_back_before_the_redo_changes_nothing(project: Project) -> None:
    first = project.run()
    decide(project, first, "lamp", "reject", reason="other")
    decide(project, first, "lamp", "approve")
    assert opened(project, first).redo.again == {}
    made = redo(first.run_id, today(project))
    assert (made.file, made.folder) == (None, None)


def test_what_failed_is_left_to_the_next_run(project: Project) -> None:
    from aigc.engine.scripted import fault

    first = project.run(lambda prompt: fault("no_room") if "stool" in prompt.messages[-1].content else GOOD)
    assert first.outcomes == {"accepted": 2, "failed": 1}
    decide(project, first, "lamp", "reject", reason="other")
    second = redone(project, first)
    assert len(project.prompts) == 1
    assert second.outcomes == {"accepted": 2, "failed": 1}


def test_judging_a_redone_run_does_not_bring_the_refused_text_back(project: Project) -> None:
    first = project.run()
    decide(project, first, "lamp", "reject", reason="other")
    second = redone(project, first, lambda _: BETTER)
    settings = load_settings(None, {"run": {"out": str(project.out)}, "filters": {"length": {"action": "flag"}}}, {})
    judged = rejudge(second.run_id, settings)[1]
    record = by_name(project, judged)["lamp"]
    assert record.content
    assert record.content.text == BETTER
    assert record.redone == by_name(project, second)["lamp"].redone


def test_the_same_command_again_has_nothing_to_do(project: Project) -> None:
    project.set("engine", name="scripted")
    first = project.run()
    decide(project, first, "lamp", "reject", reason="other")
    one = redo(first.run_id, today(project))
    said: list[str] = []
    again = redo(first.run_id, today(project), say=said.append)
    assert one.file
    assert again.file
    assert one.file.run_id == again.file.run_id
    assert f"Nothing to do: {one.file.run_id} already holds these texts." in said
    decide(project, first, "kettle", "reject", reason="other")
    more = redo(first.run_id, today(project))
    assert more.file
    assert more.file.run_id != one.file.run_id
    assert by_name(project, more.file)["lamp"].record_id == by_name(project, one.file)["lamp"].record_id


def test_a_changed_sheet_or_template_is_told_with_its_remedy(project: Project) -> None:
    first = project.run()
    decide(project, first, "lamp", "reject", reason="other")
    project.pack("note", user_j2="Write about {{ product }} for children.")
    with pytest.raises(UsageError, match="found other templates than its texts were made with") as caught:
        opened(project, first)
    assert "Bring them back from version control." in str(caught.value)
    project.products("kettle", "lamp")
    with pytest.raises(BriefsError, match="other bytes than the run was made of"):
        opened(project, first)


def test_a_policy_that_was_set_since_stands_in_the_way(project: Project) -> None:
    from aigc.errors import SettingsError

    project.set("engine", name="scripted")
    first = project.run()
    decide(project, first, "lamp", "reject", reason="other")
    project.set("policy", max_tokens_per_run=10)
    with pytest.raises(SettingsError, match="policy"):
        redo(first.run_id, today(project))


def test_a_dialogue_is_told_what_an_editor_said_and_a_killed_redo_keeps_its_lines(project: Project) -> None:
    project.pack("talk", **TALK)
    briefs(project, "a", "b")
    first = project.run(good)
    decide(project, first, "a", "reject", reason="too_long", note="no coffee")
    made = iter(range(2))

    def stopping(prompt: Prompt) -> str:
        if next(made, None) is None:
            raise Power
        return good(prompt)

    with pytest.raises(Power):
        redone(project, first, stopping)
    second = redone(project, first, good)
    assert len(project.prompts) == 2, "two of its four lines were there"
    assert all("no coffee" in prompt.messages[0].content for prompt in project.prompts)
    record = by_name(project, second)["a"]
    assert [attempt.number for attempt in record.attempts] == [0, 1]
    assert len(record.attempts[1].turns or []) == 4
    assert verify(project.out / second.run_id).findings == []


def test_where_the_journal_of_the_run_is_gone_nothing_is_made_in_its_place(project: Project) -> None:
    first = project.run()
    decide(project, first, "lamp", "reject", reason="other")
    (project.out / first.run_id / "journal.jsonl").unlink()
    with pytest.raises(StoreError, match="no record of brief kettle, variant 0"):
        redone(project, first)
    assert project.prompts == []


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize(("language", "start"), [("en-GB", "An editor"), ("zh-CN", "编辑"), ("fr", "An editor")])
def test_every_reason_has_words_in_the_language_of_the_brief(reason: str, language: str, start: str) -> None:
    (said,) = advice_of([a_refusal(reason=reason)], language)
    assert said.startswith(start)


def test_a_note_is_one_line_of_bounded_plain_text() -> None:
    note = "first\n- second\t\x07third " + "long " * 1_000
    said = advice_of([a_refusal(note=note)], "en")[-1]
    assert said.startswith("The editor says: first - second third long")
    assert len(said) <= NOTE_CHARS + len("The editor says: ")
    assert said.endswith("…")


def a_refusal(**changes: str) -> Decision:
    decision = Decision(record_id="r", run_id="n", verb="reject", editor="Ana", at="", base="", reason="other")
    return replace(decision, **changes)
