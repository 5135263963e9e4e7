"""A register for each test, with a detector that is none."""

import httpx
import pytest
from citizens import FakeDetector, make_app, running


@pytest.fixture
def detector():
    return FakeDetector()


@pytest.fixture
def client(tmp_path, detector):
    with running(make_app(tmp_path, detector)) as url, httpx.Client(base_url=url) as client:
        yield client
