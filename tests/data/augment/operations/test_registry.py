"""Operations by name, as they stand in a recipe."""

import pytest
import yaml

from ssd_keras.data.augment import operations
from ssd_keras.data.augment.box_map import SAME_PLACE
from ssd_keras.data.augment.operations import (
    OPERATIONS,
    BoxFilter,
    Brightness,
    Crop,
    Flip,
    Operation,
    OperationChain,
    Pad,
    RandomPatch,
    Resize,
    Validator,
    Zoom,
    as_recipe_entries,
    make_operations,
)
from ssd_keras.errors import InputError
from ssd_keras.user_code import load_function


def test_every_operation_has_its_name():
    names = {
        "BoxFilter": "box_filter",
        "MixUp": "mix_up",
        "HistogramEqualization": "histogram_equalization",
        "MaxCropFixedAspect": "max_crop_fixed_aspect",
        "Hue": "hue",
    }
    for kind, name in names.items():
        assert OPERATIONS[name] is getattr(operations, kind)
    concrete = {
        value
        for value in vars(operations).values()
        if isinstance(value, type)
        and issubclass(value, operations.Operation)
        and not value.__abstractmethods__
    }
    assert set(OPERATIONS.values()) == concrete


def test_a_recipe_becomes_operations():
    recipe = yaml.safe_load(
        """
        - brightness: {bounds: [-32, 32], probability: 0.5}
        - flip
        - flip: {direction: vertical}
        - zoom:
        - resize: {size: [300, 480], interpolations: [linear, area]}
        - pad: {sides: [left, right], fill: [1, 2, 3]}
        - random_patch:
            scale: [0.3, 1]
            validator: {criterion: iou, bounds: [0.1, 1], min_boxes: all}
            keep: {criterion: area, min_area_px: 16}
        - crop: {rectangle: [0, 0, 100, 100], keep: null}
        """
    )
    assert make_operations(recipe) == (
        Brightness((-32, 32), 0.5),
        Flip(),
        Flip("vertical"),
        Zoom(),
        Resize((300, 480), ("linear", "area")),
        Pad(sides=("left", "right"), fill=(1, 2, 3)),
        RandomPatch(
            (0.3, 1), validator=Validator("iou", (0.1, 1), "all"), keep=BoxFilter("area", min_area_px=16)
        ),
        Crop((0, 0, 100, 100), keep=None),
    )


def test_operations_and_functions_pass():
    given = [Flip(), lambda sample: sample]
    assert make_operations(given) == tuple(given)
    assert make_operations([]) == ()
    assert OperationChain(make_operations(["flip"])).operations == (Flip(),)


def test_settings_are_tuples_and_can_be_compared_and_hashed():
    made = make_operations(
        [{"channel_swap": {"orders": [[2, 1, 0]]}}, {"crop": {"rectangle": [0, 0, 5, 5]}}, "mosaic"]
    )
    assert len({hash(one) for one in made}) == 3
    assert made[0].orders == ((2, 1, 0),)


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_are_written_as_they_are_read(name):
    needed = {"resize": {"size": (30, 40)}, "crop": {"rectangle": (0, 0, 50, 50)}}.get(name, {})
    made = make_operations([{name: needed}])
    entries = as_recipe_entries(made)
    assert make_operations(yaml.safe_load(yaml.safe_dump(entries))) == made
    assert list(entries[0]) == [name]


def brighter(sample):
    return sample


class Mine(Operation):
    def act(self, sample, rng):
        return sample, SAME_PLACE


def test_functions_are_written_as_their_places(tmp_path):
    (place,) = as_recipe_entries([brighter])
    assert place == f"{__file__}:brighter"
    assert load_function(place, "operation")(3) == 3
    (tmp_path / "mine.py").write_text("def twice(sample):\n    return sample\n")
    there = f"{tmp_path / 'mine.py'}:twice"
    assert as_recipe_entries([load_function(there, "operation"), there, "flip"]) == [there, there, "flip"]


@pytest.mark.parametrize(
    "operation", [lambda one: one, Mine(), brighter.__get__(3), {"flip": {"probability": object()}}, object()]
)
def test_what_no_recipe_can_hold_is_said(operation):
    with pytest.raises(InputError, match=r"operation 2: .* cannot be written into the recipe") as error:
        as_recipe_entries([Flip(), operation])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (["flop"], r"operation 1: there is no operation 'flop': did you mean 'flip'\?"),
        (["flip", {"brightnes": None}], r"operation 2: .*did you mean 'brightness'\?"),
        (["mixup"], r"did you mean 'mix_up'\?"),
        (["xyzzy"], "known are brightness, contrast"),
        ([{3: None}], "operation 1: there is no operation 3"),
        (
            [{"flip": {"probabilty": 0.5}}],
            r"flip: there is no setting 'probabilty': did you mean 'probability'\?",
        ),
        ([{"flip": {"x": 1}}], "flip: there is no setting 'x': known are direction, probability"),
        ([{"flip": {2: 1}}], "flip: there is no setting 2"),
        ([{"flip": 0.5}], "flip: its settings are 0.5"),
        ([{"flip": [0.5]}], "flip: its settings are"),
        ([{"flip": {"probability": "often"}}], "operation 1: flip: probability is 'often'"),
        ([{"flip": {"probability": 2}}], "flip: probability is 2: give a probability between 0 and 1"),
        ([{"brightness": {"bounds": [32, -32]}}], "brightness: bounds is .*: give two numbers in order"),
        ([{"brightness": {"bounds": {"low": 1}}}], "brightness: bounds is"),
        ([{"flip": {}, "hue": {}}], "this is no operation"),
        ([{}], "this is no operation"),
        ([None], "this is no operation"),
        ([["flip"]], "this is no operation"),
        (["resize"], "resize: size is missing"),
        ([{"crop": {"probability": 1}}], "crop: rectangle is missing"),
        ([{"zoom": {"keep": {"criterion": "middle"}}}], "zoom: box_filter: criterion is 'middle'"),
        ([{"zoom": {"keep": {"criteria": "area"}}}], "zoom: keep: there is no setting 'criteria'"),
        ([{"zoom": {"keep": "all"}}], "zoom: keep is 'all'"),
        ([{"zoom": {"validator": {"min_boxes": 0}}}], "validator: min_boxes is 0"),
        ("flip", "operations are 'flip': give a list"),
        ({"flip": {}}, "give a list"),
        (None, "give a list"),
        (3, "give a list"),
        ([{"flip": {"direction": "a\nb" * 1000}}], "flip: direction is"),
        ([{"resize": {"size": list(range(10**5))}}], "resize: size is"),
    ],
)
def test_what_is_wrong_is_said_in_one_short_line(entries, words):
    with pytest.raises(InputError, match=words) as error:
        make_operations(entries)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(
    "value", ["x", None, True, [], {}, [1], ["a", "b"], 1e300, 10**400, float("nan"), -1, [None] * 3, [[[]]]]
)
def test_no_value_of_a_setting_gives_a_traceback(name, value):
    needed = {"resize": {"size": (30, 40)}, "crop": {"rectangle": (0, 0, 50, 50)}}.get(name, {})
    for setting in OPERATIONS[name].__dataclass_fields__:
        try:
            (made,) = make_operations([{name: {**needed, setting: value}}])
        except InputError:
            continue
        assert hash(made) is not None
