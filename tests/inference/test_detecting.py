"""A stream of images comes out as it went in: in order, in full batches, and no image waits for long."""

import itertools

import numpy as np
import pytest
from clips import CLASSES, SIZE, CornerDetector, frame
from hypothesis import given
from hypothesis import strategies as st

from ssd_keras.data.images import StoredImage
from ssd_keras.errors import InputError
from ssd_keras.inference.detecting import Tiling, detect_images, detect_stream, usual_batch_size
from ssd_keras.inference.sources.images import SourceImage


def images(count):
    return (SourceImage(f"{number}", frame(number % 20)) for number in range(count))


def test_boxes_are_in_pixels_of_the_original():
    ((image, found),) = detect_stream(CornerDetector(), images(1))
    assert image.name == "0"
    assert found.size == SIZE
    np.testing.assert_allclose(found.boxes_px, [[0, 0, SIZE[1] / 3, SIZE[0] / 3]], rtol=1e-6)


def test_nothing_in_is_nothing_out():
    detector = CornerDetector()
    assert list(detect_stream(detector, [])) == []
    assert detector.batches == []


@given(faults=st.lists(st.booleans(), max_size=13), batch_size=st.integers(1, 5), is_live=st.booleans())
def test_all_come_in_order_whatever_is_wrong_between_them(faults, batch_size, is_live):
    given_ones = [
        InputError(f"{number}") if fault else SourceImage(f"{number}", frame(number))
        for number, fault in enumerate(faults)
    ]
    results = list(detect_stream(CornerDetector(), given_ones, batch_size=batch_size, is_live=is_live))
    assert [str(r) if isinstance(r, InputError) else r[0].name for r in results] == [
        f"{number}" for number in range(len(faults))
    ]
    assert [isinstance(r, InputError) for r in results] == faults


def test_every_batch_has_one_shape_and_only_the_last_is_not_full():
    detector = CornerDetector()
    assert len(list(detect_stream(detector, images(7), batch_size=3))) == 7
    assert [filled for _, filled in detector.batches] == [3, 3, 1]
    assert {shape for shape, _ in detector.batches} == {(3, 24, 32, 3)}


def test_an_image_that_cannot_be_read_is_an_error_among_the_others(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    sources = [
        *images(1),
        SourceImage("bad", tmp_path / "bad.jpg"),
        SourceImage("gone", tmp_path / "gone.jpg"),
    ]
    good, bad, gone = detect_stream(CornerDetector(), sources)
    assert good[0].name == "0"
    assert "does not decode" in str(bad)
    assert "cannot be read" in str(gone)


def test_an_endless_stream_is_answered_as_it_comes():
    taken = []

    def endless():
        for number in itertools.count():
            taken.append(number)
            yield SourceImage(f"{number}", frame(number % 20))

    live = detect_stream(CornerDetector(), endless(), batch_size=1, is_live=True)
    for number in range(5):
        assert next(live)[0].name == f"{number}"
        assert len(taken) == number + 1, "what is live is not read ahead"
    taken.clear()
    ahead = detect_stream(CornerDetector(), endless(), batch_size=4)
    next(ahead)
    ahead.close()
    assert len(taken) < 40


def test_what_must_be_fetched_is_fetched_once():
    class Fetched(StoredImage):
        name = "far away"
        times = 0

        def load(self):
            Fetched.times += 1
            return frame(0)

    ((image, _),) = detect_stream(CornerDetector(), [SourceImage("far away", Fetched())])
    assert (image.content == frame(0)).all()
    assert Fetched.times == 1


def test_thresholds_reach_the_detector():
    assert len(next(detect_stream(CornerDetector(), images(1), threshold=0.99))[1]) == 0


@pytest.mark.parametrize("is_live", [False, True])
def test_large_images_are_cut_into_tiles(is_live):
    large = np.zeros((96, 128, 3), np.uint8)
    large[48:, 64:] = frame(0)
    stream = [SourceImage("large", large), InputError("bad")]
    detector = CornerDetector()
    (image, found), error = detect_stream(detector, stream, tiling=Tiling(64, 0.0), is_live=is_live)
    assert (image.name, found.size, found.class_names) == ("large", (96, 128), CLASSES)
    assert any(box[0] >= 48 and box[1] >= 40 for box in found.boxes_px.tolist())
    assert str(error) == "bad"


def test_the_batch_suits_the_machine(monkeypatch):
    for cores, size in ((1, 4), (2, 8), (64, 16), (None, 4)):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        assert usual_batch_size(CornerDetector()) == size

    class Weight:
        def __init__(self, device):
            self.value = type("Value", (), {"device": device})

    for device, size in (("cuda:0", 32), ("/job:localhost/device:GPU:0", 32), ("/device:CPU:0", 4)):
        detector = CornerDetector()
        detector.weights = [Weight(device)]
        assert usual_batch_size(detector) == size


def test_a_list_of_images_is_answered_by_index():
    found = dict(detect_images(CornerDetector(), [frame(0), b"bad", frame(1)], batch_size=2))
    assert sorted(found) == [0, 1, 2]
    assert isinstance(found[1], InputError)
