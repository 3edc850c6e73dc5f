"""Nothing happens to what an editor wrote, or meant, without a word."""

from __future__ import annotations

from typing import Any

from samples import Open
from test_reading_it import found
from test_taking_versions import AT_ODDS, CONFLICT, EXHAUSTED, decided, go_to, said

__all__ = ["decided"]


def note(page: Any, words: str) -> None:
    page.keyboard.press("n")
    page.locator("dialog textarea").fill(words)
    page.keyboard.press("Control+Enter")
    page.locator("dialog").wait_for(state="detached")


def test_a_note_without_a_decision_is_told_where_it_would_stay_behind(opened: Open, sample_folder: Any) -> None:
    page = opened(sample_folder / "review.html")
    page.keyboard.press("n")
    assert "It goes with your decision" in page.locator("dialog").inner_text()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    note(page, "Is this so?")
    said(page, "Note saved. It goes with your decision.")
    page.keyboard.press("x")
    said(page, "There are no decisions yet. Notes and drafts stay here until you decide.")
    page.locator(".row").nth(1).click()
    page.keyboard.press("a")
    page.keyboard.press("x")
    staying = page.locator("dialog .staying")
    assert "1 text has a note or a draft and no decision: that stays here" in staying.inner_text()
    staying.get_by_role("button", name="Show").click()
    page.locator("dialog").wait_for(state="detached")
    assert page.locator("#found").inner_text() == "1 text, 1 undecided"
    assert "Is this so?" in page.locator("#head").inner_text()
    page.keyboard.press("a")
    page.locator("#clear").click()
    note(page, "Nice.")
    page.keyboard.press("a")
    page.keyboard.press("x")
    assert page.locator("dialog .staying").count() == 0


def test_a_click_beside_the_question_for_a_name_takes_what_was_typed(opened: Open, sample_folder: Any) -> None:
    page = opened(sample_folder / "review.html", editor="")
    page.get_by_role("button", name="Approve").click()
    page.locator("#asking input:focus").wait_for()
    page.keyboard.type("Ana")
    title = page.locator(".row-title").nth(4).inner_text()
    page.locator(".row").nth(4).click()
    page.locator("#asking").wait_for(state="hidden")
    assert (page.locator("#who").inner_text(), page.locator("#head .title").inner_text()) == ("Ana", title)


def test_the_question_for_a_name_goes_when_tab_leaves_it(opened: Open, sample_folder: Any) -> None:
    page = opened(sample_folder / "review.html", editor="")
    page.keyboard.press("a")
    page.keyboard.type("Ana")
    for _ in range(3):
        assert page.locator("#asking").is_visible()
        page.keyboard.press("Tab")
    page.locator("#asking").wait_for(state="hidden")
    assert page.locator("#who").inner_text() == "Ana"


def test_leaving_asks_where_a_note_was_typed_and_not_saved(opened: Open, sample_folder: Any) -> None:
    page = opened(sample_folder / "review.html")
    page.keyboard.press("n")
    page.locator("dialog textarea").fill("Is this so?")
    page.keyboard.press("Escape")
    said(page, "Not saved.")
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    assert asked == ["beforeunload"]


def test_a_finger_is_asked_for_a_name_without_a_keyboard_over_the_text(opened: Open, sample_folder: Any) -> None:
    page = opened(sample_folder / "review.html", editor="", has_touch=True, is_mobile=True,
                  viewport={"width": 390, "height": 800})
    page.get_by_role("button", name="Approve").tap()
    page.locator("#asking").wait_for()
    assert page.locator("#asking input:focus").count() == 0
    page.get_by_role("button", name="Approve").tap()
    said(page, "Approved. 4 to go")
    assert page.locator("#asking").is_visible()


def test_words_in_a_box_that_is_left_are_there_when_it_is_opened_again(opened: Open, sample_folder: Any) -> None:
    page = opened(sample_folder / "review.html")
    for key, other in (("n", "r"), ("r", "n")):
        page.keyboard.press(key)
        page.locator("dialog textarea").fill(f"Typed in {key}.")
        page.keyboard.press("Escape")
        said(page, "Not saved. Your words are there when you open the box again.")
        page.locator("dialog").wait_for(state="detached")
        page.keyboard.press(other)
        assert page.locator("dialog textarea").input_value() == f"Typed in {key}."
        page.keyboard.press("Escape")
        page.locator("dialog").wait_for(state="detached")
    page.keyboard.press("r")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    said(page, "Rejected.")
    page.keyboard.press("u")
    said(page, "Undone: your decision is taken away. Its note stays, for your next decision.")
    page.keyboard.press("n")
    assert page.locator("dialog textarea").input_value() == "Typed in r."


def test_an_edit_that_is_left_by_a_click_says_that_it_is_a_draft(opened: Open, sample_folder: Any) -> None:
    page = opened(sample_folder / "review.html")
    page.keyboard.press("e")
    page.locator("#actions", has_text="Leave, keep draft").wait_for()
    page.locator("#body textarea").first.fill("A kettle")
    page.locator(".row").nth(2).click()
    said(page, "Your edit is kept as a draft, and not saved.")
    page.locator(".row").nth(3).click()
    drawings = page.evaluate("['draft', 'edit', 'note'].map((name) => document.querySelector(`.icon-${name} path`)"
                             ".getAttribute('d'))")
    assert len(set(drawings)) == 3


def test_an_approval_of_what_passed_no_check_says_so(opened: Open, sample_folder: Any) -> None:
    page = opened(sample_folder / "review.html")
    go_to(page, EXHAUSTED)
    page.keyboard.press("a")
    said(page, "Approved, though no attempt passed the checks.")


def test_whoever_sides_with_one_of_two_is_told_what_settles_it(opened: Open, decided: Any) -> None:
    page = opened(decided / "review.html", editor="Mei")
    for row in (CONFLICT, AT_ODDS):
        go_to(page, row)
        page.keyboard.press("1")
        said(page, "Settled once they agree, or once your file is imported as the final word (--final).")


def test_on_a_phone_buttons_fit_a_finger_and_what_is_said_covers_neither_them_nor_the_counter(
    opened: Open, sample_folder: Any
) -> None:
    page = opened(sample_folder / "review.html", has_touch=True, is_mobile=True, viewport={"width": 390, "height": 800})
    page.get_by_role("button", name="Approve").tap()
    said(page, "Approved.")
    toast = page.locator("#toast").bounding_box()
    assert toast["y"] + toast["height"] <= page.locator("#actions").bounding_box()["y"]
    counter = page.locator("#track-words").bounding_box()
    assert toast["y"] >= counter["y"] + counter["height"]
    assert found(page, "overflowing") == []
    page.get_by_role("button", name="Reject").tap()
    assert page.locator("kbd:visible").count() == 0
    low = page.evaluate("[...document.querySelectorAll('button, select, input[type=search], textarea, .reason')]"
                        ".filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 44)"
                        ".map((each) => each.outerHTML.slice(0, 80))")
    assert low == []
