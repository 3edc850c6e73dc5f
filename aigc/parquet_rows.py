"""`records.parquet` read back: every row as the record that it was written from, with what made it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from aigc.arrow import SCHEMA_VERSION
from aigc.disk import disk_errors
from aigc.errors import StoreError, shown
from aigc.records import Attempt, Completion, Content, Limits, Record, RowError, Source, Verdict
from aigc.stamped import Provenance, Stamped

BATCH_ROWS = 500
SHORTEST_NAME = 8
"""Characters of a record id that may stand for all of it."""
_REMEDY = "Restore it from a copy, or run the same command again with --new."


def read_rows(path: Path) -> Iterator[Stamped]:
    """The rows of a `records.parquet`, in order; memory does not grow with their number.

    Raises:
        StoreError: there is no such file, it is damaged, or it holds something else.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with disk_errors(path, "nothing was changed"):
        if not path.is_file():
            raise StoreError(str(path), "no file", "the records of a run", "Name the folder of a finished run.")
        try:
            with pq.ParquetFile(path) as file:
                _check_version(path, file.schema_arrow)
                rows = chain.from_iterable(batch.to_pylist() for batch in file.iter_batches(BATCH_ROWS))
                for number, row in enumerate(rows, 1):
                    yield _row(path, number, row)
        except (pa.ArrowException, LookupError, TypeError, ValueError, ArithmeticError) as exc:
            raise _unreadable(path, exc) from exc


def rows_named(path: Path, name: str) -> list[int]:
    """Places of the rows that `name` means: a record id or the start of one, a brief id, or `brief id/variant`.

    Raises as `read_rows` does.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with disk_errors(path, "nothing was changed"):
        try:
            table = pq.read_table(path, columns=["record_id", "brief_id", "variant"]).to_pydict()
        except (pa.ArrowException, KeyError, ValueError) as exc:
            raise _unreadable(path, exc) from exc
    names = list(zip(table["record_id"], table["brief_id"], table["variant"], strict=True))
    whole = [at for at, (one, brief, variant) in enumerate(names) if name in (one, brief, f"{brief}/{variant}")]
    if whole or len(name) < SHORTEST_NAME:
        return whole
    return [at for at, (one, _, _) in enumerate(names) if one and one.startswith(name)]


def leaves(path: Path) -> list[str | None]:
    """The leaf that each row tells, in order; raises as `read_rows` does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with disk_errors(path, "nothing was changed"):
        try:
            return [value if isinstance(value, str) else None
                    for value in pq.read_table(path, columns=["leaf"])["leaf"].to_pylist()]
        except (pa.ArrowException, KeyError, ValueError) as exc:
            raise _unreadable(path, exc) from exc


def places_of_brief(path: Path, brief_id: str) -> list[int]:
    """Places of the rows of a brief; raises as `read_rows` does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with disk_errors(path, "nothing was changed"):
        try:
            found = pq.read_table(path, columns=["brief_id"])["brief_id"].to_pylist()
        except (pa.ArrowException, KeyError, ValueError) as exc:
            raise _unreadable(path, exc) from exc
    return [at for at, value in enumerate(found) if value == brief_id]


def made_by(path: Path) -> set[str]:
    """Runs that made the rows which were not taken over, by their provenance; raises as `read_rows` does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with disk_errors(path, "nothing was changed"):
        try:
            with pq.ParquetFile(path) as file:  # unlike read_table it leaves a struct a struct
                rows = file.read(columns=["taken_from", "provenance.run_id"]).to_pylist()
            return {row["provenance"]["run_id"] for row in rows if not row["taken_from"]}
        except (pa.ArrowException, KeyError, TypeError, ValueError) as exc:
            raise _unreadable(path, exc) from exc


def ids_at(path: Path, places: Collection[int]) -> set[str]:
    """Record ids of the rows at these places; raises as `read_rows` does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with disk_errors(path, "nothing was changed"):
        try:
            found = pq.read_table(path, columns=["record_id"])["record_id"].to_pylist()
        except (pa.ArrowException, KeyError, ValueError) as exc:
            raise _unreadable(path, exc) from exc
    return {value for at, value in enumerate(found) if at in places and isinstance(value, str)}


def taken_over(path: Path) -> frozenset[str]:
    """Ids of the records that another run made; raises as `read_rows` does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with disk_errors(path, "nothing was changed"):
        try:
            table = pq.read_table(path, columns=["record_id", "taken_from"]).to_pydict()
        except (pa.ArrowException, KeyError, ValueError) as exc:
            raise _unreadable(path, exc) from exc
    pairs = zip(table["record_id"], table["taken_from"], strict=True)
    return frozenset(record_id for record_id, run_id in pairs if run_id and record_id)


def places_redone(path: Path) -> frozenset[int]:
    """Places of the rows whose text editors refused, and that were made again; raises as `read_rows` does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with disk_errors(path, "nothing was changed"):
        try:
            known = "redone" in pq.read_schema(path).names
            found = pq.read_table(path, columns=["redone"])["redone"].to_pylist() if known else []
        except (pa.ArrowException, KeyError, ValueError) as exc:
            raise _unreadable(path, exc) from exc
    return frozenset(at for at, redone in enumerate(found) if redone)


def _check_version(path: Path, schema: Any) -> None:
    found = (schema.metadata or {}).get(b"aigc.records", b"").decode("ascii", "replace")
    missing = {"provenance", "leaf", "attempts", "record_id"} - {*schema.names}
    if found != SCHEMA_VERSION or missing:
        what = f"version {shown(found)}" if found != SCHEMA_VERSION else f"no column {min(missing)}"
        remedy = "Read it with the version of aigc that wrote it, or make the run anew: texts are taken over."
        raise StoreError(str(path), what, f"records of version {SCHEMA_VERSION} with provenance", remedy)


def _row(path: Path, number: int, row: dict[str, Any]) -> Stamped:
    """A row as it was written. What is not of a record's form may be anything: somebody may have edited the file."""
    try:
        return _stamped(row)
    except (msgspec.MsgspecError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as exc:
        raise _unreadable(f"{path} row {number}", exc) from exc


def _unreadable(path: Path | str, exc: Exception) -> StoreError:
    return StoreError(str(path), f"what cannot be read ({shown(exc, 160)})", "records of a run", _REMEDY)


def _stamped(row: dict[str, Any]) -> Stamped:
    provenance = msgspec.convert(row["provenance"], Provenance)
    return Stamped(record=_record(row), provenance=provenance, leaf=row["leaf"])


def _record(row: dict[str, Any]) -> Record:
    source = Source(file=row["source_file"], line=row["source_line"])
    return msgspec.convert(
        {
            **{name: row[name] for name in _PLAIN},
            "source": source,
            "brief": msgspec.json.decode(row["brief"]),
            "limits": msgspec.convert(row["limits"], Limits),
            "attempts": [_attempt(attempt) for attempt in row["attempts"]],
            "errors": [_error(row, source, error) for error in row["errors"]],
            **({"redone": row["redone"]} if row.get("redone") else {}),
        },
        Record,
    )


def _error(row: dict[str, Any], source: Source, error: dict[str, Any]) -> RowError:
    given = {name: error[name] for name in ("column", "code", "found", "expected", "remedy")}
    return RowError(row=row["row"], id=row["brief_id"], source=source, **given)


def _attempt(attempt: dict[str, Any]) -> Attempt:
    content = None
    if attempt["content_text"] is not None:
        fields = msgspec.json.decode(attempt["content_fields"])
        content = {"text": attempt["content_text"], "fields": fields,
                   **{name: attempt[name] for name in _OF_CONTENT}}
    completion = {name: attempt[name] for name in _OF_COMPLETION}
    completion |= {"content": content, "cut_fields": msgspec.json.decode(attempt["cut_fields"])}
    return msgspec.convert(
        {
            **{name: attempt[name] for name in _OF_ATTEMPT},
            "seed": int(attempt["seed"]),
            "completion": msgspec.convert(completion, Completion),
            "verdicts": [_verdict(verdict) for verdict in attempt["verdicts"]],
            **({"turns": msgspec.json.decode(attempt["turns"])} if attempt.get("turns") else {}),
        },
        Attempt,
    )


def _verdict(verdict: dict[str, Any]) -> Verdict:
    # In place: a row has some twenty, and what a Verdict does not know is passed over.
    for name, column in (("measured", "measured_number"), ("limit", "limit_number")):
        if (number := verdict[column]) is not None:
            verdict[name] = number
    return msgspec.convert(verdict, Verdict)


_PLAIN = ("row", "brief_id", "variant", "content_type", "language", "outcome", "fingerprint", "template_digest",
          "chosen", "taken_from", "record_id", "tone", "audience")
_OF_ATTEMPT = ("number", "request_id", "created_at", "engine", "sampling", "feedback", "prompt_commitment")
_OF_COMPLETION = ("request_id", "text", "finish_reason", "tokens_in", "tokens_out", "generate_s", "fault", "repaired",
                  "logprob", "tokens_in_digest", "tokens_out_digest")
_OF_CONTENT: tuple[str, ...] = tuple(
    name for name in Content.__struct_fields__ if name not in ("text", "fields")
)
