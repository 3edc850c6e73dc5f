"""A manifest takes the place of another only by forgetting: whatever else was changed with it is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_project import Project, small_project

from aigc.forgetting import forget
from aigc.hashing import digest_file
from aigc.provenance import RUN_FILE, encode
from aigc.provenance.manifest import MANIFEST, SUMS, encode_plain, manifest_digest, read_manifest
from aigc.verification import verify


@pytest.fixture
def nights(tmp_path: Path) -> tuple[Project, Path, Path]:
    """A project, the folder of its first night and that of its second."""
    project = small_project(tmp_path)
    project.products("bread", "rolls", "cake")
    first = project.out / project.run().run_id
    project.products("bread", "rolls", "cake", "tart")
    return project, first, project.out / project.run().run_id


def restated(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Write another manifest with all that repeats it, as one who has the whole folder can."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    change(manifest)
    data = encode_plain(manifest)
    run = {**manifest["run"], "manifest": manifest_digest(data)}
    told = {file["path"]: file["digest"] for file in [*manifest["run"]["outputs"], *manifest["files"]]}
    lines = sorted({**told, MANIFEST: manifest_digest(data)}.items())
    (folder / MANIFEST).write_bytes(data)
    (folder / RUN_FILE).write_bytes(encode(run))
    (folder / SUMS).write_text("".join(f"{found.removeprefix('sha256:')}  {name}\n" for name, found in lines))


def findings(folder: Path, name: str) -> list[tuple[str, str]]:
    return [(one.place, one.found) for check in verify(folder).checks if check.name == name for one in check.findings]


def test_after_forgetting_twice_every_manifest_before_is_there_and_the_chain_holds(
    nights: tuple[Project, Path, Path]
) -> None:
    project, first, second = nights
    before = digest_file(first / MANIFEST)
    for brief in ("rolls", "cake"):
        forget(project.out, brief)
    manifest = read_manifest(first)[0]
    assert [digest_file(first / name) for name in ("manifest-2.json", "manifest-1.json")] == manifest.supersedes
    assert manifest.supersedes[-1] == before
    assert [one.rows for one in manifest.forgotten] == [[1], [2]]
    for folder in (first, second):
        found = verify(folder)
        assert found.findings == []
        assert "earlier manifests" in [check.name for check in found.checks]
    [chain] = [check for check in verify(second).checks if check.name == "previous run"]
    assert chain.detail.endswith("in which rows were forgotten since")


def test_a_manifest_that_says_it_takes_the_place_of_another_is_not_believed(nights: tuple[Project, Path, Path]) -> None:
    _, first, second = nights
    before = digest_file(first / MANIFEST)
    restated(first, lambda it: it.update(reproducible="inputs", supersedes=[before]))
    assert findings(second, "previous run") == [(f"{first.name}/{MANIFEST}, field supersedes", "1 manifests before it")]
    assert findings(first, "earlier manifests") == [(f"{MANIFEST}, field supersedes", "1 manifests before it")]
    told = {"rows": [0], "at": "2026-11-28T00:00:00.000+00:00"}
    restated(first, lambda it: it.update(forgotten=[told]))
    assert findings(second, "previous run") == [(f"{first.name}/manifest-1.json", "no file")]
    (first / "manifest-1.json").write_bytes(b"{}")
    assert findings(second, "previous run") == [(f"{first.name}/manifest-1.json", "another manifest")]


@pytest.mark.parametrize(("change", "place"), [
    (lambda it: it["rows"].update(merkle_root="00"), f"{MANIFEST}, field rows.merkle_root"),
    (lambda it: it["code"].update(version="9"), f"{MANIFEST}, field code.version"),
    (lambda it: it["run"]["model"].update(licence="x"), f"{MANIFEST}, field run.model.licence"),
    (lambda it: it["forgotten"][-1].update(rows=[]), f"{MANIFEST}, field forgotten"),
    (lambda it: it["forgotten"][-1].update(rows=[7]), f"{MANIFEST}, field forgotten"),
    (lambda it: it["supersedes"].reverse(), "manifest-2.json"),
])
def test_what_was_changed_beside_forgetting_is_named(
    nights: tuple[Project, Path, Path], change: Callable[[dict[str, Any]], object], place: str
) -> None:
    project, first, second = nights
    for brief in ("rolls", "cake"):
        forget(project.out, brief)
    restated(first, change)
    assert place in [one for one, _ in findings(first, "earlier manifests")]
    assert f"{first.name}/{place}" in [one for one, _ in findings(second, "previous run")]


def test_a_kill_between_a_manifest_and_run_json_leaves_no_manifest_between(
    nights: tuple[Project, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, first, second = nights
    with monkeypatch.context() as patch:
        patch.setattr("aigc.forgetting.encode", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            forget(project.out, "rolls")
    forget(project.out, "rolls")
    for folder in (first, second):
        assert verify(folder).findings == []
    assert len(read_manifest(first)[0].supersedes) == len(read_manifest(second)[0].supersedes) == 1
