"""What a recipe's augmentation becomes, and what of it is refused before a run begins."""

from pathlib import Path

import pytest
from scenes import CLASSES, sample

from ssd_keras.data.augment import BatchSampler, Expand, MildChain
from ssd_keras.data.augment.operations import Flip, RandomPatch
from ssd_keras.data.samples import Split
from ssd_keras.errors import InputError
from ssd_keras.training.feeding import make_augmentation
from ssd_keras.training.recipe import Recipe, make_recipe, read_recipe, write_recipe

SPLIT = Split("train", (sample(0), sample(1)), CLASSES)


def chain_of(**augmentation):
    return make_augmentation(make_recipe({"augmentation": augmentation}).augmentation, SPLIT)


@pytest.mark.parametrize(
    ("augmentation", "words"),
    [
        ({"operations": ["flip"], "horizontal_flip": 0.0}, "in place of a chain: leave horizontal_flip out"),
        ({"operations": ["flip"], "expand_max_ratio": 9}, "in place of a chain: leave expand_max_ratio out"),
        ({"operations": ["flip"], "chain": "none"}, "in place of a chain: leave 'chain: none' out"),
        (
            {"chain": "none", "horizontal_flip": 1.0},
            "chain none has no horizontal_flip, only mild, ssd, con",
        ),
        ({"chain": "none", "vertical_flip": 0.0}, "the chain none has no vertical_flip"),
        (
            {"chain": "satellite", "expand_probability": 0.9},
            r"satellite has no expand_probability, only mild, ssd:",
        ),
        ({"operations": []}, r"augmentation\.operations is"),
        ({"crop_min_scale": 0.001}, r"augmentation\.crop_min_scale is 0\.001"),
    ],
)
def test_a_setting_without_effect_is_refused(augmentation, words):
    with pytest.raises(InputError, match=words):
        chain_of(**augmentation)


@pytest.mark.parametrize("chain", ["mild", "ssd", "constant_size", "variable_size", "satellite", "none"])
def test_the_recipe_that_a_run_wrote_is_taken_again(chain, tmp_path):
    recipe = make_recipe({"augmentation": {"chain": chain}})
    write_recipe(recipe, tmp_path / "recipe.yaml")
    again = read_recipe(tmp_path / "recipe.yaml")
    assert make_augmentation(again.augmentation, SPLIT) == make_augmentation(recipe.augmentation, SPLIT)


def test_a_setting_changes_its_own_part_of_the_chain():
    chain = chain_of(crop_min_scale=0.7, expand_max_ratio=2, horizontal_flip=0.1, vertical_flip=0.2)
    assert (chain.crop.scale, chain.expand.max_ratio) == ((0.7, 1.0), 2)
    assert (chain.horizontal_flip, chain.vertical_flip) == (0.1, 0.2)


@pytest.mark.parametrize(
    ("chain", "expand", "crop"),
    [("ssd", Expand(), BatchSampler()), ("mild", Expand(0.2, 1.25), BatchSampler(scale=(0.7, 1.0)))],
)
def test_what_is_not_set_stays_as_the_chain_has_it(chain, expand, crop):
    made = chain_of(chain=chain)
    assert (made.expand, made.crop) == (expand, crop)
    assert chain_of(chain=chain, expand_probability=0.0).expand == Expand(0.0, expand.max_ratio)
    assert chain_of(chain=chain, expand_probability=0.0).crop == crop


def test_a_recipe_scales_little_where_it_says_nothing():
    assert chain_of() == MildChain()


def same(one):
    return one


def test_operations_made_in_python_are_in_the_recipe_of_the_run(tmp_path):
    given = Recipe(augmentation={"operations": [Flip(probability=1), RandomPatch(keep=None), same, "hue"]})
    write_recipe(given, tmp_path / "recipe.yaml")
    again = read_recipe(tmp_path / "recipe.yaml")
    assert again.augmentation.operations[2] == f"{Path(__file__).resolve()}:same"
    here, there = (make_augmentation(one.augmentation, SPLIT).operations for one in (given, again))
    assert there[:2] == here[:2]
    assert there[2].__name__ == "same"
    assert there[3] == here[3]


def test_an_operation_that_no_recipe_can_hold_is_refused_at_once():
    settings = Recipe(augmentation={"operations": [lambda one: one]}).augmentation
    with pytest.raises(InputError, match=r"operation 1: .* cannot be written into the recipe of the run"):
        make_augmentation(settings, SPLIT)
