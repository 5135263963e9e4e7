"""What all packs have in common: the samples of the folder, read by anyone, complete or not there."""

import json
import math
import multiprocessing
import os
import pickle
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import h5py
import lmdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_keras.boxes.formats import px_to_relative, relative_to_px
from ssd_keras.data.checks import image_size
from ssd_keras.data.image_headers import DeferredImage
from ssd_keras.data.images import StoredImage, encoded_bytes, read_image, resize_image
from ssd_keras.data.inspection import inspect_dataset
from ssd_keras.data.packs import writing
from ssd_keras.data.packs.hdf5 import HDF5Image, read_hdf5, recognises_hdf5, write_hdf5
from ssd_keras.data.packs.lmdb import LMDBImage, read_lmdb, recognises_lmdb, write_lmdb
from ssd_keras.data.readers.voc import read_voc, write_voc
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

HEIGHT, WIDTH = 24, 36


class Pack:
    """One kind of pack."""

    def __init__(self, name, read, write, recognises, image):
        self.name, self.read, self.write, self.recognises = name, read, write, recognises
        self.image = image


HDF5 = Pack("hdf5", read_hdf5, write_hdf5, recognises_hdf5, HDF5Image)
LMDB = Pack("lmdb", read_lmdb, write_lmdb, recognises_lmdb, LMDBImage)


@pytest.fixture(params=[HDF5, LMDB], ids=lambda pack: pack.name)
def pack(request):
    return request.param


@pytest.fixture
def file(tmp_path):
    return tmp_path / "photos.pack"


def pixels_of(number, height=HEIGHT, width=WIDTH):
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)


def jpeg_of(number, **size):
    return cv2.imencode(".jpg", pixels_of(number, **size))[1].tobytes()


def sample_of(image_id="a", boxes=((1, 2, 30, 20),), labels=None, image=None, **flags):
    labels = [0] * len(boxes) if labels is None else labels
    truth = GroundTruth(np.array(boxes, np.float32).reshape(-1, 4), labels, **flags)
    return Sample(jpeg_of(7) if image is None else image, truth, image_id)


def numbered(count):
    """As many different samples, with 0, 1, 2, 0, ... objects."""
    for number in range(count):
        boxes = [(i, 1, i + 5.5, 9) for i in range(number % 3)]
        yield sample_of(str(number), boxes, image=jpeg_of(number), truncated=[True] * len(boxes))


def assert_same_sample(one, other, same_image=True):
    assert one.image_id == other.image_id
    for name in one.ground_truth.columns():
        ours, theirs = getattr(one.ground_truth, name), getattr(other.ground_truth, name)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    if same_image:
        assert encoded_bytes(one.image) == encoded_bytes(other.image)


def assert_same_data(one, other):
    assert one.class_names == other.class_names
    assert one.category_ids == other.category_ids
    assert list(one) == list(other)
    for split in one:
        assert [s.image_id for s in one[split]] == [s.image_id for s in other[split]]
        for ours, theirs in zip(one[split], other[split], strict=True):
            assert_same_sample(ours, theirs)


def only(data):
    (split,) = data.values()
    (sample,) = split
    return sample


def error_of(call, *arguments, **options):
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- The same samples --------------------------------------------------------------------------------------


TEXTS = st.text(max_size=8)
NAMES = st.text(min_size=1, max_size=8).filter(str.strip)


@st.composite
def datasets(draw):
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    samples = []
    for number in range(draw(st.integers(1, 4))):
        count = draw(st.integers(0, 3))
        low = np.array(draw(st.lists(st.floats(0, 1e4, width=32), min_size=2 * count, max_size=2 * count)))
        low = low.reshape(-1, 2).astype(np.float32)
        flags = st.lists(st.booleans(), min_size=count, max_size=count)
        truth = GroundTruth(
            np.hstack([low, low + np.float32(1.5)]),
            draw(st.lists(st.integers(0, len(names) - 1), min_size=count, max_size=count)),
            *(draw(flags) for _ in range(3)),
            draw(st.lists(st.just(math.nan) | st.floats(0.01, 1e6), min_size=count, max_size=count)),
        )
        samples.append(
            Sample(draw(st.sampled_from([jpeg_of(1), jpeg_of(2)])), truth, draw(TEXTS) + str(number))
        )
    members = st.lists(st.sampled_from(samples), max_size=4)
    splits = {name: draw(members) for name in draw(st.lists(TEXTS, unique=True, max_size=3))}
    return {**splits, "the rest": samples}, names


@settings(deadline=None, max_examples=25)
@given(data=datasets(), chosen=st.sampled_from([HDF5, LMDB]))
def test_what_is_written_is_read(data, chosen):
    splits, names = data
    ids = list(range(5, 5 + len(names)))
    with tempfile.TemporaryDirectory() as folder:
        chosen.write(Path(folder) / "x", splits, names, category_ids=ids)
        again = chosen.read(Path(folder) / "x")
        assert again.format == chosen.name
        assert again.class_names == tuple(names)
        assert again.category_ids == tuple(ids)
        assert again.problems == ()
        assert list(again) == list(splits)
        for name, samples in splits.items():
            assert len(again[name]) == len(samples)
            for ours, theirs in zip(again[name], samples, strict=True):
                assert isinstance(ours.image, StoredImage)
                assert_same_sample(ours, theirs)


@pytest.fixture
def folder(tmp_path):
    splits = {"train": numbered(5), "val": [sample_of("x", difficult=[True], crowd=[False])]}
    write_voc(tmp_path / "voc", splits, ["cat", "dog"])
    return read_voc(tmp_path / "voc", ["cat", "dog"])


def test_a_pack_of_encoded_images_is_as_the_folder(pack, file, folder):
    pack.write(file, folder, folder.class_names)
    assert pack.recognises(file)
    assert_same_data(pack.read(file), folder)


def test_a_pack_of_pixels_is_as_the_folder(pack, file, folder):
    pack.write(file, folder, folder.class_names, pixels=True)
    again = pack.read(file)
    for split in folder:
        for ours, theirs in zip(again[split], folder[split], strict=True):
            assert_same_sample(ours, theirs, same_image=False)
            pixels = ours.image.load()
            assert isinstance(pixels, np.ndarray)
            assert pixels.flags.writeable
            np.testing.assert_array_equal(pixels, read_image(theirs.image))


@pytest.mark.parametrize("pixels", [False, True])
def test_the_names_of_files_come_back_out_of_a_pack(pack, tmp_path, pixels):
    """Labels know images by their ids, which may be others, and programs by the names of their files."""
    splits = {}
    for number, split in enumerate(("train", "valid")):
        image = tmp_path / split / "000000005001.jpg"
        image.parent.mkdir()
        image.write_bytes(jpeg_of(number))
        splits[split] = [sample_of(str(number), image=image)]
    pack.write(tmp_path / "one", splits, ["cat"], pixels=pixels)
    pack.write(tmp_path / "two", pack.read(tmp_path / "one"), ["cat"], pixels=pixels)
    packed = pack.read(tmp_path / "two")
    assert [packed[split][0].image.file_name for split in splits] == ["000000005001.jpg"] * 2
    assert [packed[split][0].image_id for split in splits] == ["0", "1"]
    write_voc(tmp_path / "voc", packed, ["cat"])
    names = [sample.image.stem for split in read_voc(tmp_path / "voc").values() for sample in split]
    assert names == ["000000005001", "000000005001_2"]


def test_an_image_that_is_no_file_has_no_name(pack, file):
    pack.write(file, {"all": [sample_of("a")]}, ["cat"])
    assert only(pack.read(file)).image.file_name == ""


def test_pixels_of_different_sizes(pack, file):
    images = [pixels_of(1), pixels_of(2, 5, 7), pixels_of(3, 40, 1)]
    pack.write(
        file, {"all": [sample_of(str(i), image=image) for i, image in enumerate(images)]}, ["a"], pixels=True
    )
    for sample, image in zip(pack.read(file)["all"], images, strict=True):
        np.testing.assert_array_equal(sample.image.load(), image)


def test_pixels_become_jpeg_where_encoded_images_are_asked_for(pack, file):
    pack.write(file, {"all": [sample_of(image=pixels_of(1))]}, ["a"], jpeg_quality=95)
    content = only(pack.read(file)).image.load()
    assert content.startswith(b"\xff\xd8")
    assert read_image(content).shape == (HEIGHT, WIDTH, 3)


def test_a_sample_of_two_splits_is_stored_once(pack, file):
    same, other = sample_of("a"), sample_of("b")
    pack.write(file, {"train": [same, other], "trainval": [other, same, sample_of("a")]}, ["cat"])
    again = pack.read(file)
    assert again["trainval"][1] is again["train"][0]
    assert again["trainval"][2] is again["train"][0]
    assert [sample.image_id for sample in again["trainval"]] == ["b", "a", "a"]


def test_two_samples_of_one_name_stay_two(pack, file):
    pack.write(file, {"all": [sample_of("a"), sample_of("a", boxes=())]}, ["cat"])
    one, other = pack.read(file)["all"]
    assert (len(one.ground_truth), len(other.ground_truth)) == (1, 0)
    assert one.name != other.name


@pytest.mark.parametrize("pixels", [False, True])
def test_boxes_are_warped_with_their_image(pack, file, pixels):
    sample = sample_of(boxes=[(3, 4, 30, 20)], image=pixels_of(1), areas=[250])
    pack.write(file, {"all": [sample]}, ["cat"], size=(12, 72), pixels=pixels)
    read = only(pack.read(file))
    assert image_size(read.image) == (12, 72)
    np.testing.assert_allclose(read.ground_truth.boxes_px, [[6, 2, 60, 10]], rtol=1e-6)
    expected = relative_to_px(px_to_relative(sample.ground_truth.boxes_px, (HEIGHT, WIDTH)), (12, 72))
    np.testing.assert_array_equal(read.ground_truth.boxes_px, expected)
    assert read.ground_truth.areas.tolist() == pytest.approx([250 * 12 * 72 / (HEIGHT * WIDTH)])
    if pixels:
        np.testing.assert_array_equal(read.image.load(), resize_image(sample.image, (12, 72)))


def test_areas_that_can_be_none_are_not_known(pack, file):
    boxes = [(i, 1, i + 5.5, 9) for i in range(4)]
    areas = [20.5, -1, np.inf, np.nan]
    pack.write(file, {"all": [sample_of(boxes=boxes, areas=areas), sample_of("b", ())]}, ["cat"])
    data = pack.read(file)
    np.testing.assert_array_equal(data["all"][0].ground_truth.areas, [20.5, np.nan, np.nan, np.nan])
    assert data["all"][1].ground_truth.areas.shape == (0,)


def test_a_pack_can_be_made_of_a_pack(pack, file, folder):
    pack.write(file, folder, folder.class_names, pixels=True)
    for other in (HDF5, LMDB):
        again = file.with_name(f"again-{other.name}")
        other.write(again, pack.read(file), folder.class_names, pixels=True)
        assert_same_data(other.read(again), pack.read(file))


def test_a_folder_can_be_made_of_a_pack_and_nothing_lands_outside(pack, tmp_path):
    file = tmp_path / "in" / "x.pack"
    samples = [sample_of("../../evil"), sample_of("/etc/evil", image=pixels_of(3))]
    pack.write(file, {"all": samples}, ["cat"], pixels=True)
    write_voc(tmp_path / "out", pack.read(file), ["cat"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    assert len(read_voc(tmp_path / "out")["all"]) == 2


# --- Class names -------------------------------------------------------------------------------------------


def test_given_class_names_fix_the_labels(pack, file):
    samples = [sample_of(boxes=[(1, 1, 2, 2), (1, 1, 3, 3)], labels=[2, 0])]
    pack.write(file, {"all": samples}, ["a", "unused", "c"], category_ids=[10, 20, 30])
    again = pack.read(file, ["c", "a"])
    assert again.class_names == ("c", "a")
    assert only(again).ground_truth.labels.tolist() == [0, 1]
    assert again.category_ids == (30, 10)
    assert pack.read(file, ["c", "a", "new"]).category_ids is None


def test_a_class_in_use_that_is_not_among_the_given_ones_is_an_error(pack, file):
    pack.write(file, {"all": [sample_of(labels=[1])]}, ["dog", "persn"])
    said = error_of(pack.read, file, ["person"])
    assert "class 'persn'" in said
    assert "did you mean 'person'?" in said


def test_more_classes_than_an_attribute_could_hold(pack, file):
    names = [f"class with a long name {number:06}" for number in range(5000)]
    pack.write(file, {"all": [sample_of(labels=[4999])]}, names)
    assert pack.read(file).class_names == tuple(names)


# --- Reading -----------------------------------------------------------------------------------------------


def count_loads(monkeypatch, pack):
    loads, load = [], pack.image.load

    def counted(image):
        loads.append(image.number)
        return load(image)

    monkeypatch.setattr(pack.image, "load", counted)
    return loads


def test_images_are_read_when_they_are_needed(pack, file, monkeypatch):
    pack.write(file, {"all": numbered(5)}, ["cat"])
    loads = count_loads(monkeypatch, pack)
    samples = pack.read(file)["all"]
    assert loads == []
    read_image(samples[3].image)
    assert loads == [3]


def test_opening_costs_nothing_per_byte_of_image(pack, file):
    big = np.zeros((3000, 3000, 3), np.uint8)
    pack.write(file, {"all": [sample_of("a", image=big), sample_of("b", image=big)]}, ["cat"], pixels=True)
    import tracemalloc

    tracemalloc.start()
    samples = pack.read(file)["all"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    assert image_size(samples[1].image) == (3000, 3000)


def test_eight_threads_read_at_once(pack, file):
    pack.write(file, {"all": numbered(20)}, ["cat"], pixels=True)
    samples = pack.read(file)["all"]
    expected = [read_image(jpeg_of(number)) for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        numbers = list(np.random.default_rng(1).integers(0, 20, 200))
        for number, read in zip(numbers, pool.map(lambda n: samples[n].image.load(), numbers), strict=True):
            np.testing.assert_array_equal(read, expected[number])


def checksum(sample):
    return os.getpid(), int(read_image(sample.image, name=sample.name).sum())


@pytest.mark.parametrize("first_read_here", [False, True])
def test_three_spawned_processes_read(pack, file, first_read_here):
    pack.write(file, {"all": numbered(6)}, ["cat"], pixels=True)
    samples = list(pack.read(file)["all"])
    expected = [int(read_image(jpeg_of(number)).sum()) for number in range(6)]
    if first_read_here:
        checksum(samples[0])
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.map(checksum, samples, chunksize=1)
    assert [total for _, total in found] == expected
    assert os.getpid() not in {process for process, _ in found}


def read_in_child(samples, ends):
    ends.send([checksum(sample)[1] for sample in samples])


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_processes_and_their_parent_read(pack, file):
    pack.write(file, {"all": numbered(6)}, ["cat"], pixels=True)
    samples = pack.read(file)["all"]
    expected = [checksum(sample)[1] for sample in samples]
    context = multiprocessing.get_context("fork")
    for _ in range(3):
        here, there = context.Pipe()
        child = context.Process(target=read_in_child, args=(samples, there))
        child.start()
        assert [checksum(sample)[1] for sample in samples] == expected
        assert here.recv() == expected
        child.join()
        assert child.exitcode == 0


def test_images_of_a_pack_are_taken_wherever_images_are(pack, file, folder):
    for pixels in (False, True):
        target = file.with_name(f"{pixels}")
        pack.write(target, folder, folder.class_names, pixels=pixels)
        data = pack.read(target)
        image = data["train"][1].image
        assert pickle.loads(pickle.dumps(image)) == image
        assert image_size(image) == (HEIGHT, WIDTH)
        assert DeferredImage(image, "").size == (HEIGHT, WIDTH)
        np.testing.assert_array_equal(DeferredImage(image, "").pixels()[0], read_image(image))
        np.testing.assert_array_equal(read_image(encoded_bytes(image)), read_image(image))
        found = inspect_dataset(data)
        assert (found.images, found.boxes, found.image_sizes) == (6, 5, {(HEIGHT, WIDTH): 6})
        assert found.problems == ()


def write_damaged(pack, file):
    """Write a pack of two images of which the second no longer is one; what is left of it."""
    image = jpeg_of(7)
    pack.write(file, {"all": [sample_of("a", image=jpeg_of(1)), sample_of("b", image=image)]}, ["cat"])
    content = file.read_bytes()
    assert image in content
    file.write_bytes(content.replace(image, bytes(len(image))))
    return bytes(len(image))


def test_errors_name_the_image_by_its_place(pack, file):
    damaged = write_damaged(pack, file)
    sample = pack.read(file)["all"][1]
    assert encoded_bytes(sample.image) == damaged
    assert sample.name == f"{file}, image 1 (b)"
    assert error_of(read_image, sample.image).startswith(f"{sample.name} does not decode as an image")
    assert image_size(sample.image) is None
    (problem,) = inspect_dataset(pack.read(file)).problems
    assert (problem.file, problem.problem) == (sample.name, "does not decode as an image")


def test_a_pack_that_was_replaced_gives_no_image_of_the_new_one(pack, file):
    pack.write(file, {"all": [sample_of("a")]}, ["cat"])
    sample = only(pack.read(file))
    file.unlink()
    pack.write(file, {"all": [sample_of("b", image=jpeg_of(2, height=9)), sample_of("c")]}, ["cat"])
    assert "was changed since it was opened" in error_of(read_image, sample.image)
    file.unlink()
    assert "cannot be read" in error_of(read_image, sample.image)


def test_faulty_boxes_are_left_out_or_put_right(pack, file):
    boxes = [(1, 1, 1, 5), (9, 9, 2, 2), (1, 2, 3, 4), (np.nan, 1, 2, 3)]
    pack.write(file, {"all": [sample_of("x"), sample_of("y", boxes, labels=[0, 1, 2, 3])]}, list("abcd"))
    data = pack.read(file)
    truth = data["all"][1].ground_truth
    np.testing.assert_array_equal(truth.boxes_px, [(2, 2, 9, 9), (1, 2, 3, 4)])
    assert truth.labels.tolist() == [1, 2]
    assert [problem.problem.split(" has ")[0].split(" is ")[0] for problem in data.problems] == [
        "image 1 (y): box 1",
        "image 1 (y): box 2",
        "image 1 (y): box 4",
    ]


def test_a_great_many_faulty_boxes_are_counted(pack, file):
    pack.write(file, {"all": [sample_of("x", [(1, 1, 1, 1)] * 1500)]}, ["cat"])
    problems = pack.read(file).problems
    assert len(problems) == 1001
    assert problems[-1].problem.startswith("has 500 more boxes")


# --- Writing -----------------------------------------------------------------------------------------------


class InterruptionError(Exception):
    pass


def interrupted(samples, after):
    for number, sample in enumerate(samples):
        if number == after:
            raise InterruptionError
        yield sample


@pytest.mark.parametrize("after", [0, 1, 4, 6])
@pytest.mark.parametrize("options", [{}, {"pixels": True, "size": (10, 20)}])
def test_an_interrupted_writing_goes_on_where_it_stopped(pack, file, monkeypatch, after, options):
    monkeypatch.setattr(writing, "FLUSH_IMAGES", 3)
    whole = file.with_name("whole")
    pack.write(whole, {"train": numbered(7), "val": numbered(2)}, ["cat"], **options)
    with pytest.raises(InterruptionError):
        pack.write(file, {"train": interrupted(numbered(7), after)}, ["cat"], **options)
    assert sorted(path.name for path in file.parent.iterdir()) == ["unfinished-photos.pack", "whole"]
    anew, record = [], writing._record
    monkeypatch.setattr(writing, "_record", lambda *a: anew.append(a[0].image_id) or record(*a))
    pack.write(file, {"train": numbered(7), "val": numbered(2)}, ["cat"], **options)
    assert anew == [str(number) for number in range(after, 7)]
    assert sorted(path.name for path in file.parent.iterdir()) == ["photos.pack", "whole"]
    assert_same_data(pack.read(file), pack.read(whole))


@pytest.mark.parametrize(
    ("names", "options"), [(["dog"], {}), (["cat"], {"pixels": True}), (["cat"], {"category_ids": [3]})]
)
def test_other_arguments_start_anew(pack, file, names, options):
    with pytest.raises(InterruptionError):
        pack.write(file, {"train": interrupted(numbered(7), 3)}, ["cat"])
    pack.write(file, {"train": numbered(2)}, names, **options)
    data = pack.read(file)
    assert data.class_names == tuple(names)
    assert [sample.image_id for sample in data["train"]] == ["0", "1"]


@pytest.mark.parametrize("same", [0, 2])
def test_nothing_is_left_of_other_samples(pack, file, same):
    with pytest.raises(InterruptionError):
        pack.write(file, {"train": interrupted(numbered(7), 5)}, ["cat"])
    samples = [*numbered(same), sample_of("other", image=jpeg_of(50))]
    pack.write(file, {"train": samples}, ["cat"])
    whole = file.with_name("whole")
    pack.write(whole, {"train": samples}, ["cat"])
    assert_same_data(pack.read(file), pack.read(whole))
    assert max(sample.image.number for sample in pack.read(file)["train"]) == same


def test_fewer_samples_than_before_the_interruption(pack, file):
    with pytest.raises(InterruptionError):
        pack.write(file, {"train": interrupted(numbered(7), 5)}, ["cat"])
    pack.write(file, {"train": numbered(3)}, ["cat"])
    assert [sample.image_id for sample in pack.read(file)["train"]] == ["0", "1", "2"]


def test_an_image_that_changed_since_the_interruption_is_read_anew(pack, file, tmp_path):
    image = tmp_path / "a.jpg"
    image.write_bytes(jpeg_of(1))
    with pytest.raises(InterruptionError):
        pack.write(file, {"train": interrupted([sample_of(image=image), sample_of()], 1)}, ["cat"])
    image.write_bytes(jpeg_of(2, height=50))
    pack.write(file, {"train": [sample_of(image=image)]}, ["cat"])
    assert image_size(only(pack.read(file)).image) == (50, WIDTH)


def write_and_die(pack, file):
    def samples():
        yield from numbered(5)
        os._exit(9)

    writing.FLUSH_IMAGES = 2
    pack.write(file, {"train": samples()}, ["cat"])


def test_a_writing_that_was_killed_goes_on(pack, file, monkeypatch):
    child = multiprocessing.get_context("spawn").Process(target=write_and_die, args=(pack, file))
    child.start()
    child.join()
    assert child.exitcode == 9
    anew, record = [], writing._record
    monkeypatch.setattr(writing, "_record", lambda *a: anew.append(a[0].image_id) or record(*a))
    pack.write(file, {"train": numbered(6)}, ["cat"])
    assert anew == ["4", "5"]
    whole = file.with_name("whole")
    pack.write(whole, {"train": numbered(6)}, ["cat"])
    assert_same_data(pack.read(file), pack.read(whole))


def interrupt(pack, file):
    """Leave an unfinished pack beside `file`, and give its path."""
    with pytest.raises(InterruptionError):
        pack.write(file, {"train": interrupted(numbered(7), 5)}, ["cat"], pixels=True)
    return file.with_name(f"unfinished-{file.name}")


@pytest.mark.parametrize("part", [0, 0.5])
def test_what_is_left_of_an_interruption_may_be_cut_short(pack, file, part):
    unfinished = interrupt(pack, file)
    content = unfinished.read_bytes()
    unfinished.write_bytes(content[: int(len(content) * part)])
    pack.write(file, {"train": numbered(7)}, ["cat"], pixels=True)
    assert len(pack.read(file)["train"]) == 7
    assert not unfinished.exists()


def other_hdf5(path):
    with h5py.File(path, "w") as other:
        other["kernel"] = np.zeros(3)


def other_lmdb(path):
    with lmdb.open(str(path), subdir=False, lock=False) as other, other.begin(write=True) as transaction:
        transaction.put(b"00000000_2008_000002.jpg", b"as Caffe has it")


def whole_pack(path):
    known = HDF5 if path.parent.name == "hdf5" else LMDB
    known.write(path, {"all": [sample_of()]}, ["cat"])


PRECIOUS = {
    "text": lambda path: path.write_text("precious"),
    "HDF5 of another program": other_hdf5,
    "LMDB of another program": other_lmdb,
    "a pack that is complete": whole_pack,
}


@pytest.mark.parametrize("content", PRECIOUS)
def test_a_file_of_the_user_is_not_taken_for_an_unfinished_pack(pack, tmp_path, content):
    folder = tmp_path / pack.name
    folder.mkdir()
    unfinished = folder / "unfinished-photos"
    PRECIOUS[content](unfinished)
    before = unfinished.read_bytes()
    said = error_of(pack.write, folder / "photos", {"train": numbered(2)}, ["cat"])
    assert f"{unfinished} is in the way" in said
    assert unfinished.read_bytes() == before


def test_another_process_that_writes_the_same_pack_is_left_alone(pack, file):
    refused = []

    def samples():
        yield from numbered(3)
        refused.append(error_of(pack.write, file, {"train": numbered(1)}, ["cat"]))
        yield sample_of("last")

    pack.write(file, {"train": samples()}, ["cat"])
    assert "is being written by another process" in refused[0]
    assert [sample.image_id for sample in pack.read(file)["train"]] == ["0", "1", "2", "last"]
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def write_slowly(pack, file, ends):
    def samples():
        yield from numbered(2)
        ends.send("begun")
        ends.recv()
        yield sample_of("last")

    pack.write(file, {"train": samples()}, ["cat"])


def test_two_processes_do_not_write_one_pack(pack, file):
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=write_slowly, args=(pack, file, there))
    child.start()
    assert here.recv() == "begun"
    said = error_of(pack.write, file, {"train": numbered(1)}, ["cat"])
    here.send("go on")
    child.join()
    assert "is being written by another process" in said
    assert child.exitcode == 0
    assert len(pack.read(file)["train"]) == 3


def test_samples_are_taken_one_at_a_time_and_memory_stays_small(pack, file, monkeypatch):
    import tracemalloc

    monkeypatch.setattr(writing, "FLUSH_BYTES", 1 << 20)

    def samples():
        for number in range(60):
            yield sample_of(str(number), image=pixels_of(number, 300, 300))

    tracemalloc.start()
    pack.write(file, {"all": samples()}, ["cat"], pixels=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
    assert file.stat().st_size > 60 * 270_000


def test_a_pack_is_not_overwritten(pack, file):
    file.write_text("precious")
    assert "exists already" in error_of(pack.write, file, {"all": [sample_of()]}, ["cat"])
    assert file.read_text() == "precious"
    assert "exists already" in error_of(pack.write, Path(), {"all": [sample_of()]}, ["cat"])


def test_what_cannot_be_written(pack, file, tmp_path):
    (tmp_path / "text").write_text("")
    said = error_of(pack.write, tmp_path / "text" / "x", {"all": [sample_of()]}, ["cat"])
    assert "cannot be written" in said
    (tmp_path / f"unfinished-{file.name}").mkdir()
    assert "is in the way" in error_of(pack.write, file, {"all": [sample_of()]}, ["cat"])


@pytest.mark.parametrize(
    ("sample", "options", "said"),
    [
        (sample_of(image=b"none"), {"pixels": True}, "a does not decode as an image"),
        (sample_of(image=b"none"), {}, "inspect DATA --fix OUT"),
        (sample_of(image=b""), {}, "a does not decode as an image"),
        (sample_of(image=Path("missing.jpg")), {}, "missing.jpg cannot be read"),
        (sample_of(labels=[1]), {}, "none of the 1 classes"),
        (sample_of(labels=[-1]), {}, "none of the 1 classes"),
        (sample_of(), {"size": (0, 5)}, "size"),
        (sample_of(), {"size": (10**6, 10**6)}, "size"),
        (sample_of(), {"category_ids": [1, 2]}, "2 category ids"),
    ],
)
def test_what_a_pack_cannot_be_made_of(pack, file, sample, options, said):
    assert said in error_of(pack.write, file, {"all": [sample]}, ["cat"], **options)
    assert not file.exists()


# --- Bad packs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("splits", [{}, {"all": []}])
def test_a_pack_without_images_is_not_written(pack, file, splits):
    assert "there is no image to be written" in error_of(pack.write, file, splits, ["cat"])
    assert list(file.parent.iterdir()) == []


def test_a_pack_without_images_is_an_error(pack, file, monkeypatch):
    empty = json.dumps(ABOUT | {"splits": {"all": []}}).encode()
    monkeypatch.setattr(writing.About, "as_json", lambda about: empty)
    pack.write(file, {"all": [sample_of()]}, ["cat"])
    assert "holds no image" in error_of(pack.read, file)


def test_an_unfinished_pack_says_so(pack, file):
    with pytest.raises(InterruptionError):
        pack.write(file, {"train": interrupted(numbered(7), 3)}, ["cat"])
    assert "is not complete" in error_of(pack.read, file.with_name(f"unfinished-{file.name}"))


def test_what_is_no_pack_is_not_recognised(pack, file, tmp_path):
    file.write_bytes(b"\0" * 5000)
    for path in (file, tmp_path, tmp_path / "missing"):
        assert not pack.recognises(path)
        assert str(path) in error_of(pack.read, path)


def test_cut_short_anywhere_is_one_line(pack, file):
    pack.write(file, {"all": numbered(6)}, ["cat"], pixels=True)
    content = file.read_bytes()
    expected = [read_image(jpeg_of(number)) for number in range(6)]
    complete, lines = 0, []
    for part in np.linspace(0, len(content) - 1, 12).astype(int):
        file.unlink()
        file.write_bytes(content[:part])
        try:
            images = [read_image(sample.image) for sample in pack.read(file)["all"]]
        except InputError as error:
            lines.append(str(error))
            continue
        np.testing.assert_array_equal(images, expected)
        complete += 1
    assert not any("\n" in line for line in lines)
    assert complete <= 2  # what is missing at the very end of an LMDB file may be pages that are not in use


def test_damage_anywhere_is_one_line_or_another_pixel(pack, file):
    pack.write(file, {"all": numbered(6)}, ["cat"])
    content = file.read_bytes()
    rng, lines = np.random.default_rng(3), []
    filled = np.flatnonzero(np.frombuffer(content, np.uint8))  # most of the file is room for more
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(8):
            damaged[rng.choice(filled)] = rng.integers(0, 256)
        file.unlink()
        file.write_bytes(damaged)
        try:
            for sample in pack.read(file)["all"]:
                encoded_bytes(sample.image)
        except InputError as error:
            lines.append(str(error))
    assert lines
    assert not any("\n" in line for line in lines)


ABOUT = {"class_names": ["cat"], "category_ids": None, "splits": {"all": [0]}}
LIES = [
    b"",
    b"[]",
    b"[" * 100_000,
    b"\xff",
    *(
        json.dumps(ABOUT | change).encode()
        for change in (
            {"class_names": []},
            {"class_names": [1]},
            {"class_names": "cat"},
            {"class_names": ["cat", "cat"]},
            {"category_ids": [1, 2]},
            {"category_ids": ["1"]},
            {"splits": []},
            {"splits": {"all": [1]}},
            {"splits": {"all": [-1]}},
            {"splits": {"all": [True]}},
            {"splits": {"all": [10**30]}},
            {"splits": {"all": {}}},
        )
    ),
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie[:60].decode(errors="replace"))
def test_class_names_and_splits_that_make_no_sense(pack, file, monkeypatch, lie):
    monkeypatch.setattr(writing.About, "as_json", lambda about: lie)
    if not lie and pack is HDF5:
        lie = b" "
    pack.write(file, {"all": [sample_of()]}, ["cat"])
    assert "says nothing sensible" in error_of(pack.read, file)
