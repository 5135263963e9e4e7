"""What the names of splits say: which may share images, and which keeps one that is in two."""

import pytest

from ssd_keras.data.inspection.split_roles import in_order_of_keeping, may_share


@pytest.mark.parametrize(
    ("split", "other", "may"),
    [
        ("train2007", "trainval2007", True),
        ("train", "train_small", True),
        ("val2017", "minival2017", True),
        ("test-dev2017", "test2017", True),
        ("all", "anything", True),
        ("fold1_train", "fold2_val", True),
        ("fold1_train", "fold2_train", True),
        ("fold1_train", "fold1_val", False),
        ("fold1_val", "fold2_val", False),
        ("test-dev2017", "val2017", False),
        ("train", "trainings_place", False),
        ("1", "2", False),
        ("1", "train", False),
    ],
)
def test_which_splits_may_share_images(split, other, may):
    assert may_share(split, other) == may_share(other, split) == may


def test_what_is_evaluated_on_keeps_its_images_and_of_others_the_last():
    assert in_order_of_keeping([]) == []
    splits = ["test2007", "train", "valid", "fold1", "fold2", "trainval"]
    assert in_order_of_keeping(splits) == ["test2007", "valid", "trainval", "fold2", "fold1", "train"]
