"""What was decided on a record goes with it to later runs, and the story of a row is one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from editing import decide, redone
from small_project import GOOD, Project, small_project

from aigc.decided import read_decided
from aigc.errors import StoreError
from aigc.provenance import RunFile
from aigc.review.ledger import LEDGER
from aigc.trace import page, trace

BETTER = "This kettle is a kettle for slow mornings: a litre of water, a thin stream, and coffee that takes its time."


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path)


def states(project: Project, file: RunFile) -> dict[str, str]:
    """How the records of a run stand, by brief."""
    names = {record.record_id: record.brief_id for record in project.records(file)}
    standing = read_decided(project.out / file.run_id).standing()
    return {names.get(record_id, "another run's"): stands.state for record_id, stands in standing.items()}


def more(project: Project) -> RunFile:
    """A run of the sheet with a row more: all others are taken over."""
    project.products("kettle", "lamp", "stool", "basket")
    return project.run()


def test_a_record_that_is_taken_over_stands_as_it_stood(project: Project) -> None:
    first = project.run()
    decide(project, first, "kettle", "approve")
    decide(project, first, "lamp", "reject", reason="other")
    second = more(project)
    assert second.taken_over == 3
    assert states(project, second) == {"kettle": "approved", "lamp": "rejected"}
    assert not (project.out / second.run_id / LEDGER).exists(), "nothing was imported there"


def test_it_goes_forward_only(project: Project) -> None:
    first = project.run()
    second = more(project)
    decide(project, second, "kettle", "approve")
    assert states(project, first) == {}
    assert states(project, second) == {"kettle": "approved"}


def test_a_later_decision_of_the_same_editor_replaces_the_inherited_one_and_anothers_does_not(
    project: Project,
) -> None:
    first = project.run()
    decide(project, first, "kettle", "approve", editor="Ana")
    decide(project, first, "lamp", "approve", editor="Ana")
    second = more(project)
    decide(project, second, "kettle", "reject", reason="legal", editor="Ana")
    decide(project, second, "lamp", "reject", reason="legal", editor="Bo")
    assert states(project, second) == {"kettle": "rejected", "lamp": "in_conflict"}
    assert states(project, first) == {"kettle": "approved", "lamp": "approved"}


def test_a_decision_in_a_run_between_is_found_too(project: Project) -> None:
    """The third run's record names the first as its maker; it was decided on in the second."""
    first = project.run()
    second = more(project)
    decide(project, second, "kettle", "approve")
    project.products("kettle", "lamp", "stool", "basket", "ladder")
    third = project.run()
    assert {record.taken_from for record in project.records(third) if record.brief_id == "kettle"} == {first.run_id}
    assert states(project, third) == {"kettle": "approved"}
    heads = read_decided(project.out / third.run_id).heads
    assert [*heads] == [second.run_id]


def test_a_text_that_was_made_anew_stands_by_nothing(project: Project) -> None:
    first = project.run()
    decide(project, first, "kettle", "approve")
    second = project.run(lambda _: BETTER, mode="new")
    assert states(project, second) == {}


def test_runs_of_another_sheet_say_nothing(project: Project, tmp_path: Path) -> None:
    first = project.run()
    decide(project, first, "kettle", "approve")
    project.sheet_name = "others.csv"
    project.products("kettle", "lamp")
    assert states(project, project.run()) == {}


def test_a_changed_ledger_of_an_earlier_run_is_told(project: Project) -> None:
    first = project.run()
    decide(project, first, "kettle", "reject", reason="other")
    second = more(project)
    path = project.out / first.run_id / LEDGER
    path.write_bytes(path.read_bytes().replace(b'"reject"', b'"approve"'))
    with pytest.raises(StoreError, match=f"{first.run_id}.*line 1"):
        read_decided(project.out / second.run_id)


def test_the_story_of_a_row_has_its_decisions_between_its_attempts(project: Project) -> None:
    first = project.run()
    decide(project, first, "lamp", "reject", reason="tone_wrong", note="colder")
    second = redone(project, first, lambda _: BETTER)
    decide(project, second, "lamp", "edit", text="A lamp.\nIt is bright.", editor="Bo")
    lines = [*page(trace(project.out, "lamp"))]
    order = [line for line in lines if line.startswith(("Attempt", "Decision", "By what"))]
    assert [line.split(":")[0] for line in order] == [
        "Attempt 1", "Decision of Ana", "Attempt 2, which stands for the row", "Decision of Bo",
        "By what editors decided, it stands approved."]
    assert order[1].startswith("Decision of Ana: reject, tone_wrong, 2026-11-24T")
    assert "  note: colder" in lines
    at = lines.index("  text as edited")
    assert lines[at + 1 : at + 3] == ["    A lamp.", "    It is bright."]
    assert any("The editor says: colder" in line for line in lines), "the prompt of the second attempt"


def test_a_story_whose_first_run_is_gone_says_upon_what_it_was_made_again(project: Project) -> None:
    first = project.run()
    decide(project, first, "lamp", "reject", reason="tone_wrong")
    second = redone(project, first, lambda _: BETTER)
    (record,) = [record for record in project.records(second) if record.brief_id == "lamp"]
    (one,) = record.redone or []
    shutil.rmtree(project.out / first.run_id)
    found = trace(project.out, "lamp")
    assert found.history.not_here == one.decisions
    assert any(one.decisions[0] in line for line in page(found))


def test_a_row_that_nobody_decided_on_has_no_word_of_it(project: Project) -> None:
    project.run(lambda _: GOOD)
    assert not [line for line in page(trace(project.out, "lamp")) if "ecision" in line or "editors" in line]
