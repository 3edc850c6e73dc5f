"""Published texts as Word documents: one for each content type, a heading for each text and for each of its fields.

Only what a document must have by ECMA-376 is written, as it streams by: a library would hold a night's texts in memory.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from aigc.content import base_language
from aigc.labels.carriers import write_label
from aigc.publishing.markdown import slug
from aigc.publishing.values import Issue, Oversight, Published
from aigc.review_sheet.spelling import shown
from aigc.review_sheet.workbook import RIGHT_TO_LEFT

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_SPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every part: the same texts are the same bytes."""
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{_WORD}.document.main+xml"/>'
        f'<Override PartName="/word/styles.xml" ContentType="{_WORD}.styles+xml"/>'
        f'<Override PartName="/word/numbering.xml" ContentType="{_WORD}.numbering+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
    "word/_rels/document.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/styles" Target="styles.xml"/>'
        f'<Relationship Id="rId2" Type="{_OFFICE}/numbering" Target="numbering.xml"/></Relationships>',
    "word/numbering.xml": f'<w:numbering {_SPACE}><w:abstractNum w:abstractNumId="0"><w:multiLevelType '
        'w:val="singleLevel"/><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="bullet"/><w:lvlText w:val="•"/>'
        '<w:lvlJc w:val="left"/><w:pPr><w:ind w:left="357" w:hanging="357"/></w:pPr></w:lvl></w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>',
}


class _Look(NamedTuple):
    """How a heading looks: its size in half points, what stands before and after it in twentieths, its colour."""

    half_points: int
    before: int
    after: int
    colour: str


_HEADINGS = {"Heading1": _Look(40, 0, 240, "1F2A37"), "Heading2": _Look(26, 480, 60, "1F2A37"),
             "Heading3": _Look(18, 160, 20, "5B6470")}
_OVERSIGHT: dict[Oversight, str] = {
    "none": "not reviewed", "approved": "approved by an editor", "edited": "edited by a person, and approved"}
_EAST_ASIAN = ("zh", "ja", "ko")
_BLOCK = re.compile(r"\n[ \t]*\n\s*")


def write_word(issue: Issue) -> list[Path]:
    """`docx/<content type>.docx`, with the hidden label as a property."""
    folder = issue.folder / "docx"
    folder.mkdir()
    documents: dict[str, _Document] = {}
    with ExitStack() as stack:
        for row in issue.rows():
            if row.content_type not in documents:
                path = folder / f"{_free(slug(row.content_type), {one.path.stem for one in documents.values()})}.docx"
                documents[row.content_type] = stack.enter_context(_Document(path, row.content_type))
            documents[row.content_type].add(row)
    paths = [document.path for document in documents.values()]
    for path in paths if issue.label else []:
        write_label(path, issue.label)  # type: ignore[arg-type]
    return paths


class _Document:
    """A document that is written text by text."""

    def __init__(self, path: Path, title: str) -> None:
        self.path, self._title = path, title
        self._stack = ExitStack()

    def __enter__(self) -> _Document:
        with ExitStack() as stack:
            package = stack.enter_context(zipfile.ZipFile(self.path, "w", zipfile.ZIP_DEFLATED))
            for name, part in {**_PARTS, "word/styles.xml": _styles()}.items():
                package.writestr(_entry(name), _HEAD + part)
            body = _entry("word/document.xml")
            self._body: IO[bytes] = stack.enter_context(package.open(body, "w", force_zip64=True))
            self._stack = stack.pop_all()
        self._write(f"{_HEAD}<w:document {_SPACE}><w:body>{_paragraph(_words(self._title), 'Heading1')}")
        return self

    def add(self, row: Published) -> None:
        name = f"{row.id}/{row.variant}" if row.variant else row.id
        self._write(_paragraph(name, "Heading2", row.language))
        self._write("".join(_contents(row)))
        self._write(_paragraph(f"{row.record_id}, {_OVERSIGHT[row.provenance.human_oversight]}", "Record"))

    def __exit__(self, *exc: object) -> None:
        self._write('<w:sectPr><w:pgSz w:w="11906" w:h="16838"/>'
                    '<w:pgMar w:top="1134" w:right="1134" w:bottom="1134" w:left="1134" w:header="709" w:footer="709" '
                    'w:gutter="0"/></w:sectPr></w:body></w:document>')
        self._stack.close()

    def _write(self, xml: str) -> None:
        self._body.write(xml.encode("utf-8"))


def _contents(row: Published) -> Iterator[str]:
    """The paragraphs of a text: its fields under their names, else the text itself; its label where it stands."""
    if not row.fields:
        yield from _blocks(row.text, row.language)
        return
    if row.label_first:
        yield from _blocks(row.disclosure, row.language)
    for name, value in row.fields.items():
        yield _paragraph(_words(name), "Heading3")
        if isinstance(value, str):
            yield from _blocks(value, row.language)
            continue
        for entry in value:
            yield (_paragraph(entry, "ListBullet", row.language) if isinstance(entry, str)
                   else _entry_paragraph([*entry.values()], row.language))
    if row.disclosure and not row.label_first:
        yield from _blocks(row.disclosure, row.language)


def _words(name: str) -> str:
    """The name of a type or a field as a heading."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _blocks(text: str, language: str) -> Iterator[str]:
    return (_paragraph(block, "Normal", language) for block in _BLOCK.split(shown(text).strip()))


def _entry_paragraph(parts: Sequence[str], language: str) -> str:
    """An entry of several texts: what somebody says behind their name; of more parts each on a line of its own."""
    first, rest = parts[0], parts[1:]
    joint, lines = (": ", rest[0]) if len(rest) == 1 else ("", "\n" + "\n".join(rest) if rest else "")
    return _paragraph(lines, "Normal", language, bold=first + joint)


def _paragraph(text: str, style: str, language: str = "en", bold: str = "") -> str:
    """A paragraph; what is `bold` of it stands first."""
    direction = "<w:bidi/>" if base_language(language) in RIGHT_TO_LEFT else ""
    runs = (_run(bold, language, "<w:b/><w:bCs/>") if bold else "") + _run(text, language)
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/>{direction}</w:pPr>{runs}</w:p>'


def _run(text: str, language: str, look: str = "") -> str:
    base = base_language(language)
    from_right = base in RIGHT_TO_LEFT
    script = "bidi" if from_right else "eastAsia" if base in _EAST_ASIAN else "val"
    lines = "<w:br/>".join(
        "<w:tab/>".join(f'<w:t xml:space="preserve">{escape(part)}</w:t>' for part in line.split("\t"))
        for line in shown(text).split("\n"))
    rtl = "<w:rtl/>" if from_right else ""
    return f"<w:r><w:rPr>{look}{rtl}<w:lang w:{script}={quoteattr(shown(language))}/></w:rPr>{lines}</w:r>"


def _styles() -> str:
    fonts = '<w:rFonts w:ascii="Calibri" w:hAnsi="Calibri" w:eastAsia="SimSun" w:cs="Arial"/>'
    styles = [
        f'<w:docDefaults><w:rPrDefault><w:rPr>{fonts}<w:sz w:val="22"/><w:szCs w:val="22"/></w:rPr></w:rPrDefault>'
        '<w:pPrDefault><w:pPr><w:spacing w:after="100" w:line="271" w:lineRule="auto"/></w:pPr></w:pPrDefault>'
        "</w:docDefaults>",
        '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style>',
        *(f'<w:style w:type="paragraph" w:styleId="{name}"><w:name w:val="heading {level}"/><w:basedOn w:val="Normal"/>'
          f'<w:next w:val="Normal"/><w:pPr><w:keepNext/><w:spacing w:before="{look.before}" w:after="{look.after}"/>'
          f'<w:outlineLvl w:val="{level - 1}"/></w:pPr><w:rPr><w:b/><w:bCs/><w:color w:val="{look.colour}"/>'
          f'<w:sz w:val="{look.half_points}"/><w:szCs w:val="{look.half_points}"/></w:rPr></w:style>'
          for level, (name, look) in enumerate(_HEADINGS.items(), 1)),
        '<w:style w:type="paragraph" w:styleId="ListBullet"><w:name w:val="List Bullet"/><w:basedOn w:val="Normal"/>'
        '<w:pPr><w:numPr><w:numId w:val="1"/></w:numPr><w:spacing w:after="40"/></w:pPr></w:style>',
        '<w:style w:type="paragraph" w:styleId="Record"><w:name w:val="Record"/><w:basedOn w:val="Normal"/>'
        '<w:pPr><w:spacing w:before="120"/></w:pPr>'
        '<w:rPr><w:color w:val="6B7280"/><w:sz w:val="16"/><w:szCs w:val="16"/></w:rPr></w:style>',
    ]
    return f"<w:styles {_SPACE}>{''.join(styles)}</w:styles>"


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
