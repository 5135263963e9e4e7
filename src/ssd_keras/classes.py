"""Names of the classes: what may be one, and the index of each."""

from collections import Counter
from collections.abc import Iterable, Sequence

from ssd_keras.errors import InputError, nearest_name


def checked_class_names(names: Iterable[str]) -> tuple[str, ...]:
    """Give `names` as a tuple, or raise `InputError` where they cannot name the classes of a detector.

    Background is not a class of the user's: it is index 0 of the logits only and has no name here.
    """
    checked = tuple(str(name) for name in names)
    if not checked:
        raise InputError("no class names are given: name at least one class")
    if any(not name.strip() for name in checked):
        raise InputError(f"a class name is empty in {list(checked)}: give each class a name")
    repeated = sorted(name for name, count in Counter(checked).items() if count > 1)
    if repeated:
        raise InputError(f"class name {repeated[0]!r} is listed twice: list each class once")
    return checked


def label_of(name: str, class_names: Sequence[str], where: str) -> int:
    """Give the label (0-based index) of class `name`; `where` says in the error whose label it was."""
    if name in class_names:
        return class_names.index(name)
    raise InputError(
        f"{where}: class {name!r} is not in the list of classes: {nearest_name(name, class_names)}"
    )
