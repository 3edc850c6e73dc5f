"""Runs in shared storage: in memory as fsspec has it, and on a server that speaks S3."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from shared_machines import (
    make,
    names,
    stopped,
)
from small_project import GOOD, Power, Project, small_project

from aigc.errors import RunLocked, StoreError
from aigc.provenance import read_run
from aigc.storage import Place, bring_run, copied, facts_of, publish
from aigc.storage.place import JOURNAL_PARTS
from aigc.store import JOURNAL
from aigc.verification import verify


def test_a_finished_run_is_there_as_it_is_here_and_its_copy_is_verified(
    machines: Callable[[str], Project], url: str, tmp_path: Path
) -> None:
    project, place = machines("a"), Place(url)
    run = make(project)
    here = project.out / run.run_id
    assert names(place, run.run_id) == {p.name for p in here.iterdir() if not p.name.startswith(".")}
    assert set(place.parts(run.run_id).values()) == {0}, "the journal is there as a whole"
    assert bring_run(place, tmp_path / "b", run.run_id)
    for path in (tmp_path / "b" / run.run_id).iterdir():
        assert path.name == ".lock" or path.read_bytes() == (here / path.name).read_bytes()
    found = verify(tmp_path / "b" / run.run_id)
    assert [each for each in found.findings if each.status == "problem"] == []
    assert project.said == [f"Copied to {url}/{run.run_id}"]


def test_another_machine_goes_on_where_one_was_lost_and_makes_only_what_is_missing(
    machines: Callable[[str], Project], url: str
) -> None:
    first, b = stopped(machines("a"), 2), machines("b")
    run = make(b)
    assert (run.run_id, run.status, run.made_before, len(b.prompts)) == (first, "finished", 2, 1)
    assert b.said[0] == f"{first}: brought from {url}, failed"
    facts = facts_of(Place(url), first)
    assert facts is not None
    assert facts.status == "finished"


def test_what_a_machine_had_taken_there_before_it_was_lost_is_gone_on_with(
    machines: Callable[[str], Project], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, answers = Place(url), iter([GOOD, GOOD])

    def script(_: object) -> str:
        if answer := next(answers, ""):
            return answer
        until_s = time.monotonic() + 30
        while sum((place.read(part) or b"").count(b"\n") for part in place.parts(place.runs()[0])) < 3:
            assert time.monotonic() < until_s, "no copy of two rows"
            time.sleep(0.02)
        raise Power

    with monkeypatch.context() as patch:
        patch.setattr("aigc.storage.outgoing.EVERY_S", 0.02)
        patch.setattr("aigc.storage.outgoing.Copy.end", lambda self: self._over.set())  # the power fails
        with pytest.raises(Power):
            make(machines("a"), script)
    b = machines("b")
    run = make(b)
    assert (run.status, run.made_before, len(b.prompts)) == ("finished", 2, 1)


def test_where_the_sheet_lies_elsewhere_its_rows_are_taken_over_into_a_new_run(
    machines: Callable[[str], Project], url: str, tmp_path: Path
) -> None:
    first = stopped(machines("a"), 2)
    (tmp_path / "elsewhere").mkdir()
    other = small_project(tmp_path / "elsewhere")
    other.set("run", publish_to=url)
    run = make(other)
    assert run.run_id != first
    assert (run.earlier, len(other.prompts)) == ({first: 2}, 1)


def test_a_third_machine_finds_the_finished_run_and_has_nothing_to_make(
    machines: Callable[[str], Project]
) -> None:
    run = make(machines("a"))
    c = machines("c")
    assert make(c).taken_over == 3
    assert c.prompts == []
    assert (c.out / run.run_id / "records.parquet").is_file()


def test_of_two_machines_that_make_one_run_the_second_to_write_is_told_and_its_rows_stay(
    machines: Callable[[str], Project], url: str
) -> None:
    run_id = stopped(machines("a"), 1)
    a = machines("a")

    def meanwhile(_: Path) -> None:
        assert make(machines("b")).run_id == run_id

    with pytest.raises(RunLocked) as caught:
        make(a, on_way=meanwhile)
    assert str(caught.value) == (
        f"{url}/{run_id}: found a part of its journal that another machine has written; expected a run that one "
        "machine makes at a time. Leave it to that machine, or stop it there and run the same command again here."
    )
    there = Place(url).read(f"{run_id}/run.json")
    assert there == (machines("b").out / run_id / "run.json").read_bytes()
    assert read_run(a.out / run_id).status == "finished"


def test_who_goes_on_with_a_run_stops_the_other_before_it_has_made_a_row(machines: Callable[[str], Project]) -> None:
    def meanwhile(_: Path) -> None:
        stopped(machines("b"), 0)

    with pytest.raises(RunLocked):
        make(machines("a"), on_way=meanwhile)
    assert make(machines("b")).outcomes == {"accepted": 3}


def test_rows_that_never_went_there_are_kept_when_another_machine_went_on(machines: Callable[[str], Project]) -> None:
    machines("a").products("kettle", "lamp", "stool", "jug")
    run_id = stopped(machines("a"), 1)
    with pytest.MonkeyPatch.context() as patch:  # its storage is away
        patch.setattr("aigc.storage.outgoing._Parts.write", lambda _: None)
        assert stopped(machines("a"), 2) == run_id
    assert stopped(machines("b"), 1) == run_id
    a = machines("a")
    run = make(a)
    assert (run.made_before, len(a.prompts), run.outcomes) == (3, 1, {"accepted": 4})


def test_run_json_says_finished_only_when_all_else_is_there(
    machines: Callable[[str], Project], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, seen, place = machines("a"), list[tuple[str, str]](), Place(url)
    upload = Place.upload

    def watched(self: Place, path: Path, name: str) -> None:
        facts = facts_of(place, name.partition("/")[0])
        seen.append((name.partition("/")[2], facts.status if facts else ""))
        upload(self, path, name)

    monkeypatch.setattr(Place, "upload", watched)
    run = make(project)
    assert [name for name, _ in seen][-3:] == ["manifest.json", "SHA256SUMS", "run.json"]
    assert {status for _, status in seen} == {"running"}
    seen.clear()
    publish(place, project.out / run.run_id)
    assert {status for _, status in seen} == {""}, "one that is written again is no run meanwhile"


def test_a_copy_that_failed_at_the_end_is_made_by_the_next_command(
    machines: Callable[[str], Project], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = machines("a")
    with monkeypatch.context() as patch:
        patch.setattr(Place, "upload", lambda *_: (_ for _ in ()).throw(StoreError("there", "a", "b", "c")))
        with pytest.raises(StoreError, match="there: found a; expected b"):
            make(project)
    run = project.newest()
    assert run.status == "finished"
    facts = facts_of(Place(url), run.run_id)
    assert facts is not None
    assert facts.status == "running"
    job = project.job()
    with copied(job.settings.run, job.briefs, project.said.append) as copy:
        copy.follow(project.out / run.run_id)
    assert Place(url).read(f"{run.run_id}/run.json") == (project.out / run.run_id / "run.json").read_bytes()


def test_a_run_is_copied_while_it_is_made_in_whole_lines(
    machines: Callable[[str], Project], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aigc.storage.outgoing.EVERY_S", 0.02)
    place, project, seen = Place(url), machines("a"), list[bytes]()

    def look(folder: Path) -> None:
        until_s = time.monotonic() + 20
        while b"".join(seen) != (folder / JOURNAL).read_bytes() and time.monotonic() < until_s:
            seen[:] = [place.read(name) or b"" for name in place.parts(folder.name)]
            time.sleep(0.02)
        with (folder / JOURNAL).open("ab") as file:
            file.write(b"half a li")
        time.sleep(0.2)
        again = [place.read(name) or b"" for name in place.parts(folder.name)]
        (folder / JOURNAL).write_bytes((folder / JOURNAL).read_bytes()[: -len(b"half a li")])
        assert again == seen

    make(project, on_way=look)
    assert b"".join(seen).count(b"\n") == 4
    assert all(part.endswith(b"\n") for part in seen)


def test_a_run_of_this_machine_that_is_not_what_is_there_is_refused(
    machines: Callable[[str], Project], url: str, tmp_path: Path
) -> None:
    project, place = machines("a"), Place(url)
    run_id = stopped(project, 2)
    (name, *_) = place.parts(run_id)
    place.write(name, b"other\n")
    with pytest.raises(StoreError) as caught, copied(project.job().settings.run, Path("none.csv"), str) as copy:
        copy.follow(project.out / run_id)
    assert str(caught.value).endswith(
        f": found other rows than in the journal here; expected the beginning of that. Bring them first: aigc storage "
        f"pull {run_id}"
    )


def test_only_the_sheets_own_runs_are_brought_and_none_older_than_the_newest_finished(
    machines: Callable[[str], Project], url: str
) -> None:
    place = Place(url)
    for name, status in {
        "2026-01-01-0000-briefs-aaaa": "finished", "2026-01-02-0000-briefs-bbbb": "finished",
        "2026-01-03-0000-briefs-cccc": "interrupted", "2026-01-04-0000-others-dddd": "interrupted",
    }.items():
        sheet = "others.csv" if "others" in name else "briefs.csv"
        text = f'{{"run_id": "{name}", "status": "{status}", "briefs": "/x/{sheet}", "job": "", "started_at": "",' \
               '"model": {"ref": "", "digest": ""}}'
        place.write(f"{name}/run.json", text.encode())
        place.write(f"{name}/{JOURNAL_PARTS}/000001.jsonl", b'{"journal":1,"run_id":"x"}\n')
    place.write("2026-01-05-0000-briefs-eeee/run.json", b"broken")
    project = machines("a")
    job = project.job()
    with copied(job.settings.run, job.briefs, project.said.append):
        assert sorted(path.name[-4:] for path in project.out.iterdir()) == ["bbbb", "cccc"]


def test_bytes_that_differ_begin_a_new_line(tmp_path: Path) -> None:
    from aigc.storage.incoming import _line_start, _same_bytes

    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"alpha\nbeta\ngamma\n")
    other.write_bytes(b"alpha\nbeton\n")
    assert (same := _same_bytes(one, other)) == 9
    assert _line_start(other, same) == 6
    assert [_line_start(one, at) for at in (0, 5, 6, 17)] == [0, 0, 6, 17]
