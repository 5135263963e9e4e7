"""A headless browser, where the machine has one, and pages in it that complain about nothing."""

import os
import shutil

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

REFUSED_REQUEST = "Failed to load resource"
"""What the browser's console says of each answer that is an error."""


@pytest.fixture(scope="module")
def browser():
    """Start a browser for the tests of a file: while it is open no other event loop runs in this thread."""
    playwright = pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    # Chromium's sandbox cannot be set up by root, as in containers.
    options = ["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else []
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=found, args=options)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser):
    """Give what opens a page at an address, and see to it that the page's console stays empty.

    `refusals=True`: the server is to answer with errors, which the console notes.
    """
    contexts, complaints = [], []

    def open_at(url, refusals=False, **settings):
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)

        def note(message):
            expected = refusals and message.text.startswith(REFUSED_REQUEST)
            if message.type in ("error", "warning") and not expected:
                complaints.append(message.text)

        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []
