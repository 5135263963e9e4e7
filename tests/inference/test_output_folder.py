"""What --out leaves: pictures, videos that play, crops and results, none over another, all valid."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import CLASSES, RATE, SIZE, CornerDetector, frame, write_video
from PIL import Image

from ssd_keras.data.formats import open_dataset
from ssd_keras.data.images import read_image
from ssd_keras.errors import InputError
from ssd_keras.inference.crops import CropFolder
from ssd_keras.inference.detecting import Tiling, detect_stream
from ssd_keras.inference.drawing import save_picture
from ssd_keras.inference.output_folder import OutputFolder, Wanted
from ssd_keras.inference.sources.images import Clip, SourceImage
from ssd_keras.inference.sources.videos import video_images, video_length


def write(out, images, wanted=None):
    """Detect in images and write what was found."""
    with OutputFolder(out, CLASSES, wanted or Wanted()) as folder:
        for image, found in detect_stream(CornerDetector(), images):
            folder.add(image, found, folder.pixels_of(image), folder.copy_of(image))
    return sorted(str(file.relative_to(out)) for file in out.rglob("*") if file.is_file())


def entries(out):
    return json.loads((out / "detections.json").read_text())


def test_nothing_is_a_valid_document(tmp_path):
    assert write(tmp_path / "out", []) == ["detections.json"]
    assert entries(tmp_path / "out") == []


def test_names_are_kept_apart_and_inside(tmp_path):
    names = [
        "a/x.jpg",
        "b/x.png",
        "b/X.png",
        "../x.gif",
        "http://h/x.jpg?size=1",
        "http://h/",
        "..",
        "camera:0",
    ]
    out = tmp_path / "out"
    written = write(out, [SourceImage(name, frame(0)) for name in names])
    assert len(written) == len(names) + 1
    assert {"x.jpg", "x-2.jpg", "detections.json"} < set(written)
    assert [entry["image"] for entry in entries(out)] == names
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("label_format", ["coco", "csv", "voc", "yolo"])
def test_pictures_are_not_taken_for_the_images_that_labels_name(tmp_path, label_format):
    out = tmp_path / "out"
    assert "x_boxes.jpg" in write(out, [SourceImage("x.jpg", frame(0))], Wanted(label_format))
    with pytest.raises(InputError):
        open_dataset(out)


def test_a_video_comes_out_with_its_size_rate_and_length_and_the_boxes_drawn(tmp_path):
    out = tmp_path / "out"
    written = write(out, video_images(write_video(tmp_path / "clip.avi", codec="MJPG")))
    assert written == ["clip.mp4", "detections.json"]
    drawn = list(video_images(out / "clip.mp4"))
    assert len(drawn) == 20
    assert drawn[0].clip.rate == RATE
    assert drawn[0].content.shape == (*SIZE, 3)
    assert np.abs(drawn[5].content.astype(int) - frame(5)).max() > 60
    assert np.abs(drawn[19].content[30:, 40:].astype(int) - frame(19)[30:, 40:]).mean() < 4
    assert [(entry["frame"], entry["time"]) for entry in entries(out)][12] == (12, 1.2)


def test_fewer_frames_play_as_long(tmp_path):
    write(tmp_path / "out", video_images(write_video(tmp_path / "clip.mp4"), every=5))
    drawn = list(video_images(tmp_path / "out" / "clip.mp4"))
    assert len(drawn) == 4
    assert drawn[0].clip.rate == RATE / 5


@pytest.mark.parametrize(
    ("rate", "written"), [(239.7648, 239.765), (119.8832, 119.88), (999.97, 1000), (0.0004, 0.01)]
)
def test_a_video_of_any_rate_is_written(tmp_path, rate, written):
    """The codec holds no more than 65,535 as the number of its ticks a second."""
    clip = Clip("c", rate)
    write(tmp_path, [SourceImage("c", frame(n), n, n / rate, clip) for n in range(3)])
    drawn = list(video_images(tmp_path / "c.mp4"))
    assert len(drawn) == 3
    assert drawn[0].clip.rate == pytest.approx(written, rel=1e-4)


def test_videos_of_one_name_and_pictures_between_them_are_kept_apart(tmp_path):
    (tmp_path / "other").mkdir()
    first, second = write_video(tmp_path / "clip.mp4", 3), write_video(tmp_path / "other" / "clip.mp4", 5)
    images = [*video_images(first), SourceImage("clip.jpg", frame(0)), *video_images(second)]
    assert write(tmp_path / "out", images) == ["clip-2.jpg", "clip-3.mp4", "clip.mp4", "detections.json"]
    assert video_length(tmp_path / "out" / "clip.mp4") == 3
    assert video_length(tmp_path / "out" / "clip-3.mp4") == 5


@pytest.mark.parametrize("size", [(33, 47), (1, 1), (2, 301)])
def test_odd_sides_lose_nothing(tmp_path, size):
    clip = Clip("c", RATE)
    write(tmp_path, [SourceImage("c", np.full((*size, 3), 9, np.uint8), 0, 0.0, clip)])
    (image,) = video_images(tmp_path / "c.mp4")
    assert image.content.shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)


def test_frames_of_a_camera_are_shown_for_as_long_as_they_were_seen(tmp_path):
    clip = Clip("camera:0", RATE, is_live=True)
    times = [0.0, 0.1, 0.5, 0.52, 1.0]
    write(tmp_path, [SourceImage("camera:0", frame(n), n, time, clip) for n, time in enumerate(times)])
    assert video_length(tmp_path / "camera_0.mp4") == 11


def test_whatever_ends_it_leaves_valid_files(tmp_path):
    images = list(video_images(write_video(tmp_path / "clip.mp4")))

    def stopped():
        yield from images[:8]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "out", stopped())
    done = len(entries(tmp_path / "out"))
    assert done == 8
    assert video_length(tmp_path / "out" / "clip.mp4") == done


def test_crops_are_named_after_image_and_frame(tmp_path):
    clip = Clip("v.mp4", RATE)
    images = [SourceImage("a.jpg", frame(0)), SourceImage("v.mp4", frame(0), 12, 1.2, clip)]
    written = write(tmp_path, images, Wanted(pictures=False, crops=True))
    assert written == ["crops/red/a_1.jpg", "crops/red/v_000012_1.jpg", "detections.json"]
    crop = read_image(tmp_path / "crops/red/a_1.jpg")
    assert abs(int(crop[4, 4, 0]) - 220) < 20


def photographs(folder):
    """Files that make it hard: turned by EXIF, of one name but for folder or suffix, and a GIF."""
    turned = Image.fromarray(frame(0)[::-1])
    exif = turned.getexif()
    exif[0x0112] = 4  # upside down, as in a mirror
    (folder / "deep").mkdir(parents=True)
    turned.save(folder / "a.JPG", exif=exif, quality=95)
    save_picture(folder / "a.png", frame(3))
    save_picture(folder / "deep" / "a.png", np.full((*SIZE, 3), 90, np.uint8))
    Image.fromarray(frame(0)).save(folder / "moving.gif")
    return folder


@pytest.mark.parametrize("is_one_folder", [True, False])
@pytest.mark.parametrize("label_format", ["coco", "csv", "voc", "yolo"])
def test_labels_and_copies_of_the_images_are_a_data_set(tmp_path, label_format, is_one_folder):
    photos, out = photographs(tmp_path / "photos"), tmp_path / "out"
    files = sorted(file for file in photos.rglob("*") if file.is_file())
    images = [
        *(SourceImage(str(file), file) for file in files),
        *video_images(write_video(tmp_path / "v.mp4", 2)),
    ]
    with OutputFolder(
        out, CLASSES, Wanted(label_format, copies=True), photos if is_one_folder else None
    ) as folder:
        for image, found in detect_stream(CornerDetector(), images):
            assert folder.add(image, found, folder.pixels_of(image), folder.copy_of(image)) is None
    data = open_dataset(out, class_names=CLASSES)
    assert data.problems == ()
    [split] = data.values()
    assert len(split) == 6
    for sample in split:
        pixels = read_image(sample.image)
        ((_, found),) = detect_stream(CornerDetector(), [SourceImage("", pixels)])
        np.testing.assert_allclose(sample.ground_truth.boxes_px, found.boxes_px, atol=1e-3)
    assert sorted(len(sample.ground_truth) for sample in split) == [0, 1, 1, 1, 1, 1]
    copied = {file.read_bytes() for file in out.rglob("*") if file.is_file()}
    assert {file.read_bytes() for file in files if file.suffix != ".gif"} <= copied
    with pytest.raises(InputError, match="is not empty: name a new folder"):
        OutputFolder(out, CLASSES, Wanted(label_format, copies=True))


def test_of_an_image_in_tiles_the_file_is_copied(tmp_path):
    save_picture(tmp_path / "a.png", frame(0))
    images = [SourceImage("a.png", tmp_path / "a.png")]
    ((image, found),) = detect_stream(CornerDetector(), images, tiling=Tiling(32))
    with OutputFolder(tmp_path / "out", CLASSES, Wanted("yolo", copies=True)) as folder:
        assert (folder.pixels_of(image) == frame(0)).all()
        folder.add(image, found, None, folder.copy_of(image))
    assert (tmp_path / "out/images/a.png").read_bytes() == (tmp_path / "a.png").read_bytes()


def test_a_folder_that_cannot_be_made_leaves_the_results_before_it(tmp_path):
    (tmp_path / "crops").write_text("kept")
    (tmp_path / "detections.json").write_text("kept")
    with pytest.raises(InputError, match="crops cannot be written"):
        OutputFolder(tmp_path, CLASSES, Wanted(crops=True))
    assert [file.read_text() for file in tmp_path.iterdir()] == ["kept", "kept"]


STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How the pixels of an upright image lie in a file with each EXIF orientation."""


@pytest.mark.parametrize("orientation", STORED_AS)
def test_what_tiles_show_is_cut_out_of_the_upright_image(tmp_path, orientation):
    upright = frame(0, (96, 160))
    way = STORED_AS[orientation]
    stored = Image.fromarray(upright) if way is None else Image.fromarray(upright).transpose(way)
    exif = stored.getexif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95)
    images = [SourceImage("a.jpg", tmp_path / "a.jpg")]
    ((image, found),) = detect_stream(CornerDetector(), images, tiling=Tiling(96))
    with OutputFolder(tmp_path / "out", CLASSES, Wanted(pictures=False, crops=True)) as folder:
        folder.add(image, found, folder.pixels_of(image))
    assert found.size == (96, 160)
    for number, (x0, y0, x1, y1) in enumerate(found.boxes_px.round().astype(int).tolist(), start=1):
        crop = read_image(tmp_path / f"out/crops/red/a_{number}.jpg")
        assert np.abs(crop.astype(int) - upright[y0:y1, x0:x1]).mean() < 8
    assert len(found)


def test_without_pictures_no_image_is_decoded_again(tmp_path):
    folder = OutputFolder(tmp_path, CLASSES, Wanted("jsonl", pictures=False))
    with folder:
        assert folder.pixels_of(SourceImage("a", tmp_path / "gone.jpg")) is None
    assert folder.result_paths == (tmp_path / "detections.jsonl",)


def test_what_cannot_be_written_is_one_line(tmp_path, capfd, monkeypatch):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(InputError, match="file is a file, and a folder is needed: choose another --out"):
        OutputFolder(tmp_path / "file", CLASSES, Wanted())
    (tmp_path / "out" / "unfinished-clip.mp4").mkdir(parents=True)
    with pytest.raises(InputError, match="cannot be written as a video"):
        write(tmp_path / "out", video_images(write_video(tmp_path / "clip.mp4")))
    assert capfd.readouterr().err == ""


def test_only_what_an_earlier_run_drew_is_replaced(tmp_path):
    write_video(tmp_path / "clip.mp4", 3)
    out = tmp_path / "out"
    images = [SourceImage("a.png", frame(0)), *video_images(tmp_path / "clip.mp4")]
    wanted = Wanted(crops=True)
    assert write(out, images, wanted) == write(out, images[:2], wanted)
    assert video_length(out / "clip.mp4") == 1
    for name in ("a.jpg", "crops/red/a_1.jpg", "clip.mp4"):
        (out / name).unlink()
        save_picture(out / "other.jpg", frame(3))
        kept = (out / "other.jpg").rename(out / name).read_bytes()
        with pytest.raises(InputError, match="is there already, and not a result of an earlier run") as error:
            write(out, images, wanted)
        assert "\n" not in str(error.value)
        assert (out / name).read_bytes() == kept
        (out / name).unlink()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_picture_with_our_mark_is_as_good_as_another(tmp_path, suffix):
    found = CornerDetector().detect_batch(frame(0)[None], [SIZE])[0]
    for _ in range(2):
        (file,) = CropFolder.create(tmp_path / "crops", suffix).save(frame(0), "a", found)
    save_picture(tmp_path / f"plain{suffix}", read_crop(frame(0), found))
    np.testing.assert_array_equal(read_image(file), read_image(tmp_path / f"plain{suffix}"))
    with Image.open(file) as opened:
        assert opened.size == read_image(file).shape[1::-1]


def read_crop(image, found):
    (x0, y0), (x1, y1) = (
        np.floor(found.boxes_px[0, :2]).astype(int),
        np.ceil(found.boxes_px[0, 2:]).astype(int),
    )
    return image[y0:y1, x0:x1]


def test_a_link_to_a_photograph_is_no_picture_of_ours(tmp_path):
    save_picture(tmp_path / "mine.jpg", frame(3))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.jpg").symlink_to(tmp_path / "mine.jpg")
    with pytest.raises(InputError, match="is there already"):
        write(tmp_path / "out", [SourceImage("a.png", frame(0))])
    (tmp_path / "mine.jpg").unlink()
    with pytest.raises(InputError, match="is there already"):
        write(tmp_path / "out", [SourceImage("a.png", frame(0))])


def test_a_picture_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    save = Path.write_bytes

    def full(path, data):
        save(path, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left"):
        write(tmp_path, [SourceImage("a.png", frame(0))])
    assert [file.name for file in tmp_path.iterdir()] == ["detections.json"]


def test_a_video_that_did_not_arrive_whole_is_said(tmp_path, monkeypatch):
    class Full:
        fourcc = cv2.VideoWriter.fourcc

        def __init__(self, *_):
            self.is_open = True

        def isOpened(self):  # noqa: N802, the name OpenCV gives it
            return self.is_open

        def write(self, _):
            """Say nothing, as OpenCV does on a full disk."""

        def release(self):
            self.is_open = False

    images = list(video_images(write_video(tmp_path / "clip.mp4", 2)))
    monkeypatch.setattr("cv2.VideoWriter", Full)
    with pytest.raises(InputError, match=r"clip\.mp4 cannot be written whole"):
        write(tmp_path / "out", images)
