"""Label configs come from strangers: what they ask for is found, and nothing else happens."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_keras.serving.label_studio_config import (
    LARGEST_CONFIG,
    MOST_CONTROLS,
    MOST_LEVELS,
    is_blank,
    read_controls,
)
from ssd_keras.serving.refusals import Refusal


def config(labels, image='<Image name="image" value="$image"/>', attributes='name="label" toName="image"'):
    return f"<View>{image}<RectangleLabels {attributes}>{labels}</RectangleLabels></View>"


def refused(text, class_names=("car",)):
    with pytest.raises(Refusal) as caught:
        read_controls(text, class_names)
    assert caught.value.status == 422
    return str(caught.value)


@pytest.mark.parametrize("text", ["", "   ", "<View/>", "<View>Hello</View>"])
def test_a_new_project_says_nothing_yet(text):
    assert is_blank(text)
    assert not is_blank(config("<Label value='car'/>"))


def test_labels_are_found_by_name_and_else_without_regard_to_case():
    text = config('<Label value="CAR"/><Label value="dog"/><Label value="Dog"/><Label value="cat"/>')
    (control,) = read_controls(text, ("Car", "Dog", "truck"))
    assert control.labels == {"Car": "CAR", "Dog": "Dog"}
    assert control[:3] == ("label", "image", "image")


def test_an_alias_is_what_is_written():
    (control,) = read_controls(
        config('<Label value="A car" alias="car"/><Label value="dog" alias="d"/>'), ("car", "dog")
    )
    assert control.labels == {"car": "car", "dog": "d"}


def test_case_of_tags_and_attributes_does_not_matter():
    text = (
        '<view><image NAME="i" Value="$x"/><rectanglelabels Name="l" toname="i"><label value="car"/>'
        "</rectanglelabels></view>"
    )
    (control,) = read_controls(text, ("car",))
    assert (control.from_name, control.to_name, control.data_key) == ("l", "i", "x")


@pytest.mark.parametrize(
    "text",
    [
        "<View/>",
        config('<Label value="car"/>', image=""),
        config('<Label value="car"/>', image='<Image name="other" value="$image"/>'),
        config('<Label value="car"/>', image='<Image name="image" value="https://example.org/a.png"/>'),
        config('<Label value="car"/>', image='<Image name="image"/>'),
        config('<Label value="car"/>', attributes=""),
        config('<Label value="car"/>').replace("RectangleLabels", "PolygonLabels"),
    ],
)
def test_a_config_without_rectangles_on_an_image(text):
    assert "no <RectangleLabels> for an <Image" in refused(text)


@pytest.mark.parametrize("labels", ["", "<Label/>", '<Label value=""/>', '<Label value="tree"/>'])
def test_a_config_without_a_class_of_the_model(labels):
    assert "is a class of the model (car)" in refused(config(labels))


@pytest.mark.parametrize("text", ["", "<View>", "no XML", "<a/><b/>"])
def test_what_is_no_xml(text):
    assert "is no XML" in refused(text)


@pytest.mark.parametrize(
    "document_type",
    [
        '<!DOCTYPE x [<!ENTITY e "car">]>',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY e "&a;&a;&a;">]>',
    ],
)
def test_entities_are_refused(document_type):
    assert "entities" in refused(document_type + config('<Label value="&e;"/>'))


def test_a_huge_config_is_not_parsed():
    assert "shorten it" in refused("<a>" * LARGEST_CONFIG)


def nested(tag, times, inside=""):
    return f"<{tag}>" * times + inside + f"</{tag.split()[0]}>" * times


def test_a_config_may_be_nested_but_not_without_end():
    assert "no <RectangleLabels>" in refused(nested("View", MOST_LEVELS))
    for levels in (MOST_LEVELS + 1, 100_000):
        assert "nest less" in refused(nested("a", levels))


def test_no_more_controls_are_read_than_a_project_may_have():
    """Each of them has all the labels inside of it: nested, their work would grow with their square."""
    control = 'RectangleLabels name="label" toName="image"'
    image = '<Image name="image" value="$image"/>'
    beside = f'<{control}><Label value="car"/></RectangleLabels>'
    assert len(read_controls(f"<View>{image}{beside * MOST_CONTROLS}</View>", ("car",))) == MOST_CONTROLS
    assert "use fewer" in refused(f"<View>{image}{beside * (MOST_CONTROLS + 1)}</View>")
    assert "use fewer" in refused(f"<View>{image}{nested(control, 10_000)}</View>")


@given(st.text(max_size=60) | st.text(string.ascii_letters + "<>/=\"'$&;! []", max_size=120))
def test_any_text_is_read_or_refused(text):
    for whole in (text, config(text), config(f"<Label value={text}/>")):
        assert "\n" not in refusal_or_nothing(whole)


def refusal_or_nothing(text):
    try:
        read_controls(text, ("car",))
    except Refusal as refusal:
        return str(refusal)
    return ""
