"""The best of several texts: what it is told by, what counts as one, and what becomes of a row that has too few."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from judges import OTHER, THIRD
from small_project import GOOD, SHORT, Project, small_project
from test_pipeline import LAYOUT

from aigc.engine.scripted import fault
from aigc.jury import Judges
from aigc.panel import NO_PANEL, Panel
from aigc.provenance import RunFile
from aigc.records import Attempt, Completion, Prompt, Verdict
from aigc.rejudge import rejudge
from aigc.rows import SCORE
from aigc.settings_loading import load_settings


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = small_project(tmp_path)
    project.products("kettle")
    return project


def with_logprob(logprobs: Sequence[float]) -> Callable[[Prompt], Completion]:
    def script(prompt: Prompt) -> Completion:
        assert prompt.logprob
        text = f"{GOOD} Text {'one two three four five'.split()[prompt.attempt]}."
        return Completion(request_id="", text=text, finish_reason="stop", tokens_out=20,
                          logprob=logprobs[prompt.attempt])

    return script


def test_the_best_of_several_is_the_likeliest_and_the_rest_is_kept(project: Project) -> None:
    project.set("run", best_of=3, score="logprob")
    (record,) = project.records(project.run(with_logprob([-30.0, -12.0, -25.0])))
    assert (record.outcome, record.chosen, len(record.attempts)) == ("accepted", 1, 3)
    scores = [next(v.measured for v in attempt.verdicts if v.filter == SCORE) for attempt in record.attempts]
    assert scores == pytest.approx([each / (25 / 6) ** 0.6 for each in (-30.0, -12.0, -25.0)], abs=1e-5)
    assert all(not attempt.feedback for attempt in record.attempts), "a text that passed has nothing to put right"


def test_texts_that_do_not_pass_are_no_candidates_and_cost_attempts(project: Project) -> None:
    project.set("run", best_of=2, max_attempts=2)

    def script(prompt: Prompt) -> str:
        return [SHORT, GOOD, SHORT + " Very."][prompt.attempt]

    (record,) = project.records(project.run(script))
    assert (record.outcome, record.chosen, len(record.attempts)) == ("accepted", 1, 3)


def test_an_accepted_text_is_better_than_a_held_one_and_one_without_flags_than_one_with(project: Project) -> None:
    project.set("run", best_of=3)
    project.overrides["filters"] = {"forbidden_terms": {"action": "hold"}, "length": {"action": "flag"}}
    project.sheet([{"id": "a", "content_type": "note", "product": "kettle", "must_not_mention": "drips"}])
    (record,) = project.records(project.run(lambda prompt: [THIRD, SHORT, GOOD][prompt.attempt]))
    assert (record.outcome, record.chosen) == ("accepted", 2)


def test_prompts_of_rows_that_make_one_text_do_not_ask_for_its_probability(project: Project) -> None:
    project.set("run", score="logprob")
    project.run()
    assert not any(prompt.logprob for prompt in project.prompts)


# Texts without a score


def asked_or_not(logprobs: Sequence[float]) -> Callable[[Prompt], Completion]:
    """As an engine does: a probability where the prompt asks for it, else none."""

    def script(prompt: Prompt) -> Completion:
        logprob = logprobs[prompt.attempt] if prompt.logprob else None
        return Completion(request_id="", text=f"{GOOD} {prompt.attempt}.", finish_reason="stop", tokens_out=20,
                          logprob=logprob)

    return script


def score(attempt: Attempt) -> Verdict:
    (found,) = (verdict for verdict in attempt.verdicts if verdict.filter == SCORE)
    return found


def test_a_text_made_before_scores_were_asked_for_is_not_the_worse_for_having_none(project: Project) -> None:
    project.run(asked_or_not([-5.0]))
    project.set("run", best_of=3, score="logprob")
    (record,) = project.records(project.run(asked_or_not([-5.0, -30.0, -12.0])))
    assert [prompt.attempt for prompt in project.prompts] == [1, 2], "the first text is taken as it is"
    assert (record.outcome, record.chosen, record.reasons) == ("accepted", 0, []), "as if none had a score"
    assert [score(attempt).action for attempt in record.attempts] == ["not_run", "pass", "pass"]
    assert score(record.attempts[0]).message == (
        "No score by logprob. Where this text is one of those to choose from, scores do not decide."
    )


def test_where_a_text_without_a_score_is_no_candidate_scores_decide(project: Project) -> None:
    project.sheet([{"id": "a", "content_type": "note", "product": "kettle", "must_not_mention": "0."}])
    project.overrides["filters"] = {"forbidden_terms": {"action": "hold"}}
    assert project.run(asked_or_not([-5.0])).outcomes == {"held": 1}
    project.set("run", best_of=3, score="logprob")
    (record,) = project.records(project.run(asked_or_not([-5.0, -30.0, -12.0])))
    assert (record.outcome, record.chosen) == ("accepted", 2), "one that is held is not among those that are accepted"


def test_where_scores_do_not_decide_the_fewest_flags_do(project: Project) -> None:
    project.overrides["filters"] = {"length": {"action": "flag"}}
    project.set("run", best_of=2, score="logprob")
    (record,) = project.records(project.run(lambda prompt: GOOD if prompt.attempt else SHORT))
    assert (record.chosen, [score(attempt).action for attempt in record.attempts]) == (1, ["not_run"] * 2)


class Marks:
    """A judge that gives a text its mark, and fails on one without."""

    name = "judge"

    def check(self, cases):  # type: ignore[no-untyped-def]
        return [self._verdict(case.completion.text) for case in cases]

    def _verdict(self, text: str) -> Verdict:
        if text == GOOD:
            return Verdict(filter="judge", action="hold", reason="judge_error", measured=1.0, limit=1.0)
        return Verdict(filter="judge", action="pass", measured={OTHER: 0.5, THIRD: 0.75}[text], limit=1.0)


@pytest.mark.parametrize(("texts", "chosen"), [((GOOD, OTHER, THIRD), 2), ((OTHER, THIRD, GOOD), 1)])
def test_marks_of_a_judge_that_failed_count_for_nothing(project: Project, texts: Sequence[str], chosen: int) -> None:
    project.set("run", best_of=3, score="judge")
    project.panel = Panel(Judges(batch_filters=[Marks()]))
    (record,) = project.records(project.run(lambda prompt: texts[prompt.attempt]))
    assert (record.outcome, record.chosen) == ("accepted", chosen)
    (failed,) = (attempt for attempt in record.attempts if attempt.completion.text == GOOD)
    assert score(failed).action == "not_run"


# Fewer texts to choose from than were wanted


def flagged_then(second: str | Completion) -> Callable[[Prompt], str | Completion]:
    """Two texts that pass, the first with a flag, and then `second`."""
    return lambda prompt: [SHORT, GOOD, second][prompt.attempt]


@pytest.fixture
def three(project: Project) -> Project:
    project.overrides["filters"] = {"length": {"action": "flag"}}
    project.set("run", best_of=3)
    return project


def test_a_fault_leaves_the_best_of_what_passed_and_the_next_run_makes_the_rest(three: Project) -> None:
    (record,) = three.records(three.run(flagged_then(fault("out_of_memory"))))
    assert (record.outcome, record.chosen, record.reasons) == ("accepted", 1, ["not_made"])
    assert record.errors[0].message == (
        f"{three.folder}/briefs.csv line 2: found 2 of 3 texts to choose from, then out_of_memory: a scripted fault; "
        "expected 3 good texts. None: this is a rehearsal."
    )
    assert not three.has_nothing_to_do()
    (record,) = three.records(three.run(flagged_then(OTHER)))
    assert [prompt.attempt for prompt in three.prompts] == [2]
    assert (record.outcome, record.chosen, record.reasons) == ("accepted", 1, [])
    assert three.has_nothing_to_do()


def test_a_fault_with_no_text_that_passed_fails_the_row(three: Project) -> None:
    three.overrides["filters"] = {}
    (record,) = three.records(three.run(lambda prompt: fault("out_of_memory") if prompt.attempt else SHORT))
    assert (record.outcome, record.chosen, record.reasons) == ("failed", None, ["out_of_memory"])


def test_a_held_text_stands_where_a_fault_ends_its_row(three: Project) -> None:
    three.overrides["filters"] = {"length": {"action": "hold"}}
    (record,) = three.records(three.run(lambda prompt: fault("timeout") if prompt.attempt else SHORT))
    assert (record.outcome, record.chosen, record.reasons) == ("held", 0, ["not_made", "too_short"])


def test_a_layout_that_fails_on_a_second_answer_leaves_the_first(three: Project) -> None:
    three.pack("note", toml=LAYOUT, layout_j2="{{ title }}\n{{ body }} {{ 7 // (title|length - 4) }}\n")

    def script(prompt: Prompt) -> str:
        return f'{{"title": "{"lamp" if prompt.attempt else "kettle"}", "body": "{GOOD}"}}'

    (record,) = three.records(three.run(script))
    assert (record.outcome, record.chosen, record.reasons) == ("accepted", 0, ["layout_failed"])
    assert len(record.attempts) == 2


def test_a_budget_that_ends_leaves_the_best_of_what_passed_and_the_next_run_makes_the_rest(three: Project) -> None:
    three.panel = Panel(may_make=lambda tally: "2 of 2 allowed texts made" if tally.attempts >= 2 else "")
    (record,) = three.records(three.run(flagged_then(OTHER)))
    assert (record.outcome, record.chosen, record.reasons) == ("accepted", 1, ["not_made"])
    assert record.errors[0].found == "2 of 3 texts to choose from: 2 of 2 allowed texts made"
    three.panel = NO_PANEL
    (record,) = three.records(three.run(flagged_then(OTHER)))
    assert [prompt.attempt for prompt in three.prompts] == [2]
    assert (record.outcome, record.chosen, record.reasons) == ("accepted", 1, [])


def test_a_row_whose_attempts_are_used_up_says_how_many_passed(project: Project) -> None:
    project.set("run", best_of=3, max_attempts=2)
    (record,) = project.records(project.run(lambda prompt: [SHORT, GOOD, SHORT, SHORT][prompt.attempt]))
    assert (record.outcome, record.chosen, record.reasons) == ("accepted", 1, ["few_texts"])
    assert record.errors[0].message == (
        f"{project.folder}/briefs.csv line 2: found 4 texts, of which 1 passed; expected 3 good texts in 4 attempts. "
        "Raise run.max_attempts, or lower run.best_of."
    )
    assert project.has_nothing_to_do(), "it has had what it may have"


def test_a_row_whose_tokens_are_used_up_says_how_many_passed(project: Project) -> None:
    project.set("run", best_of=3, max_tokens_per_text=len(GOOD) // 4 + 1)
    (record,) = project.records(project.run(lambda prompt: [GOOD, SHORT][prompt.attempt]))
    assert (record.outcome, record.chosen, record.reasons) == ("accepted", 0, ["token_budget"])
    assert record.errors[0].found == "28 tokens in 2 texts, of which 1 passed"
    assert record.errors[0].expected == "3 good texts within 25 tokens"
    assert project.has_nothing_to_do()


def judged(project: Project) -> RunFile:
    """Judge the newest run under the project's settings."""
    run = {"out": str(project.out), **project.overrides.get("run", {})}
    return rejudge(None, load_settings(None, {**project.overrides, "run": run}, {}))[1]


def test_judging_for_the_best_of_more_keeps_the_text_and_the_next_run_makes_only_what_is_missing(
    project: Project,
) -> None:
    project.products("kettle", "lamp")
    project.run(lambda prompt: OTHER if "lamp" in prompt.messages[-1].content else [SHORT, GOOD][prompt.attempt])
    project.set("run", best_of=2)
    file = judged(project)
    assert (file.outcomes, file.reasons) == ({"accepted": 2}, {"not_made": {"accepted": 2}})
    kettle, lamp = project.records(file)
    assert (kettle.chosen, lamp.chosen) == (1, 0)
    assert lamp.errors[0].found == "1 of 2 texts to choose from: `aigc judge`, which makes no texts"
    file = project.run(lambda _: THIRD)
    assert (file.outcomes, file.reasons) == ({"accepted": 2}, {})
    assert sorted(prompt.attempt for prompt in project.prompts) == [1, 2], "one more for each"
