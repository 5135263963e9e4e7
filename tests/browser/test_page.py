"""The page in a real browser, on a real server: from an image to what is found, seen, heard and kept."""

import json
from itertools import pairwise

import httpx
import numpy as np
import pytest
from browser.page_steps import (
    canvas_pixels,
    choose,
    downloaded,
    downloaded_json,
    file,
    is_scrolled_sideways,
    labels,
    pixels_of,
    set_threshold,
    transfer,
    until,
)
from export.artefacts import keras_detector
from serving.coloured import CLASSES, encoded, picture, running

EMPTY = file("empty.png", encoded(picture()))
BLUE_AND_RED = file("two.png", encoded(picture(blue=(20, 40, 100, 200), red=(160, 40, 280, 120))))
ALL_THREE = file(
    "three.png",
    encoded(picture(blue=(20, 40, 100, 200), red=(160, 40, 280, 120), green=(160, 160, 280, 220))),
)

PHONE = {
    "viewport": {"width": 375, "height": 667},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}


@pytest.fixture(scope="module")
def server():
    with running() as address:
        yield address


@pytest.fixture
def page(open_page, server):
    return open_page(server)


def detect(server, sent, threshold):
    answer = httpx.post(
        f"{server}/v1/detect",
        params={"threshold": threshold},
        files=[("images", (one["name"], one["buffer"])) for one in sent],
    )
    assert answer.status_code == 200
    return answer.json()["results"]


def test_an_image_without_objects(page):
    choose(page, EMPTY)
    assert page.inner_text("#headline") == "Nothing found"
    assert labels(page) == {}
    assert downloaded_json(page) == [{"image": "empty.png", "size": [240, 320], "detections": []}]


def test_a_chosen_image_is_shown_with_its_boxes(page):
    page.wait_for_selector("#classes:not([hidden])")
    assert page.inner_text("#model") == "coloured.onnx"
    choose(page, ALL_THREE)
    assert page.inner_text("#headline") == "2 objects"
    assert labels(page) == {"blue": 1, "red": 1}
    assert "320 × 240" in page.inner_text("figcaption")
    drawn, factor = canvas_pixels(page), canvas_pixels(page).shape[1] / 320
    inside = drawn[round(120 * factor), round(60 * factor)]
    edge = drawn[round(120 * factor), round(100 * factor) - 3 : round(100 * factor) + 3]
    assert inside.tolist() == [0, 0, 255]
    assert (edge[:, 0] > 60).any()  # the line is neither blue, as within, nor grey, as without
    assert not np.all(np.ptp(edge, axis=1) == 0)


def test_an_image_is_dropped(page):
    page.wait_for_selector("#classes:not([hidden])")
    carried = transfer(page, BLUE_AND_RED)
    for event in ("dragenter", "dragover"):
        page.dispatch_event("#stage", event, {"dataTransfer": carried})
    assert page.locator("body.dragged").count() == 1
    page.dispatch_event("#stage", "drop", {"dataTransfer": carried})
    page.wait_for_selector("#found:not([hidden])")
    assert labels(page) == {"blue": 1, "red": 1}
    assert page.locator("body.dragged").count() == 0


def test_an_image_is_pasted(page):
    carried = transfer(page, BLUE_AND_RED)
    page.evaluate("clipboardData => dispatchEvent(new ClipboardEvent('paste', { clipboardData }))", carried)
    page.wait_for_selector("#found:not([hidden])")
    assert labels(page) == {"blue": 1, "red": 1}


def test_the_slider_filters_without_asking_again(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    choose(page, ALL_THREE)
    counts = {}
    for threshold in (0.05, 0.2, 0.21, 0.6, 0.61, 0.9, 0.91, 1, 0.5):
        set_threshold(page, threshold)
        counts[threshold] = sum(labels(page).values())
    assert counts == {0.05: 3, 0.2: 3, 0.21: 2, 0.6: 2, 0.61: 1, 0.9: 1, 0.91: 0, 1: 0, 0.5: 2}
    assert len([url for url in asked if "/v1/detect" in url]) == 1


def test_it_is_said_what_a_high_threshold_hides(page):
    choose(page, BLUE_AND_RED)
    set_threshold(page, 0.95)
    assert page.inner_text("#headline") == "Nothing at 0.95; the best is blue with 0.90"


@pytest.mark.parametrize("threshold", [0.05, 0.5, 0.7])
def test_the_json_is_the_answer_of_the_server(page, server, threshold):
    sent = [ALL_THREE, EMPTY, BLUE_AND_RED]
    choose(page, *sent)
    until(page, "#save-json", "3")
    set_threshold(page, threshold)
    assert downloaded_json(page) == detect(server, sent, threshold)


def test_a_real_network_finds_the_same_on_the_page(open_page):
    noise = np.random.default_rng(4).integers(0, 255, (90, 130, 3), dtype=np.uint8)
    sent = file("noise.png", encoded(noise))
    with running(keras_detector(), threshold=0.2, max_batch=1) as server:
        page = open_page(server)
        choose(page, sent)
        (expected,) = detect(server, [sent], 0.2)
        assert len(expected["detections"]) > 5
        assert page.inner_text("#headline") == f"{len(expected['detections'])} objects"
        assert downloaded_json(page) == [expected]


def test_the_picture_is_downloaded_in_its_own_size(page):
    choose(page, BLUE_AND_RED)
    name, content = downloaded(page, lambda: page.click("#save-picture"))
    drawn = pixels_of(content)
    assert (name, drawn.shape) == ("two_boxes.png", (240, 320, 3))
    assert drawn[120, 60].tolist() == [0, 0, 255]
    assert drawn[0, 0].tolist() == [128, 128, 128]
    assert (drawn[100, 18:23] != picture(blue=(20, 40, 100, 200))[100, 18:23]).any()


def test_a_photograph_that_lies_on_its_side_stands_upright_with_its_boxes(page, server):
    upright = picture((320, 240), red=(120, 20, 200, 60))
    lying = np.ascontiguousarray(np.rot90(upright))  # orientation 6: to be turned clockwise
    photograph = file("phone.jpg", encoded(lying, orientation=6, suffix="JPEG"))
    choose(page, photograph)
    (result,) = downloaded_json(page)
    assert result["size"] == [320, 240]
    assert result["detections"][0]["box"] == pytest.approx([120, 20, 200, 60], abs=3)
    drawn = canvas_pixels(page)
    factor = drawn.shape[1] / 240
    assert drawn.shape[0] == pytest.approx(320 * factor, abs=1)
    x0, y0, x1, y1 = (round(side * factor) for side in result["detections"][0]["box"])
    within = drawn[(y0 + 3 * y1) // 4, x0 + 8 : x1 - 8].astype(int)
    assert np.abs(within - [255, 0, 0]).max() < 60
    below = drawn[round(y1 + 8 * factor), x0:x1].astype(int)
    assert np.abs(below - 128).max() < 30


def test_what_the_browser_does_not_show_is_looked_at_all_the_same(page):
    choose(page, file("scan.tif", encoded(picture(red=(0, 0, 90, 90)), suffix="TIFF")))
    assert labels(page) == {"red": 1}
    assert canvas_pixels(page)[-5, -5].tolist() == [0x8A, 0x8F, 0x94]


# --- the list and the picture ------------------------------------------------------------------------------


def test_focus_and_mouse_lift_a_box_out(page):
    choose(page, BLUE_AND_RED)
    calm = canvas_pixels(page)
    entry = page.get_by_role("button", name="red, score 0.60, from 160, 40 to 280, 120 pixels")
    entry.hover()
    assert page.locator("#list .chosen").count() == 1
    hovered = canvas_pixels(page)
    assert (hovered != calm).any()
    page.mouse.move(1, 1)
    assert np.array_equal(canvas_pixels(page), calm)
    entry.focus()
    assert np.array_equal(canvas_pixels(page), hovered)


def test_the_mouse_on_the_picture_shows_the_entry(page):
    choose(page, BLUE_AND_RED)
    box = page.locator("#picture").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 220 / 320, box["y"] + box["height"] * 80 / 240)
    assert page.locator("#list .chosen").get_attribute("aria-label").startswith("red, score 0.60")
    page.mouse.down()
    page.mouse.up()
    assert page.locator('#list [aria-pressed="true"]').count() == 1
    page.mouse.move(1, 1)
    assert page.locator("#list .chosen").count() == 1


def test_several_images_one_after_another(page):
    choose(page, ALL_THREE, EMPTY)
    choose(page, BLUE_AND_RED)
    page.get_by_role("button", name="empty.png, nothing found").click()
    assert page.inner_text("#headline") == "Nothing found"
    page.get_by_role("button", name="three.png, 2 objects").click()
    assert page.inner_text("#name") == "three.png"
    assert labels(page) == {"blue": 1, "red": 1}
    page.get_by_role("button", name="Start over").click()
    assert page.locator("#figure").is_hidden()
    assert page.locator("#found").is_hidden()
    assert page.evaluate("document.activeElement.id") == "choose"


# --- for everybody -----------------------------------------------------------------------------------------


def tab_to(page, element_id):
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == element_id:
            return
    raise AssertionError(f"Tab does not lead to {element_id}")


def test_the_keyboard_is_enough(page):
    page.wait_for_selector("#classes:not([hidden])")
    with page.expect_file_chooser() as chooser:  # the browser needs a moment to hand it over
        tab_to(page, "choose")
        page.keyboard.press("Enter")
    chooser.value.set_files([ALL_THREE])
    page.wait_for_selector("#found:not([hidden])")
    tab_to(page, "threshold")
    page.keyboard.press("Home")
    assert sum(labels(page).values()) == 3
    page.keyboard.press("End")
    assert sum(labels(page).values()) == 0
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    assert page.input_value("#threshold") == "0.8"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("blue, score 0.90")
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    tab_to(page, "save-json")
    _, content = downloaded(page, lambda: page.keyboard.press("Enter"))
    assert [one["label"] for one in json.loads(content)[0]["detections"]] == ["blue"]


def test_a_screen_reader_hears_what_was_found(page):
    choose(page, BLUE_AND_RED)
    until(page, "#spoken", "two.png: 2 objects: 1 blue, 1 red")
    assert page.locator("#spoken").get_attribute("aria-live") == "polite"
    assert page.get_by_role("img", name="two.png: 2 objects: 1 blue, 1 red").count() == 1
    set_threshold(page, 0.7)
    until(page, "#spoken", "1 object: 1 blue")
    assert page.get_by_role("slider", name="Threshold").get_attribute("aria-valuetext") == "0.70, 1 object"


def test_all_controls_have_names(page):
    choose(page, BLUE_AND_RED, EMPTY)
    names = page.evaluate(
        """[...document.querySelectorAll('button, input')].map((one) =>
            one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.[0]?.textContent || '')"""
    )
    assert all(names)
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((one) => +one.tagName[1])")
    assert levels[0] == 1
    assert all(second - first <= 1 for first, second in pairwise(levels))


def test_a_phone_scrolls_in_one_direction_only(open_page, server):
    page = open_page(server, **PHONE)
    page.wait_for_selector("#classes:not([hidden])")
    assert not is_scrolled_sideways(page)
    long_name = {**ALL_THREE, "name": "a_very_long_name_without_any_blank_" * 4 + ".png"}
    choose(page, long_name, BLUE_AND_RED, *[EMPTY] * 6)
    until(page, "#save-json", "8")
    assert not is_scrolled_sideways(page)
    canvas = page.locator("#picture").bounding_box()
    assert 300 < canvas["width"] <= 375
    heights = [box["height"] for one in page.locator("button").all() if (box := one.bounding_box())]
    assert min(heights) >= 44  # for fingers
    assert page.get_by_role("button", name="Take a photograph").is_visible()
    assert page.locator("#camera").get_attribute("capture") == "environment"


def test_the_entry_that_is_pressed_on_a_phone_brings_the_picture_into_view(open_page, server):
    page = open_page(server, **PHONE)
    choose(page, ALL_THREE)
    page.locator("#list button").first.tap()
    top = page.evaluate("document.getElementById('picture').getBoundingClientRect().top")
    assert -1 < top < 400


def test_dark_and_still_where_the_user_wants_it_so(open_page, server):
    def seen(**settings):
        page = open_page(server, **settings)
        style = "getComputedStyle(document.{}).{}"
        ground = page.evaluate(style.format("body", "backgroundColor"))
        moving = page.evaluate(style.format("querySelector('#choose')", "transitionDuration"))
        return sum(map(int, ground[4:-1].split(","))), moving

    assert seen(color_scheme="light")[0] > 600
    assert seen(color_scheme="dark")[0] < 150
    assert seen(reduced_motion="reduce")[1] == "0s"


@pytest.mark.parametrize("count", [1, len(CLASSES), 90])
def test_colours_of_classes_are_readable_and_differ(page, count):
    colours = page.evaluate(
        """async (count) => {
            const { classColour } = await import('./page/picture.js');
            const context = document.createElement('canvas')
                .getContext('2d', { willReadFrequently: true });
            return Array.from({ length: count }, (_, index) => {
                context.fillStyle = classColour(index);
                context.fillRect(0, 0, 1, 1);
                return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
            });
        }""",
        count,
    )
    linear = (np.array(colours) / 255) ** 2.2
    contrast = (linear @ [0.2126, 0.7152, 0.0722] + 0.05) / (0.006 + 0.05)  # to the letters on them
    assert contrast.min() > 4.5
    assert len({tuple(colour) for colour in colours[:20]}) == min(count, 20)
