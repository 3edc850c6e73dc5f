"""Office files from strangers: none of them runs, expands or fills anything, and each is one message."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from label_files import LABEL, package, word

from aigc.errors import LabelError
from aigc.labels.carriers import read_label
from aigc.labels.hidden import label_text
from aigc.labels.office import labels_of_office, paragraphs_of_word, with_property

CP = "http://schemas.openxmlformats.org/officeDocument/2006/custom-properties"
VT = "http://schemas.openxmlformats.org/officeDocument/2006/docPropsVTypes"
BOMB = '<!DOCTYPE p [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {name} "{f"&{inner};" * 10}">' for name, inner in zip("bcdefghij", "abcdefghi", strict=True)) + "]>"


def custom(*pairs: tuple[str, str], doctype: str = "", root: str = "Properties") -> str:
    items = "".join(
        f'<property fmtid="{{D5CDD505-2E9C-101B-9397-08002B2CF9AE}}" pid="{number}" name="{name}">'
        f"<vt:lpwstr>{value}</vt:lpwstr></property>" for number, (name, value) in enumerate(pairs, 2))
    return f'<?xml version="1.0"?>{doctype}<{root} xmlns="{CP}" xmlns:vt="{VT}">{items}</{root}>'


@pytest.mark.parametrize(("custom_xml", "message"), [
    (custom(("AIGC", "&j;"), doctype=BOMB), "found docProps/custom.xml with a document type"),
    (custom(("AIGC", "&x;"), doctype='<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
     "found docProps/custom.xml with a document type"),
    (custom(("AIGC", "x"), doctype='<!DOCTYPE p SYSTEM "http://127.0.0.1:9/x.dtd">'),
     "found docProps/custom.xml with a document type"),
    (custom(("AIGC", "x"), doctype=BOMB).replace('<?xml version="1.0"?>', "").encode("utf-16"),
     "found docProps/custom.xml with a document type"),
    (custom(("AIGC", "x"))[:-20], "found docProps/custom.xml with broken XML"),
    ("", "found docProps/custom.xml with broken XML"),
    (custom(("AIGC", "x" * (2 << 20))), "found docProps/custom.xml of more than 1 MB"),
])
def test_a_hostile_property_is_refused(custom_xml: str | bytes, message: str) -> None:
    data = word("Bread.", custom_xml=custom_xml)
    started = time.monotonic()
    for act in (lambda: labels_of_office(data, "a.docx"), lambda: with_property(data, LABEL, "a.docx")):
        with pytest.raises(LabelError) as caught:
            act()
        assert str(caught.value).startswith(f"a.docx: {message}")
        assert "root:" not in str(caught.value)
    assert time.monotonic() - started < 2


def test_a_part_that_unpacks_to_gigabytes_is_refused_before_it_does() -> None:
    data = word("Bread.", document=b" " * (40 << 20))
    assert len(data) < 300_000
    with pytest.raises(LabelError, match=r"word/document\.xml of more than 32 MB"):
        list(paragraphs_of_word(data, "a.docx"))
    large = package({"[Content_Types].xml": "<Types/>", **{f"p{n}": b" " * (64 << 20) for n in range(9)}})
    with pytest.raises(LabelError, match="more than 512 MB unpacked"):
        with_property(large, LABEL, "a.docx")


@pytest.mark.parametrize(("data", "message"), [
    (package({"a.txt": "x"}), "found a ZIP file that is no package of Office"),
    (package({"[Content_Types].xml": "<Types/>", "docProps/custom.xml": custom(("AIGC", "x"))}, encrypted=True),
     "found docProps/custom.xml that is damaged or encrypted"),
])
def test_what_is_no_readable_package_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        labels_of_office(data, "a.docx")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_package_that_says_two_things_is_refused() -> None:
    import io
    import zipfile

    out = io.BytesIO(word("Bread."))
    with zipfile.ZipFile(out, "a") as file:
        for value in ("one", "two"):
            file.writestr("docProps/custom.xml", custom(("AIGC", value)))
    with pytest.raises(LabelError, match="found a package that has a part twice"):
        labels_of_office(out.getvalue(), "a.docx")


def test_names_of_parts_lead_nowhere_outside(tmp_path: Path) -> None:
    data = package({"[Content_Types].xml": "<Types/>", "../../evil": "x", "_rels/.rels": (
        f'<Relationships><Relationship Type="x/custom-properties" Target="../../{tmp_path}/p.xml"/></Relationships>')})
    (tmp_path / "p.xml").write_text(custom(("AIGC", "from outside")))
    assert labels_of_office(data, "a.docx") == []


def test_deep_trees_are_refused_where_they_would_be_written() -> None:
    deep = f'<Properties xmlns="{CP}"><property name="x">{"<a>" * 20_000}{"</a>" * 20_000}</property></Properties>'
    with pytest.raises(LabelError, match="XML of more than 50 levels"):
        with_property(word("Bread.", custom_xml=deep), LABEL, "a.docx")


def test_other_properties_are_kept_with_their_types() -> None:
    kept = (
        f'<Properties xmlns="{CP}" xmlns:vt="{VT}">'
        '<property fmtid="{D5CDD505-2E9C-101B-9397-08002B2CF9AE}" pid="7" name="Pages"><vt:i4>3</vt:i4></property>'
        '<property fmtid="{D5CDD505-2E9C-101B-9397-08002B2CF9AE}" pid="8" name="Who &amp; what"><vt:lpwstr>A &lt; B'
        "</vt:lpwstr></property></Properties>"
    )
    data = with_property(word("Bread.", custom_xml=kept), LABEL, "a.docx")
    import io
    import zipfile
    from xml.etree import ElementTree

    with zipfile.ZipFile(io.BytesIO(data)) as file:
        tree = ElementTree.fromstring(file.read("docProps/custom.xml"))  # noqa: S314 - written by ourselves
    assert [(item.get("pid"), item.get("name"), item[0].tag, item[0].text) for item in tree] == [
        ("2", "Pages", f"{{{VT}}}i4", "3"),
        ("3", "Who & what", f"{{{VT}}}lpwstr", "A < B"),
        ("4", "AIGC", f"{{{VT}}}lpwstr", label_text(LABEL)),
    ]
    assert list(paragraphs_of_word(data, "a.docx")) == ["Bread."]


def test_two_labels_in_one_file_are_told(tmp_path: Path) -> None:
    value = label_text(LABEL).replace('"', "&quot;")
    (tmp_path / "a.docx").write_bytes(word("Bread.", custom_xml=custom(("AIGC", value), ("MyAIGC", value))))
    assert [(fault.code, fault.found) for fault in read_label(tmp_path / "a.docx").faults] == [("several", "2 labels")]
