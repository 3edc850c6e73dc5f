"""The story of a row: what proves it, and that a file which somebody edited is told and never a crash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_project import Project, small_project

from aigc.errors import StoreError
from aigc.forgetting import forget
from aigc.hashing import digest_file
from aigc.provenance.commitments import open_commitments
from aigc.provenance.manifest import MANIFEST
from aigc.records import Message
from aigc.trace import Trace, page, trace


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = small_project(tmp_path)
    project.products("bread", "rolls", "cake")
    return project


def traced(project: Project, name: str = "rolls") -> Trace:
    return trace(project.out, name, secret=project.folder / "secret")


def changed(folder: Path, change: Callable[[dict[str, object]], None], row: int) -> None:
    path = folder / "records.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows[row])
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def test_a_row_is_proved_by_the_manifest_whose_digest_is_told(project: Project) -> None:
    folder = project.out / project.run().run_id
    found = traced(project)
    assert (found.membership.holds, found.membership.row, found.membership.rows) == (True, 2, 3)
    assert found.manifest == digest_file(folder / MANIFEST)


@pytest.mark.parametrize("leaf", [None, "", "sha256:", "sha256:00", "sha256:zz", "ü"])
@pytest.mark.parametrize("row", [0, 1])
def test_a_leaf_that_was_changed_proves_nothing(project: Project, leaf: str | None, row: int) -> None:
    folder = project.out / project.run().run_id
    changed(folder, lambda one: one.update(leaf=leaf), row)
    assert not traced(project).membership.holds


def test_a_forgotten_row_is_told_as_that_and_its_leaf_is_proved(project: Project) -> None:
    project.run()
    forget(project.out, "rolls")
    found = traced(project)
    assert (found.membership.holds, found.membership.forgotten, found.membership.entry) == (True, True, "")
    assert "  row 2 of 3; forgotten, and its leaf proved to be one of the run's by its manifest" in [*page(found)]
    assert traced(project, "bread").membership.entry


def test_a_row_before_it_that_cannot_be_read_is_told(project: Project) -> None:
    folder = project.out / project.run().run_id
    record_id = traced(project).row.record.record_id
    changed(folder, lambda one: one.update(record_id=None), 0)
    with pytest.raises(StoreError, match=r"records\.parquet row 1: found what cannot be read"):
        traced(project, record_id)


def test_a_commitment_of_a_run_of_any_name_holds(tmp_path: Path) -> None:
    messages = [Message(role="user", content="Write about bread.")]
    commitments = open_commitments(tmp_path / "secret")
    assert commitments.holds(commitments.of("2026-简报", messages), messages)
    assert not commitments.holds("hmac-sha256:简报:00", messages)
    assert not commitments.holds("ü", messages)
