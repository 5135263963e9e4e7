"""What is said before a run starts: splits, what cannot be learned, what cannot be measured."""

import dataclasses

import cv2
import numpy as np
import pytest
from scenes import CLASSES, sample

from ssd_keras.data.samples import Dataset, GroundTruth, Sample, Split
from ssd_keras.errors import InputError
from ssd_keras.models.building import build_preset
from ssd_keras.models.loss import MultiBoxLoss
from ssd_keras.training.expectations import (
    choose_measured_split,
    choose_splits,
    refuse_other_classes,
    refuse_unreadable,
    say_what_is_left_aside,
    say_what_is_missing,
    say_what_is_remembered,
    say_what_is_unused,
)
from ssd_keras.training.recipe import Recipe, make_recipe


def split_of(*samples, name="train"):
    return Split(name, samples, CLASSES)


@pytest.fixture(scope="module")
def model():
    return build_preset(
        "ssd7", CLASSES, image_size=(96, 128), anchor_changes={"scales": (0.25, 0.35, 0.5, 0.7, 0.9)}
    )


def said_of(model, split, caplog, batch_size=2):
    with caplog.at_level("INFO", "ssd_keras"):
        say_what_is_missing(model, split, batch_size)
    return caplog.text


def whole_image(label):
    """Give an image with one object of half its size, which fits the anchors."""
    truth = GroundTruth(np.array([[32, 24, 96, 72]], np.float32), np.array([label]))
    return Sample(sample(0).image, truth, f"{label}")


def test_nothing_is_said_where_all_is_well(model, caplog):
    assert said_of(model, split_of(*map(whole_image, range(2))), caplog) == ""


def test_a_batch_larger_than_the_split(model, caplog):
    assert "batch_size 2 is more than the images there are (1)" in said_of(model, split_of(sample(0)), caplog)


def test_a_class_without_an_example(model, caplog):
    only_red = [
        dataclasses.replace(one, ground_truth=GroundTruth(one.ground_truth.boxes_px, np.ones(2, np.int32)))
        for one in map(sample, range(3))
    ]
    assert "split 'train' has no object of blue to learn from" in said_of(model, split_of(*only_red), caplog)


def test_objects_smaller_than_any_anchor(model, caplog):
    tiny = Sample(
        sample(0).image, GroundTruth(np.array([[5, 5, 9, 9]] * 2, np.float32), np.arange(2)), "tiny"
    )
    assert "only 0 % of the objects overlap with an anchor by half" in said_of(
        model, split_of(tiny, tiny), caplog
    )


def test_images_without_any_object_are_no_error(model, caplog):
    assert "no object of blue, red" in said_of(model, split_of(*(sample(n, 0) for n in range(3))), caplog)


def test_several_splits_are_joined_with_a_plus():
    a, b, c = map(sample, range(3))
    dataset = Dataset(CLASSES, {"trainval": split_of(a, b), "test": split_of(b, c)}, "voc")
    chosen, _ = choose_splits(dataset, make_recipe({"train_split": "trainval+test"}))
    assert chosen.name == "trainval+test"
    assert list(chosen) == [a, b, c]
    with pytest.raises(InputError, match="no split 'val'"):
        choose_splits(dataset, make_recipe({"train_split": "trainval+val"}))


def test_a_second_data_set_that_nobody_divided_is_told(caplog):
    dataset = Dataset(CLASSES, {"train": split_of(sample(0)), "all": split_of(sample(1), name="all")}, "voc")
    train = dataset["train"]
    with caplog.at_level("INFO", "ssd_keras"):
        say_what_is_left_aside(dataset, train, make_recipe({"train_split": "train"}))
        say_what_is_left_aside(Dataset(CLASSES, {"train": train}, "voc"), train, make_recipe({}))
        assert not caplog.text
        say_what_is_left_aside(dataset, train, make_recipe({}))
    assert "1 image of the split 'all'" in caplog.text
    assert "--train-split train+all" in caplog.text


def difficult(number):
    one = sample(number)
    truth = GroundTruth(one.ground_truth.boxes_px, one.ground_truth.labels, np.ones(2, bool))
    return dataclasses.replace(one, ground_truth=truth)


@pytest.mark.parametrize(
    ("split", "reason"),
    [
        (None, "no val split"),
        (split_of(sample(1, 0), name="val"), "split 'val' has no object to be found"),
        (split_of(difficult(1), name="val"), "split 'val' has no object to be found"),
    ],
)
def test_where_nothing_can_be_measured(split, reason, caplog):
    with caplog.at_level("INFO", "ssd_keras"):
        assert choose_measured_split(split, make_recipe({})) is None
    assert f"{reason}: nothing is measured" in caplog.text
    for settings in ({"early_stopping": 3}, {"schedule": "plateau"}):
        with pytest.raises(InputError, match=f"needs a score: {reason}"):
            choose_measured_split(split, make_recipe(settings))


def test_a_split_with_objects_is_measured():
    split = split_of(sample(1, 0), sample(2), name="val")
    assert choose_measured_split(split, make_recipe({"early_stopping": 3})) is split


def test_a_split_without_images_is_refused(model):
    with pytest.raises(InputError, match="split 'train' has no image to learn from"):
        say_what_is_missing(model, split_of(), 2)


@pytest.mark.parametrize("names", [("blue",), ("red", "blue"), ("blue", "green", "red")])
def test_labels_of_other_classes_are_refused(model, names):
    refuse_other_classes(model, split_of(sample(0)))
    with pytest.raises(InputError, match=f"knows the classes blue, red, .*has {', '.join(names)}: open"):
        refuse_other_classes(model, Split("train", (sample(0),), names))


def in_file(folder, number, content=None):
    one = sample(number)
    path = folder / f"{number}.png"
    path.write_bytes(cv2.imencode(".png", one.image)[1].tobytes() if content is None else content)
    return dataclasses.replace(one, image=path)


def test_an_image_that_the_score_needs_is_looked_for_at_once(tmp_path):
    refuse_unreadable(None)
    good = in_file(tmp_path, 0)
    refuse_unreadable(split_of(good, sample(1), name="val"))
    with pytest.raises(InputError, match=r"1\.png does not decode as an image"):
        refuse_unreadable(split_of(good, in_file(tmp_path, 1, b"damaged"), name="val"))
    (tmp_path / "0.png").unlink()
    with pytest.raises(InputError, match=r"0\.png cannot be read \(No such file or directory\)"):
        refuse_unreadable(split_of(good, name="val"))


def test_a_score_on_what_was_learned_is_told(tmp_path, caplog):
    one, two, three = (in_file(tmp_path, number) for number in range(3))
    train = split_of(one, two, sample(5))
    with caplog.at_level("INFO", "ssd_keras"):
        say_what_is_remembered(train, None)
        say_what_is_remembered(train, split_of(three, sample(5), name="val"))  # pixels, of an equal id
        assert caplog.text == ""
        say_what_is_remembered(train, split_of(dataclasses.replace(two), three, name="val"))
    assert "1 of the 2 images of split 'val' are learned from as well" in caplog.text


def test_a_class_that_is_probably_misspelt(caplog):
    names = ("blue", "pothole", "potholle")
    truth = GroundTruth(np.array([[32, 24, 96, 72]] * 20, np.float32), np.array([1] * 19 + [2]))
    split = Split("train", (Sample(sample(0).image, truth, "0"),), names)
    said = said_of(build_preset("ssd7", names, image_size=(96, 128)), split, caplog, batch_size=1)
    assert "class 'potholle' is probably 'pothole' misspelt" in said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"milestones": [3]}, "milestones has no effect with schedule cosine: it is used only by multi_step"),
        ({"optimizer": "sgd", "momentum": 0.5}, ""),
        ({"momentum": 0.5}, "momentum has no effect with optimizer adam: it is used only by sgd or rmsprop"),
        ({"decay_factor": 0.5, "schedule": "plateau"}, ""),
        ({"cache_mb": 10}, "cache_mb has no effect with cache none: it is used only by encoded or decoded"),
        ({"loss": {"classification": "focal", "neg_pos_ratio": 2}}, "loss.neg_pos_ratio has no effect"),
        ({"loss": {"focal_gamma": 1}}, "with loss.classification softmax: it is used only by focal"),
        ({"loss": {"negatives": "batch", "min_negatives": 2}}, ""),
        ({"loss": {"min_negatives": 2}}, "loss.min_negatives has no effect with loss.negatives image"),
        (Recipe().model_dump(mode="json"), ""),
    ],
)
def test_a_setting_that_changes_nothing_is_told(settings, said, caplog):
    recipe = make_recipe(settings)
    given = recipe.loss.model_dump(exclude_none=True)
    with caplog.at_level("INFO", "ssd_keras"):
        say_what_is_unused(recipe, MultiBoxLoss(**given))
    assert said in caplog.text
    assert bool(said) == bool(caplog.text)
