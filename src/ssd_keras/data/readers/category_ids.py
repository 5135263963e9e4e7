"""The numbers that classes have in COCO files, kept by every format."""

from __future__ import annotations

from collections.abc import Sequence

from ssd_keras.errors import InputError


def checked_category_ids(
    category_ids: Sequence[int] | None, class_names: Sequence[str]
) -> tuple[int, ...] | None:
    """Give the number of each class, or None where classes have none.

    Raises:
        InputError: there is not one number for each class, or two classes share one.
    """
    if category_ids is None:
        return None
    numbers = tuple(int(number) for number in category_ids)
    if len(numbers) != len(class_names) or len(set(numbers)) != len(numbers):
        raise InputError(
            f"{len(numbers)} category ids for {len(class_names)} classes: give each class one of its own"
        )
    return numbers
