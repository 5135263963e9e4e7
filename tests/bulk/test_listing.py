"""What sources name: folders, URLs of fsspec and Parquet lists."""

import os

import fsspec
import pyarrow as pa
import pytest
from fsspec.utils import infer_storage_options
from pyarrow import parquet

from ssd_keras.bulk.listing import check_sources, list_images
from ssd_keras.bulk.places import RemoteImage
from ssd_keras.errors import InputError


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for name in ("b.jpg", "a.PNG", "notes.txt", "clip.mp4", "deep/c.jpg", "deep/er/d.webp"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


@pytest.fixture
def memory():
    files = fsspec.filesystem("memory")
    yield files
    files.rm("/bucket", recursive=True)


def write_list(place, **columns):
    place.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), place)
    return str(place)


def refusal(*names, base="/"):
    with pytest.raises(InputError) as caught:
        check_sources(names, str(base))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_gives_its_images_by_name_as_the_folder_was_given(photos):
    found = ["a.PNG", "b.jpg", "deep/c.jpg", "deep/er/d.webp"]
    assert list(list_images([str(photos)], "/")) == [str(photos / name) for name in found]
    assert list(list_images(["photos/"], str(photos.parent))) == [f"photos/{name}" for name in found]
    assert list(list_images(["."], str(photos))) == found


def test_files_and_patterns(photos):
    base = str(photos)
    assert list(list_images(["b.jpg", "deep/*.jpg"], base)) == ["b.jpg", "deep/c.jpg"]
    assert list(list_images([str(photos / "deep/**/*.webp")], "/")) == [str(photos / "deep/er/d.webp")]
    assert "does not exist" in refusal("none/*.jpg", base=base)


def test_links_to_folders_and_files_are_followed_once(photos, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "e.jpg").touch()
    (photos / "deep" / "link").symlink_to(tmp_path / "elsewhere")
    (photos / "deep" / "again").symlink_to(photos / "deep")
    (photos / "deep" / "f.jpg").symlink_to(photos / "b.jpg")
    found = ["deep/c.jpg", "deep/f.jpg", "deep/er/d.webp", "deep/link/e.jpg"]
    assert list(list_images(["deep"], str(photos))) == found
    url = (photos / "deep").as_uri()
    assert list(list_images([url], "/")) == [url.removesuffix("deep") + name for name in found]


class Server(fsspec.AbstractFileSystem):
    """Has a.jpg in each folder, and the empty object that stands for it; without a host it fails."""

    protocol = "server"
    cachable = False

    def __init__(self, host="", **_):
        super().__init__()
        self.host = host

    @classmethod
    def _strip_protocol(cls, path):
        return infer_storage_options(path)["path"].rstrip("/")

    @staticmethod
    def _get_kwargs_from_urls(url):
        return {key: value for key, value in infer_storage_options(url).items() if key == "host"}

    def ls(self, path, detail=True, **_):
        if not self.host:
            raise RuntimeError("no host")
        return [
            {"name": f"{path}/", "type": "directory", "size": 0},
            {"name": f"{path}/a.jpg", "type": "file", "size": 1},
        ]

    def isdir(self, path):
        return True

    def cat_file(self, path, **_):
        if not self.host:
            raise RuntimeError("no host")
        return path.encode()


@pytest.fixture
def server():
    fsspec.register_implementation("server", Server, clobber=True)


def test_a_url_that_says_more_than_a_path_stays_as_it_is(server):
    (name,) = list_images(["server://me@host/photos/"], "/")
    assert name == "server://me@host/photos/a.jpg"
    assert RemoteImage(name).load() == b"/photos/a.jpg"


def test_a_store_with_errors_of_its_own(server):
    assert "server:///photos cannot be reached (no host)" in refusal("server:///photos")


def test_a_prefix_of_an_object_store(memory):
    for name in ("x/b.jpg", "x/a.jpg", "x/deep/c.png", "x/list.csv", "other/z.jpg"):
        memory.pipe_file(f"/bucket/{name}", b"x")
    found = list(list_images(["memory://bucket/x"], "/"))
    assert found == [f"memory:///bucket/x/{name}" for name in ("a.jpg", "b.jpg", "deep/c.png")]
    assert list(list_images(["memory://bucket/other/z.jpg"], "/")) == ["memory://bucket/other/z.jpg"]
    assert "does not exist" in refusal("memory://bucket/none")


def test_a_file_url_is_as_a_folder(photos):
    found = list(list_images([photos.as_uri()], "/"))
    assert [name.removeprefix(photos.as_uri()) for name in found] == [
        *("/a.PNG", "/b.jpg", "/deep/c.jpg", "/deep/er/d.webp")
    ]


@pytest.mark.parametrize("column", ["path", "image", "uri"])
def test_a_parquet_list_gives_its_rows(tmp_path, column):
    names = ["b.jpg", "s3://bucket/a.jpg", "b.jpg"]
    file = write_list(tmp_path / "list.parquet", other=[1, 2, 3], **{column: names})
    assert list(list_images([file], "/")) == names
    assert list(list_images(["list.parquet"], str(tmp_path))) == names


def test_a_list_of_categories_and_of_large_strings(tmp_path):
    category = write_list(tmp_path / "c.parquet", path=pa.array(["a.jpg", "a.jpg"]).dictionary_encode())
    large = write_list(tmp_path / "l.parquet", path=pa.array(["b.jpg"], pa.large_string()))
    assert list(list_images([category, large], "/")) == ["a.jpg", "a.jpg", "b.jpg"]


def test_a_folder_of_parquet_files_is_a_list_unless_there_are_images(tmp_path):
    write_list(tmp_path / "l" / "part-1.parquet", path=["c.jpg"])
    write_list(tmp_path / "l" / "part-0.parquet", path=["a.jpg", "b.jpg"])
    for passed_over in ("_SUCCESS", "_unfinished.parquet", "._part-0.parquet"):
        (tmp_path / "l" / passed_over).touch()
    assert list(list_images(["l"], str(tmp_path))) == ["a.jpg", "b.jpg", "c.jpg"]
    assert list(list_images([(tmp_path / "l").as_uri()], "/")) == ["a.jpg", "b.jpg", "c.jpg"]
    (tmp_path / "l" / "z.jpg").touch()
    assert list(list_images(["l"], str(tmp_path))) == ["l/z.jpg"]


def test_a_list_is_read_as_it_is_needed(tmp_path):
    file = tmp_path / "long.parquet"
    names = [f"{number}.jpg" for number in range(20_000)]
    parquet.write_table(pa.table({"path": names}), file, row_group_size=5000)
    images = list_images([str(file)], "/")
    assert next(images) == "0.jpg"
    images.close()
    assert list(list_images([str(file)], "/")) == names


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"name": ["a.jpg"]}, "no column of names of images: call it one of path, image, uri"),
        ({"path": [1]}, "column 'path' holds int64"),
        ({"image": [{"bytes": b"x"}]}, "column 'image' holds struct"),
        ({"path": ["a.jpg", None]}, "row 2, names no image"),
        ({"path": [""]}, "row 1, names no image"),
    ],
)
def test_lists_that_are_none(tmp_path, columns, said):
    file = write_list(tmp_path / "list.parquet", **columns)
    with pytest.raises(InputError, match=said):
        list(list_images([file], "/"))


def test_nothing_is_said_before_anything_starts(tmp_path):
    (tmp_path / "empty").mkdir()
    empty = write_list(tmp_path / "empty.parquet", path=pa.array([], pa.string()))
    assert "no image given" in refusal()
    for name in (str(tmp_path / "empty"), empty):
        assert "names no image" in refusal(name)


def test_what_is_not_for_many_workers(photos, tmp_path):
    for name, said in [
        ("-", "standard input is not for --engine ray"),
        ("https://example.org/a.jpg", "a link, is not for --engine ray"),
        ("camera:0", "a camera, is not for --engine ray"),
        ("zip://a.jpg::s3://bucket/a.zip", "leads through several file systems"),
        ("nothing-knows-this://bucket", "cannot be reached"),
        ("none.jpg", "none.jpg does not exist"),
    ]:
        assert said in refusal(name, base=tmp_path)


def test_a_video_is_refused_by_its_content(tmp_path):
    (tmp_path / "clip.jpg").write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(16))
    assert "a video, is not for --engine ray" in refusal("clip.jpg", base=tmp_path)


def test_a_damaged_list(tmp_path):
    (tmp_path / "list.parquet").write_bytes(b"PAR1 nothing PAR1")
    assert "cannot be read as Parquet" in refusal("list.parquet", base=tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_folder_that_may_not_be_read_is_not_passed_over(photos):
    (photos / "deep").chmod(0)
    try:
        with pytest.raises(InputError, match="deep cannot be read"):
            list(list_images([str(photos)], "/"))
    finally:
        (photos / "deep").chmod(0o755)
