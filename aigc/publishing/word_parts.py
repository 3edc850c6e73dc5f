"""The parts of a Word document beside its text: what it must have by ECMA-376, and the styles of its paragraphs."""

from __future__ import annotations

from typing import NamedTuple

from aigc.publishing.prose import MOST_LEVELS

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml"
HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
SPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
INDENT = 357
"""Of a list's entry, in twentieths of a point."""
PAGE = ('<w:sectPr><w:pgSz w:w="11906" w:h="16838"/>'
        '<w:pgMar w:top="1134" w:right="1134" w:bottom="1134" w:left="1134" w:header="709" w:footer="709" '
        'w:gutter="0"/></w:sectPr>')


class _Look(NamedTuple):
    """How a heading looks: its size in half points, what stands before and after it in twentieths, its colour."""

    half_points: int
    before: int
    after: int
    colour: str


_HEADINGS = {"Heading1": _Look(40, 0, 120, "1F2A37"), "Heading2": _Look(28, 480, 0, "1F2A37"),
             "Heading3": _Look(24, 160, 60, "1F2A37"), "Heading4": _Look(22, 160, 40, "5B6470")}
LAST_HEADING = len(_HEADINGS)


def parts() -> dict[str, str]:
    """All parts but the document's own, by their names."""
    return {
        "[Content_Types].xml": f'{HEAD}<Types xmlns="{_PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/word/document.xml" ContentType="{_WORD}.document.main+xml"/>'
            f'<Override PartName="/word/styles.xml" ContentType="{_WORD}.styles+xml"/>'
            f'<Override PartName="/word/numbering.xml" ContentType="{_WORD}.numbering+xml"/></Types>',
        "_rels/.rels": f'{HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
            f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'{HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
            f'<Relationship Id="rId1" Type="{_OFFICE}/styles" Target="styles.xml"/>'
            f'<Relationship Id="rId2" Type="{_OFFICE}/numbering" Target="numbering.xml"/></Relationships>',
        "word/numbering.xml": f"{HEAD}{_numbering()}",
        "word/styles.xml": f"{HEAD}{_styles()}",
    }


def _numbering() -> str:
    levels = "".join(
        f'<w:lvl w:ilvl="{level}"><w:start w:val="1"/><w:numFmt w:val="bullet"/><w:lvlText w:val="•"/>'
        f'<w:lvlJc w:val="left"/><w:pPr><w:ind w:left="{INDENT * (level + 1)}" w:hanging="{INDENT}"/></w:pPr></w:lvl>'
        for level in range(MOST_LEVELS))
    return (f'<w:numbering {SPACE}><w:abstractNum w:abstractNumId="0"><w:multiLevelType w:val="multilevel"/>{levels}'
            '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>')


def _styles() -> str:
    fonts = '<w:rFonts w:ascii="Calibri" w:hAnsi="Calibri" w:eastAsia="SimSun" w:cs="Arial"/>'
    styles = [
        f'<w:docDefaults><w:rPrDefault><w:rPr>{fonts}<w:sz w:val="22"/><w:szCs w:val="22"/></w:rPr></w:rPrDefault>'
        '<w:pPrDefault><w:pPr><w:spacing w:after="120" w:line="271" w:lineRule="auto"/></w:pPr></w:pPrDefault>'
        "</w:docDefaults>",
        '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style>',
        *(_heading(name, level, look) for level, (name, look) in enumerate(_HEADINGS.items(), 1)),
        _style("ListBullet", "List Bullet", '<w:numPr><w:numId w:val="1"/></w:numPr><w:spacing w:after="40"/>'),
        _style("ListNumber", "List Number", '<w:spacing w:after="40"/>'),
        _style("Quote", "Quote", f'<w:ind w:left="{INDENT}"/>', '<w:i/><w:iCs/><w:color w:val="3F4853"/>'),
        _style("Code", "Code", "", '<w:rFonts w:ascii="Consolas" w:hAnsi="Consolas"/><w:sz w:val="20"/>'),
        _style("Record", "Record", '<w:keepNext/><w:spacing w:after="140"/>',
               '<w:color w:val="6B7280"/><w:sz w:val="16"/><w:szCs w:val="16"/>'),
        _style("Label", "AI Label", '<w:spacing w:before="60"/>', '<w:color w:val="3F4853"/>'),
    ]
    return f"<w:styles {SPACE}>{''.join(styles)}</w:styles>"


def _heading(name: str, level: int, look: _Look) -> str:
    size = f'<w:sz w:val="{look.half_points}"/><w:szCs w:val="{look.half_points}"/>'
    return _style(
        name, f"heading {level}",
        f'<w:keepNext/><w:spacing w:before="{look.before}" w:after="{look.after}"/><w:outlineLvl w:val="{level - 1}"/>',
        f'<w:b/><w:bCs/><w:color w:val="{look.colour}"/>{size}', after='<w:next w:val="Normal"/>')


def _style(key: str, name: str, paragraph: str, run: str = "", after: str = "") -> str:
    """A style of paragraphs; the order of what is in it is the standard's."""
    return (f'<w:style w:type="paragraph" w:styleId="{key}"><w:name w:val="{name}"/><w:basedOn w:val="Normal"/>{after}'
            f"<w:pPr>{paragraph}</w:pPr><w:rPr>{run}</w:rPr></w:style>")
