"""What was forgotten is forgotten in shared storage too, and comes back by no machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from shared_machines import (
    IN_MEMORY,
    LAMP,
    held,
    make,
    named,
    stopped_with_three,
    two_machines,
)
from small_project import Project

from aigc.errors import StoreError
from aigc.forgetting import forget
from aigc.forgotten_lines import FORGOTTEN
from aigc.storage import Place, bring_run, publish
from aigc.store import JOURNAL
from aigc.verification import verify


@pytest.mark.parametrize("knows_the_storage", [True, False])
def test_what_was_forgotten_in_an_unfinished_run_does_not_come_back_when_it_goes_on(
    machines: Callable[[str], Project], url: str, *, knows_the_storage: bool
) -> None:
    a, place = machines("a"), Place(url)
    run_id = stopped_with_three(a)
    assert len(held(a, place, run_id)) == 2, "its journal, here and there"
    [gone] = forget(a.out, "lamp", place=place if knows_the_storage else None)
    assert (gone.attempts, gone.shared) == (1, knows_the_storage)
    assert [name for name in held(a, place, run_id) if name.startswith(run_id)] == [] or not knows_the_storage
    a.products("kettle", "stool", "jug")
    a.prompts.clear()
    run = make(a)
    assert (run.run_id, len(a.prompts)) == (run_id, 1), "no text but the jug's was made"
    assert held(a, place, run_id) == []
    assert verify(a.out / run_id).findings == []


def test_what_was_forgotten_elsewhere_goes_from_the_journal_here_when_the_run_is_brought(
    machines: Callable[[str], Project], url: str
) -> None:
    a, b, place = machines("a"), machines("b"), Place(url)
    run_id = stopped_with_three(a)
    assert bring_run(place, b.out, run_id)
    forget(b.out, "lamp", place=place)
    assert LAMP in (a.out / run_id / JOURNAL).read_bytes()
    run = make(a, named)
    assert run.run_id == run_id
    lines = (a.out / run_id / JOURNAL).read_bytes().splitlines()
    assert sum(LAMP in line for line in lines) == 1, "made again, since the sheet still has it: once"
    assert forget(a.out, "lamp", place=place)[0].shared
    assert held(a, place, run_id) == []


def test_a_finished_run_in_which_rows_were_forgotten_there_is_not_replaced_by_one_that_has_them(
    machines: Callable[[str], Project], url: str
) -> None:
    a, b, place = machines("a"), machines("b"), Place(url)
    a.products("kettle", "lamp")
    run_id = make(a, named).run_id
    assert bring_run(place, b.out, run_id)
    [gone] = forget(a.out, "lamp", place=place)
    assert (gone.rows, gone.shared, held(a, place, run_id)) == (1, True, [])
    with pytest.raises(StoreError, match=r"this run with rows that were forgotten since.*aigc storage pull"):
        publish(place, b.out / run_id)
    assert held(a, place, run_id) == []
    publish(place, a.out / run_id)  # who has forgotten them may


@IN_MEMORY
def test_what_two_machines_forgot_apart_comes_back_by_neither(machines: Callable[[str], Project], url: str) -> None:
    place = Place(url)
    a, b, run_id = two_machines(machines, place)
    assert forget(a.out, "lamp", place=place)[0].shared
    with pytest.raises(StoreError, match=r"this run with rows that were forgotten since.*aigc storage pull"):
        forget(b.out, "kettle", place=place)
    assert held(a, place, run_id) == []


@IN_MEMORY
def test_a_copy_that_was_cut_off_has_its_texts_forgotten_too(machines: Callable[[str], Project], url: str) -> None:
    place = Place(url)
    a, _, run_id = two_machines(machines, place)
    place.remove([f"{run_id}/run.json"])  # the first step of taking it there again, which a kill can follow
    assert held(a, place, run_id) != []
    assert forget(a.out, "lamp", place=place)[0].shared
    assert held(a, place, run_id) == []


@IN_MEMORY
def test_what_another_machine_finished_is_not_said_to_be_forgotten_by_one_that_has_half_of_it(
    machines: Callable[[str], Project], url: str
) -> None:
    a, b, place = machines("a"), machines("b"), Place(url)
    run_id = stopped_with_three(a)
    assert make(b, named).run_id == run_id
    with pytest.raises(StoreError, match=rf"which another machine has finished.*aigc storage pull {run_id}"):
        forget(a.out, "lamp", place=place)
    assert bring_run(place, a.out, run_id)
    assert forget(a.out, "lamp", place=place)[0].shared
    assert held(a, place, run_id) == []


@IN_MEMORY
def test_no_name_in_storage_leads_out_of_the_runs_folder(
    machines: Callable[[str], Project], url: str, tmp_path: Path
) -> None:
    place, project = Place(url), machines("a")
    run_id = make(project).run_id
    fsspec.filesystem("memory").store[f"{place._root}/{run_id}/../../aigc.toml"] = (
        fsspec.implementations.memory.MemoryFile(data=b"[engine]"))
    with pytest.raises(StoreError, match=r"aigc\.toml', which leads out of the run's folder"):
        bring_run(place, tmp_path / "c" / "outputs", run_id)
    assert not (tmp_path / "c" / "aigc.toml").exists()


def test_a_list_of_what_was_forgotten_that_somebody_edited_is_refused(
    machines: Callable[[str], Project], url: str
) -> None:
    a, place = machines("a"), Place(url)
    run_id = stopped_with_three(a)
    for data, found in ((b"broken", "a damaged list"), (b'{"digest":"sha256:0","instead":"x"}', "no line")):
        place.write(f"{run_id}/{FORGOTTEN}", data)
        with pytest.raises(StoreError, match=found):
            make(a)
