"""Published texts as Word documents: one for each content type, in which each text stands as readers see it.

Only what a document must have by ECMA-376 is written, as it streams by: a library would hold a night's texts in memory.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO
from xml.sax.saxutils import escape, quoteattr

from aigc.content import base_language
from aigc.dialogue import said_in
from aigc.labels.carriers import write_label
from aigc.labels.visible import document_words
from aigc.publishing.markdown import slug
from aigc.publishing.prose import Block, Line, Piece, blocks
from aigc.publishing.values import Issue, Oversight, Published
from aigc.publishing.word_parts import HEAD, INDENT, LAST_HEADING, PAGE, SPACE, parts
from aigc.review_sheet.spelling import shown
from aigc.review_sheet.workbook import RIGHT_TO_LEFT

_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every part: the same texts are the same bytes."""
_OVERSIGHT: dict[str, dict[Oversight, str]] = {
    "en": {"none": "not reviewed", "approved": "approved by an editor", "edited": "edited by a person, and approved"},
    "zh": {"none": "未经审核", "approved": "编辑审核通过", "edited": "经人工修改，审核通过"},
}
_EAST_ASIAN = ("zh", "ja", "ko")
_STYLES = {"paragraph": "Normal", "bullet": "ListBullet", "quote": "Quote", "code": "Code"}


def write_word(issue: Issue) -> list[Path]:
    """`docx/<content type>.docx`, with the hidden label as a property, and a visible one where texts have none."""
    folder = issue.folder / "docx"
    folder.mkdir()
    silent = _silent(issue)
    documents: dict[str, _Document] = {}
    with ExitStack() as stack:
        for row in issue.rows():
            kind = row.content_type
            if kind not in documents:
                path = folder / f"{_free(slug(kind), {one.path.stem for one in documents.values()})}.docx"
                title, labels = issue.titles.get(kind, kind), document_words(silent.get(kind, ()))
                documents[kind] = stack.enter_context(_Document(path, title, labels))
            documents[kind].add(row)
    paths = [document.path for document in documents.values()]
    for path in paths if issue.label else []:
        write_label(path, issue.label)  # type: ignore[arg-type]
    return paths


def _silent(issue: Issue) -> dict[str, set[str]]:
    """By content type, the languages of texts without a visible label; none where settings leave labels out."""
    found: dict[str, set[str]] = {}
    for row in issue.rows() if issue.visible != "off" else ():
        if not row.disclosure:
            found.setdefault(row.content_type, set()).add(row.language)
    return found


class _Document:
    """A document that is written text by text."""

    def __init__(self, path: Path, title: str, labels: Iterable[str]) -> None:
        self.path, self._title, self._labels = path, title, labels
        self._stack = ExitStack()
        self._marks = 0

    def __enter__(self) -> _Document:
        with ExitStack() as stack:
            package = stack.enter_context(zipfile.ZipFile(self.path, "w", zipfile.ZIP_DEFLATED))
            for name, part in parts().items():
                package.writestr(_entry(name), part)
            body = _entry("word/document.xml")
            self._body: IO[bytes] = stack.enter_context(package.open(body, "w", force_zip64=True))
            self._stack = stack.pop_all()
        words = self._title.replace("_", " ")
        self._write(f"{HEAD}<w:document {SPACE}><w:body>{_plain(words[:1].upper() + words[1:], 'Heading1')}")
        self._write("".join(_plain(words, "Label") for words in self._labels))
        return self

    def add(self, row: Published) -> None:
        number = f"{row.id}/{row.variant}" if row.variant else row.id
        name = row.name or number
        self._marks += 1
        self._write(_marked(_plain(name, "Heading2", row.language), self._marks, row.record_id))
        said = _OVERSIGHT["zh" if base_language(row.language) == "zh" else "en"][row.provenance.human_oversight]
        known = (number, said) if row.name else (said,)
        self._write(_plain(" · ".join(known), "Record", row.language))
        self._write("".join(_text(row, name)))

    def __exit__(self, *exc: object) -> None:
        self._write(f"{PAGE}</w:body></w:document>")
        self._stack.close()

    def _write(self, xml: str) -> None:
        self._body.write(xml.encode("utf-8"))


def _text(row: Published, name: str) -> Iterator[str]:
    """The paragraphs of a text, without the heading that stands over it, and its label where it stands."""
    label = [_plain(row.disclosure, "Label", row.language)] if row.disclosure else []
    yield from label if row.label_first else ()
    above = 2  # headings of the text are below the one that stands over it
    for at, block in enumerate(blocks(row.unlabelled, {one.speaker for one in said_in(row.fields)})):
        if at == 0 and " ".join(block.plain.split()).casefold() == name.casefold():
            above = 1
            continue
        yield _paragraph(block, row.language, above)
    yield from () if row.label_first else label


def _paragraph(block: Block, language: str, above: int) -> str:
    if block.kind == "rule":
        border = '<w:pBdr><w:bottom w:val="single" w:sz="4" w:space="1" w:color="9AA3AF"/></w:pBdr>'
        return f'<w:p><w:pPr><w:pStyle w:val="Normal"/>{border}</w:pPr></w:p>'
    if block.kind == "heading":
        level = min(max(block.level + above, 3), LAST_HEADING)
        return _laid_out(block.lines, f"Heading{level}", language)
    if block.kind == "number":  # as it was written: the program that opens it counts nothing anew
        left = INDENT * (block.level + 1)
        lines = ((Piece(f"{block.mark}\t"), *block.lines[0]), *block.lines[1:])
        return _laid_out(lines, "ListNumber", language, f'<w:tabs><w:tab w:val="left" w:pos="{left}"/></w:tabs>',
                         f'<w:ind w:left="{left}" w:hanging="{INDENT}"/>')
    deeper = f'<w:numPr><w:ilvl w:val="{block.level}"/><w:numId w:val="1"/></w:numPr>'
    return _laid_out(block.lines, _STYLES[block.kind], language, deeper if block.kind == "bullet" else "")


def _marked(paragraph: str, number: int, record_id: str) -> str:
    """A paragraph with a bookmark, which readers do not see, named by the record that the text is of."""
    mark = re.sub(r"[^A-Za-z0-9]", "_", f"r_{record_id}")[:40]  # what Word takes for the name of one
    start, end = f'<w:bookmarkStart w:id="{number}" w:name="{mark}"/>', f'<w:bookmarkEnd w:id="{number}"/>'
    head, properties, runs = paragraph.partition("</w:pPr>")
    return f"{head}{properties}{start}{runs.removesuffix('</w:p>')}{end}</w:p>"


def _plain(text: str, style: str, language: str = "en") -> str:
    return _laid_out([(Piece(text),)], style, language)


def _laid_out(lines: Iterable[Line], style: str, language: str, look: str = "", indent: str = "") -> str:
    """A paragraph; its properties have the order that the standard wants: `look`, direction, `indent`."""
    direction = "<w:bidi/>" if base_language(language) in RIGHT_TO_LEFT else ""
    runs = "<w:r><w:br/></w:r>".join("".join(_run(piece, language) for piece in line) for line in lines)
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/>{look}{direction}{indent}</w:pPr>{runs}</w:p>'


def _run(piece: Piece, language: str) -> str:
    base = base_language(language)
    from_right = base in RIGHT_TO_LEFT
    script = "bidi" if from_right else "eastAsia" if base in _EAST_ASIAN else "val"
    look = ("<w:b/><w:bCs/>" if piece.bold else "") + ("<w:i/><w:iCs/>" if piece.italic else "")
    lines = "<w:br/>".join(
        "<w:tab/>".join(f'<w:t xml:space="preserve">{escape(part)}</w:t>' for part in line.split("\t"))
        for line in shown(piece.text).split("\n"))
    rtl = "<w:rtl/>" if from_right else ""
    return f"<w:r><w:rPr>{look}{rtl}<w:lang w:{script}={quoteattr(shown(language))}/></w:rPr>{lines}</w:r>"


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _free(name: str, taken: set[str]) -> str:
    """`name`, or with a number behind it where it is taken: the names of two types may be alike in ASCII."""
    number, free = 2, name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free
