"""Nothing happens to what an editor wrote, or meant, without a word."""

from __future__ import annotations

from typing import Any

from samples import Open
from test_taking_versions import said


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


def test_a_finger_is_asked_for_a_name_without_a_keyboard_over_the_text(opened: Open, sample_folder: Any) -> None:
    page = opened(sample_folder / "review.html", editor="", has_touch=True, is_mobile=True,
                  viewport={"width": 390, "height": 800})
    page.get_by_role("button", name="Approve").tap()
    page.locator("#asking").wait_for()
    assert page.locator("#asking input:focus").count() == 0
    page.get_by_role("button", name="Approve").tap()
    said(page, "Approved. 4 to go")
    assert page.locator("#asking").is_visible()
