"""Where the server refuses, the page says why and goes on as soon as it can."""

import threading

import httpx
import pytest
from browser.page_steps import choose, file, labels, until
from serving.coloured import ColourDetector, encoded, picture, running

RED = file("red.png", encoded(picture(red=(0, 0, 90, 90))))
BLUE = file("blue.png", encoded(picture(blue=(0, 0, 90, 90))))
DAMAGED = file("broken.png", b"\x89PNG and nothing more")


class GatedDetector(ColourDetector):
    """Waits before each image that is not empty until the gate is open."""

    def __init__(self):
        self.gate = threading.Event()
        self.entered = threading.Event()

    def detect_batch(self, batch, sizes, threshold=0.5, fast=False):
        if batch.any():
            self.entered.set()
            assert self.gate.wait(60)
        return super().detect_batch(batch, sizes, threshold, fast)


@pytest.fixture(scope="module")
def server():
    with running(max_image_bytes=5_000, max_image_pixels=500_000) as address:
        yield address


def problem_of(page):
    page.wait_for_selector("#problem:not([hidden])")
    return page.inner_text("#problem-text")


def test_a_busy_server_is_asked_again(open_page):
    detector = GatedDetector()
    with running(detector, max_queue=1, max_images=1) as address:
        first = threading.Thread(target=httpx.post, args=[f"{address}/v1/detect"], kwargs={
            "content": RED["buffer"], "headers": {"Content-Type": "image/png"}, "timeout": 60,
        })  # fmt: skip
        first.start()
        assert detector.entered.wait(30)
        page = open_page(address, refusals=True)
        page.set_input_files("#files", [RED])
        until(page, "#progress", "Trying again in")
        assert "queue is full" in page.inner_text("#progress")
        assert page.locator("#problem").is_hidden()
        detector.gate.set()
        page.wait_for_selector("#found:not([hidden])")
        assert labels(page) == {"red": 1}
        assert page.locator("#progress").is_hidden()
        first.join(30)


def test_the_token_is_asked_for_and_kept_until_the_tab_is_closed(open_page):
    with running(token="open-sesame") as address:
        page = open_page(address, refusals=True)
        page.wait_for_selector("#token-form:not([hidden])")
        assert page.evaluate("document.activeElement.id") == "token"
        page.keyboard.type("wrong")
        page.keyboard.press("Enter")
        until(page, "#token-hint", "not accepted")
        page.fill("#token", "open-sesame")
        page.keyboard.press("Enter")
        choose(page, RED)
        assert labels(page) == {"red": 1}
        page.reload()
        page.wait_for_selector("#classes:not([hidden])")
        assert page.locator("#token-form").is_hidden()
        assert page.evaluate("[sessionStorage.length, localStorage.length]") == [1, 0]


def test_what_no_header_can_carry_is_not_taken_as_token(open_page):
    with running(token="open-sesame") as address:
        page = open_page(address, refusals=True)
        page.wait_for_selector("#token-form:not([hidden])")
        page.fill("#token", "öffne dich")
        page.keyboard.press("Enter")
        assert page.locator("#token:invalid").count() == 1
        assert page.locator("#token-form").is_visible()


def test_a_damaged_image_leaves_the_others_alone(open_page, server):
    page = open_page(server, refusals=True)
    page.set_input_files("#files", [DAMAGED, RED])
    said = problem_of(page)
    assert "broken.png" in said
    page.get_by_role("button", name="red.png, 1 object").click()
    assert page.locator("#problem").is_hidden()
    assert labels(page) == {"red": 1}
    page.get_by_role("button", name="broken.png, failed").click()
    assert problem_of(page) == said
    assert page.locator("#found").is_hidden()


def test_another_kind_of_file(open_page, server):
    page = open_page(server, refusals=True)
    page.set_input_files("#files", [file("letter.pdf", b"%PDF-1.7 dear all")])
    assert "not an image" in problem_of(page)
    assert page.locator("#again").is_hidden()  # it would be no image again


def test_an_image_with_too_many_bytes_is_not_even_sent(open_page, server):
    page = open_page(server)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_input_files("#files", [file("large.png", bytes(6_000))])
    assert problem_of(page) == "large.png has 6 kB, and this server takes 5 kB at most: make it smaller."
    assert not [url for url in asked if "detect" in url]


def test_an_image_with_too_many_pixels(open_page, server):
    page = open_page(server, refusals=True)
    page.set_input_files("#files", [file("wide.png", encoded(picture((800, 800))))])
    assert "800 × 800 pixels" in problem_of(page)


def test_a_server_that_is_gone_can_be_tried_again(open_page, server):
    page = open_page(server, refusals=True)
    page.wait_for_selector("#classes:not([hidden])")
    page.route("**/v1/detect*", lambda route: route.abort())
    page.set_input_files("#files", [RED])
    assert problem_of(page).startswith("The server does not answer.")
    page.unroute("**/v1/detect*")
    page.click("#again")
    page.wait_for_selector("#found:not([hidden])")
    assert page.locator("#problem").is_hidden()
    assert labels(page) == {"red": 1}


def test_a_server_that_is_gone_from_the_start(open_page, server):
    page = open_page(server, refusals=True)
    page.route("**/v1/model", lambda route: route.abort())
    page.reload()
    assert problem_of(page).startswith("The server does not answer.")
    page.unroute("**/v1/model")
    page.set_input_files("#files", [RED])  # waits until the model is known
    page.click("#again")
    page.wait_for_selector("#found:not([hidden])")
    assert labels(page) == {"red": 1}


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (504, '{"detail": "it took longer than 30 s: send fewer"}', "It took longer than 30 s: send fewer."),
        (500, "<html>bad gateway</html>", "The server answers 500 Internal Server Error."),
        (200, "<html>sign in first</html>", "The answer of the server was cut off or is none of a detector."),
    ],
)  # fmt: skip
def test_other_answers(open_page, server, status, body, said):
    page = open_page(server, refusals=True)
    page.route("**/v1/detect*", lambda route: route.fulfill(status=status, body=body))
    page.set_input_files("#files", [RED])
    assert problem_of(page) == said


def test_a_server_that_starts_is_waited_for(open_page, server):
    page = open_page(server, refusals=True)
    answers = iter([503, 503])

    def answer(route):
        status = next(answers, None)
        if status is None:
            route.continue_()
        else:
            headers = {"Retry-After": "0", "Content-Type": "application/json"}
            route.fulfill(status=status, body='{"detail": "the server is starting"}', headers=headers)

    page.route("**/v1/detect*", answer)
    choose(page, BLUE)
    assert labels(page) == {"blue": 1}


def test_who_starts_over_no_longer_waits(open_page, server):
    page = open_page(server, refusals=True)
    page.route("**/v1/detect*", lambda route: route.fulfill(status=429, headers={"Retry-After": "1"}))
    page.set_input_files("#files", [RED, RED])
    until(page, "#progress", "Trying again")
    page.click("#clear")
    page.unroute("**/v1/detect*")
    choose(page, BLUE)
    assert labels(page) == {"blue": 1}
    assert page.locator("#strip").is_hidden()


def test_who_starts_over_need_not_wait_for_what_is_put_away(open_page, server):
    page = open_page(server, refusals=True)
    asked = []
    page.route("**/v1/detect*", lambda route: (
        asked.append(route.request.post_data_buffer),
        route.fulfill(status=429, headers={"Retry-After": "60"}) if len(asked) == 1 else route.continue_(),
    ))  # fmt: skip
    page.set_input_files("#files", [RED])
    until(page, "#progress", "Trying again in")
    page.click("#clear")
    assert page.locator("#progress").is_hidden()
    page.wait_for_timeout(1500)  # as long as the seconds would be told
    assert page.locator("#progress").is_hidden()
    choose(page, BLUE)
    assert labels(page) == {"blue": 1}
    assert [name in body for body, name in zip(asked, [b"red.png", b"blue.png"], strict=True)] == [True, True]


def test_a_token_that_comes_after_all_is_put_away_asks_for_nothing(open_page, server):
    page = open_page(server, refusals=True)
    asked = []
    page.route("**/v1/detect*", lambda route: (
        asked.append(route.request.post_data_buffer),
        route.fulfill(status=401) if len(asked) == 1 else route.continue_(),
    ))  # fmt: skip
    page.set_input_files("#files", [RED])
    page.wait_for_selector("#token-form:not([hidden])")
    page.click("#clear")
    page.set_input_files("#files", [BLUE])
    page.fill("#token", "open-sesame")
    page.keyboard.press("Enter")
    page.wait_for_selector("#found:not([hidden])")
    assert labels(page) == {"blue": 1}
    assert len(asked) == 2


def test_nothing_but_the_server_may_run_or_be_asked(open_page, server, browser):
    policy = httpx.get(server).headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    context = browser.new_context()
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(server)
    page.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = 'window.ran = true';
            document.body.append(script);
            const image = document.createElement('img');
            image.src = 'http://192.0.2.1/spy.png';
            document.body.append(image);
        }"""
    )
    page.wait_for_timeout(300)
    assert page.evaluate("window.ran") is None
    assert len([text for text in said if "Content Security Policy" in text]) == 2
    context.close()
