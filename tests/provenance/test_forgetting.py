"""A forgotten brief: its texts are nowhere, its rows are accounted for, and the run still holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_project import GOOD, Project, interrupted, small_project

from aigc.disk import take_lock
from aigc.errors import RunLocked, SigningError, StoreError, UsageError
from aigc.export import export
from aigc.forgetting import forget
from aigc.parquet_rows import read_rows
from aigc.provenance.manifest import MANIFEST, read_manifest
from aigc.records import Prompt
from aigc.verification import verify

SECRET = "Marzipan"
"""Stands in the forgotten brief and in its texts alone."""


def answered(prompt: Prompt) -> str:
    asked = prompt.messages[-1].content
    if SECRET not in asked:
        return GOOD
    return f"{SECRET}, too short." if prompt.attempt == 0 else f"{GOOD} {SECRET} is made of almonds."


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = small_project(tmp_path)
    project.sheet([{"id": f"b{at}", "content_type": "note", "product": name}
                   for at, name in enumerate(["bread", SECRET, "rolls"])])
    return project


def held_anywhere(folder: Path) -> list[str]:
    """Files in which the secret stands, as text or inside the records."""
    plain = [path.name for path in folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    rows = [row for row in read_rows(folder / "records.parquet") if SECRET in repr(row)]
    return plain + ["records.parquet"] * bool(rows)


def test_a_forgotten_briefs_texts_are_in_no_file_and_the_run_holds(project: Project) -> None:
    folder = project.out / project.run(answered).run_id
    root = read_manifest(folder)[0].rows.merkle_root
    assert {"journal.jsonl", "accepted.csv", "records.parquet"} <= {*held_anywhere(folder)}
    [gone] = forget(project.out, "b1")
    assert (gone.rows, gone.attempts) == (1, 3)  # the first text stands in the journal twice: waiting, and in its row
    assert held_anywhere(folder) == []
    found = verify(folder)
    assert found.findings == []
    assert next(check.detail for check in found.checks if check.name == "rows").endswith("1 of them forgotten")
    assert read_manifest(folder)[0].rows.merkle_root == root


def test_a_forgotten_row_is_still_accounted_for(project: Project) -> None:
    folder = project.out / project.run(answered).run_id
    forget(project.out, "b1")
    rows = [row.record for row in read_rows(folder / "records.parquet")]
    assert [(row.brief_id, row.outcome, row.reasons == ["forgotten"]) for row in rows] == [
        ("b0", "accepted", False), ("b1", "accepted", True), ("b2", "accepted", False),
    ]
    assert b"forgotten" in (folder / "rejected.csv").read_bytes()
    assert (folder / "accepted.csv").read_bytes().count(b'"b1"') == 0
    assert read_manifest(folder)[0].run.outputs[1].rows == 2


def test_a_text_is_forgotten_in_every_run_that_took_it_over_and_the_chain_holds(project: Project) -> None:
    first = project.run(answered)
    project.set("run", seed=1)
    second = project.run(answered)
    assert [gone.run_id for gone in forget(project.out, "b1")] == [second.run_id, first.run_id]
    for run in (first, second):
        found = verify(project.out / run.run_id)
        assert found.findings == []
        assert held_anywhere(project.out / run.run_id) == []
    assert {check.name: check.status for check in found.checks}["previous run"] == "holds"


def test_a_forgotten_brief_is_made_again_only_if_its_sheet_still_has_it(project: Project) -> None:
    project.run(answered)
    forget(project.out, "b1")
    project.prompts.clear()
    project.run(answered)
    assert {SECRET in prompt.messages[-1].content for prompt in project.prompts} == {True}


def test_texts_of_a_run_that_never_finished_are_forgotten_too(project: Project) -> None:
    file = interrupted(project, 2)
    folder = project.out / file.run_id
    [gone] = forget(project.out, "b0")
    assert gone.attempts == 1
    assert GOOD.encode() not in (folder / "journal.jsonl").read_bytes().splitlines()[1]


def test_forgetting_again_changes_nothing_that_proves(project: Project) -> None:
    folder = project.out / project.run(answered).run_id
    forget(project.out, "b1")
    [gone] = forget(project.out, "b1")
    assert gone.attempts == 0
    manifest = read_manifest(folder)[0]
    assert [one.rows for one in manifest.forgotten] == [[1]]
    assert verify(folder).findings == []


def test_a_kill_in_the_middle_is_found_and_the_same_command_goes_on(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project.out / project.run(answered).run_id

    def killed(*given: object) -> object:
        export(*given)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("aigc.forgetting.export", killed)
        with pytest.raises(KeyboardInterrupt):
            forget(project.out, "b1")
    assert not verify(folder).holds
    forget(project.out, "b1")
    assert verify(folder).findings == []
    assert held_anywhere(folder) == []


def test_texts_of_a_run_that_failed_with_its_results_in_place_are_forgotten_too(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise SigningError("records.parquet", "no signature", "a C2PA sidecar", "Look whether the authority answers.")

    with monkeypatch.context() as patch:
        patch.setattr("aigc.runs.seal", failing)
        with pytest.raises(SigningError):
            project.run(answered)
    [folder] = [path.parent for path in project.out.glob("*/run.json")]
    (folder / "review.html").write_text(SECRET)
    assert "records.parquet" in held_anywhere(folder)
    [gone] = forget(project.out, "b1")
    assert {"records.parquet", "accepted.jsonl", "review.html"} <= {*gone.removed}
    assert [path for path in folder.iterdir() if SECRET.encode() in path.read_bytes()] == []
    assert not (folder / "records.parquet").exists()
    project.sheet([{"id": f"b{at}", "content_type": "note", "product": name} for at, name in enumerate(["bread", "x"])])
    again = project.run(answered)
    assert verify(project.out / again.run_id).findings == []


@pytest.mark.parametrize("name", [".journal.jsonl.1234abcd.tmp", ".review.html.1234abcd.tmp",
                                  ".records.parquet.arriving", ".export/records.parquet"])
@pytest.mark.parametrize("is_finished", [True, False])
def test_what_a_killed_process_left_is_removed(project: Project, name: str, *, is_finished: bool) -> None:
    folder = project.out / (project.run(answered) if is_finished else interrupted(project, 2)).run_id
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(SECRET)
    forget(project.out, "b0")
    assert not (folder / name).exists()


def test_the_new_manifest_tells_of_the_machine_that_made_the_texts(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project.out / project.run(answered).run_id
    made = read_manifest(folder)[0]
    monkeypatch.setattr("aigc.provenance.environment.__version__", "99")
    monkeypatch.setattr("aigc.proof.code_facts", lambda: pytest.fail("the code of today was asked for"))
    monkeypatch.setattr("aigc.proof.environment", lambda _: pytest.fail("the machine of today was asked for"))
    forget(project.out, "b1")
    now = read_manifest(folder)[0]
    assert (now.code, now.environment) == (made.code, made.environment)


def test_a_run_that_somebody_changed_is_not_given_a_new_manifest(project: Project) -> None:
    folder = project.out / project.run(answered).run_id
    for name, old, new in [(MANIFEST, b'"licence":""', b'"licence":"x"'), ("journal.jsonl", b"kettle", b"kittle"),
                           ("records.parquet", b"PAR1", b"PAR2")]:
        whole = (folder / name).read_bytes()
        assert old in whole
        (folder / name).write_bytes(whole[:-4] + new if name == "records.parquet" else whole.replace(old, new, 1))
        before = {path: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}
        with pytest.raises(StoreError, match=r"not as the run left it|cannot be read"):
            forget(project.out, "b1")
        assert {path: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"} == before
        (folder / name).write_bytes(whole)
    assert [gone.rows for gone in forget(project.out, "b1")] == [1]


def test_a_row_that_is_said_to_be_forgotten_and_is_not_is_found(project: Project) -> None:
    folder = project.out / project.run(answered).run_id
    kept = (folder / "records.parquet").read_bytes()
    forget(project.out, "b1")
    (folder / "records.parquet").write_bytes(kept)
    assert "records.parquet row 2 (line 3 of the sheet, variant 0)" in [one.place for one in verify(folder).findings]


def test_a_bad_row_without_an_id_is_forgotten_by_the_one_that_was_made_for_it(project: Project) -> None:
    project.sheet([{"id": "b0", "content_type": "note", "product": "bread"},
                   {"id": "", "content_type": f"nothing for {SECRET}", "product": SECRET}])
    folder = project.out / project.run(answered).run_id
    assert "rejected.csv" in held_anywhere(folder)
    [name] = [row.record.brief_id for row in read_rows(folder / "records.parquet") if row.record.brief_id != "b0"]
    assert name.startswith("r-")
    assert f'"{name}"'.encode() in (folder / "rejected.csv").read_bytes()
    assert forget(project.out, name)[0].rows == 1
    assert held_anywhere(folder) == []
    assert verify(folder).findings == []


def test_a_brief_that_no_run_has_is_told(project: Project) -> None:
    project.run()
    with pytest.raises(UsageError, match="--brief: found 'b9', which is in none of the runs"):
        forget(project.out, "b9")


def test_a_run_that_is_being_written_is_left_alone(project: Project) -> None:
    folder = project.out / project.run(answered).run_id
    lock = take_lock(folder / ".lock")
    with pytest.raises(RunLocked):
        forget(project.out, "b1")
    assert lock
    assert verify(folder).holds
    assert MANIFEST in {path.name for path in folder.iterdir()}
