"""LMDB in particular: the library reads what we write, and we read what it writes; growth, and lies."""

import struct
import subprocess
import sys

import lmdb
import numpy as np
import pytest

from ssd_keras.data.packs import lmdb_store
from ssd_keras.data.packs.contents import DamagedError
from ssd_keras.data.packs.lmdb import read_lmdb, recognises_lmdb, write_lmdb
from ssd_keras.data.packs.lmdb_file import find_values
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError


def samples(count, size=40):
    rng = np.random.default_rng(1)
    for number in range(count):
        truth = GroundTruth([(1, 2, 3, 4)] * (number % 3), [0] * (number % 3))
        yield Sample(rng.integers(0, 256, (size, 7, 3), np.uint8), truth, f"é{number}")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "photos.lmdb"
    write_lmdb(path, {"all": samples(5)}, ["cat"], pixels=True)
    return path


def opened(path, **options):
    return lmdb.open(str(path), subdir=False, lock=False, **options)


def error_of(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_pack_is_one_file(file):
    assert [path.name for path in file.parent.iterdir()] == ["photos.lmdb"]


def test_the_library_reads_the_same(file):
    with opened(file, readonly=True) as environment, environment.begin() as transaction:
        for number, sample in enumerate(samples(5)):
            assert transaction.get(b"image/%010d" % number) == sample.image.tobytes()
            labels = transaction.get(b"labels/%010d" % number)
            assert struct.unpack_from("<IIII", labels) == (40, 7, number % 3, 3)
        assert transaction.stat()["entries"] == 12


@pytest.mark.parametrize("count", [0, 1, 30, 3000])
def test_every_value_is_found_where_the_library_put_it(tmp_path, count):
    rng = np.random.default_rng(count)
    written = {
        b"%08d" % rng.integers(1 << 26): rng.bytes(int(rng.choice([0, 1, 100, 1900, 2100, 5000, 20_000])))
        for _ in range(count)
    }
    with opened(tmp_path / "x", map_size=1 << 28) as environment:
        for part in range(3):  # several transactions, with pages freed and used again
            with environment.begin(write=True) as transaction:
                for key, value in written.items():
                    transaction.put(key, value + bytes(part))
    content = (tmp_path / "x").read_bytes()
    found = {key: content[start : start + length] for key, (start, length) in find_values(tmp_path / "x")}
    assert found == {key: value + bytes(2) for key, value in written.items()}
    assert list(found) == sorted(found)


def test_the_map_grows(tmp_path, monkeypatch):
    monkeypatch.setattr(lmdb_store, "FIRST_MAP_BYTES", 1 << 16)
    write_lmdb(tmp_path / "x", {"all": samples(20, 2000)}, ["cat"], pixels=True)
    for sample, written in zip(read_lmdb(tmp_path / "x")["all"], samples(20, 2000), strict=True):
        np.testing.assert_array_equal(sample.image.load(), written.image)


def test_other_lmdb_files_are_no_packs(tmp_path):
    with opened(tmp_path / "x") as environment, environment.begin(write=True) as transaction:
        transaction.put(b"00000000_2008_000002.jpg", b"as Caffe has it")
    assert recognises_lmdb(tmp_path / "x")
    assert "no pack" in error_of(read_lmdb, tmp_path / "x")
    with opened(tmp_path / "empty") as environment:
        environment.sync(True)
    assert "no pack" in error_of(read_lmdb, tmp_path / "empty")


LABELS, IMAGE = b"labels/0000000001", b"image/0000000001"
HEAD = struct.Struct("<IIIII")
LIES = {
    "version": ({b"version": b"99"}, "newer than 2: update"),
    "version is text": ({b"version": b"one"}, "is damaged"),
    "another key": ({b"image/x": b""}, "give the images and labels that it was made of"),
    "a gap": ({IMAGE: None}, "no pack of images"),
    "an image without labels": ({b"labels/0000000004": None}, "5 images and labels of 4"),
    "no about": ({b"about": None}, "is not complete"),
    "huge about": ({b"about": bytes(1 << 26)}, "more than it may have"),
    "labels of nothing": ({LABELS: b""}, "cut short"),
    "labels of few bytes": ({LABELS: HEAD.pack(40, 7, 1, 3, 0)}, "another length"),
    "more objects than there is space": (
        {LABELS: HEAD.pack(40, 7, 0xFFFFFFFF, 3, 0) + bytes(19)},
        "another length",
    ),
    "longer id": ({LABELS: HEAD.pack(40, 7, 0, 0xFFFFFFFF, 0) + bytes(19)}, "another length"),
    "id is no text": ({LABELS: HEAD.pack(40, 7, 0, 3, 0) + b"\xff" * 19}, "is damaged"),
    "size": ({LABELS: HEAD.pack(40, 8, 0, 3, 0) + b"abc" + bytes(16)}, "another size"),
    "huge size": ({LABELS: HEAD.pack(0xFFFFFFFF, 0xFFFFFFFF, 0, 3, 0) + b"abc" + bytes(16)}, "impossible"),
    "half a size": ({LABELS: HEAD.pack(0, 8, 0, 3, 0) + b"abc" + bytes(16)}, "another size"),
    "label": (
        {
            LABELS: HEAD.pack(40, 7, 1, 3, 0)
            + struct.pack("<ffffi", 1, 2, 3, 4, 1)
            + bytes(3 + 8)
            + b"abc"
            + bytes(16)
        },
        "beyond its 1 classes",
    ),
    "image is shorter": ({IMAGE: bytes(839)}, "another size"),
}


@pytest.mark.parametrize("lie", LIES)
def test_packs_that_lie(file, lie):
    changes, said = LIES[lie]
    with opened(file, map_size=1 << 28) as environment, environment.begin(write=True) as transaction:
        for key, value in changes.items():
            transaction.delete(key)
            if value is not None:
                transaction.put(key, value)
    assert said in error_of(read_lmdb, file)


def test_labels_beyond_what_is_read_are_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(lmdb_store, "LARGEST_LABELS", 200)
    assert "labels of so many objects" in error_of(write_lmdb, tmp_path / "x", {"all": samples(6)}, ["cat"])


def test_a_pack_of_version_1_is_read_without_names_of_files(file):
    """Its labels said nothing of the file of an image."""
    with opened(file, map_size=1 << 28) as environment, environment.begin(write=True) as transaction:
        for number in range(5):
            key = b"labels/%010d" % number
            value = transaction.get(key)
            head = struct.pack("<IIII", *HEAD.unpack_from(value)[:4])
            objects = HEAD.unpack_from(value)[2]
            areas = HEAD.size + 23 * objects
            transaction.put(key, head + value[HEAD.size : areas] + value[areas + 8 * objects :])
        transaction.put(b"version", b"1")
    read = read_lmdb(file)["all"]
    assert [sample.image.file_name for sample in read] == [""] * 5
    for sample, written in zip(read, samples(5), strict=True):
        assert sample.image_id == written.image_id
        np.testing.assert_array_equal(sample.ground_truth.boxes_px, written.ground_truth.boxes_px)


def newest_meta(content):
    """Where the newest meta page begins behind its header."""
    return max((16, 4096 + 16), key=lambda place: struct.unpack_from("<Q", content, place + 128))


def root_page(content):
    (root,) = struct.unpack_from("<Q", content, newest_meta(content) + 72 + 40)
    return root


def changed(content, place, layout, *values):
    damaged = bytearray(content)
    struct.pack_into(layout, damaged, place, *values)
    return bytes(damaged)


@pytest.fixture
def tree(tmp_path):
    """A file with several pages of branches and leaves; its content."""
    path = tmp_path / "tree"
    page = lmdb.open(str(path), subdir=False, lock=False, map_size=1 << 26)
    with page, page.begin(write=True) as transaction:
        for number in range(400):
            transaction.put(b"%08d" % number, bytes(number % 300))
    content = path.read_bytes()
    assert struct.unpack_from("<H", content, root_page(content) * 4096 + 10) == (1,)
    return content


@pytest.mark.skipif(sys.byteorder != "little", reason="LMDB writes in the order of the machine")
def test_pages_that_lie(tmp_path, tree):
    root = root_page(tree) * 4096
    (first,) = struct.unpack_from("<H", tree, root + 16)
    (child,) = struct.unpack_from("<H", tree, root + first)
    (node,) = struct.unpack_from("<H", tree, child * 4096 + 16)
    meta = newest_meta(tree)
    lies = {
        "magic": changed(tree, meta, "<I", 1),
        "data version": changed(tree, meta + 4, "<I", 3),
        "page size": changed(tree, meta + 24, "<I", 4095),
        "zero page size": changed(changed(tree, 16 + 24, "<I", 0), 4096 + 16 + 24, "<I", 0),
        "huge page size": changed(tree, 16 + 24, "<I", 1 << 31),
        "root beyond the file": changed(tree, meta + 72 + 40, "<Q", 1 << 40),
        "root is the head": changed(tree, meta + 72 + 40, "<Q", 0),
        "entries": changed(tree, meta + 72 + 32, "<Q", 401),
        "duplicates": changed(tree, meta + 72 + 4, "<H", 4),
        "circle": changed(tree, root + first, "<H", root // 4096),
        "child beyond the file": changed(tree, root + first, "<H", 0xFFFF),
        "page twice": changed(tree, root + first, "<H", child + 1),
        "kind of page": changed(tree, child * 4096 + 10, "<H", 0x22),
        "nodes beyond the page": changed(tree, child * 4096 + 12, "<H", 0xFFFF),
        "no nodes": changed(tree, child * 4096 + 12, "<H", 3),
        "node beyond the page": changed(tree, child * 4096 + 16, "<H", 4095),
        "value beyond the page": changed(tree, child * 4096 + node, "<HH", 0xFFFF, 0xFFFF),
        "key beyond the page": changed(tree, child * 4096 + node + 6, "<H", 0xFFFF),
        "kind of value": changed(tree, child * 4096 + node + 4, "<H", 2),
        "large value beyond the file": changed(tree, child * 4096 + node + 4, "<H", 1),
        "order of keys": changed(tree, child * 4096 + node + 8, "<Q", 0xFFFFFFFF),
    }
    for lie, content in lies.items():
        path = tmp_path / "lie"
        path.write_bytes(content)
        with pytest.raises(DamagedError):
            pytest.fail(f"{lie} passes: {len(list(find_values(path)))} values")
        error_of(read_lmdb, path)


def test_a_file_of_a_newer_library_is_said_to_be_one(tmp_path):
    (tmp_path / "x").write_bytes(bytes(24) + struct.pack("<II", 0xBEEFC0DE, 3) + bytes(8192))
    assert recognises_lmdb(tmp_path / "x")
    assert "newer LMDB" in error_of(read_lmdb, tmp_path / "x")


def test_reading_does_not_load_the_library_into_the_file(file):
    """A cut file must not end the process, as it does where the library maps it."""
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    code = "import sys; from ssd_keras.data.packs.lmdb import read_lmdb; read_lmdb(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True)
    assert done.returncode == 1
    assert "InputError" in done.stderr
