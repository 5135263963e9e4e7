"""Small files that unfold, lines without end, folders in a circle: one line, little time and memory."""

import json
import re
import resource

import pytest
from faults.small_data import BILLION_LAUGHS, EXTERNAL, YAML_LAUGHS, write_as

from ssd_keras.data.formats import FORMATS, open_dataset
from ssd_keras.data.inspection import inspect_dataset
from ssd_keras.data.readers.voc.xml_files import UnusableError, parse_annotation
from ssd_keras.errors import InputError

MEMORY_MIB = 1024
QUADRATIC = b'<!DOCTYPE a [<!ENTITY x "%s">]><annotation>%s</annotation>' % (b"x" * 100_000, b"&x;" * 20_000)
EXTERNAL_SUBSET = b'<!DOCTYPE annotation SYSTEM "file:///etc/passwd"><annotation/>'
PARAMETER = b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x"> %x;]><annotation/>'


@pytest.fixture(autouse=True)
def _little_memory():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY_MIB << 10


def the_error_of(path):
    with pytest.raises(InputError) as caught:
        open_dataset(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 10_000
    return str(caught.value)


# --- XML ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bomb", [BILLION_LAUGHS, EXTERNAL, QUADRATIC, PARAMETER])
def test_entities_of_xml_are_refused_and_the_other_images_are_read(bomb, tmp_path):
    data = tmp_path / "data"
    write_as("voc", data)
    (data / "Annotations" / "0001.xml").write_bytes(bomb)
    read = open_dataset(data)
    (problem,) = read.problems
    assert "declares XML entities, which is refused" in str(problem)
    assert "0001" not in {sample.image_id for split in read.values() for sample in split}


def test_a_document_type_from_elsewhere_is_not_fetched(tmp_path):
    data = tmp_path / "data"
    write_as("voc", data)
    (data / "Annotations" / "0001.xml").write_bytes(EXTERNAL_SUBSET)
    assert "root:" not in str(open_dataset(data).problems)


def test_an_annotation_of_a_hundred_megabytes_is_left_out(tmp_path):
    data = tmp_path / "data"
    write_as("voc", data)
    (data / "Annotations" / "0001.xml").write_bytes(b"<annotation>" + b"<a/>" * 25_000_000 + b"</annotation>")
    (problem,) = open_dataset(data).problems
    assert "more than 16 MiB" in str(problem)


# --- Lines without end --------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [b"x", b",", b'"', b"a.jpg,", b"a\0", b"\xff"])
@pytest.mark.parametrize("head", [b"", b"image,xmin,ymin,xmax,ymax,class\n0000.jpg,1,2,30,40,red\n"])
def test_a_csv_of_one_line_of_a_hundred_megabytes(head, piece, tmp_path):
    data = tmp_path / "data"
    write_as("csv", data)
    (data / "labels.csv").write_bytes(head + piece * (100_000_000 // len(piece)))
    the_error_of(data)


@pytest.mark.parametrize("name", ["voc", "yolo", "coco", "pickle"])
def test_label_files_of_one_line_of_a_hundred_megabytes(name, tmp_path):
    data = tmp_path / "data"
    write_as(name, data)
    files = {
        "voc": data / "ImageSets" / "Main" / "val.txt",
        "yolo": data / "labels" / "train" / "0002.txt",
        "coco": data / "annotations" / "instances_val.json",
        "pickle": data / "labels.pkl",
    }
    assert files[name].is_file()
    files[name].write_bytes(b"x" * 100_000_000)
    try:
        problems = open_dataset(data).problems
    except InputError as error:
        problems = [error]
    assert problems
    assert all("\n" not in str(problem) and len(str(problem)) < 10_000 for problem in problems)


# --- What unfolds -------------------------------------------------------------------------------------------


def test_aliases_of_yaml_do_not_unfold(tmp_path):
    data = tmp_path / "data"
    write_as("yolo", data)
    (data / "data.yaml").write_bytes(YAML_LAUGHS + b"train: *a9\nval: images/val\nnames: *a9\n")
    try:
        problems = open_dataset(data).problems
    except InputError as error:
        problems = [error]
    assert all("\n" not in str(problem) and len(str(problem)) < 10_000 for problem in problems)


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"class_names":'])
def test_a_sidecar_that_is_nested_without_end_is_left_out(opening, tmp_path):
    data = tmp_path / "data"
    write_as("voc", data)
    (data / "ssd-keras.json").write_text(opening * 1_000_000)
    (problem,) = open_dataset(data).problems
    assert "cannot be understood" in str(problem)


def test_a_sidecar_of_a_hundred_megabytes_is_left_out(tmp_path):
    data = tmp_path / "data"
    write_as("voc", data)
    (data / "ssd-keras.json").write_text('{"class_names": [' + "[]," * 33_000_000 + "[]]}")
    (problem,) = open_dataset(data).problems
    assert "too large" in str(problem)


@pytest.mark.parametrize("names", [["red", "red", "blue"], ["red", "", "blue"], ["red", " ", "blue"]])
@pytest.mark.parametrize("name", ["voc", "csv", "yolo", "pickle"])
def test_class_names_of_a_sidecar_that_name_no_classes_are_left_out(name, names, tmp_path):
    data = tmp_path / "data"
    write_as(name, data)
    (data / "ssd-keras.json").write_text(json.dumps({"class_names": names}))
    read = open_dataset(data)
    assert len(set(read.class_names)) == len(read.class_names)
    assert any("ssd-keras.json" in problem.file for problem in read.problems)


def test_a_million_flags_of_a_sidecar_take_no_time(tmp_path):
    data = tmp_path / "data"
    write_as("csv", data)
    lines = [f"images/0000.jpg,{n % 50},1,{60 + n % 50},50,red,train,0,0,0" for n in range(3000)]
    table = data / "labels.csv"
    table.write_text("\n".join([table.read_text().splitlines()[0], *lines]))
    write_as("pickle", tmp_path / "pickle")
    flags = {"flags": {"images/0000.jpg": {"difficult": list(range(1_000_000, 0, -1))}}}
    for folder in (data, tmp_path / "pickle"):
        (folder / "ssd-keras.json").write_text(json.dumps(flags))
        open_dataset(folder)


# --- Folders ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["voc", "coco", "yolo", "csv", "pickle"])
def test_links_that_lead_in_a_circle(name, tmp_path):
    data = tmp_path / "data"
    write_as(name, data)
    before = open_dataset(data)
    folders = [data, *(folder for folder in data.rglob("*") if folder.is_dir())]
    for folder in folders:
        (folder / "again").symlink_to(data, target_is_directory=True)
        (folder / "self").symlink_to("self")
        (folder / "loop.jpg").symlink_to("loop.jpg")
    after = open_dataset(data)
    assert all("\n" not in str(problem) for problem in after.problems)
    assert sum(map(len, before.values())) <= sum(map(len, after.values()))
    for problem in inspect_dataset(after).problems:
        assert "\n" not in str(problem)


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)
def test_a_data_set_that_is_a_link_to_itself(known, tmp_path):
    data = tmp_path / "data"
    data.symlink_to(data)
    assert known.recognises(data) in (False, None)
    the_error_of(data)


def test_a_folder_of_links_to_itself_alone(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for number in range(20):
        (data / str(number)).symlink_to(data, target_is_directory=True)
    the_error_of(data)


# --- Names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["voc", "csv", "yolo"])
def test_a_class_name_without_end_is_one_short_line(name, tmp_path):
    data = tmp_path / "data"
    write_as(name, data)
    (data / "ssd-keras.json").unlink()
    file = {"voc": data / "Annotations" / "0000.xml", "csv": data / "labels.csv", "yolo": data / "data.yaml"}[
        name
    ]
    file.write_text(re.sub("blue|red", "x" * 100_000, file.read_text(), count=1))
    assert "name of 100000 characters" in the_error_of(data)


def test_a_table_in_utf_16_says_how_to_save_it(tmp_path):
    data = tmp_path / "data"
    write_as("csv", data)
    table = data / "labels.csv"
    table.write_bytes(table.read_text().encode("utf-16-le"))
    assert "save it as 'CSV UTF-8'" in the_error_of(data)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-7", "cp037", "cp500", "cp1026"])
def test_no_encoding_hides_an_entity_from_the_quick_parser(tmp_path, encoding):
    text = '<!DOCTYPE a [<!ENTITY x "y">]><annotation>&x;</annotation>'
    for declared in (f"<?xml version='1.0' encoding='{encoding}'?>".encode(), b""):
        file = tmp_path / "a.xml"
        file.write_bytes(declared + text.encode(encoding))
        with pytest.raises(UnusableError):
            parse_annotation(file)
