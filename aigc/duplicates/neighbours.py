"""Many texts in memory, and the one of them most like another: the texts of a run."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from aigc.duplicates.lsh import PERMUTATIONS, due, likeliest, merged, sketches, table
from aigc.duplicates.texts import Text, alike
from aigc.records import FieldValue

if TYPE_CHECKING:
    from aigc.duplicates.lsh import Hashes, Ids, Signatures

Key = TypeVar("Key")
RECENT = 512
"""The newest texts are in no table yet: all of them are looked at."""
MOST_COMPARED = 20
"""Candidates that are compared exactly, the likeliest first."""


class Nearest(NamedTuple, Generic[Key]):
    """The text most like another: its key, the similarity, and the text, normalised."""

    key: Key
    similarity: float
    text: str


class Looked(NamedTuple, Generic[Key]):
    """What a search came to: the nearest text if one is near enough, and of how many that may be near so many were
    compared."""

    nearest: Nearest[Key] | None
    compared: int
    maybe: int


class Neighbours(Generic[Key]):
    """Texts by key. Memory holds each text, normalised, with its brief's fields, and 400 bytes more.

    With `read`, which gives the text of a key again, it holds only the key and these bytes.
    """

    def __init__(self, read: Callable[[Key], Text] | None = None) -> None:
        import numpy as np

        self._keys: list[Key] = []
        self._groups = array("Q")
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
        found = self.nearest_of(Text.of(text, fields), over=over).nearest
        return found and (found.key, found.similarity)

    def add_prepared(self, key: Key, text: Text, group: int = 0) -> None:
        """As `add`. A text is not compared with others of its `group`, but of 0, which is none."""
        if len(text.shingles):
            self._keep(text.signature)
            self._keys.append(key)
            self._groups.append(group)
            if self._read is None:
                self._texts.append((text.normal, text.fields))

    def nearest_of(self, text: Text, *, over: float = 0.5, group: int = 0) -> Looked[Key]:
        """The nearest text that is more than `over` like this one, and is not of its `group`."""
        if not len(text.shingles):
            return Looked(None, 0, 0)
        places = self._others(likeliest(self._tables, self._sketches[: len(self)], text.signature, over), group)
        best: Nearest[Key] | None = None
        for place in places[:MOST_COMPARED].tolist():
            limit, other = best.similarity if best else over, self._text(place)
            if (similarity := alike(text, other, limit)) > limit:
                best = Nearest(self._keys[place], similarity, other.normal)
        return Looked(best, min(MOST_COMPARED, len(places)), len(places))

    def _others(self, places: Ids, group: int) -> Ids:
        """Those of `places` that are not of a group: known without reading one of them."""
        import numpy as np

        if not group:
            return places
        others: Ids = places[np.frombuffer(self._groups, np.uint64)[places] != group]
        return others

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
