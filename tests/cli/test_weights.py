"""`ssd weights` as a user calls it."""

from types import SimpleNamespace

import pytest

from ssd_keras.inference import detector
from ssd_keras.weights import selection


@pytest.fixture
def trained(monkeypatch):
    """A detector for two classes, without its network: what is said of it is looked at."""
    model = SimpleNamespace(name="ssd7", class_names=("wrench", "nut"), image_size=(96, 96), anchor_boxes=[])
    monkeypatch.setattr(detector, "load_model", lambda _: model)
    monkeypatch.setattr(detector, "save_detector", lambda *_: None)
    monkeypatch.setattr(selection, "select_classes", lambda *_: model)


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (
            "wrnch,nut",
            "class 'wrnch' begins with fresh weights: the model knows 'wrench', if that is meant\n",
        ),
        ("wrench,wrenches", ""),
        ("nut,screw", ""),
    ],
)
def test_a_new_class_with_nearly_the_name_of_one_that_is_known(call, tmp_path, classes, said):
    status, _, err = call(
        "weights", "select-classes", "old.keras", "--classes", classes, "--out", tmp_path / "new.keras"
    )
    assert (status, err) == (0, said)
