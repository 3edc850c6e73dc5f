"""Many texts in memory, and the one of them most like another: the texts of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from aigc.duplicates.lsh import PERMUTATIONS, due, likeliest, merged, sketches, table
from aigc.duplicates.texts import Text, alike
from aigc.records import FieldValue

if TYPE_CHECKING:
    from aigc.duplicates.lsh import Hashes, Signatures

Key = TypeVar("Key")
RECENT = 512
"""The newest texts are in no table yet: all of them are looked at."""
MOST_COMPARED = 20
"""Candidates that are compared exactly, the likeliest first."""


class Neighbours(Generic[Key]):
    """Texts by key. Memory holds each text, normalised, with its brief's fields, and 400 bytes more."""

    def __init__(self) -> None:
        import numpy as np

        self._texts: list[tuple[Key, str, Mapping[str, FieldValue]]] = []
        self._sketches = np.empty((RECENT, PERMUTATIONS), np.uint8)
        self._recent: list[Signatures] = []
        self._tables: list[Hashes] = []

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, key: Key, text: str, fields: Mapping[str, FieldValue] | None = None) -> None:
        """Keep a text; `fields` are its brief's. One too short for a shingle is not kept."""
        self.add_prepared(key, Text.of(text, fields))

    def nearest(
        self, text: str, fields: Mapping[str, FieldValue] | None = None, *, over: float = 0.5
    ) -> tuple[Key, float] | None:
        """The key and similarity of the text most like this one, if it is more than `over`."""
        found = self.nearest_of(Text.of(text, fields), over=over)
        return found and (found[0], found[1])

    def add_prepared(self, key: Key, text: Text) -> None:
        if len(text.shingles):
            self._keep(text.signature)
            self._texts.append((key, text.normal, text.fields))

    def nearest_of(
        self, text: Text, *, over: float = 0.5, skip: Callable[[Key], bool] = lambda _: False
    ) -> tuple[Key, float, str] | None:
        """As `nearest`, with the text found, normalised; those with a key to `skip` are not looked at."""
        if not len(text.shingles):
            return None
        places = likeliest(self._tables, self._sketches[: len(self)], text.signature, over)
        others = (self._texts[place] for place in places.tolist())
        compared = [other for other in others if not skip(other[0])][:MOST_COMPARED]
        best: tuple[Key, float, str] | None = None
        for key, normal, fields in compared:
            limit = best[1] if best else over
            if (similarity := alike(text, Text(normal, fields), limit)) > limit:
                best = key, similarity, normal
        return best

    def _keep(self, signature: Signatures) -> None:
        import numpy as np

        size = len(self)
        if size == len(self._sketches):
            self._sketches = np.concatenate([self._sketches, np.empty_like(self._sketches)])
        self._sketches[size] = sketches(signature)
        self._recent.append(signature)
        if len(self._recent) == RECENT:
            self._tables.append(table(np.stack(self._recent), size + 1 - RECENT))
            self._recent.clear()
            if (last := due([len(part) for part in self._tables])) > 1:
                self._tables[-last:] = [np.concatenate(list(merged(self._tables[-last:])))]
