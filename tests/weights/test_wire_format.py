"""The wire format of protocol buffers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_keras.weights.wire_format import BYTES, FIXED32, FIXED64, VARINT, read_fields, read_varints


def varint(value):
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def encoded(number, wire_type, value):
    tag = varint(number << 3 | wire_type)
    if wire_type == VARINT:
        return tag + varint(value)
    return tag + (varint(len(value)) if wire_type == BYTES else b"") + value


fields = st.one_of(
    st.tuples(st.integers(1, 2**29 - 1), st.just(VARINT), st.integers(0, 2**64 - 1)),
    st.tuples(st.integers(1, 1000), st.just(BYTES), st.binary(max_size=300)),
    st.tuples(st.integers(1, 1000), st.just(FIXED32), st.binary(min_size=4, max_size=4)),
    st.tuples(st.integers(1, 1000), st.just(FIXED64), st.binary(min_size=8, max_size=8)),
)


@given(st.lists(fields, max_size=8))
def test_every_field_is_read_as_it_was_written(written):
    message = b"".join(encoded(*one) for one in written)
    read = [(one.number, one.wire_type, one.value) for one in read_fields(memoryview(message))]
    assert read == [
        (number, wire_type, value if wire_type == VARINT else memoryview(value))
        for number, wire_type, value in written
    ]


@given(fields, st.data())
def test_a_message_that_is_cut_off_is_noticed(field, data):
    message = encoded(*field)
    cut = data.draw(st.integers(1, len(message) - 1))
    with pytest.raises(ValueError):
        list(read_fields(memoryview(message[:cut])))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(message):
    try:
        total = sum(len(one.content) for one in read_fields(memoryview(message)) if one.wire_type != VARINT)
    except ValueError:
        return
    assert total <= len(message)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"\x00\x01", "no field 0"),
        (b"\x0b", "wire type 3"),
        (b"\x08" + b"\xff" * 11, "more than ten bytes"),
        (b"\x0a\x05abc", "2 bytes behind the end"),
        (b"\x0a\xff\xff\xff\xff\x0f", "behind the end"),
    ],
)
def test_what_is_wrong_is_said(message, said):
    with pytest.raises(ValueError, match=said):
        list(read_fields(memoryview(message)))


def test_numbers_and_bytes_are_not_taken_for_each_other():
    number, text = read_fields(memoryview(encoded(1, VARINT, 300) + encoded(2, BYTES, b"abc")))
    assert number.integer == 300
    assert bytes(text.content) == b"abc"
    with pytest.raises(ValueError, match="holds a number"):
        _ = number.content
    with pytest.raises(ValueError, match="holds bytes"):
        _ = text.integer


@given(st.lists(st.integers(0, 2**63), max_size=10))
def test_packed_integers(values):
    assert read_varints(memoryview(b"".join(map(varint, values)))) == values
