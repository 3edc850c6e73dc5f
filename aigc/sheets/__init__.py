"""The raw rows of a sheet of briefs, streamed from CSV, TSV, Parquet, .xlsx and .jsonl.

`open_sheet` finds every problem of the sheet as a whole; `Sheet.rows` then streams in flat memory and may be called
again. A row that cannot be taken apart is a `RawRow` with a `Problem`, and reading goes on after it:

    broken_quotes   a quote that never closes, or text after a closing quote; reading goes on at the next line
    ragged_row      more or fewer cells than the header has
    broken_json     a line of .jsonl that is not one JSON object
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import msgspec

from aigc.errors import BriefsError, nearest, shown, writable
from aigc.settings import InputSettings
from aigc.sheets.cells import MARK_UNDECODABLE, Problem, RawRow, fitted, is_blank
from aigc.sheets.delimited import DelimitedSheet, encoding_of

PARQUET_BATCH_ROWS = 512
UNREAD = ...
"""Stands in a row for a cell of a Parquet column that nobody asked for: it is not read, and not blank."""
DAMAGE = (OSError, EOFError, LookupError, ValueError, SyntaxError, NotImplementedError, zlib.error, zipfile.BadZipFile)
"""What pyarrow, openpyxl, its XML and zip readers and the file system raise for a file that is not sound."""
_json_object = msgspec.json.Decoder(dict[str, object])

Rows = Callable[[Collection[int]], Iterator[RawRow]]


class Sheet(NamedTuple):
    """An opened sheet. `rows(used)` starts from the top; `used` are the indices of the columns that must be read."""

    headings: list[str]
    rows: Rows


def open_sheet(path: Path, settings: InputSettings) -> Sheet:
    """The headings and rows of `path`, checked as far as that goes without reading every row.

    Raises:
        BriefsError: no such file, unknown extension, nothing in it, broken, undecodable, or columns named alike.
    """
    if not path.exists():
        raise BriefsError(str(path), "no such file", "a sheet of briefs", "Correct the path.")
    if not (path.is_file() or path.is_dir()):  # the rows are read more than once
        raise BriefsError(str(path), "a socket, pipe or device", "a file or folder", "Save the rows as a file first.")
    openers = {".csv": _open_delimited, ".tsv": _open_delimited, ".parquet": _open_parquet, ".xlsx": _open_xlsx,
               ".xlsm": _open_xlsx, ".jsonl": _open_jsonl, ".ndjson": _open_jsonl}
    opener = _open_parquet if path.is_dir() else openers.get(path.suffix.lower())
    if opener is None:
        raise BriefsError(str(path), f"the extension {shown(path.suffix)}", f"one of {', '.join(openers)}",
                          "Save the sheet in one of these formats.")
    try:
        if path.is_file() and not path.stat().st_size:
            raise BriefsError(str(path), "an empty file", "a header and rows", "Give the sheet that was meant.")
        sheet = opener(path, settings)
    except DAMAGE as exc:
        raise _unreadable(path, exc) from exc
    _check_headings(path, sheet.headings)
    if all(row.problem is None and is_blank(row.cells) for row in sheet.rows(())):
        raise BriefsError(str(path), "a header and no rows", "at least one row", "Add a row for each brief.")
    return sheet


def _check_headings(path: Path, headings: Sequence[str]) -> None:
    if not any(headings):
        raise BriefsError(str(path), "no header", "a first row that names the columns", "Add a row of headings.")
    if twice := next((name for name in headings if name and headings.count(name) > 1), None):
        raise BriefsError(str(path), f"two columns named {shown(twice)}", "a different heading for each column",
                          "Rename or remove one of them.")


def _unreadable(path: Path, exc: Exception) -> BriefsError:
    if isinstance(exc, OSError) and exc.strerror:
        return BriefsError(str(path), f"a file that cannot be read ({exc.strerror})", "one that this user may read",
                           "Check its rights and the disk it lies on.")
    reason = str(exc).strip() or type(exc).__name__
    return BriefsError(str(path), f"a file that cannot be read ({shown(reason, 120)})", "an undamaged sheet",
                       "Export or copy it again: it may have been cut short.")


def _guarded(path: Path, rows: Iterator[RawRow]) -> Iterator[RawRow]:
    """`rows`, where damage met on the way raises BriefsError. What their consumer raises passes unchanged."""
    while True:
        try:
            row = next(rows, None)
        except DAMAGE as exc:
            raise _unreadable(path, exc) from exc
        if row is None:
            return
        yield row


def _cell_names(cells: Sequence[object]) -> list[str]:
    names = ["" if cell is None else str(cell).lstrip("\ufeff").strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    return names


def _open_delimited(path: Path, settings: InputSettings) -> Sheet:
    sheet = DelimitedSheet(path, settings)
    headings = _cell_names(sheet.header.cells)
    return Sheet(headings, lambda _: _guarded(path, sheet.rows(len(headings))))


def _open_jsonl(path: Path, settings: InputSettings) -> Sheet:
    encoding = encoding_of(path, settings.encoding)

    def objects() -> Iterator[tuple[int, dict[str, object] | Problem]]:
        with path.open(encoding=encoding, errors=MARK_UNDECODABLE, newline="") as file:
            for line, text in enumerate(file, start=1):
                yield line, _json_row(text.lstrip("\ufeff") if line == 1 else text)

    keys = list(dict.fromkeys(key for _, row in objects() if isinstance(row, dict) for key in row))
    if not keys:
        raise BriefsError(str(path), "no JSON object with a key on any line", "an object for each brief, one a line",
                          "Write one JSON object on each line.")

    name = writable(path)

    def rows() -> Iterator[RawRow]:
        for line, row in objects():
            if isinstance(row, dict):
                yield RawRow(name, line, [row.get(key) for key in keys])
            else:
                yield RawRow(name, line, (), row)

    return Sheet([key.strip() for key in keys], lambda _: _guarded(path, rows()))


def _json_row(text: str) -> dict[str, object] | Problem:
    if not text.strip():
        return {}
    try:
        return _json_object.decode(text.encode("utf-8", "surrogatepass"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        return Problem("broken_json", f"no JSON object ({shown(exc, 80)})", "one JSON object on the line",
                       "Correct the line; each brief is one object on one line, in UTF-8.")


def _open_parquet(path: Path, _: InputSettings) -> Sheet:
    import pyarrow.parquet as pq

    inside = (file for file in sorted(path.rglob("*.parquet")) if file.is_file())
    visible = [file for file in inside if not any(part[0] in "._" for part in file.relative_to(path).parts)]
    files = visible if path.is_dir() else [path]
    if not files:
        raise BriefsError(str(path), "a folder without .parquet files", "a sheet, or a folder of Parquet files",
                          "Correct the path.")
    names: dict[str, None] = {}
    for file in files:
        try:
            own = pq.read_schema(file).names
        except DAMAGE as exc:
            raise _unreadable(file, exc) from exc
        _check_headings(file, own)
        names.update(dict.fromkeys(own))

    def rows(used: Collection[int]) -> Iterator[RawRow]:
        wanted = {name for index, name in enumerate(names) if index in used}
        return (row for file in files for row in _guarded(file, _parquet_rows(file, list(names), wanted)))

    return Sheet([name.strip() for name in names], rows)


def _parquet_rows(file: Path, names: list[str], wanted: set[str]) -> Iterator[RawRow]:
    import pyarrow.parquet as pq

    name, line = writable(file), 0
    with pq.ParquetFile(file) as parquet:
        own = set(parquet.schema_arrow.names)
        read = [name for name in names if name in own & wanted]
        for batch in parquet.iter_batches(PARQUET_BATCH_ROWS, columns=read):
            columns = dict(zip(batch.schema.names, map(_column_values, batch.columns), strict=True))
            absent = {name: repeat(UNREAD if name in own else None) for name in names if name not in columns}
            every = [columns[name] if name in columns else absent[name] for name in names]
            for _, *cells in zip(range(batch.num_rows), *every, strict=False):  # `repeat` has no end
                line += 1
                yield RawRow(name, line, cells)


def _column_values(column: object) -> list[object]:
    import pyarrow as pa

    try:
        values: list[object] = column.to_pylist()  # type: ignore[attr-defined]
    except UnicodeDecodeError:  # some writers do not check: only the cells concerned shall fail
        binary: list[bytes | None] = column.cast(pa.binary()).to_pylist()  # type: ignore[attr-defined]
        values = [None if cell is None else cell.decode("utf-8", MARK_UNDECODABLE) for cell in binary]
    return values


def _open_xlsx(path: Path, settings: InputSettings) -> Sheet:
    def every_row() -> Iterator[RawRow]:
        return _guarded(path, _xlsx_rows(path, settings.sheet))

    header = next((row for row in every_row() if not is_blank(row.cells)), RawRow("", 0, ()))
    headings = _cell_names(header.cells)

    def rows(_: Collection[int]) -> Iterator[RawRow]:
        for row in every_row():
            if row.line > header.line:
                yield fitted(row, len(headings), pad=True)

    return Sheet(headings, rows)


def _xlsx_rows(path: Path, wanted: str) -> Iterator[RawRow]:
    """Cached values of one worksheet: of a formula, what was shown when the workbook was last saved by Excel."""
    import warnings

    from openpyxl import load_workbook

    name = writable(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "no default style" and the like
        book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
    try:
        sheets = {sheet.title: sheet for sheet in book.worksheets}
        if wanted not in sheets and (wanted or not sheets):
            raise BriefsError(str(path), f"no worksheet {shown(wanted)}", f"one of {', '.join(sheets)}",
                              f"Correct input.sheet.{nearest(wanted, list(sheets))}")
        sheet = sheets[wanted or next(iter(sheets))]
        sheet.reset_dimensions()  # some programs write a wrong extent, which would cut cells off
        for line, values in enumerate(sheet.iter_rows(values_only=True), start=1):
            # Excel writes a carriage return inside a cell as this escape (ECMA-376, ST_Xstring).
            yield RawRow(name, line, [v.replace("_x000D_", "") if isinstance(v, str) else v for v in values])
    finally:
        book.close()
