"""Which names of classes are one class misspelt, and which only look like it."""

import time

import numpy as np
import pytest

from ssd_keras.data.inspection.class_names import is_surely_misspelt, misspelt_classes


@pytest.mark.parametrize(
    ("boxes", "wrong"),
    [
        ({"car": 100, "Car": 3}, {"Car": "car"}),
        ({"traffic light": 50, "traffic_light": 40}, {"traffic_light": "traffic light"}),
        ({"traffic light": 50, "TrafficLight": 0}, {"TrafficLight": "traffic light"}),
        ({"cafe\u0301": 1, "caf\u00e9": 2}, {"cafe\u0301": "caf\u00e9"}),
        ({"person": 100, "persn": 2}, {"persn": "person"}),
        ({"person": 100, "persn": 60}, {}),
        ({"screw": 147, "srcew": 0}, {"srcew": "screw"}),
        ({"class 1": 1000, "class 2": 1}, {}),
        ({"cat": 100, "car": 1}, {}),
        ({"dog": 100, "zebra": 1}, {}),
        ({"person": 100, "persn": 2, "prsn": 1}, {"persn": "person", "prsn": "person"}),
        ({}, {}),
    ],
)
def test_which_names_are_misspelt(boxes, wrong):
    assert misspelt_classes(boxes) == wrong


@pytest.mark.parametrize(
    "names",
    [
        ("+", "-", "/"),
        ("C", "C++", "C#"),
        ("a", "A", "b", "B"),
        ("with_mask", "without_mask"),
        ("helmet", "no_helmet"),
        ("female", "male"),
        ("typical", "atypical"),
        ("1-2", "12"),
        ("1", "-1"),
        ("category_a", "category_b"),
        ("left hand", "right hand"),
        ("é", "e"),
    ],
)
@pytest.mark.parametrize("rare", [0, 1, 100])
def test_names_of_different_classes_are_not_taken_for_errors(names, rare):
    boxes = {name: rare if place else 100 for place, name in enumerate(names)}
    assert misspelt_classes(boxes) == {}


@pytest.mark.parametrize(
    ("name", "right", "sure"),
    [
        ("Car", "car", True),
        ("traffic-light", "traffic light", True),
        ("motorbyke", "motorbike", True),
        ("motorbkie", "motorbike", True),
        ("motrbike", "motorbike", True),
        ("trafic cone", "traffic cone", False),
        ("old motorbyke", "old motorbike", True),
        ("mtorbyke", "motorbike", False),
        ("traitor", "tractor", False),
        ("planet", "plant", False),
        ("motorbikes", "motorbike", False),
        ("motorbike", "old motorbike", False),
    ],
)
def test_only_what_is_sure_is_renamed(name, right, sure):
    assert is_surely_misspelt(name, right) == is_surely_misspelt(right, name) == sure


def test_thousands_of_names_are_compared_in_seconds():
    letters = np.random.default_rng(0).choice(list("abcdefghijklmnopqrstuvwxyz"), (4000, 12))
    names = ["".join(row) for row in letters.tolist()]
    boxes = {name: 100 if place % 2 else 1 for place, name in enumerate(names)}
    boxes[names[1][:5] + names[1][6:]] = 1
    started = time.perf_counter()
    assert misspelt_classes(boxes) == {names[1][:5] + names[1][6:]: names[1]}
    assert time.perf_counter() - started < 10  # every pair by difflib takes minutes
