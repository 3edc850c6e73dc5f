"""Sheets that programs saved: what they do to cells, characters and rows is told from what editors do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from returned_sheets import approve_all, in_table, in_workbook, read, said, setting, with_cells
from runs_to_review import RUN, TEXTS, a_text, record_id, write_run

from aigc.review.intake import Reading
from aigc.review_sheet.edits import difference
from aigc.review_sheet.returned import import_file
from aigc.review_sheet.spelling import csv_cell, from_csv, from_workbook, workbook_cell

TYPED: list[tuple[str, str, object, str]] = [
    ("number", "text", 7, "mangled, told"),
    ("date", "text", datetime(2024, 5, 1), "same"),
    ("date", "text", datetime(2024, 1, 5), "mangled, told"),
    ("plain", "text", 12, "edit"),
    ("plain", "text", 12.5, "not_a_text"),
    ("plain", "text", datetime(2024, 5, 1), "not_a_text"),
    ("plain", "text", time(10, 30), "not_a_text"),
    ("plain", "text", True, "not_a_text"),
    ("plain", "text", "=A1", "formula"),
    ("plain", "decision", "=B3", "formula"),
    ("plain", "decision", True, "unknown_decision"),
    ("plain", "decision", 1, "unknown_decision"),
    ("plain", "record_id", "=A1", "formula"),
    ("scene", "props", 3, "edit"),
]


@pytest.mark.parametrize(("name", "heading", "value", "code"), TYPED)
def test_cells_that_a_workbook_holds_as_something_else_than_text_are_told(
    folder: Path, tmp_path: Path, name: str, heading: str, value: object, code: str
) -> None:
    reading = read(with_cells(folder, tmp_path, {(name, heading): value}), folder)
    if code == "edit":
        assert [one.verb for one in said(reading).values()] == ["edit"]
    elif code in ("same", "mangled, told"):
        assert (reading.offered, reading.problems) == ([], [])
        assert [notice.code for notice in reading.notices] == ["mangled"] * (code != "same")
    else:
        assert (reading.offered, [problem.code for problem in reading.problems]) == ([], [code])


SPELLINGS: list[Callable[[str], str]] = [
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text.replace("\n", "_x000D_\n"),
    lambda text: text.replace("\n", "\r"),
    lambda text: text + "\n",
    lambda text: "\n" + text + "  ",
    lambda text: "\n".join(line.rstrip() for line in text.split("\n")),
    lambda text: "\n".join(line + "  " for line in text.split("\n")),
    lambda text: "'" + text if text[0] in "=-" else text,
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_line_ends_blanks_and_apostrophes_of_a_program_are_no_edit(
    folder: Path, tmp_path: Path, spelling: Callable[[str], str]
) -> None:
    names = [name for name in TEXTS if name not in ("long", "escaped")]
    path = with_cells(folder, tmp_path, {(name, "text"): spelling(TEXTS[name]) for name in names})
    assert read(path, folder) == Reading([], [], [])
    cells = {(name, "text"): spelling(TEXTS[name]).replace("_x000D_", "\r") for name in names}
    assert read(in_table(folder, tmp_path, setting(cells)), folder) == Reading([], [], [])


MANGLED = [
    ("007", "7"), ("007", "7.0"), ("1.50", "1.5"), ("12345678901234567890", "1.23457E+19"), ("1E5", "100000"),
    ("1,200", "1200"), ("50%", "0.5"), ("2024-05-01", "2024/5/1"), ("2024-05-01", "5/1/2024"), ("1-2", "2-Jan"),
    ("3/4", "3月4日"), ("3/4", "04-Mar"), ("2024-05", "May-24"), ("10:30", "10:30:00"), ("true", "TRUE"),
    ("2024-05-01", "45413"), ("2024年5月1日", "2024/5/1"),
]


@pytest.mark.parametrize(("text", "cell"), MANGLED)
def test_numbers_and_dates_that_a_program_changed_are_told_from_edits(tmp_path: Path, text: str, cell: str) -> None:
    folder = write_run(tmp_path, [a_text("odd", text)])
    reading = read(in_table(folder, tmp_path, setting({("odd", "text"): cell, ("odd", "decision"): "approve"})), folder)
    assert ([notice.code for notice in reading.notices], reading.problems) == (["mangled"], [])
    assert [one.verb for one in said(reading).values()] == ["approve"]


@pytest.mark.parametrize(("text", "cell"), [("007", "8"), ("1.50", "1.6"), ("Chapter 1", "1"), ("2024-05-01", "soon")])
def test_another_number_is_an_edit(tmp_path: Path, text: str, cell: str) -> None:
    folder = write_run(tmp_path, [a_text("odd", text)])
    reading = read(in_table(folder, tmp_path, setting({("odd", "text"): cell, ("odd", "decision"): "edit"})), folder)
    assert [(one.verb, one.text) for one in said(reading).values()] == [("edit", cell)]


@pytest.mark.parametrize(("encoding", "errors", "form"), [
    ("utf-8", "strict", {}),
    ("utf-8-sig", "strict", {"lineterminator": "\n"}),
    ("utf-8-sig", "strict", {"delimiter": ";"}),
    ("utf-16", "strict", {"delimiter": "\t"}),
    ("gb18030", "strict", {}),
    ("cp950", "replace", {}),
    ("mac_roman", "replace", {"delimiter": ";"}),
    ("gbk", "replace", {}),
    ("cp1252", "replace", {"delimiter": ";"}),
])
def test_a_table_is_read_in_the_encoding_and_form_that_a_program_saved_it_in(
    folder: Path, tmp_path: Path, encoding: str, errors: str, form: dict[str, Any]
) -> None:
    reading = read(in_table(folder, tmp_path, approve_all, encoding, errors, **form), folder)
    assert (reading.problems, reading.notices) == ([], [])
    assert {one.verb for one in said(reading).values()} == {"approve"}
    assert len(reading.offered) == len(TEXTS) + 3


@pytest.mark.parametrize(("encoding", "note", "kept"), [
    ("gbk", "太冷，请写得亲切一些（café 除外）", True),
    ("gb18030", "不好 «£ 5»", True),
    ("cp1252", "résumé – naïve façade", False),
    ("cp950", "太冷，請寫得親切一些", False),
    ("mac_roman", "Größe prüfen: weiß", False),
])
def test_a_note_beside_english_texts_is_read_where_its_encoding_is_sure(
    tmp_path: Path, encoding: str, note: str, kept: bool
) -> None:
    folder = write_run(tmp_path / RUN, [a_text("plain", TEXTS["plain"])])
    cells = {("plain", "decision"): "reject", ("plain", "reason"): "tone wrong", ("plain", "note"): note}
    reading = read(in_table(folder, tmp_path, setting(cells), encoding), folder)
    assert [one.note for one in said(reading).values()] == [note] * kept
    assert [problem.code for problem in reading.problems] == ["undecodable"] * (not kept)


def test_an_edit_in_a_table_that_lost_characters_is_told_not_taken(folder: Path, tmp_path: Path) -> None:
    cells = {("emoji", "text"): "Tea 🫖 now", ("chinese", "text"): "新的文字。", ("plain", "text"): "Really?"}
    reading = read(in_table(folder, tmp_path, setting(cells), "gbk", "replace"), folder)
    assert [problem.code for problem in reading.problems] == ["lost_characters"]
    assert "that gb18030 lacks" in reading.problems[0].message
    assert {name: one.text for name, one in said(reading).items()} == {"chinese": "新的文字。", "plain": "Really?"}


def test_bytes_of_another_encoding_in_one_row_cost_that_row(folder: Path, tmp_path: Path) -> None:
    path = in_table(folder, tmp_path, approve_all)
    path.write_bytes(path.read_bytes().replace("café".encode(), b"caf\xe9"))
    reading = read(path, folder)
    assert [problem.code for problem in reading.problems] == ["undecodable"]
    assert len(reading.offered) == len(TEXTS) + 2


def test_a_table_that_was_cut_off_costs_the_rows_that_are_gone(folder: Path, tmp_path: Path) -> None:
    path = in_table(folder, tmp_path, approve_all)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(record_id("held").encode()) - 200])
    taken = import_file(folder, RUN, path, "Ana")
    assert {problem.code for problem in taken.problems} <= {"broken_quotes", "ragged_row"}
    assert taken.problems[0].message.startswith("back.csv, ")
    assert [notice.code for notice in taken.notices] == ["rows_missing"]
    assert taken.taken == len(TEXTS) + 1


@settings(deadline=None, max_examples=400)
@given(st.text(st.characters(exclude_categories=())) | st.text("=-+@'\"_x0aDF\r\n\t \u200b\x07é茶🫖", max_size=12))
def test_any_text_that_was_only_written_and_read_is_unchanged(text: str) -> None:
    assert difference(text, from_workbook(workbook_cell(text)), "en", "utf-8") == "same"
    assert difference(text, from_csv(csv_cell(text)), "zh", "utf-8") == "same"


@pytest.mark.parametrize("spoil", [lambda sheet: sheet.delete_rows(1), lambda sheet: sheet.__setitem__("C1", "mine")])
def test_a_sheet_that_lost_its_headings_is_reported_beside_those_that_have_them(
    folder: Path, tmp_path: Path, spoil: Callable[[Any], None]
) -> None:
    def change(book: Any) -> None:
        for sheet in book.worksheets[1:]:
            sheet["C2"] = "approve"
        spoil(book["film_scene"])
        book.create_sheet("my own").append(["to ask Bo"])

    reading = read(in_workbook(folder, tmp_path, change), folder)
    assert list(said(reading)) == ["plain"]
    assert [problem.message for problem in reading.problems] == [
        "back.xlsx, sheet film_scene: found texts without the headings record_id and decision; expected a row of "
        "headings above them. Restore the headings as they were written, or delete the sheet."]


def test_a_text_without_its_record_id_is_reported_though_nothing_was_chosen(folder: Path, tmp_path: Path) -> None:
    path = in_table(folder, tmp_path, setting({("plain", "record_id"): "", ("plain", "text"): "Changed by an editor."}))
    assert [problem.code for problem in read(path, folder).problems] == ["no_record_id"]
