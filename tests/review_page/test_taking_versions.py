"""What colleagues decided is read and taken: a conflict ends in the page, and nothing starts one unsaid."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sample_run import sample_records
from samples import RUN_ID, Open, a_run, record_id, write_records
from test_reading_it import found

from aigc.review.ledger import read_ledger
from aigc.review.reviewable import reviewables
from aigc.review.standing import Standing
from aigc.review.status import status_of
from aigc.review_page import Telling, all_rows, write_pages
from aigc.review_sheet.returned import import_file

CONFLICT, EDITED, AT_ODDS, REFUSED, EXHAUSTED = 2, 3, 6, 4, 8
"""Rows: one edits and one approves, one edited, one approves and one rejects, one rejected, one approved."""


def fields_of(row: int, **replaced: tuple[str, str]) -> dict[str, Any]:
    record = next(record for record in sample_records() if record.row == row)
    content = record.attempts[-1].completion.content
    assert content
    return {name: value.replace(*replaced[name]) if name in replaced else value
            for name, value in content.fields.items()}


def decisions_file(folder: Path, editor: str, decided: list[dict[str, Any]], at: Path) -> Path:
    """What review.html would export for an editor."""
    bases = {row.record.row: row.base for row in all_rows(folder)}
    lines: list[dict[str, Any]] = [{"aigc_review": 1, "run_id": RUN_ID, "editor": editor}]
    for minute, each in enumerate(decided):
        rest = {name: value for name, value in each.items() if name != "row"}
        lines.append({"record_id": record_id(each["row"]), "base": bases[each["row"]], "editor": editor,
                      "run_id": RUN_ID, "at": f"2026-11-24T10:{minute:02}:00.000Z", **rest})
    path = at / f"{editor}.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    return path


def files_of_colleagues(folder: Path, at: Path) -> list[Path]:
    ana = [
        {"row": CONFLICT, "action": "edit", "fields": fields_of(CONFLICT, body=("3 minutes", "4 minutes")),
         "reason": "facts_wrong", "note": "It is four minutes."},
        {"row": EDITED, "action": "edit", "fields": fields_of(EDITED, headline=("Taste more.", "Taste all."))},
        {"row": AT_ODDS, "action": "approve"},
        {"row": EXHAUSTED, "action": "approve"},
    ]
    ben = [
        {"row": CONFLICT, "action": "approve"},
        {"row": AT_ODDS, "action": "reject", "reason": "too_short", "note": "写长一些"},
        {"row": REFUSED, "action": "reject", "reason": "off_brief"},
    ]
    return [decisions_file(folder, "Ana", ana, at), decisions_file(folder, "Ben", ben, at)]


@pytest.fixture
def decided(tmp_path: Path) -> Path:
    """A run's folder in which Ana and Ben have decided, and its page of then."""
    folder = tmp_path / "run"
    folder.mkdir()
    write_records(folder, sample_records())
    for file in files_of_colleagues(folder, tmp_path):
        import_file(folder, RUN_ID, file)
    write_pages(folder, a_run(), all_rows(folder), telling=Telling(standing=read_ledger(folder).standing()))
    return folder


def go_to(page: Any, row: int) -> None:
    page.locator("#filter-outcome").select_option("")
    page.locator(f".row[data-n='{row - 1}']").click()


def said(page: Any, text: str) -> None:
    page.locator("#toast", has_text=text).wait_for()


def exported(page: Any, editor: str, at: Path) -> Path:
    page.keyboard.press("x")
    page.locator("dialog input[name=editor]").fill(editor)
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    path = at / f"out-{editor}.jsonl"
    download.value.save_as(path)
    return path


def standing_after(folder: Path, file: Path) -> dict[str, Standing]:
    problems = [problem.code for problem in import_file(folder, RUN_ID, file).problems]
    assert set(problems) <= {"conflict"}
    return read_ledger(folder).standing()


def test_a_conflict_is_what_is_seen_first_and_ends_when_one_of_its_editors_takes_the_others_version(
    opened: Open, decided: Path, tmp_path: Path
) -> None:
    page = opened(decided / "review.html", editor="Ben")
    assert page.locator("#question b").first.inner_text() == "Ana edited, you approved the original: which one?"
    columns = page.locator(".versions .column")
    assert columns.count() == 2
    assert columns.nth(0).locator("ins").all_inner_texts() == ["4"]
    assert "It is four minutes." in columns.nth(0).inner_text()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert (found(page, "unreadable"), found(page, "nameless"), found(page, "overflowing")) == ([], [], [])
    page.locator("#language").click()
    assert page.locator("#question b").first.inner_text() == "Ana做了修改，你通过了原文：采用哪一个？"
    page.locator("#language").click()
    page.locator("#list").focus()
    page.keyboard.press("a")  # of which words? that is no answer
    said(page, "choose a version by its number")
    page.keyboard.press("1")
    said(page, "Approved as edited by Ana.")
    page.keyboard.press("1")  # on the next one Ben insists
    said(page, "Rejected. In conflict: Ana decided otherwise.")
    standing = standing_after(decided, exported(page, "Ben", tmp_path))
    assert standing[record_id(CONFLICT)].state == "approved"
    assert [(each.editor, each.verb) for each in standing[record_id(CONFLICT)].latest] == [
        ("Ana", "edit"), ("Ben", "edit")]
    assert standing[record_id(AT_ODDS)].state == "in_conflict"

    page = opened(decided / "review.html", editor="Ana")
    go_to(page, AT_ODDS)
    page.keyboard.press("1")
    said(page, "Rejected, like Ben.")
    standing = standing_after(decided, exported(page, "Ana", tmp_path))
    assert standing[record_id(AT_ODDS)].state == "rejected"
    assert [each.reason for each in standing[record_id(AT_ODDS)].latest] == ["too_short", "too_short"]


def test_an_edit_that_stands_is_what_is_read_and_approved_and_the_original_has_a_key_of_its_own(
    opened: Open, decided: Path, tmp_path: Path
) -> None:
    page = opened(decided / "review.html", editor="Cy")
    go_to(page, EDITED)
    assert page.locator(".strip").inner_text().startswith("As edited by Ana")
    assert "Taste all." in page.locator("#body").inner_text()
    page.keyboard.press("t")
    assert "Taste more." in page.locator("#body").inner_text()
    page.keyboard.press("a")
    said(page, "Approved as edited by Ana.")
    go_to(page, EDITED)
    assert "as Ana" in page.locator(".strip").inner_text()
    standing = standing_after(decided, exported(page, "Cy", tmp_path))[record_id(EDITED)]
    assert (standing.state, {json.dumps(each.fields) for each in standing.latest}) == (
        "approved", {json.dumps(fields_of(EDITED, headline=("Taste more.", "Taste all.")))})

    page.keyboard.press("u")
    assert page.locator(".state.draft").count() == 0  # words of somebody else's are nobody's draft
    page.keyboard.press("0")
    said(page, "Approved as it was written. In conflict: Ana decided otherwise.")
    page.locator(f".row[data-n='{EDITED - 1}'] .state.conflict").wait_for()


def test_an_edit_begins_with_the_words_that_stand(opened: Open, decided: Path) -> None:
    page = opened(decided / "review.html", editor="Cy")
    go_to(page, EDITED)
    page.keyboard.press("e")
    headline = page.locator("#body textarea").first
    assert headline.input_value() == "Pour slower. Taste all."
    page.keyboard.press("Escape")
    assert page.locator(".state.draft").count() == 0
    page.keyboard.press("e")
    headline.fill("Pour slower. Taste more.")
    page.keyboard.press("Control+Enter")
    said(page, "This is the original again.")
    headline.fill("Pour slower. Taste it.")
    page.keyboard.press("Control+Enter")
    said(page, "Edit saved. In conflict: Ana decided otherwise.")
    go_to(page, CONFLICT)
    page.keyboard.press("e")
    assert "4 minutes" in page.locator("#body textarea").nth(1).input_value()
    page.locator("#body textarea").first.fill("A kettle")
    page.keyboard.press("Escape")
    assert page.locator(f".row[data-n='{CONFLICT - 1}'] .state").count() == 2  # a draft, and a conflict
    page.keyboard.press("e")
    page.locator("#side .take").first.click()  # amid an edit: what was typed is kept
    said(page, "Approved as edited by Ana. Your unsaved edit is kept: E opens it.")
    go_to(page, CONFLICT)
    page.keyboard.press("e")
    assert page.locator("#body textarea").first.input_value() == "A kettle"


def test_files_of_two_colleagues_are_held_against_each_other_in_the_page(
    opened: Open, sample_folder: Path, tmp_path: Path
) -> None:
    page = opened(sample_folder / "review.html", editor="")
    for file in files_of_colleagues(sample_folder, tmp_path):
        page.set_input_files("#import-file", file)
        page.locator("dialog", has_text="taken").wait_for()
        page.keyboard.press("Enter")  # closes it: that is not to say that the reader is Ana
        page.locator("dialog").wait_for(state="detached")
    assert page.locator("#track-words").inner_text().startswith("3 of 8 decided · 2 in conflict")
    go_to(page, CONFLICT)
    assert page.locator("#question b").first.inner_text() == "Ana edited, Ben approved the original: which one?"
    page.keyboard.press("1")
    said(page, "Approved as edited by Ana. In conflict: Ben decided otherwise.")
    page.keyboard.press("Escape")
    lines = [json.loads(line) for line in exported(page, "Cy", tmp_path).read_text("utf-8").splitlines()]
    assert sorted({each["editor"] for each in lines[1:]}) == ["Ana", "Ben", "Cy"]
    assert len(lines) == 1 + 4 + 3 + 1
    page.locator("#who").click()  # it was Ben all along: his decisions are the reader's own
    page.locator("dialog input[name=editor]").fill("Ben")
    page.keyboard.press("Enter")
    page.locator("dialog").wait_for(state="detached")
    assert page.locator("#track-words").inner_text().startswith("3 of 8 decided · 2 in conflict")


def test_the_page_counts_what_the_status_counts(opened: Open, decided: Path) -> None:
    status = status_of(RUN_ID, (row.original for row in reviewables(decided)), read_ledger(decided))
    page = opened(decided / "review.html", editor="Cy")
    assert (status.done, status.open, status.in_conflict, status.records) == (3, 3, 2, 8)
    assert page.locator("#track-words").inner_text() == "3 of 8 decided · 2 in conflict · 2 hidden by the filter"
    page.locator("#filter-outcome").select_option("")
    assert page.locator("#track-words").inner_text() == "3 of 8 decided · 2 in conflict"
    assert page.locator("#found").inner_text() == "10 texts, 3 undecided, 2 in conflict"
    page.locator("#filter-state").select_option("edit")
    assert page.locator(".row").count() == 1


def test_a_final_word_overrules_what_the_browser_still_has(opened: Open, decided: Path, tmp_path: Path) -> None:
    page = opened(decided / "review.html", editor="Ben")
    go_to(page, EDITED)
    page.keyboard.press("0")
    said(page, "In conflict: Ana decided otherwise.")
    standing_after(decided, exported(page, "Ben", tmp_path))
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    word = {"row": EDITED, "action": "reject", "reason": "legal", "at": now}
    file = decisions_file(decided, "Mei", [word], tmp_path)
    import_file(decided, RUN_ID, file, final=True)
    standing = read_ledger(decided).standing()
    assert standing[record_id(EDITED)].state == "rejected"
    write_pages(decided, a_run(), all_rows(decided), telling=Telling(standing=standing))
    page.reload()
    go_to(page, EDITED)
    assert page.locator("#head .strip").inner_text().startswith("Rejected by Mei · final word")


def test_a_rejection_without_a_reason_says_what_is_missing(opened: Open, sample_folder: Path) -> None:
    page = opened(sample_folder / "review.html")
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    page.locator(".missing", has_text="Choose a reason first").wait_for()
    assert page.locator("#track-words").inner_text().startswith("0 of 8 decided")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    said(page, "Rejected. 5 to go in this list.")
    assert page.locator("#track-words").inner_text().startswith("1 of 8 decided")


def test_a_conflict_that_an_import_makes_is_for_review_whatever_checks_made_of_the_text(
    opened: Open, sample_folder: Path, tmp_path: Path
) -> None:
    page = opened(sample_folder / "review.html")
    assert page.locator("#found").inner_text() == "6 texts, 6 undecided"
    for name, verb in (("Bo", "approve"), ("Cy", "reject")):
        page.set_input_files("#import-file", decisions_file(
            sample_folder, name, [{"row": EXHAUSTED, "action": verb}], tmp_path))
        page.locator("dialog", has_text=f"1 decision taken ({name}).").wait_for()
        page.keyboard.press("Enter")
        page.locator("dialog").wait_for(state="detached")
    assert page.locator("#found").inner_text() == "7 texts, 6 undecided, 1 in conflict"
    assert page.locator(".row").first.get_attribute("data-n") == str(EXHAUSTED - 1)
    page.locator(".row").first.click()
    page.keyboard.press("1")  # it stays where it is read until the page is put in order again
    said(page, "Approved, like Bo. In conflict: Cy decided otherwise.")
    assert page.locator("#found").inner_text() == "7 texts, 6 undecided, 1 in conflict"


def test_who_approved_the_original_is_not_made_to_take_an_edit_by_approving_again(
    opened: Open, decided: Path, tmp_path: Path
) -> None:
    page = opened(decided / "review.html", editor="Cy")
    go_to(page, EDITED)
    page.keyboard.press("0")
    said(page, "Approved as it was written. In conflict: Ana decided otherwise.")
    go_to(page, EDITED)
    page.keyboard.press("a")
    said(page, "choose a version by its number")
    go_to(page, AT_ODDS)
    page.keyboard.press("a")  # nobody's words differ: that is an answer
    said(page, "Approved. In conflict: Ben decided otherwise.")
    lines = map(json.loads, exported(page, "Cy", tmp_path).read_text("utf-8").splitlines()[1:])
    assert {each["record_id"]: each["action"] for each in lines} == {
        record_id(EDITED): "approve", record_id(AT_ODDS): "approve"}


def test_a_narrow_window_names_no_keys(opened: Open, decided: Path) -> None:
    page = opened(decided / "review.html", editor="Cy", viewport={"width": 420, "height": 800})
    page.locator("#question").wait_for()
    assert page.get_by_text("A number takes a version").is_hidden()
    go_to(page, EDITED)
    page.locator(".strip", has_text="As edited by Ana").wait_for()
    assert page.get_by_text("A takes this version").is_hidden()


def test_a_final_word_is_that_of_the_files_own_editor_and_not_of_colleagues_whom_it_passes_on(
    decided: Path, tmp_path: Path
) -> None:
    files = files_of_colleagues(decided, tmp_path)
    mei = decisions_file(decided, "Mei", [{"row": CONFLICT, "action": "approve"}], tmp_path)
    passed_on = [line for file in files for line in file.read_text("utf-8").splitlines()[1:]]
    mei.write_text("\n".join([*mei.read_text("utf-8").splitlines(), *passed_on]), "utf-8")  # as the page exports them
    taken = import_file(decided, RUN_ID, mei, final=True)
    assert (taken.taken, taken.known, taken.overruling) == (1, 7, 1)
    standing = read_ledger(decided).standing()
    assert {key: one.final.editor for key, one in standing.items() if one.final} == {record_id(CONFLICT): "Mei"}
    assert standing[record_id(AT_ODDS)].state == "in_conflict"
