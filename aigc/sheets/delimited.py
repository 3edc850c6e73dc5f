"""Rows of CSV and TSV: the encoding and the delimiter found, broken rows reported one by one."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from aigc.errors import BriefsError, shown, writable
from aigc.settings import InputSettings
from aigc.sheets.cells import MARK_UNDECODABLE, Problem, RawRow, fitted, is_blank

DELIMITERS = (",", ";", "\t")
QUOTED_CELL_CHARS = 1 << 24
"""Longest quoted cell whose end is looked for; a longer one is taken for a quote that was never closed."""
SAMPLE_CHARS, SAMPLE_ROWS = 1 << 16, 30
CHUNK_BYTES, SAMPLE_BYTES = 1 << 20, 256
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_HIGH = re.compile(rb"[\x80-\xff]")
_BROKEN = re.compile("[\udc80-\udcff]")
_HANZI = re.compile(rb"[\xa1-\xf7][\xa1-\xfe]")


class DelimitedSheet:
    """A CSV or TSV file: `header`, and `rows`, which starts from the top each time.

    Raises:
        BriefsError: an unknown encoding or delimiter, text in none of the encodings looked for, a broken header.
    """

    def __init__(self, path: Path, settings: InputSettings) -> None:
        # The limit is the process's: raised once, never lowered, since two sheets may be read at the same time.
        csv.field_size_limit(max(csv.field_size_limit(), QUOTED_CELL_CHARS, settings.max_cell_chars))
        self._path, self._encoding = path, encoding_of(path, settings.encoding)
        self._delimiter = _given(path, settings.delimiter) or _sniffed(path, self._encoding)
        self.header = next((row for row in self._every_row() if row.problem or not is_blank(row.cells)),
                           RawRow("", 0, ()))
        if self.header.problem:
            raise BriefsError(f"{path} line {self.header.line}", f"a broken header: {self.header.problem.found}",
                              "a row of headings", "Correct the quotes of the first row.")

    def rows(self, width: int) -> Iterator[RawRow]:
        """Every row below the header, of `width` cells or with the problem that it has others."""
        for row in self._every_row():
            if row.line > self.header.line:
                yield row if row.problem or len(row.cells) == width else fitted(row, width, pad=False)

    def _every_row(self) -> Iterator[RawRow]:
        name = writable(self._path)
        with self._path.open(encoding=self._encoding, errors=MARK_UNDECODABLE, newline="") as file:
            lines = _Lines(file)
            # Strict, because a lenient reader takes a quote that is not closed for a cell of many rows, silently.
            reader = csv.reader(lines, delimiter=self._delimiter, skipinitialspace=True, strict=True)
            while True:
                lines.held.clear()
                first = lines.number + 1
                try:
                    cells = next(reader, None)
                except csv.Error as exc:
                    lines.back_to_second()
                    yield RawRow(name, first, (), _broken_quotes(exc))
                    continue
                if cells is None:
                    return
                yield RawRow(name, first, cells)


class _Lines:
    """Physical lines, those of the row at hand kept, so that a broken row can be read again from its second line."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._again = file, deque[str]()
        self.held: list[str] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._file)
        self.held.append(line)
        self.number += 1
        return line

    def back_to_second(self) -> None:
        self._again.extendleft(reversed(self.held[1:]))
        self.number -= len(self.held) - 1


def _broken_quotes(exc: csv.Error) -> Problem:
    endless = "expected after" not in str(exc)
    return Problem("broken_quotes", "a quote that is never closed" if endless else "text after a closing quote",
                   "cells whose quotes open, close and are doubled inside", 'Write a quote inside a quoted cell as "".')


def _given(path: Path, given: str) -> str:
    given = {"tab": "\t", "\\t": "\t"}.get(given, given)
    if len(given) > 1 or given in ('"', "\n", "\r", " "):
        raise BriefsError(str(path), f"the delimiter {shown(given)} in input.delimiter", "one character, or 'tab'",
                          "Correct it, or leave it out to have it found.")
    return given


def _sniffed(path: Path, encoding: str) -> str:
    """The delimiter under which most of the first rows have the header's width; the wider header where even."""
    with path.open(encoding=encoding, errors=MARK_UNDECODABLE, newline="") as file:
        sample = file.read(SAMPLE_CHARS)

    def score(delimiter: str) -> tuple[float, int]:
        parsed = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, skipinitialspace=True)
        rows = [row for row in parsed if not is_blank(row)]
        widths = [len(row) for row in (rows[:-1] if len(sample) == SAMPLE_CHARS and len(rows) > 2 else rows)]
        if not widths or widths[0] < 2:
            return 0.0, 0
        return widths[:SAMPLE_ROWS].count(widths[0]) / len(widths[:SAMPLE_ROWS]), widths[0]

    preferred = sorted(DELIMITERS, key=lambda mark: (mark == "\t") != (path.suffix.lower() == ".tsv"))
    return max(preferred, key=score)


def encoding_of(path: Path, given: str) -> str:
    """The setting's encoding; else by byte order mark; else UTF-8 where it fits; else GB18030 where that is likely."""
    if given:
        try:
            "a".encode(given)
        except LookupError as exc:
            raise BriefsError(str(path), f"the encoding {shown(given)} in input.encoding",
                              "an encoding such as utf-8, gb18030 or utf-16", "Correct it.") from exc
        return given
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        chunk = file.read(CHUNK_BYTES)
        if marked := next((name for bom, name in _BOMS if chunk.startswith(bom)), ""):
            return marked
        if 5 * chunk[:SAMPLE_BYTES].count(0) > 2 * len(chunk[:SAMPLE_BYTES]):
            raise BriefsError(str(path), "UTF-16 without a byte order mark", "UTF-8, or UTF-16 with its mark",
                              "Save it as UTF-8, or name its encoding as input.encoding (utf-16-le or utf-16-be).")
        while chunk:
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                return _likely(path, chunk)
            chunk = file.read(CHUNK_BYTES)
    return "utf-8"


def _likely(path: Path, chunk: bytes) -> str:
    """UTF-8 with some broken bytes, or GB18030, by the chunk where UTF-8 fails.

    Western code pages also decode as GB18030, to nonsense: Chinese text has its high bytes in pairs of GB 2312's area.
    A line or a few that are broken do not condemn the sheet: they are reported one by one.
    """
    text = chunk.decode("utf-8", MARK_UNDECODABLE)
    high, broken = len(_HIGH.findall(chunk)), len(_BROKEN.findall(text))
    whole = len(text) - (len(chunk) - high) - broken
    if whole > broken // 2:
        return "utf-8"
    if 2 * len(_HANZI.findall(chunk)) > 0.7 * high:
        return "gb18030"
    lines = text.split("\n")
    if sum(_BROKEN.search(line) is not None for line in lines) <= max(1, len(lines) // 10):
        return "utf-8"
    raise BriefsError(str(path), "text that is neither UTF-8 nor GB18030", "one of these encodings",
                      "Save it as UTF-8, or name its encoding as input.encoding (for example cp1252).")
