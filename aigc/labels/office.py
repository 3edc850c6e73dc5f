"""The hidden label in Office files: a custom property `AIGC` of the package (ECMA-376, part 1, 22.3).

Files are taken for hostile: parts are read up to a limit, and XML that declares a document type is refused, as the
standard does (part 2, 8.1.4), so that no entity is ever expanded.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from aigc.errors import LabelError
from aigc.labels.hidden import KEY, HiddenLabel, label_text

_TYPES, _RELATIONS = "[Content_Types].xml", "_rels/.rels"
_PART = "docProps/custom.xml"
_PART_TYPE = "application/vnd.openxmlformats-officedocument.custom-properties+xml"
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/custom-properties"
_PROPERTIES = "http://schemas.openxmlformats.org/officeDocument/2006/custom-properties"
_VARIANTS = "http://schemas.openxmlformats.org/officeDocument/2006/docPropsVTypes"
_FORMAT_ID = "{D5CDD505-2E9C-101B-9397-08002B2CF9AE}"
"""Of properties that users define."""
MOST_XML_BYTES, MOST_DOCUMENT_BYTES = 1 << 20, 32 << 20
"""Of the parts that are read: a document of a thousand pages has a tenth."""
MOST_PACKAGE_BYTES = 512 << 20
_MOST_DEPTH = 50
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises on damaged, encrypted and strangely packed entries."""


class _DoctypeRefused(ValueError):
    pass


class _Builder(ElementTree.TreeBuilder):
    """A tree of XML without a document type."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise _DoctypeRefused(name)


def labels_of_office(data: bytes, place: str) -> list[str]:
    """The values of the custom properties whose name has `AIGC` in it: annex E a) asks for no more.

    Raises:
        LabelError: this is no Office file, or a damaged or hostile one.
    """
    with _opened(data, place) as package:
        return [_text(item) for item in _properties(package, place) if KEY in item.get("name", "")]


def paragraphs_of_word(data: bytes, place: str) -> Iterator[str]:
    """The paragraphs of a Word file's main part.

    Raises:
        LabelError: it cannot be read.
    """
    with _opened(data, place) as package:
        document = _xml(package, "word/document.xml", place, MOST_DOCUMENT_BYTES)
    for paragraph in document.iter() if document is not None else ():
        if _local(paragraph) == "p":
            yield "".join(part.text or "" for part in paragraph.iter() if _local(part) == "t")


def with_property(data: bytes, label: HiddenLabel, place: str) -> bytes:
    """An Office file with this label, and no other: a file has one (GB 45438-2025, 6.1 c). All else stays as it is.

    Raises:
        LabelError: this is no Office file, or a damaged or hostile one.
    """
    with _opened(data, place) as package:
        refuse_large(data, place)
        part = _part_name(package, place)
        kept = [item for item in _properties(package, place) if KEY not in item.get("name", "")]
        try:
            changed = {part: _custom_xml(kept, label)}
        except ValueError as exc:
            raise _refusal(place, f"{part} with {exc}") from exc
        if part not in package.namelist():
            changed |= {_TYPES: _with_type(package, place), _RELATIONS: _with_relation(package, place)}
        return _rewritten(package, changed, place)


def refuse_large(data: bytes, place: str) -> None:
    """Raise LabelError for a package whose parts would take more memory than any that people make."""
    with _opened(data, place) as package:
        if sum(info.file_size for info in package.infolist()) > MOST_PACKAGE_BYTES:
            raise _refusal(place, f"more than {MOST_PACKAGE_BYTES >> 20} MB unpacked")


def _rewritten(package: zipfile.ZipFile, changed: dict[str, bytes], place: str) -> bytes:
    out = io.BytesIO()
    try:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as written:
            for info in package.infolist():
                entry = zipfile.ZipInfo(info.filename, info.date_time)
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, info.external_attr
                written.writestr(entry, changed.get(info.filename) or package.read(info))
            for name in changed.keys() - set(package.namelist()):
                written.writestr(zipfile.ZipInfo(name), changed[name], zipfile.ZIP_DEFLATED)
    except _UNREADABLE as exc:
        raise _refusal(place, "a part that is damaged or encrypted") from exc
    return out.getvalue()


def _opened(data: bytes, place: str) -> zipfile.ZipFile:
    if not data:
        raise _refusal(place, "no byte")
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise _refusal(place, "a file of the old format, or one with a password")
    try:
        package = zipfile.ZipFile(io.BytesIO(data))
    except _UNREADABLE as exc:
        cut = data.startswith(b"PK\3\4")
        raise _refusal(place, "a package that is cut off or damaged" if cut else "no package of Office") from exc
    names = package.namelist()
    if _TYPES not in names:
        raise _refusal(place, "a ZIP file that is no package of Office")
    if len(names) != len(set(names)):
        raise _refusal(place, "a package that has a part twice")
    return package


def _xml(
    package: zipfile.ZipFile, name: str, place: str, most_bytes: int = MOST_XML_BYTES
) -> ElementTree.Element | None:
    """The tree of a part; None where the package does not have it."""
    if name not in package.namelist():
        return None
    try:
        with package.open(name) as part:
            data = part.read(most_bytes + 1)
        if len(data) > most_bytes:
            raise _refusal(place, f"{name} of more than {most_bytes >> 20} MB")
        parser = ElementTree.XMLParser(target=_Builder())  # noqa: S314 - without a document type there are no entities
        parser.feed(data)
        return parser.close()
    except _DoctypeRefused as exc:
        raise _refusal(place, f"{name} with a document type, which no Office program writes") from exc
    except ElementTree.ParseError as exc:
        raise _refusal(place, f"{name} with broken XML") from exc
    except _UNREADABLE as exc:
        raise _refusal(place, f"{name} that is damaged or encrypted") from exc


def _part_name(package: zipfile.ZipFile, place: str) -> str:
    """The part of custom properties, which the package's relations name."""
    relations = _xml(package, _RELATIONS, place)
    named = [item.get("Target", "") for item in relations if item.get("Type", "").endswith("/custom-properties")
             ] if relations is not None else []
    return named[0].lstrip("/") if named else _PART


def _properties(package: zipfile.ZipFile, place: str) -> list[ElementTree.Element]:
    tree = _xml(package, _part_name(package, place), place)
    return [item for item in tree if _local(item) == "property"] if tree is not None else []


def _custom_xml(kept: list[ElementTree.Element], label: HiddenLabel) -> bytes:
    added = ElementTree.Element(f"{{{_PROPERTIES}}}property", {"name": KEY})
    ElementTree.SubElement(added, f"{{{_VARIANTS}}}lpwstr").text = label_text(label)
    for number, item in enumerate([*kept, added], 2):  # 0 and 1 are reserved
        item.set("fmtid", item.get("fmtid") or _FORMAT_ID)
        item.set("pid", str(number))
    root = ElementTree.Element(f"{{{_PROPERTIES}}}Properties")
    root.extend([*kept, added])
    return _written(root, _PROPERTIES, {_VARIANTS: "vt"})


def _with_type(package: zipfile.ZipFile, place: str) -> bytes:
    types = _xml(package, _TYPES, place)
    if types is None:
        raise _refusal(place, "no types of parts")
    space = _space(types)
    if not any(item.get("PartName") == f"/{_PART}" for item in types):
        ElementTree.SubElement(types, f"{{{space}}}Override", {"PartName": f"/{_PART}", "ContentType": _PART_TYPE})
    return _written(types, space, {})


def _with_relation(package: zipfile.ZipFile, place: str) -> bytes:
    relations = _xml(package, _RELATIONS, place)
    if relations is None:
        raise _refusal(place, "no relations of the package")
    taken, space = {item.get("Id") for item in relations}, _space(relations)
    if not any(item.get("Type", "").endswith("/custom-properties") for item in relations):
        name = next(name for number in range(1, len(taken) + 2) if (name := f"rId{number}") not in taken)
        given = {"Id": name, "Type": _RELATION, "Target": _PART}
        ElementTree.SubElement(relations, f"{{{space}}}Relationship", given)
    return _written(relations, space, {})


def _written(root: ElementTree.Element, default: str, prefixes: dict[str, str]) -> bytes:
    """XML with `default` as its namespace: ElementTree would call it ns0, which not every reader of packages takes."""
    names = {default: "", **{uri: f"{prefix}:" for uri, prefix in prefixes.items()}}
    spaces = f" xmlns={quoteattr(default)}" + "".join(
        f" xmlns:{prefix}={quoteattr(uri)}" for uri, prefix in prefixes.items())

    def name_of(tag: str) -> str:
        uri, _, local = tag[1:].rpartition("}") if tag.startswith("{") else ("", "", tag)
        if uri and uri not in names:
            names[uri] = f"x{len(names)}:"
        return f"{names.get(uri, '')}{local}"

    def write(element: ElementTree.Element, depth: int = 0) -> str:
        if depth > _MOST_DEPTH:
            raise ValueError(f"XML of more than {_MOST_DEPTH} levels")
        name = name_of(element.tag)
        given = "".join(f" {name_of(key)}={quoteattr(value)}" for key, value in element.items())
        inner = escape(element.text or "") + "".join(write(part, depth + 1) for part in element)
        return f"<{name}{given}>{inner}</{name}>{escape(element.tail or '')}"

    body = "".join(map(write, root))
    more = "".join(f" xmlns:{prefix[:-1]}={quoteattr(uri)}" for uri, prefix in names.items()
                   if prefix and uri not in prefixes)
    name = name_of(root.tag)
    xml = f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<{name}{spaces}{more}>{body}</{name}>'
    return xml.encode()


def _text(element: ElementTree.Element) -> str:
    return "".join(element.itertext()).strip()


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _space(element: ElementTree.Element) -> str:
    return element.tag[1:].rpartition("}")[0] if element.tag.startswith("{") else ""


def _refusal(place: str, found: str) -> LabelError:
    return LabelError(place, found, "an Office file (.xlsx or .docx) that is whole",
                      "Restore it from a copy, or save it again.")
