"""What a visitor of the page does and sees."""

import base64
import io
import json
import time
from pathlib import Path

import numpy as np
from PIL import Image

FORMATS = {"png": "image/png", "jpg": "image/jpeg", "tif": "image/tiff", "pdf": "application/pdf"}


def file(name, content):
    """Give a file as playwright takes it."""
    return {"name": name, "mimeType": FORMATS[name.rpartition(".")[2]], "buffer": content}


def choose(page, *files):
    """Choose files and wait until the first of them was looked at."""
    page.set_input_files("#files", list(files))
    page.wait_for_selector("#found:not([hidden])")
    page.wait_for_selector("#progress", state="hidden")


def transfer(page, *files):
    """Give a `DataTransfer` with files, as a mouse or the clipboard carries it."""
    sent = [(one["name"], one["mimeType"], base64.b64encode(one["buffer"]).decode()) for one in files]
    return page.evaluate_handle(
        """files => {
            const transfer = new DataTransfer();
            for (const [name, type, content] of files) {
                const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
                transfer.items.add(new File([bytes], name, { type }));
            }
            return transfer;
        }""",
        sent,
    )


def downloaded(page, press):
    """Give name and content of the file that `press()` downloads."""
    with page.expect_download() as started:
        press()
    return started.value.suggested_filename, Path(started.value.path()).read_bytes()


def downloaded_json(page):
    """Give what `Download JSON` gives."""
    return json.loads(downloaded(page, lambda: page.click("#save-json"))[1])


def set_threshold(page, value):
    """Move the slider."""
    page.locator("#threshold").fill(str(value))


def labels(page):
    """Give the classes of the list with their counts."""
    headings = page.locator("#list h3").all()
    return {one.locator(".label").inner_text(): int(one.locator(".count").inner_text()) for one in headings}


def canvas_pixels(page):
    """Give the picture as it is drawn on the screen: (H, W, 3) uint8."""
    link = page.evaluate("document.getElementById('picture').toDataURL('image/png')")
    return pixels_of(base64.b64decode(link.partition(",")[2]))


def pixels_of(content):
    """Decode an image: (H, W, 3) uint8."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def until(page, selector, text):
    """Wait until an element has this in its text; the page's policy forbids playwright's own way to wait."""
    deadline = time.monotonic() + 15
    while text not in (said := page.locator(selector).text_content()):
        assert time.monotonic() < deadline, f"{selector} says {said!r}, never {text!r}"
        page.wait_for_timeout(20)


def is_scrolled_sideways(page):
    """Tell whether the page is wider than the screen."""
    return page.evaluate("document.documentElement.scrollWidth > screen.width")
