"""The loop: what becomes of a row, in which order, and what is never made twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from small_project import GOOD, SHORT, Project, small_project

from aigc.engine.scripted import ScriptedEngine, fault
from aigc.hashing import digest
from aigc.records import Completion, EngineInfo, Prompt, Record
from aigc.tally import Tally

BANNED = "The kettle costs €5 and holds a litre of water and pours it slowly in a thin stream."


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path)


def only(project: Project, *texts: str) -> Record:
    """The record of one brief whose attempts are answered by `texts` in turn."""
    project.products("kettle")
    (record,) = project.records(project.run(lambda prompt: texts[min(prompt.attempt, len(texts) - 1)]))
    return record


def test_a_text_that_passes_is_accepted_at_its_first_attempt(project: Project) -> None:
    record = only(project, GOOD)
    assert (record.outcome, record.chosen, len(record.attempts)) == ("accepted", 0, 1)
    assert record.content
    assert record.content.text == GOOD
    assert record.brief == {"product": "kettle", "facts": []}


def test_a_retry_is_told_the_reason_and_has_another_seed(project: Project) -> None:
    record = only(project, SHORT, GOOD)
    first, second = project.prompts
    assert (record.outcome, record.chosen) == ("accepted", 1)
    assert first.seed != second.seed
    advice = "The last text had 4 words. Write at least 10 words."
    assert record.attempts[1].feedback == [advice]
    assert second.messages[-1].content.endswith(
        f"Your last answer was not accepted:\n- {advice}\nWrite it again and put this right."
    )
    assert advice not in first.messages[-1].content


def test_a_row_is_exhausted_after_its_attempts_and_keeps_them_all(project: Project) -> None:
    record = only(project, SHORT, SHORT + " Truly.", SHORT + " Very truly.")
    assert (record.outcome, record.chosen, record.reasons) == ("exhausted", None, ["too_short"])
    assert [attempt.completion.text for attempt in record.attempts] == [
        SHORT,
        SHORT + " Truly.",
        SHORT + " Very truly.",
    ]
    assert [attempt.number for attempt in record.attempts] == [0, 1, 2]
    assert len({attempt.seed for attempt in record.attempts}) == 3


@pytest.mark.parametrize(
    ("length", "forbidden", "outcome", "attempts"),
    [
        ("retry", "reject", "rejected", 1),
        ("hold", "reject", "rejected", 1),
        ("hold", "retry", "exhausted", 3),
        ("hold", "flag", "held", 1),
        ("flag", "flag", "accepted", 1),
        ("flag", "hold", "held", 1),
    ],
)
def test_the_strictest_verdict_decides(
    project: Project, length: str, forbidden: str, outcome: str, attempts: int
) -> None:
    project.overrides["filters"] = {"length": {"action": length}, "forbidden_terms": {"action": forbidden}}
    project.sheet([{"id": "a", "content_type": "note", "product": "kettle", "must_not_mention": "good"}])
    (record,) = project.records(project.run(lambda _: SHORT))
    assert (record.outcome, len(record.attempts)) == (outcome, attempts)
    assert (record.chosen is not None) == (outcome in ("accepted", "held"))


def test_a_fault_fails_its_row_alone(project: Project) -> None:
    file = project.run(lambda prompt: fault("prompt_too_long") if "lamp" in prompt.messages[-1].content else GOOD)
    assert [(record.brief_id, record.outcome) for record in project.records(file)] == [
        ("kettle", "accepted"),
        ("lamp", "failed"),
        ("stool", "accepted"),
    ]
    assert project.records(file)[1].reasons == ["prompt_too_long"]


def test_a_fault_at_a_retry_fails_the_row_and_keeps_its_first_text(project: Project) -> None:
    project.products("kettle")
    (record,) = project.records(project.run(lambda prompt: fault("out_of_memory") if prompt.attempt else SHORT))
    assert (record.outcome, [attempt.completion.text for attempt in record.attempts]) == ("failed", [SHORT, ""])


def test_invalid_rows_stand_in_the_results_at_their_place(project: Project) -> None:
    project.products("kettle", "", "stool", "kettle", "kettle")
    records = project.records(project.run())
    assert [(record.row, record.outcome, record.reasons) for record in records] == [
        (0, "accepted", []),
        (1, "invalid", ["missing_required"]),
        (2, "accepted", []),
        (3, "invalid", ["duplicate_id"]),
        (4, "invalid", ["duplicate_id"]),
    ]
    assert [record.source.line for record in records] == [2, 3, 4, 5, 6]


def test_every_variant_is_a_row_with_a_seed_of_its_own(project: Project) -> None:
    project.set("run", variants=3)
    records = project.records(project.run())
    assert [(record.brief_id, record.variant) for record in records] == [
        (name, variant) for name in ("kettle", "lamp", "stool") for variant in range(3)
    ]
    assert len({record.attempts[0].seed for record in records}) == 9


def test_results_are_in_the_sheets_order_whatever_the_order_of_completion(project: Project) -> None:
    names = [f"item {number}" for number in range(60)]
    project.products(*names)
    asked: list[str] = []

    def script(prompt: Prompt) -> str:
        asked.append(prompt.messages[-1].content)
        return SHORT if prompt.seed % 3 == 0 else GOOD

    file = project.run(script, slots=16)
    first_asked = list(dict.fromkeys(text.split(".")[0] for text in asked))
    assert first_asked != [f"Write about {name}" for name in names]
    assert [record.brief_id for record in project.records(file)] == names


def test_a_text_does_not_depend_on_the_batch_it_was_made_in(project: Project) -> None:
    project.products(*(f"item {number}" for number in range(30)))

    def texts(slots: int) -> list[tuple[str, int]]:
        file = project.run(
            lambda prompt: f"{GOOD} {prompt.seed}" if prompt.seed % 4 else SHORT, slots=slots, mode="new"
        )
        return [(a.completion.text, a.seed) for record in project.records(file) for a in record.attempts]

    assert texts(1) == texts(4) == texts(64)


class BatchWatch(ScriptedEngine):
    """Notes, for every completion, which attempts are in flight with it."""

    def __init__(self, slots: int) -> None:
        super().__init__(lambda prompt: GOOD if prompt.attempt else SHORT, slots=slots)
        self.in_flight: dict[str, int] = {}
        self.batches: list[set[int]] = []

    def generate(self, prompts: Iterable[Prompt | None]) -> Iterator[Completion]:
        for completion in super().generate(self._noted(prompts)):
            self.batches.append(set(self.in_flight.values()))
            del self.in_flight[completion.request_id]
            yield completion

    def _noted(self, prompts: Iterable[Prompt | None]) -> Iterator[Prompt | None]:
        for prompt in prompts:
            if prompt:
                self.in_flight[prompt.request_id] = prompt.attempt
            yield prompt


def test_retries_join_the_batch_that_is_running(project: Project) -> None:
    project.products(*(f"item {number}" for number in range(40)))
    engine = BatchWatch(slots=8)
    tallies: list[int] = []
    with project.opened(engine, on_row=lambda tally: tallies.append(tally.in_flight)) as (job, run):
        run.generate(job.rows())
        assert run.finish().outcomes == {"accepted": 40}
    assert engine.batches.count({0, 1}) > 40, "retries ran beside first attempts, not after them"
    assert max(tallies) <= 8


@pytest.mark.parametrize("best_of", [1, 3])
def test_a_filter_that_raises_holds_the_text_for_a_person(
    project: Project, caplog: pytest.LogCaptureFixture, best_of: int
) -> None:
    project.set("run", best_of=best_of)

    class Broken:
        name = "broken"
        action = "reject"

        def __call__(self, brief: object, completion: object) -> object:
            raise ZeroDivisionError(GOOD)

    with project.opened(project.engine(lambda _: GOOD)) as (job, run):
        job._filters["note"] = (*job._filters["note"], Broken())  # type: ignore[arg-type]
        run.generate(job.rows())
        file = run.finish()
    assert file.outcomes == {"held": 3}
    assert project.records(file)[0].verdicts[-1].message == (
        "The filter broken failed with ZeroDivisionError, so nobody has checked this. Read the text yourself."
    )
    assert GOOD not in caplog.text


def test_a_template_that_fails_on_one_brief_makes_that_row_invalid(project: Project) -> None:
    project.pack("note", user_j2="Write about {{ product }}. {{ 7 // (product|length - 4) }}\n")
    records = project.records(project.run())
    assert [(record.brief_id, record.outcome) for record in records] == [
        ("kettle", "accepted"),
        ("lamp", "invalid"),
        ("stool", "accepted"),
    ]
    (error,) = records[1].errors
    assert (error.code, error.source.line) == ("template_failed", 3)
    assert "ZeroDivisionError" in error.message
    assert error.message.endswith("Correct note/user.j2, or the brief's cell.")


LAYOUT = """
    title = "Note"
    [fields.product]
    required = true
    [fields.facts]
    type = "list"
    [output.fields.title]
    [output.fields.body]
"""


def test_a_layout_that_fails_on_one_answer_fails_its_row_and_keeps_the_text(project: Project) -> None:
    project.pack("note", toml=LAYOUT, layout_j2="{{ title }}\n{{ body }} {{ 7 // (title|length - 4) }}\n")

    def script(prompt: Prompt) -> str:
        name = prompt.messages[-1].content.split()[2].strip(".")
        return f'{{"title":"{name}","body":"{GOOD}"}}'

    file = project.run(script)
    _, lamp, _ = project.records(file)
    assert file.outcomes == {"accepted": 2, "failed": 1}
    assert (lamp.reasons, lamp.attempts[0].completion.text[:15]) == (["layout_failed"], '{"title":"lamp"')
    assert lamp.errors[0].remedy == "Correct note/layout.j2; the texts made are kept."

    project.pack("note", layout_j2="{{ title }}\n{{ body }}\n")
    assert project.run(script).outcomes == {"accepted": 3}
    assert project.prompts == [], "the kept text was read again, not made again"


def test_a_sheet_can_be_given_in_shards(project: Project) -> None:
    project.products(*(f"item {number}" for number in range(10)))
    with project.opened(project.engine(lambda prompt: GOOD if prompt.attempt else SHORT)) as (job, run):
        rows = list(job.rows())
        for first in range(0, 10, 3):
            run.generate(rows[first : first + 3])
        file = run.finish()
    assert [record.row for record in project.records(file)] == list(range(10))


def test_the_tally_counts_what_was_done(project: Project) -> None:
    last: list[Tally] = []
    with project.opened(project.engine(lambda p: GOOD if p.attempt else SHORT), on_row=last.append) as (job, run):
        run.generate(job.rows())
    tally = last[-1]
    assert (tally.total, tally.done, tally.attempts, tally.retries, tally.accepted) == (3, 3, 6, 3, 3)
    assert (tally.tokens_out, tally.in_flight) == (3 * (len(GOOD) // 4 + len(SHORT) // 4), 0)


class Shrinking(ScriptedEngine):
    """Loses half of its slots after the second answer, as an engine does that ran out of memory."""

    def _complete(self, prompt: Prompt) -> Completion:
        self.answered = getattr(self, "answered", 0) + 1
        return super()._complete(prompt)

    def info(self) -> EngineInfo:
        return EngineInfo(
            engine="scripted",
            model="scripted",
            model_digest=digest("scripted"),
            slots=4 if getattr(self, "answered", 0) < 3 else 2,
        )


def test_every_attempt_names_an_engine_that_run_json_describes(project: Project) -> None:
    with project.opened(Shrinking(lambda _: GOOD, slots=1)) as (job, run):
        run.generate(job.rows())
        file = run.finish()
    slots = [file.engines[record.attempts[0].engine].slots for record in project.records(file)]
    assert slots == [4, 4, 2]


def test_an_engine_is_described_before_the_first_row_that_names_it_is_kept(project: Project) -> None:
    """A run that is killed a moment later must still be able to say what made its texts."""
    described: list[bool] = []

    def look(_: Tally) -> None:
        path = next(project.out.iterdir()) / "run.json"
        described.append('"engine": "scripted"' in path.read_text("utf-8"))

    with project.opened(project.engine(lambda _: GOOD), on_row=look) as (job, run):
        run.generate(job.rows())
    assert described == [True, True, True]
