"""Classes under other names: their order, their numbers, and what becomes of the boxes."""

import numpy as np
import pytest

from ssd_keras.data.inspection.renaming import parse_new_names, with_new_names
from ssd_keras.data.samples import Dataset, GroundTruth, Sample, Split
from ssd_keras.errors import InputError

NAMES = ("bus", "car", "lorry", "van")


@pytest.fixture
def data():
    """One image with a box of each class."""
    truth = GroundTruth(np.tile(np.float32([1, 1, 9, 9]), (4, 1)), np.arange(4))
    split = Split("train", (Sample(b"", truth, "a"),), NAMES)
    return Dataset(NAMES, {"train": split}, "coco", category_ids=(7, 3, 5, 9))


@pytest.mark.parametrize(
    ("new_names", "names", "numbers", "labels"),
    [
        ({}, NAMES, (7, 3, 5, 9), [0, 1, 2, 3]),
        ({"van": "car"}, ("bus", "car", "lorry"), (7, 3, 5), [0, 1, 2, 1]),
        ({"bus": "van"}, ("car", "lorry", "van"), (3, 5, 9), [2, 0, 1, 2]),
        ({"bus": "large", "lorry": "large"}, ("large", "car", "van"), (7, 3, 9), [0, 1, 0, 2]),
        ({"bus": "car", "car": "bus"}, ("car", "bus", "lorry", "van"), (7, 3, 5, 9), [0, 1, 2, 3]),
    ],
)
def test_classes_keep_their_order_and_numbers(data, new_names, names, numbers, labels):
    renamed = with_new_names(data, new_names)
    assert (renamed.class_names, renamed.category_ids) == (names, numbers)
    assert renamed["train"].class_names == names
    assert renamed["train"][0].ground_truth.labels.tolist() == labels
    assert data["train"][0].ground_truth.labels.tolist() == [0, 1, 2, 3]


def test_names_with_an_equals_sign():
    assert parse_new_names(["a=b=c", "car= van"], ["a=b", "car"]) == {"a=b": "c", "car": "van"}


@pytest.mark.parametrize("texts", [["car"], ["=van"], ["car="], ["cat=van"], ["car=van", "car=bus"]])
def test_what_is_no_new_name_is_refused(texts):
    with pytest.raises(InputError, match="--rename"):
        parse_new_names(texts, NAMES)
