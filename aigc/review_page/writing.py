"""Rows to pages, in one pass: texts go to a file as they come, and only the list of a page is held in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from aigc.content import ContentType
from aigc.disk import disk_errors, write_atomically
from aigc.errors import TemplateError
from aigc.hashing import digest, digest_file
from aigc.packs import load_packs
from aigc.provenance import FileFacts, RunFile, read_run
from aigc.records import Record, Value
from aigc.review.decisions import REASONS
from aigc.review.standing import Standing
from aigc.review.words import (
    FILTER_WORDS,
    LANGUAGES,
    OUTCOME_WORDS,
    REASON_WORDS,
    TYPE_WORDS,
    Language,
    language_of,
)
from aigc.review_page.document import document
from aigc.review_page.embedding import script_json
from aigc.review_page.rows import AnyRow, Listed, Row, TypeHelp, help_of, page_row
from aigc.review_page.shares import WHOLE, Share, Split, sharing
from aigc.stamped import Stamped

PAGE = "review.html"
VERSION = 1
PAGE_ROWS, PAGE_BYTES = 5_000, 64_000_000
"""A page that has reached either is followed by another: more than a browser opens at once, or anyone reads."""
CHUNK_ROWS, CHUNK_BYTES = 50, 200_000
"""Texts that the page parses at a time, when the first of them is looked at."""
_COPY_BYTES = 1 << 20
_SAFE = "the pages are as they were before"


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
    language: str
    codes: list[str]
    words: dict[str, CodeWords]
    """What editors read in place of codes, by language: as sheets have it."""
    help: dict[str, TypeHelp]
    model: str
    made_by: str
    chunks: list[int]


class CodeWords(Value, frozen=True):
    """Words of one language for codes."""

    reasons: dict[str, str]
    outcomes: dict[str, str]
    filters: dict[str, str]
    types: dict[str, str]


class _Draft:
    """A page before it has its place."""

    def __init__(self, share: Share, part: int, spool: BinaryIO) -> None:
        self.share, self.part, self._spool = share, part, spool
        self._listed: list[Listed] = []
        self._chunk, self._chunk_bytes, self._bytes = list[bytes](), 0, 0
        self._chunks: list[int] = []
        self._digest, self._help, self._language = "", dict[str, TypeHelp](), "en"

    def is_full_before(self, brief_id: str) -> bool:
        """Whether the next brief begins another page. Variants of one brief stay together."""
        is_full = len(self._listed) >= PAGE_ROWS or self._bytes >= PAGE_BYTES
        return is_full and self._listed[-1].brief != brief_id

    def add(self, row: Row, telling: Telling) -> None:
        listed, shown = page_row(row, telling.standing.get(row.record.record_id))
        self._listed.append(listed)
        self._chunk.append(script_json(shown))
        self._chunk_bytes += len(self._chunk[-1])
        if len(self._chunk) >= CHUNK_ROWS or self._chunk_bytes >= CHUNK_BYTES:
            self._end_chunk()

    def end(self, telling: Telling) -> None:
        """Take no more rows. From here on the page takes no memory."""
        self._end_chunk()
        self._spool.write(_element("list", script_json(self._listed)))
        self._digest = digest([(row.id, row.base) for row in self._listed if row.base])
        used = {row.type for row in self._listed} & telling.types.keys()
        self._help = {name: help_of(telling.types[name]) for name in sorted(used)}
        self._language = telling.language or language_of(row.language for row in self._listed)
        self._listed = []

    def write(self, path: Path, run: RunFile) -> FileFacts:
        """Put the page in its place, after its `end`."""
        write_atomically(path, lambda file: self._write_to(file, run))
        return FileFacts(path=path.name, digest=digest_file(path), bytes=path.stat().st_size, rows=sum(self._chunks))

    def _end_chunk(self) -> None:
        if self._chunk:
            data = _element("texts", b"[" + b",\n".join(self._chunk) + b"]")
            self._spool.write(data)
            self._chunks.append(len(self._chunk))
            self._bytes += len(data)
            self._chunk, self._chunk_bytes = [], 0

    def _write_to(self, file: BinaryIO, run: RunFile) -> None:
        page = document(run.run_id)
        file.write(page.head)
        self._spool.seek(0)
        while data := self._spool.read(_COPY_BYTES):
            file.write(data)
        file.write(_element("about", script_json(self._about(run))))
        file.write(page.tail)

    def _about(self, run: RunFile) -> About:
        return About(
            version=VERSION, run_id=run.run_id, digest=self._digest, share=self.share.name, part=self.part,
            editor=self.share.editor, language=self._language, codes=list(REASONS),
            words={language: _words(language) for language in LANGUAGES}, help=self._help,
            model=run.model.ref, made_by=f"aigc {run.versions.get('aigc', '')}".strip(), chunks=self._chunks,
        )


class Pages:
    """The pages of a run in `folder`, filled row by row and written at the end: `review.html`, and of a large run
    `review-2.html` and so on. With a split their names are `review-<share>.html`.

    As a context manager it leaves nothing but what `write` has put in place. Memory does not grow with the rows.

    Raises:
        UsageError: editors whose pages would have one name.
        StoreError: from any call, where the disk refused.
    """

    def __init__(self, folder: Path, split: Split = WHOLE, telling: Telling = NOTHING_MORE) -> None:
        self._folder, self._telling, self._share_of = folder, telling, sharing(split)
        self._open: dict[Share, _Draft] = {}
        self._full: list[_Draft] = []
        self._spools = ExitStack()

    def add(self, row: Row) -> None:
        share = self._share_of(row.record)
        with disk_errors(self._folder, _SAFE):
            draft = self._open.get(share) or self._begin(share, 1)
            if draft.is_full_before(row.record.brief_id):
                draft.end(self._telling)
                self._full.append(draft)
                draft = self._begin(share, draft.part + 1)
            draft.add(row, self._telling)

    def passing(self, stamp: Callable[[Record], Stamped]) -> Callable[[Record], Stamped]:
        """`stamp`, with every row added here as it passes: so that nothing need be read again."""

        def stamped(record: Record) -> Stamped:
            row = stamp(record)
            self.add(AnyRow(row.record, row.provenance.output))
            return row

        return stamped

    def write(self, run: RunFile) -> list[FileFacts]:
        """Put all pages in their places, each whole or as it was before, and tell what was written.

        Pages of the same names that an earlier, longer run left behind are removed.
        """
        with disk_errors(self._folder, _SAFE):
            for draft in self._open.values():
                draft.end(self._telling)
            drafts = [*self._full, *self._open.values()]
            written = [draft.write(self._folder / _name(draft.share, draft.part), run) for draft in drafts]
            for draft in self._open.values():
                _remove_after(self._folder, draft)
        return written

    def _begin(self, share: Share, part: int) -> _Draft:
        spool = self._spools.enter_context(tempfile.TemporaryFile(dir=self._folder))  # noqa: SIM115 - the stack does
        self._open[share] = _Draft(share, part, spool)
        return self._open[share]

    def __enter__(self) -> Pages:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self._spools.close()


def write_page(run: RunFile, rows: Iterable[Row], path: Path, telling: Telling = NOTHING_MORE) -> FileFacts:
    """Write one page with all of `rows`, whole or not at all, and tell what was written.

    Raises:
        StoreError: the disk refused.
    """
    with disk_errors(path, _SAFE), tempfile.TemporaryFile(dir=path.parent) as spool:
        draft = _Draft(Share(), 1, spool)
        for row in rows:
            draft.add(row, telling)
        draft.end(telling)
        return draft.write(path, run)


def write_pages(
    folder: Path, run: RunFile, rows: Iterable[Row], split: Split = WHOLE, telling: Telling = NOTHING_MORE
) -> list[FileFacts]:
    """Write the pages of a run to `folder`. Raises as `Pages` does; what `rows` raises passes through."""
    with Pages(folder, split, telling) as pages:
        for row in rows:
            pages.add(row)
        return pages.write(run)


def write_review_html(
    folder: Path, rows: Iterable[Row], standing: Mapping[str, Standing], language: Language | None = None
) -> list[Path]:
    """The pages of the finished run in `folder`, with what was decided before. Raises as `write_pages` does."""
    run = read_run(folder)
    telling = Telling(types=_types(run), standing=dict(standing), language=language)
    return [folder / facts.path for facts in write_pages(folder, run, rows, telling=telling)]


def _types(run: RunFile) -> dict[str, ContentType]:
    """The content types as they are now. A page without what they say of their fields is better than none."""
    try:
        return load_packs(Path(run.settings.run.templates)).types
    except TemplateError:
        return {}


def _words(language: Language) -> CodeWords:
    return CodeWords(reasons=REASON_WORDS[language], outcomes=OUTCOME_WORDS[language], filters=FILTER_WORDS[language],
                     types=TYPE_WORDS[language])


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
