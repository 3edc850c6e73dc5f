"""The folder of a run opens as it stands: in Hugging Face's datasets, in DuckDB and in Polars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from described_runs import HOSTILE, Described

from aigc.hashing import digest_file

pytestmark = pytest.mark.filterwarnings("ignore")
IDS = [*HOSTILE[:8], *HOSTILE[9:], "list", "short"]
"""Ids of the rows, in order, that are no invalid ones."""


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    return lambda path, **given: datasets.load_dataset(str(path), cache_dir=str(tmp_path / "cache"), **given)


def test_datasets_opens_the_records(data_set: Described, load: Any) -> None:
    rows = load(data_set.folder)["train"]
    assert rows.num_rows == data_set.run.rows
    assert [row["brief_id"] for row in rows if row["outcome"] != "invalid"] == IDS
    assert rows[0]["attempts"][0]["verdicts"]


def test_datasets_opens_the_accepted_texts_with_fields_of_all_types(data_set: Described, load: Any) -> None:
    rows = load("json", data_files=str(data_set.folder / "accepted.jsonl"))["train"]
    assert [row["id"] for row in rows] == IDS[:-1]
    assert rows[len(IDS) - 2]["fields"] == {"headline": "A lamp", "points": ["light", "warm"]}


def test_datasets_opens_a_run_that_accepted_nothing(nothing_accepted: Described, load: Any) -> None:
    assert load(nothing_accepted.folder)["train"].num_rows == 3


def test_duckdb_opens_the_files(data_set: Described) -> None:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as database:
        found = database.execute(
            f"select brief_id from '{data_set.folder}/records.parquet' where outcome <> 'invalid' order by row"  # noqa: S608
        ).fetchall()
        codes = database.execute(
            f"select reason, count(*) from (select unnest(reasons) as reason from '{data_set.folder}/records.parquet') "  # noqa: S608
            "group by reason"
        ).fetchall()
        texts = database.execute(f"select id, fields from '{data_set.folder}/accepted.jsonl'").fetchall()  # noqa: S608
    assert [one for one, in found] == IDS
    assert dict(codes) == {reason: sum(by.values()) for reason, by in data_set.run.reasons.items()}
    assert [one for one, _ in texts] == IDS[:-1]


def test_polars_opens_the_files(data_set: Described) -> None:
    polars = pytest.importorskip("polars")
    table = polars.read_parquet(data_set.folder / "records.parquet")
    assert table.filter(polars.col("outcome") != "invalid")["brief_id"].to_list() == IDS
    lines = polars.read_ndjson(data_set.folder / "accepted.jsonl", infer_schema_length=None)
    assert lines["id"].to_list() == IDS[:-1]


def test_what_was_written_is_told(data_set: Described) -> None:
    assert [file.path for file in data_set.written] == ["croissant.json", "README.md"]
    for file in data_set.written:
        path = data_set.folder / file.path
        assert (file.digest, file.bytes, file.rows) == (digest_file(path), path.stat().st_size, None)
