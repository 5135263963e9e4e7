"""The course of the learning rate."""

import pytest

from ssd_keras.training.recipe import make_recipe
from ssd_keras.training.schedules import learning_rate


def rate(step, steps_per_epoch=10, **settings):
    value = learning_rate(make_recipe({"learning_rate": 0.1, **settings}), steps_per_epoch)
    return float(value if isinstance(value, float) else value(step))


def test_cosine_rises_peaks_and_falls():
    settings = {"epochs": 10, "warmup_epochs": 2}
    assert rate(0, **settings) == 0
    assert rate(10, **settings) == pytest.approx(0.05)
    assert rate(20, **settings) == pytest.approx(0.1)
    assert rate(60, **settings) == pytest.approx(0.1 * (0.01 + 0.99 * 0.5))
    assert rate(100, **settings) == pytest.approx(0.001)


@pytest.mark.parametrize("schedule", ["constant", "plateau"])
def test_constant_stays_after_the_warmup(schedule):
    settings = {"epochs": 10, "warmup_epochs": 1, "schedule": schedule}
    assert rate(0, **settings) == 0
    assert rate(5, **settings) == pytest.approx(0.05)
    assert rate(10, **settings) == pytest.approx(0.1)
    assert rate(99, **settings) == pytest.approx(0.1)
    assert rate(3, warmup_epochs=0, schedule="constant") == 0.1


def test_the_rate_falls_at_each_milestone():
    settings = {"epochs": 10, "warmup_epochs": 0, "schedule": "multi_step", "milestones": (2, 4.5)}
    rates = [rate(step, **settings) for step in (0, 19, 20, 44, 45, 99)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    halved = [rate(step, **settings, decay_factor=0.5) for step in (19, 20, 45)]
    assert halved == pytest.approx([0.1, 0.05, 0.025])


def test_milestones_go_with_a_warmup():
    settings = {"epochs": 10, "warmup_epochs": 1, "schedule": "multi_step", "milestones": (2,)}
    assert [rate(step, **settings) for step in (5, 15, 25)] == pytest.approx([0.05, 0.1, 0.01])
