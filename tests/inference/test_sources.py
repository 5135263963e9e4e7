"""Files, folders and patterns become a list of images."""

import pytest

from ssd_keras.errors import InputError
from ssd_keras.inference.sources import image_files


@pytest.fixture
def photos(tmp_path):
    for name in ("b.jpg", "a.PNG", "notes.txt", "deep/c.jpeg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def names(files):
    return [file.name for file in files]


def test_a_folder_gives_its_images_in_order(photos):
    assert names(image_files([photos])) == ["a.PNG", "b.jpg", "c.jpeg"]


def test_patterns_and_files_are_taken_once(photos):
    assert names(image_files([photos / "b.jpg", f"{photos}/*.jpg", photos / "a.PNG"])) == ["b.jpg", "a.PNG"]


def test_a_file_of_any_name_is_taken_at_its_word(photos):
    assert names(image_files([photos / "notes.txt"])) == ["notes.txt"]


def test_what_is_not_there_is_named(photos):
    for source, said in (("nope.jpg", "does not exist"), ("*.gif", "does not exist")):
        with pytest.raises(InputError, match=said):
            image_files([photos / source])
    (photos / "empty").mkdir()
    with pytest.raises(InputError, match="holds no image"):
        image_files([photos / "empty"])
    with pytest.raises(InputError, match="no image given"):
        image_files([])
