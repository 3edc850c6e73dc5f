"""What was forgotten is in no export, and decisions that were changed are named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from exports import EDITED, answer, exported, lines, reviewed
from small_project import Project

from aigc.errors import RunLocked, StoreError
from aigc.forgetting import forget
from aigc.publishing import exporting
from aigc.publishing.values import Issue
from aigc.review.ledger import LEDGER
from aigc.verification import verify


def test_forgetting_takes_decisions_and_exports_with_it(project: Project) -> None:
    file = reviewed(project)
    folder = project.out / file.run_id
    exported(project, file, "jsonl")
    assert EDITED.encode()[:20] in (folder / LEDGER).read_bytes()
    (gone,) = forget(project.out, "kettle")
    assert (gone.decisions, [name for name in gone.removed if name == "approved"]) == (1, ["approved"])
    left = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert EDITED.encode()[:20] not in left
    found = verify(folder)
    assert found.findings == []
    (check,) = [check for check in found.checks if check.name == "decisions"]
    assert check.detail.startswith("2 in one chain, 1 more forgotten, up to sha256:")
    assert [*lines(exported(project, file))] == ["灯/../../x", "card"]


def test_forgetting_takes_exports_of_any_name_in_the_runs_folder_and_what_a_killed_one_left(project: Project) -> None:
    file = reviewed(project)
    folder = project.out / file.run_id
    exported(project, file, "jsonl", "markdown", to=folder / "for the site" / "may")
    (folder / ".approved.export" / "new").mkdir(parents=True)
    (folder / ".approved.export" / "new" / ".texts.jsonl").write_text(EDITED)
    (gone,) = forget(project.out, "kettle")
    assert "for the site/may" in gone.removed
    assert [path for path in folder.rglob("*") if path.is_file() and EDITED.encode()[:20] in path.read_bytes()] == []


def test_no_text_is_forgotten_while_it_is_exported_and_none_is_exported_that_was_forgotten_meanwhile(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = reviewed(project)
    folder, write = project.out / file.run_id, exporting.WRITERS["jsonl"]

    def while_it_is_written(issue: Issue) -> list[Path]:
        with pytest.raises(RunLocked):
            forget(project.out, "kettle")
        (folder / ".approved.export").rename(folder / "aside")  # as where forgetting began a moment before
        forget(project.out, "kettle")
        (folder / "aside").rename(folder / ".approved.export")
        return write(issue)

    with monkeypatch.context() as patch:
        patch.setitem(exporting.WRITERS, "jsonl", while_it_is_written)  # type: ignore[arg-type]
        with pytest.raises(StoreError, match="Rows were forgotten meanwhile: run the same command again"):
            exported(project, file, "jsonl")
    assert not (folder / "approved").exists()
    assert [*lines(exported(project, file))] == ["灯/../../x", "card"]


def test_a_decision_that_was_changed_or_left_out_is_named_by_verify(project: Project) -> None:
    file = reviewed(project)
    folder = project.out / file.run_id
    whole = (folder / LEDGER).read_bytes()
    for broken, place in ((whole.replace(b'"action":"approve"', b'"action":"reject"', 1), "line 2"),
                          (b"".join(whole.splitlines(keepends=True)[::2]), "line 2"), (b"{}\n" + whole, "line 1")):
        (folder / LEDGER).write_bytes(broken)
        found = verify(folder)
        assert not found.holds
        assert found.findings[0].place == f"{LEDGER} {place}"


def test_a_decision_that_was_hidden_as_forgotten_is_found(project: Project) -> None:
    file = reviewed(project)
    folder = project.out / file.run_id
    first, *rest = (folder / LEDGER).read_bytes().splitlines(keepends=True)
    line = json.loads(first)
    name = line["decision"]["record_id"]
    hidden = {"previous": line["previous"], "digest": line["digest"], "forgotten": {"record_id": name, "at": "now"}}
    (folder / LEDGER).write_bytes(json.dumps(hidden, separators=(",", ":")).encode() + b"\n" + b"".join(rest))
    assert [(one.place, name in one.found) for one in verify(folder).findings] == [(LEDGER, True)]


def test_a_ledger_of_another_run_is_none_of_this_one(project: Project) -> None:
    first = reviewed(project)
    second = project.run(answer, mode="new")
    shutil.copy(project.out / first.run_id / LEDGER, project.out / second.run_id / LEDGER)
    assert [one.found for one in verify(project.out / second.run_id).findings] == [
        f"decisions on run {first.run_id}"]
