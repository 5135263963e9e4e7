"""Anchors that are chosen for the boxes of a data set, before training."""

import numpy as np
import pytest
from scenes import CLASSES, SIZE

from ssd_keras.data.samples import Dataset, GroundTruth, Sample, Split
from ssd_keras.errors import InputError
from ssd_keras.training.fitted_anchors import network_of, with_fitted_anchors
from ssd_keras.training.initial_model import build_model
from ssd_keras.training.recipe import make_recipe

SMALL = {"image_size": SIZE, "anchors": {"fit": True}}


def data_of(*boxes):
    """Give a data set whose only image has these boxes in pixels."""
    truth = GroundTruth(np.array(boxes, np.float32).reshape(-1, 4), np.zeros(len(boxes), int))
    split = Split("train", (Sample(np.zeros((*SIZE, 3), np.uint8), truth, "a"),), CLASSES)
    return Dataset(CLASSES, {"train": split}, "made")


def squares(side, count=6):
    return [(10 * k, 5, 10 * k + side, 5 + side) for k in range(count)]


def test_a_recipe_that_does_not_ask_stays():
    recipe = make_recipe({"image_size": SIZE})
    assert with_fitted_anchors(recipe, data_of(*squares(12))) is recipe


@pytest.mark.parametrize("model", ["ssd7", "ssd300_mobilenet"])
def test_anchors_are_chosen_for_the_boxes_and_written_into_the_recipe(model, caplog):
    size = SIZE if model == "ssd7" else (300, 300)
    recipe = make_recipe({"model": model, "image_size": size, "anchors": {"fit": True}})
    with caplog.at_level("INFO", "ssd_keras"):
        fitted = with_fitted_anchors(recipe, data_of(*squares(30), *squares(45)))
    assert "anchors fitted to 12 boxes, 100.0 % of them covered by half" in caplog.text
    assert not fitted.anchors.fit
    assert make_recipe(fitted.model_dump(mode="json")) == fitted
    usual = build_model(make_recipe({"model": model, "image_size": size}), CLASSES)
    assert build_model(fitted, CLASSES).anchors != usual.anchors


def test_without_boxes_the_anchors_stay(caplog):
    with caplog.at_level("INFO", "ssd_keras"):
        fitted = with_fitted_anchors(make_recipe(SMALL), data_of())
    assert fitted == make_recipe({"image_size": SIZE})
    assert "none better than the model's own" in caplog.text


def test_the_anchors_that_a_search_begins_with_can_be_looked_at():
    assert network_of(make_recipe(SMALL)).anchors == network_of(make_recipe({"image_size": SIZE})).anchors


def test_a_model_is_not_built_while_its_anchors_are_to_be_chosen():
    with pytest.raises(InputError, match=r"anchors\.fit needs a data set"):
        build_model(make_recipe(SMALL), CLASSES)
