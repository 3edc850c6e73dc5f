"""Rows that are made again because an editor refused their text: with what they begin, and what stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from aigc.hashing import digest
from aigc.records import Attempt, Redone, Value

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
