"""What was changed in a cell: by its editor, or by the program that saved it.

Spreadsheets change line ends, drop blanks at the end of a line, make numbers and dates of what looks like one, and
characters that their encoding lacks to question marks. None of that is an edit.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import Literal, TypeAlias

from aigc.cells import is_formula
from aigc.records import OutputValue
from aigc.review.intake import clean
from aigc.review_sheet.spelling import csv_cell, from_csv, from_workbook, shown, workbook_cell
from aigc.sheets.cells import Problem

Difference: TypeAlias = Literal["same", "mangled", "edited"]
LONGEST_MANGLED = 40
"""Characters of a text that a spreadsheet may take for a number or a date."""
_UNICODE = ("utf-8", "utf-8-sig", "utf-16", "gb18030")
"""Encodings that have every character. GB18030 is what GBK is read as, so of it `lost` asks GBK."""
_LEGACY = ("cp1252", "gbk", "mac_roman", "latin-1", "cp950")
_BLANKS_AT_END = re.compile(r"[^\S\n]+$", re.M)
_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[a-z]{0,6}"
_DATE = re.compile(
    r"[0-9]{1,4}[-/.年 ][0-9]{1,2}([-/.月 ][0-9]{1,4}[日号]?)?([T ][0-9:.]+)?|[0-9]{1,2}:[0-9]{2}(:[0-9.]+)?( ?[AP]M)?"
    rf"|[0-9]{{1,2}}月([0-9]{{1,2}}[日号])?|{_MONTH}[-. ,]*[0-9]{{1,4}}(, ?[0-9]{{4}})?"
    rf"|[0-9]{{1,2}}[- ]{_MONTH}([- ][0-9]{{2,4}})?", re.I)


def difference(original: str, found: str, language: str, encoding: str) -> Difference:
    """How a cell differs from the text that it was written with; `encoding` is that of the file it came back in."""
    # LibreOffice 7.4 reads `_x005F_` as the underscore that it stands for, and writes it without.
    spellings = (original, shown(original), from_csv(csv_cell(original)), from_workbook(original))
    as_written = {plain(text, language) for text in spellings}
    got = plain(found, language)
    if got in as_written:
        return "same"
    if len(original) > LONGEST_MANGLED:
        as_written.add(plain(workbook_cell(original), language))  # where a long text was cut
    if any(got in (plain(lossy, language) for lossy in lost(text, encoding)) for text in as_written):
        return "same"
    return "mangled" if _is_mangled(original.strip(), got) else "edited"


def plain(text: str, language: str) -> str:
    """`text` for comparison: what a spreadsheet does to any text is undone in both."""
    text = _BLANKS_AT_END.sub("", unicodedata.normalize("NFC", clean(text, language)))
    return text.lstrip("'") if is_formula(text) else text


def lost(text: str, encoding: str) -> list[str]:
    """`text` after a program saved it in an encoding that lacks some of its characters: one or two `?` for each."""
    codec = {"gb18030": "gbk"}.get(encoding, encoding)
    if codec in _UNICODE or _fits(text, codec):
        return []
    return ["".join(char if _fits(char, codec) else mark * (2 if mark_pairs and ord(char) > 0xFFFF else 1)
                    for char in text) for mark, mark_pairs in (("?", True), ("?", False))]


def is_garbled(original: str, found: str) -> bool:
    """Whether `found` is the text as UTF-8 that a program read in another encoding."""
    rest = found.replace("\ufffd", "").replace("?", "")
    return not original.isascii() and any(
        rest == original.encode("utf-8", "replace").decode(codec, "ignore").replace("?", "") for codec in _LEGACY)


def parse_field(original: OutputValue, text: str, name: str) -> OutputValue:
    """An edited cell as the output field that it was written from.

    Raises:
        Problem: it cannot be told where an entry ends, or a part of one.
    """
    if isinstance(original, str):
        return text
    entries = [entry if isinstance(entry, str) else ": ".join(entry.values()) for entry in original]
    parts = next((tuple(entry) for entry in original if isinstance(entry, dict)), ())
    if any("\n" in entry for entry in entries) or any(
        re.search("[:：]", part) for entry in original if isinstance(entry, dict) for part in [*entry.values()][:-1]
    ):
        raise Problem("unclear_field", f"changes in {name}, whose entries have line breaks or colons of their own",
                      "entries that are a line each", "Edit this text in review.html.")
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return [_parts(line, parts, name) for line in lines] if parts else lines


def _parts(line: str, names: tuple[str, ...], name: str) -> dict[str, str]:
    texts = [part.strip() for part in re.split("[:：]", line, maxsplit=len(names) - 1)]
    if len(texts) < len(names) or not all(texts):
        form = ": ".join(names)
        raise Problem("unclear_field", f"a line of {name} without its {len(names)} parts", f"'{form}' on each line",
                      "Correct the line.")
    return dict(zip(names, texts, strict=True))


def _is_mangled(original: str, found: str) -> bool:
    """Whether `found` is what a spreadsheet makes of `original` when it takes it for a number, a date, or yes or no."""
    if not original or len(original) > LONGEST_MANGLED or len(found) > LONGEST_MANGLED:
        return False
    number, got = _number(original), _number(found)
    if number is not None and got is not None:
        rounded = "e" in found.casefold() and abs(number - got) * 10_000 < abs(number)
        return number == got or rounded
    if original.casefold() in ("true", "false"):
        return original.casefold() == found.casefold()
    return bool(_DATE.fullmatch(original) and (_DATE.fullmatch(found) or got is not None))


def _number(text: str) -> Decimal | None:
    plain_text = unicodedata.normalize("NFKC", text).replace(",", "").replace(" ", "")
    percent = plain_text.endswith("%")
    try:
        number = Decimal(plain_text.removesuffix("%"))
    except InvalidOperation:
        return None
    return (number / 100 if percent else number) if number.is_finite() else None


def _fits(text: str, codec: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
