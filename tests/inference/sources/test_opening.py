"""Names of sources become images, one after the other: each file once, nothing of what was written itself."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from clips import write_video

from ssd_keras.data.images import read_image
from ssd_keras.errors import InputError
from ssd_keras.inference.own_files import save_own_picture
from ssd_keras.inference.sources import Reading, open_sources


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for name in ("b.jpg", "a.PNG", "notes.txt", "deep/c.jpeg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def names(sources):
    return [Path(image.name).name for image in sources.images()]


def test_a_folder_gives_its_images_in_order(photos):
    found = open_sources([photos])
    assert names(found) == ["a.PNG", "b.jpg", "c.jpeg"]
    assert (found.count(), found.is_live, found.folder) == (3, False, photos)


def test_a_folder_is_not_read_before_it_is_asked_for(photos):
    images = open_sources([photos]).images()
    assert Path(next(images).name).name == "a.PNG"
    (photos / "deep" / "d.jpg").write_bytes(b"")
    assert [Path(image.name).name for image in images] == ["b.jpg", "c.jpeg", "d.jpg"]


def test_patterns_and_files_are_taken_once(photos):
    found = open_sources([photos / "b.jpg", f"{photos}/*.jpg", photos / "a.PNG", photos])
    assert names(found) == ["b.jpg", "a.PNG", "c.jpeg"]
    assert found.folder is None


def test_a_file_of_any_name_is_taken_at_its_word(photos):
    assert names(open_sources([photos / "notes.txt"])) == ["notes.txt"]


def test_a_name_with_the_signs_of_a_pattern_is_a_file_first(tmp_path):
    (tmp_path / "[a].jpg").write_bytes(b"")
    assert names(open_sources([tmp_path / "[a].jpg"])) == ["[a].jpg"]


def test_videos_are_known_by_their_content_and_in_folders_by_their_names(photos):
    write_video(photos / "clip.mp4", frames=4)
    write_video(photos / "z.mp4", frames=4).rename(photos / "clip")
    assert names(open_sources([photos])) == ["a.PNG", "b.jpg", *["clip.mp4"] * 4, "c.jpeg"]
    assert open_sources([photos]).count() == 7
    assert names(open_sources([photos / "clip"])) == ["clip"] * 4
    every_other = open_sources([photos / "clip", photos / "clip.mp4", photos / "clip"], Reading(every=2))
    assert [image.frame for image in every_other.images()] == [0, 2, 0, 2]


def test_what_is_not_there_is_named(photos):
    for source, said in (("nope.jpg", "does not exist"), ("*.gif", "no file is called like")):
        with pytest.raises(InputError, match=said):
            open_sources([photos / source])
    (photos / "empty").mkdir()
    with pytest.raises(InputError, match="holds no image"):
        open_sources([photos / "empty"])
    with pytest.raises(InputError, match="no image given"):
        open_sources([])
    with pytest.raises(InputError, match="the name of a source is empty"):
        open_sources([""])  # not the working directory
    with pytest.raises(InputError, match="is no link that is fetched"):
        open_sources(["file:///etc/hostname"])
    with pytest.raises(InputError, match="camera:963 is not there"):
        open_sources(["camera:963"])


def test_the_pictures_written_are_not_looked_at_and_never_take_the_place_of_images(photos):
    out = photos / "found"
    out.mkdir()
    (out / "b.jpg").write_bytes(b"")
    found = open_sources([photos], Reading(out=out))
    assert names(found) == ["a.PNG", "b.jpg", "c.jpeg"]
    assert found.count() == 3
    for source in (photos, photos / "b.jpg", f"{photos}/*.jpg"):
        with pytest.raises(InputError, match="choose another --out"):
            open_sources([source], Reading(out=photos / "deep" / ".."))
    assert names(open_sources([photos], Reading(out=photos.parent))) == ["a.PNG", "b.jpg", "c.jpeg", "b.jpg"]


def test_what_an_earlier_run_drew_is_no_match_and_no_image_of_the_folder(photos):
    """Without pictures of its own, a run may find those of another one in its folder of results."""
    out = photos / "found"
    for name in ("mine.jpg", "crops/car/b_1.jpg"):
        save_own_picture(out / name, np.zeros((4, 4, 3), np.uint8))
    everything = ["a.PNG", "b.jpg", "c.jpeg", "mine.jpg", "b_1.jpg"]
    assert names(open_sources([photos])) == everything
    assert names(open_sources([photos], Reading(out=out, draws=False))) == everything[:3]
    for pattern, found in (("**/*.*g", ["b.jpg", "c.jpeg"]), ("*/*.jp*g", ["c.jpeg"])):
        for draws in (True, False):
            assert names(open_sources([f"{photos}/{pattern}"], Reading(out=out, draws=draws))) == found
    assert names(open_sources([out / "crops"], Reading(out=out))) == ["b_1.jpg"], "it was named"
    assert names(open_sources([f"{out}/c*/*/*.jpg"], Reading(out=out))) == ["b_1.jpg"]
    (out / "theirs.jpg").write_bytes(b"")
    assert names(open_sources([photos], Reading(out=out, draws=False))) == [*everything[:3], "theirs.jpg"]
    with pytest.raises(InputError, match="could overwrite"):
        open_sources([f"{photos}/**/*.jpg"], Reading(out=out))


def test_a_source_that_links_into_the_folder_of_results_is_refused(photos, tmp_path):
    (tmp_path / "link.jpg").symlink_to(photos / "b.jpg")
    with pytest.raises(InputError, match="could overwrite"):
        open_sources([tmp_path / "link.jpg"], Reading(out=photos))


def test_what_has_several_names_is_looked_at_once(photos, monkeypatch):
    (photos / "deep" / "again").symlink_to(photos)
    assert names(open_sources([photos])) == ["a.PNG", "b.jpg", "c.jpeg"]
    assert names(open_sources([f"{photos}/**/*.jpg"])) == ["b.jpg"]
    monkeypatch.chdir(photos)
    assert names(open_sources(["b.jpg", photos / "b.jpg", "deep/../b.jpg", "."])) == [
        "b.jpg",
        "a.PNG",
        "c.jpeg",
    ]


def test_a_folder_that_cannot_be_looked_into_is_not_passed_over(photos, monkeypatch):
    def scandir(path):
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    scan = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)
    assert names(open_sources([photos])) == ["a.PNG", "b.jpg", "deep"]
    (closed,) = open_sources([photos / "deep"]).images()
    with pytest.raises(InputError, match="deep cannot be read"):
        read_image(closed.content)


def test_folders_behind_links_are_gone_through(photos, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "linked.jpg").write_bytes(b"")
    (photos / "link").symlink_to(tmp_path / "more")
    assert names(open_sources([photos])) == ["a.PNG", "b.jpg", "c.jpeg", "linked.jpg"]
    assert names(open_sources([photos], Reading(out=tmp_path / "more"))) == ["a.PNG", "b.jpg", "c.jpeg"]


@pytest.mark.parametrize("name", ["moving.gif", "grey.pgm", "ink.PBM", "a.jfif"])
def test_all_that_is_read_is_found_in_a_folder(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    assert names(open_sources([tmp_path])) == [name]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such pipes")
@pytest.mark.parametrize("name", ["z.jpg", "z.mp4"])
def test_pipes_are_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="is a pipe or a device"):
        open_sources([tmp_path / name])
    found = open_sources([tmp_path])
    found.count()
    (image,) = found.images()
    if isinstance(image, InputError):
        assert "does not open as a video" in str(image)
    else:
        with pytest.raises(InputError, match="is a pipe or a device"):
            read_image(image.content)


def test_a_link_is_one_image_and_not_fetched_before(photos):
    found = open_sources(["http://127.0.0.1:9/a.jpg", photos / "b.jpg"])
    assert [image.name for image in found.images()] == ["http://127.0.0.1:9/a.jpg", str(photos / "b.jpg")]
    assert found.count() == 2


def test_lines_of_standard_input_name_sources(photos, monkeypatch):
    class Input:
        buffer = io.BytesIO(f"{photos}/b.jpg\n{photos}/deep\nnope.jpg\n{photos}/b.jpg\n".encode())

    monkeypatch.setattr("sys.stdin", Input)
    found = open_sources(["-"])
    assert found.is_live
    assert found.count() is None
    b, c, error, again = found.images()
    assert [Path(image.name).name for image in (b, c, again)] == ["b.jpg", "c.jpeg", "b.jpg"]
    assert "nope.jpg does not exist" in str(error)


def test_what_is_named_twice_is_opened_once(photos, monkeypatch):
    class Input:
        buffer = io.BytesIO(f"{photos}/b.jpg\n".encode())

    monkeypatch.setattr("sys.stdin", Input)
    assert names(open_sources(["-", photos / "a.PNG", "-"])) == ["b.jpg", "a.PNG"]
    link = "http://127.0.0.1:9/c.jpg"
    assert names(open_sources([link, link])) == ["c.jpg"]


def test_standard_input_that_is_closed_is_said(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InputError, match="standard input is closed"):
        open_sources(["-"])
