"""Published texts as tables: JSON Lines and Parquet hold all values, CSV is for spreadsheets."""

from __future__ import annotations

from codecs import BOM_UTF8
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from aigc.cells import cell, cell_text, csv_line
from aigc.labels.hidden import KEY as HIDDEN_LABEL
from aigc.labels.hidden import label_text
from aigc.publishing.values import Issue, Origin, Published

BATCH_ROWS = 1_000
FIRST_COLUMNS = ("id", "variant", "content_type", "language", "name", "text")
LAST_COLUMNS = ("disclosure", "human_oversight", "digital_source_type", "edit_source_type", "record_id")
_INTS = ("variant", "tokens_out")


def write_jsonl(issue: Issue) -> list[Path]:
    """A line for each text, with all that is known of it."""
    path = issue.folder / f"{issue.kind}.jsonl"
    with path.open("wb") as file:
        file.writelines(msgspec.json.encode(row) + b"\n" for row in issue.rows())
    return [path]


def write_csv(issue: Issue) -> list[Path]:
    """UTF-8 with a byte order mark. No cell is a formula, and none longer than a spreadsheet can hold."""
    path, whole = issue.folder / f"{issue.kind}.csv", f"{issue.kind}.jsonl"
    fields = field_names(issue)
    headings = [cell(heading(name), whole) for name in fields]
    with path.open("wb") as file:
        file.write(BOM_UTF8 + csv_line([*FIRST_COLUMNS, *headings, *LAST_COLUMNS]))
        for row in issue.rows():
            texts = [cell(text, whole) for text in (*first_cells(row), *field_cells(row, fields), *last_cells(row))]
            file.write(csv_line([texts[0], row.variant, *texts[1:]]))
    return [path]


def write_parquet(issue: Issue) -> list[Path]:
    """One row a text; `fields` is JSON, `provenance` a struct. The file has the hidden label in its metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, schema = issue.folder / f"{issue.kind}.parquet", _schema()
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        rows = issue.rows()
        while batch := [_flat(row) for row in islice(rows, BATCH_ROWS)]:
            writer.write_table(pa.Table.from_pylist(batch, schema))
        if issue.label:
            writer.add_key_value_metadata({HIDDEN_LABEL: label_text(issue.label)})
    return [path]


def field_names(issue: Issue) -> list[str]:
    """All output fields, in the order in which they are met."""
    return [*dict.fromkeys(name for row in issue.rows() for name in row.fields)]


def heading(field: str) -> str:
    """The column of an output field: its name, told apart where a column of that name is there."""
    return f"output.{field}" if field in (*FIRST_COLUMNS, *LAST_COLUMNS) else field


def first_cells(row: Published) -> list[str]:
    """Cells under `FIRST_COLUMNS`, but for the variant, which is a number."""
    return [row.id, row.content_type, row.language, row.name, row.text]


def field_cells(row: Published, fields: list[str]) -> list[str]:
    return [cell_text(row.fields.get(name, "")) for name in fields]


def last_cells(row: Published) -> list[str]:
    """Cells under `LAST_COLUMNS`."""
    made = row.provenance
    return [row.disclosure, made.human_oversight, made.digital_source_type, made.edit_source_type, row.record_id]


def _flat(row: Published) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in (*FIRST_COLUMNS, "disclosure", "record_id")}
    fields = msgspec.json.encode(row.fields).decode()
    return {**plain, "fields": fields, "provenance": msgspec.structs.asdict(row.provenance)}


def _schema() -> Any:
    import pyarrow as pa

    def column(name: str) -> Any:
        kind = pa.int64() if name in _INTS else pa.list_(pa.string()) if name == "decisions" else pa.string()
        return pa.field(name, kind)

    origin = pa.struct([column(name) for name in Origin.__struct_fields__])
    plain = [column(name) for name in (*FIRST_COLUMNS, "fields", "disclosure", "record_id")]
    return pa.schema([*plain, pa.field("provenance", origin)])
