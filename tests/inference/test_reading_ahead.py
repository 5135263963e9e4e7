"""Reading ahead changes neither what comes nor its order, and ends when nobody takes any more."""

import itertools
import threading
import time

import pytest

from ssd_keras.inference.reading_ahead import read_ahead


@pytest.mark.parametrize("count", [0, 1, 50])
def test_everything_comes_in_order(count):
    assert list(read_ahead(range(count), 3)) == list(range(count))


def test_an_endless_source_is_held_back_and_let_go():
    taken = []

    def endless():
        for number in itertools.count():
            taken.append(number)
            yield number

    numbers = read_ahead(endless(), 4)
    assert [next(numbers) for _ in range(3)] == [0, 1, 2]
    time.sleep(0.3)
    assert len(taken) <= 3 + 4 + 2
    numbers.close()
    assert not any(thread.name == "read_ahead" for thread in threading.enumerate())


def test_what_goes_wrong_is_raised_in_its_place():
    def broken():
        yield 1
        raise OSError("gone")

    numbers = read_ahead(broken(), 2)
    assert next(numbers) == 1
    with pytest.raises(OSError, match="gone"):
        next(numbers)
