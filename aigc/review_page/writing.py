"""Rows to pages, in one pass: texts go to a file as they come, and only the list of a page is held in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import BinaryIO

from aigc.content import ContentType
from aigc.disk import disk_errors, write_atomically
from aigc.hashing import digest, digest_file
from aigc.provenance import FileFacts, RunFile, read_run
from aigc.records import Value
from aigc.review.decisions import REASONS
from aigc.review.standing import Standing
from aigc.review.words import REASON_WORDS, Language, language_of
from aigc.review_page.document import document
from aigc.review_page.embedding import script_json
from aigc.review_page.rows import Listed, Row, TypeHelp, help_of, page_row
from aigc.review_page.shares import WHOLE, Share, Split, sharing

PAGE = "review.html"
VERSION = 1
PAGE_ROWS, PAGE_BYTES = 5_000, 64_000_000
"""A page that has reached either is followed by another: more than a browser opens at once, or anyone reads."""
CHUNK_ROWS, CHUNK_BYTES = 50, 200_000
"""Texts that the page parses at a time, when the first of them is looked at."""
_COPY_BYTES = 1 << 20


class Telling(Value, frozen=True):
    """What pages tell beside their rows.

    `types` are the content types, where they are at hand: for what their fields mean. `standing` is what decisions
    that were imported before amount to, by record id. `language` is the interface's where the reader's browser asks
    for none that it has; None takes that of most texts.
    """

    types: dict[str, ContentType] = {}
    standing: dict[str, Standing] = {}
    language: Language | None = None


NOTHING_MORE = Telling()


class About(Value, frozen=True):
    """What the page knows of itself. `chunks` are the numbers of texts in each of its elements of them."""

    version: int
    run_id: str
    digest: str
    """Of the texts that can be decided on: decisions that a browser keeps are found by it."""
    share: str
    part: int
    """1 of a page that is alone, or the first of several."""
    editor: str
    language: Language
    codes: list[str]
    reasons: dict[str, dict[str, str]]
    help: dict[str, TypeHelp]
    model: str
    made_by: str
    chunks: list[int]


class _Draft:
    """A page before it has its place."""

    def __init__(self, share: Share, part: int, spool: BinaryIO) -> None:
        self.share, self.part, self.spool = share, part, spool
        self.listed: list[Listed] = []
        self._chunk, self._chunk_bytes, self._bytes = list[bytes](), 0, 0
        self._chunks: list[int] = []

    def is_full_before(self, brief_id: str) -> bool:
        """Whether the next brief begins another page. Variants of one brief stay together."""
        is_full = len(self.listed) >= PAGE_ROWS or self._bytes >= PAGE_BYTES
        return is_full and self.listed[-1].brief != brief_id

    def add(self, row: Row, telling: Telling) -> None:
        listed, shown = page_row(row, telling.standing.get(row.record.record_id))
        self.listed.append(listed)
        self._chunk.append(script_json(shown))
        self._chunk_bytes += len(self._chunk[-1])
        if len(self._chunk) >= CHUNK_ROWS or self._chunk_bytes >= CHUNK_BYTES:
            self._end_chunk()

    def write(self, path: Path, run: RunFile, telling: Telling) -> FileFacts:
        """Put the page in its place, and be done with it."""
        self._end_chunk()
        about = script_json(self._about(run, telling))
        write_atomically(path, lambda file: self._write_to(file, run.run_id, about))
        self.spool.close()
        return FileFacts(path=path.name, digest=digest_file(path), bytes=path.stat().st_size, rows=len(self.listed))

    def _end_chunk(self) -> None:
        if self._chunk:
            data = _element("texts", b"[" + b",\n".join(self._chunk) + b"]")
            self.spool.write(data)
            self._chunks.append(len(self._chunk))
            self._bytes += len(data)
            self._chunk, self._chunk_bytes = [], 0

    def _write_to(self, file: BinaryIO, title: str, about: bytes) -> None:
        page = document(title)
        file.write(page.head)
        self.spool.seek(0)
        while data := self.spool.read(_COPY_BYTES):
            file.write(data)
        file.write(_element("list", script_json(self.listed)))
        file.write(_element("about", about))
        file.write(page.tail)

    def _about(self, run: RunFile, telling: Telling) -> About:
        used = {row.type for row in self.listed}
        return About(
            version=VERSION, run_id=run.run_id, digest=digest([(row.id, row.base) for row in self.listed if row.base]),
            share=self.share.name, part=self.part, editor=self.share.editor,
            language=telling.language or language_of(row.language for row in self.listed),
            codes=list(REASONS), reasons={language: dict(words) for language, words in REASON_WORDS.items()},
            help={name: help_of(telling.types[name]) for name in sorted(used & telling.types.keys())},
            model=run.model.ref, made_by=f"aigc {run.versions.get('aigc', '')}".strip(), chunks=self._chunks,
        )


def write_page(run: RunFile, rows: Iterable[Row], path: Path, telling: Telling = NOTHING_MORE) -> FileFacts:
    """Write one page with all of `rows`, whole or not at all, and tell what was written.

    Raises:
        StoreError: the disk refused.
    """
    with disk_errors(path, "the file is as it was before"), tempfile.TemporaryFile(dir=path.parent) as spool:
        draft = _Draft(Share(), 1, spool)
        for row in rows:
            draft.add(row, telling)
        return draft.write(path, run, telling)


def write_pages(
    folder: Path, run: RunFile, rows: Iterable[Row], split: Split = WHOLE, telling: Telling = NOTHING_MORE
) -> list[FileFacts]:
    """Write the pages of a run to `folder`: `review.html` and, of a large run, `review-2.html` and so on.

    With a split their names are `review-<share>.html`. Each is whole or as it was before. Pages of the same names
    that an earlier, longer run left behind are removed.

    Raises:
        StoreError: the disk refused; what `rows` raises passes through.
        UsageError: editors whose pages would have one name.
    """
    share_of = sharing(split)
    drafts: dict[Share, _Draft] = {}
    written: list[FileFacts] = []
    with disk_errors(folder, "the files are as they were before"), ExitStack() as spools:

        def begin(share: Share, part: int) -> _Draft:
            drafts[share] = _Draft(share, part, spools.enter_context(tempfile.TemporaryFile(dir=folder)))
            return drafts[share]

        def end(draft: _Draft) -> None:
            written.append(draft.write(folder / _name(draft.share, draft.part), run, telling))

        for row in rows:
            share = share_of(row.record)
            draft = drafts.get(share) or begin(share, 1)
            if draft.is_full_before(row.record.brief_id):
                end(draft)
                draft = begin(share, draft.part + 1)
            draft.add(row, telling)
        for draft in drafts.values():
            end(draft)
        for draft in drafts.values():
            _remove_after(folder, draft)
    return written


def write_review_html(
    folder: Path, rows: Iterable[Row], standing: Mapping[str, Standing], language: Language | None = None
) -> list[Path]:
    """The pages of the finished run in `folder`, with what was decided before. Raises as `write_pages` does."""
    telling = Telling(standing=dict(standing), language=language)
    return [folder / facts.path for facts in write_pages(folder, read_run(folder), rows, telling=telling)]


def _name(share: Share, part: int) -> str:
    parts = [PAGE.partition(".")[0], share.slug, str(part) if part > 1 else ""]
    return f"{'-'.join(filter(None, parts))}.html"


def _remove_after(folder: Path, last: _Draft) -> None:
    """Remove the pages that would come after the last one."""
    for part in count(last.part + 1):
        path = folder / _name(last.share, part)
        if not path.is_file():
            return
        path.unlink()


def _element(name: str, data: bytes) -> bytes:
    return b'<script type="application/json" data-rows="' + name.encode() + b'">' + data + b"</script>\n"
