"""Runs in shared storage: in memory as fsspec has it, and on a server that speaks S3."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import msgspec
import pytest
from small_project import GOOD, Power, Project, small_project, stopping_after

from aigc.errors import RunLocked, SettingsError, StoreError
from aigc.forgetting import forget
from aigc.forgotten_lines import FORGOTTEN
from aigc.provenance import FileFacts, RunFile, read_run
from aigc.publishing.values import STATEMENT, Statement
from aigc.records import Prompt
from aigc.review.decisions import Decision
from aigc.review.ledger import LEDGER, Source, append, breaks, read_ledger
from aigc.review.reviewable import reviewables
from aigc.runs import find_earlier, open_run
from aigc.settings_loading import load_settings
from aigc.storage import Place, bring_run, copied, facts_of, publish
from aigc.storage.place import JOURNAL_PARTS
from aigc.store import JOURNAL
from aigc.verification import verify

HAS_S3 = all(importlib.util.find_spec(name) for name in ("s3fs", "moto", "flask"))
NEEDS_S3 = pytest.mark.skipif(not HAS_S3, reason="no S3 server here: pip install s3fs moto flask flask-cors")

IN_MEMORY = pytest.mark.parametrize("url", ["memory"], indirect=True)
"""For what no kind of storage does otherwise: a server takes long."""


class Machine(Project):
    """A disk of its own, with the project at the same place as on every machine."""

    disk: Path

    @property
    def out(self) -> Path:
        return self.disk / "outputs"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a server that speaks S3, with a bucket; keys and address are in the environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    names = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1",
             "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_MAX_ATTEMPTS": "2"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            patch.setenv(name, value)
        try:
            until_s = time.monotonic() + 60
            while not _listens(port):
                assert time.monotonic() < until_s, "no server"
                time.sleep(0.1)
            fsspec.filesystem("s3", skip_instance_cache=True).mkdir("bucket")
            yield f"s3://bucket/{port}"
        finally:
            server.kill()
            server.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(params=["memory", pytest.param("s3", marks=NEEDS_S3)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty folder in each kind of storage."""
    if request.param == "s3":
        yield f"{request.getfixturevalue('s3')}/{tmp_path.name}"
        return
    yield f"memory://bucket/{tmp_path.name}"
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def machines(tmp_path: Path, url: str) -> Callable[[str], Project]:
    """`machines("a")` is a machine with the project, its own disk, and the storage."""
    small_project(tmp_path)

    def machine(name: str) -> Project:
        project = Machine(tmp_path)
        project.disk = tmp_path / name
        project.set("run", publish_to=url)
        return project

    return machine


def make(
    project: Project, script: Callable[..., object] = lambda _: GOOD, on_way: Callable[[Path], None] = lambda _: None
) -> RunFile:
    """A run as `aigc run` makes it, as far as its copy goes; `on_way` is called when its rows are made."""
    job = project.job()
    with (
        copied(job.settings.run, job.briefs, project.said.append) as copy,
        open_run(
            job, project.model, project.engine(script, slots=1), find_earlier(job, "auto"),  # type: ignore[arg-type]
        ) as run,
    ):
        run.begin(job.survey())
        copy.follow(run.folder)
        run.generate(job.rows())
        on_way(run.folder)
        return run.finish()


def stopped(project: Project, answers: int) -> str:
    """The id of a run that stops after so many answers."""
    with pytest.raises(Power):
        make(project, stopping_after(answers))
    return project.newest().run_id


def names(place: Place, run_id: str) -> set[str]:
    return {name.partition("/")[2] for name in place.files(run_id)}


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


def held(machine: Project, place: Place, run_id: str) -> list[str]:
    """Files here and there in which the second product stands, the sheet apart."""
    here = [path.name for path in (machine.out / run_id).rglob("*") if path.is_file() and LAMP in path.read_bytes()]
    there = {**place.parts(run_id), **place.files(run_id)}
    return here + [name for name in there if LAMP in (place.read(name) or b"")]


def named(prompt: Prompt) -> str:
    return GOOD.replace("kettle", "Lampyris") if "lamp" in prompt.messages[-1].content else GOOD


def stopped_with_three(project: Project) -> str:
    """An unfinished run of three texts, of which the second is the lamp's."""
    project.products("kettle", "lamp", "stool", "jug")
    answers = iter(range(3))

    def script(prompt: Prompt) -> str:
        if next(answers, None) is None:
            raise Power
        return named(prompt)

    with pytest.raises(Power):
        make(project, script)
    return project.newest().run_id


LAMP = b"Lampyris"


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


EDIT = "Lampyris, as an editor wants it."


def reviewed(machine: Project, run_id: str, name: str, editor: str = "Ana", text: str = EDIT) -> None:
    """An editor's edit of the text of a brief, imported on this machine."""
    folder = machine.out / run_id
    row = next(row for row in reviewables(folder) if row.record.brief_id == name)
    decision = Decision(record_id=row.record.record_id, run_id=run_id, verb="edit", editor=editor, base=row.base,
                        at=f"2026-11-28T10:00:0{len(read_ledger(folder).entries)}.000+00:00", text=text)
    append(folder, [decision], Source(name="a.jsonl", digest=f"sha256:{editor}", imported_at="2026-11-28T11:00:00Z"))


def two_machines(machines: Callable[[str], Project], place: Place) -> tuple[Project, Project, str]:
    """Two machines with a finished run of two texts, of which the second is the lamp's."""
    a, b = machines("a"), machines("b")
    a.products("kettle", "lamp")
    run_id = make(a, named).run_id
    assert bring_run(place, b.out, run_id)
    return a, b, run_id


def test_decisions_of_the_editors_machine_stay_when_another_takes_the_run_there_again(
    machines: Callable[[str], Project], url: str
) -> None:
    place = Place(url)
    a, b, run_id = two_machines(machines, place)
    reviewed(b, run_id, "kettle")
    assert publish(place, b.out / run_id)
    there = place.read(f"{run_id}/{LEDGER}")
    assert there == (b.out / run_id / LEDGER).read_bytes()
    for name, data in (("notes.docx", b"mine"), ("approved/approved.jsonl", b"{}"), ("review.xlsx", b"half done")):
        place.write(f"{run_id}/{name}", data)
    assert publish(place, a.out / run_id), "there are more decisions there than here, which knows of none"
    assert place.read(f"{run_id}/{LEDGER}") == there
    assert {"notes.docx", "approved/approved.jsonl", "review.xlsx"} <= names(place, run_id)
    assert bring_run(place, a.out, run_id)
    assert read_ledger(a.out / run_id) == read_ledger(b.out / run_id)
    reviewed(a, run_id, "lamp")
    assert publish(place, a.out / run_id)
    assert bring_run(place, b.out, run_id)
    assert [one.editor for one in read_ledger(b.out / run_id).decisions] == ["Ana", "Ana"]
    assert not bring_run(place, b.out, run_id), "nothing newer"


@IN_MEMORY
def test_decisions_of_two_machines_that_know_nothing_of_each_other_are_left_where_they_are(
    machines: Callable[[str], Project], url: str
) -> None:
    place = Place(url)
    a, b, run_id = two_machines(machines, place)
    reviewed(b, run_id, "kettle", editor="Bo")
    reviewed(a, run_id, "kettle")
    assert publish(place, b.out / run_id)
    there = place.read(f"{run_id}/{LEDGER}")
    assert not publish(place, a.out / run_id)
    assert place.read(f"{run_id}/{LEDGER}") == there
    assert not bring_run(place, a.out, run_id)
    assert [one.editor for one in read_ledger(a.out / run_id).decisions] == ["Ana"]


@IN_MEMORY
def test_what_is_made_of_a_run_here_stays_here_and_what_a_run_has_no_more_goes_there(
    machines: Callable[[str], Project], url: str
) -> None:
    place = Place(url)
    a, _, run_id = two_machines(machines, place)
    (a.out / run_id / "review.xlsx").write_bytes(b"a sheet")
    (a.out / run_id / "approved").mkdir()
    (a.out / run_id / "approved" / STATEMENT).write_bytes(b"{}")
    (a.out / run_id / "approved" / "approved.csv").write_bytes(b"id")
    (a.out / run_id / "croissant.json").unlink()
    publish(place, a.out / run_id)
    assert not {"review.xlsx", "approved/approved.csv", "croissant.json"} & names(place, run_id)


def test_a_forgotten_text_is_gone_from_whatever_another_machine_put_beside_the_run_there(
    machines: Callable[[str], Project], url: str
) -> None:
    place = Place(url)
    a, b, run_id = two_machines(machines, place)
    reviewed(b, run_id, "lamp", editor="Bo")
    reviewed(b, run_id, "kettle", editor="Bo", text="A kettle.")
    assert publish(place, b.out / run_id)
    statement = msgspec.json.encode(Statement(
        run_id=run_id, selection="approved", manifest="", ledgers={}, exported_at="", texts=1, edited=1, left_out={},
        files=[FileFacts(path="approved.jsonl", digest="", bytes=1)]))
    for name, data in (("review.xlsx", LAMP), ("review-2.html", LAMP), (f"approved/{STATEMENT}", statement),
                       ("approved/approved.jsonl", LAMP), ("notes/minutes.docx", LAMP)):
        place.write(f"{run_id}/{name}", data)
    reviewed(a, run_id, "kettle", text="Mine.")  # its own decision, which the editors' machine has never seen
    [gone] = forget(a.out, "lamp", place=place)
    assert gone.shared
    assert {"review.xlsx", "review-2.html", "approved/approved.jsonl", f"approved/{STATEMENT}"} <= {*gone.removed_there}
    assert gone.unknown_there == ["notes/minutes.docx"], "it is no file of this program: somebody is told of it"
    assert held(a, place, run_id) == [f"{run_id}/notes/minutes.docx"]
    ledger = place.read(f"{run_id}/{LEDGER}") or b""
    assert b"A kettle." in ledger, "what was decided on other texts is there"
    (a.out / "there").mkdir()
    for name in (LEDGER, "decisions.head.json"):
        (a.out / "there" / name).write_bytes(place.read(f"{run_id}/{name}") or b"")
    assert breaks(a.out / "there") == [], "and in one chain"


@IN_MEMORY
def test_a_decision_that_was_torn_while_it_was_written_is_forgotten_too(
    machines: Callable[[str], Project], url: str
) -> None:
    place = Place(url)
    a, _, run_id = two_machines(machines, place)
    reviewed(a, run_id, "kettle", text="A kettle.")
    with (a.out / run_id / LEDGER).open("ab") as file:
        file.write(b'{"previous":"sha256:0","decision":{"text":"Lampyris, as')
    publish(place, a.out / run_id)
    forget(a.out, "lamp", place=place)
    assert held(a, place, run_id) == []
    assert [one.text for one in read_ledger(a.out / run_id).decisions] == ["A kettle."]


@IN_MEMORY
def test_a_text_is_not_said_to_be_forgotten_where_decisions_there_were_changed(
    machines: Callable[[str], Project], url: str
) -> None:
    place = Place(url)
    a, b, run_id = two_machines(machines, place)
    reviewed(b, run_id, "lamp")
    publish(place, b.out / run_id)
    ledger = place.read(f"{run_id}/{LEDGER}") or b""
    place.write(f"{run_id}/{LEDGER}", ledger.replace(b'"Ana"', b'"Bea"'))
    with pytest.raises(StoreError, match=f"{url}/{run_id}/{LEDGER} line 1: found a decision that was changed"):
        forget(a.out, "lamp", place=place)
    place.write(f"{run_id}/{LEDGER}", ledger)
    assert forget(a.out, "lamp", place=place)[0].shared, "the same command again"
    assert held(a, place, run_id) == []


@IN_MEMORY
def test_a_decision_that_comes_back_from_storage_is_not_one_on_a_forgotten_text(
    machines: Callable[[str], Project], url: str
) -> None:
    place = Place(url)
    a, b, run_id = two_machines(machines, place)
    reviewed(b, run_id, "lamp")
    reviewed(b, run_id, "kettle", text="A kettle.")
    publish(place, b.out / run_id)
    forget(a.out, "lamp")  # without the storage
    assert bring_run(place, a.out, run_id)
    assert [one.text for one in read_ledger(a.out / run_id).decisions] == ["A kettle."]
    assert LAMP not in (a.out / run_id / LEDGER).read_bytes()


def test_a_list_of_what_was_forgotten_that_somebody_edited_is_refused(
    machines: Callable[[str], Project], url: str
) -> None:
    a, place = machines("a"), Place(url)
    run_id = stopped_with_three(a)
    for data, found in ((b"broken", "a damaged list"), (b'{"digest":"sha256:0","instead":"x"}', "no line")):
        place.write(f"{run_id}/{FORGOTTEN}", data)
        with pytest.raises(StoreError, match=found):
            make(a)


def test_bytes_that_differ_begin_a_new_line(tmp_path: Path) -> None:
    from aigc.storage.incoming import _line_start, _same_bytes

    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"alpha\nbeta\ngamma\n")
    other.write_bytes(b"alpha\nbeton\n")
    assert (same := _same_bytes(one, other)) == 9
    assert _line_start(other, same) == 6
    assert [_line_start(one, at) for at in (0, 5, 6, 17)] == [0, 0, 6, 17]


# Addresses -----------------------------------------------------------------------------------------------------------


def test_an_address_as_out_is_a_copy_of_runs_under_a_folder_of_this_machine() -> None:
    run = load_settings(None, {"run": {"out": "s3://bucket/a/b"}}, {}).run
    assert (run.out, run.publish_to) == (".aigc/shared/s3/bucket/a/b", "s3://bucket/a/b")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("s3://key:secret@bucket/a", "an address with a user or a password in it"),
        ("file:///mnt/runs", "the address of a folder"),
        ("s3://bucket/../other", "no address of a folder in shared storage"),
        ("s3://", "no address of a folder in shared storage"),
        ("simplecache::s3://bucket/a", "no address of a folder in shared storage"),
        ("s3://bucket/a?x=1", "no address of a folder in shared storage"),
    ],
)
@pytest.mark.parametrize("key", ["out", "publish_to"])
def test_an_address_that_is_none_is_refused_and_not_shown(key: str, url: str, found: str) -> None:
    with pytest.raises(SettingsError, match=rf"key run\.{key}: found {found}; expected s3://BUCKET/FOLDER") as caught:
        load_settings(None, {"run": {key: url}}, {})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("url", "found"), [
    ("nope://bucket/a", r"an error of the storage \(ValueError: Protocol not known: nope\)"),
])
def test_storage_that_nothing_knows_is_told(url: str, found: str) -> None:
    with pytest.raises(StoreError, match=f"{url}: found {found}; expected storage that reads and writes"):
        Place(url)


def test_a_missing_package_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", absent)
    with pytest.raises(StoreError, match=r"no package for it \(Install s3fs to access S3\).*pip install 'aigc\[s3\]'"):
        Place("s3://bucket/a")


@NEEDS_S3
@pytest.mark.parametrize(("bucket", "code"), [("none", "The specified bucket does not exist")])
def test_a_bucket_that_is_not_there_is_told(s3: str, bucket: str, code: str) -> None:
    with pytest.raises(StoreError, match=code):
        Place(f"s3://{bucket}/a").write("x", b"y")


@NEEDS_S3
def test_a_server_that_does_not_answer_is_told(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StoreError, match=r"s3://bucket/a/x: found an error of the storage .*the working folder has"):
        Place("s3://bucket/a").read("x")
