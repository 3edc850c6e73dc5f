"""What a row and a run may spend: where it ends, what is told of it, and what the next run goes on with."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from judges import Guard, judged_by
from small_project import GOOD, SHORT, Power, Project, small_project

from aigc.jury import Judges
from aigc.panel import Panel
from aigc.records import Prompt
from aigc.store import Store


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path)


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
