"""Exports that are signed: a C2PA sidecar for every file, which says that people approved and edited."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from editing import decide, today
from small_project import Project, small_project

from aigc.errors import SettingsError
from aigc.publishing.exporting import Order, export_texts
from aigc.publishing.values import HUMAN_EDITS

pytest.importorskip("c2pa", reason="aigc[signing] is not installed")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    from aigc.signing import new_identity

    new_identity(tmp_path / "keys", name="Night desk", days=30)
    return small_project(tmp_path)


def assertions(path: Path) -> dict[str, object]:
    """What the sidecar of a file says, by label."""
    import c2pa

    sidecar = path.with_name(path.name + ".c2pa").read_bytes()
    with c2pa.Reader("application/octet-stream", io.BytesIO(path.read_bytes()), sidecar) as reader:
        told = json.loads(reader.json())
    return {one["label"]: one["data"] for one in told["manifests"][told["active_manifest"]]["assertions"]}


def test_every_file_has_a_sidecar_of_the_signer_that_says_who_approved(project: Project) -> None:
    from aigc.signing import check_sidecar

    file = project.run()
    decide(project, file, "kettle", "edit", text="Another text.")
    decide(project, file, "lamp", "approve")
    project.set("signing", enabled=True, identity=str(project.folder / "keys"))
    order = Order(folder=project.out / file.run_id, kind="approved", formats=["jsonl", "docx", "markdown"])
    issued = export_texts(order, today(project))
    folder = Path(issued.folder)
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".c2pa"]
    assert len(files) == 5, "two texts of Markdown, a document, a table, the statement"
    assert {check_sidecar(path, [project.folder / "keys" / "anchor.pem"]).status for path in files} == {"valid"}
    told = assertions(folder / "approved.jsonl")
    actions = told["c2pa.actions.v2"]["actions"]  # type: ignore[index]
    assert [(one["action"], one["digitalSourceType"].rpartition("/")[2]) for one in actions] == [
        ("c2pa.created", "trainedAlgorithmicMedia"), ("c2pa.edited", HUMAN_EDITS.rpartition("/")[2])]
    assert told["c2pa.ai-disclosure"]["contentProfile"] == {"humanOversightLevel": "human_validated"}  # type: ignore[index]
    assert "approved.jsonl.c2pa" in {one.path for one in issued.statement.files}


def test_an_export_without_edits_says_nothing_of_people_who_edited(project: Project) -> None:
    file = project.run()
    decide(project, file, "lamp", "approve")
    project.set("signing", enabled=True, identity=str(project.folder / "keys"))
    issued = export_texts(Order(folder=project.out / file.run_id, kind="approved", formats=["csv"]), today(project))
    actions = assertions(Path(issued.folder) / "approved.csv")["c2pa.actions.v2"]["actions"]  # type: ignore[index]
    assert [one["action"] for one in actions] == ["c2pa.created"]


def test_a_signer_that_is_gone_is_told_before_anything_is_written(project: Project) -> None:
    file = project.run()
    decide(project, file, "lamp", "approve")
    project.set("signing", enabled=True, identity=str(project.folder / "nowhere"))
    with pytest.raises(SettingsError, match="no identity in"):
        export_texts(Order(folder=project.out / file.run_id, kind="approved", formats=["csv"]), today(project))
    assert not (project.out / file.run_id / "approved").exists()
