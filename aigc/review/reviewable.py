"""The rows of a run that an editor can read, and what decisions on them are held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from aigc.parquet_rows import read_rows
from aigc.records import Attempt, FieldValue, OutputValue, Record, Value

PARQUET = "records.parquet"
TITLE_CHARS = 48
"""Of what stands beside an id in a terminal."""
_WHOSE = "brand"
"""A field that many briefs have alike: what a brief is about is told by another, where there is one."""


class Original(Value, frozen=True):
    """A text as it was made: what an edit is compared with. `base` is its digest, `title` what its brief is about."""

    record_id: str
    brief_id: str
    variant: int
    content_type: str
    language: str
    base: str
    text: str
    fields: dict[str, OutputValue] = {}
    title: str = ""


@dataclass(frozen=True)
class Reviewable:
    """A row that has a text, for the files that editors read."""

    record: Record
    attempt: Attempt
    """Whose text it is: the one that stands for the row, else the last."""
    base: str

    @property
    def text(self) -> str:
        """The readable text without its label; as generated where it could not be read."""
        completion = self.attempt.completion
        return completion.content.text if completion.content else completion.text

    @property
    def fields(self) -> dict[str, OutputValue]:
        """The output fields; none of plain texts, and of texts that could not be read."""
        content = self.attempt.completion.content
        return content.fields if content else {}

    @property
    def others(self) -> list[Attempt]:
        """The other attempts that have a text, oldest first."""
        return [attempt for attempt in self.record.attempts if attempt is not self.attempt and _text(attempt).strip()]

    @property
    def original(self) -> Original:
        record = self.record
        return Original(record_id=record.record_id, brief_id=record.brief_id, variant=record.variant, base=self.base,
                        content_type=record.content_type, language=record.language, text=self.text, fields=self.fields,
                        title=title_of(record.brief, TITLE_CHARS))


def reviewables(folder: Path) -> Iterator[Reviewable]:
    """The rows of a run's records that have a text, in their order; memory does not grow with their number.

    Raises:
        StoreError: there are no records, or they cannot be read.
    """
    for row in read_rows(folder / PARQUET):
        record = row.record
        attempt = record.attempt or (record.attempts[-1] if record.attempts else None)
        if attempt and not attempt.completion.fault and _text(attempt).strip():
            yield Reviewable(record, attempt, row.provenance.output)


def title_of(brief: Mapping[str, FieldValue], chars: int) -> str:
    """The brief in a line: its first field that is a text."""
    texts = {name: value for name, value in brief.items() if isinstance(value, str) and value.strip()}
    own = [value for name, value in texts.items() if name != _WHOSE]
    return first_line((own or [*texts.values(), ""])[0], chars)


def first_line(text: str, chars: int) -> str:
    """The start of a text as one line."""
    line = " ".join(text[: 4 * chars].split())
    return line if len(line) <= chars else line[: chars - 1] + "…"


def _text(attempt: Attempt) -> str:
    content = attempt.completion.content
    return content.text if content else attempt.completion.text
