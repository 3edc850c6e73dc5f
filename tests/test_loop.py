"""What a text meets in the loop: its siblings first, then filters that run a model, each in its turn."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from judges import OTHER, THIRD, Broken, Guard, judged_by, outcomes
from small_project import GOOD, NOTE, SHORT, Power, Project, small_project

from aigc.engine import Engine
from aigc.engine.scripted import ScriptedEngine, fault
from aigc.errors import EngineError
from aigc.filters import BatchFilter, Case
from aigc.jury import BATCH, Judges
from aigc.panel import Panel
from aigc.records import Brief, Completion, Prompt, Verdict
from aigc.rubric import Rubric


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path)


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


def asking(project: Project, open_engine: Callable[[], Engine], action: str) -> None:
    """Have notes judged by a question of their own."""
    questions = '[{ id = "facts", text = "Does it keep to the facts?" }]'
    judge = f'[judge]\naction = "{action}"\nquestions = {questions}\n'
    project.pack("note", toml=textwrap.dedent(NOTE["template.toml"]) + judge)
    types = {name: pack.type for name, pack in project.packs().items()}
    judged_by(project, batch=[Rubric(types, open_engine)])


def dead() -> Engine:
    raise EngineError("engine", "no answer", "one", "Run again.")


@pytest.mark.parametrize("action", ["flag", "hold", "retry"])
@pytest.mark.parametrize(
    "open_engine", [dead, lambda: ScriptedEngine(lambda _: "Yes, I think so.")], ids=["dead", "unreadable"]
)
def test_a_judge_that_fails_passes_no_text_and_is_asked_again_by_the_next_run(
    project: Project, open_engine: Callable[[], Engine], action: str
) -> None:
    asking(project, open_engine, action)
    records = project.records(project.run())
    assert [(record.outcome, record.reasons) for record in records] == [("held", ["judge_error"])] * 3
    assert not project.has_nothing_to_do()
    asking(project, lambda: ScriptedEngine(lambda _: '{"evidence": "", "answer": "yes"}'), action)
    assert (project.run().outcomes, project.prompts) == ({"accepted": 3}, [])


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


def test_without_feedback_a_retry_is_the_same_prompt_with_another_seed(project: Project) -> None:
    project.products("kettle")
    project.set("run", feedback=False)
    project.run(lambda prompt: GOOD if prompt.attempt else SHORT)
    first, second = project.prompts
    assert first.messages == second.messages
    assert first.seed != second.seed
