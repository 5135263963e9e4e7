"""What staff changed on a page is saved, or they are asked; no answer that comes late takes it away."""

import httpx
import pytest
from browser.register_steps import expect, log_in
from citizens import STAFF, FakeDetector, correct, looked_at, make_app, photo_file, report, running, send

DELETE = "Delete box 1"


@pytest.fixture(scope="module")
def register(tmp_path_factory):
    """A register whose detector sees two objects on each photograph."""
    with (
        running(make_app(tmp_path_factory.mktemp("register"), FakeDetector())) as url,
        httpx.Client(base_url=url) as client,
    ):
        yield client


@pytest.fixture
def numbers(register, request):
    """Two new reports, looked at by the detector."""
    made = []
    for place in (1, 2):
        key = f"key-{place}-of-{request.node.name}-0123456789"[:60].replace("[", "_").replace("]", "_")
        made.append(send(register, photo_file(place), key=key).json()["number"])
        looked_at(register, made[-1])
    return made


@pytest.fixture
def page(open_page, register, numbers):
    """The first of the two is open."""
    url = str(register.base_url)
    page = open_page(f"{url}/", refusals=True, viewport={"width": 1300, "height": 900})
    log_in(page, url, f"#{numbers[0]}")
    expect(page.locator("#title")).to_have_text(f"#{numbers[0]} pothole")
    expect(page.locator("#boxes g")).to_have_count(2)
    return page


def listed(page, number):
    return page.locator(f"#list a[href='#{number}']")


def answer_to_questions(page, is_yes):
    questions = []

    def note(dialog):
        questions.append(dialog.message)
        dialog.accept() if is_yes else dialog.dismiss()

    page.on("dialog", note)
    return questions


class HeldAnswers:
    """Answers to requests of an address that reach the page when they are let go."""

    def __init__(self, page, pattern, method):
        self.routes = []
        self.page, self.method = page, method
        page.route(pattern, self.hold)

    def hold(self, route):
        if route.request.method == self.method:
            self.routes.append((route, route.fetch()))
        else:
            route.continue_()

    def wait(self, count=1):
        for _ in range(1000):
            if len(self.routes) >= count:
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"{len(self.routes)} of {count} requests came")

    def let_go(self):
        while self.routes:
            route, answer = self.routes.pop(0)
            route.fulfill(response=answer)


def change_elsewhere(register, number):
    change = {"version": report(register, number)["version"], "note": "somebody called"}
    assert register.patch(f"/api/staff/reports/{number}", json=change, headers=STAFF).status_code == 200


@pytest.mark.parametrize("is_yes", [False, True])
@pytest.mark.parametrize("edit", ["box", "name", "note"])
def test_leaving_what_is_not_saved_is_asked(page, numbers, edit, is_yes):
    questions = answer_to_questions(page, is_yes)
    first_name, note = page.locator("#detections input").first, page.locator("#change [name=note]")
    if edit == "box":
        page.get_by_role("button", name=DELETE).click()
    elif edit == "name":
        first_name.fill("hole")
    else:
        note.fill("called the depot")
    listed(page, numbers[1]).click()
    shown = numbers[1] if is_yes else numbers[0]
    expect(page.locator("#title")).to_have_text(f"#{shown} pothole")
    expect(page).to_have_url(f"{page.url.partition('#')[0]}#{shown}")
    assert len(questions) == 1
    assert f"report #{numbers[0]} is not saved" in questions[0]
    expect(page.locator("#boxes g")).to_have_count(1 if edit == "box" and not is_yes else 2)
    name = "pothole" if is_yes else {"box": "sign", "name": "hole", "note": "pothole"}[edit]
    expect(first_name).to_have_value(name)
    expect(note).to_have_value("called the depot" if edit == "note" and not is_yes else "")


def test_what_is_saved_is_left_without_a_question(page, numbers, register):
    questions = answer_to_questions(page, is_yes=False)
    page.get_by_role("button", name=DELETE).click()
    page.get_by_role("button", name="Save", exact=True).click()
    listed(page, numbers[1]).click()  # perhaps before the answer is there
    expect(page.locator("#title")).to_have_text(f"#{numbers[1]} pothole")
    assert (questions, len(report(register, numbers[0])["detections"])) == ([], 1)


def test_a_refresh_that_comes_late_takes_no_edit_away(page, numbers, register):
    held = HeldAnswers(page, f"**/api/staff/reports/{numbers[0]}", "GET")
    change_elsewhere(register, numbers[0])
    held.wait()
    page.get_by_role("button", name=DELETE).click()
    held.let_go()
    page.wait_for_timeout(300)
    expect(page.locator("#boxes g")).to_have_count(1)
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_enabled()


def test_a_refresh_that_comes_late_does_not_show_another_report(page, numbers, register):
    held = HeldAnswers(page, f"**/api/staff/reports/{numbers[0]}", "GET")
    change_elsewhere(register, numbers[0])
    held.wait()
    listed(page, numbers[1]).click()
    expect(page.locator("#title")).to_have_text(f"#{numbers[1]} pothole")
    held.let_go()
    page.wait_for_timeout(300)
    expect(page.locator("#title")).to_have_text(f"#{numbers[1]} pothole")


def test_of_two_reports_asked_for_the_later_is_shown(page, numbers):
    held = HeldAnswers(page, f"**/api/staff/reports/{numbers[1]}", "GET")
    listed(page, numbers[1]).click()
    held.wait()
    page.locator("#detections button").first.click(force=True)  # would be lost: nothing happens
    listed(page, numbers[0]).click()
    expect(page.locator(f"#list a[href='#{numbers[0]}'][aria-current]")).to_be_visible()
    held.let_go()
    page.wait_for_timeout(300)
    expect(page.locator("#title")).to_have_text(f"#{numbers[0]} pothole")
    expect(page.locator("#boxes g")).to_have_count(2)


def test_nothing_is_edited_while_it_is_saved(page, numbers, register):
    held = HeldAnswers(page, "**/detections", "PUT")
    page.get_by_role("button", name=DELETE).click()
    page.get_by_role("button", name="Save", exact=True).click()
    held.wait()
    page.locator("#detections button").first.click(force=True)
    page.keyboard.press("Delete")
    expect(page.locator("#boxes g")).to_have_count(1)
    held.let_go()
    expect(page.locator("#save")).to_be_disabled()
    expect(page.locator("#boxes g")).to_have_count(1)
    page.get_by_role("button", name=DELETE).click()  # and afterwards it is
    expect(page.locator("#boxes g")).to_have_count(0)
    assert len(report(register, numbers[0])["detections"]) == 1


def test_a_double_click_confirms_once(page, numbers, register):
    before = report(register, numbers[0])["version"]
    page.get_by_role("button", name="Save and confirm").dblclick()
    expect(page.locator("#look")).to_have_text("confirmed")
    page.wait_for_timeout(300)
    expect(page.locator("#conflict")).to_be_hidden()
    assert report(register, numbers[0])["version"] == before + 1


def test_a_refresh_while_a_box_is_held_breaks_nothing(page, numbers, register):
    held = HeldAnswers(page, f"**/api/staff/reports/{numbers[0]}", "GET")
    was = report(register, numbers[0])
    boxes = [{name: one[name] for name in ("label", "box")} for one in was["detections"]]
    assert correct(register, was, boxes[:1], confirmed=False).status_code == 200
    held.wait()
    page.locator("#boxes g").first.hover()
    page.mouse.down()
    held.let_go()
    expect(page.locator("#boxes g")).to_have_count(1)
    page.mouse.move(5, 5)
    page.mouse.up()
    expect(page.locator("#boxes g")).to_have_count(1)
    expect(page.locator("#save")).to_be_disabled()


def test_days_are_those_of_the_reader(browser, register, numbers):
    url = str(register.base_url)
    received = report(register, numbers[0])["received"]
    with browser.new_context(timezone_id="Pacific/Kiritimati") as context:  # 14 hours before UTC
        page = context.new_page()
        log_in(page, url)
        day = page.evaluate("(utc) => new Date(utc).toLocaleDateString('sv')", received)
        page.fill("[name=since]", day)
        page.fill("[name=until]", day)
        expect(listed(page, numbers[0])).to_be_visible()
        with page.expect_request("**/api/staff/reports?*until=*") as asked:
            page.fill("[name=until]", "2020-02-29")
        assert "until=2020-02-29T10%3A00%3A00.000Z" in asked.value.url
        expect(page.locator("#list li")).to_have_count(0)
