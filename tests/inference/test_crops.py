"""Objects cut out of their images: never empty, never outside of the folder, never over each other."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_keras.data.images import read_image
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.inference.crops import CropFolder

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)


def detections(*boxes, labels=None, names=("car", "person")):
    scores = np.linspace(0.9, 0.5, len(boxes))
    return Detections(list(boxes), scores, labels or [0] * len(boxes), names, IMAGE.shape[:2])


def test_nothing_found_leaves_no_file(tmp_path):
    assert CropFolder.create(tmp_path / "crops").save(IMAGE, "a.jpg", detections()) == []
    assert list((tmp_path / "crops").iterdir()) == []


def test_each_object_comes_into_the_folder_of_its_class(tmp_path):
    crops = CropFolder.create(tmp_path, ".png")
    found = detections((10, 5, 30, 25), (0, 0, 9, 8), labels=[1, 0])
    files = crops.save(IMAGE, "street/a.jpg", found)
    assert files == [tmp_path / "person" / "a_1.png", tmp_path / "car" / "a_2.png"]
    np.testing.assert_array_equal(read_image(files[0]), IMAGE[5:25, 10:30])
    np.testing.assert_array_equal(read_image(files[1]), IMAGE[0:8, 0:9])


def test_all_pixels_that_a_box_touches_are_kept_and_none_beyond_the_image(tmp_path):
    crops = CropFolder.create(tmp_path, ".png")
    inside, beyond = crops.save(IMAGE, "a.jpg", detections((9.9, 4.2, 30.1, 25), (-5, 30.5, 99, 99)))
    np.testing.assert_array_equal(read_image(inside), IMAGE[4:25, 9:31])
    np.testing.assert_array_equal(read_image(beyond), IMAGE[30:])


def test_a_box_that_touches_no_pixel_has_no_crop(tmp_path):
    boxes = [
        (70, 0, 80, 9),
        (-9, -9, -1, -1),
        (5, 5, 5, 9),
        (3.2, 8, 3.2, 9),
        (9, 9, 4, 20),
        (3.2, 3.2, 3.3, 3.3),
    ]
    files = CropFolder.create(tmp_path, ".png").save(IMAGE, "a.jpg", detections(*boxes))
    assert [file.name for file in files] == ["a_6.png"]
    np.testing.assert_array_equal(read_image(files[0]), IMAGE[3:4, 3:4])


@given(st.lists(st.tuples(*[st.floats(-200, 200, width=32)] * 4), max_size=4))
def test_no_crop_is_empty_whatever_the_box(tmp_path_factory, boxes):
    crops = CropFolder.create(tmp_path_factory.mktemp("crops"))
    for file in crops.save(IMAGE, "a.jpg", detections(*boxes)):
        assert cv2.imread(str(file)).size > 0


def test_two_images_of_one_name_get_crops_of_their_own(tmp_path):
    crops = CropFolder.create(tmp_path)
    one, two = (crops.save(IMAGE, name, detections((0, 0, 9, 9))) for name in ("one/a.jpg", "two/a.jpg"))
    assert (one[0].name, two[0].name) == ("a_1.jpg", "a-2_1.jpg")


def test_no_name_leads_out_of_the_folder_or_into_that_of_another_class(tmp_path):
    names = ("..", "/etc", "a/b", "a_b", "CAR", "car", "\0", "con\ntrol")
    found = detections(*[(0, 0, 9, 9)] * len(names), labels=list(range(len(names))), names=names)
    out = tmp_path / "crops"
    files = CropFolder.create(out).save(IMAGE, "../../up.jpg", found)
    assert all(file.resolve().parent.parent == out for file in files)
    assert len({file.parent.name.casefold() for file in files}) == len(names)
    assert sorted(tmp_path.iterdir()) == [out]


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        CropFolder.create(tmp_path / "file" / "crops")
