"""A register for each test, with a detector that is none, and its page in a browser."""

import httpx
import pytest
from citizens import FakeDetector, make_app, running


@pytest.fixture
def page(open_page, url):
    """The citizen's page, in a window of a desk."""
    return open_page(f"{url}/", refusals=True, viewport={"width": 1300, "height": 900})


@pytest.fixture
def detector():
    return FakeDetector()


@pytest.fixture
def url(tmp_path, detector):
    with running(make_app(tmp_path / "register", detector)) as url:
        yield url


@pytest.fixture
def client(url):
    with httpx.Client(base_url=url) as client:
        yield client
