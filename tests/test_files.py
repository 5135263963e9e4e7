"""Files are written whole or not at all."""

import pytest

from ssd_keras.errors import InputError
from ssd_keras.files import whole_file, write_text_whole


def test_the_new_content_takes_the_place_of_the_old(tmp_path):
    write_text_whole(tmp_path / "new" / "a.txt", "one")
    write_text_whole(tmp_path / "new" / "a.txt", "two")
    assert (tmp_path / "new" / "a.txt").read_text() == "two"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]


def write_half(path, error):
    with whole_file(path) as unfinished:
        unfinished.write_text("half")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_old_content_stays_when_writing_fails(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error):
        write_half(path, error)
    assert path.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_what_the_disk_refuses_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match=r"a\.txt cannot be written \(.*\): make room"):
        write_text_whole(tmp_path / "file" / "a.txt", "text")
