"""Some rows of a finished run, taken from all of it, for a page on which a person glances at them."""

from __future__ import annotations

from pathlib import Path

from aigc.disk import disk_errors
from aigc.errors import StoreError, shown
from aigc.export import PARQUET
from aigc.records import Value

MOST_SAMPLES = 50
MOST_GROUPS = 10
"""Row groups of the Parquet file that are read: a night of a million rows has hundreds."""
LONGEST_TEXT = 280


class Sample(Value, frozen=True):
    """A row as it is shown. `text` is empty where texts are not to be shown, or there is none."""

    id: str
    variant: int
    content_type: str
    outcome: str
    reasons: list[str]
    text: str = ""


def samples(run: Path, count: int = MOST_SAMPLES, *, with_texts: bool) -> list[Sample]:
    """At most `count` rows of the finished run in `run`, evenly from its beginning to its end.

    Raises:
        StoreError: its records cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = run / PARQUET
    columns = ["brief_id", "variant", "content_type", "outcome", "reasons", *(["text"] if with_texts else [])]
    found: list[Sample] = []
    with disk_errors(path, "nothing was changed"):
        try:
            with pq.ParquetFile(path) as file:
                groups = _spread(file.num_row_groups, MOST_GROUPS)
                for at, group in enumerate(groups):
                    table = file.read_row_group(group, columns=columns)
                    wanted = count * (at + 1) // len(groups) - count * at // len(groups)
                    rows = table.take(_spread(table.num_rows, wanted)).to_pylist()
                    found += [_sample(row) for row in rows]
        except (pa.ArrowException, KeyError, ValueError) as exc:
            raise StoreError(str(path), f"what cannot be read ({shown(exc, 160)})", "records of a run",
                             "Restore it from a copy, or run the same command again with --new.") from exc
    return found


def _spread(whole: int, part: int) -> list[int]:
    """At most `part` of the numbers below `whole`, as far apart as they can be."""
    if part >= whole:
        return list(range(whole))
    return [at * whole // part for at in range(part)]


def _sample(row: dict[str, object]) -> Sample:
    text, reasons = str(row.get("text") or ""), row["reasons"]
    return Sample(
        id=str(row["brief_id"]),
        variant=int(str(row["variant"])),
        content_type=str(row["content_type"]),
        outcome=str(row["outcome"]),
        reasons=[str(reason) for reason in reasons] if isinstance(reasons, list) else [],
        text=text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…",
    )
