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
