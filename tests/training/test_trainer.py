"""Training, on a few coloured rectangles: what it leaves behind, and how it stops."""

import dataclasses
import json
import math

import keras
import numpy as np
import pytest
from scenes import CLASSES, sample, write_data

from ssd_keras.data.formats import open_dataset
from ssd_keras.data.image_headers import read_resized
from ssd_keras.data.samples import Dataset
from ssd_keras.errors import InputError
from ssd_keras.inference.detector import load_detector
from ssd_keras.inference.scoring import evaluate
from ssd_keras.training.callbacks import EvaluateAndSave, KeepProgress, WatchScore
from ssd_keras.training.curves import read_log
from ssd_keras.training.expectations import choose_splits
from ssd_keras.training.feeding import make_augmentation
from ssd_keras.training.initial_model import build_model
from ssd_keras.training.recipe import make_recipe, read_recipe, write_recipe
from ssd_keras.training.trainer import resume, train

SETTINGS = {
    "image_size": (96, 128),
    "epochs": 2,
    "batch_size": 4,
    "evaluate_every": 1,
    "augmentation": {"chain": "none"},
    "anchors": {"scales": [0.25, 0.35, 0.5, 0.7, 0.9]},
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(write_data(tmp_path_factory.mktemp("data") / "set", train=12, val=4, test=4), CLASSES)


def run_once(dataset, out, **changes):
    recipe = make_recipe({**SETTINGS, "out": out, **changes})
    model = build_model(recipe, dataset.class_names)
    return model, train(model, dataset, recipe, quiet=True)


@pytest.fixture(scope="module")
def finished(dataset, tmp_path_factory):
    return run_once(dataset, tmp_path_factory.mktemp("runs") / "run")


def test_a_run_leaves_everything_behind(finished):
    _, run = finished
    files = {file.name for file in run.folder.iterdir()}
    assert files == {
        "recipe.yaml", "versions.json", "model.json", "log.csv", "metrics.json", "curves.png", "best.keras",
        "last.keras", "checkpoints", "report.html", "first-batch.npz", ".lock",
    }  # fmt: skip
    log = read_log(run.folder / "log.csv")
    assert log["epoch"] == [1, 2]
    assert {"loss", "confidence_loss", "location_loss", "positives", "val_mAP", "learning_rate"} <= log.keys()
    assert log["loss"][1] < log["loss"][0]
    assert json.loads((run.folder / "metrics.json").read_text()) == run.as_json()
    assert run.epochs == 2
    assert run.metrics["mAP"] == max(log["val_mAP"])
    assert (
        read_recipe(run.folder / "recipe.yaml").learning_rate == 0.003
    )  # it must not change with the usual one


def test_the_saved_model_is_the_trained_one(finished, dataset):
    model, run = finished
    image = dataset["test"][0].image
    saved = load_detector(run.folder / "last.keras").detect(image, threshold=0)[0]
    trained = model.detect(image, threshold=0)[0]
    np.testing.assert_array_equal(saved.boxes_px, trained.boxes_px)
    np.testing.assert_array_equal(saved.scores, trained.scores)


def test_it_learns(dataset, tmp_path):
    settings = {"epochs": 40, "learning_rate": 5e-3, "evaluate_every": 40, "ema_momentum": 0.9}
    model, run = run_once(dataset, tmp_path / "run", **settings)
    assert run.metrics["loss"] < 1.5
    assert evaluate(model, dataset["train"]).mAP > 0.8


def test_without_a_val_split_the_last_model_is_the_result(dataset, tmp_path):
    only_train = Dataset(dataset.class_names, {"train": dataset["train"]}, "voc")
    _, run = run_once(only_train, tmp_path / "run", epochs=1)
    assert run.model == tmp_path / "run" / "last.keras"
    assert not (tmp_path / "run" / "best.keras").exists()
    assert run.metrics["mAP"] is None
    assert (tmp_path / "run" / "curves.png").exists()


def lose_the_weights(self, epoch, logs=None):
    """Make the weights useless at the start of the second epoch."""
    if epoch == 1:
        kernel = self.model.trainable_variables[0]
        kernel.assign(np.full(kernel.shape, np.nan, np.float32))


def test_a_lost_loss_stops_the_run_names_the_images_and_keeps_model_and_batch(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(WatchScore, "on_epoch_begin", lose_the_weights)
    with pytest.raises(InputError) as error:
        run_once(dataset, tmp_path / "run", epochs=3, batch_size=3)
    message = str(error.value)
    assert "not finite at step 5" in message
    assert "last.keras" in message
    assert "\n" not in message
    good = load_detector(tmp_path / "run")
    assert all(math.isfinite(float(np.abs(weight).max())) for weight in good.get_weights())
    with np.load(tmp_path / "run" / "lost-batch-5.npz") as batch:
        assert batch["images"].shape == (3, 96, 128, 3)
        kept = [image.tobytes() for image in batch["images"]]
    pixels = {
        sample.name: read_resized(sample.image, (96, 128), "")[1].tobytes() for sample in dataset["train"]
    }
    named = {name for name in pixels if name in message}
    assert {name for name, content in pixels.items() if content in kept} == named


def test_weights_that_are_lost_by_the_last_step_are_not_saved(dataset, tmp_path, monkeypatch):
    def lose(self, epoch, logs=None):
        lose_the_weights(self, 1)

    monkeypatch.setattr(KeepProgress, "on_epoch_end", lose)
    with pytest.raises(InputError, match=r"the weights are not finite at step 3.*no epoch was finished"):
        run_once(dataset, tmp_path / "run")
    assert not list((tmp_path / "run").glob("*.keras"))


@pytest.mark.slow
def test_training_stops_early_when_the_score_stays(dataset, tmp_path, monkeypatch):
    scores = iter([0.1, 0.3, 0.2, 0.3, 0.2, 0.9])
    monkeypatch.setattr(EvaluateAndSave, "_evaluate", lambda self, detector: next(scores))
    _, run = run_once(dataset, tmp_path / "run", epochs=6, early_stopping=3)
    assert run.epochs == 5
    assert run.metrics["mAP"] == 0.3
    assert read_log(run.folder / "log.csv")["val_mAP"] == [0.1, 0.3, 0.2, 0.3, 0.2]


@pytest.mark.slow
def test_patience_waits_for_the_first_score(dataset, tmp_path):
    _, run = run_once(dataset, tmp_path / "run", epochs=4, evaluate_every=4, early_stopping=1)
    assert run.epochs == 4


def test_the_learning_rate_falls_on_a_plateau(dataset, tmp_path, monkeypatch):
    scores = iter([0.1, 0.1, 0.1, 0.1, 0.2, 0.1])
    monkeypatch.setattr(EvaluateAndSave, "_evaluate", lambda self, detector: next(scores))
    settings = {"schedule": "plateau", "plateau_patience": 2, "decay_factor": 0.5, "warmup_epochs": 0}
    _, run = run_once(dataset, tmp_path / "run", epochs=6, learning_rate=0.01, **settings)
    rates = read_log(run.folder / "log.csv")["learning_rate"]
    assert rates == pytest.approx([0.01, 0.01, 0.01, 0.005, 0.005, 0.005])


def test_what_is_logged_of_an_epoch(finished):
    log = read_log(finished[1].folder / "log.csv")
    assert all(value > 0 for value in log["gradient_norm"] + log["images_per_second"] + log["positives"])
    assert all(0 <= value <= 1 for value in log["waiting"])


@pytest.mark.slow
def test_a_log_for_tensorboard(dataset, tmp_path):
    _, run = run_once(dataset, tmp_path / "run", epochs=1, tensorboard=True)
    assert list((run.folder / "tensorboard").rglob("events.out.tfevents*"))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_trains_and_goes_on(dataset, tmp_path, precision):
    settings = {"precision": precision, "epochs": 1, "ema_momentum": 0.9}
    _, run = run_once(dataset, tmp_path / "run", **settings)
    assert math.isfinite(run.metrics["loss"])
    (run.folder / "metrics.json").unlink()
    assert resume(run.folder, dataset, quiet=True).epochs == 1


def test_the_loss_of_the_recipe(dataset):
    settings = {"classification": "focal", "location": "giou", "label_smoothing": 0.1, "negatives": "batch"}
    model = build_model(make_recipe({**SETTINGS, "loss": settings}), CLASSES)
    loss = dataclasses.asdict(model.multibox_loss)
    assert settings.items() <= loss.items()
    assert loss["neg_pos_ratio"] == 3.0


def test_with_focal_loss_new_heads_expect_background(dataset):
    model = build_model(make_recipe({**SETTINGS, "loss": {"classification": "focal"}}), CLASSES)
    images = np.stack([read_resized(sample.image, (96, 128), "")[1] for sample in dataset["val"]])
    logits = model.predict_on_batch(images)["logits"]
    background = np.exp(logits[..., 0]) / np.exp(logits).sum(-1)
    assert np.median(background) == pytest.approx(0.99, abs=0.01)


def test_splits_are_chosen_by_name(dataset):
    chosen = choose_splits(dataset, make_recipe({}))
    assert [split.name for split in chosen] == ["train", "val"]
    chosen = choose_splits(dataset, make_recipe({"train_split": "val", "val_split": "test"}))
    assert [split.name for split in chosen] == ["val", "test"]
    with pytest.raises(InputError, match="no split 'nope'"):
        choose_splits(dataset, make_recipe({"train_split": "nope"}))
    odd = Dataset(dataset.class_names, {"a": dataset["train"], "b": dataset["val"]}, "voc")
    with pytest.raises(InputError, match="'train'"):
        choose_splits(odd, make_recipe({}))


def test_the_recipe_sets_anchors_variances_and_precision():
    settings = {
        "image_size": (96, 128), "variances": (0.1, 0.1, 0.1, 0.1), "neutral_threshold": 0.4,
        "precision": "bfloat16",
        "anchors": {"scales": (0.1, 0.2, 0.3, 0.4, 0.5), "aspect_ratios": (1.0, 3.0)},
    }  # fmt: skip
    model = build_model(make_recipe(settings), CLASSES)
    assert model.anchors.scales == (0.1, 0.2, 0.3, 0.4, 0.5)
    assert model.anchors.boxes_per_cell == (3, 3, 3, 3)
    assert model.variances == (0.1, 0.1, 0.1, 0.1)
    assert model.neutral_threshold == 0.4
    assert model.backbone.get_layer("conv1").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"


def test_the_recipe_sets_what_the_tutorial_explains():
    settings = {
        "image_size": (96, 128), "iou_threshold": 0.6, "preprocessing": {"scale": 0.5, "to_bgr": True},
        "anchors": {"offsets": (0.25,) * 4, "clip": True, "two_boxes_for_ar1": False},
        "decoding": {"iou_threshold": 0.3, "max_detections": 7},
    }  # fmt: skip
    model = build_model(make_recipe(settings), CLASSES)
    usual = build_model(make_recipe({"image_size": (96, 128)}), CLASSES)
    assert model.iou_threshold == 0.6
    assert model.preprocessing == {**usual.preprocessing, "scale": 0.5, "to_bgr": True}
    assert (model.anchors.offsets, model.anchors.clip) == ((0.25,) * 4, True)
    assert model.anchors.boxes_per_cell == (3, 3, 3, 3)
    assert model.decoding == dataclasses.replace(usual.decoding, iou_threshold=0.3, max_detections=7)
    with pytest.raises(InputError, match="have no 'flip': give one of"):
        build_model(make_recipe({"anchors": {"flip": False}}), CLASSES)


def test_preprocessing_changes_reach_any_base_network(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from ssd_keras.models.backbones.ssd7 import ssd7_features\n"
        "def features(image):\n    return ssd7_features(image)[:3]\n"
    )
    settings = {
        "backbone": f"{tmp_path / 'mine.py'}:features", "image_size": (96, 128),
        "preprocessing": {"mean": [1, 2, 3]}, "anchors": {"flip": False},
    }  # fmt: skip
    model = build_model(make_recipe(settings), CLASSES)
    assert model.preprocessing["mean"] == (1, 2, 3)
    assert not model.anchors.flip


def chain_of(augmentation, split=()):
    return make_augmentation(make_recipe({"augmentation": augmentation}).augmentation, split)


def test_chains_of_the_port_have_their_own_vertical_flips():
    assert chain_of({"chain": "satellite"}).vertical_flip == 0.5
    assert chain_of({"chain": "variable_size"}).vertical_flip == 0
    assert chain_of({"chain": "satellite", "vertical_flip": 0}).vertical_flip == 0


def test_operations_stand_in_place_of_a_chain(tmp_path):
    (tmp_path / "mine.py").write_text("def twice(sample):\n    return sample\n")
    entries = ["mosaic", {"flip": {"probability": 1}}, f"{tmp_path / 'mine.py'}:twice"]
    chain = chain_of({"operations": entries}, [sample(1), sample(2)])
    assert [type(one).__name__ for one in chain.operations] == ["Mosaic", "Flip", "function"]
    assert chain(sample(3), np.random.default_rng(0), (48, 64)).image.shape == (48, 64, 3)
    with pytest.raises(InputError, match="in place of a chain"):
        chain_of({"operations": entries, "chain": "satellite"}, [sample(1)])
    with pytest.raises(InputError, match="there is no such file"):
        chain_of({"operations": ["none.py:twice"]}, [sample(1)])


def test_splits_are_known_by_the_beginning_of_their_names(dataset):
    def named(**splits):
        made = {name: dataclasses.replace(dataset[old], name=name) for name, old in splits.items()}
        chosen = choose_splits(Dataset(CLASSES, made, "coco"), make_recipe({}))
        return [split and split.name for split in chosen]

    assert named(train2017="train", val2017="val") == ["train2017", "val2017"]
    assert named(trainval="train", test="val") == ["trainval", None]
    assert named(train="train", trainval="train", val="val") == ["train", "val"]
    with pytest.raises(InputError, match="--train-split"):
        named(train2014="train", train2017="train")


def test_the_recipe_sets_the_chain():
    settings = {"chain": "ssd", "expand_probability": 0.1, "expand_max_ratio": 2, "crop_min_scale": 0.6}
    chain = chain_of({**settings, "vertical_flip": 0.5})
    assert chain.expand.probability == 0.1
    assert chain.expand.max_ratio == 2
    assert chain.crop.scale == (0.6, 1.0)
    assert chain.vertical_flip == 0.5


def test_an_unknown_model_is_named():
    with pytest.raises(InputError, match="no model 'ssd8'"):
        build_model(make_recipe({"model": "ssd8"}), CLASSES)
    with pytest.raises(InputError, match="6 predictor layers"):
        build_model(make_recipe({"anchors": {"scales": [0.1] * 7}}), CLASSES)


class TestStartingFromAModel:
    def start(self, finished, tmp_path, class_names=CLASSES, **changes):
        _, run = finished
        return build_model(make_recipe({"weights": str(run.folder), **changes}), class_names)

    def test_of_the_same_classes_it_is_that_model(self, finished, dataset, tmp_path):
        model = self.start(finished, tmp_path)
        best = load_detector(finished[1].folder)
        assert model.image_size == (96, 128)
        image = dataset["test"][0].image
        assert model.detect(image, threshold=0)[0].as_json() == best.detect(image, threshold=0)[0].as_json()

    def test_of_other_classes_it_keeps_those_it_knows(self, finished, tmp_path):
        model = self.start(finished, tmp_path, ("green", CLASSES[1]))
        old = load_detector(finished[1].folder).get_layer("elu4_mbox_conf").get_weights()[0]
        new = model.get_layer("elu4_mbox_conf").get_weights()[0]
        assert model.class_names == ("green", CLASSES[1])
        np.testing.assert_array_equal(
            new.reshape(*new.shape[:3], 4, 3)[..., [0, 2]], old.reshape(*old.shape[:3], 4, 3)[..., [0, 2]]
        )

    def test_precision_and_frozen_layers_are_the_recipes(self, finished, tmp_path):
        model = self.start(finished, tmp_path, precision="bfloat16", freeze=["backbone"])
        assert model.backbone.get_layer("conv1").compute_dtype == "bfloat16"
        assert {
            variable.path.split("/")[-2].split("_mbox_")[-1] for variable in model.trainable_variables
        } == {*("loc", "conf")}

    @pytest.mark.parametrize("setting", [{"image_size": (96, 96)}, {"backbone": "keras:ResNet50"}])
    def test_settings_of_the_model_are_refused(self, finished, tmp_path, setting):
        with pytest.raises(InputError, match=f"bring their own model: leave '{next(iter(setting))}' out"):
            self.start(finished, tmp_path, **setting)

    def test_the_recipe_of_such_a_run_can_be_run_again(self, finished, tmp_path):
        recipe = make_recipe({"weights": str(finished[1].folder)})
        write_recipe(recipe, tmp_path / "recipe.yaml")
        assert build_model(read_recipe(tmp_path / "recipe.yaml"), CLASSES).image_size == (96, 128)

    def test_a_missing_file_is_refused(self):
        with pytest.raises(InputError, match=r"nothing\.keras does not exist"):
            build_model(make_recipe({"weights": "nothing.keras"}), CLASSES)


@pytest.mark.slow
def test_any_base_network_trains(dataset, tmp_path):
    settings = {"backbone": "keras:MobileNetV3Small", "anchors": {"sizes": "coco"}, "epochs": 1}
    model, run = run_once(dataset, tmp_path / "run", **settings)
    assert model.name == "keras_MobileNetV3Small"
    assert load_detector(run.folder).anchors == model.anchors
    assert math.isfinite(run.metrics["loss"])


@pytest.mark.parametrize(
    ("anchors", "said"),
    [
        ({"sizes": "imagenet"}, "no anchors 'imagenet'"),
        ({"scales": [0.1, 0.2]}, "have no 'scales'"),
        ({"min_sizes": [10, 20]}, "2 min_sizes, 6 max_sizes"),
    ],
)
def test_anchors_that_do_not_fit_the_model_are_refused(anchors, said):
    with pytest.raises(InputError, match=said):
        build_model(make_recipe({"model": "ssd300_mobilenet", "anchors": anchors}), CLASSES)


def test_anchors_of_the_recipe():
    anchors = {"min_sizes": [30, 60, 90, 120, 150, 180], "max_sizes": [None, 90, 120, 150, 180, 210]}
    model = build_model(make_recipe({"model": "ssd300_mobilenet", "anchors": anchors}), CLASSES)
    assert model.anchors.min_sizes == (30, 60, 90, 120, 150, 180)
    assert model.anchors.max_sizes[:2] == (None, 90)
