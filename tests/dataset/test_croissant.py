"""croissant.json: mlcroissant loads what it describes, value for value, and refuses other bytes."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import mlcroissant
import pyarrow.parquet as pq
import pytest
from described_runs import HOSTILE, Described, described, with_dataset

from aigc.dataset import croissant

pytestmark = pytest.mark.filterwarnings("ignore")  # mlcroissant's own, of pandas and RDFLib


def load(folder: Path) -> Any:
    return mlcroissant.Dataset(str(folder / "croissant.json"))


def records(folder: Path, record_set: str) -> list[dict[str, Any]]:
    """Records as mlcroissant reads them, with the ids of fields cut to their last part and texts as texts."""
    return [plain(record) for record in load(folder).records(record_set)]


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key.rpartition("/")[2]: plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value.decode() if isinstance(value, bytes) else value


def test_mlcroissant_reads_the_records_as_they_are(data_set: Described) -> None:
    rows = pq.read_table(data_set.folder / "records.parquet").to_pylist()
    read = records(data_set.folder, "records")
    assert [record["brief_id"] for record in read] == [row["brief_id"] for row in rows]
    assert set(HOSTILE[:8]) <= {record["brief_id"] for record in read}
    for name in ("row", "variant", "outcome", "text", "fields", "reasons", "tokens_out", "chosen", "limits"):
        assert [record[name] for record in read] == [row[name] for row in rows], name


def test_what_is_nested_in_a_record_is_read_too(data_set: Described) -> None:
    rows = pq.read_table(data_set.folder / "records.parquet").to_pylist()
    for record, row in zip(records(data_set.folder, "records"), rows, strict=True):
        assert [attempt["number"] for attempt in record["attempts"]] == [one["number"] for one in row["attempts"]]
        assert [attempt["feedback"] for attempt in record["attempts"]] == [one["feedback"] for one in row["attempts"]]
        assert ([attempt["temperature"] for attempt in record["attempts"]]
                == [one["sampling"]["temperature"] for one in row["attempts"]])
        assert [error["code"] for error in record["errors"]] == [error["code"] for error in row["errors"]]


def test_every_column_is_described_and_what_is_left_out_is_named(data_set: Described) -> None:
    fields = json.loads((data_set.folder / "croissant.json").read_text("utf-8"))["recordSet"][0]["field"]
    schema = pq.read_schema(data_set.folder / "records.parquet")
    assert [field["name"] for field in fields] == schema.names
    attempts = next(field for field in fields if field["name"] == "attempts")
    assert attempts["description"] == "Not described here: verdicts"
    named = {part["name"].partition("/")[0] for part in attempts["subField"]} | {"verdicts"}
    assert named == {part.name for part in schema.field("attempts").type.value_type}


def test_mlcroissant_reads_the_accepted_texts(data_set: Described) -> None:
    lines = [json.loads(line) for line in (data_set.folder / "accepted.jsonl").read_text("utf-8").splitlines()]
    read = records(data_set.folder, "accepted")
    assert [record["text"] for record in read] == [line["text"] for line in lines]
    assert [record["attempt"] for record in read] == [line["attempt"] for line in lines]


@pytest.mark.parametrize(("file", "record_set"), [("records.parquet", "records"), ("accepted.jsonl", "accepted")])
def test_a_file_of_other_bytes_is_refused(data_set: Described, tmp_path: Path, file: str, record_set: str) -> None:
    folder = Path(shutil.copytree(data_set.folder, tmp_path / "copy"))
    assert records(folder, record_set)
    data = bytearray((folder / file).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / file).write_bytes(data)
    with pytest.raises(mlcroissant.GenerationError) as error:
        records(folder, record_set)
    assert "is not identical with the reference in the Croissant JSON-LD" in str(error.value.__cause__)


def test_the_whole_description_is_sound_to_mlcroissant(data_set: Described, caplog: pytest.LogCaptureFixture) -> None:
    run = with_dataset(data_set.run, licence="https://example.org/licence", creator='Öko "Texte" <b>')
    (data_set.folder / "licensed.json").write_bytes(croissant(run, data_set.folder, ["en"]))
    with caplog.at_level(logging.WARNING):
        metadata = mlcroissant.Dataset(str(data_set.folder / "licensed.json")).metadata
    # No citation is known of a run; all else that the specification recommends is there.
    warnings = [line for record in caplog.records for line in record.getMessage().splitlines() if "Property" in line]
    assert [line for line in warnings if "citeAs" not in line] == []
    assert "not standard" not in caplog.text
    assert (metadata.license, metadata.creators[0].name) == (["https://example.org/licence"], 'Öko "Texte" <b>')
    assert metadata.name == data_set.run.run_id
    assert (metadata.in_language, metadata.version) == (["en"], "1.0.0")


def test_a_run_that_accepted_nothing_has_no_record_set_of_accepted_texts(nothing_accepted: Described) -> None:
    told = json.loads((nothing_accepted.folder / "croissant.json").read_text("utf-8"))
    assert [record_set["name"] for record_set in told["recordSet"]] == ["records"]
    assert len(records(nothing_accepted.folder, "records")) == 3


def test_the_same_run_is_described_in_the_same_bytes(data_set: Described) -> None:
    assert described(data_set.project, data_set.run).written == data_set.written


def test_texts_are_said_to_be_made_by_a_model(data_set: Described) -> None:
    told = json.loads((data_set.folder / "croissant.json").read_text("utf-8"))
    assert told["digitalSourceType"] == "https://schema.org/TrainedAlgorithmicMediaDigitalSource"
    assert told["description"].endswith("All texts here were generated by AI.")
