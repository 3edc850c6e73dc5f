"""The page of a flow run as a person sees it: Prefect's own, in the browser that the machine has."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WAIT_MS = 60_000
"""For a machine that does much else."""


@contextmanager
def browser_page(width: int = 1280, height: int = 1000) -> Iterator[Any]:
    """A page of a browser that has seen nothing; the test is skipped where there is no browser."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser on this machine (one of {', '.join(BROWSERS)})")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path)
        page = browser.new_page(viewport={"width": width, "height": height}, locale="en-GB")
        page.set_default_timeout(WAIT_MS)
        yield page
        browser.close()


class RunPage:
    """A flow run's page at the server whose API is `api`."""

    def __init__(self, page: Any, api: str, run_id: str) -> None:
        self._page, self._root = page, api.removesuffix("/api")
        self._address = f"{self._root}/runs/flow-run/{run_id}"

    def open(self) -> None:
        self._page.goto(self._address)
        self.sees("Artifacts")

    def sees(self, text: str) -> None:
        """Wait until `text` can be seen; raises where it does not come."""
        self._page.get_by_text(text).filter(visible=True).first.wait_for()

    def open_tab(self, name: str) -> None:
        self._page.get_by_text(name, exact=True).filter(visible=True).first.click()

    def open_artifact(self, key: str) -> None:
        """Follow the link of an artifact from the run's page."""
        self.open()
        self.open_tab("Artifacts")
        self._page.get_by_text(key, exact=True).filter(visible=True).first.click()
        self._page.wait_for_url("**/artifacts/**")

    def photograph(self, to: Path, settle_ms: float = 0) -> None:
        """Write a screenshot, after so long as what moves on the page needs to come to rest."""
        self._page.wait_for_timeout(settle_ms)
        to.parent.mkdir(parents=True, exist_ok=True)
        self._page.screenshot(path=to)
