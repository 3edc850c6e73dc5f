"""Which earlier runs a run takes over from, which one it goes on with, and what it refuses to call finished."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from small_project import GOOD, SHORT, Project, interrupted, small_project

from aigc import earlier
from aigc.earlier import own_runs
from aigc.errors import BriefsError, StoreError
from aigc.provenance import read_run
from aigc.runs import find_run


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project").mkdir()
    return small_project(tmp_path / "project")


def test_a_trial_between_two_full_runs_costs_the_second_nothing(project: Project) -> None:
    first = project.run()
    project.set("run", seed=5)
    project.run(limit=1)
    project.set("run", seed=0)
    project.run(limit=2)
    assert project.prompts == []
    assert project.has_nothing_to_do(), "the full run is there, though not the newest"

    project.products("kettle", "lamp", "stool", "vase")
    last = project.run()
    assert ["vase" in prompt.messages[-1].content for prompt in project.prompts] == [True]
    assert last.earlier == {first.run_id: 3}


def test_rows_are_taken_over_from_every_run_that_has_them(project: Project) -> None:
    project.products("kettle")
    kettle = project.run()
    project.products("lamp")
    lamp = project.run()
    project.products("kettle", "stool", "lamp")
    file = project.run()
    assert (file.earlier, file.taken_over) == ({kettle.run_id: 1, lamp.run_id: 1}, 2)
    assert len(project.prompts) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda p: {"limit": 1},
        lambda p: p.set("run", variants=2) or {},
    ],
    ids=["limit", "variants"],
)
def test_a_run_that_was_asked_for_something_else_does_not_end_an_interrupted_one(
    project: Project, change: Callable[[Project], dict[str, int]]
) -> None:
    big = interrupted(project, 2)
    small = project.run(**change(project))  # type: ignore[arg-type]
    assert small.run_id != big.run_id
    assert small.taken_over == (1 if small.limit else 2)
    assert read_run(project.out / big.run_id).status == "failed"
    project.overrides.clear()
    ended = project.run()
    assert (ended.run_id, ended.status, ended.rows) == (big.run_id, "finished", 3)
    assert project.newest().run_id == big.run_id, "the newest is the one that was worked at last"


def test_settings_edited_before_a_run_is_gone_on_with_are_those_of_run_json(project: Project) -> None:
    before = interrupted(project, 1)
    project.set("run", max_attempts=5)
    file = project.run()
    assert (file.run_id, file.settings.run.max_attempts, file.made_before) == (before.run_id, 5, 0)
    assert len(project.prompts) == 2, "the text that was there is judged again"


def run_with(project: Project, change: Callable[[Project], None], rows: int = 3) -> None:
    """A run whose sheet has `change` done to it after the survey, and of which only `rows` are made."""
    with project.opened(project.engine(lambda _: GOOD)) as (job, run):
        given = list(job.rows())[:rows]
        change(project)
        run.generate(given)
        run.finish()


def lose_rows(project: Project) -> None:
    project.products("kettle", "lamp")


def change_a_cell(project: Project) -> None:
    project.products("kettle", "lamp", "stuhl")


def remove_the_sheet(project: Project) -> None:
    (project.folder / project.sheet_name).unlink()


@pytest.mark.parametrize("change", [lose_rows, change_a_cell, remove_the_sheet])
def test_a_sheet_that_changes_while_it_runs_is_no_finished_run(
    project: Project, change: Callable[[Project], None]
) -> None:
    with pytest.raises(BriefsError) as error:
        run_with(project, change)
    assert (project.newest().status, project.newest().outputs) == ("failed", [])
    assert not (project.out / project.newest().run_id / "accepted.csv").exists()
    assert str(error.value) == (
        f"{project.folder}/briefs.csv: found that the sheet changed while it ran (other bytes than at the start); "
        "expected a sheet that stays as it is until the run has ended. "
        "All texts made so far are kept: run the same command again."
    )


def test_rows_that_were_announced_and_not_made_are_missed(project: Project) -> None:
    with pytest.raises(BriefsError, match=r"the sheet changed while it ran \(2 of 3 texts\)"):
        run_with(project, lambda _: None, rows=2)
    assert (project.newest().status, project.newest().outputs) == ("failed", [])
    project.prompts.clear()
    assert (project.run().made_before, len(project.prompts)) == (2, 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "{",
            "found a damaged run.json (Input data was truncated); expected version 1. "
            "Restore it from a copy, or move its folder away.",
        ),
        (
            '{"schema_version": 2}',
            "found a run.json of version 2; expected version 1. Read it with the version of aigc that wrote it.",
        ),
    ],
)
def test_an_unreadable_run_is_named_once_and_blocks_no_other(project: Project, content: str, said: str) -> None:
    first = project.run()
    broken = project.out / "broken"
    broken.mkdir()
    (broken / "run.json").write_text(content)
    project.products("kettle", "lamp")
    assert project.run().taken_over == 2
    assert project.said == [f"{broken}/run.json: {said} This run is passed over."]
    assert find_run(project.out, first.run_id)[1] == first
    with pytest.raises(StoreError, match=re.escape(said)):
        find_run(project.out, "broken")


def test_a_run_json_with_settings_of_another_version_is_still_taken_over_from(project: Project) -> None:
    first = project.run()
    path = project.out / first.run_id / "run.json"
    path.write_text(path.read_text("utf-8").replace('"seed": 0', '"seed": 0, "of_another_version": 1'), "utf-8")
    with pytest.raises(StoreError, match="of_another_version"):
        find_run(project.out, None)
    assert (project.run().taken_over, project.prompts, project.said) == (3, [], [])


def test_an_earlier_run_without_its_journal_is_said_and_gives_nothing(project: Project) -> None:
    first = project.run()
    (project.out / first.run_id / "journal.jsonl").unlink()
    project.products("kettle", "lamp")
    second = project.run()
    assert (second.taken_over, len(project.prompts)) == (0, 2)
    assert project.said == [
        f"{project.out / first.run_id}/journal.jsonl: found no journal; expected the folder of a run. "
        "Name the folder of a run. Nothing is taken over from this run."
    ]


def test_an_interrupted_run_without_its_journal_is_begun_anew(project: Project) -> None:
    lost = interrupted(project, 1)
    (project.out / lost.run_id / "journal.jsonl").unlink()
    file = project.run()
    assert (file.status, file.run_id == lost.run_id, len(project.prompts)) == ("finished", False, 3)
    (said,) = project.said
    assert said.endswith(
        "journal.jsonl: found no journal; expected the folder of a run. Name the folder of a run. A new run is started."
    )


def test_a_torn_journal_is_said_when_it_is_gone_on_with(project: Project) -> None:
    file = interrupted(project, 2)
    path = project.out / file.run_id / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    assert project.run().made_before == 1
    assert project.said == ["journal: the last line was torn and is dropped; its text is made again"]


def test_a_renamed_content_type_makes_its_rows_under_its_new_name(project: Project) -> None:
    project.run()
    (project.folder / "templates" / "note").rename(project.folder / "templates" / "memo")
    project.sheet([{"id": name, "content_type": "memo", "product": name} for name in ("kettle", "lamp", "stool")])
    file = project.run()
    assert (file.taken_over, file.acceptance) == (0, {"memo": {"accepted": 3}})
    assert {record.content_type for record in project.records(file)} == {"memo"}


def test_a_project_that_moved_keeps_what_it_made(project: Project) -> None:
    first = interrupted(project, 2)
    moved = project.folder.with_name("moved")
    project.folder.rename(moved)
    project.folder = moved
    file = project.run()
    assert (file.earlier, len(project.prompts)) == ({first.run_id: 2}, 1)
    project.folder = moved.rename(moved.with_name("again"))
    assert project.has_nothing_to_do()


def test_a_journal_of_rows_in_another_form_is_left_for_an_older_one(project: Project) -> None:
    from zlib import crc32

    first = project.run()
    second = project.run(limit=2)
    path = project.out / second.run_id / "journal.jsonl"
    header, *lines = path.read_bytes().splitlines(keepends=True)
    other = [line[9:].replace(b'"outcome":', b'"result":') for line in lines]
    path.write_bytes(header + b"".join(b"%08x\t%b" % (crc32(line), line) for line in other))
    project.products("kettle", "lamp")
    assert project.run().earlier == {first.run_id: 2}
    (said,) = project.said
    assert "found a row in another form" in said
    assert said.endswith("Nothing is taken over from this run.")


@pytest.mark.parametrize("limit", ["MOST_RUNS", "MOST_LINES"])
def test_the_search_in_earlier_runs_has_an_end(project: Project, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier, limit, 1)
    project.run()
    project.products("vase")
    project.run()
    project.products("kettle", "vase")
    assert project.run().taken_over == 1
    assert project.said == ["1 older run is not looked through: the newer ones fill the memory."]


def test_a_text_is_found_in_any_earlier_run_to_be_judged_again(project: Project) -> None:
    project.products("kettle")
    project.run(lambda _: SHORT)
    project.products("lamp")
    project.run()
    project.products("kettle", "lamp")
    project.overrides["filters"] = {"length": {"action": "hold"}}
    file = project.run()
    assert (file.outcomes, project.prompts) == ({"held": 1, "accepted": 1}, [])


@pytest.fixture
def customers(project: Project) -> Callable[[str, str], str]:
    """`customers("a", "kettle")` runs a/briefs.csv, a sheet of kettles, into the outputs of all; gives the run's id."""

    def run(customer: str, *products: str) -> str:
        (project.folder / customer).mkdir(exist_ok=True)
        project.sheet_name = f"{customer}/briefs.csv"
        project.products(*products)
        return project.run().run_id

    return run


def test_runs_of_anothers_sheet_of_the_same_name_are_not_a_sheets_own(
    project: Project, customers: Callable[..., str]
) -> None:
    customers("a", "kettle", "lamp")
    second = customers("b", "kettle", "stool")
    assert own_runs(project.job()) == [second]


def test_runs_of_a_sheet_that_was_edited_moved_or_copied_since_are_its_own(
    project: Project, customers: Callable[..., str]
) -> None:
    first = customers("a", "kettle")
    edited = customers("a", "kettle", "lamp")
    assert sorted(own_runs(project.job())) == sorted([first, edited])

    (project.folder / "a").rename(project.folder / "moved")
    project.sheet_name = "moved/briefs.csv"
    assert own_runs(project.job()) == [edited], "what stood there before the move is not known yet"
    again = project.run().run_id
    project.products("kettle", "lamp", "stool")
    assert sorted(own_runs(project.job())) == sorted([edited, again])

    (project.folder / "moved" / "briefs.csv").rename(project.folder / "spring.csv")
    project.sheet_name = "spring.csv"
    project.products("kettle", "lamp")
    assert sorted(own_runs(project.job())) == sorted([edited, again]), "whatever it is called"
