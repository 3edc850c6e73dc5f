"""Files to raw rows, through `read_briefs`: formats, encodings, delimiters, and sheets or rows that are broken."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aigc.briefs import read_briefs
from aigc.content import ContentType, FieldSpec, Length, Output
from aigc.errors import BriefsError
from aigc.records import Brief, InvalidRow, Sampling
from aigc.settings import InputSettings

NOTE = ContentType(
    name="note", title="Note", summary="", languages=["en"], output=Output(), length=Length(), sampling=Sampling(),
    filters={}, digest="sha256:0",
    fields={"topic": FieldSpec(required=True, max_chars=10_000_000, aliases=["主题"]), "facts": FieldSpec(type="list")})
SETTINGS = InputSettings(content_type="note")


def given(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path: Path, settings: InputSettings = SETTINGS) -> list[Brief | InvalidRow]:
    return list(read_briefs(path, {"note": NOTE}, settings))


def told(path: Path, settings: InputSettings = SETTINGS) -> list[tuple[int, object]]:
    """Line, and the topic or the codes, of each row."""
    return [(row.source.line, row.fields["topic"] if isinstance(row, Brief) else [error.code for error in row.errors])
            for row in read(path, settings)]


def refusal(path: Path, settings: InputSettings = SETTINGS) -> str:
    with pytest.raises(BriefsError) as caught:
        read_briefs(path, {"note": NOTE}, settings)
    assert str(path) in caught.value.place
    assert caught.value.remedy
    return str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_the_encoding_is_found(tmp_path: Path, encoding: str) -> None:
    path = given(tmp_path, "s.csv", "主题,facts\n海边的风,蓝；咸\n".encode(encoding))
    [row] = read(path)
    assert isinstance(row, Brief)
    assert row.fields == {"topic": "海边的风", "facts": ["蓝", "咸"]}


def test_the_encoding_is_judged_by_the_whole_file(tmp_path: Path) -> None:
    ascii_rows = "topic\n" + ("plain text " * 400 + "\n") * 500
    path = given(tmp_path, "g.csv", ascii_rows.encode() + "海边的风\n".encode("gb18030"))
    assert told(path)[-1] == (502, "海边的风")
    # A character of three bytes that the end of the first chunk cuts in two is no error.
    padding = "x" * ((1 << 20) - len("topic\n") - 1)
    settings = InputSettings(content_type="note", max_cell_chars=1 << 22)
    assert told(given(tmp_path, "u.csv", f"topic\n{padding}海\n"), settings) == [(2, padding + "海")]


def test_an_undecodable_byte_costs_one_row(tmp_path: Path) -> None:
    path = given(tmp_path, "s.csv", b"topic\n\xe6\xb5\xb7\nbad \xff byte\nok\n")
    assert told(path) == [(2, "海"), (3, ["undecodable"]), (4, "ok")]
    [error] = read(path)[1].errors  # type: ignore[union-attr]
    assert "found the byte 0xFF at character 5, outside the encoding" in error.message


def test_western_code_pages_are_not_taken_for_chinese(tmp_path: Path) -> None:
    path = given(tmp_path, "s.csv", "topic\nCaféteria\nThé\nMüller\n".encode("cp1252"))
    assert "neither UTF-8 nor GB18030" in refusal(path)
    assert told(path, InputSettings(content_type="note", encoding="cp1252"))[0] == (2, "Caféteria")
    assert "the encoding 'utf-9'" in refusal(path, InputSettings(content_type="note", encoding="utf-9"))


@pytest.mark.parametrize(("name", "text", "delimiter"), [
    ("s.csv", 'topic,facts\n"a; b",x\n', ""), ("s.csv", 'topic;facts\n"a; b";"x, y, z"\nc, d;e\n', ""),
    ("s.tsv", "topic\tfacts\na; b\tx, y\n", ""), ("s.csv", "topic\tfacts\na; b\tx, y\n", ""),
    ("s.csv", "topic|facts\na; b|x\n", "|"), ("s.csv", "topic\ta,b,c\na; b\tx\n", "tab"),
    ("s.csv", "topic\na; b\n", ""),
])
def test_the_delimiter_is_found_or_given(tmp_path: Path, name: str, text: str, delimiter: str) -> None:
    settings = InputSettings(content_type="note", delimiter=delimiter)
    assert told(given(tmp_path, name, text), settings)[0] == (2, "a; b")


def test_lines_are_counted_as_an_editor_shows_them(tmp_path: Path) -> None:
    text = '\n\ntopic,facts\r\n"two\r\nlines",x\r\n\r\n , \r\nlast,y'
    sheet = read_briefs(given(tmp_path, "s.csv", text), {"note": NOTE}, SETTINGS)
    rows = list(sheet)
    assert [(row.row, row.source.line) for row in rows] == [(0, 4), (1, 8)]
    assert isinstance(rows[0], Brief)
    assert rows[0].fields["topic"] == "two\nlines"
    assert sheet.skipped == 2


def test_ragged_rows_are_told_and_reading_goes_on(tmp_path: Path) -> None:
    path = given(tmp_path, "s.csv", "topic,facts\na\nb,x,y\nc,x,, \nd,x\n")
    assert told(path) == [(2, ["ragged_row"]), (3, ["ragged_row"]), (4, "c"), (5, "d")]
    [error] = read(path)[1].errors  # type: ignore[union-attr]
    assert error.message.startswith(f"{path} line 3: found 3 cells; expected 2 cells, as in the header.")


@pytest.mark.parametrize(("text", "expected"), [
    ('topic,facts\n"a,x\nb,y\nc,z\n', [(2, ["broken_quotes"]), (3, "b"), (4, "c")]),
    ('topic,facts\n"a,x\nb,"y"\nc,z\n', [(2, ["broken_quotes"]), (3, "b"), (4, "c")]),
    ('topic,facts\n"a" b,x\n5" pipe,y\n', [(2, ["broken_quotes"]), (3, '5" pipe')]),
    ('topic,facts\na,"x', [(2, ["broken_quotes"])]),
])
def test_a_broken_quote_costs_its_row_alone(tmp_path: Path, text: str, expected: list[tuple[int, object]]) -> None:
    assert told(given(tmp_path, "s.csv", text)) == expected


def test_a_quote_that_swallows_more_than_a_cell_can_hold_is_found(tmp_path: Path) -> None:
    line = "b" * 999_999 + ",y\n"
    path = given(tmp_path, "s.csv", 'topic,facts\n"a,x\n' + line * 18)
    rows = told(path, InputSettings(content_type="note", max_cell_chars=2_000_000))
    assert (rows[0], len(rows)) == ((2, ["broken_quotes"]), 19)


def test_a_cell_of_five_megabytes_is_read_or_refused_by_the_setting(tmp_path: Path) -> None:
    path = given(tmp_path, "s.csv", "topic,facts\n" + "x" * 5_000_000 + ",y\nb,z\n")
    assert told(path) == [(2, ["cell_too_long"]), (3, "b")]
    big = told(path, InputSettings(content_type="note", max_cell_chars=6_000_000))[0][1]
    assert big == "x" * 5_000_000


@pytest.mark.parametrize(("name", "content", "message"), [
    ("s.csv", b"", "an empty file"), ("s.csv", b"\n , \n", "no header"),
    ("s.csv", b"topic,facts\n", "a header and no rows"), ("s.csv", b"topic,facts\n,\n\n", "a header and no rows"),
    ("s.csv", b"topic, topic\na,b\n", "two columns named 'topic'"),
    ("s.csv", b'"topic\na\n', "a broken header"), ("s.doc", b"x", "the extension '.doc'; expected one of .csv, .tsv"),
    ("s.parquet", b"PAR1 not really", "cannot be read"), ("s.xlsx", b"PK\x03\x04", "cannot be read"),
    ("s.jsonl", b"\n[]\n", "no JSON object with a key on any line"), ("s.parquet", b"", "an empty file"),
])
def test_a_sheet_that_cannot_be_used_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    assert message in refusal(given(tmp_path, name, content))


def test_missing_files_and_wrong_delimiters_are_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "none.csv")
    assert "a folder without .parquet files" in refusal(tmp_path)
    settings = InputSettings(content_type="note", delimiter="||")
    assert "the delimiter '||'" in refusal(given(tmp_path, "s.csv", "topic\na\n"), settings)


def test_jsonl_is_read_line_by_line(tmp_path: Path) -> None:
    lines = ['{"id": 7, "topic": "a", "facts": ["x; y", 2, 3.0, true]}', "", "{broken", "[1]", '{"topic": {"x": 1}}',
             '{"id": "late", "topic": "b", "extra": null}', '{"topic": "\\u0000"}', "[" * 100_000]
    path = given(tmp_path, "s.jsonl", "\n".join(lines))
    assert told(path) == [(1, "a"), (3, ["broken_json"]), (4, ["broken_json"]), (5, ["nested_value"]), (6, "b"),
                          (7, ["control_characters"]), (8, ["broken_json"])]
    first = read(path)[0]
    assert isinstance(first, Brief)
    assert (first.id, first.fields["facts"]) == ("7", ["x; y", "2", "3", "true"])


def test_jsonl_bytes_that_are_not_utf8_cost_one_line(tmp_path: Path) -> None:
    assert told(given(tmp_path, "s.jsonl", b'{"topic": "a"}\n{"topic": "\xff"}\n')) == [(1, "a"), (2, ["broken_json"])]


def test_a_parquet_folder_is_one_sheet(tmp_path: Path) -> None:
    (tmp_path / "_temporary").mkdir()
    given(tmp_path, "_temporary/x.parquet", b"junk")
    first = pa.table({"topic": ["a", "b"], "facts": [["x; y", None], []], "embedding": [[[0.5]], [[1.0]]]})
    tones = pa.array(["dry", "wry"]).dictionary_encode()
    second = pa.table({"id": [12.0, float("nan")], "topic": ["c", None], "tone": tones})
    pq.write_table(second, tmp_path / "2.parquet")
    pq.write_table(first, tmp_path / "1.parquet")
    rows = read(tmp_path)
    assert [(Path(row.source.file).name, row.source.line) for row in rows] == [
        ("1.parquet", 1), ("1.parquet", 2), ("2.parquet", 1), ("2.parquet", 2)]
    assert isinstance(rows[0], Brief)
    assert isinstance(rows[2], Brief)
    assert isinstance(rows[3], InvalidRow)
    assert rows[0].fields["facts"] == ["x; y"]
    assert (rows[2].id, rows[2].tone, rows[2].fields["facts"]) == ("12", "dry", [])
    assert [error.code for error in rows[3].errors] == ["missing_required"]


def test_nested_and_undecodable_parquet_cells_fail_alone(tmp_path: Path) -> None:
    topics = pa.array([b"a", b"\xff"]).view(pa.string())
    pq.write_table(pa.table({"topic": topics, "facts": [{"x": 1}, None]}), tmp_path / "s.parquet")
    assert told(tmp_path / "s.parquet") == [(1, ["nested_value"]), (2, ["undecodable"])]


def test_damage_inside_a_parquet_file_ends_the_reading_with_an_error(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    table = pa.table({"topic": [f"t{n}" * 9 for n in range(3000)]})
    pq.write_table(table, path, compression="zstd", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[60:4000] = bytes(3940)
    path.write_bytes(data)
    with pytest.raises(BriefsError, match=r"s\.parquet: found a file that cannot be read"):
        read(path)
    path.write_bytes(data[:-100])
    assert "cannot be read" in refusal(path)


def test_excel_values_are_read_as_people_see_them(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    other = book.create_sheet("Spring")
    front = book.active
    assert front is not None
    for row in (["id", "topic", "facts"], [12.0, datetime.datetime(2026, 3, 1), "a_x000D_\nb"], [], [13, "#REF!", "x"],
                [14, True, 2.5], [15, "last"]):
        front.append(row)
    other.append(["topic"])
    other.append(["other"])
    path = tmp_path / "s.xlsx"
    book.save(path)
    assert told(path) == [(2, "2026-03-01"), (4, ["error_value"]), (5, "true"), (6, "last")]
    first = read(path)[0]
    assert isinstance(first, Brief)
    assert (first.id, first.fields["facts"]) == ("12", ["a", "b"])
    assert told(path, InputSettings(content_type="note", sheet="Spring")) == [(2, "other")]
    assert "Did you mean 'Spring'?" in refusal(path, InputSettings(content_type="note", sheet="Sprnig"))


def test_a_formula_gives_its_cached_value(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    front = book.active
    assert front is not None
    front.append(["topic", "tone"])
    front.append(['="a"&"b"', "dry"])
    book.save(tmp_path / "s.xlsx")
    assert told(tmp_path / "s.xlsx") == [(2, ["missing_required"])], "never calculated, so there is no value"


def test_a_truncated_workbook_is_refused(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    front = book.active
    assert front is not None
    front.append(["topic"])
    front.append(["a"])
    book.save(tmp_path / "s.xlsx")
    content = (tmp_path / "s.xlsx").read_bytes()
    assert "cannot be read" in refusal(given(tmp_path, "cut.xlsx", content[: len(content) // 2]))


def test_line_ends_inside_json_text_are_kept(tmp_path: Path) -> None:
    path = given(tmp_path, "s.jsonl", "\ufeff" + json.dumps({"topic": "a\u2028b\r\nc"}, ensure_ascii=False))
    assert told(path) == [(1, "a\u2028b\nc")]
