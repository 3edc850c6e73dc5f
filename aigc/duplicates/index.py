"""The corpus, for reading: texts of files and of earlier runs, and the one of them most like another."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from aigc.disk import disk_error, disk_errors
from aigc.duplicates.corpus_files import (
    AGAIN,
    CORPUS,
    PLACES,
    SKETCHES,
    TEXTS,
    Kind,
    Line,
    Manifest,
    Source,
    decode_line,
    mapped,
    open_table,
    open_texts,
    read_manifest,
    whole_scheme,
)
from aigc.duplicates.lsh import PERMUTATIONS, likeliest
from aigc.duplicates.neighbours import MOST_COMPARED
from aigc.duplicates.texts import MIN_SHINGLES, Text, alike
from aigc.errors import StoreError
from aigc.hashing import digest
from aigc.records import FieldValue, Value

MOST_READ = 10 * MOST_COMPARED
"""Candidates that are read to find so many that are not of the text's own brief."""


class Found(Value, frozen=True):
    """A text of the corpus that another resembles."""

    similarity: float
    source: str
    kind: Kind
    line: int
    brief_id: str
    variant: int | None
    text: str

    @property
    def place(self) -> str:
        """Where it is, for people: `published.csv line 12`."""
        if self.kind == "run":
            return f"run {self.source}, brief {self.brief_id}, variant {self.variant}"
        return f"{self.source} line {self.line}" if self.line else self.source


class LookedThrough(NamedTuple):
    """What a search came to: the nearest text if one is near enough, and of how many that may be near so many were
    compared."""

    nearest: Found | None
    compared: int
    maybe: int


class CorpusIndex:
    """The corpus of a folder as it was when `read` opened it, whatever is added later. No folder is an empty corpus."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.sources = folder, manifest.sources
        self._texts, self._log_bytes, self._scheme = manifest.texts, manifest.log_bytes, manifest.scheme
        self._firsts = [source.first for source in manifest.sources]
        self._places = mapped(folder / PLACES, "uint64", self._texts)
        self._sketches = mapped(folder / SKETCHES, "uint8", self._texts * PERMUTATIONS).reshape(-1, PERMUTATIONS)
        self._tables = [open_table(folder, name) for name in manifest.tables]
        self._log_fd = open_texts(folder, manifest) if self._texts else -1

    @classmethod
    def read(cls, folder: Path = CORPUS) -> CorpusIndex:
        """The corpus as it is now, also while another process adds to it.

        Raises:
            StoreError: a file is missing, cut short or of another version, or the disk refuses.
        """
        while True:
            manifest = read_manifest(folder)
            if manifest.texts and manifest.scheme != whole_scheme():
                raise StoreError(str(folder), f"a corpus of scheme '{manifest.scheme}'", f"'{whole_scheme()}'",
                                 "Run `aigc corpus add` with any file: it makes the tables anew.")
            try:
                return cls(folder, manifest)
            except FileNotFoundError as exc:
                if read_manifest(folder) == manifest:  # else tables were merged since their names were read
                    raise StoreError(str(exc.filename), "no such file", "a file of the corpus", AGAIN) from exc
            except OSError as exc:
                raise disk_error(folder, exc, "nothing was changed") from exc

    def __len__(self) -> int:
        return self._texts

    @property
    def digest(self) -> str:
        """Digest of all that decides what `nearest` finds."""
        return self.digest_without(())

    def digest_without(self, runs: Collection[str]) -> str:
        """`digest` as it would be had these runs not been added; empty where nothing else was."""
        found = [(source.name, source.digest) for source in self.sources if not _is_of(source, runs)]
        return digest([self._scheme, found]) if found else ""

    def nearest(
        self,
        text: str,
        fields: Mapping[str, FieldValue] | None = None,
        *,
        over: float = 0.5,
        without: Collection[str] = (),
        not_of: str = "",
    ) -> Found | None:
        """The text most like this one, if it is more than `over`; `fields` are its brief's.

        Not looked at are texts of the runs `without`, and those of the brief `not_of` in any run.
        """
        return self.nearest_of(Text.of(text, fields), over=over, without=without, not_of=not_of).nearest

    def nearest_of(
        self, text: Text, *, over: float = 0.5, without: Collection[str] = (), not_of: str = ""
    ) -> LookedThrough:
        """As `nearest`, with how far was looked."""
        if not self._texts or len(text.shingles) < MIN_SHINGLES:
            return LookedThrough(None, 0, 0)
        numbers = self._maybe(text, over, without)
        best: Found | None = None
        compared = read = 0
        for number in numbers[:MOST_READ]:
            if compared == MOST_COMPARED:
                break
            read += 1
            line = self._line(number)
            if not_of and line.brief_id == not_of:
                continue
            compared += 1
            limit = best.similarity if best else over
            if (similarity := alike(text, line.prepared, limit)) > limit:
                source = self.sources[self._source_of(number)]
                best = Found(similarity=similarity, source=source.name, kind=source.kind, line=line.line,
                             brief_id=line.brief_id, variant=line.variant, text=line.text)
        return LookedThrough(best, compared, compared + len(numbers) - read)

    def close(self) -> None:
        if self._log_fd >= 0:
            os.close(self._log_fd)
            self._log_fd = -1

    def __enter__(self) -> CorpusIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _maybe(self, text: Text, over: float, without: Collection[str]) -> list[int]:
        """The candidates that are worth an exact comparison, by number, the likeliest first."""
        left_out = {place for place, source in enumerate(self.sources) if _is_of(source, without)}
        numbers: list[int] = likeliest(self._tables, self._sketches, text.signature, over).tolist()
        return [number for number in numbers if self._source_of(number) not in left_out] if left_out else numbers

    def _source_of(self, number: int) -> int:
        return bisect_right(self._firsts, number) - 1

    def _line(self, number: int) -> Line:
        start = int(self._places[number])
        end = int(self._places[number + 1]) if number + 1 < self._texts else self._log_bytes
        with disk_errors(self.folder / TEXTS, "nothing was changed"):
            data = os.pread(self._log_fd, end - start, start)
        return decode_line(data, self.folder / TEXTS, number)


def _is_of(source: Source, runs: Collection[str]) -> bool:
    return source.kind == "run" and source.name in runs
