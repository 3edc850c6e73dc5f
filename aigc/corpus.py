"""From files and finished runs into the corpus that new texts are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import msgspec

from aigc.content import FieldSpec
from aigc.duplicates import CORPUS, CorpusText, CorpusWriter, Source
from aigc.errors import StoreError, UsageError, nearest, shown, writable
from aigc.export import ACCEPTED_JSONL, Accepted
from aigc.hashing import digest, digest_file, digest_files
from aigc.provenance import RUN_FILE, read_run
from aigc.settings import InputSettings
from aigc.sheets import open_sheet
from aigc.sheets.cells import Problem, converter, is_blank
from aigc.sheets.delimited import encoding_of

TEXT_COLUMNS = ("text", "content", "body", "article", "copy", "正文", "内容", "文本")
"""Headings of the column with the text, where none is named; the first that there is."""
MOST_CHARS = 10_000_000
_ONE_TEXT = (".txt", ".md")
_cell = converter(FieldSpec(max_chars=MOST_CHARS), InputSettings(max_cell_chars=MOST_CHARS))
_accepted = msgspec.json.Decoder(Accepted)


class Added(NamedTuple):
    """What became of one file: `source` is what the corpus has of it, `new` is False where it had it before."""

    source: Source
    new: bool
    unread: int = 0
    """Rows that could not be read."""


def add_to_corpus(
    paths: Sequence[Path],
    column: str = "",
    folder: Path = CORPUS,
    report: Callable[[Added], None] = lambda _: None,
) -> list[Added]:
    """Add files, and folders of finished runs. What is there already, byte for byte, is not added again.

    Raises:
        UsageError: a file without a column of that name, or a run that is not finished.
        BriefsError: a file cannot be read.
        StoreError: the disk refuses. In each case the files before the one at fault are in the corpus.
    """
    done = []
    with CorpusWriter(folder) as corpus:
        for path in paths:
            done.append(_add_run(corpus, path) if (path / RUN_FILE).exists() else _add_file(corpus, path, column))
            report(done[-1])
    return done


def _add_run(corpus: CorpusWriter, folder: Path) -> Added:
    run = read_run(folder)
    if run.status != "finished":
        raise UsageError(str(folder), f"a run that is {run.status}", "a finished run",
                         "Let the command that started it finish it.")
    path = folder / ACCEPTED_JSONL
    origin = digest_file(path)
    if there := corpus.find("run", origin):
        return Added(there, new=False)
    return Added(corpus.add(run.run_id, "run", origin, _accepted_texts(path)), new=True)


def _accepted_texts(path: Path) -> Iterator[CorpusText]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = _accepted.decode(line)
            except msgspec.DecodeError as exc:
                raise StoreError(f"{path} line {number}", "no accepted text", "a line as a run writes it",
                                 "Restore the file from a copy.") from exc
            yield CorpusText(text=row.unlabelled, line=number, brief_id=row.id, variant=row.variant, fields=row.brief)


def _add_file(corpus: CorpusWriter, path: Path, column: str) -> Added:
    unread: list[int] = []
    one_text = path.suffix.lower() in _ONE_TEXT and path.is_file()
    texts = texts_of(path, column, unread)
    first = next(texts, None)  # so that a file that cannot be read is told before its digest is made
    found = digest_files(path.rglob("*.parquet"), path) if path.is_dir() else digest_file(path)
    origin = found if one_text else digest([column, found])
    if there := corpus.find("file", origin):
        return Added(there, new=False)
    given = chain([] if first is None else [first], texts)
    return Added(corpus.add(writable(path), "file", origin, given), new=True, unread=len(unread))


def texts_of(path: Path, column: str, unread: list[int]) -> Iterator[CorpusText]:
    """The texts of a file: a .txt or .md is one, a sheet has one in each row. `unread` is given lines of bad rows.

    Raises:
        UsageError: a sheet without a column of that name. BriefsError: it cannot be read.
    """
    one_text = path.suffix.lower() in _ONE_TEXT and path.is_file()
    return _whole(path) if one_text else _rows(path, column, unread)


def _whole(path: Path) -> Iterator[CorpusText]:
    text = path.read_bytes().decode(encoding_of(path, ""), "replace")
    yield CorpusText(text=text)


def _rows(path: Path, column: str, unread: list[int]) -> Iterator[CorpusText]:
    """The texts of a sheet. A blank cell is no text."""
    sheet = open_sheet(path, InputSettings())
    place = _text_column(path, sheet.headings, column)
    row_columns = _row_columns(sheet.headings)
    for row in sheet.rows({place, *row_columns}):
        if row.problem is None and is_blank(row.cells):
            continue
        try:
            if row.problem:
                raise row.problem
            text = _cell(row.cells[place])
        except Problem:
            unread.append(row.line)
            continue
        if text:
            brief_id, variant = _row_of([row.cells[at] for at in row_columns])
            yield CorpusText(text=str(text), line=row.line, brief_id=brief_id, variant=variant)


def _text_column(path: Path, headings: Sequence[str], column: str) -> int:
    if column in headings:
        return headings.index(column)
    if column:
        raise UsageError("--column", f"no column {shown(column)} in {path}", f"one of {', '.join(headings)}",
                         f"Correct the name.{nearest(column, [*headings])}")
    folded = [heading.casefold() for heading in headings]
    known = [folded.index(name) for name in TEXT_COLUMNS if name in folded]
    if not known and len(headings) > 1:
        raise UsageError(str(path), f"the columns {', '.join(headings)}", f"one named {TEXT_COLUMNS[0]}",
                         "Name the column that holds the texts with --column.")
    return known[0] if known else 0


def _row_columns(headings: Sequence[str]) -> list[int]:
    """Columns that tell which row of a run's results a text is: those of accepted.csv."""
    return [headings.index(name) for name in ("id", "variant")] if {"id", "variant"} <= set(headings) else []


def _row_of(cells: Sequence[object]) -> tuple[str, int | None]:
    if len(cells) != 2 or not str(cells[1]).isdecimal():
        return "", None
    return str(cells[0]), int(str(cells[1]))
