"""Labels in files: written, read back by us and by others, and what is said of files that are not whole."""

from __future__ import annotations

import json
from pathlib import Path

import openpyxl
import pyarrow.parquet as pq
import pytest
from label_files import LABEL, ZH, excel, parquet, word
from msgspec.structs import replace

from aigc.errors import LabelError, UsageError
from aigc.labels.carriers import read_label, write_label
from aigc.labels.found import Found
from aigc.labels.hidden import HiddenLabel, label_text

TEXTS = (f"面包。\n\n{ZH}", "茶。")
OTHER = HiddenLabel(producer="Bakery", produce_id="x'y", propagator="Bakery", propagate_id="x'y")


def make(path: Path) -> Path:
    match path.suffix:
        case ".parquet":
            parquet(path, *TEXTS)
        case ".jsonl":
            rows = [{"record_id": f"r{number}", "text": text} for number, text in enumerate(TEXTS)]
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
        case ".md":
            path.write_text(f"---\ntitle: 'Bread'\n---\n\n# 面包\n\n{ZH}\n", "utf-8")
        case ".xlsx":
            path.write_bytes(excel(*TEXTS))
        case ".docx":
            path.write_bytes(word("面包。", ZH))
    return path


@pytest.fixture(params=[".parquet", ".jsonl", ".md", ".xlsx", ".docx"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make(tmp_path / f"texts{request.param}")


def test_a_file_without_a_label_has_none(file: Path) -> None:
    found = read_label(file)
    assert (found.labelled, found.label, found.faults) == (0, None, [])
    assert found.first_unlabelled == ("line 1" if file.suffix == ".jsonl" else "the file")


def test_what_is_written_is_read_back_and_replaces_what_was_there(file: Path) -> None:
    for label in (OTHER, LABEL):
        write_label(file, label)
        found = read_label(file)
        expected = label.numbered("r0") if file.suffix == ".jsonl" else label
        assert (found.label, found.faults) == (expected, [])
        assert found.labelled == found.contents == (2 if file.suffix == ".jsonl" else 1)


def test_all_else_in_the_file_stays_as_it_is(file: Path) -> None:
    before = read_label(file)
    write_label(file, LABEL)
    after = read_label(file)
    assert (after.texts, after.by_standard, after.visible) == (before.texts, before.by_standard, before.visible)
    assert after.by_standard == 1
    assert list(file.parent.iterdir()) == [file]
    if file.suffix == ".md":
        assert file.read_text("utf-8").endswith(f"---\n\n# 面包\n\n{ZH}\n")
        assert "title: 'Bread'" in file.read_text("utf-8")
    if file.suffix == ".jsonl":
        assert [json.loads(line)["text"] for line in file.read_text("utf-8").splitlines()] == list(TEXTS)


def test_other_readers_find_the_label_where_they_look(file: Path) -> None:
    write_label(file, LABEL)
    match file.suffix:
        case ".parquet":
            assert pq.read_metadata(file).metadata[b"AIGC"].decode() == label_text(LABEL)
            assert pq.read_schema(file).metadata[b"kept"] == b"yes"
            assert pq.read_table(file).column("text").to_pylist() == list(TEXTS)
        case ".jsonl":
            rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
            assert [list(row)[-1] for row in rows] == ["AIGC", "AIGC"]
            assert [row["AIGC"]["ProduceID"] for row in rows] == ["r0", "r1"]
        case ".md":
            yaml = pytest.importorskip("yaml")
            matter = yaml.safe_load(file.read_text("utf-8").split("---")[1])
            assert matter == {"title": "Bread", **json.loads(label_text(LABEL))}
        case ".xlsx":
            book = openpyxl.load_workbook(file)
            assert {item.name: item.value for item in book.custom_doc_props.props} == {"AIGC": label_text(LABEL)}
            assert book.active["B2"].value == TEXTS[0]
        case ".docx":
            assert "custom-properties" in _part(file, "_rels/.rels")
            assert "/docProps/custom.xml" in _part(file, "[Content_Types].xml")
            assert 'xmlns="http://schemas.openxmlformats.org/package' in _part(file, "_rels/.rels")


def _part(path: Path, name: str) -> str:
    import zipfile

    with zipfile.ZipFile(path) as package:
        return package.read(name).decode()


def test_a_label_that_openpyxl_writes_is_read(tmp_path: Path) -> None:
    from openpyxl.packaging.custom import StringProperty

    book = openpyxl.Workbook()
    book.custom_doc_props.append(StringProperty(name="AIGC", value=label_text(LABEL)))
    book.custom_doc_props.append(StringProperty(name="Owner", value="Bakery"))
    path = tmp_path / "book.xlsx"
    book.save(path)
    assert read_label(path).label == LABEL
    write_label(path, OTHER)
    again = {item.name: item.value for item in openpyxl.load_workbook(path).custom_doc_props.props}
    assert again == {"Owner": "Bakery", "AIGC": label_text(OTHER)}


def test_a_table_of_other_makers_without_texts_is_read_for_its_label_alone(tmp_path: Path) -> None:
    import pyarrow as pa

    path = tmp_path / "numbers.parquet"
    pq.write_table(pa.table({"price": [1, 2]}), path)
    found = read_label(path)
    assert (found.texts, found.labelled) == (0, 0)


def test_csv_carries_none_and_is_read_for_its_visible_labels(tmp_path: Path) -> None:
    path = tmp_path / "accepted.csv"
    path.write_text(f'id,text\r\nb1,"面包。\n\n{ZH}"\r\nb2,"茶。"\r\n', "utf-8-sig")
    found = read_label(path)
    assert (found.carrier, found.labelled, found.texts, found.by_standard) == ("", 0, 2, 1)
    with pytest.raises(UsageError, match="a CSV file, which has no place for a label"):
        write_label(path, LABEL)


@pytest.mark.parametrize(("label", "codes"), [
    ({}, {"form", "producer", "number", "propagator"}),
    ({"Label": 1}, {"form", "label", "producer", "number", "propagator"}),
    ("no JSON", {"form"}),
    ([1], {"form"}),
    (json.loads(label_text(LABEL)), set()),
    (json.loads(label_text(LABEL))["AIGC"] | {"Label": "4"}, {"label"}),
    (json.loads(label_text(LABEL))["AIGC"] | {"ContentProducer": "001191440300708461136X1XGW3"}, {"code"}),
    (json.loads(label_text(LABEL))["AIGC"] | {"ContentProducer": ""}, {"producer"}),
    (json.loads(label_text(LABEL))["AIGC"] | {"ContentProducer": "Harbour Bakery"}, {"characters"}),
    (json.loads(label_text(LABEL))["AIGC"] | {"ReservedCode1": "a\\b"}, {"characters"}),
    (json.loads(label_text(LABEL))["AIGC"] | {"ReservedCode1": '"quoted"'}, set()),
    (json.loads(label_text(LABEL))["AIGC"] | {"ProduceID": ""}, {"number"}),
    (json.loads(label_text(LABEL))["AIGC"] | {"PropagateID": None}, {"form", "propagator"}),
    (label_text(LABEL), set()),
])
def test_what_is_wrong_with_a_label_is_told(label: object, codes: set[str], tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"text": "茶。", "AIGC": label}) + "\n", "utf-8")
    assert {fault.code for fault in read_label(path).faults} == codes


def test_faults_are_counted_and_told_once_with_their_first_place(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"AIGC": json.loads(label_text(replace(LABEL, label=name)))} for name in ("1", "x", "y")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    told = [(fault.count, fault.place, fault.found) for fault in read_label(path).faults]
    assert told == [(2, "line 2", "Label 'x'")]


def cut(path: Path, bytes_kept: int) -> Path:
    path.write_bytes(path.read_bytes()[:bytes_kept])
    return path


DAMAGED = [
    (".parquet", 200, "found what is no whole Parquet file (ArrowInvalid); expected a whole .parquet file."),
    (".parquet", 0, "found what is no whole Parquet file (ArrowInvalid); expected a whole .parquet file."),
    (".jsonl", 30, "texts.jsonl line 1: found a line that is cut off; expected a whole .jsonl file."),
    (".md", 12, "found front matter that does not end (no second line of dashes);"),
    (".xlsx", 900, "found a package that is cut off or damaged; expected an Office file (.xlsx or .docx) that"),
    (".docx", 500, "found a package that is cut off or damaged; expected an Office file (.xlsx or .docx) that"),
    (".docx", 0, "found no byte; expected an Office file"),
]


@pytest.mark.parametrize(("ending", "bytes_kept", "message"), DAMAGED)
def test_a_damaged_file_is_one_clear_message_and_stays_as_it_is(
    ending: str, bytes_kept: int, message: str, tmp_path: Path
) -> None:
    path = cut(make(tmp_path / f"texts{ending}"), bytes_kept)
    before = path.read_bytes()
    for act in (read_label, lambda at: write_label(at, LABEL)):
        with pytest.raises(LabelError) as caught:
            act(path)
        assert message in str(caught.value)
        assert str(path) in str(caught.value)
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (before, [path])


@pytest.mark.parametrize(("name", "data", "message"), [
    ("a.jsonl", b'{"text":"x"}\n[1]\n', "a.jsonl line 2: found no JSON object"),
    ("a.jsonl", b"\xff\xfe\n", "a.jsonl line 1: found no JSON object"),
    ("a.md", b"caf\xe9", "found bytes that are not UTF-8 at offset 3"),
    ("a.csv", b"id,text\n1,caf\xe9\n", "found bytes that are not UTF-8 at offset"),
    ("a.csv", b'id,text\n1,"never ends\n', "found no whole CSV file"),
    ("a.xlsx", b"id;text", "found no package of Office"),
    ("a.xlsx", b"\xd0\xcf\x11\xe0rest", "found a file of the old format, or one with a password"),
])
def test_what_is_no_such_file_is_one_clear_message(name: str, data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(LabelError) as caught:
        read_label(tmp_path / name)
    assert message in str(caught.value)


def test_other_files_and_files_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"found a file ending in '\.txt'; expected one of \.parquet, \.jsonl, \.md"):
        read_label(tmp_path / "a.txt")
    with pytest.raises(UsageError, match="found no file; expected a file"):
        read_label(tmp_path / "a.md")


def test_a_file_of_many_rows_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "many.jsonl"
    row = json.dumps({"text": "茶。" * 50, "AIGC": json.loads(label_text(LABEL))}) + "\n"
    path.write_text(row * 20_000, "utf-8")
    tracemalloc.start()
    found: Found = read_label(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found.contents, found.labelled) == (20_000, 20_000)
    assert peak < 2_000_000
