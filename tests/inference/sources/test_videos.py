"""Videos are read frame by frame, upright, and what is missing of them is said."""

import re

import numpy as np
import pytest
from clips import RATE, SIZE, cut, frame, turn, write_video

from ssd_keras.errors import InputError
from ssd_keras.inference.sources.images import SourceImage
from ssd_keras.inference.sources.video_formats import is_video, lacks_its_end, starts_as_video
from ssd_keras.inference.sources.videos import Camera, video_images, video_length


def assert_alike(image, wanted):
    """As alike as a codec leaves them, with its coarse colours at edges."""
    assert image.shape == wanted.shape
    assert np.abs(image.astype(int) - wanted).mean() < 4


def test_frames_come_with_number_time_and_pixels(tmp_path):
    images = list(video_images(write_video(tmp_path / "a.mp4")))
    assert [image.frame for image in images] == list(range(20))
    np.testing.assert_allclose([image.time for image in images], np.arange(20) / RATE, atol=1e-3)
    for number in (0, 7, 19):
        assert_alike(images[number].content, frame(number))
    assert images[0].clip is images[19].clip
    assert (images[0].clip.rate, images[0].clip.is_live) == (RATE, False)
    assert images[12].shown_name == f"{tmp_path / 'a.mp4'}, frame 12 (1.20 s)"


@pytest.mark.parametrize(("every", "most", "wanted"), [(8, None, [0, 8, 16]), (3, 2, [0, 3]), (1, 0, [])])
def test_only_some_frames_are_wanted(tmp_path, every, most, wanted):
    file = write_video(tmp_path / "a.mp4")
    images = list(video_images(file, every, most))
    assert [image.frame for image in images] == wanted
    assert video_length(file, every, most) == len(wanted)
    assert all(image.clip.rate == RATE / every for image in images)


def test_a_video_is_turned_as_its_metadata_says(tmp_path):
    file = write_video(tmp_path / "a.mp4")
    turn(file)
    image = next(video_images(file)).content
    assert image.shape[:2] == SIZE[::-1]
    assert_alike(image, np.rot90(frame(0), -1))


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "MJPG"), ("a.mkv", "mp4v"), ("a.webm", "VP80")])
def test_other_containers_are_known_by_their_content(tmp_path, name, codec):
    file = write_video(tmp_path / name, codec=codec).rename(tmp_path / "video")
    assert is_video(file)
    assert sum(1 for _ in video_images(file)) == 20


def test_a_video_cut_off_in_the_middle_gives_what_it_has_and_says_where_it_ends(tmp_path):
    file = cut(write_video(tmp_path / "a.avi", frames=50, codec="MJPG"), 0.6)
    *images, error = video_images(file)
    assert 20 < len(images) < 40
    assert isinstance(error, InputError)
    assert f"a.avi is cut off or damaged: it ends after {len(images)} of 50 frames" in str(error)
    assert len(list(video_images(file, max_frames=10))) == 10, "no error where no more was wanted"


@pytest.mark.parametrize("content", [b"", b"hello", b"#EXTM3U\nhttp://localhost/secret\n"])
def test_what_is_no_video_is_not_opened(tmp_path, content):
    file = tmp_path / "a.mp4"
    file.write_bytes(content)
    (error,) = video_images(file)
    assert "does not open as a video" in str(error)
    assert video_length(file) is None


def test_a_video_without_its_index_does_not_open(tmp_path, capfd):
    (error,) = video_images(cut(write_video(tmp_path / "a.mp4"), 0.5))
    assert "does not open as a video" in str(error)
    assert capfd.readouterr().err == "", "FFmpeg says nothing of its own"


def test_a_short_video_of_which_nothing_decodes_says_so(tmp_path):
    """Two frames less than stated are tolerated at the end of a long one."""
    file = write_video(tmp_path / "a.mp4", frames=2)
    data = bytearray(file.read_bytes())
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    file.write_bytes(data)
    (error,) = video_images(file)
    assert "a.mp4 is cut off or damaged: it ends after 0 of 2 frames" in str(error)


def test_photographs_laid_out_like_videos_are_none():
    assert starts_as_video(b"\0\0\0\x18ftypisom")
    assert not starts_as_video(b"\0\0\0\x18ftypheic")
    assert not starts_as_video(b"RIFF\0\0\0\0WEBP")
    assert starts_as_video(b"\x47" + bytes(187) + b"\x47" + bytes(60))
    assert not starts_as_video(b"")


class FakeCapture:
    """A camera that gives three frames and then none."""

    def __init__(self):
        self.left, self.is_released = 3, False

    def get(self, _):
        return 0.0

    def grab(self):
        self.left -= 1
        return self.left >= 0

    def retrieve(self):
        return True, frame(0)[..., ::-1].copy()

    def isOpened(self):  # noqa: N802, the name OpenCV gives it
        return True

    def release(self):
        self.is_released = True


def test_a_camera_gives_frames_until_it_is_unplugged(monkeypatch):
    capture = FakeCapture()
    monkeypatch.setattr("cv2.VideoCapture", lambda number: capture)
    *images, error = Camera("camera:0").images()
    assert [image.frame for image in images] == [0, 1, 2]
    assert (images[0].content == frame(0)).all()
    assert images[0].clip.is_live
    assert images[0].time == 0
    assert "camera:0 gives no frames after 3" in str(error)
    assert capture.is_released


def test_of_a_camera_no_more_is_taken_than_wanted(monkeypatch):
    monkeypatch.setattr("cv2.VideoCapture", lambda number: FakeCapture())
    assert [image.frame for image in Camera("camera:0").images(every=2, max_frames=1)] == [0]


@pytest.mark.parametrize(
    ("name", "said"),
    [("camera:963", "is not there"), ("camera:", "by its number"), ("camera:front", "by its number")],
)
def test_a_camera_that_is_not_there_is_named(name, said, capfd):
    with pytest.raises(InputError, match=f"{name} .*{said}"):
        Camera(name)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("lost", [1, 4, 16])
def test_an_avi_that_lost_any_frame_at_its_end_says_so(tmp_path, lost):
    """It counts its frames exactly, and says how long it is: nothing is to be tolerated."""
    clip = write_video(tmp_path / "clip.avi", frames=40, codec="MJPG")
    data = clip.read_bytes()
    starts = [found.start() for found in re.finditer(b"00dc", data[: data.rindex(b"idx1")])]
    clip.write_bytes(data[: starts[-lost]])
    *frames, error = video_images(clip)
    assert len(frames) == 40 - lost
    assert f"it ends after {len(frames)} of 40 frames" in str(error)


def test_a_whole_avi_is_no_fault_even_where_it_counts_one_frame_too_many(tmp_path):
    clip = write_video(tmp_path / "clip.avi", frames=40, codec="MJPG")
    assert not lacks_its_end(clip)
    data = clip.read_bytes()
    for name in (b"avih", b"strh"):
        place = data.index(name) + (24 if name == b"avih" else 40)
        assert data[place : place + 4] == (40).to_bytes(4, "little")
        data = data[:place] + (41).to_bytes(4, "little") + data[place + 4 :]
    clip.write_bytes(data)
    assert all(isinstance(image, SourceImage) for image in video_images(clip))


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\x04\0\0\0AVI ", b"\0\0\0\x20ftyp"])
def test_what_is_not_shorter_than_it_says_lacks_nothing(tmp_path, content):
    (tmp_path / "clip").write_bytes(content)
    assert not lacks_its_end(tmp_path / "clip")
    assert not lacks_its_end(tmp_path / "gone")
    (tmp_path / "clip").write_bytes(b"RIFF\x04\0\0\0AVI RIFF\xff\0\0\0AVIX")
    assert lacks_its_end(tmp_path / "clip")
