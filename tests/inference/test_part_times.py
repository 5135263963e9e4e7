"""Seconds of the parts: what is called when adds up, and the detector is left as it was."""

import time

import pytest

from ssd_keras.inference.part_times import PartTimes


class Detector:
    """Waits so many seconds for each part, and longer in the first batch."""

    def __init__(self, network=0.01, decoding=0.01, first=0.1):
        self.network, self.decoding, self.first = network, decoding, first

    def predict_on_batch(self):
        time.sleep(self.network + self.first)

    def detect_batch(self):
        self.predict_on_batch()
        time.sleep(self.decoding)
        self.first = 0


class Artefact:
    def detect_batch(self):
        time.sleep(0.01)


def test_each_part_gets_its_own_time():
    times, detector = PartTimes(), Detector()
    with times.of_detecting(detector):
        for _ in range(4):
            time.sleep(0.02)
            detector.detect_batch()
    assert set(times.seconds) == {"reading", "compiling", "network", "decoding"}
    assert times.seconds["reading"] >= 0.08
    assert times.seconds["network"] >= 0.04
    assert times.seconds["decoding"] >= 0.03
    assert times.seconds["compiling"] > 0.05
    assert vars(detector).keys() == {"network", "decoding", "first"}


def test_a_detector_of_one_piece_has_no_decoding():
    times = PartTimes()
    with times.of_detecting(artefact := Artefact()):
        artefact.detect_batch()
    assert times.seconds["network"] >= 0.01
    assert "decoding" not in times.seconds


def test_without_a_batch_there_is_only_reading():
    times = PartTimes()
    with times.of_detecting(Detector()):
        pass
    assert set(times.seconds) == {"reading"}


def test_an_error_leaves_the_detector_as_it_was():
    detector = Detector()

    def fail():
        with PartTimes().of_detecting(detector):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert "detect_batch" not in vars(detector)


def test_a_part_adds_up():
    times = PartTimes()
    for _ in range(2):
        with times.of("matching"):
            time.sleep(0.01)
    assert times.seconds["matching"] >= 0.02
