"""A published text as blocks: its headings, paragraphs, lists and quotations, and what is bold or italic in them.

Layouts, models and editors write Markdown; so much of it is read as such texts have. What is not surely Markdown stays
as it was written, and a line break is one: a song is not a paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Literal, NamedTuple, TypeAlias

BlockKind: TypeAlias = Literal["heading", "paragraph", "bullet", "number", "quote", "code", "rule"]
MOST_LEVELS = 3
_FENCE = re.compile(r" {0,3}(?:```|~~~)")
_RULE = re.compile(r" {0,3}(?:\*[ \t]*){3,}$| {0,3}(?:-[ \t]*){3,}$| {0,3}(?:_[ \t]*){3,}$")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)")
_BULLET = re.compile(r"([ \t]*)[-*+•][ \t]+(\S.*)")
_NUMBER = re.compile(r"([ \t]*)(\d{1,3}[.)])[ \t]+(\S.*)")
_QUOTE = re.compile(r" {0,3}>[ \t]?(.*)")
_INLINE = re.compile(
    r"\\(?P<plain>[\\`*_#\[\]])"
    r"|`(?P<code>[^`\n]{1,500})`"
    r"|\*\*(?=[^\s*])(?P<strong>.{0,1000}?[^\s*])\*\*"
    r"|(?<!\w)__(?=[^\s_])(?P<strong2>.{0,1000}?[^\s_])__(?!\w)"
    r"|(?<![A-Za-z0-9*])\*(?=[^\s*])(?P<em>[^*]{0,1000}?[^\s*])\*(?![A-Za-z0-9*])"
    r"|(?<![\w_])_(?=[^\s_])(?P<em2>[^_]{0,1000}?[^\s_])_(?![\w_])"
    r"|\[(?P<words>[^\]\[\n]{1,300})\]\((?P<target>https?://[^\s()]{1,500})\)"
)


class Piece(NamedTuple):
    """Characters that look alike."""

    text: str
    bold: bool = False
    italic: bool = False


Line: TypeAlias = tuple[Piece, ...]


class Block(NamedTuple):
    """A block of lines. `level` of a heading counts from 1, of a list's entry from 0; `mark` is an entry's number."""

    kind: BlockKind
    lines: tuple[Line, ...] = ()
    level: int = 0
    mark: str = ""

    @property
    def plain(self) -> str:
        """What it says, without how it looks."""
        return "\n".join("".join(piece.text for piece in line) for line in self.lines)


def blocks(text: str, speakers: Collection[str] = ()) -> Iterator[Block]:
    """The blocks of a text in their order. A line of one of `speakers` is a paragraph that begins with a bold name."""
    paragraph: list[Line] = []
    entry: list[Line] = []
    lines = iter(text.replace("\r\n", "\n").split("\n"))
    last: Block | None = None
    for line in lines:
        said = _said(line, speakers)
        found = None if said else _block(line, lines)
        if last and not found and last.kind in ("bullet", "number") and line[:2].isspace() and line.strip():
            entry.append(pieces(line.strip()))  # it goes on
            continue
        if last:
            yield last._replace(lines=(*last.lines, *entry))
            last, entry = None, []
        if (found or said or not line.strip()) and paragraph:
            yield Block("paragraph", tuple(paragraph))
            paragraph = []
        if found:
            last = found
        elif line.strip():
            paragraph.append(said or pieces(line.strip()))
    if last:
        yield last._replace(lines=(*last.lines, *entry))
    if paragraph:
        yield Block("paragraph", tuple(paragraph))


def pieces(line: str, *, bold: bool = False, italic: bool = False) -> Line:
    """A line parted where its look changes."""
    found, end = list[Piece](), 0
    for match in _INLINE.finditer(line):
        found.append(Piece(line[end : match.start()], bold, italic))
        end = match.end()
        if strong := match["strong"] or match["strong2"]:
            found += pieces(strong, bold=True, italic=italic)
        elif em := match["em"] or match["em2"]:
            found += pieces(em, bold=bold, italic=True)
        elif words := match["words"]:
            found += pieces(words, bold=bold, italic=italic)
            found.append(Piece("" if words == match["target"] else f" ({match['target']})", bold, italic))
        else:
            found.append(Piece(match["plain"] or match["code"], bold, italic))
    found.append(Piece(line[end:], bold, italic))
    return tuple(piece for piece in found if piece.text)


def with_hard_breaks(text: str) -> str:
    """Markdown in which every line break of a paragraph is one: readers of Markdown join its lines otherwise."""
    lines, is_code = text.split("\n"), False
    for at, (line, after) in enumerate(zip(lines, [*lines[1:], ""], strict=True)):
        if _FENCE.match(line):
            is_code = not is_code
        elif not is_code and _goes_on(line) and after.strip() and not _begins(after):
            lines[at] = f"{line.rstrip()}  "
    return "\n".join(lines)


def _goes_on(line: str) -> bool:
    """Whether the next line can belong to this one's paragraph."""
    is_table = line.lstrip().startswith("|")
    return bool(line.strip()) and not (is_table or _HEADING.match(line) or _RULE.match(line))


def _begins(line: str) -> bool:
    """Whether a line begins a block of its own."""
    return any(form.match(line) for form in (_FENCE, _RULE, _HEADING, _BULLET, _NUMBER, _QUOTE))


def _block(line: str, rest: Iterator[str]) -> Block | None:
    """The block of its own that a line is or begins; code takes its lines from `rest`."""
    if _FENCE.match(line):
        return Block("code", tuple(_code(rest)))
    if _RULE.match(line):
        return Block("rule")
    if match := _HEADING.match(line):
        return Block("heading", (pieces(_unclosed(match[2].strip())),), len(match[1]))
    if match := _BULLET.match(line):
        return Block("bullet", (pieces(match[2]),), _level(match[1]))
    if match := _NUMBER.match(line):
        return Block("number", (pieces(match[3]),), _level(match[1]), match[2])
    match = _QUOTE.match(line)
    return Block("quote", (pieces(match[1].strip()),)) if match else None


def _unclosed(heading: str) -> str:
    """A heading without the marks that may close it: an expression for them takes long over many spaces."""
    words = heading.rstrip("#")
    return words.rstrip() if words[-1:].isspace() else heading


def _code(rest: Iterator[str]) -> Iterator[Line]:
    for line in rest:
        if _FENCE.match(line):
            return
        yield (Piece(line),)


def _level(indent: str) -> int:
    return min(len(indent.expandtabs(4)) // 2, MOST_LEVELS - 1)


def _said(line: str, speakers: Collection[str]) -> Line:
    """A line of a dialogue, its speaker in bold; empty where it is none."""
    for speaker in speakers:
        for colon in (": ", "："):
            if speaker and line.startswith(speaker + colon):
                return (Piece(speaker + colon, bold=True), *pieces(line[len(speaker + colon) :].strip()))
    return ()
