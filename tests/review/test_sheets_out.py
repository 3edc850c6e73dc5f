"""review.xlsx and review.csv: every text as it is, nothing that runs, and only the editor's cells to write in."""

from __future__ import annotations

import csv
import io
import re
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from factories import an_attempt
from msgspec.structs import replace
from runs_to_review import NOW, RUN, TEXTS, a_decision, a_scene, a_text, record_id, reviewed, write_run

from aigc.cells import CELL_UNITS
from aigc.review.decisions import REASONS
from aigc.review.ledger import Source, append, read_ledger
from aigc.review.reviewable import reviewables
from aigc.review.words import REASON_WORDS, Language
from aigc.review_sheet.columns import column_named, columns_of
from aigc.review_sheet.delimited import guide, write_csv
from aigc.review_sheet.dress import Choice, choice
from aigc.review_sheet.front import FIRST_SHEET
from aigc.review_sheet.workbook import write_workbook


def workbook(folder: Path, language: Language = "en") -> Any:
    from openpyxl import load_workbook

    standing = read_ledger(folder).standing()
    return load_workbook(write_workbook(folder, RUN, lambda: reviewables(folder), standing, language))


def table(folder: Path, language: Language = "en") -> list[dict[str, str]]:
    path = write_csv(folder, RUN, lambda: reviewables(folder), read_ledger(folder).standing(), language)
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))


def rows_of(sheet: Any) -> dict[str, dict[str, Any]]:
    """Cells of a sheet by id of the brief and heading."""
    headings = [cell.value for cell in sheet[1]]
    return {row[0].value: dict(zip(headings, row, strict=True)) for row in sheet.iter_rows(min_row=2)}


def test_a_workbook_has_a_sheet_for_each_type_and_one_that_says_what_to_do(folder: Path) -> None:
    book = workbook(folder)
    assert book.sheetnames == ["review", "note", "film_scene"]
    first = [[cell.value for cell in row if cell.value is not None] for row in book["review"].iter_rows()]
    assert first[0] == [f"aigc {RUN}"]
    assert first[2] == ["editor", "◄ your name here"]
    assert first[-3:] == [
        ["Sheet", "Texts"], ["note", "14 (passed checks 12, no attempt passed 1, held for a person 1)"],
        ["film_scene", "1 (passed checks 1)"]]
    assert not book["review"]["B3"].protection.locked
    notes = rows_of(book["note"])
    assert [*notes] == [*TEXTS, "held", "rejected"]
    assert notes["held"]["findings"].value == "keywords: 'kettle' is missing. «The lam»"
    assert notes["held"]["other attempts"].value == "attempt 1:\nThe lamp is."
    assert notes["held"]["outcome"].value == "held for a person"
    assert notes["plain"]["brief"].value == "product: bread\ntone: warm\nat most: 60\nkeywords: kettle"
    assert notes["plain"]["source"].value == "inputs/briefs.csv 2"
    assert notes["plain"]["record_id"].value == record_id("plain")
    assert notes["plain"]["base"].value == reviewed(folder).originals[record_id("plain")].base


@pytest.mark.parametrize("name", [name for name in TEXTS if name not in ("long", "escaped")])
def test_a_text_stands_in_both_files_as_it_is_and_is_no_formula(folder: Path, name: str) -> None:
    cell = rows_of(workbook(folder)["note"])[name]["text"]
    assert (cell.value, cell.data_type) == (TEXTS[name], "s")
    assert cell.quotePrefix == (name in ("formula", "dashes"))
    (row,) = [row for row in table(folder) if row["id"] == name]
    assert row["text"] == ("'" if name in ("formula", "dashes") else "") + TEXTS[name]


def test_no_cell_of_a_workbook_is_a_formula_whatever_the_rows_hold(tmp_path: Path) -> None:
    bad = "=1+1"
    record = a_text("=cmd|' /C calc'!A0", bad, content_type="=[bad]:*?/\\type", outcome="held", tone="@x",
                    brief={"=a": "=b", "list": ["+c", "-d"]})
    folder = write_run(tmp_path, [record, replace(record, variant=1, content_type="=[bad]:*?/\\typE"),
                                  a_scene("s", {"=field": "=1", "text": "#N/A", "decision": "#REF!"})])
    write_workbook(folder, "=run", lambda: reviewables(folder), {}, "en")
    with zipfile.ZipFile(folder / "review.xlsx") as archive:
        sheets = [archive.read(name).decode() for name in archive.namelist() if name.startswith("xl/worksheets/sheet")]
    assert len(sheets) == 4
    assert all("=1+1" in sheet or "=1" in sheet or "=run" in sheet for sheet in sheets)
    assert [found for sheet in sheets for found in re.findall(r'<f[\s>/]|<c[^>]* t="(?:e|str)"', sheet)] == []
    assert {sheet.title for sheet in workbook(folder).worksheets} == {
        "review", "=_bad______type", "=_bad______typE 2", "film_scene"}
    assert all(cell[:1] not in ("=", "+", "@", "-") for row in table(folder) for one in row.items() for cell in one)


def test_characters_that_no_workbook_can_hold_are_left_out_and_those_it_would_read_escaped(tmp_path: Path) -> None:
    text = "a\x00b\x0bc\r\nd\re\x85f\ufffeg\uffff\x1b[0m _x0041_ _X0041_ _x005F_x"
    folder = write_run(tmp_path, [a_text("odd", text), a_text("raw", "", outcome="exhausted", chosen=None, attempts=[
        replace(an_attempt(), completion=replace(an_attempt().completion, text='{"a": "\x01"', content=None))])])
    cells = rows_of(workbook(folder)["note"])
    assert cells["odd"]["text"].value == "abc\nd\ne\nfg[0m _x005F_x0041_ _X0041_ _x005F_x005F_x"
    assert cells["raw"]["text"].value == '{"a": ""'
    assert [row["text"] for row in table(folder)] == ["abc\nd\ne\nfg[0m _x0041_ _X0041_ _x005F_x", '{"a": ""']


def test_a_text_longer_than_a_cell_is_cut_and_says_where_it_is_whole(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [a_text("fits", "茶" * (CELL_UNITS - 1)), a_text("long", "茶" * (CELL_UNITS + 1)),
                                  a_text("emoji", "🫖" * 20_000), a_text("dash", "-" * 40_000)])
    cells = rows_of(workbook(folder)["note"])
    rows = {row["id"]: row["text"] for row in table(folder)}
    for name in ("long", "emoji", "dash"):
        for text in (cells[name]["text"].value, rows[name]):
            assert len(text.encode("utf-16-le")) <= 2 * CELL_UNITS
            assert text.endswith("… (whole text in review.html)")
            assert len(text) > 16_000
    assert cells["fits"]["text"].value == rows["fits"] == "茶" * (CELL_UNITS - 1)


def test_editors_can_write_where_they_decide_and_nowhere_else(folder: Path) -> None:
    book = workbook(folder)
    for title, open_cells in (("note", {"decision", "reason", "note", "text"}),
                              ("film_scene", {"decision", "reason", "note", "heading", "lines", "props", "ending"})):
        sheet = book[title]
        assert sheet.protection.sheet
        assert sheet.protection.password is None
        assert sheet.freeze_panes == "D2"
        for cells in rows_of(sheet).values():
            assert {heading for heading, cell in cells.items() if not cell.protection.locked} == open_cells
        assert all(cell.protection.locked for cell in sheet[1])
        hidden = {sheet.cell(1, at).value for letter, look in sheet.column_dimensions.items() if look.hidden
                  for at in range(look.min, look.max + 1)}
        assert hidden == {"record_id", "run_id", "base"}
        assert all(cell.alignment.wrap_text for cell in sheet[2])
    assert {cell.alignment.readingOrder for cell in (rows_of(book["note"])[name]["text"] for name in TEXTS)} == {0, 2}
    assert rows_of(book["note"])["arabic"]["text"].alignment.readingOrder == 2


@pytest.mark.parametrize(("language", "told"), [
    ("en", "2. Under 'decision' write approve, edit or reject."), ("zh", "2. 在“决定”一列填写通过、修改或退回。"),
])
@pytest.mark.parametrize("rows", [15, 2, 1])
def test_a_table_tells_in_short_lines_over_its_first_rows_what_to_write(
    tmp_path: Path, language: Language, told: str, rows: int
) -> None:
    folder = write_run(tmp_path, [a_text(f"t{number}", "A kettle.") for number in range(rows)])
    heading = {"en": "how to decide", "zh": "怎样填写"}[language]
    cells = [row[heading] for row in table(folder, language)]
    lines = "\n".join(filter(None, cells)).splitlines()
    assert lines[1] == told
    assert lines == guide(language, has_decisions=False)
    assert max(map(len, lines)) < 90
    assert cells[: min(rows - 1, len(lines))] == lines[: rows - 1]


def test_a_row_without_fields_in_a_type_that_has_some_is_edited_by_its_text(tmp_path: Path) -> None:
    unread = a_text("unread", "{broken", content_type="film_scene", outcome="exhausted", chosen=None)
    cells = rows_of(workbook(write_run(tmp_path, [a_scene(), unread]))["film_scene"])
    assert [cells[name]["text"].protection.locked for name in ("scene", "unread")] == [True, False]
    assert [cells[name]["props"].protection.locked for name in ("scene", "unread")] == [False, True]


@pytest.mark.parametrize(("language", "verbs"), [("en", "approve,edit,reject"), ("zh", "通过,修改,退回")])
def test_decisions_and_reasons_are_chosen_from_lists_in_the_workbooks_language(
    folder: Path, language: Language, verbs: str
) -> None:
    book = workbook(folder, language)
    assert book.sheetnames[0] == FIRST_SHEET[language]
    first, second = book["note"].data_validations.dataValidation
    reasons = ",".join(REASON_WORDS[language][reason] for reason in REASONS)
    assert (first.formula1, str(first.sqref)) == (f'"{verbs}"', "C2:C15")
    assert (second.formula1, str(second.sqref)) == (f'"{reasons}"', "D2:D15")
    assert all(one.allow_blank and one.showErrorMessage and len(one.formula1) <= 255 for one in (first, second))
    words = [column.words[language] for column in columns_of([])]
    assert [cell.value for cell in book["note"][1]] == words
    assert [heading for heading in table(folder, language)[0] if heading in words] == words


def test_a_field_named_as_a_column_is_told_from_it(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [a_scene("s", {"text": "one", "理由": "two", "Decision": "three", "title": "four"})])
    headings = [cell.value for cell in workbook(folder)["film_scene"][1]]
    assert headings[5:10] == ["text (field)", "理由 (field)", "Decision (field)", "title", "text"]
    chinese = [cell.value for cell in workbook(folder, "zh")["电影场景"][1]]
    assert chinese[5:10] == ["text（字段）", "理由（字段）", "Decision（字段）", "title", "正文"]
    for written in (headings, chinese, ["output.text", "output.理由", "output.Decision", "title"]):
        assert {"output.text", "output.理由", "output.Decision", "output.title"} <= {*map(column_named, written)}
    assert [column_named(name) for name in ("text", "title (field)")] == ["text", "output.title (field)"]


def test_what_was_decided_so_far_is_shown_and_fills_in_nothing(folder: Path) -> None:
    run = reviewed(folder)
    refused = {"verb": "reject", "reason": "language_poor", "note": "colder"}
    decisions = [a_decision(run), a_decision(run, "emoji"), a_decision(run, "emoji", editor="Bo", **refused)]
    append(folder, decisions, Source(name="f", digest="sha256:f", imported_at=NOW))
    cells = rows_of(workbook(folder, "zh")["note"])
    assert cells["plain"]["已有决定"].value == "已通过\nAna: 通过 (2026-11-28 17:00 UTC)"
    assert cells["emoji"]["已有决定"].value == (
        "意见不一\nAna: 通过 (2026-11-28 17:00 UTC)\nBo: 退回, 文字欠佳: “colder” (2026-11-28 17:00 UTC)")
    assert {row["决定"].value for row in cells.values()} == {None}
    assert {row["decision"] for row in table(folder)} == {""}


def test_no_row_fills_the_screen_and_what_stands_beside_a_text_makes_none_high(tmp_path: Path) -> None:
    long, short = "A line of a text.\n" * 60, "A kettle."
    attempts = [an_attempt(0, long), an_attempt(1, short)]
    fields = {"title": "Kettle", "body": "word " * 30, "story": "word " * 200}
    folder = write_run(tmp_path, [a_text("long", long), a_text("short", short), a_scene("scene", fields),
                                  a_text("after", short, attempts=attempts, chosen=1)])
    book = workbook(folder)
    assert [book["note"].row_dimensions[row].height for row in (2, 3, 4)] == [240, 60, 90]
    assert [book["film_scene"].column_dimensions[letter].width for letter in "FGHI"] == [26, 44, 64, 64]


def test_a_run_without_texts_has_files_all_the_same(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [a_text("failed", "", outcome="failed", attempts=[], chosen=None)])
    assert workbook(folder).sheetnames == ["review"]
    assert table(folder) == []


def test_a_list_of_choices_for_many_scattered_rows_is_made_in_time_that_grows_with_their_number() -> None:
    began_s = time.process_time()
    found = choice(Choice(["approve"], "", is_strict=True), "C", range(2, 40_000, 2))
    assert (len(found.sqref.ranges), str(found.sqref).split()[-1]) == (19_999, "C39998")
    assert time.process_time() - began_s < 15, "one by one it takes 40 s"
