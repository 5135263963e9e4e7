import pytest

from ssd_keras.classes import checked_class_names, label_of
from ssd_keras.errors import InputError


def test_names_keep_their_order():
    assert checked_class_names(iter(["truck", "car"])) == ("truck", "car")


def test_background_is_a_name_like_any_other():
    assert checked_class_names(["background"]) == ("background",)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ([], "at least one class"),
        (["car", ""], "empty"),
        (["car", "  "], "empty"),
        (["car", "dog", "car"], "'car' is listed twice"),
    ],
)
def test_bad_names_are_refused_in_one_line(names, complaint):
    with pytest.raises(InputError, match=complaint) as raised:
        checked_class_names(names)
    assert "\n" not in str(raised.value)


def test_label_is_the_index():
    assert [label_of(name, ("car", "truck"), "here") for name in ("car", "truck")] == [0, 1]


def test_unknown_class_says_where_and_what_is_near():
    with pytest.raises(InputError, match=r"000012\.xml: class 'catt'.*did you mean 'cat'"):
        label_of("catt", ("dog", "cat"), "000012.xml")


def test_unknown_class_with_nothing_near_lists_the_known():
    with pytest.raises(InputError, match="known are dog, cat"):
        label_of("aeroplane", ("dog", "cat"), "000012.xml")


def test_names_differ_in_case():
    with pytest.raises(InputError):
        label_of("Cat", ("cat",), "labels.csv")
