"""Sheets that are broken as a whole, and rows that are."""

from __future__ import annotations

import socket
from pathlib import Path

from bad_inputs.cases import GOOD, HEADER, Case, Files

NO_SHEET: Files = {"briefs.csv": None}


def _parquet(folder: Path, *, nested: bool = False, cut: int | None = None) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    product: object = {"name": "Bread"} if nested else "Bread"
    pq.write_table(pa.table({"content_type": ["note"], "product": [product]}), folder / "briefs.parquet")
    if cut:
        whole = (folder / "briefs.parquet").read_bytes()
        (folder / "briefs.parquet").write_bytes(whole[:cut])


def _xlsx(folder: Path, product: str = "Bread") -> None:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.title = "Spring"
    sheet.append(["content_type", "product"])
    sheet.append(["note", product])
    if product.startswith("#"):
        sheet["B2"].data_type = "e"
    book.save(folder / "briefs.xlsx")


def _socket(folder: Path) -> None:
    """Stands for a file that nobody can read, root included."""
    import os

    before = Path.cwd()
    os.chdir(folder)  # an address may not be longer than 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("briefs.csv")
    finally:
        os.chdir(before)


def sheet(name: str, content: str | bytes, *says: str, code: int = 1, command: str = "", messages: int = 1) -> Case:
    """A case of one CSV file."""
    return Case(name, command or "check briefs.csv", code, says, {"briefs.csv": content}, messages=messages)


def other(name: str, file: str, content: str | bytes, *says: str) -> Case:
    """A case of one file of another format."""
    return Case(name, f"check {file}", 1, says, {**NO_SHEET, file: content})


WHOLE = [
    Case(
        "missing_file", "run nowhere.csv", 1, ("nowhere.csv: found no such file", "Correct the path."), as_process=True
    ),
    sheet("empty_file", "", "briefs.csv: found an empty file", "a header and rows"),
    sheet("blank_file", "\n\n \n", "briefs.csv: found no header", "Add a row of headings."),
    sheet("no_header", "b1,note,Bread\nb2,note,Milk\n", "found no column that can be used among 'b1'", "'product'"),
    sheet("header_only", HEADER, "briefs.csv: found a header and no rows", "Add a row for each brief."),
    sheet(
        "duplicate_columns", "id,content_type,product,product\nb1,note,a,b\n", "two columns named 'product'", "Rename"
    ),
    sheet(
        "ambiguous_columns",
        "id,Content Type,content-type,product\nb1,note,note,x\n",
        "'Content Type', 'content-type'",
        "Choose one with --map ",
    ),
    sheet("no_content_type", "id,product\nb1,Bread\n", "found no column content_type", "--content-type"),
    sheet(
        "wrong_encoding",
        GOOD.encode() + b"".join(b"x%d,note,caf\xe9 \xfcber,1\n" % n for n in range(40)),
        "neither UTF-8 nor GB18030",
        "input.encoding (for example cp1252)",
    ),
    sheet(
        "utf16_without_mark", GOOD.encode("utf-16-le"), "briefs.csv: found UTF-16 without a byte order mark", "UTF-8"
    ),
    sheet("binary", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(64), "briefs.csv: found", "expected"),
    sheet(
        "broken_header", 'id,"product\nb1,note\n', "briefs.csv line 1: found a broken header", "quotes of the first row"
    ),
    other("unknown_extension", "briefs.docx", b"PK\3\4", "the extension '.docx'", ".xlsx", "Save the sheet in one of"),
    Case(
        "directory_as_csv",
        "check briefs.csv",
        1,
        ("briefs.csv: found a folder without .parquet files",),
        NO_SHEET,
        lambda folder: (folder / "briefs.csv").mkdir(),
    ),
    Case(
        "folder_without_parquet",
        "check sheets",
        1,
        ("sheets: found a folder without .parquet files",),
        {"sheets/readme.txt": "none"},
    ),
    Case(
        "unreadable_file",
        "check briefs.csv",
        1,
        ("briefs.csv: found a socket, pipe or device", "a file"),
        NO_SHEET,
        _socket,
    ),
    Case("name_too_long", f"check {'x' * 300}.csv", 1, ("xxx.csv: found", "File name too long")),
    other(
        "not_a_parquet",
        "briefs.parquet",
        "id,product\n",
        "briefs.parquet: found a file that cannot be read",
        "may have been cut short",
    ),
    Case(
        "truncated_parquet",
        "check briefs.parquet",
        1,
        ("found a file that cannot be read", "may have been cut short"),
        make=lambda folder: _parquet(folder, cut=-20),
    ),
    other("corrupt_xlsx", "briefs.xlsx", b"PK\3\4 no workbook at all", "briefs.xlsx: found a file that cannot be read"),
    Case(
        "no_such_worksheet",
        "check briefs.xlsx",
        1,
        ("no worksheet 'Sprng'", "one of Spring", "Did you mean 'Spring'?"),
        make=_xlsx,
        environ={"AIGC_INPUT_SHEET": "Sprng"},
    ),
    other("jsonl_of_nothing", "briefs.jsonl", "[1]\n2\n", "found no JSON object with a key on any line"),
    Case(
        "unknown_encoding",
        "check briefs.csv",
        1,
        ("the encoding 'utf-7b'", "input.encoding"),
        environ={"AIGC_INPUT_ENCODING": "utf-7b"},
    ),
    Case(
        "long_delimiter",
        "check briefs.csv",
        1,
        ("the delimiter '||'", "one character, or 'tab'"),
        environ={"AIGC_INPUT_DELIMITER": "||"},
    ),
    sheet(
        "no_good_row",
        HEADER + "b1,note,,1\nb2,note,,1\n",
        "line 2, product: found nothing",
        "briefs.csv: found 2 bad briefs and no good one",
        command="run briefs.csv",
        messages=3,
    ),
    sheet(
        "strict_with_one_bad_row",
        GOOD + "b2,note,,1\n",
        "line 3, product: found nothing",
        "briefs.csv: found 1 bad brief; expected none, since --strict is set",
        command="run briefs.csv --strict",
        messages=2,
    ),
]

ROWS = [
    sheet(
        "ragged_rows",
        GOOD + "b2,note\nb3,note,Milk,1,2,3\n",
        "line 3: found 2 cells",
        "line 4: found 6 cells",
        "expected 4 cells, as in the header",
        messages=2,
    ),
    sheet("nul_byte", HEADER + "b1,note,Br\0ead,1\n", "line 2, product: found the character U+0000 at character 3"),
    sheet("control_character", HEADER + "b1,note,Br\x07ead,1\n", "found the character U+0007", "Delete the character"),
    sheet("one_undecodable_cell", GOOD.encode() + b"b2,note,caf\xe9,1\n", "line 3, product: found the byte 0xE9"),
    sheet("duplicate_id", GOOD + "b1,note,Milk,1\n", "line 3, id: found 'b1', which the row of line 2 has already"),
    sheet(
        "unknown_content_type",
        HEADER + "b1,noet,Bread,1\n",
        "line 2, content_type: found 'noet'; expected one of note",
        "Did you mean 'note'?",
        "add templates/noet/",
    ),
    sheet(
        "missing_required_field",
        HEADER + "b1,note,,1\n",
        "line 2, product: found nothing; expected a value (What it is about)",
    ),
    sheet(
        "unknown_language",
        "content_type,product,language\nnote,x,Klingon\n",
        "line 2, language: found 'Klingon'",
        "expected a language of note: en, zh",
    ),
    sheet(
        "limits_that_are_no_numbers",
        "content_type,product,min_words,max_words\nnote,x,few,many\n",
        "min_words: found 'few'; expected a whole number",
        "max_words: found 'many'",
        messages=2,
    ),
    sheet(
        "minimum_over_maximum",
        "content_type,product,min_words,max_words\nnote,x,90,30\n",
        "line 2, min_words: found 90 over max_words 30",
        "Correct one of the two.",
    ),
    sheet(
        "limit_out_of_range", "content_type,product,max_words\nnote,x,0\n", "found 0; expected a whole number from 1"
    ),
    sheet("variants_out_of_range", "content_type,product,variants\nnote,x,9999\n", "found 9999", "from 1 to 1,000"),
    sheet(
        "cell_of_5_mb",
        HEADER + f"b1,note,{'x' * 5_000_000},1\n",
        "line 2, product: found 5,000,000 characters",
        "input.max_cell_chars",
    ),
    sheet("quote_that_never_closes", GOOD + 'b2,note,"Milk,1\nb3,note,Eggs,1\n', "line 3: found a quote that is never"),
    sheet("text_after_a_quote", GOOD + 'b2,note,"Milk" fresh,1\n', "line 3: found text after a closing quote"),
    other(
        "broken_jsonl_line",
        "briefs.jsonl",
        '{"content_type":"note","product":"x"}\n{"content_type":\n',
        "briefs.jsonl line 2: found no JSON object",
        "Correct the line",
    ),
    other(
        "lone_surrogate",
        "briefs.jsonl",
        '{"content_type":"note","product":"a\\ud800b"}\n{"content_type":"note","product":"x"}\n',
        "briefs.jsonl line 1",
        "found",
    ),
    Case(
        "nested_parquet",
        "check briefs.parquet",
        1,
        ("line 1, product: found a nested value (dict)", "Flatten"),
        make=lambda folder: _parquet(folder, nested=True),
    ),
    Case(
        "error_cell_of_xlsx",
        "check briefs.xlsx",
        1,
        ("briefs.xlsx line 2, product: found '#REF!'", "Repair the formula"),
        make=lambda folder: _xlsx(folder, "#REF!"),
    ),
]

CASES = WHOLE + ROWS
