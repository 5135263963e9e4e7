"""Errors of the user's: one line, whatever the names in it are made of."""

import pickle

import pytest

from ssd_keras.errors import InputError


@pytest.mark.parametrize(
    "character", ["\n", "\r", "\x85", "\u2028", "\u2029", "\x1b", "\x0c", "\0", "\ud800"]
)
def test_a_message_is_one_line_that_can_be_printed(character):
    message = str(InputError(f"photo{character}1.jpg is missing"))
    assert len(message.splitlines()) == 1
    assert message.isprintable()
    assert message == f"photo{repr(character)[1:-1]}1.jpg is missing"
    message.encode()


@pytest.mark.parametrize("message", ["", "Straße × 2 – ünïcode: 'a b' \\n", "日本語 🙂"])
def test_all_other_characters_stay(message):
    assert str(InputError(message)) == message


def test_a_worker_process_can_send_it():
    sent = pickle.loads(pickle.dumps(InputError("a\nb")))
    assert (type(sent), str(sent)) == (InputError, "a\\nb")
