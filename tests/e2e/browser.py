"""A real browser. Chromium must be on the machine; without it these tests are skipped, except in CI."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, sync_playwright

PATIENCE_SECONDS = 20.0


@contextmanager
def new_page() -> Iterator[Page]:
    """A page of a browser that nobody has used before."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None and not os.environ.get("CI"):
        pytest.skip("needs Chromium (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        # Chromium refuses its sandbox to root, which CI and containers are; it opens pages of this machine only.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--no-proxy-server"])
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_SECONDS * 1_000)
        yield page
        browser.close()
