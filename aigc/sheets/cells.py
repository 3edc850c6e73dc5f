"""Cells and rows of a sheet as they stand, and the converters that make a declared field's value of a cell.

A converter takes a cell (text, or what Parquet, JSON and Excel hold: numbers, dates, lists) and returns the value, None
or an empty list for a blank cell, or raises `Problem`. Codes, stable for ever:

    cell_too_long       over `input.max_cell_chars`           not_an_integer   no whole number of at most 18 digits
    undecodable         bytes outside the sheet's encoding    not_a_number     no finite decimal number
    control_characters  characters that no text should hold   not_a_boolean    neither yes nor no
    error_value         a spreadsheet's error, e.g. #REF!     unknown_choice   none of the declared choices
    nested_value        an object, or a list of lists         too_long         over the field's own `max_chars`
    out_of_range        a number outside its limits           not_a_persona    no name with a colon behind it
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from html.parser import HTMLParser
from itertools import repeat
from math import isnan
from typing import NamedTuple, TypeAlias

from aigc.content import FieldSpec
from aigc.dialogue import LONGEST_NAME, persona
from aigc.errors import nearest, shown
from aigc.records import FieldValue
from aigc.settings import InputSettings

Convert: TypeAlias = Callable[[object], FieldValue]

MARK_UNDECODABLE = "aigc.mark_undecodable"
"""Codec error handler: a byte that cannot be decoded becomes the lone surrogate U+DC00 + byte, found again later."""
ERROR_VALUES = frozenset({"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#GETTING_DATA",
                          "#SPILL!", "#CALC!"})
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_SEPARATORS = re.compile(r"[;|\n；、]")
_COMMAS = re.compile(r"[,，]")
_INTEGER = re.compile(r"([+-]?(?:[0-9]{1,18}|[0-9]{1,3}(?:,[0-9]{3}){1,5}))(?:\.0*)?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)?(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?")
_BOOLEANS = {"yes": True, "y": True, "true": True, "1": True, "是": True,
             "no": False, "n": False, "false": False, "0": False, "否": False}
_BLOCK_TAGS = frozenset(re.findall(r"\w+", """
    address article aside blockquote body br caption dd div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 head
    header hr html li main nav ol p pre section table tbody tfoot thead title tr ul"""))
_INLINE_TAGS = frozenset(re.findall(r"\w+", """
    a abbr b big center cite code del em font i iframe img ins kbd link mark meta s script small span strike strong
    style sub sup td th u video"""))
_MARKED = re.compile(r"<!\[(?:CDATA\[([^\]<]*)\]\]|(?!CDATA)[^<>]*)>|<[!?][a-zA-Z][^<>]*>")
_OPENS_NO_TAG = re.compile(r"<(?!/?[a-zA-Z][^<>]*>)")
_TAG = re.compile(rf"<!--|</?(?:{'|'.join(sorted(_BLOCK_TAGS | _INLINE_TAGS))})(?:\s[^<>]*)?/?>", re.I)


class Problem(Exception):
    """Why a cell or a row cannot be used: raised by converters, carried by `RawRow`. Never holds a cell's long text."""

    def __init__(self, code: str, found: str, expected: str, remedy: str) -> None:
        self.code, self.found, self.expected, self.remedy = code, found, expected, remedy
        super().__init__(code, found, expected, remedy)


class RawRow(NamedTuple):
    """A row as it stands: `line` is its first physical line from 1 (of Parquet, the row), one cell for each heading."""

    file: str
    line: int
    cells: Sequence[object]
    problem: Problem | None = None


def is_blank(cells: Iterable[object]) -> bool:
    return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells)


def fitted(row: RawRow, width: int, *, pad: bool) -> RawRow:
    """`row` with exactly `width` cells. What is over may only be blank; `pad` fills in what a workbook leaves out."""
    cells = list(row.cells)
    if len(cells) > width and is_blank(cells[width:]):
        del cells[width:]
    elif pad and len(cells) < width:
        cells.extend(repeat(None, width - len(cells)))
    if len(cells) == width or is_blank(cells):
        return row._replace(cells=cells)
    return row._replace(problem=Problem("ragged_row", f"{len(cells)} cells", f"{width} cells, as in the header",
                                        "Quote cells that hold the delimiter or a line break; close every quote."))


def clean_text(cell: object, max_chars: int) -> str:
    """`cell` as text without outer white space, line ends as \\n.

    Raises:
        Problem: too long, undecodable, with control characters (tabs and line ends are none), nested, an error value.
    """
    text = cell if type(cell) is str else _text_of(cell)
    if len(text) > max_chars:
        raise Problem("cell_too_long", f"{len(text):,} characters", f"at most {max_chars:,} (input.max_cell_chars)",
                      "Shorten the cell, or raise the limit.")
    if not text.isprintable():
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if bad := _CONTROL.search(text):
            raise _bad_character(bad)
    text = text.strip()
    if text[:1] == "#" and text in ERROR_VALUES:
        raise Problem("error_value", shown(text), "a value", "Repair the formula, then save the sheet again.")
    return text


def converter(spec: FieldSpec, settings: InputSettings) -> Convert:
    """The function that makes a value of `spec`'s type of a cell."""
    limit = settings.max_cell_chars
    match spec.type:
        case "text":
            return partial(_text, limit=limit, max_chars=spec.max_chars, html=settings.strip_html)
        case "list":
            return partial(_list, limit=limit, max_chars=spec.max_chars, html=settings.strip_html)
        case "integer":
            return partial(_integer, limit=limit)
        case "number":
            return partial(_number, limit=limit)
        case "boolean":
            return partial(_boolean, limit=limit)
        case "persona":
            return partial(_persona, limit=limit, max_chars=spec.max_chars, html=settings.strip_html)
        case "choice":
            return partial(_choice, limit=limit, choices={_folded(choice): choice for choice in spec.choices})


def phrases(cell: object, limit: int) -> list[str]:
    """Keywords: a list whose entries may also be parted by commas, if nothing else parts them; without doubles."""
    entries = _list(cell, limit=limit, max_chars=limit, html=False)
    if len(entries) == 1 and isinstance(cell, str):
        entries = [entry for part in _COMMAS.split(entries[0]) if (entry := part.strip())]
    return list(dict.fromkeys(entries))


def whole_number(cell: object, lowest: int, highest: int, limit: int) -> int | None:
    value = _integer(cell, limit=limit)
    if value is not None and not lowest <= value <= highest:
        raise Problem("out_of_range", f"{value}", f"a whole number from {lowest} to {highest:,}", "Correct the cell.")
    return value


def identifier(cell: object, max_chars: int = 200) -> str | None:
    """An id in Unicode form NFC, on one line."""
    text = unicodedata.normalize("NFC", clean_text(cell, 100 * max_chars))
    if len(text) > max_chars:
        raise Problem("too_long", f"{len(text):,} characters", f"an id of at most {max_chars}", "Shorten the id.")
    if bad := re.search(r"[\n\t]", text):
        raise _bad_character(bad)
    return text or None


def plain_text(html: str) -> str:
    """The text of an HTML fragment: a line for each block, entities decoded, scripts and styles left out."""
    parser = _Text()
    parser.feed(_markup_only(html))
    parser.close()
    lines = (" ".join(line.split()) for line in "".join(parser.parts).split("\n"))
    return "\n".join(line for line in lines if line)


def _markup_only(html: str) -> str:
    """`html` without comments and with every `<` that opens no tag escaped.

    The traps of html.parser: time that grows with the square of unclosed tags and comments, and a failed assertion on
    marked sections that it does not know, such as word processors write.
    """
    first, *rest = _MARKED.sub(r"\1", html).split("<!--")
    kept = [part.partition("-->")[2] if "-->" in part else "<!--" + part for part in rest]
    return _OPENS_NO_TAG.sub("&lt;", "".join([first, *kept]))


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = ""

    def handle_starttag(self, tag: str, _: object) -> None:
        if tag in ("script", "style"):
            self._hidden = tag
        elif not tag.replace("-", "").replace(":", "").isalnum():
            self.parts.append(self.get_starttag_text() or "")  # no tag but, say, an address: <name@example.com>
        self.parts.append("\n" if tag in _BLOCK_TAGS else " " if tag in ("td", "th") else "")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = "" if tag == self._hidden else self._hidden
        self.parts.append("\n" if tag in _BLOCK_TAGS else "")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(re.sub(r"\s+", " ", data))


def _text(cell: object, *, limit: int, max_chars: int, html: bool) -> str | None:
    text = clean_text(cell, limit)
    if html and "<" in text and _TAG.search(text):
        text = plain_text(text)
    if len(text) > max_chars:
        raise Problem("too_long", f"{len(text):,} characters", f"at most {max_chars:,}", "Shorten the cell.")
    return text or None


def _list(cell: object, *, limit: int, max_chars: int, html: bool) -> list[str]:
    if isinstance(cell, list | tuple):
        entries = [_text(_scalar(entry), limit=limit, max_chars=max_chars, html=html) for entry in cell]
        if sum(len(entry or "") for entry in entries) <= limit:
            return [entry for entry in entries if entry]
        cell = "\n".join(entry or "" for entry in entries)
    text = _text(cell, limit=limit, max_chars=max_chars, html=html) or ""
    return [entry for part in _SEPARATORS.split(text) if (entry := part.strip())]


def _integer(cell: object, *, limit: int) -> int | None:
    text = unicodedata.normalize("NFKC", clean_text(cell, limit))
    if not text:
        return None
    match = _INTEGER.fullmatch(text)
    if not match:
        raise Problem("not_an_integer", shown(text), "a whole number such as 12 or 1,200", "Correct the cell.")
    return int(match[1].replace(",", ""))


def _number(cell: object, *, limit: int) -> int | float | None:
    text = unicodedata.normalize("NFKC", clean_text(cell, limit))
    if not text:
        return None
    if _INTEGER.fullmatch(text):
        return _integer(text, limit=limit)
    value = float(text.replace(",", "")) if _NUMBER.fullmatch(text) and re.match(r"[+-]?\.?[0-9]", text) else None
    if value is None or value in (float("inf"), float("-inf")):
        raise Problem("not_a_number", shown(text), "a number such as 12.5 or 1,200", "Correct the cell.")
    return value


def _boolean(cell: object, *, limit: int) -> bool | None:
    text = _folded(clean_text(cell, limit))
    if text and text not in _BOOLEANS:
        raise Problem("not_a_boolean", shown(text), "yes or no (是 or 否, true or false, 1 or 0)", "Correct the cell.")
    return _BOOLEANS.get(text)


def _choice(cell: object, *, limit: int, choices: dict[str, str]) -> str | None:
    text = clean_text(cell, limit)
    if text and _folded(text) not in choices:
        raise Problem("unknown_choice", shown(text), f"one of {', '.join(choices.values())}",
                      f"Correct the cell.{nearest(text, list(choices.values()))}")
    return choices[_folded(text)] if text else None


def _persona(cell: object, *, limit: int, max_chars: int, html: bool) -> str | None:
    text = _text(cell, limit=limit, max_chars=max_chars, html=html)
    if text and persona(text) is None:
        expected = f"NAME: who that is, with a name of at most {LONGEST_NAME} characters"
        raise Problem("not_a_persona", shown(text), expected, "Begin the cell with the name and a colon.")
    return text


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _text_of(value: object) -> str:
    if isinstance(value, list | tuple):
        return "; ".join(_scalar(entry) for entry in value)
    return _scalar(value)


def _scalar(value: object) -> str:
    """A single value as a person would have typed it: 12.0 as 12, midnight as a date, a missing number as nothing."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float():
            whole = value.is_integer() and abs(value) < 1e15
            return str(int(value)) if whole else "" if isnan(value) else repr(value)
        case int() if abs(value) < 10**300:  # Python refuses to write integers of over 4,300 digits
            return str(value)
        case Decimal():
            return "" if value.is_nan() else format(value.normalize(), "f")
        case datetime():
            return (value.date() if value.time() == time() and not value.tzinfo else value).isoformat()
        case date() | time():
            return value.isoformat()
        case timedelta():
            return str(value)
        case bytes():
            return value.decode("utf-8", MARK_UNDECODABLE)
    raise Problem("nested_value", f"a nested value ({type(value).__name__})", "a text, a number or a list of these",
                  "Flatten the column before the sheet is exported.")


def _bad_character(match: re.Match[str]) -> Problem:
    char, position = ord(match[0]), match.start() + 1
    if 0xDC00 <= char <= 0xDCFF:
        return Problem("undecodable", f"the byte 0x{char - 0xDC00:02X} at character {position}, outside the encoding",
                       "text in one encoding", "Save the sheet as UTF-8, or name its encoding as input.encoding.")
    return Problem("control_characters", f"the character U+{char:04X} at character {position}", "plain text",
                   "Delete the character, or export the sheet again.")


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(MARK_UNDECODABLE, _mark)
