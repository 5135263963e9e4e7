"""How a cluster is divided among workers."""

import pytest

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
