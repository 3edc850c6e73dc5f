"""Sheets written again after editors decided: what was made of a text is shown, and what is decided on that taken."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from returned_sheets import in_table, read, said, setting
from runs_to_review import NOW, RUN, SCENE, TEXTS, a_decision, a_scene, a_text, record_id, reviewed, write_run

from aigc.review.decisions import Decision
from aigc.review.ledger import Source, append, read_ledger
from aigc.review.reviewable import reviewables
from aigc.review.words import Language
from aigc.review_sheet.delimited import write_csv
from aigc.review_sheet.returned import has_unsaved_work, import_file
from aigc.review_sheet.workbook import write_workbook

EDITED = "The kettle holds a litre of water, and pours it out in a thin stream."
DARK = {**SCENE, "ending": "Dark, and the kettle is all that anybody can hear in the house."}
LAID_OUT = f"""INT. KITCHEN – DAY

Ana: Where is the kettle?
Bo: Here: on the stove.

a kettle
two cups

{DARK['ending']}"""
ALL_IN_ONE = "All in one, without fields, and longer than before."
Cells = Mapping[tuple[str, str], str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run with texts that stand as Ana left them, one that she approved, and one that Bo and she differ about."""
    folder = write_run(tmp_path / "outputs" / RUN, [
        *(a_text(name, TEXTS[name]) for name in ("plain", "chinese", "quotes", "emoji")), a_scene(), a_scene("odd")])
    run = reviewed(folder)
    decide(folder, [
        a_decision(run, verb="edit", text=EDITED, reason="facts_wrong", note="it is slow"),
        a_decision(run, "chinese"),
        a_decision(run, "scene", verb="edit", fields=DARK),
        a_decision(run, "odd", verb="edit", text=ALL_IN_ONE),
        a_decision(run, "emoji", verb="edit", text="Tea time."),
        a_decision(run, "emoji", editor="Bo", verb="reject", reason="tone_wrong", note="colder"),
    ])
    return folder


def decide(folder: Path, decisions: list[Decision], name: str = "f") -> None:
    append(folder, decisions, Source(name=name, digest=f"sha256:{name}", imported_at=NOW))


def latest(folder: Path, name: str, editor: str) -> Decision:
    return next(one for one in read_ledger(folder).standing()[record_id(name)].latest if one.editor == editor)


def book_of(folder: Path, language: Language = "en") -> Any:
    from openpyxl import load_workbook

    standing = read_ledger(folder).standing()
    return load_workbook(write_workbook(folder, RUN, lambda: reviewables(folder), standing, language))


def rows_of(folder: Path, language: Language = "en") -> dict[str, dict[str, Any]]:
    """Cells of the workbook's sheets by id of the brief and heading."""
    found = {}
    for sheet in book_of(folder, language).worksheets[1:]:
        headings = [cell.value for cell in sheet[1]]
        found |= {row[0].value: dict(zip(headings, row, strict=True)) for row in sheet.iter_rows(min_row=2)}
    return found


def back(kind: str, folder: Path, tmp_path: Path, cells: Cells) -> Path:
    """A sheet that was written now, and came back with other cells, by id of the brief and heading."""
    path = tmp_path / f"back.{kind}"
    if kind == "xlsx":
        book = book_of(folder)
        for sheet in book.worksheets[1:]:
            headings = [cell.value for cell in sheet[1]]
            for row in sheet.iter_rows(min_row=2):
                for heading in [heading for name, heading in cells if name == row[0].value]:
                    row[headings.index(heading)].value = cells[row[0].value, heading]
        book.save(path)
        return path
    standing = read_ledger(folder).standing()
    written = write_csv(folder, RUN, lambda: reviewables(folder), standing, "en")
    rows = list(csv.DictReader(io.StringIO(written.read_text("utf-8-sig"), newline="")))
    setting(cells)(rows)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_sheet_shows_a_text_as_it_stands_and_every_version_whole(folder: Path) -> None:
    cells = rows_of(folder)
    plain, scene, odd, emoji = (cells[name] for name in ("plain", "scene", "odd", "emoji"))
    assert plain["text"].value == EDITED
    assert plain["decided so far"].value == (
        "approved\nAna: edit, facts wrong: “it is slow” (2026-11-28 17:00 UTC)")
    assert plain["versions so far"].value == (
        f"Ana: edit, facts wrong: “it is slow” (2026-11-28 17:00 UTC)\n{EDITED}\n\nas it was made:\n{TEXTS['plain']}")
    assert (scene["ending"].value, scene["text"].value) == (DARK["ending"], LAID_OUT)
    assert f"\nending: {DARK['ending']}\n\nas it was made:\nheading: INT. KITCHEN" in scene["versions so far"].value
    assert (scene["ending"].protection.locked, scene["text"].protection.locked) == (False, True)
    assert (odd["ending"].value, odd["text"].value) == (None, ALL_IN_ONE)
    assert (odd["ending"].protection.locked, odd["text"].protection.locked) == (True, False)
    assert emoji["text"].value == TEXTS["emoji"]
    assert emoji["decided so far"].value == (
        "in conflict\nAna: edit (2026-11-28 17:00 UTC)\nBo: reject, tone wrong: “colder” (2026-11-28 17:00 UTC)")
    assert emoji["versions so far"].value == "Ana: edit (2026-11-28 17:00 UTC)\nTea time."
    assert (cells["chinese"]["text"].value, cells["chinese"]["versions so far"].value) == (TEXTS["chinese"], None)
    assert (plain["decision"].value, plain["reason"].value, plain["note"].value) == (None, None, None)
    assert rows_of(folder, "zh")["plain"]["已有版本"].value.startswith("Ana: 修改, 事实错误: “it is slow”")


def test_a_final_word_and_whom_it_overruled_are_told(folder: Path) -> None:
    decide(folder, [replace(latest(folder, "emoji", "Ana"), editor="Chief", final=True)], "g")
    emoji = rows_of(folder)["emoji"]
    assert emoji["text"].value == "Tea time."
    assert "\nChief: edit, the final word (2026-11-28 17:00 UTC)\n" in emoji["decided so far"].value
    assert emoji["decided so far"].value.endswith("Bo: reject, tone wrong: “colder” (2026-11-28 17:00 UTC) (overruled)")


ENDS = "Dark, and nobody can hear a thing."
TAKEN: list[tuple[Cells, dict[str, tuple[str, str, object]], list[str]]] = [
    ({}, {}, []),
    ({("plain", "decision"): "approve"}, {"plain": ("edit", EDITED, {})}, []),
    ({("plain", "decision"): "reject", ("plain", "reason"): "legal"}, {"plain": ("reject", "", {})}, []),
    ({("plain", "text"): "Other."}, {"plain": ("edit", "Other.", {})}, ["taken_as_edit"]),
    ({("plain", "decision"): "edit", ("plain", "text"): "Other."}, {"plain": ("edit", "Other.", {})}, []),
    ({("plain", "text"): TEXTS["plain"]}, {"plain": ("approve", "", {})}, ["taken_as_approval"]),
    ({("plain", "text"): TEXTS["plain"], ("plain", "decision"): "edit"}, {"plain": ("approve", "", {})},
     ["taken_as_approval"]),
    ({("plain", "text"): TEXTS["plain"], ("plain", "decision"): "reject", ("plain", "reason"): "legal"},
     {"plain": ("reject", "", {})}, ["text_not_kept"]),
    ({("chinese", "decision"): "approve"}, {"chinese": ("approve", "", {})}, []),
    ({("scene", "decision"): "approve"}, {"scene": ("edit", "", DARK)}, []),
    ({("scene", "decision"): "edit", ("scene", "ending"): ENDS},
     {"scene": ("edit", "", {**SCENE, "ending": ENDS})}, []),
    ({("scene", "decision"): "edit", ("scene", "heading"): "EXT."},
     {"scene": ("edit", "", {**DARK, "heading": "EXT."})}, []),
    ({("scene", "ending"): str(SCENE["ending"])}, {"scene": ("approve", "", {})}, ["taken_as_approval"]),
    ({("scene", "decision"): "edit", ("scene", "text"): "All."}, {"scene": ("edit", "All.", {})}, ["fields_given_up"]),
    ({("odd", "decision"): "approve"}, {"odd": ("edit", ALL_IN_ONE, {})}, []),
    ({("odd", "decision"): "edit", ("odd", "text"): "All."}, {"odd": ("edit", "All.", {})}, []),
    ({("emoji", "decision"): "approve"}, {"emoji": ("approve", "", {})}, []),
    ({("emoji", "decision"): "as Ana"}, {"emoji": ("edit", "Tea time.", {})}, []),
    ({("emoji", "decision"): "同 ana"}, {"emoji": ("edit", "Tea time.", {})}, []),
    ({("emoji", "decision"): "as Ana", ("emoji", "text"): "Tea time. "}, {"emoji": ("edit", "Tea time.", {})}, []),
    ({("emoji", "decision"): "as Bo"}, {"emoji": ("reject", "", {})}, []),
    ({("scene", "decision"): "as Ana"}, {"scene": ("edit", "", DARK)}, []),
    ({("chinese", "decision"): "as Ana"}, {"chinese": ("approve", "", {})}, []),
]


@pytest.mark.parametrize(("cells", "taken", "told"), TAKEN)
def test_what_is_decided_on_a_text_as_a_colleague_left_it_is_taken(
    folder: Path, tmp_path: Path, cells: Cells, taken: dict[str, tuple[str, str, object]], told: list[str]
) -> None:
    reading = read(back("csv", folder, tmp_path, cells), folder, "Cy")
    assert [problem.message for problem in reading.problems] == []
    assert [notice.code for notice in reading.notices] == told
    assert {name: (one.verb, one.text, one.fields) for name, one in said(reading).items()} == taken
    assert {one.base for one in said(reading).values()} <= {one.base for one in reviewed(folder).originals.values()}


REPORTED: list[tuple[Cells, str, str]] = [
    ({("plain", "decision"): "edit"}, "no_change", "'edit' beside the text as Ana left it"),
    ({("plain", "decision"): "approve", ("plain", "reason"): "legal"}, "needless_reason", "an approval with"),
    ({("plain", "note"): "hm"}, "no_decision", "a reason or a note without a decision"),
    ({("plain", "decision"): "as Dan"}, "unknown_colleague",
     "a decision as 'Dan', who did not decide on this text; expected one of Ana, who did. Correct the cell."),
    ({("emoji", "decision"): "as Anna"}, "unknown_colleague", "one of Ana, Bo, who did. Correct the cell. Did"),
    ({("quotes", "decision"): "同 李安"}, "unknown_colleague", "expected your own decision: nobody did"),
    ({("emoji", "decision"): "as Ana", ("emoji", "text"): "Tea."}, "two_edits", "a changed text beside"),
    ({("plain", "decision"): "approve", ("plain", "aigc:shown"): "v00"}, "unknown_version", "Restore its hidden"),
    ({("odd", "decision"): "edit", ("odd", "ending"): "Words."}, "unclear_field", "that was edited as a whole"),
    ({("quotes", "decision"): "edit", ("quotes", "text"): EDITED}, "rows_mixed", "the text of another record"),
]


def test_the_same_is_taken_of_a_workbook(folder: Path, tmp_path: Path) -> None:
    cells = {("plain", "text"): TEXTS["plain"], ("chinese", "decision"): "as Ana", ("scene", "decision"): "approve",
             ("odd", "text"): "All.", ("emoji", "decision"): "同 Bo"}
    reading = read(back("xlsx", folder, tmp_path, cells), folder, "Cy")
    assert (reading.problems, [notice.code for notice in reading.notices]) == (
        [], ["taken_as_approval", "taken_as_edit"])
    assert {name: (one.verb, one.text, one.fields) for name, one in said(reading).items()} == {
        "plain": ("approve", "", {}), "chinese": ("approve", "", {}), "emoji": ("reject", "", {}),
        "scene": ("edit", "", DARK), "odd": ("edit", "All.", {})}


@pytest.mark.parametrize(("cells", "code", "message"), REPORTED)
def test_what_cannot_be_told_of_a_colleagues_version_is_reported(
    folder: Path, tmp_path: Path, cells: Cells, code: str, message: str
) -> None:
    reading = read(back("csv", folder, tmp_path, cells), folder, "Cy")
    assert [(problem.code, message in problem.message) for problem in reading.problems] == [(code, True)]
    assert reading.offered == []


def test_who_approves_a_colleagues_edit_agrees_and_a_conflict_is_settled_by_name(folder: Path, tmp_path: Path) -> None:
    cells = {("plain", "decision"): "approve", ("scene", "decision"): "approve", ("emoji", "decision"): "as Bo"}
    taken = import_file(folder, RUN, back("xlsx", folder, tmp_path, cells), "Ana")
    assert (taken.taken, taken.known, taken.problems) == (2, 1, [])  # of the scene she says what she said
    assert latest(folder, "emoji", "Ana").reason == "tone_wrong"
    states = {name: read_ledger(folder).standing()[record_id(name)].state for name in ("plain", "scene", "emoji")}
    assert states == {"plain": "approved", "scene": "approved", "emoji": "rejected"}
    path = back("csv", folder, tmp_path, {("plain", "decision"): "approve", ("scene", "decision"): "approve"})
    assert import_file(folder, RUN, path, "Bo").problems == []
    assert read_ledger(folder).standing()[record_id("scene")].state == "approved"


def test_a_sheet_is_compared_with_what_it_was_written_with_whatever_came_since(folder: Path, tmp_path: Path) -> None:
    cells = {("plain", "decision"): "approve", ("emoji", "decision"): "as Ana", ("chinese", "text"): "新的。"}
    paths = [back(kind, folder, tmp_path, cells) for kind in ("xlsx", "csv")]
    untouched = back("xlsx", folder, tmp_path / "outputs", {})
    run, later = reviewed(folder), "2026-11-28T18:00:00.000+00:00"
    decide(folder, [
        a_decision(run, verb="edit", text="Ana thought again.", at=later), a_decision(run, "emoji", at=later),
        a_decision(run, "chinese", verb="edit", text="她的。", at=later),
        a_decision(run, "scene", at=later), a_decision(run, "odd", verb="reject", at=later)], "later")
    assert read(untouched, folder, "Cy").offered == []
    for path in paths:
        reading = read(path, folder, "Cy")
        assert reading.problems == []
        assert {name: (one.verb, one.text) for name, one in said(reading).items()} == {
            "plain": ("edit", EDITED), "emoji": ("edit", "Tea time."), "chinese": ("edit", "新的。")}
    taken = import_file(folder, RUN, paths[0], "Cy")
    assert (taken.taken, {problem.code for problem in taken.problems}) == (3, {"conflict"})
    assert import_file(folder, RUN, paths[0], "Cy").taken == 0


def test_a_sheet_from_before_there_were_versions_is_compared_with_the_text_as_it_was_made(
    folder: Path, tmp_path: Path
) -> None:
    """Such a sheet shows all texts as they were made, and has none of the columns."""
    untouched = in_table(folder, tmp_path)
    assert "aigc:shown" not in untouched.read_text("utf-8-sig")
    assert read(untouched, folder, "Cy").offered == []
    cells = {("plain", "decision"): "approve", ("scene", "ending"): "Dark.", ("emoji", "decision"): "as Ana"}
    reading = read(in_table(folder, tmp_path, setting(cells)), folder, "Cy")
    assert {name: (one.verb, one.text, one.fields) for name, one in said(reading).items()} == {
        "plain": ("approve", "", {}), "scene": ("edit", "", {**SCENE, "ending": "Dark."}),
        "emoji": ("edit", "Tea time.", {})}


def test_a_table_with_edits_is_read_in_the_encoding_that_it_was_saved_in(folder: Path, tmp_path: Path) -> None:
    decide(folder, [a_decision(reviewed(folder), "chinese", verb="edit", text="水壶能装一升水🫖。")], "g")
    path = back("csv", folder, tmp_path, {("chinese", "decision"): "approve"})
    path.write_bytes(path.read_text("utf-8-sig").encode("gbk", "replace"))
    reading = read(path, folder, "Cy")
    assert reading.problems == []
    assert {name: (one.verb, one.text) for name, one in said(reading).items()} == {
        "chinese": ("edit", "水壶能装一升水🫖。")}


def lists_of(folder: Path, language: Language = "en") -> dict[str, tuple[str, str]]:
    """The lists of decisions of the first sheet of texts, and what is done with another word, by their cells."""
    validations = book_of(folder, language).worksheets[1].data_validations.dataValidation
    return {str(one.sqref): (one.formula1, one.errorStyle or "stop") for one in validations
            if str(one.sqref).startswith("C")}


@pytest.mark.parametrize(("names", "more"), [
    (["Bo"], ",as Ana,as Bo"),
    (["Bo", "Li, Ann", 'The "X"', "李安"], ",as Ana,as Bo,as 李安"),
    (["B" * 300, "Bo"], ",as Ana,as Bo"),
    (["=1+1", "approve", "B\x01", "_x0041_", "\U00020bb7" * 105, "a&<b"], ",as Ana,as =1+1,as approve,as a&<b"),
])
def test_in_a_conflict_the_list_of_decisions_has_the_names_that_a_list_can_hold(
    tmp_path: Path, names: list[str], more: str
) -> None:
    folder = write_run(tmp_path / RUN, [a_text(name, TEXTS[name]) for name in ("plain", "chinese", "quotes", "emoji")])
    run = reviewed(folder)
    decide(folder, [a_decision(run, "quotes", verb="edit", text="Another.")]
           + [a_decision(run, "quotes", editor=name, verb="reject") for name in names])
    verbs = "approve,edit,reject"
    assert lists_of(folder) == {"C2:C3 C5": (f'"{verbs}"', "warning"), "C4": (f'"{verbs}{more}"', "warning")}
    reading = read(back("xlsx", folder, tmp_path, {("quotes", "decision"): f"as {names[-1]}"}), folder, "Cy")
    assert [one.verb for one in said(reading).values()] == ["reject"]


def test_without_a_conflict_nothing_but_the_three_can_be_chosen(folder: Path) -> None:
    assert [*lists_of(folder, "zh").values()][-1] == ('"通过,修改,退回,同 Ana,同 Bo"', "warning")
    decide(folder, [replace(latest(folder, "emoji", "Ana"), editor="Bo", at="2026-11-28T18:00:00.000+00:00")], "g")
    assert lists_of(folder) == {"C2:C5": ('"approve,edit,reject"', "stop")}


def test_a_sheet_of_which_nothing_was_decided_has_no_columns_for_it(tmp_path: Path) -> None:
    folder = write_run(tmp_path / RUN, [a_text("plain", TEXTS["plain"])])
    assert not rows_of(folder)["plain"].keys() & {"versions so far", "aigc:shown", "aigc:seen"}


def test_a_file_in_which_a_colleagues_text_stands_has_nobodys_unsaved_work(folder: Path, tmp_path: Path) -> None:
    for kind in ("xlsx", "csv"):
        assert not has_unsaved_work(back(kind, folder, tmp_path, {}), reviewed(folder), read_ledger(folder))
        path = back(kind, folder, tmp_path, {("emoji", "decision"): "as Ana"})
        assert has_unsaved_work(path, reviewed(folder), read_ledger(folder))


def test_a_sheet_that_comes_once_more_is_no_answer_to_a_final_word_of_which_it_does_not_tell(
    folder: Path, tmp_path: Path
) -> None:
    cells = {("plain", "decision"): "reject", ("plain", "reason"): "legal"}
    path = back("csv", folder, tmp_path, cells)
    assert import_file(folder, RUN, path, "Bo").taken == 1
    final = replace(latest(folder, "plain", "Ana"), editor="Mei", final=True, at="2026-01-01T00:00:00.000+00:00")
    decide(folder, [final], "final")
    path.write_bytes(path.read_bytes() + b"\r\n")  # saved once more: another file
    taken = import_file(folder, RUN, path, "Bo")
    assert (taken.taken, taken.known, taken.problems) == (0, 1, [])
    assert latest(folder, "plain", "Mei").final
    taken = import_file(folder, RUN, back("csv", folder, tmp_path, cells), "Bo")
    assert (taken.taken, [one.code for one in taken.problems]) == (1, ["conflict"])
