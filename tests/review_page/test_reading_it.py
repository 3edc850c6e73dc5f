"""That it can be read: contrast, names, focus, sizes, in both languages and both lights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from samples import Open

AUDIT = Path(__file__).with_name("audit.js").read_text("utf-8")


def found(page: Any, name: str) -> Any:
    """What a function of audit.js finds on the page as it is."""
    return page.evaluate(f"() => ({AUDIT.strip()}).{name}()")


def steps(page: Any) -> list[str]:
    """Each state that the page can be in, by name, one after another."""
    return ["list", "marked", "edit", "changes", "compare", "reject", "export", "help", "notice"]


def go(page: Any, step: str) -> None:
    keys = {
        "marked": ["j", "k"],
        "edit": ["e"],
        "changes": ["Control+Enter", "k"],
        "compare": ["v"],
        "reject": ["v", "r"],
        "export": ["Escape", "x"],
        "help": ["Escape", "?"],
        "notice": ["Escape", "a"],
    }
    if step == "changes":
        page.locator("textarea").nth(1).fill("Another text altogether. It boils in 4 minutes.")
        page.wait_for_timeout(300)
    for key in keys.get(step, []):
        page.keyboard.press(key)
    page.wait_for_timeout(30)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_every_word_has_contrast_and_every_control_a_name(
    opened: Open, sample_folder: Path, scheme: str, locale: str
) -> None:
    page = opened(sample_folder / "review.html", locale=locale, color_scheme=scheme, reduced_motion="reduce")
    for step in steps(page):
        go(page, step)
        assert found(page, "unreadable") == [], step
        assert found(page, "nameless") == [], step


@pytest.mark.parametrize("size", [(1280, 800), (1024, 768), (1920, 1080), (640, 800), (420, 800)], ids=str)
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_nothing_is_cut_off_at_the_sizes_of_screens(
    opened: Open, sample_folder: Path, size: tuple[int, int], locale: str
) -> None:
    page = opened(
        sample_folder / "review.html",
        locale=locale,
        viewport={"width": size[0], "height": size[1]},
        reduced_motion="reduce",
        editor="Ana María Ruiz-Fernández",
    )
    for step in steps(page)[:5]:
        go(page, step)
        assert found(page, "overflowing") == [], step
        assert found(page, "beyond") == [], step
        if size[0] >= 1024:
            assert page.locator("#actions").bounding_box()["height"] < 60, step


def test_lines_are_no_longer_than_can_be_read(opened: Open, sample_folder: Path) -> None:
    page = opened(sample_folder / "review.html", viewport={"width": 1920, "height": 1080})
    page.locator(".row").nth(2).click()
    assert 45 <= found(page, "longestLine") <= 75


def test_the_keyboard_alone_reaches_everything_and_focus_is_seen(opened: Open, sample_folder: Path) -> None:
    page = opened(sample_folder / "review.html")
    seen: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(found(page, "focused"))
    assert [name for name in seen if name.endswith("UNSEEN")] == []
    assert {"who", "language", "theme", "help", "import", "export", "query", "filter-state", "list", "side"} <= {*seen}
    assert any(name.startswith("Approve") for name in seen)


def test_focus_comes_back_when_a_box_closes(opened: Open, sample_folder: Path) -> None:
    page = opened(sample_folder / "review.html")
    page.locator("#help").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "help"
