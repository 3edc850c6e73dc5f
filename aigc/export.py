"""The results' files of a run: `records.parquet` with every row, and what people open first.

`accepted.csv` and `accepted.jsonl` hold the accepted texts, `rejected.csv` every other row with its reasons. The CSV
files are for spreadsheets: UTF-8 with a byte order mark, an apostrophe before anything that a spreadsheet would run as
a formula, and texts cut to what a cell can hold. The Parquet and JSONL files hold all values as they are.
"""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from aigc.arrow import record_schema, record_table, valid_unicode
from aigc.cells import cell, cell_text, csv_line
from aigc.disk import disk_errors, sync, take_lock
from aigc.errors import problem_text
from aigc.export_counts import Counts, ExportTally
from aigc.hashing import digest_file
from aigc.labels.hidden import KEY as HIDDEN_LABEL
from aigc.labels.hidden import HiddenLabel, label_text
from aigc.records import PASSING, Attempt, Content, FieldValue, OutputValue, Record, Value
from aigc.stamped import Stamped

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET, ACCEPTED_CSV, ACCEPTED_JSONL, REJECTED_CSV = FILES = (
    "records.parquet", "accepted.csv", "accepted.jsonl", "rejected.csv",
)
STAGING = ".export"
BATCH_ROWS = 1_000
BATCH_CHARS = 4_000_000
"""Records held at a time, by number and by characters of text: few enough for the processor's cache."""
GROUP_ROWS = 5_000
GROUP_BYTES = 128_000_000
"""A row group of the Parquet file ends with the batch that reaches either."""
_ACCEPTED_COLUMNS = ["id", "variant", "content_type", "language", "text"]
_ACCEPTED_LAST = ["attempt", "flags", "source_file", "source_line", "record_id"]
_REJECTED_COLUMNS = ["id", "variant", "content_type", "language", "outcome", "reasons", "details", "source_file",
                     "source_line", "attempts", "last_text", "record_id"]
Stamp: TypeAlias = Callable[[Record], Stamped]
"""Puts beside a record what made it."""


class ExportedFile(Value, frozen=True):
    """One file of an export, for run.json. `size` in bytes, `rows` without the heading."""

    name: str
    rows: int
    size: int
    digest: str


class Exported(Value, frozen=True):
    counts: Counts
    files: list[ExportedFile]


class Accepted(Value, frozen=True):
    """A line of accepted.jsonl. `attempt` counts from 0; `engine` is the digest of what made the text.

    `flags` are reason codes of filters that passed the text and want it looked at.
    """

    id: str
    variant: int
    content_type: str
    language: str
    text: str
    fields: dict[str, OutputValue]
    brief: dict[str, FieldValue]
    attempt: int
    request_id: str
    engine: str
    flags: list[str] = []
    source_file: str = ""
    source_line: int = 0
    record_id: str = ""
    disclosure: str = ""
    """The visible label that `text` starts or ends with."""
    hidden: HiddenLabel | UnsetType = msgspec.field(default=UNSET, name=HIDDEN_LABEL)

    @property
    def unlabelled(self) -> str:
        """The text as it was judged, without its visible label."""
        parts = self.text.split("\n\n") if self.disclosure else []
        if parts and parts[-1] == self.disclosure:
            return "\n\n".join(parts[:-1])
        return "\n\n".join(parts[1:]) if parts and parts[0] == self.disclosure else self.text


def export(
    records: Iterable[Record],
    folder: Path,
    stamp: Stamp,
    columns: Sequence[str] = (),
    label: HiddenLabel | None = None,
) -> Exported:
    """Write the results' files of `records`, in their order, to `folder`; memory does not grow with their number.

    `columns` are the output fields that accepted.csv shows first, whether or not a row has them; other fields follow
    in the order in which they are met. `label` is the hidden label of the run; each accepted text has it under its own
    number. All files are whole before the first takes its place, so an export that ends
    early leaves the files of the one before.

    In the CSV files a cell that starts with `= + - @`, a tab or a line break (also after spaces or quotes, also
    full-width) has an apostrophe `'` before it, so that no spreadsheet runs it; the other files hold it as it is.

    Raises:
        StoreError: the disk refused.
        RunLocked: another process is exporting to `folder`.
    """
    tally = ExportTally(columns)
    with disk_errors(folder, "all records are safe in the journal"), _staging(folder) as staging, _no_collector():
        _write_batches(records, staging, stamp, tally, label)
        _write_accepted_csv(staging, [*tally.columns])
        rows = dict.fromkeys((ACCEPTED_CSV, ACCEPTED_JSONL), tally.accepted)
        rows |= {PARQUET: tally.rows, REJECTED_CSV: tally.rows - tally.accepted}
        files = [_described(staging / name, rows[name]) for name in FILES]
    return Exported(counts=tally.counts(), files=files)


@contextlib.contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A hidden folder inside `folder`; when its writer is done, the files move to `folder`, and only then."""
    staging = folder / STAGING
    staging.mkdir(parents=True, exist_ok=True)
    lock_fd = take_lock(staging / ".lock")
    try:
        yield staging
        for name in FILES:
            sync(staging / name)
        for name in FILES:
            (staging / name).replace(folder / name)
        sync(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(lock_fd)


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    """Records hold no cycles, yet the collector of cycles walks them again and again: a third of all time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _write_batches(
    records: Iterable[Record], staging: Path, stamp: Stamp, tally: ExportTally, label: HiddenLabel | None
) -> None:
    """Write all files but accepted.csv, whose columns are known only after the last record."""
    with (
        _parquet(staging / PARQUET, label) as write_table,
        (staging / ACCEPTED_JSONL).open("wb") as jsonl,
        (staging / REJECTED_CSV).open("wb") as rejected,
    ):
        rejected.write(BOM_UTF8 + csv_line(_REJECTED_COLUMNS))
        for batch in _batches(records):
            rows, table = _with_table(batch, stamp)
            write_table(table)
            for record in (row.record for row in rows):
                tally.add(record)
                if record.outcome == "accepted" and (attempt := record.attempt):
                    accepted = _accepted(record, attempt, label)
                    tally.add_accepted(accepted.fields)
                    jsonl.write(msgspec.json.encode(accepted) + b"\n")
                else:
                    rejected.write(csv_line(_rejected_row(record)))


@contextlib.contextmanager
def _parquet(path: Path, label: HiddenLabel | None) -> Iterator[Callable[[pa.Table], None]]:
    """A function that takes the tables of all batches and gathers them to row groups."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pending: list[pa.Table] = []
    with pq.ParquetWriter(path, record_schema(), compression="zstd") as writer:

        def flush() -> None:
            if pending:
                writer.write_table(pa.concat_tables(pending), row_group_size=2 * GROUP_ROWS)
                pending.clear()

        def write(table: pa.Table) -> None:
            pending.append(table)
            if sum(map(len, pending)) >= GROUP_ROWS or sum(table.nbytes for table in pending) >= GROUP_BYTES:
                flush()

        yield write
        flush()
        if label:
            writer.add_key_value_metadata({HIDDEN_LABEL: label_text(label)})


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    chars = 0
    for record in records:
        batch.append(record)
        chars += sum(len(attempt.completion.text) for attempt in record.attempts)
        chars += sum(len(value) for value in record.brief.values() if isinstance(value, str))
        if len(batch) >= BATCH_ROWS or chars >= BATCH_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


def _with_table(batch: list[Record], stamp: Stamp) -> tuple[list[Stamped], pa.Table]:
    rows = [_stamped(record, stamp) for record in batch]
    return rows, record_table(rows)


def _stamped(record: Record, stamp: Stamp) -> Stamped:
    try:
        return stamp(record)
    except UnicodeEncodeError:
        return stamp(valid_unicode(record))


def _accepted(record: Record, attempt: Attempt, label: HiddenLabel | None) -> Accepted:
    content = attempt.completion.content or Content(text=attempt.completion.text)
    return Accepted(
        id=record.brief_id, variant=record.variant, content_type=record.content_type, language=record.language,
        text=content.published, fields=content.fields, brief=record.brief, attempt=attempt.number,
        request_id=attempt.request_id, engine=attempt.engine, flags=record.reasons,
        source_file=record.source.file, source_line=record.source.line, record_id=record.record_id,
        disclosure=content.disclosure if content.published != content.text else "",
        hidden=label.numbered(record.record_id or attempt.request_id) if label else UNSET,
    )


def _write_accepted_csv(staging: Path, fields: list[str]) -> None:
    decoder = msgspec.json.Decoder(Accepted)
    with (staging / ACCEPTED_JSONL).open("rb") as jsonl, (staging / ACCEPTED_CSV).open("wb") as file:
        taken = {*_ACCEPTED_COLUMNS, *_ACCEPTED_LAST}
        headings = [cell(f"output.{name}" if name in taken else name, ACCEPTED_JSONL) for name in fields]
        file.write(BOM_UTF8 + csv_line([*_ACCEPTED_COLUMNS, *headings, *_ACCEPTED_LAST]))
        for line in jsonl:
            row = decoder.decode(line)
            texts = [cell_text(row.fields.get(name, "")) for name in fields]
            cells = [cell(text, ACCEPTED_JSONL) for text in (row.id, row.content_type, row.language, row.text, *texts)]
            flags, source = (cell(text, ACCEPTED_JSONL) for text in ("; ".join(row.flags), row.source_file))
            last: list[str | int] = [row.attempt, flags, source, row.source_line, row.record_id]
            file.write(csv_line([cells[0], row.variant, *cells[1:], *last]))


def _rejected_row(record: Record) -> list[str | int]:
    cells = [cell(text, PARQUET) for text in (
        record.brief_id, record.content_type, record.language, record.outcome, "; ".join(record.reasons),
        "\n".join(_details(record)), record.source.file, _last_text(record),
    )]
    last: list[str | int] = [record.source.line, len(record.attempts), cells[7], record.record_id]
    return [cells[0], record.variant, *cells[1:7], *last]


def _last_text(record: Record) -> str:
    """The text that stands for the row, else its last attempt's; as generated where it could not be read."""
    attempt = record.attempt or (record.attempts[-1] if record.attempts else None)
    if attempt is None:
        return ""
    return attempt.completion.content.text if attempt.completion.content else attempt.completion.text


def _details(record: Record) -> list[str]:
    """What there is to say about a row that was not accepted, a line each."""
    details = [error.message for error in record.errors]
    details += [verdict.message for verdict in record.verdicts if verdict.action not in PASSING and verdict.message]
    last = record.attempts[-1] if record.attempts else None
    if last and (fault := last.completion.fault):
        details.append(problem_text(f"attempt {last.number + 1}", fault.found, fault.expected, fault.remedy))
    return details


def _described(path: Path, rows: int) -> ExportedFile:
    return ExportedFile(name=path.name, rows=rows, size=path.stat().st_size, digest=digest_file(path))
