"""A real browser: Chromium as the machine has it, driven by Playwright, which fetches none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sample_run import sample_records
from samples import Open, a_run, write_records

from aigc.packs import load_packs
from aigc.review_page import Telling, all_rows, write_pages

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TEMPLATES = Path(__file__).parents[2] / "templates"


def browser_path() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def named(context: Any, editor: str, folder: Path) -> None:
    """Let a browser know who decides, as it does after the first time: by another page on the same disk.

    Not by a script that Playwright runs before those of the page: with one, Chromium 156 on a busy machine now and then
    gives a page a storage of its own, and what is kept there is in no other page, nor in the same when it is loaded
    again (7 of 90 pages; without, none of 300).
    """
    other = folder / "other.html"
    other.write_text("<!doctype html><title>another page</title>")
    page = context.new_page()
    page.goto(other.as_uri())
    page.evaluate("(liked) => localStorage.setItem('aigc.review/liked', liked)", json.dumps({"editor": editor}))
    page.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One for each file, and closed after it: while Playwright is there, this thread can run no other event loop."""
    path = browser_path()
    if path is None:
        pytest.skip(f"no browser on this machine (one of {', '.join(BROWSERS)})")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=path)
        yield found
        found.close()


@pytest.fixture
def profile(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """A visit with a profile on the disk, as people have one, for what is to outlive a page."""
    context = browser.browser_type.launch_persistent_context(
        tmp_path / "profile", executable_path=browser_path(), viewport={"width": 1280, "height": 800}, locale="en-GB"
    )
    named(context, "Ana Ruiz", tmp_path)
    yield context
    context.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Opens a page from disk, in a browser that has never seen it. A test fails if any of its scripts did.

    `like` are options of the browser: its language, colours, size. `page.context` is the visit: a page that is opened
    in it knows what the one before has kept. `editor` is who has told the browser their name before.
    """
    errors: list[str] = []
    contexts = []

    def open_page(path: Path, context: Any = None, editor: str = "Ana Ruiz", **like: Any) -> Any:
        if context is None:
            context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **like})
            contexts.append(context)
            if editor:
                named(context, editor, tmp_path)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="module")
def sample_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with its records and its page."""
    folder = tmp_path_factory.mktemp("run")
    write_records(folder, sample_records())
    types = {name: pack.type for name, pack in load_packs(TEMPLATES).items()}
    write_pages(folder, a_run(), all_rows(folder), telling=Telling(types=types))
    return folder
