"""Exactly as many good texts as asked for, or why not: siblings, model-based filters, the best of several, budgets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from small_project import GOOD, SHORT, Power, Project, small_project

from aigc.engine.scripted import ScriptedEngine, fault
from aigc.filters import BatchFilter, Case
from aigc.jury import BATCH, Judges
from aigc.panel import Panel
from aigc.records import Brief, Completion, Prompt, Record, Verdict
from aigc.rows import SCORE
from aigc.store import Store

OTHER = "It keeps the water hot for hours, and its handle stays cool enough for a child to hold it."
THIRD = "Nobody who has poured from this spout wants another one, for it never drips on a clean table."


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path)


def alike(_: Brief, completion: Completion, siblings: Sequence[str]) -> Verdict:
    """Compares a text with its siblings, word for word."""
    text = completion.content.text if completion.content else ""
    if text in siblings:
        return Verdict(filter="near_duplicate", action="retry", reason="near_duplicate", advice="Write another.")
    return Verdict(filter="near_duplicate", action="pass", measured=len(siblings))


class Guard:
    """A filter that runs a model: it objects to texts with a word in them. `batches` are the sizes it was asked."""

    name = "guard"

    def __init__(self, word: str = "forbidden", action: str = "reject") -> None:
        self.word, self.action, self.batches = word, action, list[int]()

    def check(self, cases: list[Case]) -> list[Verdict]:
        self.batches.append(len(cases))
        return [self._verdict(case) for case in cases]

    def _verdict(self, case: Case) -> Verdict:
        bad = self.word in case.completion.text
        return Verdict(filter="guard", action=self.action if bad else "pass", reason="unsafe" if bad else "")  # type: ignore[arg-type]


def judged_by(project: Project, *, compare: bool = False, batch: Sequence[BatchFilter] = ()) -> None:
    project.panel = Panel(Judges(alike if compare else None, batch))


def outcomes(records: Sequence[Record]) -> list[str]:
    return [record.outcome for record in records]


# Siblings


def by_attempt(*texts: Sequence[str]) -> Callable[[Prompt], str]:
    """A script: the n-th line of texts is what the n-th attempt of any row is answered with, by a seed's turn."""
    seen: dict[int, int] = {}

    def script(prompt: Prompt) -> str:
        turn = seen[prompt.attempt] = seen.get(prompt.attempt, -1) + 1
        line = texts[min(prompt.attempt, len(texts) - 1)]
        return line[turn % len(line)]

    return script


def test_a_variant_that_repeats_one_before_it_is_made_again_until_all_differ(project: Project) -> None:
    project.products("kettle")
    project.set("run", variants=3)
    judged_by(project, compare=True)
    records = project.records(project.run(by_attempt([GOOD], [OTHER, THIRD])))
    assert outcomes(records) == ["accepted"] * 3
    assert [len(record.attempts) for record in records] == [1, 2, 2], "the first of a kind stands"
    assert len({record.attempts[-1].completion.text for record in records}) == 3
    assert records[1].attempts[1].feedback == ["Write another."]


@pytest.mark.parametrize("slots", [1, 2, 5, 16])
def test_what_becomes_of_variants_does_not_depend_on_who_is_done_first(project: Project, slots: int) -> None:
    project.set("run", variants=4)
    judged_by(project, compare=True)
    texts = [GOOD, OTHER, THIRD, SHORT]

    def script(prompt: Prompt) -> str:
        return texts[prompt.seed % 4]

    expected = project.records(project.run(script, slots=3))
    found = project.records(project.run(script, slots=slots, mode="new"))
    assert [(r.outcome, [a.verdicts for a in r.attempts]) for r in found] == [
        (r.outcome, [a.verdicts for a in r.attempts]) for r in expected
    ]


def test_hundreds_of_variants_may_wait_for_one(project: Project) -> None:
    project.products("kettle")
    project.set("run", variants=300)
    judged_by(project, compare=True)

    def script(prompt: Prompt) -> str:
        number = len(project.prompts)
        return SHORT if number == 1 else f"{GOOD} This is version {number} of all."

    records = project.records(project.run(script, slots=1))
    assert set(outcomes(records)) == {"accepted"}


def test_what_is_made_after_a_failure_is_compared_with_all_that_stands(project: Project) -> None:
    project.products("kettle")
    project.set("run", variants=2)
    judged_by(project, compare=True)
    turns = iter([fault("out_of_memory"), GOOD])
    assert sorted(outcomes(project.records(project.run(lambda _: next(turns), slots=1)))) == ["accepted", "failed"]
    records = project.records(project.run(lambda prompt: OTHER if prompt.attempt else GOOD, slots=1))
    assert {record.attempts[-1].completion.text for record in records} == {GOOD, OTHER}


def test_a_variant_does_not_wait_for_ever_for_one_that_fails(project: Project) -> None:
    project.products("kettle")
    project.set("run", variants=3)
    judged_by(project, compare=True)
    turns = iter([fault("out_of_memory"), GOOD, OTHER])
    records = project.records(project.run(lambda _: next(turns), slots=1))
    assert sorted(outcomes(records)) == ["accepted", "accepted", "failed"]


def test_a_kill_while_variants_wait_for_each_other_loses_no_text(project: Project) -> None:
    """Variants 1 to 3 are done and wait for variant 0 when the machine stops."""
    project.products("kettle")
    project.set("run", variants=4)
    judged_by(project, compare=True)
    made = list[str]()

    class FirstLast(ScriptedEngine):
        def generate(self, prompts):  # type: ignore[no-untyped-def]
            given = [prompt for prompt, _ in zip(prompts, range(4), strict=False) if prompt]
            for at, prompt in enumerate(given[1:]):
                made.append(prompt.request_id)
                yield Completion(request_id=prompt.request_id, text=[GOOD, OTHER, THIRD][at], finish_reason="stop")
            raise Power

    with pytest.raises(Power), project.opened(FirstLast()) as (job, run):
        run.generate(job.rows())
    records = project.records(project.run(lambda _: GOOD + " Truly, it does so every day."))
    assert not {prompt.request_id for prompt in project.prompts} & set(made), "none of the three is made again"
    assert outcomes(records) == ["accepted"] * 4
    assert [record.attempts[0].request_id for record in records][1:] == made


# Filters that run a model


def test_filters_that_run_a_model_are_asked_in_batches_of_texts_that_the_cheap_ones_passed(project: Project) -> None:
    guard = Guard()
    project.products(*(f"kettle {number}" for number in range(BATCH + 10)))
    judged_by(project, batch=[guard])
    records = project.records(project.run(lambda prompt: GOOD if prompt.attempt else SHORT, slots=8))
    assert set(outcomes(records)) == {"accepted"}
    assert guard.batches[0] == BATCH
    assert sum(guard.batches) == BATCH + 10
    assert len(guard.batches) < 7, "the last ones are halved, not taken one by one"
    assert all(record.attempts[0].verdicts[-1].filter != "guard" for record in records), "not asked of a short text"
    assert all(record.verdicts[-1].filter == "guard" for record in records)


@pytest.mark.parametrize(
    ("action", "outcome", "attempts"),
    [("reject", "rejected", 1), ("retry", "exhausted", 3), ("hold", "held", 1), ("flag", "accepted", 1)],
)
def test_a_model_based_verdict_counts_as_any_other(
    project: Project, action: str, outcome: str, attempts: int
) -> None:
    judged_by(project, batch=[Guard(action=action)])
    records = project.records(project.run(lambda _: GOOD + " And forbidden."))
    assert {(record.outcome, len(record.attempts)) for record in records} == {(outcome, attempts)}


def test_a_second_filter_is_not_asked_of_what_the_first_refuses(project: Project) -> None:
    first, second = Guard(), Guard("nothing")
    judged_by(project, batch=[first, second])
    project.run(lambda prompt: GOOD + (" And forbidden." if "lamp" in prompt.messages[-1].content else ""))
    assert (sum(first.batches), sum(second.batches)) == (3, 2)


class Broken:
    name = "guard"

    def check(self, cases: list[Case]) -> list[Verdict]:
        raise LookupError(cases[0].completion.text)


class Forgetful:
    name = "guard"

    def check(self, cases: list[Case]) -> list[Verdict]:
        return []


@pytest.mark.parametrize("kind", [Broken, Forgetful])
def test_a_broken_model_filter_holds_every_text_and_quotes_none(
    project: Project, kind: type[BatchFilter], caplog: pytest.LogCaptureFixture
) -> None:
    judged_by(project, batch=[kind()])
    records = project.records(project.run())
    assert [(record.outcome, record.reasons) for record in records] == [("held", ["filter_error"])] * 3
    assert GOOD not in caplog.text


def test_texts_on_which_a_filter_failed_are_judged_again_and_not_made_again(project: Project) -> None:
    judged_by(project, batch=[Broken()])
    assert project.run().outcomes == {"held": 3}
    assert not project.has_nothing_to_do()
    judged_by(project, batch=[Guard()])
    assert project.run().outcomes == {"accepted": 3}
    assert project.prompts == []


def test_a_comparison_that_breaks_holds_its_text(project: Project) -> None:
    def breaks(_: Brief, __: Completion, ___: Sequence[str]) -> Verdict:
        raise LookupError

    project.panel = Panel(Judges(breaks))
    assert {(record.outcome, *record.reasons) for record in project.records(project.run())} == {
        ("held", "filter_error")
    }


def test_a_kill_between_a_text_and_its_verdict_makes_nothing_twice(project: Project) -> None:
    class Killed(BaseException):
        """What a kill leaves behind; a broken filter raises Exceptions."""

    class Killing(Guard):
        def check(self, cases: list[Case]) -> list[Verdict]:
            raise Killed

    judged_by(project, batch=[Killing()])
    with pytest.raises(Killed):
        project.run()
    made = {prompt.request_id for prompt in project.prompts}
    assert len(made) == 2
    judged_by(project, batch=[Guard()])
    records = project.records(project.run(lambda _: OTHER))
    assert len(project.prompts) == 1, "the others were in the journal"
    assert outcomes(records) == ["accepted"] * 3
    assert {r.attempts[0].request_id for r in records if r.attempts[0].completion.text == GOOD} == made


# The best of several


def with_logprob(logprobs: Sequence[float]) -> Callable[[Prompt], Completion]:
    def script(prompt: Prompt) -> Completion:
        assert prompt.logprob
        text = f"{GOOD} Text {'one two three four five'.split()[prompt.attempt]}."
        return Completion(request_id="", text=text, finish_reason="stop", tokens_out=20,
                          logprob=logprobs[prompt.attempt])

    return script


def test_the_best_of_several_is_the_likeliest_and_the_rest_is_kept(project: Project) -> None:
    project.products("kettle")
    project.set("run", best_of=3, score="logprob")
    (record,) = project.records(project.run(with_logprob([-30.0, -12.0, -25.0])))
    assert (record.outcome, record.chosen, len(record.attempts)) == ("accepted", 1, 3)
    scores = [next(v.measured for v in attempt.verdicts if v.filter == SCORE) for attempt in record.attempts]
    assert scores == pytest.approx([each / (25 / 6) ** 0.6 for each in (-30.0, -12.0, -25.0)], abs=1e-5)
    assert all(not attempt.feedback for attempt in record.attempts), "a text that passed has nothing to put right"


def test_texts_that_do_not_pass_are_no_candidates_and_cost_attempts(project: Project) -> None:
    project.products("kettle")
    project.set("run", best_of=2, max_attempts=2)

    def script(prompt: Prompt) -> str:
        return [SHORT, GOOD, SHORT + " Very."][prompt.attempt]

    (record,) = project.records(project.run(script))
    assert (record.outcome, record.chosen, len(record.attempts)) == ("accepted", 1, 3)


def test_an_accepted_text_is_better_than_a_held_one_and_one_without_flags_than_one_with(project: Project) -> None:
    project.products("kettle")
    project.set("run", best_of=3)
    project.overrides["filters"] = {"forbidden_terms": {"action": "hold"}, "length": {"action": "flag"}}
    project.sheet([{"id": "a", "content_type": "note", "product": "kettle", "must_not_mention": "drips"}])
    (record,) = project.records(project.run(lambda prompt: [THIRD, SHORT, GOOD][prompt.attempt]))
    assert (record.outcome, record.chosen) == ("accepted", 2)


def test_prompts_of_rows_that_make_one_text_do_not_ask_for_its_probability(project: Project) -> None:
    project.set("run", score="logprob")
    project.run()
    assert not any(prompt.logprob for prompt in project.prompts)


def test_without_feedback_a_retry_is_the_same_prompt_with_another_seed(project: Project) -> None:
    project.products("kettle")
    project.set("run", feedback=False)
    project.run(lambda prompt: GOOD if prompt.attempt else SHORT)
    first, second = project.prompts
    assert first.messages == second.messages
    assert first.seed != second.seed


# Budgets


def test_a_row_whose_texts_have_used_up_its_tokens_says_so(project: Project) -> None:
    project.products("kettle")
    project.set("run", max_attempts=50, max_tokens_per_text=13)
    (record,) = project.records(project.run(lambda _: SHORT))
    assert (record.outcome, len(record.attempts)) == ("exhausted", math.ceil(13 / (len(SHORT) // 4)))
    assert record.errors[0].code == "token_budget"
    assert "16 tokens in 4 texts" in record.errors[0].found
    assert record.reasons == ["token_budget", "too_short"]


def test_a_spent_budget_passes_no_text_of_another_brief(project: Project) -> None:
    project.sheet([{"id": "a", "content_type": "note", "product": "kettle"}])
    project.run()
    project.sheet([{"id": "a", "content_type": "note", "product": "lamp"}])
    project.panel = Panel(may_make=lambda _: "no budget")
    (record,) = project.records(project.run())
    assert (record.outcome, record.attempts) == ("short", [])


def test_a_budget_that_is_spent_while_prompts_wait_begins_none_of_them(project: Project) -> None:
    guard = Guard(action="retry")
    project.products(*(f"kettle {number}" for number in range(20)))
    project.panel = Panel(Judges(batch_filters=[guard]), lambda tally: "spent" if tally.attempts > 20 else "")
    project.run(lambda _: GOOD + " And forbidden.", slots=2)
    assert len(project.prompts) <= 22, "those in flight are finished"


def test_rows_that_may_not_be_made_any_more_are_short_and_made_at_the_next_run(project: Project) -> None:
    project.panel = Panel(may_make=lambda tally: "a budget of 1 text" if tally.attempts else "")
    file = project.run(slots=1)
    records = project.records(file)
    assert file.outcomes == {"accepted": 1, "short": 2}
    assert [record.reasons for record in records] == [[], ["not_made"], ["not_made"]]
    assert not project.has_nothing_to_do()
    project.panel = Panel()
    assert project.run().outcomes == {"accepted": 3}
    assert len(project.prompts) == 2, "the accepted one is taken over"


def test_a_short_row_keeps_the_texts_that_did_not_pass_and_goes_on_after_them(project: Project) -> None:
    project.products("kettle")
    project.panel = Panel(may_make=lambda tally: "a budget" if tally.attempts else "")
    (record,) = project.records(project.run(lambda _: SHORT))
    assert (record.outcome, len(record.attempts)) == ("short", 1)
    project.panel = Panel()
    (record,) = project.records(project.run(lambda _: GOOD))
    assert (record.outcome, [prompt.attempt for prompt in project.prompts]) == ("accepted", [1])


def test_every_text_of_an_unfinished_run_is_in_its_journal(project: Project) -> None:
    project.set("run", variants=2)
    judged_by(project, compare=True, batch=[Guard()])
    texts = list[str]()

    def script(prompt: Prompt) -> str:
        if len(texts) == 5:
            raise Power
        texts.append(f"{GOOD} Number {len(texts)}.")
        return texts[-1]

    with pytest.raises(Power):
        project.run(script, slots=2)
    with Store.read(project.out / project.newest().run_id) as store:
        found = [
            attempt.completion.text
            for name in ("kettle", "lamp", "stool")
            for variant in range(2)
            for attempt in store.attempts(name, variant).values()
        ]
    assert sorted(found) == sorted(texts)
