"""The manifest of a run: canonical, complete, chained to the run before, and read back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest
from small_project import Project, small_project

from aigc.errors import StoreError
from aigc.hashing import digest_bytes, digest_file
from aigc.parquet_rows import read_rows
from aigc.provenance import read_run
from aigc.provenance.manifest import MANIFEST, SUMS, Manifest, decode_manifest, encode_manifest, read_manifest
from aigc.provenance.merkle import root
from aigc.provenance.stamps import leaf_bytes
from aigc.stamped import Provenance


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = small_project(tmp_path)
    project.products("bread", "rolls", "cake")
    return project


def test_a_manifest_tells_every_file_and_the_root_of_all_rows(project: Project) -> None:
    run = project.run()
    folder = project.out / run.run_id
    manifest, data = read_manifest(folder)
    leaves = [leaf_bytes(row.leaf) for row in read_rows(folder / "records.parquet")]
    assert (manifest.rows.count, manifest.rows.merkle_root) == (3, root(leaves).hex())
    told = [*manifest.run.outputs, *manifest.files]
    assert {file.path: file.digest for file in told} == {file.path: digest_file(folder / file.path) for file in told}
    left = {path.name for path in folder.iterdir() if not path.name.startswith(".")} - {file.path for file in told}
    assert left == {MANIFEST, SUMS, "run.json", "review.html"}
    assert run.manifest == read_run(folder).manifest == digest_bytes(data)
    assert manifest.run == msgspec.structs.replace(run, manifest="")


def test_a_manifest_is_canonical_json(project: Project) -> None:
    folder = project.out / project.run().run_id
    manifest, data = read_manifest(folder)
    plain = json.loads(data)
    # RFC 8785 and Python's own JSON agree where keys are ASCII and no number needs an exponent.
    assert data == json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert encode_manifest(manifest) == data


def test_a_number_that_readers_of_json_would_round_is_a_text(project: Project) -> None:
    manifest, _ = read_manifest(project.out / project.run().run_id)
    large = msgspec.structs.replace(manifest, run=msgspec.structs.replace(manifest.run, limit=2**60 + 1))
    data = encode_manifest(large)
    assert f'"limit":"{2**60 + 1}"'.encode() in data
    assert decode_manifest(data, "here") == large


def test_a_night_names_the_manifest_of_the_night_before(project: Project) -> None:
    first = project.run()
    project.products("bread", "rolls", "cake", "tart")
    second = project.run()
    previous = read_manifest(project.out / second.run_id)[0].previous
    assert previous
    assert (previous.run_id, previous.manifest) == (first.run_id, first.manifest)
    assert read_manifest(project.out / first.run_id)[0].previous is None


def test_no_text_of_a_brief_or_of_the_model_is_in_a_manifest(project: Project) -> None:
    folder = project.out / project.run().run_id
    data = (folder / MANIFEST).read_bytes().decode()
    for row in read_rows(folder / "records.parquet"):
        assert row.record.content
        assert row.record.content.text not in data
        assert not [value for value in row.record.brief.values() if isinstance(value, str) and f'"{value}"' in data]


@pytest.mark.parametrize(("content", "found"), [
    (None, "no manifest"), (b"{", "a damaged manifest"), (b"\xff", "a damaged manifest"), (b"{}", "one of"),
    (b'{"schema":"aigc.manifest/9"}', "one of 'aigc.manifest/9'"),
    (b'{"schema":"aigc.manifest/1"}', "a damaged manifest"),
])
def test_what_is_no_manifest_is_told(tmp_path: Path, content: bytes | None, found: str) -> None:
    if content is not None:
        (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(StoreError, match=found):
        read_manifest(tmp_path)


def test_a_manifest_of_an_older_version_is_told_with_its_place() -> None:
    with pytest.raises(StoreError, match="here: found one of 'old'"):
        decode_manifest(b'{"schema":"old"}', "here")


def test_every_field_has_its_standard_on_the_page_that_tells_of_it() -> None:
    page = (Path(__file__).parents[2] / "docs" / "provenance.md").read_text("utf-8")
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    told = {name: cells for cells in rows for name in re.findall(r"`(\w+)`", cells[0]) if len(cells) == 3}
    fields = {*Provenance.__struct_fields__, *Manifest.__struct_fields__}
    assert fields - told.keys() == set()
    assert [name for name in fields if not told[name][2]] == []
