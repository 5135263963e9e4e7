"""Checks of the settings that a recipe may change."""

from ssd_keras.errors import InputError


def check_probabilities(owner: str, **probabilities: float) -> None:
    """Raise `InputError` unless each probability of `owner` lies in 0-1."""
    for name, value in probabilities.items():
        if not 0 <= value <= 1:
            raise InputError(f"{owner}: {name} is {value}: give a probability between 0 and 1")


def check_range(owner: str, name: str, limits: tuple[float, float], low: float, high: float) -> None:
    """Raise `InputError` unless the two `limits` of a setting are in order and lie in [low, high]."""
    if not low <= limits[0] <= limits[1] <= high:
        raise InputError(
            f"{owner}: {name} is {tuple(limits)}: give two numbers in order, between {low:g} and {high:g}"
        )
