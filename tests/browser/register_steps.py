"""What people do on the pages of the grievance register."""

import json

import numpy as np
import pytest
from citizens import (
    TOKEN,
)
from PIL import Image

from ssd_keras.data.street_scenes import STREET_CLASSES, draw_street_scene

expect = pytest.importorskip("playwright.sync_api").expect
SCENE_SIZE = (240, 384)


def street_photo(folder, seed):
    """Draw a street with objects: its file, and what is on it as the detector would say it."""
    image, truth = draw_street_scene(np.random.default_rng(seed), SCENE_SIZE)
    file = folder / "street.jpg"
    Image.fromarray(image).save(file, quality=95)
    found = zip(truth.labels.tolist(), truth.boxes_px.tolist(), strict=True)
    return file, [{"label": STREET_CLASSES[label], "score": 0.8, "box": box} for label, box in found]


def fill_in(page, url, photo, address="Long Lane 12"):
    page.goto(url)
    page.set_input_files("#file", photo)
    page.fill("[name=address]", address)
    page.get_by_text("broken sign").click()


def log_in(page, url, hash_=""):
    page.goto(f"{url}/staff{hash_}")
    page.fill("[name=name]", "Ann Lee")
    page.fill("[name=token]", TOKEN)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#desk")).to_be_visible()


def drag(page, start, end):
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    page.mouse.move(*end)
    page.mouse.up()


def on_screen(page, x, y):
    """Where a pixel of the photograph is on the screen."""
    place = page.locator("#boxes").bounding_box()
    width, height = json.loads("[{2}, {3}]".format(*page.locator("#boxes").get_attribute("viewBox").split()))
    return place["x"] + x * place["width"] / width, place["y"] + y * place["height"] / height
