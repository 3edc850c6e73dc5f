"""Small files for tests of labels, as the programs that people use write them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from aigc.labels.hidden import HiddenLabel

LABEL = HiddenLabel(
    producer="001191440300708461136T1XGW3", produce_id="run-1", propagator="001191440300708461136T1XGW3",
    propagate_id="run-1",
)
ZH = "本内容由人工智能生成"
_TYPES = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/word/document.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_RELATIONS = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    'Target="word/document.xml"/></Relationships>'
)
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def package(parts: dict[str, str | bytes], encrypted: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name, part in parts.items():
            file.writestr(name, part)
    data = bytearray(out.getvalue())
    if encrypted:  # the flag alone: zipfile then asks for a password
        for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            start = -1
            while (start := data.find(mark, start + 1)) >= 0:
                data[start + at] |= 1
    return bytes(data)


def word(*paragraphs: str, **parts: str | bytes) -> bytes:
    """A Word file of these paragraphs. `custom_xml` gives docProps/custom.xml, `types` and `relations` their parts."""
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    given: dict[str, str | bytes] = {
        "[Content_Types].xml": parts.pop("types", _TYPES),
        "_rels/.rels": parts.pop("relations", _RELATIONS),
        "word/document.xml": parts.pop(
            "document", f'<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>'),
    }
    if "custom_xml" in parts:
        given["docProps/custom.xml"] = parts.pop("custom_xml")
    return package({**given, **parts})


def excel(*texts: str) -> bytes:
    book = openpyxl.Workbook()
    book.active.append(["id", "text"])
    for number, text in enumerate(texts):
        book.active.append([f"b{number}", text])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def parquet(path: Path, *texts: str) -> None:
    table = pa.table({"id": [f"b{number}" for number in range(len(texts))], "text": list(texts)})
    pq.write_table(table.replace_schema_metadata({"kept": "yes"}), path)
