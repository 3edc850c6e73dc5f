"""Who decided in a sheet: named by the workbook, by the rows of a table, or by the command."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from returned_sheets import Rows, in_table, in_workbook, read, said, setting
from runs_to_review import RUN, TEXTS, a_scene, a_text, reviewed, write_run

from aigc.errors import UsageError
from aigc.review.ledger import read_ledger
from aigc.review.reviewable import reviewables
from aigc.review_sheet.delimited import write_csv
from aigc.review_sheet.returned import has_unsaved_work, import_file

DECIDED = {("plain", "decision"): "approve", ("chinese", "decision"): "reject", ("chinese", "reason"): "legal"}


@pytest.mark.parametrize(("names", "editor", "found"), [
    ({"plain": "Bo"}, "", {"plain": "Bo", "chinese": "Bo"}),
    ({"emoji": " Bo  Li "}, "", {"plain": "Bo Li", "chinese": "Bo Li"}),
    ({"plain": "Bo", "chinese": "李安"}, "", {"plain": "Bo", "chinese": "李安"}),
    ({"plain": "Bo"}, "Bo", {"plain": "Bo", "chinese": "Bo"}),
    ({}, "Bo", {"plain": "Bo", "chinese": "Bo"}),
    ({}, "李\u3000安", {"plain": "李 安", "chinese": "李 安"}),
])
def test_a_table_names_its_editor_once_or_in_each_row(
    folder: Path, tmp_path: Path, names: dict[str, str], editor: str, found: dict[str, str]
) -> None:
    path = in_table(folder, tmp_path, setting(DECIDED | {(row, "editor"): name for row, name in names.items()}))
    assert {name: one.editor for name, one in said(read(path, folder, editor)).items()} == found
    taken = import_file(folder, RUN, path, editor)
    assert (taken.taken, taken.editors, taken.problems) == (2, sorted({*found.values()}), [])


def test_the_column_is_found_by_its_chinese_heading_too(folder: Path, tmp_path: Path) -> None:
    def change(rows: Rows) -> None:
        for row in rows:
            row["编辑人"] = row.pop("editor")
        rows[2]["编辑人"], rows[0]["decision"] = "李安", "通过"

    assert said(read(in_table(folder, tmp_path, change), folder, ""))["plain"].editor == "李安"


def test_a_chinese_table_that_a_program_saved_in_gbk_is_read_with_its_names(folder: Path, tmp_path: Path) -> None:
    written = write_csv(folder, RUN, lambda: reviewables(folder), {}, "zh")
    rows = list(csv.DictReader(io.StringIO(written.read_text("utf-8-sig"), newline="")))
    rows[0].update(决定="退回", 理由="法律问题", 编辑人="李安")
    path = tmp_path / "back.csv"
    with path.open("w", encoding="gbk", errors="replace", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    taken = import_file(folder, RUN, path)
    assert (taken.taken, taken.editors, taken.problems) == (1, ["李安"], [])


def test_a_row_of_nobody_is_reported_where_several_decided_in_one_table(folder: Path, tmp_path: Path) -> None:
    names = {("plain", "editor"): "Bo", ("emoji", "editor"): "Cy", ("emoji", "decision"): "approve"}
    path = in_table(folder, tmp_path, setting(DECIDED | names))
    reading = read(path, folder, "")
    assert {name: one.editor for name, one in said(reading).items()} == {"plain": "Bo", "emoji": "Cy"}
    assert [problem.message for problem in reading.problems] == [
        "back.csv, id 'chinese', line 7: found a decision of nobody, in a file of several editors; expected the name "
        "of who decided. Write it into the row's cell 'editor'."]
    assert has_unsaved_work(path, reviewed(folder), read_ledger(folder))


def test_a_command_that_names_another_editor_than_the_table_is_refused(folder: Path, tmp_path: Path) -> None:
    path = in_table(folder, tmp_path, setting(DECIDED | {("chinese", "editor"): "Bo"}))
    with pytest.raises(UsageError, match=r"'Bo', whom the file names as its editor \(back.csv, id 'chinese', "):
        read(path, folder, "Ana")


def test_who_names_nobody_is_told_how_to_in_that_file(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--editor NAME, or write it into the column 'editor' \(编辑人\) of any row"):
        read(in_table(folder, tmp_path, setting(DECIDED)), folder, "")
    with pytest.raises(UsageError, match="or write it into the cell beside 'editor' on the workbook's first sheet"):
        read(in_workbook(folder, tmp_path, lambda _: None), folder, "")


def test_a_name_that_is_none_is_reported_with_its_row(folder: Path, tmp_path: Path) -> None:
    def change(book: object) -> None:
        sheet = book["note"]  # type: ignore[index]
        sheet["C2"], sheet.cell(1, 40).value, sheet.cell(2, 40).value = "approve", "editor", "=A1"

    reading = read(in_workbook(folder, tmp_path, change), folder, "Ana")
    assert [problem.code for problem in reading.problems] == ["formula"]


def test_a_name_alone_is_nobodys_decision(folder: Path, tmp_path: Path) -> None:
    path = in_table(folder, tmp_path, setting({("plain", "editor"): "Bo"}))
    assert read(path, folder, "").offered == []
    assert not has_unsaved_work(path, reviewed(folder), read_ledger(folder))


def test_a_field_named_editor_is_told_from_the_column_also_in_a_table_of_before(tmp_path: Path) -> None:
    folder = write_run(tmp_path / RUN, [a_scene("scene", {"editor": "Kim, cutter", "title": "Cut"})])

    def before(rows: Rows) -> None:
        rows[0]["editor"], rows[0]["decision"] = "Kim, editor", "edit"
        del rows[0]["editor (field)"]

    fields = said(read(in_table(folder, tmp_path, before), folder, "Ana"))["scene"].fields
    assert fields == {"editor": "Kim, editor", "title": "Cut"}
    now = setting({("scene", "editor (field)"): "Kim", ("scene", "editor"): "Ana", ("scene", "decision"): "edit"})
    decision = said(read(in_table(folder, tmp_path, now), folder, ""))["scene"]
    assert (decision.editor, decision.fields) == ("Ana", {"editor": "Kim", "title": "Cut"})


def test_a_field_named_guide_of_a_table_of_before_is_no_column_of_ours(tmp_path: Path) -> None:
    folder = write_run(tmp_path / RUN, [a_scene("scene", {"guide": "Walk slowly.", "title": "Cut"})])

    def before(rows: Rows) -> None:
        rows[0]["guide"] = rows[0].pop("guide (field)").replace("slowly", "fast")
        del rows[0]["how to decide"]

    fields = said(read(in_table(folder, tmp_path, before), folder, "Ana"))["scene"].fields
    assert fields == {"guide": "Walk fast.", "title": "Cut"}


def test_a_name_whose_characters_are_damaged_is_told_as_that(tmp_path: Path) -> None:
    folder = write_run(tmp_path / RUN, [a_text("plain", TEXTS["plain"])])
    cells = {("plain", "decision"): "approve", ("plain", "editor"): "René"}
    path = in_table(folder, tmp_path, setting(cells), "cp1252")
    with pytest.raises(UsageError, match=r"found bytes in editor of an encoding that nothing tells; expected the name "
                       r"of the editor who decided\. Save the sheet as \.xlsx or 'CSV UTF-8'\. "
                       r"Or give the name as --editor NAME\."):
        read(path, folder, "")


def test_a_name_in_the_bytes_of_another_encoding_is_refused(folder: Path, tmp_path: Path) -> None:
    name = "李安".encode("gbk").decode("utf-8", "surrogateescape")
    with pytest.raises(UsageError, match="Set the terminal to UTF-8, or have the editor sign in the file"):
        import_file(folder, RUN, in_table(folder, tmp_path, setting(DECIDED)), name)
    assert read_ledger(folder).decisions == []
