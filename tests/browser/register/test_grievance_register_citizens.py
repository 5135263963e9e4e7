"""The citizen's page of the grievance register in a browser."""

import pytest
from browser.register_steps import expect, fill_in
from citizens import (
    GPS_PLACE,
    TOKEN,
    photo_file,
    report,
)


def test_the_place_of_a_photograph_is_offered_and_never_taken(page, url, client, tmp_path):
    with_place, without = tmp_path / "with.jpg", tmp_path / "without.jpg"
    with_place.write_bytes(photo_file(with_gps=True))
    without.write_bytes(photo_file(1))
    fill_in(page, url, with_place)
    expect(page.locator("#offered")).to_have_text("{}, {}".format(*GPS_PLACE))
    page.get_by_role("button", name="Send the report").click()
    expect(page.locator("#number")).to_have_text("#1")
    assert report(client, 1)["latitude"] is None

    page.goto(f"{url}/")
    fill_in(page, url, with_place)
    page.get_by_role("button", name="Use this place").click()
    page.get_by_role("button", name="Send the report").click()
    expect(page.locator("#number")).to_have_text("#2")
    assert (report(client, 2)["latitude"], report(client, 2)["longitude"]) == GPS_PLACE

    page.goto(f"{url}/")
    fill_in(page, url, without)
    expect(page.locator("#offer")).to_be_hidden()


@pytest.mark.parametrize("damage", [slice(0, 3), slice(0, 40), slice(0, 150), slice(2, None)])
def test_a_damaged_photograph_offers_no_place(page, url, tmp_path, damage):
    file = tmp_path / "damaged.jpg"
    file.write_bytes(photo_file(with_gps=True)[damage])
    fill_in(page, url, file)
    expect(page.locator("#offer")).to_be_hidden()
    page.get_by_role("button", name="Send the report").click()
    expect(page.locator("#problem")).to_contain_text("the photograph cannot be read")


def test_what_is_missing_is_told(page, url):
    page.goto(url)
    page.get_by_text("pothole").click()
    page.get_by_role("button", name="Send the report").click()
    expect(page.locator("#photo-problem")).to_have_text("Take or choose a photograph.")
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo_file()})
    page.get_by_role("button", name="Send the report").click()
    expect(page.locator("#place-problem")).to_have_text("Say where it is: an address, or a position.")


def test_a_report_whose_answer_got_lost_is_sent_once(page, url, client, tmp_path):
    file = tmp_path / "photo.jpg"
    file.write_bytes(photo_file())
    fill_in(page, url, file)

    def lose_the_answer(route):
        route.fetch()
        route.abort()

    page.route("**/api/reports", lose_the_answer, times=1)
    page.get_by_role("button", name="Send the report").click()
    expect(page.locator("#problem")).to_contain_text("cannot be reached")
    page.get_by_role("button", name="Send the report").click()
    expect(page.locator("#number")).to_have_text("#1")
    listed = client.get("/api/staff/reports", headers={"Authorization": f"Bearer {TOKEN}"}).json()
    assert listed["total"] == 1


def test_where_the_citizen_is(browser, url):
    here = {"latitude": 52.12, "longitude": 11.63}
    with browser.new_context(geolocation=here, permissions=["geolocation"]) as context:
        page = context.new_page()
        page.goto(url)
        page.get_by_role("button", name="Use where I am now").click()
        expect(page.locator("[name=latitude]")).to_have_value("52.120000")
    with browser.new_context(permissions=[]) as context:
        page = context.new_page()
        page.goto(url)
        page.get_by_role("button", name="Use where I am now").click()
        expect(page.locator("#place-problem")).to_contain_text("type the address")


def test_with_a_key_of_no_report_there_is_the_form(page, url, client, tmp_path):
    file = tmp_path / "photo.jpg"
    file.write_bytes(photo_file())
    fill_in(page, f"{url}/?#an-old-key-of-nobody", file)
    expect(page.locator("#no-receipt")).to_contain_text("no report was sent with this key")
    page.get_by_role("button", name="Send the report").click()
    expect(page.locator("#number")).to_have_text("#1")
    expect(page.locator("#no-receipt")).to_be_hidden()
    assert report(client)["category"] == "broken sign"
