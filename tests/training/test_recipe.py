"""Recipes: read, checked, changed, written."""

import math
from pathlib import Path

import pytest
import yaml

from ssd_keras.errors import InputError
from ssd_keras.training.recipe import (
    Recipe,
    make_recipe,
    read_recipe,
    with_absolute_paths,
    write_recipe,
)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_written_is_read_again(tmp_path):
    recipe = make_recipe(
        {"epochs": 7, "image_size": (96, 128), "anchors": {"scales": [0.1, 0.2]}, "data": "a/b"}
    )
    write_recipe(recipe, tmp_path / "recipe.yaml")
    assert read_recipe(tmp_path / "recipe.yaml") == recipe


def test_changes_have_precedence_key_by_key(tmp_path):
    file = write(tmp_path / "r.yaml", "epochs: 5\naugmentation: {vertical_flip: 0.5, crop_min_scale: 0.7}\n")
    recipe = read_recipe(file, epochs=9, augmentation={"vertical_flip": 0.25})
    assert recipe.epochs == 9
    assert recipe.augmentation.vertical_flip == 0.25
    assert recipe.augmentation.crop_min_scale == 0.7


def test_an_empty_file_is_a_recipe_of_defaults(tmp_path):
    assert read_recipe(write(tmp_path / "r.yaml", "")) == Recipe()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epochs: 0", "epochs is 0"),
        ("epochs: many", "epochs is 'many'"),
        ("learning_rate: .inf", "learning_rate is inf"),
        ("warmup_epochs: .nan", "warmup_epochs is nan"),
        ("anchors: {scales: [.inf]}", "anchors.scales.0 is inf"),
        ("augmentation: {expand_max_ratio: .inf}", "augmentation.expand_max_ratio is inf"),
        ("learning_rate: -1", "learning_rate is -1"),
        ("image_size: [0, 3]", "image_size.0 is 0"),
        ("ema_momentum: 1", "ema_momentum is 1"),
        ("augmentation: {vertical_flip: 2}", "augmentation.vertical_flip is 2"),
        ("optimizer: magic", "optimizer is 'magic'"),
        ("seed: -1", "seed is -1"),
        ("epoch: 3", "no setting 'epoch'"),
        ("anchors: {scale: [1]}", "no setting 'anchors.scale'"),
        ("- a list", "holds no settings"),
        ("a: [", "is not YAML"),
        ("epochs: 3\n\tseed: 1", "(line 2: it begins with a tab, where only blanks may be)"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, text, said):
    file = write(tmp_path / "r.yaml", text)
    with pytest.raises(InputError) as error:
        read_recipe(file)
    assert said in str(error.value)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_or_binary_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"missing\.yaml cannot be read"):
        read_recipe(tmp_path / "missing.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="not a text file"):
        read_recipe(tmp_path / "binary.yaml")


@pytest.mark.parametrize(
    "file", sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml")), ids=lambda f: f.name
)
def test_the_recipes_of_the_project_are_valid(file):
    settings = yaml.safe_load(file.read_text())
    recipe = read_recipe(file)
    assert settings.keys() <= recipe.model_fields_set
    goes_on = settings.get("weights") not in (None, "imagenet")
    assert (len({"model", "backbone"} & settings.keys()) == 1) != goes_on
    for said in ("Data:", "ssd train recipes/" + file.name, "ssd evaluate"):
        assert said in file.read_text()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"learning_rat": 0.1}, "no setting 'learning_rat' (did you mean 'learning_rate'?)"),
        ({"anchors": {"scale": [0.1]}}, "no setting 'anchors.scale' (did you mean 'anchors.scales'?)"),
        ({"loss": {"kind": "focal"}}, "no setting 'loss.kind': see"),
        (
            {"milestones": [3, 2]},
            "milestones is [3, 2]: each must be greater than the one before",
        ),
        ({"learning_rate_factors": {"bias": -1}}, "learning_rate_factors.bias is -1"),
        ({"learning_rate_factors": {3: 1}}, "learning_rate_factors.3 is 3: give a text"),
        ({"learning_rate": math.inf}, "learning_rate is inf: give a finite number"),
        ({"precision": "float64"}, "precision is 'float64'"),
        ({"early_stopping": 0}, "early_stopping is 0"),
        ({"seed": 2**32}, "seed is 4294967296"),
        ({"milestones": [1e300]}, "milestones.0 is 1e+300"),
        ({"schedule": "multi_step"}, "schedule multi_step needs milestones"),
        ({"devices": 0}, "devices is 0"),
        ({"loss": "focal"}, "loss is 'focal': write its keys below it"),
        ({"image_size": 300}, "image_size is 300: write a list, as in [a, b]"),
        ({"variances": [0.1]}, "variances is [0.1]: give 4 values"),
        ({"image_size": [1, 2, 3]}, "image_size is [1, 2, 3]: give 2 values"),
        ({"devices": "two"}, "devices is 'two': give a whole number or give 'all'"),
        ({"preprocessing": {"mean": "x"}}, "preprocessing.mean is 'x': give a number or write a list"),
        ({"class_weights": {"a": 1}}, "there is no setting 'class_weights': classes have no weights"),
        ({"loss": {"label_smoothing": 1}}, "loss.label_smoothing is 1"),
    ],
)
def test_settings_of_training_are_checked(settings, said):
    with pytest.raises(InputError) as error:
        make_recipe(settings)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("field", sorted(set(Recipe.model_fields) - {"backbone_options", "data", "out"}))
def test_every_field_refuses_what_it_cannot_be(field):
    with pytest.raises(InputError, match=field):
        make_recipe({field: {"no": {"such": "thing"}}})


def test_one_name_stands_for_a_list_of_one():
    assert make_recipe({"freeze": "backbone", "class_names": "red"}).freeze == ("backbone",)


@pytest.mark.parametrize(
    ("text", "said"),
    [("epochs: 3\nepochs: 4", "the key 'epochs' stands twice"), ("1: 2", "holds no settings")],
)
def test_yaml_that_says_two_things_or_nothing_is_refused(tmp_path, text, said):
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(InputError, match=said):
        read_recipe(tmp_path / "recipe.yaml")


def test_a_flag_can_say_null():
    assert make_recipe({"max_gradient_norm": "null"}).max_gradient_norm is None
    loss = make_recipe({"loss": {"classification": "focal", "focal_alpha": "null"}}).loss
    assert (loss.focal_alpha, loss.model_fields_set) == (None, {"classification", "focal_alpha"})


@pytest.mark.parametrize("alpha", [{}, {"focal_alpha": None}, {"focal_alpha": 0.5}])
def test_a_null_with_a_meaning_is_written_only_where_it_was_given(tmp_path, alpha):
    given = make_recipe({"loss": {"classification": "focal", **alpha}})
    write_recipe(given, tmp_path / "recipe.yaml")
    loss = read_recipe(tmp_path / "recipe.yaml").loss
    assert ("focal_alpha" in loss.model_fields_set) == bool(alpha)
    assert loss == given.loss


def test_what_has_learned_before_learns_slower():
    assert make_recipe({}).highest_rate == 0.003
    assert make_recipe({"weights": "imagenet"}).highest_rate == 0.0003
    assert make_recipe({"weights": "imagenet", "learning_rate": 0.01}).highest_rate == 0.01


def test_a_recipe_is_the_same_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine.py", "old.keras"):
        (tmp_path / name).touch()
    given = {"weights": "old.keras", "augmentation": {"operations": ["flip", "mine.py:blur"]}}
    recipe = with_absolute_paths(make_recipe(given))
    assert recipe.weights == f"{tmp_path}/old.keras"
    assert recipe.augmentation.operations == ["flip", f"{tmp_path}/mine.py:blur"]
    assert with_absolute_paths(make_recipe({"backbone": "keras:VGG16"})).backbone == "keras:VGG16"
