"""The grievance register in a browser: from a citizen's report to a data set with what staff corrected."""

import io
import zipfile

import numpy as np
from browser.register_steps import SCENE_SIZE, drag, expect, fill_in, log_in, on_screen, street_photo
from citizens import (
    SIZE,
    TOKEN,
    looked_at,
    photo_file,
    report,
    send,
)
from PIL import Image

import ssd_keras as ssd
from ssd_keras.cli import main


def test_from_report_to_data_set(page, url, detector, client, tmp_path):
    photo, detector.found = street_photo(tmp_path, seed=11)
    assert len(detector.found) > 1
    fill_in(page, url, photo)
    page.get_by_role("button", name="Send the report").click()
    expect(page.locator("#number")).to_have_text("#1")
    page.reload()  # the receipt's address shows it again
    expect(page.locator("#receipt-status")).to_have_text("open")

    looked_at(client)
    log_in(page, url)
    page.locator("#list a").click()
    boxes = page.locator("#boxes g")
    expect(boxes).to_have_count(len(detector.found))
    expect(page.locator("#look")).to_have_text("to check")
    expect(page.locator("#detections input").first).to_have_value(detector.found[0]["label"])

    x0, y0, x1, y1 = detector.found[0]["box"]
    first = page.locator("#boxes [data-index='0']")
    first.focus()
    drag(page, on_screen(page, x1, y1), on_screen(page, x1 - 8, y1 - 6))
    first.press("ArrowRight")
    first.press("Shift+ArrowUp")
    page.locator("#detections input").nth(1).fill("hole")
    page.get_by_role("button", name="Save and confirm").click()
    expect(page.locator("#look")).to_have_text("confirmed")

    kept = report(client)["detections"]
    height = SCENE_SIZE[0]
    up = min(10, y0)
    np.testing.assert_allclose(kept[0]["box"], [x0 + 1, y0 - up, x1 - 7, y1 - 6 - up], atol=1.0)
    assert (kept[0]["source"], kept[0]["score"], kept[1]["label"]) == ("corrected", None, "hole")
    assert all(0 <= one["box"][1] < one["box"][3] <= height for one in kept)

    page.select_option("#format", "yolo")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Export").click()
    zipfile.ZipFile(downloading.value.path()).extractall(tmp_path / "out")
    check_export(tmp_path / "out" / "reports_yolo", kept)


def check_export(folder, kept):
    dataset = ssd.open_dataset(folder)
    ((sample,),) = dataset.values()
    labels = [dataset.class_names[label] for label in sample.ground_truth.labels]
    assert labels == [one["label"] for one in kept]
    np.testing.assert_allclose(sample.ground_truth.boxes_px, [one["box"] for one in kept], atol=2e-3)
    assert main(["inspect", str(folder), "--json"]) == 0


def test_text_of_a_report_is_never_obeyed(page, url, client):
    evil = "<img src=x onerror=\"document.title='obeyed'\"><script>document.title='obeyed'</script>"
    send(client, description=evil, address=evil)
    looked_at(client)
    log_in(page, url, "#1")
    expect(page.locator("#description")).to_have_text(evil)
    expect(page.locator("#place")).to_have_text(evil)
    assert page.title() == "Grievance register: staff"


def test_boxes_are_added_and_deleted_by_mouse_and_keyboard(page, url, client):
    send(client)
    looked_at(client)
    log_in(page, url, "#1")
    boxes = page.locator("#boxes g")
    expect(boxes).to_have_count(2)
    page.get_by_role("button", name="Delete box 1").click()
    boxes.first.press("Delete")
    expect(boxes).to_have_count(0)
    expect(page.locator("#detections")).to_have_text("No object.")
    page.get_by_role("button", name="Add a box").click()
    drag(page, on_screen(page, 20, 10), on_screen(page, 50, 40))
    expect(boxes).to_have_count(1)
    page.get_by_role("button", name="Add a box").press("Enter")
    expect(boxes).to_have_count(2)
    for _ in range(2):
        page.locator("#boxes g.selected").press("Control+Shift+ArrowRight")
    page.locator("#boxes g.selected").press("ArrowLeft")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    height, width = SIZE
    drawn, typed = (one["box"] for one in report(client)["detections"])
    np.testing.assert_allclose(drawn, [20, 10, 50, 40], atol=1.0)
    np.testing.assert_allclose(
        typed, [0.4 * width - 1, 0.4 * height, 0.6 * width + 19, 0.6 * height], atol=0.02
    )
    expect(page.locator("#look")).to_have_text("to check")


def test_of_two_staff_members_the_later_is_told(page, url, client):
    send(client)
    looked_at(client)
    log_in(page, url, "#1")
    page.locator("#boxes g").first.press("ArrowRight")
    change = {"version": report(client)["version"], "status": "in progress"}
    client.patch("/api/staff/reports/1", json=change, headers={"Authorization": f"Bearer {TOKEN}"})
    page.get_by_role("button", name="Save and confirm").click()
    expect(page.locator("#conflict")).to_contain_text("was changed in the meantime")
    page.get_by_role("button", name="Show it as it is now").click()
    expect(page.locator("#change [name=status]")).to_have_value("in progress")
    page.locator("#boxes g").first.press("ArrowRight")
    page.get_by_role("button", name="Save and confirm").click()
    expect(page.locator("#look")).to_have_text("confirmed")


def test_list_filters_and_changes(page, url, client):
    for number, category in ((1, "pothole"), (2, "graffiti")):
        send(client, photo_file(number), key=f"a-key-of-report-number-{number}", category=category)
        looked_at(client, number)
    log_in(page, url)
    expect(page.locator("#list li")).to_have_count(2)
    page.select_option("#filters [name=category]", "graffiti")
    expect(page.locator("#count")).to_have_text("1 report")
    page.locator("#list a").click()
    page.select_option("#change [name=status]", "done")
    page.fill("#change [name=note]", "painted over")
    page.get_by_role("button", name="Change").click()
    expect(page.locator("#history")).to_contain_text("Ann Lee status open → done; painted over")
    expect(page.locator("#list .badge").first).to_have_text("done")
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("#login")).to_be_visible()
    page.reload()
    expect(page.locator("#login")).to_be_visible()


def test_on_a_phone_boxes_are_moved_by_touch(browser, url, client):
    send(client)
    looked_at(client)
    phone = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
    with browser.new_context(**phone) as context:
        page = context.new_page()
        log_in(page, url)
        page.locator("#list a").tap()
        expect(page.locator("#boxes g")).to_have_count(2)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        x0, y0, x1, y1 = report(client)["detections"][0]["box"]
        start = on_screen(page, (x0 + x1) / 2, (y0 + y1) / 2)
        end = on_screen(page, (x0 + x1) / 2 + 20, (y0 + y1) / 2 + 10)
        session = context.new_cdp_session(page)
        for kind, points in (("Start", [start]), ("Move", [end]), ("End", [])):
            touches = [{"x": x, "y": y} for x, y in points]
            session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": touches})
        page.get_by_role("button", name="Save and confirm").tap()
        expect(page.locator("#look")).to_have_text("confirmed")
    moved = report(client)["detections"][0]["box"]
    np.testing.assert_allclose(moved, [x0 + 20, y0 + 10, x1 + 20, y1 + 10], atol=1.0)


def test_a_photograph_can_be_seen_by_staff_alone(page, url, client):
    send(client)
    looked_at(client)
    assert client.get("/api/staff/reports/1/photo").status_code == 401
    log_in(page, url, "#1")
    expect(page.locator("#photo")).to_have_js_property("naturalWidth", SIZE[1])
    answer = page.request.get(f"{url}/api/staff/reports/1/photo")
    with Image.open(io.BytesIO(answer.body())) as photo:
        assert photo.size == (SIZE[1], SIZE[0])
