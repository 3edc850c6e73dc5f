"""Sheets that come back, as their editors leave them: what they decided is taken, and what cannot be is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from returned_sheets import Rows, approve_all, in_table, in_workbook, read, said, setting, with_cells
from runs_to_review import NOW, RUN, SCENE, TEXTS, a_scene, record_id, reviewed, write_run

from aigc.errors import ReviewError, UsageError
from aigc.review.intake import Reading
from aigc.review.ledger import read_ledger
from aigc.review_sheet.returned import has_unsaved_work, import_file


def test_a_file_in_which_nothing_was_done_decides_nothing(folder: Path, tmp_path: Path) -> None:
    for path in (in_workbook(folder, tmp_path, lambda _: None), in_table(folder, tmp_path),
                 folder / "review.xlsx", folder / "review.csv"):
        assert read(path, folder) == Reading([], [], [])


DECIDED: list[tuple[str, dict[str, str], dict[str, object]]] = [
    ("plain", {"decision": "approve"}, {"verb": "approve", "text": "", "at": NOW, "editor": "Ana"}),
    ("plain", {"decision": " Approved "}, {"verb": "approve"}),
    ("plain", {"decision": "通过", "note": "好"}, {"verb": "approve", "note": "好"}),
    ("plain", {"decision": "reject", "reason": "tone wrong", "note": "colder"},
     {"verb": "reject", "reason": "tone_wrong", "note": "colder"}),
    ("plain", {"decision": "退回", "reason": "事实错误"}, {"verb": "reject", "reason": "facts_wrong"}),
    ("plain", {"decision": "reject", "reason": "Too_Long"}, {"verb": "reject", "reason": "too_long"}),
    ("plain", {"decision": "edit", "text": "New words.\nTwo."}, {"verb": "edit", "text": "New words.\nTwo."}),
    ("chinese", {"decision": "修改", "text": "新的文字🙂"}, {"verb": "edit", "text": "新的文字🙂"}),
    ("arabic", {"decision": "edit", "text": "نص جديد"}, {"verb": "edit", "text": "نص جديد"}),
    ("number", {"decision": "edit", "text": "seven"}, {"verb": "edit", "text": "seven"}),
    ("escaped", {"decision": "edit", "text": "A part."}, {"verb": "edit", "text": "A part."}),
    ("long", {"decision": "approve"}, {"verb": "approve", "text": ""}),
    ("held", {"decision": "approve"}, {"verb": "approve"}),
    ("rejected", {"decision": "approve"}, {"verb": "approve"}),
    ("scene", {"decision": "approve"}, {"verb": "approve", "fields": {}}),
    ("scene", {"decision": "edit", "ending": "Dark."}, {"text": "", "fields": {**SCENE, "ending": "Dark."}}),
    ("scene", {"decision": "edit", "props": "one\n\n two "}, {"fields": {**SCENE, "props": ["one", "two"]}}),
]


@pytest.mark.parametrize(("name", "cells", "expected"), DECIDED)
@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_what_an_editor_decides_in_a_row_is_taken(
    folder: Path, tmp_path: Path, kind: str, name: str, cells: dict[str, str], expected: dict[str, object]
) -> None:
    keyed = {(name, heading): value for heading, value in cells.items()}
    path = with_cells(folder, tmp_path, keyed) if kind == "xlsx" else in_table(folder, tmp_path, setting(keyed))
    reading = read(path, folder)
    assert (reading.problems, reading.notices) == ([], [])
    (decision,) = said(reading).values()
    assert said(reading)[name] == decision
    assert {key: getattr(decision, key) for key in expected} == expected
    assert import_file(folder, RUN, path, "Ana").problems == []


TOLD: list[tuple[str, dict[str, str], str | None, list[str]]] = [
    ("plain", {"text": "New words."}, "edit", ["taken_as_edit"]),
    ("plain", {"decision": "approve", "text": "New words."}, "edit", ["taken_as_edit"]),
    ("plain", {"decision": "reject", "text": "New words."}, "reject", ["text_not_kept"]),
    ("plain", {"decision": "reject", "text": ""}, "reject", ["text_not_kept"]),
    ("scene", {"decision": "edit", "text": "All new."}, "edit", ["fields_given_up"]),
    ("number", {"decision": "approve", "text": "7"}, "approve", ["mangled"]),
    ("date", {"text": "5/1/2024"}, None, ["mangled"]),
]


@pytest.mark.parametrize(("name", "cells", "verb", "codes"), TOLD)
def test_what_is_read_otherwise_than_it_stands_is_told(
    folder: Path, tmp_path: Path, name: str, cells: dict[str, str], verb: str | None, codes: list[str]
) -> None:
    keyed = {(name, heading): value for heading, value in cells.items()}
    for path in (with_cells(folder, tmp_path, keyed), in_table(folder, tmp_path, setting(keyed))):
        reading = read(path, folder)
        assert [problem.code for problem in reading.problems] == []
        assert [notice.code for notice in reading.notices] == codes
        assert [decision.verb for decision in said(reading).values()] == ([verb] if verb else [])


REPORTED: list[tuple[str, dict[str, str], str]] = [
    ("plain", {"decision": "aprove"}, "unknown_decision"),
    ("plain", {"decision": "2026-05-01"}, "unknown_decision"),
    ("plain", {"decision": "edit"}, "no_change"),
    ("plain", {"decision": "reject", "reason": "boring"}, "unknown_reason"),
    ("plain", {"decision": "approve", "reason": "legal"}, "needless_reason"),
    ("plain", {"note": "look at this"}, "no_decision"),
    ("plain", {"reason": "legal"}, "no_decision"),
    ("plain", {"decision": "edit", "text": ""}, "empty_text"),
    ("plain", {"decision": "approve", "text": ""}, "empty_text"),
    ("plain", {"text": " "}, "empty_text"),
    ("plain", {"text": "#REF!"}, "error_value"),
    ("plain", {"decision": "approve", "text": "#NAME?"}, "error_value"),
    ("plain", {"text": "The kettle isnâ€™t a litre."}, "wrongly_decoded"),
    ("chinese", {"text": TEXTS["chinese"].encode().decode("gbk", "ignore")}, "wrongly_decoded"),
    ("plain", {"text": "The kettle isn\ufffdt a litre."}, "lost_characters"),
    ("plain", {"text": TEXTS["blanks"]}, "rows_mixed"),
    ("long", {"text": "word " * 3_000 + "cut by its editor"}, "cut_cell"),
    ("number", {"decision": "edit", "text": "7"}, "mangled"),
    ("scene", {"decision": "edit", "lines": "Ana: Where?\nno speaker"}, "unclear_field"),
    ("scene", {"decision": "edit", "lines": ""}, "empty_text"),
    ("scene", {"decision": "edit", "ending": "Dark.", "text": "All new."}, "two_edits"),
    ("plain", {"decision": "approve", "record_id": "0193f000"}, "unknown_record"),
    ("plain", {"decision": "approve", "record_id": ""}, "no_record_id"),
    ("plain", {"decision": "approve", "run_id": "2026-11-01-0100-old-aaaa"}, "wrong_run"),
    ("plain", {"decision": "approve", "base": "sha256:00"}, "text_changed"),
    ("plain", {"text": "New words.", "base": ""}, "no_base"),
]


@pytest.mark.parametrize(("name", "cells", "code"), REPORTED)
def test_what_cannot_be_taken_is_told_with_its_row_and_all_else_is_taken(
    folder: Path, tmp_path: Path, name: str, cells: dict[str, str], code: str
) -> None:
    keyed = {(name, heading): value for heading, value in cells.items()} | {("emoji", "decision"): "approve"}
    sheet, row = ("film_scene", 2) if name == "scene" else ("note", [*TEXTS].index(name) + 2)
    in_book = f"back.xlsx, sheet {sheet}, id '{name}', row {row}: found "
    for path, place in ((with_cells(folder, tmp_path, keyed), in_book),
                        (in_table(folder, tmp_path, setting(keyed)), f"back.csv, id '{name}', line ")):
        taken = import_file(folder, RUN, path, "Ana")
        assert [problem.code for problem in taken.problems] == [code]
        assert taken.problems[0].message.startswith(place)
        assert "; expected " in taken.problems[0].message
        assert (taken.taken, taken.known) in ((1, 0), (0, 1))
        assert [decision.record_id for decision in read_ledger(folder).decisions] == [record_id("emoji")]


def test_rows_may_be_sorted_left_out_and_parted_by_blank_ones(folder: Path, tmp_path: Path) -> None:
    def change(rows: Rows) -> None:
        approve_all(rows)
        rows.sort(key=lambda row: row["text"])
        rows[3:5] = [dict.fromkeys(rows[0], "")]

    reading = read(in_table(folder, tmp_path, change), folder)
    assert (len(reading.offered), reading.problems) == (len(TEXTS) + 1, [])
    assert [notice.message for notice in reading.notices] == [
        "back.csv: found no row of 2 of the run's 15 texts; expected a row of each that was to be decided. They stay "
        "as they are."]


def test_a_text_column_that_was_sorted_alone_is_told_row_by_row(folder: Path, tmp_path: Path) -> None:
    def change(rows: Rows) -> None:
        approve_all(rows)
        texts = sorted(row["text"] for row in rows)
        for row, text in zip(rows, texts, strict=True):
            row["text"] = text

    reading = read(in_table(folder, tmp_path, change), folder)
    assert {problem.code for problem in reading.problems} >= {"rows_mixed"}
    assert not any(decision.text in TEXTS.values() and len(decision.text) > 40 for decision in said(reading).values())


@pytest.mark.parametrize(("moves", "codes"), [(True, ["rows_mixed"] * 3), (False, [])])
def test_a_field_that_was_sorted_alone_is_told_and_one_that_was_copied_is_an_edit(
    tmp_path: Path, moves: bool, codes: list[str]
) -> None:
    """As where an editor gives all letters the closing of one, against where a program moved the closings."""
    endings = [f"Steam on the window, and then the {what} is all that anybody can hear." for what in "abc"]
    scenes = [a_scene(name, {**SCENE, "ending": ending})
              for name, ending in zip(("scene", "odd", "other"), endings, strict=True)]

    def change(rows: Rows) -> None:
        approve_all(rows)
        for row, ending in zip(rows, [*endings[1:], endings[0]] if moves else [endings[0]] * 3, strict=True):
            row["ending"] = ending

    folder = write_run(tmp_path / "run", scenes)
    reading = read(in_table(folder, tmp_path, change), folder)
    assert [problem.code for problem in reading.problems] == codes
    assert [offer.decision.fields["ending"] for offer in reading.offered if offer.decision.verb == "edit"] == (
        [] if moves else [endings[0]] * 2)


def test_columns_may_be_moved_added_and_left_out(folder: Path, tmp_path: Path) -> None:
    def change(book: Any) -> None:
        sheet = book["note"]
        sheet["C3"], sheet["C4"] = "approve", "reject"
        sheet.delete_cols(7, 3)  # findings, brief, outcome
        sheet.insert_cols(1)
        sheet["A1"], sheet["A3"] = "mine", "=1+1"
        sheet.insert_rows(1, 2)
        sheet["A1"] = "Review of Monday"
        sheet.move_range("G3:G20", cols=20)
        sheet.title = "Monday"
        book.create_sheet("scratch")["A1"] = "record_id"
        book["film_scene"].delete_cols(10)  # the text, made of its fields

    reading = read(in_workbook(folder, tmp_path, change), folder)
    assert (reading.problems, reading.notices) == ([], [])
    assert {name: decision.verb for name, decision in said(reading).items()} == {
        "chinese": "approve", "arabic": "reject"}
    assert [offer.place for offer in reading.offered] == ["back.xlsx, sheet Monday, id 'chinese', row 5",
                                                          "back.xlsx, sheet Monday, id 'arabic', row 6"]


def test_two_rows_of_one_text_are_one_where_they_agree_and_none_where_they_differ(folder: Path, tmp_path: Path) -> None:
    def change(rows: Rows) -> None:
        rows[0]["decision"] = rows[1]["decision"] = "approve"
        rows += [dict(rows[0]), {**rows[1], "decision": "reject"}]

    reading = read(in_table(folder, tmp_path, change), folder)
    assert [*said(reading)] == ["plain"]
    assert [problem.code for problem in reading.problems] == ["twice", "twice"]


@pytest.mark.parametrize("form", [
    "Ana: Where is it?\nBo: Here: on the stove.", "Ana： Where is it?\nBo：Here: on the stove.",
])
def test_lines_of_a_dialogue_are_taken_apart_at_the_first_colon(tmp_path: Path, form: str) -> None:
    folder = write_run(tmp_path, [a_scene()])
    decision = said(read(with_cells(folder, tmp_path, {("scene", "lines"): form}), folder))["scene"]
    assert decision.fields["lines"] == [{"speaker": "Ana", "says": "Where is it?"},
                                        {"speaker": "Bo", "says": "Here: on the stove."}]
    assert {name: value for name, value in decision.fields.items() if name != "lines"} == {
        name: value for name, value in SCENE.items() if name != "lines"}


@pytest.mark.parametrize("lines", [["one\ntwo", "three"], [{"speaker": "Dr: Li", "says": "Yes."}]])
def test_entries_whose_ends_cannot_be_told_are_edited_on_the_page(tmp_path: Path, lines: list[Any]) -> None:
    folder = write_run(tmp_path, [a_scene("scene", {"lines": lines})])
    reading = read(with_cells(folder, tmp_path, {("scene", "lines"): "Ana: No."}), folder)
    assert [problem.code for problem in reading.problems] == ["unclear_field"]
    assert "Edit this text in review.html" in reading.problems[0].message
    assert read(with_cells(folder, tmp_path, {("scene", "decision"): "approve"}), folder).problems == []


def test_the_editor_is_named_by_the_workbook_or_the_command(folder: Path, tmp_path: Path) -> None:
    def name(book: Any) -> None:
        book["review"]["B3"] = " Bo Li "
        book["note"]["C2"] = "approve"

    path = in_workbook(folder, tmp_path, name)
    assert read(path, folder, "").offered[0].decision.editor == "Bo Li"
    assert read(path, folder, "Bo Li").offered[0].decision.editor == "Bo Li"
    with pytest.raises(UsageError, match="expected 'Bo Li', whom the file names as its editor"):
        read(path, folder, "Ana")
    for path in (folder / "review.xlsx", in_table(folder, tmp_path)):
        with pytest.raises(UsageError, match="Give it as --editor NAME"):
            read(path, folder, "")


@pytest.mark.parametrize(("name", "content", "message"), [
    ("f.xls", b"x", "found the extension '.xls'; expected .xlsx, .xlsm, .csv"),
    ("f.xlsx", b"", "it may have been cut short, or have a password"),
    ("f.xlsx", b"PK\x03\x04 not a book", "it may have been cut short, or have a password"),
    ("f.csv", b"", "found no row of headings with record_id and decision"),
    ("f.csv", b"id,text\n1,2\n", "found no row of headings with record_id and decision"),
    ("f.csv", b"record_id,decision,Decision\n1,2,3\n", "found two columns named 'decision'"),
    ("f.csv", b'"record_id,decision\n', "a broken header"),
])
def test_a_file_that_is_no_review_sheet_is_refused_whole(
    folder: Path, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ReviewError, match=message):
        read(path, folder)


def test_importing_a_sheet_twice_changes_nothing(folder: Path, tmp_path: Path) -> None:
    path = in_table(folder, tmp_path, approve_all)
    assert import_file(folder, RUN, path, "Ana").taken == len(TEXTS) + 3
    data = (folder / "decisions.jsonl").read_bytes()
    again = import_file(folder, RUN, path, "Ana")
    assert (again.taken, again.known, again.problems) == (0, len(TEXTS) + 3, [])
    assert (folder / "decisions.jsonl").read_bytes() == data
    assert import_file(folder, RUN, path, "Bo").taken == len(TEXTS) + 3


def test_a_file_with_an_editors_work_is_known_from_one_without(folder: Path, tmp_path: Path) -> None:
    run = reviewed(folder)
    assert not has_unsaved_work(in_table(folder, tmp_path), run, read_ledger(folder))
    path = in_table(folder, tmp_path, setting({("plain", "text"): "New words."}))
    assert has_unsaved_work(path, run, read_ledger(folder))
    import_file(folder, RUN, path, "Ana")
    assert not has_unsaved_work(path, run, read_ledger(folder))
    assert has_unsaved_work(in_table(folder, tmp_path, setting({("plain", "note"): "?"})), run, read_ledger(folder))
