"""Many texts in memory, and the one of them most like another: the texts of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
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
    """Texts by key. Memory holds each text, normalised, with its brief's fields, and 400 bytes more.

    With `read`, which gives the text of a key again, it holds only the key and these bytes.
    """

    def __init__(self, read: Callable[[Key], Text] | None = None) -> None:
        import numpy as np

        self._keys: list[Key] = []
        self._texts: list[tuple[str, Mapping[str, FieldValue]]] = []
        self._read = read
        self._sketches = np.empty((RECENT, PERMUTATIONS), np.uint8)
        self._recent: list[Signatures] = []
        self._tables: list[Hashes] = []

    def __len__(self) -> int:
        return len(self._keys)

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
            self._keys.append(key)
            if self._read is None:
                self._texts.append((text.normal, text.fields))

    def nearest_of(
        self, text: Text, *, over: float = 0.5, skip: Callable[[Key], bool] = lambda _: False
    ) -> tuple[Key, float, str] | None:
        """As `nearest`, with the text found, normalised; those with a key to `skip` are not looked at."""
        if not len(text.shingles):
            return None
        places = likeliest(self._tables, self._sketches[: len(self)], text.signature, over)
        compared = (place for place in places.tolist() if not skip(self._keys[place]))
        best: tuple[Key, float, str] | None = None
        for place in islice(compared, MOST_COMPARED):
            limit, other = best[1] if best else over, self._text(place)
            if (similarity := alike(text, other, limit)) > limit:
                best = self._keys[place], similarity, other.normal
        return best

    def _text(self, place: int) -> Text:
        return self._read(self._keys[place]) if self._read else Text(*self._texts[place])

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
