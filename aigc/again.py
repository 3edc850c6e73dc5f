"""Rows that are made again because an editor refused their text: with what they begin, and what stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from aigc.hashing import digest
from aigc.parquet_rows import places_redone, read_rows
from aigc.records import Attempt, Record, Redone, Value

Key: TypeAlias = tuple[str, int]
"""A row of the results: the id of its brief, and its variant."""


class Again(Value, frozen=True):
    """What a row begins with: the attempts that it had, what is said to the model, and why, the newest refusal last."""

    attempts: list[Attempt]
    advice: list[str]
    redone: list[Redone]


@dataclass(frozen=True)
class Redo:
    """Of the rows of `run_id` those that are made again. `kept` are the fingerprints of its records.

    A record whose fingerprint is known is taken over as it is, whatever would decide it today.
    """

    run_id: str
    again: Mapping[Key, Again]
    kept: Mapping[Key, str] = field(default_factory=dict)

    def keeps(self, key: Key) -> bool:
        return key in self.kept and key not in self.again

    def fingerprint(self, key: Key, own: str) -> str:
        """What decides a row's record; `own` is what does without any decision."""
        base, again = self.kept.get(key, own), self.again.get(key)
        return digest([base, again.redone[-1].decisions]) if again else base

    @property
    def digest(self) -> str:
        """Digest of all that decides which rows are made again, and upon what."""
        return digest([self.run_id, sorted((*key, again.redone[-1].decisions) for key, again in self.again.items())])


def made_again(path: Path, run_id: str) -> Redo | None:
    """What those rows of a `records.parquet` began with that had been made again; None where there is none.

    For those who go through the same rows anew: a text that an editor refused must not come back.

    Raises:
        StoreError: the file cannot be read.
    """
    places = places_redone(path)
    again = {(row.record.brief_id, row.record.variant): _beginning(row.record)
             for place, row in enumerate(read_rows(path) if places else ()) if place in places}
    return Redo(run_id, again) if again else None


def _beginning(record: Record) -> Again:
    """Of its own attempts the first was told what editors said, and nothing else."""
    before, own = record.attempts[: record.begun_with], record.attempts[record.begun_with:]
    return Again(attempts=before, advice=own[0].feedback if own else [], redone=[*(record.redone or [])])
