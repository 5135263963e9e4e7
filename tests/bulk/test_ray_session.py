"""How a cluster is found, and divided among workers."""

import socket

import pytest

from ssd_keras.bulk import ray_session
from ssd_keras.bulk.ray_session import share_of
from ssd_keras.bulk.settings import Workforce
from ssd_keras.errors import InputError


@pytest.mark.parametrize(
    ("resources", "wanted", "workers", "gpus"),
    [
        ({"CPU": 4.0}, None, 4, 0.0),
        ({"CPU": 4.0}, 3, 3, 0.0),
        ({"CPU": 16.0, "GPU": 2.0}, None, 2, 1.0),
        ({"CPU": 16.0, "GPU": 2.0}, 1, 1, 1.0),
        ({"CPU": 16.0, "GPU": 2.0}, 3, 3, 0.5),  # not 2/3: of these each GPU has room for one
        ({"CPU": 16.0, "GPU": 1.0}, 4, 4, 0.25),
    ],
)
def test_each_worker_has_a_gpu_or_a_share_of_one_or_a_core(resources, wanted, workers, gpus):
    assert share_of(resources, Workforce(wanted)) == (workers, gpus)


def test_more_workers_than_cores():
    with pytest.raises(InputError, match="--workers 3 is more than the 2 cores here: give 2 or fewer"):
        share_of({"CPU": 2.0}, Workforce(3))
    assert share_of({}, Workforce(3, "auto")).workers == 3  # a cluster that grows when it is asked
    assert share_of({}, Workforce(None, "auto")).workers == 1


@pytest.fixture
def no_ray(monkeypatch):
    """Do as if Ray was there, and not connected; to start it fails the test."""

    class Ray:
        def is_initialized(self):
            return False

        def init(self, *_, **__):
            pytest.fail("waited for a cluster")

    monkeypatch.setattr(ray_session, "import_library", lambda _: Ray())


@pytest.mark.parametrize("address", ["127.0.0.1:PORT", "[::1]:PORT", "no host:PORT", "127.0.0.1:99999"])
def test_nobody_waits_for_a_cluster_that_is_not_there(no_ray, address):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        address = address.replace("PORT", str(taken.getsockname()[1]))
        with (
            pytest.raises(InputError, match=r"no Ray cluster answers at .*: check --ray-address"),
            ray_session.ray_session(address),
        ):
            pass
