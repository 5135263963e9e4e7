"""Detectors are saved whole or not at all."""

import pytest

from ssd_keras.inference.detector import save_detector


def test_saving_that_fails_midway_leaves_the_old_model(tmp_path):
    class Model:
        def __init__(self, text):
            self.text = text

        def save(self, path):
            path.write_text(self.text[:3])
            if self.text == "broken":
                raise OSError("disk full")
            path.write_text(self.text)

    file = tmp_path / "last.keras"
    save_detector(Model("good"), file)
    with pytest.raises(OSError, match="disk full"):
        save_detector(Model("broken"), file)
    assert file.read_text() == "good"
