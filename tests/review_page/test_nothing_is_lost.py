"""What an editor decided or wrote is never lost, and never said of another text or in another's sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sample_run import sample_records
from samples import RUN_ID, Open, a_run, record_id, write_records
from test_in_a_browser import export, lines, wait_for
from test_taking_versions import (
    CONFLICT,
    EDITED,
    decisions_file,
    exported,
    fields_of,
    go_to,
    said,
)

from aigc.review.ledger import read_ledger
from aigc.review_page import Telling, all_rows, write_pages
from aigc.review_sheet.returned import import_file


def own_lines(file: Path, editor: str) -> dict[str, dict[str, Any]]:
    """What a file has of an editor, by record id."""
    return {each["record_id"]: each for each in lines(file)[1:] if each["editor"] == editor}


def with_standing(folder: Path, files: list[Path]) -> Path:
    """The page of a run into which `files` were imported."""
    write_records(folder, sample_records())
    for file in files:
        import_file(folder, RUN_ID, file)
    write_pages(folder, a_run(), all_rows(folder), telling=Telling(standing=read_ledger(folder).standing()))
    return folder / "review.html"


def test_a_rejection_is_of_the_text_it_was_begun_on_whatever_other_windows_decide_meanwhile(
    opened: Open, sample_folder: Path, tmp_path: Path
) -> None:
    first = opened(sample_folder / "review.html")
    first.locator("#filter-state").select_option("open")
    title = first.locator("#head .title").inner_text()
    first.keyboard.press("r")
    second = opened(sample_folder / "review.html", first.context)
    second.keyboard.press("a")  # the same text: it is no longer open, and the first window reads another
    first.locator("#head .title", has_text=title).wait_for(state="detached")
    reading = first.locator("#head .title").inner_text()
    first.keyboard.press("1")
    first.keyboard.press("Control+Enter")
    said(first, "Rejected.")
    assert first.locator("#head .title").inner_text() == reading
    decided = own_lines(exported(first, "Ana Ruiz", tmp_path), "Ana Ruiz")
    assert {each["record_id"]: each["action"] for each in decided.values()} == {record_id(CONFLICT): "reject"}


def edit_and_import_an_approval(page: Any, sample_folder: Path, tmp_path: Path) -> None:
    """An edit that was not exported, and then a later approval of the same text in a file of Ana's."""
    go_to(page, EDITED)
    page.keyboard.press("e")
    page.locator("#body textarea").first.fill("Pour slower. Taste it.")
    page.keyboard.press("Control+Enter")
    said(page, "Edit saved.")
    elsewhere = [{"row": EDITED, "action": "approve", "at": "2099-01-01T00:00:00.000Z"}]
    page.set_input_files("#import-file", decisions_file(sample_folder, "Ana", elsewhere, tmp_path))


def test_words_that_an_import_replaces_are_kept_as_a_draft(opened: Open, sample_folder: Path, tmp_path: Path) -> None:
    page = opened(sample_folder / "review.html", editor="Ana")
    edit_and_import_an_approval(page, sample_folder, tmp_path)
    page.locator("dialog", has_text="1 decision taken (Ana).").wait_for()
    page.keyboard.press("Enter")
    page.locator("dialog").wait_for(state="detached")
    page.locator(f".row[data-n='{EDITED - 1}'] .state.draft").wait_for()
    go_to(page, EDITED)
    page.keyboard.press("e")
    assert page.locator("#body textarea").first.input_value() == "Pour slower. Taste it."


def test_words_are_kept_too_when_a_file_turns_out_to_be_its_readers(
    opened: Open, sample_folder: Path, tmp_path: Path
) -> None:
    page = opened(sample_folder / "review.html", editor="")
    edit_and_import_an_approval(page, sample_folder, tmp_path)
    page.get_by_role("button", name="I am Ana").click()
    page.locator("dialog").wait_for(state="detached")
    page.locator(f".row[data-n='{EDITED - 1}'] .state.draft").wait_for()


def test_leaving_asks_where_a_note_could_not_be_kept(opened: Open, sample_folder: Path) -> None:
    page = opened(sample_folder / "review.html")
    page.evaluate("localStorage.setItem('other', 'x'.repeat(5_200_000))")  # another file has all the room
    page.keyboard.press("n")
    page.locator("dialog textarea").fill("words " * 20_000)
    page.keyboard.press("Control+Enter")
    page.locator("#notice", has_text="room for decisions is full").wait_for()
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    assert asked == ["beforeunload"]


def test_the_original_is_approved_by_a_button_too_where_all_who_differ_edited(
    opened: Open, tmp_path: Path, sample_folder: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    files = [decisions_file(sample_folder, name, [{"row": EDITED, "action": "edit", "fields": fields_of(
        EDITED, headline=("Taste more.", words))}], tmp_path) for name, words in (("Ana", "All."), ("Ben", "None."))]
    page = opened(with_standing(folder, files), editor="Cy")
    go_to(page, EDITED)
    assert page.locator("#question b").first.inner_text() == "Ana edited, Ben edited: which one?"
    page.locator("#question").get_by_role("button", name="Approve the original instead").click()
    said(page, "Approved as it was written. In conflict: Ana and Ben decided otherwise.")


@pytest.mark.parametrize("width", [420, 1280])
def test_a_name_can_be_given_while_something_is_said(opened: Open, sample_folder: Path, width: int) -> None:
    page = opened(sample_folder / "review.html", editor="", viewport={"width": width, "height": 800})
    page.keyboard.press("a")
    said(page, "Approved.")
    asking, toast = page.locator("#asking").bounding_box(), page.locator("#toast").bounding_box()
    assert toast["y"] >= asking["y"] + asking["height"]
    assert page.locator("#head .title").bounding_box()["y"] >= asking["y"] + asking["height"]
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    assert page.evaluate("document.activeElement.name") == "editor"  # where there is no name yet, it is what is asked


def test_a_window_does_no_work_for_what_others_read(opened: Open, sample_folder: Path) -> None:
    first = opened(sample_folder / "review.html")
    second = opened(sample_folder / "review.html", first.context)
    first.evaluate("""() => {
      document.getElementById('head').firstElementChild.dataset.same = 'yes';
      addEventListener('storage', ({ key }) => { document.body.dataset.heard = key.split('/').pop(); });
    }""")
    second.keyboard.press("j")
    first.locator("body[data-heard=place]").wait_for(state="attached")
    first.wait_for_timeout(500)  # it would have read everything anew by then
    assert first.locator("#head [data-same]").count() == 1


def test_names_from_right_to_left_stay_in_their_place_in_what_an_import_tells(
    opened: Open, sample_folder: Path, tmp_path: Path
) -> None:
    page = opened(sample_folder / "review.html")
    file = decisions_file(sample_folder, "\u202eمريم", [{"row": EDITED, "action": "approve"}], tmp_path)
    page.set_input_files("#import-file", file)
    assert page.locator("dialog li").first.inner_text() == "1 decision taken (\u2068\u202eمريم\u2069)."

def test_an_edit_that_is_left_is_kept_as_a_draft(opened: Open, profile: Any, sample_folder: Path) -> None:
    page = opened(sample_folder / "review.html", profile)
    page.locator(".row").nth(5).click()
    page.keyboard.press("e")
    page.locator("textarea").first.fill("Rain on the roof")
    page.locator(".row").nth(2).click()
    page.reload()
    wait_for(page, ".state.draft", "Draft")
    page.locator(".row").nth(5).click()
    page.keyboard.press("e")
    assert page.locator("textarea").first.input_value() == "Rain on the roof"
    page.locator("textarea").first.fill("   ")
    page.keyboard.press("Control+Enter")
    wait_for(page, "#toast", "Nothing is left of the text.")
    page.get_by_role("button", name="Discard draft").click()
    assert page.locator(".state.draft").count() == 0


def test_neither_a_draft_nor_a_note_is_lost_by_a_decision_that_is_taken_back(
    opened: Open, sample_folder: Path
) -> None:
    page = opened(sample_folder / "review.html")
    page.locator(".row").nth(5).click()
    page.keyboard.press("e")
    page.locator("textarea").first.fill("Rain on the roof")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.locator("dialog[open] textarea").fill("Ask the writer.")
    page.keyboard.press("Control+Enter")
    page.keyboard.press("a")
    wait_for(page, "#toast", "Approved as it was written. Your unsaved edit is kept: E opens it.")
    page.locator(".row").nth(5).click()
    page.keyboard.press("u")
    wait_for(page, "#toast", "Undone: your decision is taken away.")
    assert "Ask the writer." in page.locator("#reading").inner_text()
    page.keyboard.press("e")
    assert page.locator("textarea").first.input_value() == "Rain on the roof"


def test_what_cannot_be_kept_is_said_and_leaving_asks(opened: Open, sample_folder: Path) -> None:
    page = opened(sample_folder / "review.html")
    page.evaluate("localStorage.setItem('other', 'x'.repeat(5_200_000))")  # another file has all the room
    page.keyboard.press("n")
    page.locator("dialog textarea").fill("words " * 20_000)
    page.keyboard.press("Control+Enter")
    wait_for(page, "#notice", "room for decisions is full")
    page.keyboard.press("a")
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    assert asked == ["beforeunload"]


def test_pages_that_were_exported_give_up_their_room_and_others_do_not(opened: Open, sample_folder: Path) -> None:
    page = opened(sample_folder / "review.html")
    page.evaluate("""() => {
      const put = (name, value, size) =>
        localStorage.setItem(`aigc.review/${name}`, JSON.stringify({ ...value, x: 'x'.repeat(size) }));
      put('old/0123/d/1', { exported: true }, 2_000_000);
      put('old/0123/place', {}, 10);
      put('other/4567/d/1', { exported: true }, 10);
      put('other/4567/d/2', { exported: false }, 3_100_000);
    }""")
    page.keyboard.press("n")
    page.locator("dialog textarea").fill("words " * 40_000)
    page.keyboard.press("Control+Enter")
    page.locator(".strip.note").wait_for()
    names = page.evaluate("Object.keys(localStorage).map((key) => key.split('/').slice(1, 4).join('/'))")
    assert [name for name in names if name.startswith("old")] == []
    assert len([name for name in names if name.startswith("other")]) == 2
    assert page.locator("#notice").is_hidden()


def test_without_storage_the_page_still_works_and_says_so(
    opened: Open, sample_folder: Path, browser: Any, tmp_path: Path
) -> None:
    context = browser.new_context(locale="en-GB")
    context.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })"
    )
    page = opened(sample_folder / "review.html", context)
    wait_for(page, "#notice", "does not keep decisions")
    page.keyboard.press("a")
    assert page.locator("#track-words").inner_text() == "1 of 8 decided · 2 hidden by the filter"
    page.keyboard.press("Escape")
    assert len(lines(export(page, "Ana", tmp_path))) == 2
    context.close()


def test_two_windows_of_one_page_know_of_each_other(opened: Open, sample_folder: Path) -> None:
    first = opened(sample_folder / "review.html")
    second = opened(sample_folder / "review.html", first.context)
    first.keyboard.press("a")
    wait_for(second, "#track-words", "1 of 8 decided")
    assert second.locator(".row .state.approve").count() == 1
    second.keyboard.press("r")
    second.keyboard.press("1")
    second.keyboard.press("Enter")
    wait_for(first, ".row .state.reject", "Rejected")
    assert first.locator(".row .state.approve").count() == 0

def test_a_name_is_asked_for_at_the_first_decision_which_is_kept_whatever_the_answer(
    opened: Open, sample_folder: Path, tmp_path: Path
) -> None:
    page = opened(sample_folder / "review.html", editor="")
    page.keyboard.press("a")
    wait_for(page, "#asking", "Your decision is kept. Who are you?")
    page.keyboard.type("Ana")  # a name is no approval and no note
    assert page.locator("#track-words").inner_text() == "1 of 8 decided · 2 hidden by the filter"
    assert page.get_by_label("Your name").input_value() == "Ana"
    page.get_by_label("Your name").fill("Bo")
    page.keyboard.press("Enter")
    page.locator("#asking").wait_for(state="hidden")
    page.keyboard.press("a")
    assert page.locator("#asking").is_hidden()
    assert {each["editor"] for each in lines(export(page, "Bo", tmp_path))} == {"Bo"}

    page = opened(sample_folder / "review.html", editor="")
    page.keyboard.press("r")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.locator("#asking input:focus").wait_for()  # after a box that closes, too
    page.keyboard.press("Enter")  # nothing is an answer: later
    page.locator("#asking").wait_for(state="hidden")
    page.keyboard.press("a")
    assert page.locator("#asking").is_hidden()  # it is asked for once, and at the export
    assert page.locator("#track-words").inner_text() == "2 of 8 decided · 2 hidden by the filter"
    page.locator(".row").first.click()
    page.keyboard.press("e")
    page.get_by_label("headline", exact=True).fill("A kettle")
    page.keyboard.press("Control+Enter")
    assert [each["editor"] for each in lines(export(page, "Cy", tmp_path))] == ["Cy"] * 3


def test_what_was_exported_is_told_when_what_came_after_it_is_taken_back(
    opened: Open, sample_folder: Path, tmp_path: Path
) -> None:
    page = opened(sample_folder / "review.html")
    page.locator(".row").nth(5).click()
    page.keyboard.press("a")
    exported(page, "Ana Ruiz", tmp_path)
    page.locator(".row").nth(5).click()
    page.keyboard.press("r")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    said(page, "Rejected.")
    page.locator(".row").nth(5).click()
    page.keyboard.press("u")
    said(page, "Undone here. A file that you exported still has a decision of yours on this text.")


def test_a_note_outlives_that_its_decision_is_made_once_more(
    opened: Open, sample_folder: Path, tmp_path: Path
) -> None:
    page = opened(sample_folder / "review.html")
    page.keyboard.press("n")
    page.locator("dialog textarea").fill("Nice.")
    page.keyboard.press("Control+Enter")
    for _ in range(2):
        page.locator(".row").first.click()
        page.keyboard.press("a")
        said(page, "Approved.")
    (decided,) = own_lines(exported(page, "Ana Ruiz", tmp_path), "Ana Ruiz").values()
    assert decided["note"] == "Nice."
