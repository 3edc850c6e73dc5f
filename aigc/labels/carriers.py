"""Files that carry labels, by their endings: read back, and written.

    .parquet          key-value metadata of the file, key AIGC       .jsonl       a member AIGC at the end of each row
    .md .markdown     front matter, mapping AIGC                     .csv         nowhere
    .xlsx .docx       custom property AIGC
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from aigc.disk import disk_errors, write_atomically
from aigc.errors import LabelError, UsageError, shown
from aigc.labels import front_matter, office
from aigc.labels.found import Found, Kind, Tally
from aigc.labels.hidden import KEY, HiddenLabel, label_fields, label_text

KINDS: dict[str, Kind] = {
    ".parquet": "parquet", ".jsonl": "jsonl", ".md": "markdown", ".markdown": "markdown", ".xlsx": "xlsx",
    ".docx": "docx", ".csv": "csv",
}
_CARRIERS: dict[Kind, str] = {
    "parquet": "key-value metadata AIGC", "jsonl": "member AIGC of each row", "markdown": "front matter AIGC",
    "xlsx": "custom property AIGC", "docx": "custom property AIGC", "csv": "",
}
_TEXT = "text"
"""Name of the column that holds texts, in all that this program writes."""
_MOST_BYTES = 512 << 20
"""Of files that are read whole."""
_BATCH_ROWS = 2_000


def kind_of(path: Path) -> Kind:
    """What a file is, by its ending.

    Raises:
        UsageError: labels are not read in such files.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise UsageError(str(path), f"a file ending in {shown(path.suffix)}", "one of " + ", ".join(KINDS),
                         "Labels of other files cannot be read.")
    return kind


def read_label(path: Path) -> Found:
    """The labels of a file.

    Raises:
        UsageError: there is no such file, or labels are not read in files of its ending.
        LabelError: it is damaged.
    """
    kind = kind_of(path)
    if not path.is_file():
        raise UsageError(str(path), "no file", "a file", "Correct the path.")
    with disk_errors(path, "nothing was changed"):
        return _READERS[kind](path)


def write_label(path: Path, label: HiddenLabel) -> None:
    """Put a hidden label into a file that is there, in place of any that it has; whatever happens, the file is whole.

    Each row of JSON Lines has its own number: its record's, else that of its request, else the file's and its line.

    Raises:
        UsageError: files of this ending cannot carry one.
        LabelError: the file is damaged.
        StoreError: the disk refused.
    """
    kind, place = kind_of(path), str(path)
    if kind == "csv":
        raise UsageError(place, "a CSV file, which has no place for a label", "another form of it",
                         "Label the .jsonl or .parquet file beside it.")
    if kind == "parquet":
        _write_parquet(path, label)
    elif kind == "jsonl":
        write_atomically(path, lambda file: file.writelines(_labelled_lines(path, label)))
    else:
        data = _whole(path)
        new = front_matter.with_label(_decoded(data, place), label, place).encode() if kind == "markdown" else (
            office.with_property(data, label, place))
        write_atomically(path, lambda file: file.write(new))


def _read_parquet(path: Path) -> Found:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = set(file.schema_arrow.names)
            tally = Tally("parquet", _CARRIERS["parquet"], beside="disclosure" in names)
            metadata = file.metadata.metadata or {}
            tally.add_content("the file", *([metadata[KEY.encode()]] if KEY.encode() in metadata else []))
            wanted = [name for name in _PARQUET_COLUMNS if name.split(".")[0] in names]
            if _TEXT in names:
                for batch in file.iter_batches(_BATCH_ROWS, columns=wanted):
                    for row in batch.to_pylist():
                        _add_row(tally, row)
    except (pa.ArrowException, ValueError, OSError) as exc:
        raise _damaged(path, f"what is no whole Parquet file ({type(exc).__name__})") from exc
    return tally.found()


_PARQUET_COLUMNS = (
    _TEXT, "disclosure", "outcome", "brief_id", "variant", "provenance.digital_source_type", "provenance.watermark",
    "provenance.tokens_out",
)


def _add_row(tally: Tally, row: dict[str, Any]) -> None:
    """A row of a table. Of this program's own, only accepted ones are for readers."""
    text, provenance = row.get(_TEXT), row.get("provenance") or {}
    if not isinstance(text, str) or row.get("outcome", "accepted") != "accepted":
        return
    disclosure = row.get("disclosure") or ""
    place = f"row {row.get('brief_id', '')}/{row.get('variant', '')}"
    tally.add_text(place, f"{text}\n{disclosure}", disclosure, tokens=int(provenance.get("tokens_out") or 0),
                   watermark=provenance.get("watermark") or "")
    if term := provenance.get("digital_source_type"):
        tally.add_source_type(term)


def _write_parquet(path: Path, label: HiddenLabel) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def write(target: Any) -> None:
        with pq.ParquetFile(path) as file:
            metadata = {**(file.schema_arrow.metadata or {}), KEY.encode(): label_text(label).encode()}
            schema = file.schema_arrow.with_metadata(metadata)
            with pq.ParquetWriter(target, schema, compression="zstd") as writer:
                for number in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(number).cast(schema))

    try:
        write_atomically(path, write)
    except (pa.ArrowException, ValueError) as exc:
        raise _damaged(path, f"what is no whole Parquet file ({type(exc).__name__})") from exc


def _read_jsonl(path: Path) -> Found:
    tally = Tally("jsonl", _CARRIERS["jsonl"])
    for number, row in _rows(path):
        place = f"line {number}"
        tally.add_content(place, *([row[KEY]] if KEY in row else []))
        if isinstance(text := row.get(_TEXT), str):
            disclosure = row.get("disclosure")
            tally.add_text(place, text, disclosure if isinstance(disclosure, str) else "")
    return tally.found()


def _rows(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    decoder = msgspec.json.Decoder(dict[str, object])
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield number, decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as exc:
                torn = "a line that is cut off" if not line.endswith(b"\n") else "no JSON object"
                raise _damaged(path, torn, f"line {number}") from exc


def _labelled_lines(path: Path, label: HiddenLabel) -> Iterator[bytes]:
    for number, row in _rows(path):
        own = row.get("record_id") or row.get("request_id") or f"{label.produce_id}-{number}"
        kept = {name: value for name, value in row.items() if name != KEY}
        yield msgspec.json.encode({**kept, KEY: label_fields(label.numbered(str(own)))}) + b"\n"


def _read_markdown(path: Path) -> Found:
    tally, place = Tally("markdown", _CARRIERS["markdown"]), str(path)
    labels, text = front_matter.labels_in(_decoded(_whole(path), place), place)
    tally.add_content("the file", *labels)
    tally.add_text("the file", text)
    return tally.found()


def _read_word(path: Path) -> Found:
    tally, data = Tally("docx", _CARRIERS["docx"]), _whole(path)
    tally.add_content("the file", *office.labels_of_office(data, str(path)))
    tally.add_text("the file", "\n".join(office.paragraphs_of_word(data, str(path))))
    return tally.found()


def _read_excel(path: Path) -> Found:
    tally, data = Tally("xlsx", _CARRIERS["xlsx"]), _whole(path)
    tally.add_content("the file", *office.labels_of_office(data, str(path)))
    office.refuse_large(data, str(path))
    for place, text in _cells(path, data):
        tally.add_text(place, text)
    return tally.found()


def _cells(path: Path, data: bytes) -> Iterator[tuple[str, str]]:
    """The cells under the heading `text` of each sheet."""
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        for sheet in book.worksheets:
            rows = sheet.iter_rows(values_only=True)
            headings = [str(cell).strip().lower() for cell in next(rows, ())]
            if _TEXT not in headings:
                continue
            at = headings.index(_TEXT)
            for number, row in enumerate(rows, 2):
                if at < len(row) and isinstance(row[at], str):
                    yield f"{sheet.title} row {number}", row[at]
    except Exception as exc:  # openpyxl raises whatever a damaged part leads it to
        raise _damaged(path, f"sheets that cannot be read ({type(exc).__name__})") from exc


def _read_csv(path: Path) -> Found:
    tally = Tally("csv", _CARRIERS["csv"])
    tally.add_content("the file")
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            reader = csv.DictReader(file, strict=True)
            for row in reader:
                if row.get(_TEXT):
                    tally.add_text(f"line {reader.line_num}", row[_TEXT])
        except UnicodeDecodeError as exc:
            raise _damaged(path, f"bytes that are not UTF-8 at offset {exc.start}") from exc
        except csv.Error as exc:
            raise _damaged(path, f"no whole CSV file ({exc})", f"line {reader.line_num}") from exc
    return tally.found()


_READERS: dict[Kind, Callable[[Path], Found]] = {
    "parquet": _read_parquet, "jsonl": _read_jsonl, "markdown": _read_markdown, "xlsx": _read_excel,
    "docx": _read_word, "csv": _read_csv,
}


def _whole(path: Path) -> bytes:
    if path.stat().st_size > _MOST_BYTES:
        raise _damaged(path, f"more than {_MOST_BYTES >> 20} MB")
    return path.read_bytes()


def _decoded(data: bytes, place: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise LabelError(place, f"bytes that are not UTF-8 at offset {exc.start}", "a text in UTF-8",
                         "Save it as UTF-8.") from exc


def _damaged(path: Path, found: str, line: str = "") -> LabelError:
    place = f"{path} {line}" if line else str(path)
    return LabelError(place, found, f"a whole {path.suffix} file", "Restore it from a copy, or write it again.")
