"""Dialogues: each line by the persona whose turn it is, kept before the next is asked for, judged alone and in all."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from small_project import MODEL, Power, Project, small_project

from aigc.dialogue import Said, persona, places, said_in, standing
from aigc.engine.scripted import answer as scripted_answer
from aigc.engine.scripted import fault
from aigc.errors import TemplateError
from aigc.export import PARQUET
from aigc.parquet_rows import read_rows
from aigc.past import open_past
from aigc.records import Completion, Prompt, Record
from aigc.rejudge import rejudge
from aigc.reproduction import reproduce
from aigc.settings_loading import load_settings
from aigc.trace import page, trace

TALK = {
    "toml": """
        title = "Talk"
        languages = ["en", "zh"]
        [fields.one]
        type = "persona"
        required = true
        [fields.two]
        type = "persona"
        required = true
        [fields.lines]
        type = "choice"
        choices = ["2", "4", "6"]
        default = "4"
        [output]
        format = "dialogue"
        speakers = ["one", "two"]
        turns = "lines"
        [output.fields.line]
        max_chars = 200
        [filters.turns]
        max_words = 20
    """,
    "system_j2": "You are {{ speaker }}, {{ speaker_is }}. You talk with {{ partner }}, {{ partner_is }}.\n",
    "user_j2": "{% if turn == 1 %}Begin.{% else %}{{ line }}{% endif %}{% if is_last %} (Your last line.){% endif %}\n",
}
LINES = [
    "Good morning, is the red bicycle ready for the ferry?",
    "Almost, the chain came late from the harbour yesterday.",
    "Then I shall wait outside with a coffee until noon.",
    "Fine, and bring me one without sugar when you return.",
    "With pleasure, though the baker closes in ten minutes today.",
    "Hurry then, the bell of the church has rung already.",
]
LONG = "This line goes on and on without any need, " * 3 + "which nobody who stands in a shop would ever listen to."


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = small_project(tmp_path)
    project.pack("talk", **TALK)
    briefs(project)
    return project


def briefs(project: Project, *names: str, **cells: str) -> None:
    """A sheet of dialogues between Ann and Bo, each with a name as its id."""
    row = {"content_type": "talk", "one": "Ann: a rider", "two": "Bo: a smith"}
    project.sheet([{"id": name, **row, **cells} for name in names or ("a",)])


def place(prompt: Prompt) -> int:
    """Which line a prompt asks for, counted from 0."""
    own = sum(message.role == "assistant" for message in prompt.messages)
    return 2 * own + prompt.messages[0].content.startswith("You are Bo")


def answer(line: str) -> str:
    return msgspec.json.encode({"line": line}).decode()


def good(prompt: Prompt) -> str:
    return answer(LINES[place(prompt)])


def failing_once(at: int, line: str) -> Callable[[Prompt], str]:
    """A script whose line at that place is `line` at the first try, and good at the next."""
    tried = list[int]()

    def script(prompt: Prompt) -> str:
        if place(prompt) == at and not tried:
            tried.append(at)
            return answer(line)
        return good(prompt)

    return script


def only(project: Project, script: Callable[[Prompt], str | Completion] = good) -> Record:
    (record,) = project.records(project.run(script))
    return record


def lines(record: Record) -> list[str]:
    assert record.content
    return [one.line for one in said_in(record.content.fields)]


def timeless(record: Record) -> str:
    """A record without what tells when, how fast and under which number it was made."""
    kept = re.sub(rb'"(created_at|record_id|prompt_commitment|file)":"[^"]*"|"generate_s":[\d.]+', b"",
                  msgspec.json.encode(record))
    return kept.decode()


# What is asked


def test_every_line_is_asked_of_the_persona_whose_turn_it_is(project: Project) -> None:
    record = only(project)
    assert lines(record) == LINES[:4]
    asked = [[(message.role, message.content) for message in prompt.messages] for prompt in project.prompts]
    ann, bo = ("system", "You are Ann, a rider. You talk with Bo, a smith."), (
        "system", "You are Bo, a smith. You talk with Ann, a rider.")
    assert asked == [
        [ann, ("user", "Begin.")],
        [bo, ("user", LINES[0])],
        [ann, ("user", "Begin."), ("assistant", answer(LINES[0])), ("user", f"{LINES[1]} (Your last line.)")],
        [bo, ("user", LINES[0]), ("assistant", answer(LINES[1])), ("user", f"{LINES[2]} (Your last line.)")],
    ]
    assert len({prompt.seed for prompt in project.prompts}) == 4


@pytest.mark.parametrize("count", ["2", "4", "6"])
def test_a_dialogue_has_exactly_as_many_lines_as_were_asked_for(project: Project, count: str) -> None:
    briefs(project, lines=count)
    record = only(project)
    assert record.content
    assert record.content.fields == {
        "turns": [{"speaker": name, "line": line}
                  for name, line in zip(["Ann", "Bo"] * 3, LINES[: int(count)], strict=False)]
    }
    assert record.content.text == "\n".join(
        f"{name}: {line}" for name, line in zip(["Ann", "Bo"] * 3, LINES[: int(count)], strict=False))
    assert (record.outcome, len(record.attempts)) == ("accepted", 1)


def test_a_layout_and_a_chinese_colon_are_the_types_and_the_languages(project: Project) -> None:
    briefs(project, "a", "b", lines="2")
    project.pack("talk", layout_j2="{% for turn in turns %}<{{ turn.speaker }}> {{ turn.line }}\n{% endfor %}")
    assert [record.content.text for record in project.records(project.run(good)) if record.content] == [
        f"<Ann> {LINES[0]}\n<Bo> {LINES[1]}"] * 2
    (project.folder / "templates" / "talk" / "layout.j2").unlink()
    briefs(project, language="zh", lines="2", one="安：骑车的人", two="宝：铁匠")
    said = iter(["早上好，那辆红色的自行车修好了吗？", "差不多了，链条昨天才从码头送到。"])
    assert only(project, lambda _: answer(next(said))).content is not None


def test_the_form_of_a_line_holds_its_length_and_no_line_break(project: Project) -> None:
    only(project)
    schema = msgspec.json.decode(project.prompts[0].json_schema or "")
    assert [*schema["properties"]] == ["line"]
    assert schema["properties"]["line"]["maxLength"] == 200
    assert not re.fullmatch(schema["properties"]["line"]["pattern"], "one\ntwo")


# Lines that fail


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("…!", "empty"),
        (f"Bo: {LINES[2]}", "wrong_speaker"),
        (f"{LINES[2]} Bo: {LINES[3]}", "wrong_speaker"),
        (LINES[0], "repeated_line"),
        (LONG, "line_too_long"),
        ("好的，我在外面喝一杯咖啡等到中午，然后再回来拿我的那辆红色自行车。", "wrong_language"),
    ],
)
def test_a_line_that_fails_is_made_again_alone_and_told_why(project: Project, line: str, reason: str) -> None:
    record = only(project, failing_once(2, line))
    assert (record.outcome, len(record.attempts), lines(record)) == ("accepted", 1, LINES[:4])
    turns = record.attempts[0].turns or []
    assert [place(prompt) for prompt in project.prompts] == [0, 1, 2, 2, 3]
    assert len(turns) == 5
    assert len(standing(turns)) == 4
    assert reason in {verdict.reason for verdict in turns[2].verdicts if verdict.action == "retry"}
    first, second = project.prompts[2:4]
    assert second.messages[-1].content.startswith(first.messages[-1].content + "\n\nYour last answer was not accepted:")
    assert first.seed != second.seed
    assert project.prompts[4].messages[-1].content.startswith(LINES[2]), "the bad line was never said"


def test_a_line_that_never_passes_ends_the_attempt_and_another_begins(project: Project) -> None:
    record = only(project, lambda prompt: answer(LONG) if place(prompt) == 1 and not prompt.attempt else good(prompt))
    assert (record.outcome, record.chosen, lines(record)) == ("accepted", 1, LINES[:4])
    assert [place(prompt) for prompt in project.prompts] == [0, 1, 1, 1, 0, 1, 2, 3]
    broken = record.attempts[0]
    assert [verdict.reason for verdict in broken.verdicts] == ["line_too_long", "unfinished_dialogue"]
    assert broken.verdicts[0].message.startswith("Line 2, Bo: The line has")
    assert broken.verdicts[1].message == "1 of 4 lines stand. Line 2 did not pass in 3 tries."
    assert "An earlier try at this conversation was not accepted:" in project.prompts[4].messages[0].content


def test_a_dialogue_that_never_becomes_whole_is_exhausted_and_keeps_all_that_was_tried(project: Project) -> None:
    record = only(project, lambda prompt: answer(LONG) if place(prompt) == 3 else good(prompt))
    assert (record.outcome, record.chosen, len(record.attempts)) == ("exhausted", None, 3)
    assert record.reasons == ["line_too_long", "unfinished_dialogue"]
    assert [len(attempt.turns or []) for attempt in record.attempts] == [6, 6, 6]


def test_a_whole_that_fails_is_made_again_from_its_first_line(project: Project) -> None:
    briefs(project, keywords="umbrella")

    def script(prompt: Prompt) -> str:
        return answer(LINES[place(prompt)] + (" Take the umbrella." if prompt.attempt and place(prompt) == 1 else ""))

    record = only(project, script)
    assert (record.outcome, record.chosen) == ("accepted", 1)
    assert [verdict.reason for verdict in record.attempts[0].verdicts if verdict.reason] == ["missing_keyword"]


def test_a_line_that_is_rejected_rejects_the_dialogue_at_once(project: Project) -> None:
    project.overrides["filters"] = {"forbidden_terms": {"action": "reject", "terms": ["chain"]}}
    record = only(project)
    assert (record.outcome, len(project.prompts)) == ("rejected", 2)


def test_what_is_said_of_a_line_points_at_its_place_in_the_whole(project: Project) -> None:
    project.overrides["filters"] = {"forbidden_terms": {"action": "hold", "terms": ["coffee"]},
                                    "turns": {"max_words": 8, "action": "flag"}}
    record = only(project)
    assert record.outcome == "held"
    assert record.content
    text = record.content.text
    found = {verdict.reason: [text[span.start : span.end] for span in verdict.spans] for verdict in record.verdicts
             if verdict.reason}
    assert found == {"forbidden_term": ["coffee"], "line_too_long": [LINES[0]]}


def test_what_is_said_of_a_line_alone_is_told_of_the_whole(project: Project) -> None:
    """A line of mixed scripts is one; in the whole they are few enough to pass."""
    briefs(project, lines="6")
    mixed = "The sign at the door of the shop by the ferry says 欢迎光临."
    record = only(project, lambda prompt: answer(mixed) if place(prompt) == 3 else good(prompt))
    assert record.content
    told = {verdict.reason: verdict for verdict in record.verdicts if verdict.action == "flag"}
    assert told["mixed_script"].message.startswith("Line 4, Bo: ")
    (span,) = told["mixed_script"].spans
    assert record.content.text[span.start : span.end] == mixed


def test_a_fault_at_a_line_fails_the_row_and_the_next_run_goes_on_after_the_lines_before(project: Project) -> None:
    record = only(project, lambda prompt: fault("out_of_memory") if place(prompt) == 2 else good(prompt))
    assert (record.outcome, record.reasons) == ("failed", ["out_of_memory"])
    assert only(project).outcome == "accepted"
    assert [place(prompt) for prompt in project.prompts] == [2, 3]


# What is never made twice


@pytest.mark.parametrize("answers", range(12))
def test_a_run_that_dies_after_any_line_goes_on_after_it_to_the_same_bytes(
    project: Project, tmp_path: Path, answers: int
) -> None:
    briefs(project, "a", "b", "c")
    left = iter(range(answers))

    def script(prompt: Prompt) -> str:
        if next(left, None) is None:
            raise Power
        return good(prompt)

    with pytest.raises(Power):
        project.run(script, slots=2)
    found = project.records(project.run(good, slots=2))
    assert len(project.prompts) == 12 - answers, "each line is made once"
    straight = small_project(tmp_path / "straight")
    straight.pack("talk", **TALK)
    briefs(straight, "a", "b", "c")
    expected = straight.records(straight.run(good, slots=2))
    assert [timeless(record) for record in found] == [timeless(record) for record in expected]
    assert {record.outcome for record in found} == {"accepted"}


def test_a_stricter_filter_makes_only_the_lines_from_the_first_that_fails_now(project: Project) -> None:
    only(project)
    project.overrides["filters"] = {"forbidden_terms": {"terms": ["coffee"]}}
    record = only(project, lambda prompt: answer("Then I shall wait outside with tea.") if place(prompt) == 2
                  else good(prompt))
    assert record.outcome == "accepted"
    assert [place(prompt) for prompt in project.prompts] == [2, 3]
    assert lines(record)[:2] == LINES[:2]


def test_a_looser_filter_makes_none_and_a_whole_record_is_taken_as_it_is(project: Project) -> None:
    first = only(project)
    project.overrides["filters"] = {"turns": {"max_words": 60}}
    second = only(project)
    assert project.prompts == []
    assert (first.attempts, first.fingerprint != second.fingerprint) == (second.attempts, True)
    assert project.has_nothing_to_do()


def test_a_judging_makes_no_line(project: Project) -> None:
    run = project.run(good)
    project.overrides["filters"] = {"turns": {"max_words": 9, "action": "hold"}}
    settings = load_settings(None, project._settings(), {})
    folder, after, _ = rejudge(run.run_id, settings)
    assert after.outcomes == {"held": 1}
    assert folder.name != run.run_id


def test_a_budget_that_is_spent_within_a_dialogue_keeps_its_lines_for_the_next_run(project: Project) -> None:
    def costly(prompt: Prompt) -> Completion:
        return Completion(request_id="", text=good(prompt), finish_reason="stop", tokens_out=10)

    project.set("run", max_tokens_per_text=25)
    record = only(project, costly)
    assert (record.outcome, record.reasons) == ("exhausted", ["token_budget", "unfinished_dialogue"])
    assert record.attempts[0].completion.tokens_out == 30
    project.set("run", max_tokens_per_text=0)
    assert only(project, costly).outcome == "accepted"
    assert [place(prompt) for prompt in project.prompts] == [3]


def test_the_policy_counts_every_line_that_may_be_tried(project: Project) -> None:
    briefs(project, "a", "b", lines="6", variants="2")
    project.overrides["policy"] = {"max_tokens": 100}
    job = project.job()
    survey = job.survey()
    assert survey.lines == {"talk": 24}
    (objection,) = job.objections(survey)
    most = 24 * 3 * 3 * job.sampling_of("talk").max_new_tokens
    assert objection.found == f"up to {most:,} tokens"


def test_what_becomes_of_dialogues_does_not_depend_on_who_is_done_first(project: Project) -> None:
    briefs(project, *"abcde", variants="2")

    def script(prompt: Prompt) -> str:
        return answer(LONG) if prompt.seed % 5 == 0 else good(prompt)

    one, other = (project.records(project.run(script, slots=slots, mode="new")) for slots in (1, 7))
    engine = re.compile(r'"engine":"[^"]*"')
    assert [engine.sub("", timeless(record)) for record in one] == [
        engine.sub("", timeless(record)) for record in other]


# What is kept, and made again


def test_the_results_hold_every_try_and_read_back_as_they_were(project: Project) -> None:
    run = project.run(failing_once(1, LONG))
    (row,) = read_rows(project.out / run.run_id / PARQUET)
    (record,) = project.records(run)
    assert row.record == record
    assert [len(turn.verdicts) > 0 for turn in row.record.attempts[0].turns or []] == [True] * 5


def test_each_line_is_made_again_from_what_was_said_before_it(project: Project) -> None:
    briefs(project, "a", "b")
    project.set("engine", name="scripted")
    run = project.run(scripted_answer)
    past = open_past(project.out / run.run_id)
    assert reproduce(past, [0, 1], MODEL, past.run.settings).is_same
    (row, _) = (found for _, found in past.rows())
    attempt = row.record.attempts[0]
    assert [prompt.request_id for prompt, _ in past.prompts_of(row, attempt)] == [
        turn.request_id for turn in standing(attempt.turns or [])]
    assert past.prompt_of(row, attempt).request_id == attempt.request_id


def test_its_trace_shows_what_was_asked_for_every_line_and_every_try(project: Project) -> None:
    project.run(failing_once(1, LONG))
    found = trace(project.out, "a", secret=project.folder / "secret")
    turns = [(turn.line, turn.number) for turn in found.steps[0].turns]
    assert turns == [(0, 0), (1, 0), (1, 1), (2, 0), (3, 0)]
    assert all(turn.asked.messages for turn in found.steps[0].turns)
    shown = [line for line in page(found) if line.startswith(("  Line ", "      system"))]
    assert [line.partition(":")[0] for line in shown[::2]] == [
        "  Line 1", "  Line 2", "  Line 2, try 2", "  Line 3", "  Line 4"]
    assert shown[1::2] == ["      system:"] * 5
    assert any(LINES[3] in line for line in page(found))


# Values


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("Mara: the baker", ("Mara", "the baker")),
        ("陈师傅：修表匠：慢条斯理", ("陈师傅", "修表匠：慢条斯理")),
        (" Dr. O'Neil : kind, and\nslow ", ("Dr. O'Neil", "kind, and\nslow")),
        ("the baker", None), (": the baker", None), ("Mara:", None), ("", None), (f"{'x' * 41}: y", None),
    ],
)
def test_a_persona_is_a_name_and_who_that_is(cell: str, found: tuple[str, str] | None) -> None:
    read = persona(cell)
    assert (read and (read.name, read.words)) == found


def test_a_cell_that_is_no_persona_is_told_with_its_column(project: Project) -> None:
    briefs(project, one="a rider", lines="3")
    errors = project.job().survey().errors
    assert [(error.column, error.code) for error in errors] == [("one", "not_a_persona"), ("lines", "unknown_choice")]
    assert errors[0].message == (
        f"{project.folder}/briefs.csv line 2, one: found 'a rider'; expected NAME: who that is, with a name of at most "
        "40 characters. Begin the cell with the name and a colon.")


def test_two_personas_of_one_name_are_no_dialogue(project: Project) -> None:
    briefs(project, two="ann: a smith")
    record = only(project)
    assert (record.outcome, record.reasons, project.prompts) == ("invalid", ["template_failed"], [])
    assert "found 'Ann' twice; expected two names" in record.errors[0].message


def test_places_follow_each_other_where_lines_are_alike() -> None:
    said = [Said(speaker="A", line="Yes."), Said(speaker="B", line="Yes."), Said(speaker="A", line="No.")]
    assert [(one.start, one.end) for one in places("A: Yes.\nB: Yes.", said)] == [(3, 7), (11, 15), (15, 15)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('speakers = ["one", "two"]', 'speakers = ["one"]', "output.speakers: found .*; expected the names of two"),
        ('turns = "lines"', 'turns = "one"', "output.turns: found 'one'; expected the name of a field of type choice"),
        ('choices = ["2", "4", "6"]', 'choices = ["2", "4", "5"]', "output.turns"),
        ("[output.fields.line]", "[output.fields.text]", "output.fields: found 1 fields, text; expected one"),
        ('format = "dialogue"', 'format = "json"', "output.speakers: found a value for format json"),
        ("[fields.lines]", "[fields.turn]\n[fields.lines]", "fields.turn: found a name that the templates of every"),
    ],
)
def test_a_type_that_is_half_a_dialogue_is_refused(project: Project, old: str, new: str, message: str) -> None:
    project.pack("talk", toml=TALK["toml"].replace(old, new))
    with pytest.raises(TemplateError, match=message):
        project.packs()
