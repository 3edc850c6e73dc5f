"""The end of a ledger of decisions is vouched for by its own head, and by the manifest of the night after."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_project import Project, small_project

from aigc.past import open_past
from aigc.provenance.manifest import Decided, read_manifest
from aigc.review.decisions import Decision
from aigc.review.ledger import LEDGER, Source, append
from aigc.review.ledger_head import HEAD
from aigc.verification import Check, verify


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = small_project(tmp_path)
    project.products("bread", "rolls", "cake")
    return project


def decide(folder: Path, *places: int) -> None:
    """An editor's approval of these rows, imported."""
    rows = {place: row.record for place, row in open_past(folder).rows(places)}
    said = [Decision(record_id=row.record_id, run_id=folder.name, verb="approve", editor="Ana", base="sha256:0",
                     at=f"2026-11-28T10:00:0{place}.000+00:00") for place, row in rows.items()]
    append(folder, said, Source(name="ana.csv", digest="sha256:1", imported_at="2026-11-28T11:00:00.000+00:00"))


def check(folder: Path, name: str = "decisions") -> Check:
    [found] = [one for one in verify(folder).checks if one.name == name]
    return found


def cut(folder: Path, left: int) -> None:
    path = folder / LEDGER
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:left])) if left else path.unlink()


@pytest.mark.parametrize("left", [0, 1])
def test_decisions_that_were_cut_off_at_the_end_are_missed(project: Project, left: int) -> None:
    folder = project.out / project.run().run_id
    assert check(folder).status == "not checked"
    decide(folder, 0, 2)
    assert (check(folder).status, "2 in one chain" in check(folder).detail) == ("holds", True)
    cut(folder, left)
    [finding] = check(folder).findings
    assert finding.place == f"{LEDGER} line {left + 1}"
    assert finding.found == f"{left} lines where {HEAD} tells of 2"


def test_who_cuts_the_head_too_is_found_by_the_manifest_of_the_night_after(project: Project) -> None:
    first = project.out / project.run().run_id
    decide(first, 0, 2)
    project.products("bread", "rolls", "cake", "tart")
    second = project.out / project.run().run_id
    previous = read_manifest(second)[0].previous
    assert previous
    assert (previous.run_id, previous.decisions.lines) == (first.name, 2)
    decide(first, 1)  # what is imported later is told by the head alone
    assert (check(first).status, check(second, "previous run").status) == ("holds", "holds")
    for left, found in ((1, "1 lines where"), (0, "0 lines where")):
        cut(first, left)
        (first / HEAD).unlink(missing_ok=True)
        [finding] = check(first).findings
        assert (finding.place, finding.found) == (LEDGER, f"{found} the manifest of {second.name} tells of 2")
        [finding] = check(second, "previous run").findings
        assert (finding.place, finding.found) == (
            f"{first.name}/{LEDGER}", f"{found} the manifest here tells of 2")


def test_a_ledger_without_its_head_holds_and_is_not_said_to_be_whole(project: Project) -> None:
    folder = project.out / project.run().run_id
    decide(folder, 0)
    (folder / HEAD).unlink()
    assert check(folder).status == "holds"
    assert check(folder).detail.endswith(f"; no {HEAD} says that these are all")


def test_a_head_that_cannot_be_read_stops_no_night(project: Project) -> None:
    first = project.out / project.run().run_id
    decide(first, 0)
    (first / HEAD).write_bytes(b"{")
    project.products("bread", "rolls")
    previous = read_manifest(project.out / project.run().run_id)[0].previous
    assert previous
    assert previous.decisions == Decided()
    [finding] = check(first).findings
    assert finding.place == HEAD
