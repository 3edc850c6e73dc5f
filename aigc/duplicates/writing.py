"""The corpus, for adding: one writer at a time, and a source counts whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import accumulate, islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import msgspec

from aigc.disk import disk_errors, sync, take_lock, write_atomically
from aigc.duplicates.corpus_files import (
    CORPUS,
    ITEM_BYTES,
    MANIFEST,
    PLACES,
    SKETCHES,
    TEXTS,
    Kind,
    Line,
    Source,
    decode_line,
    encode_line,
    open_table,
    read_manifest,
    table_name,
    table_texts,
    whole_scheme,
)
from aigc.duplicates.lsh import MOST_TEXTS, due, merged, signatures, sketches, table
from aigc.duplicates.texts import MIN_SHINGLES, Text, hashes
from aigc.errors import StoreError, writable
from aigc.records import FieldValue, Value

if TYPE_CHECKING:
    from aigc.duplicates.lsh import Hashes, Signatures

Item = TypeVar("Item")
LOCK = ".lock"
BATCH_TEXTS, TABLE_TEXTS = 256, 65_536
"""Texts whose signatures are made together, and texts of a table before it is written: 16 MB."""


class CorpusText(Value, frozen=True):
    """A text to add. `line` counts from 1 as an editor shows it, 0 for a whole file; `fields` are its brief's."""

    text: str
    line: int = 0
    brief_id: str = ""
    variant: int | None = None
    fields: dict[str, FieldValue] = {}


class CorpusWriter:
    """Adds to the corpus in `folder`, and makes one where there is none. A context manager.

    Raises:
        RunLocked: another process is adding to it.
        StoreError: the corpus is damaged or of another version, or the disk refuses.
    """

    def __init__(self, folder: Path = CORPUS) -> None:
        self.folder = folder
        with disk_errors(folder, "nothing was written"):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock_fd = take_lock(folder / LOCK)
        self._pending: list[Signatures] = []
        """Signatures of the newest texts, which are in no table yet."""
        try:
            self._manifest = read_manifest(folder)
            with disk_errors(folder, "the corpus is as it was"):
                self._trim()
                self._refresh()
        except BaseException:
            self.close()
            raise

    def find(self, kind: Kind, origin: str) -> Source | None:
        """The source that was made from the same."""
        same = (source for source in self._manifest.sources if (source.kind, source.origin) == (kind, origin))
        return next(same, None)

    def add(self, name: str, kind: Kind, origin: str, texts: Iterable[CorpusText]) -> Source:
        """Add the texts of one source: all of them are there or, if it ends early, for whatever reason, none."""
        before, sha, left_out = self._manifest, hashlib.sha256(), 0
        try:
            with disk_errors(self.folder, "the corpus is as it was"):
                for batch in _batches(texts):
                    prepared = [(text, Text.of(text.text, text.fields)) for text in batch]
                    kept = [(text, ready) for text, ready in prepared if len(ready.shingles) >= MIN_SHINGLES]
                    left_out += len(batch) - len(kept)
                    self._append([(_line(text, ready), ready.shingles) for text, ready in kept], sha)
                source = Source(
                    name=writable(name), kind=kind, origin=origin, digest=f"sha256:{sha.hexdigest()}",
                    first=before.texts, texts=self._manifest.texts - before.texts, left_out=left_out,
                    added_at=datetime.now(UTC).isoformat(timespec="seconds"),
                )
                self._commit([*before.sources, source])
        except BaseException:
            self._manifest = read_manifest(self.folder)  # not `before`: Ctrl-C may come when the source counts already
            self._trim()
            raise
        return source

    def close(self) -> None:
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def __enter__(self) -> CorpusWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, kept: list[tuple[Line, Hashes]], sha: hashlib._Hash) -> None:
        import numpy as np

        if not kept:
            return
        if self._manifest.texts + len(kept) > MOST_TEXTS:
            raise StoreError(str(self.folder), "a full corpus", f"at most {MOST_TEXTS:,} texts", "Add no more to it.")
        lines = [encode_line(line) for line, _ in kept]
        *places, end = accumulate(map(len, lines), initial=self._manifest.log_bytes)
        for line in lines:
            sha.update(line)
        self._extend(TEXTS, b"".join(lines))
        self._extend(PLACES, np.array(places, np.uint64).tobytes())
        self._sign([found for _, found in kept])
        texts = self._manifest.texts + len(kept)
        self._manifest = msgspec.structs.replace(self._manifest, texts=texts, log_bytes=end)
        self._tabulate(at_least=TABLE_TEXTS)

    def _sign(self, sets: list[Hashes]) -> None:
        found = signatures(sets)
        self._pending.append(found)
        self._extend(SKETCHES, sketches(found).tobytes())

    def _tabulate(self, at_least: int) -> None:
        """Write a table of the texts that are in none, if they are as many."""
        import numpy as np

        size = sum(map(len, self._pending))
        if size < at_least:
            return
        first = sum(map(table_texts, self._manifest.tables))
        found = table(np.concatenate(self._pending), first)
        self._write_table(table_name(first, size), [found])
        self._pending.clear()
        self._manifest = msgspec.structs.replace(
            self._manifest, tables=[*self._manifest.tables, table_name(first, size)]
        )

    def _merge(self) -> None:
        """Make the last tables one, as far as that pays."""
        tables = self._manifest.tables
        if (last := due([table_texts(name) for name in tables])) < 2:
            return
        kept, small = tables[:-last], tables[-last:]
        name = table_name(sum(map(table_texts, kept)), sum(map(table_texts, small)))
        self._write_table(name, merged([open_table(self.folder, part) for part in small]))
        self._manifest = msgspec.structs.replace(self._manifest, tables=[*kept, name])

    def _commit(self, sources: list[Source]) -> None:
        """From here on the new texts count."""
        self._tabulate(at_least=1)
        self._merge()
        for name in (TEXTS, PLACES, SKETCHES):
            if self._manifest.texts:
                sync(self.folder / name)
        self._manifest = msgspec.structs.replace(self._manifest, sources=sources, scheme=whole_scheme())
        self._write_manifest()
        self._drop_tables()

    def _write_manifest(self) -> None:
        data = msgspec.json.format(msgspec.json.encode(self._manifest))
        write_atomically(self.folder / MANIFEST, lambda file: file.write(data))

    def _write_table(self, name: str, parts: Iterable[Hashes]) -> None:
        def write(file: BinaryIO) -> None:
            for part in parts:
                file.write(part.data)

        write_atomically(self.folder / name, write)

    def _extend(self, name: str, data: bytes) -> None:
        with (self.folder / name).open("ab") as file:
            file.write(data)

    def _trim(self) -> None:
        """Cut off what does not count: a writer ended before it did."""
        self._pending.clear()
        if not (self.folder / MANIFEST).exists():
            self._write_manifest()  # before the first text, so that texts without it mean that it was lost
        sizes = {TEXTS: self._manifest.log_bytes}
        sizes |= {name: size * self._manifest.texts for name, size in ITEM_BYTES.items()}
        for name, size in sizes.items():
            path = self.folder / name
            if path.exists() and path.stat().st_size > size:
                os.truncate(path, size)
        self._drop_tables()

    def _drop_tables(self) -> None:
        """Delete tables that do not count. Who has them open can read on."""
        for path in [*self.folder.glob("bands-*.u64"), *self.folder.glob(".*.tmp")]:
            if path.name not in self._manifest.tables:
                path.unlink()

    def _refresh(self) -> None:
        """Make all signatures and tables anew from the texts, where they are of another scheme."""
        if not self._manifest.texts or self._manifest.scheme == whole_scheme():
            return
        sources = self._manifest.sources
        self._manifest = msgspec.structs.replace(self._manifest, tables=[])
        write_atomically(self.folder / SKETCHES, lambda file: None)  # a new file: others may be reading the old one
        for batch in _batches(self._lines()):
            self._sign([hashes(line.text) for line in batch])
            self._tabulate(at_least=TABLE_TEXTS)
        self._commit(sources)

    def _lines(self) -> Iterator[Line]:
        path = self.folder / TEXTS
        with path.open("rb") as file:
            for number, data in enumerate(islice(file, self._manifest.texts)):
                yield decode_line(data, path, number)


def _line(text: CorpusText, ready: Text) -> Line:
    masks = [place for span in ready.spans for place in span]
    return Line(text=ready.normal, line=text.line, brief_id=text.brief_id, variant=text.variant, masks=masks)


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    rest = iter(items)
    while batch := list(islice(rest, BATCH_TEXTS)):
        yield batch
