"""The round trip through a spreadsheet program that people use: opened, one cell edited, saved, taken back.

LibreOffice is no dependency: where its `soffice` is not installed, these tests are left out.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from runs_to_review import NOW, RUN, SCENE, TEXTS, a_decision, record_id, reviewed, write_run

from aigc.review.intake import Reading
from aigc.review.ledger import Source, append, read_ledger
from aigc.review.reviewable import reviewables
from aigc.review_sheet.delimited import write_csv
from aigc.review_sheet.returned import import_file, read_decisions
from aigc.review_sheet.workbook import write_workbook

SOFFICE = shutil.which("soffice")
pytestmark = pytest.mark.skipif(SOFFICE is None, reason="LibreOffice (soffice) is not installed")
XLSX = "Calc MS Excel 2007 XML"
MODULE = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE script:module PUBLIC "-//OpenOffice.org//DTD OfficeDocument 1.0//EN" "module.dtd">
<script:module xmlns:script="http://openoffice.org/2000/script" script:name="Module1" script:language="StarBasic">
%s
</script:module>
"""
EDIT = """
Sub Edit
  Dim unseen(0) As New com.sun.star.beans.PropertyValue
  unseen(0).Name = "Hidden"
  unseen(0).Value = True
  book = StarDesktop.loadComponentFromURL("{source}", "_blank", 0, unseen())
{cells}
  Dim kind(0) As New com.sun.star.beans.PropertyValue
  kind(0).Name = "FilterName"
  kind(0).Value = "{kind}"
  book.storeToURL("{target}", kind())
  book.close(True)
End Sub
"""


class Office:
    """LibreOffice with settings of its own."""

    def __init__(self, profile: Path) -> None:
        self._profile = profile
        self._call("--convert-to", "csv", "--outdir", str(profile), "/dev/null")  # makes the profile

    def edit(self, source: Path, target: Path, cells: dict[tuple[str, str], str]) -> None:
        """Open `source`, set cells by sheet and place, and save it as a workbook."""
        lines = [f'  book.Sheets.getByName("{sheet}").getCellRangeByName("{place}").String = {_basic(text)}'
                 for (sheet, place), text in cells.items()]
        code = EDIT.format(source=source.as_uri(), target=target.as_uri(), kind=XLSX, cells="\n".join(lines))
        module = self._profile / "user" / "basic" / "Standard" / "Module1.xba"
        module.write_text(MODULE % escape(code, {'"': "&quot;"}), "utf-8")
        self._call("--norestore", "macro:///Standard.Module1.Edit")
        assert target.is_file()

    def convert(self, source: Path, folder: Path, *kind: str) -> Path:
        self._call("--convert-to", *kind, "--outdir", str(folder), str(source))
        (made,) = folder.glob(f"{source.stem}.*")
        return made

    def _call(self, *arguments: str) -> None:
        command = [str(SOFFICE), f"-env:UserInstallation={self._profile.as_uri()}", "--headless", *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=120)


def _basic(text: str) -> str:
    return " & Chr(10) & ".join(f'"{line}"' for line in text.split("\n"))


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return Office(tmp_path_factory.mktemp("office") / "profile")


def test_a_workbook_that_was_edited_in_one_cell_comes_back_as_one_edit(
    office: Office, folder: Path, tmp_path: Path
) -> None:
    source = write_workbook(folder, RUN, lambda: reviewables(folder), {}, "zh")
    back = tmp_path / "back.xlsx"
    new = "第一行，茶。\nSecond line."
    office.edit(source, back, {("说明", "B3"): "李安", ("note", "F3"): new, ("电影场景", "I2"): "Dark.",
                               ("note", "C2"): "退回", ("note", "D2"): "过长"})
    taken = import_file(folder, RUN, back)
    assert (taken.taken, taken.editors, taken.problems) == (3, ["李安"], [])
    said = {offer.decision.record_id: offer.decision
            for offer in read_decisions(back, reviewed(folder), "", NOW).offered}
    assert said[record_id("chinese")].text == new
    assert said[record_id("scene")].fields == {**SCENE, "ending": "Dark."}
    assert (said[record_id("plain")].verb, said[record_id("plain")].reason) == ("reject", "too_long")


def test_a_workbook_that_was_only_opened_and_saved_has_no_edits(office: Office, folder: Path, tmp_path: Path) -> None:
    from openpyxl import load_workbook

    source = write_workbook(folder, RUN, lambda: reviewables(folder), {}, "en")
    back = tmp_path / "back.xlsx"
    office.edit(source, back, {})
    assert read_decisions(back, reviewed(folder), "Ana", NOW) == Reading([], [], [])
    sheet = load_workbook(back)["note"]
    assert sheet.protection.sheet
    assert sheet.data_validations.dataValidation[0].formula1 == '"approve,edit,reject"'
    assert [cell.data_type for cell in sheet["F"]] == ["s"] * (len(TEXTS) + 3)


def test_a_workbook_of_what_colleagues_left_goes_through_it_with_its_lists_and_what_is_chosen_there(
    office: Office, folder: Path, tmp_path: Path
) -> None:
    from openpyxl import load_workbook

    run = reviewed(folder)
    decided = [a_decision(run, verb="edit", text="=Now, 水壶：a litre.\n- of water"), a_decision(run, "chinese"),
               a_decision(run, "chinese", editor="Bo", verb="reject"),
               a_decision(run, "emoji", verb="edit", text="Tea.")]
    append(folder, decided, Source(name="f", digest="sha256:f", imported_at=NOW))
    source = write_workbook(folder, RUN, lambda: reviewables(folder), read_ledger(folder).standing(), "en")
    back = tmp_path / "back.xlsx"
    office.edit(source, back, {("note", "C2"): "approve", ("note", "C3"): "as Bo"})
    reading = read_decisions(back, run, "Cy", NOW)
    assert (reading.problems, reading.notices) == ([], [])
    said = {offer.decision.record_id: (offer.decision.verb, offer.decision.text) for offer in reading.offered}
    assert said == {record_id("plain"): ("edit", decided[0].text), record_id("chinese"): ("reject", "")}
    lists = {str(one.sqref): one.formula1 for one in load_workbook(back)["note"].data_validations.dataValidation}
    assert lists["C3"] == '"approve,edit,reject,as Ana,as Bo"'


@pytest.mark.parametrize("options", ["44,34,76,1", "59,34,76,1", "9,34,76,1"], ids=["comma", "semicolon", "tab"])
def test_a_table_that_was_only_opened_and_saved_has_no_edits(
    office: Office, folder: Path, tmp_path: Path, options: str
) -> None:
    source = write_csv(folder, RUN, lambda: reviewables(folder), {}, "en")
    back = office.convert(source, tmp_path, f"csv:Text - txt - csv (StarCalc):{options}", "--infilter=CSV:44,34,76,1")
    reading = read_decisions(back, reviewed(folder), "Ana", NOW)
    assert (reading.offered, reading.problems) == ([], [])
    assert {notice.code for notice in reading.notices} <= {"mangled"}  # 007 as 7


def test_a_table_of_formulas_runs_none(office: Office, tmp_path: Path) -> None:
    from openpyxl import load_workbook
    from runs_to_review import a_text

    texts = ["=1+1", "+1+1", "-1+1", "@SUM(1)", '="a"&"b"', "\t=1+1", " =1+1", "＝1+1"]
    folder = write_run(tmp_path / "run", [a_text(f"t{at}", text) for at, text in enumerate(texts)])
    source = write_csv(folder, RUN, lambda: reviewables(folder), {}, "en")
    book = load_workbook(office.convert(source, tmp_path, "xlsx", "--infilter=CSV:44,34,76,1"))
    assert [cell.coordinate for row in book.active.iter_rows() for cell in row if cell.data_type == "f"] == []
