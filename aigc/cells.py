"""Cells of CSV files for spreadsheets: never a formula, never longer than a cell can be."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aigc.records import OutputValue

CELL_UNITS = 32_767
"""What an Excel cell holds at most, in UTF-16 code units."""
# CWE-1236. Spreadsheets skip spaces and quotes before a formula, and some read full-width signs as signs.
_FORMULA = re.compile(r"[\t\r\n]|[\s\ufeff\"'`“”‘’＂＇]*[=+\-@＝＋－＠]")


def csv_line(cells: Sequence[str | int]) -> bytes:
    """A line as RFC 4180 has it, all cells quoted: csv.writer takes five times as long on texts."""
    return (",".join('"' + str(cell).replace('"', '""') + '"' for cell in cells) + "\r\n").encode()


def cell_text(value: OutputValue) -> str:
    """A field as one cell: an entry a line; an entry of several texts as `speaker: line`."""
    if isinstance(value, str):
        return value
    return "\n".join(entry if isinstance(entry, str) else ": ".join(entry.values()) for entry in value)


def cell(text: str, whole: str) -> str:
    """`text` as a spreadsheet can hold it: never a formula, never longer than a cell. `whole` has it uncut."""
    text = cut(text, whole)
    return f"'{text}" if is_formula(text) else text


def cut(text: str, whole: str) -> str:
    """`text`, no longer than a cell can be; `whole` has it uncut."""
    return text if len(text) < CELL_UNITS // 2 else _cut(text, f"… (whole text in {whole})")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet might run `text`."""
    return _FORMULA.match(text) is not None


def _cut(text: str, note: str) -> str:
    units = text.encode("utf-16-le")
    if len(units) < 2 * CELL_UNITS:
        return text
    return units[: 2 * (CELL_UNITS - 1 - len(note))].decode("utf-16-le", "ignore") + note
