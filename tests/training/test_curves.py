"""The curves of a run: whatever its log holds, they can be drawn."""

import math

import cv2
import pytest

from ssd_keras.errors import InputError
from ssd_keras.training.callbacks import as_csv
from ssd_keras.training.curves import PANELS, POSITIVES, draw_curves, measured, read_curves, read_log
from ssd_keras.training.recipe import Recipe
from ssd_keras.training.run_folder import RunFolder

ROW = {
    "epoch": 1, "loss": 8.0, "confidence_loss": 6.0, "location_loss": 2.0, "positives": 24.0, "val_mAP": None,
    "learning_rate": 1e-3, "gradient_norm": 5.0, "waiting": 0.0, "images_per_second": 20.0,
}  # fmt: skip


def folder_with_log(path, *rows):
    recipe = Recipe(out=path, batch_size=8)
    folder = RunFolder.create(recipe)
    folder.begin(recipe)
    folder.log.write_text(as_csv(rows))
    return folder


def test_what_was_not_measured_is_not_in_a_line(tmp_path):
    folder = folder_with_log(tmp_path / "run", ROW, ROW | {"epoch": 2, "val_mAP": 0.5})
    log = read_log(folder.log)
    assert log["epoch"] == [1, 2]
    assert math.isnan(log["val_mAP"][0])
    assert measured(log, "val_mAP") == [(2, 0.5)]
    assert measured(log, "a column of later versions") == []
    assert measured({}, "loss") == []


def test_matched_anchors_are_counted_by_image(tmp_path):
    assert read_curves(folder_with_log(tmp_path / "run", ROW))[POSITIVES] == [3.0]


def test_every_panel_finds_its_columns(tmp_path):
    log = read_curves(folder_with_log(tmp_path / "run", ROW))
    assert {column for panel in PANELS for column in panel.lines} <= log.keys()


@pytest.mark.parametrize(
    "rows",
    [
        [ROW],
        [ROW, ROW | {"epoch": 2, "val_mAP": 0.5, "location_loss": 0.0}],
        [{"epoch": 1, "loss": 8.0}],
        [{"epoch": 1, "loss": None}],
        [ROW | {"loss": 0.0, "confidence_loss": 0.0, "location_loss": 0.0}],
    ],
    ids=["one epoch", "two epochs", "an older log", "nothing measured", "no object"],
)
def test_any_log_can_be_drawn(tmp_path, rows):
    path = draw_curves(folder_with_log(tmp_path / "run", *rows))
    assert path == tmp_path / "run" / "curves.png"
    assert cv2.imread(str(path)).shape[1] > 800


def test_curves_that_cannot_be_written_leave_nothing(tmp_path):
    folder = folder_with_log(tmp_path / "run", ROW)
    (tmp_path / "run" / "curves.png").mkdir()
    before = {file.name for file in folder.path.iterdir()}
    with pytest.raises(InputError, match=r"curves\.png cannot be written"):
        draw_curves(folder)
    assert {file.name for file in folder.path.iterdir()} == before
