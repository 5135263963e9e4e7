"""Pascal VOC as it is met in the world: read, with everything that can be wrong in it, and written."""

import tempfile

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import CLASS_NAMES, assert_same_areas, truths

from ssd_keras.data.readers.voc import annotation_of, read_voc, recognises_voc, write_voc
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

HEIGHT, WIDTH = 60, 100
PIXELS = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
JPEG = cv2.imencode(".jpg", PIXELS)[1].tobytes()
PNG = cv2.imencode(".png", PIXELS)[1].tobytes()
SIZE = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"


def thing(name="cat", box=(10, 20, 30, 40), more="", inside=""):
    corners = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    bndbox = "".join(f"<{corner}>{value}</{corner}>" for corner, value in corners)
    return f"<object><name>{name}</name>{more}<bndbox>{bndbox}</bndbox>{inside}</object>"


class Folder:
    """A data set in the making."""

    def __init__(self, root):
        self.root = root
        (root / "Annotations").mkdir(parents=True)
        (root / "JPEGImages").mkdir()

    def add(self, image_id, *things, size=SIZE, image=JPEG, suffix=".jpg"):
        self.add_xml(image_id, f"<annotation>{size}{''.join(things)}</annotation>", image, suffix)

    def add_xml(self, image_id, xml, image=JPEG, suffix=".jpg"):
        data = xml if isinstance(xml, bytes) else xml.encode()
        (self.root / "Annotations" / f"{image_id}.xml").write_bytes(data)
        if image is not None:
            (self.root / "JPEGImages" / f"{image_id}{suffix}").write_bytes(image)

    def list(self, name, text):
        lists = self.root / "ImageSets" / "Main"
        lists.mkdir(parents=True, exist_ok=True)
        (lists / f"{name}.txt").write_text(text, encoding="utf-8")


@pytest.fixture
def voc(tmp_path):
    return Folder(tmp_path / "data")


def only_truth(data):
    (split,) = data.values()
    (sample,) = split
    return sample.ground_truth


# --- What is read ------------------------------------------------------------------------------------------


def test_an_image_with_its_objects(voc):
    voc.add("a", thing("dog"), thing("cat", (1, 2, 3, 4)))
    data = read_voc(voc.root)
    assert data.format == "voc"
    assert data.class_names == ("cat", "dog")
    assert data.problems == ()
    (sample,) = data["all"]
    assert sample.image_id == "a"
    assert sample.image == voc.root / "JPEGImages" / "a.jpg"
    np.testing.assert_array_equal(sample.ground_truth.boxes_px, [[10, 20, 30, 40], [1, 2, 3, 4]])
    np.testing.assert_array_equal(sample.ground_truth.labels, [1, 0])


@pytest.mark.parametrize(("stated", "file"), [(" lead.png", " lead.png"), ("\n  lead.png \n", "lead.png")])
def test_blanks_around_a_name_count_where_the_file_has_them(voc, stated, file):
    voc.add_xml("other", f"<annotation><filename>{stated}</filename>{SIZE}</annotation>", image=None)
    (voc.root / "JPEGImages" / file).write_bytes(PNG)
    (sample,) = read_voc(voc.root)["all"]
    assert sample.image.name == file


def test_images_without_objects_are_kept(voc):
    voc.add("a")
    data = read_voc(voc.root)
    assert len(data["all"]) == 1
    assert len(only_truth(data)) == 0
    assert data.class_names == ()
    assert data.problems == ()


def test_given_class_names_fix_the_labels(voc):
    voc.add("a", thing("cat"))
    data = read_voc(voc.root, ["dog", "cat", "cow"])
    assert data.class_names == ("dog", "cat", "cow")
    assert only_truth(data).labels.tolist() == [1]


def test_a_name_that_is_not_among_the_given_ones_is_an_error_with_a_guess(voc):
    voc.add("a", thing("persn"))
    with pytest.raises(InputError, match=r"a\.xml: class 'persn' .* did you mean 'person'\?"):
        read_voc(voc.root, ["person", "dog"])


def test_flags(voc):
    voc.add(
        "a",
        thing(more="<truncated>1</truncated><difficult>0</difficult>"),
        thing(inside="<difficult> 1 </difficult>"),
        thing(more="<truncated>Unspecified</truncated>"),
    )
    truth = only_truth(read_voc(voc.root))
    assert truth.truncated.tolist() == [True, False, False]
    assert truth.difficult.tolist() == [False, True, False]
    assert truth.crowd.tolist() == [False, False, False]


def test_parts_of_an_object_are_no_objects(voc):
    head = thing("head", (1, 1, 2, 2)).replace("object>", "part>")
    voc.add("a", thing("person", inside=head), thing("person", (5, 5, 9, 9), more=head))
    data = read_voc(voc.root)
    assert data.class_names == ("person",)
    np.testing.assert_array_equal(only_truth(data).boxes_px, [[10, 20, 30, 40], [5, 5, 9, 9]])


def test_a_part_alone_is_no_box(voc):
    voc.add("a", f"<object><name>person</name>{thing('head').replace('object>', 'part>')}</object>")
    data = read_voc(voc.root)
    assert len(only_truth(data)) == 0
    assert "no bndbox" in the_problem(data).problem


def test_corners_may_be_fractions_and_are_not_shifted(voc):
    voc.add("a", thing(box=("1", "1.25", "30.5", " 40 ")))
    np.testing.assert_array_equal(only_truth(read_voc(voc.root)).boxes_px, [[1, 1.25, 30.5, 40]])


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".JPG", ".jpeg"])
def test_images_of_any_suffix_are_found(voc, suffix):
    voc.add("a", thing(), image=PNG, suffix=suffix)
    (sample,) = read_voc(voc.root)["all"]
    assert sample.image.name == f"a{suffix}"


def test_no_image_is_decoded(voc):
    voc.add("a", thing(), image=b"")
    assert len(only_truth(read_voc(voc.root))) == 1


# --- Splits ------------------------------------------------------------------------------------------------


def test_splits_are_the_lists_and_share_their_samples(voc):
    for image_id in "abc":
        voc.add(image_id, thing())
    voc.list("train", "b\na\n")
    voc.list("val", "c")
    voc.list("trainval", "\ufeffa\r\nb\r\n\r\nc\r\n")
    data = read_voc(voc.root)
    assert {name: [s.image_id for s in split] for name, split in data.items()} == {
        "train": ["b", "a"],
        "val": ["c"],
        "trainval": ["a", "b", "c"],
    }
    assert data["train"][0] is data["trainval"][1]


def test_lists_of_one_class_are_no_splits(voc):
    voc.add("a", thing())
    voc.add("b", thing())
    voc.list("train", "a\nb\n")
    voc.list("cat_train", "a  1\nb -1\n")
    voc.list("dog_train", "a -1\nb  0\n")
    assert list(read_voc(voc.root)) == ["train"]


def test_without_a_list_that_is_a_split_there_is_one_named_all(voc):
    voc.add("b", thing())
    voc.add("a", thing())
    voc.list("cat_train", "a 1\nb -1\n")
    assert [sample.image_id for sample in read_voc(voc.root)["all"]] == ["a", "b"]


@pytest.mark.parametrize("line", ["a", " a ", "a.jpg", "data/obj/a.jpg", "a something else"])
def test_a_line_may_say_more_than_the_name(voc, line):
    voc.add("a", thing())
    voc.list("train", line)
    assert [sample.image_id for sample in read_voc(voc.root)["train"]] == ["a"]


def test_names_may_hold_blanks_and_numbers_behind_them(voc):
    voc.add("photo 1", thing())
    voc.add("photo 0", thing())
    voc.list("train", "photo 1\nphoto 0\n")
    assert [sample.image_id for sample in read_voc(voc.root)["train"]] == ["photo 1", "photo 0"]


def test_a_name_listed_twice_counts_once(voc):
    voc.add("a", thing())
    voc.list("train", "a\na\n")
    assert len(read_voc(voc.root)["train"]) == 1


def test_an_empty_list_is_an_empty_split(voc):
    voc.add("a", thing())
    voc.list("train", "a\n")
    voc.list("test", "")
    assert {name: len(split) for name, split in read_voc(voc.root).items()} == {"test": 0, "train": 1}


# --- What is wrong in it -----------------------------------------------------------------------------------


def the_problem(data):
    (problem,) = data.problems
    assert "\n" not in str(problem)
    return problem


def test_a_box_without_area_is_left_out_and_named(voc):
    voc.add("a", thing(), thing(), thing(box=(37, 1, 37, 9)))
    data = read_voc(voc.root)
    assert len(only_truth(data)) == 2
    problem = the_problem(data)
    assert problem.file == str(voc.root / "Annotations" / "a.xml")
    assert problem.problem == "box 3 has no width (xmin = xmax = 37) and is left out"
    assert problem.advice


@pytest.mark.parametrize(
    ("box", "read", "said"),
    [
        ((30, 40, 10, 20), [[10, 20, 30, 40]], "swapped"),
        ((10, 20, 300, 40), [[10, 20, 100, 40]], "reaches out of the image (100 × 60)"),
        ((200, 20, 300, 40), [], "outside of the image (100 × 60)"),
        ((10, 20, 30, 20), [], "no height"),
        ((10, "nan", 30, 20), [], "not finite"),
        ((10, "ten", 30, 20), [], "no number"),
        ((10, "", 30, 20), [], "has no ymin"),
    ],
)
def test_faulty_boxes(voc, box, read, said):
    voc.add("a", thing(box=box))
    data = read_voc(voc.root)
    np.testing.assert_array_equal(only_truth(data).boxes_px, np.reshape(read, (-1, 4)))
    assert said in the_problem(data).problem


def test_one_pixel_beyond_the_edge_is_cut_off_silently(voc):
    voc.add("a", thing(box=(1, 1, WIDTH + 1, HEIGHT + 1)))
    data = read_voc(voc.root)
    np.testing.assert_array_equal(only_truth(data).boxes_px, [[1, 1, WIDTH, HEIGHT]])
    assert data.problems == ()


@pytest.mark.parametrize(
    "size",
    [
        "",
        "<size/>",
        "<size><width>0</width><height>0</height></size>",
        "<size><width>x</width><height>inf</height></size>",
    ],
)
def test_without_a_size_tag_the_image_says_where_its_edge_is(voc, size):
    voc.add("a", thing(box=(10, 20, 300, 40)), size=size)
    data = read_voc(voc.root)
    np.testing.assert_array_equal(only_truth(data).boxes_px, [[10, 20, WIDTH, 40]])
    assert "reaches out" in the_problem(data).problem


def test_without_any_size_boxes_are_taken_as_they_are(voc):
    voc.add("a", thing(box=(10, 20, 300, 40)), size="", image=b"no image")
    data = read_voc(voc.root)
    np.testing.assert_array_equal(only_truth(data).boxes_px, [[10, 20, 300, 40]])
    assert data.problems == ()


@pytest.mark.parametrize(
    ("element", "said"),
    [
        ("<object><name>cat</name></object>", "box 1 has no bndbox"),
        (thing(name=" "), "box 1 has no name"),
        ("<object/>", "box 1 has no name"),
    ],
)
def test_an_object_without_name_or_box_is_left_out(voc, element, said):
    voc.add("a", element)
    data = read_voc(voc.root)
    assert len(only_truth(data)) == 0
    assert said in the_problem(data).problem


BILLION_LAUGHS = (
    "<!DOCTYPE lolz [<!ENTITY lol0 'lol'>"
    + "".join(f"<!ENTITY lol{i} '{f'&lol{i - 1};' * 10}'>" for i in range(1, 10))
    + "]><annotation><object><name>&lol9;</name></object></annotation>"
)
OUTSIDE_FILE = "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///secret'>]><annotation><object><name>&x;</name></object></annotation>"


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        ("", "is no XML"),
        ("<annotation><object></annotation>", "is no XML"),
        (b"\xff\xfe\x00", "is no XML"),
        (b"<?xml version='1.0' encoding='klingon'?><annotation/>", "is no XML"),
        ("<svg/>", "has <svg>"),
        (BILLION_LAUGHS, "entities"),
        (OUTSIDE_FILE, "entities"),
    ],
)
def test_an_annotation_that_cannot_be_read_leaves_its_image_out(voc, xml, said):
    voc.add_xml("a", xml)
    voc.add("b", thing())
    data = read_voc(voc.root)
    assert [sample.image_id for sample in data["all"]] == ["b"]
    problem = the_problem(data)
    assert problem.file.endswith("a.xml")
    assert said in problem.problem
    assert "left out" in problem.problem


def test_a_listed_image_without_annotation_is_named(voc):
    voc.add("a", thing())
    (voc.root / "JPEGImages" / "b.jpg").write_bytes(JPEG)
    voc.list("train", "a\nb\n")
    data = read_voc(voc.root)
    assert len(data["train"]) == 1
    assert the_problem(data).file.endswith("b.jpg")
    assert "has no annotation b.xml" in the_problem(data).problem


def test_a_test_list_whose_annotations_are_secret(voc):
    voc.add("a", thing())
    for name in "bc":
        (voc.root / "JPEGImages" / f"{name}.jpg").write_bytes(JPEG)
    voc.list("train", "a\n")
    voc.list("test", "b\nc\nelsewhere\n")
    data = read_voc(voc.root)
    assert [(sample.image_id, len(sample.ground_truth)) for sample in data["test"]] == [("b", 0), ("c", 0)]
    assert len(data["train"]) == 1
    unlabelled, missing = data.problems
    assert unlabelled.problem == "none of the 2 images of 'test' has annotations: they count as empty"
    assert missing.file.endswith("elsewhere.xml")


def test_an_annotation_without_image_is_named(voc):
    voc.add("a", thing())
    voc.add("b", thing(), image=None)
    data = read_voc(voc.root)
    assert [sample.image_id for sample in data["all"]] == ["a"]
    assert the_problem(data).file.endswith("b.xml")
    assert "has no image b.jpg" in the_problem(data).problem


def test_a_listed_name_of_nothing_is_named_once(voc):
    voc.add("a", thing())
    voc.list("train", "a\n../../secret\n")
    voc.list("trainval", "a\n../../secret\n")
    data = read_voc(voc.root)
    assert [len(split) for split in data.values()] == [1, 1]
    assert "../../secret.xml" in the_problem(data).file


def test_if_nothing_is_left_the_first_problem_says_why(voc):
    voc.add_xml("a", "no xml")
    with pytest.raises(InputError, match=r"no image that can be used: .*a\.xml: is no XML"):
        read_voc(voc.root)


# --- Finding it --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", ["", "BCCD", "VOCdevkit/VOC2007"])
def test_the_data_set_may_lie_up_to_two_levels_inside(tmp_path, inside):
    Folder(tmp_path / "data" / inside).add("a", thing())
    assert recognises_voc(tmp_path / "data")
    assert len(read_voc(tmp_path / "data")["all"]) == 1


def test_what_is_deeper_or_not_there_is_not_recognised(tmp_path):
    Folder(tmp_path / "data" / "1" / "2" / "3").add("a", thing())
    Folder(tmp_path / "empty")
    assert not recognises_voc(tmp_path / "data")
    assert not recognises_voc(tmp_path / "empty")
    assert not recognises_voc(tmp_path / "missing")
    with pytest.raises(InputError, match="is no Pascal VOC data set"):
        read_voc(tmp_path / "missing")


def test_two_data_sets_at_once_are_taken_together(tmp_path):
    for year in ("VOC2007", "VOC2012"):
        Folder(tmp_path / year).add("a", thing())
    assert [sample.image.parts[-3] for sample in read_voc(tmp_path)["all"]] == ["VOC2007", "VOC2012"]


def test_without_a_folder_of_images_there_is_an_error(voc):
    voc.add("a", thing(), image=None)
    (voc.root / "JPEGImages").rmdir()
    with pytest.raises(InputError, match="no JPEGImages/"):
        read_voc(voc.root)


# --- Where other programs put the files --------------------------------------------------------------------


def put(root, place, xml=None, image=JPEG, suffix=".jpg"):
    """An image, and its annotation beside it; None: without one."""
    file = root / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.with_suffix(suffix).write_bytes(image)
    if xml is not None:
        file.with_suffix(".xml").write_text(xml)


def xml_of(*things, name=""):
    stated = f"<filename>{name}</filename>" if name else ""
    return f"<annotation>{stated}{SIZE}{''.join(things)}</annotation>"


def ids(data):
    return {name: [sample.image_id for sample in split] for name, split in data.items()}


@pytest.mark.parametrize(
    ("annotations", "images"),
    [("annotations", "images"), ("Annotations", "images"), ("annotations", "JPEGImages")],
)
def test_folders_may_be_called_otherwise(tmp_path, annotations, images):
    put(tmp_path, f"{images}/a")
    (tmp_path / annotations).mkdir()
    (tmp_path / annotations / "a.xml").write_text(xml_of(thing()))
    assert recognises_voc(tmp_path)
    data = read_voc(tmp_path)
    assert ids(data) == {"all": ["a"]}
    assert data.problems == ()
    assert annotation_of(data["all"][0].image) == tmp_path / annotations / "a.xml"


def test_annotations_in_folders_inside_are_read(voc):
    for place in ("one/a", "two/a", "two/b"):
        put(voc.root / "JPEGImages", place)
        file = voc.root / "Annotations" / f"{place}.xml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(xml_of(thing("cat" if "one" in place else "dog")))
    data = read_voc(voc.root)
    assert ids(data) == {"all": ["b", "one/a", "two/a"]}
    assert [sample.ground_truth.labels.tolist() for sample in data["all"]] == [[1], [0], [1]]
    assert [sample.image.parent.name for sample in data["all"]] == ["two", "one", "two"]
    assert annotation_of(data["all"][1].image) == voc.root / "Annotations" / "one" / "a.xml"
    voc.list("train", "two/a\nJPEGImages/one/a.jpg\n")
    assert ids(read_voc(voc.root)) == {"train": ["two/a", "one/a"]}


def test_annotations_in_a_folder_inside_find_images_that_are_in_none(tmp_path):
    put(tmp_path, "images/a")
    (tmp_path / "annotations" / "xmls").mkdir(parents=True)
    (tmp_path / "annotations" / "xmls" / "a.xml").write_text(xml_of(thing()))
    assert ids(read_voc(tmp_path)) == {"all": ["a"]}


def test_the_stated_file_decides_between_images_of_one_name(voc):
    voc.add_xml("a", xml_of(thing(), name="a.png"))
    (voc.root / "JPEGImages" / "a.png").write_bytes(PNG)
    data = read_voc(voc.root)
    assert [sample.image.name for sample in data["all"]] == ["a.png"]
    assert the_problem(data).file.endswith("a.jpg")
    assert "has no annotation" in the_problem(data).problem


def test_the_stated_file_is_found_where_the_annotation_has_another_name(voc):
    voc.add_xml("label_1", xml_of(thing(), name="C:\\photos\\a.jpg"), image=None)
    (voc.root / "JPEGImages" / "a.jpg").write_bytes(JPEG)
    data = read_voc(voc.root)
    assert [(sample.image_id, sample.image.name) for sample in data["all"]] == [("label_1", "a.jpg")]


def test_a_wrong_file_name_does_not_take_the_image_of_another(voc):
    voc.add_xml("a", xml_of(thing(), name="b.jpg"))
    voc.add_xml("b", xml_of(thing(), name="b.jpg"))
    assert [sample.image.stem for sample in read_voc(voc.root)["all"]] == ["a", "b"]


def test_annotations_beside_the_images(tmp_path):
    put(tmp_path, "b", xml_of(thing("dog")))
    put(tmp_path, "a", xml_of())
    put(tmp_path, "c")
    assert recognises_voc(tmp_path)
    data = read_voc(tmp_path)
    assert ids(data) == {"all": ["a", "b"]}
    assert the_problem(data).file.endswith("c.jpg")
    assert annotation_of(tmp_path / "b.jpg") == tmp_path / "b.xml"


@pytest.mark.parametrize("inside", ["", "images"])
def test_folders_of_splits_with_annotations_beside_the_images(tmp_path, inside):
    for place in ("train/x", "train/y", "valid/x", "test/z"):
        put(tmp_path / inside, place, xml_of(thing()))
    assert recognises_voc(tmp_path)
    assert ids(read_voc(tmp_path)) == {"test": ["z"], "train": ["train/x", "y"], "val": ["valid/x"]}


def test_folders_that_are_no_splits_are_taken_together(tmp_path):
    for place in ("day/x", "night/y"):
        put(tmp_path, place, xml_of(thing()))
    assert ids(read_voc(tmp_path)) == {"all": ["x", "y"]}


def test_splits_that_each_have_their_own_annotations_folder(tmp_path):
    for split in ("train", "val"):
        Folder(tmp_path / split).add(split, thing())
    assert ids(read_voc(tmp_path)) == {"train": ["train"], "val": ["val"]}


@pytest.mark.parametrize("xml", ["", "<svg/>", "<root><item/></root>"])
def test_other_xml_beside_images_is_no_data_set(tmp_path, xml):
    put(tmp_path, "a", xml)
    assert not recognises_voc(tmp_path)


def test_xml_without_images_beside_is_no_data_set(tmp_path):
    (tmp_path / "a.xml").write_text(xml_of(thing()))
    put(tmp_path, "b")
    assert not recognises_voc(tmp_path)


# --- Writing -----------------------------------------------------------------------------------------------


def sample_of(image_id="a", boxes=((10, 20, 30, 40),), labels=(0,), image=JPEG, **flags):
    return Sample(image, GroundTruth(np.array(boxes, np.float32), np.array(labels), **flags), image_id)


def assert_same_truth(read, written):
    np.testing.assert_array_equal(read.boxes_px, written.boxes_px)
    np.testing.assert_array_equal(read.labels, written.labels)
    np.testing.assert_array_equal(read.truncated, written.truncated)
    np.testing.assert_array_equal(read.crowd, written.crowd)
    np.testing.assert_array_equal(read.difficult, written.difficult)
    assert_same_areas(read, written)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_is_written_is_read_again(data):
    class_names = data.draw(st.lists(CLASS_NAMES, min_size=1, max_size=4, unique=True))
    image_ids = data.draw(st.lists(st.text(max_size=8), min_size=1, max_size=4, unique=True))
    samples = [Sample(JPEG, data.draw(truths(len(class_names))), image_id) for image_id in image_ids]
    with tempfile.TemporaryDirectory() as folder:
        write_voc(folder, {"train": iter(samples), "val": []}, class_names)
        again = read_voc(folder, class_names)
        assert again.problems == ()
        assert len(again["val"]) == 0
        assert len(again["train"]) == len(samples)
        for read, written in zip(again["train"], samples, strict=True):
            assert_same_truth(read.ground_truth, written.ground_truth)


def test_names_and_files_are_kept_as_they_are(tmp_path):
    (tmp_path / "b 1.png").write_bytes(PNG)
    samples = [sample_of("a"), sample_of("7", image=tmp_path / "b 1.png"), sample_of("c.d", image=PIXELS)]
    write_voc(tmp_path / "out", {"all": samples}, ["<cat & dog>"])
    again = read_voc(tmp_path / "out")
    assert again.class_names == ("<cat & dog>",)
    assert [(s.image_id, s.image.name) for s in again["all"]] == [
        ("a", "a.jpg"),
        ("b 1", "b 1.png"),
        ("c.d", "c.d.jpg"),
    ]
    assert again["all"][0].image.read_bytes() == JPEG
    assert again["all"][1].image.read_bytes() == PNG
    decoded = cv2.imread(str(again["all"][2].image))
    np.testing.assert_allclose(decoded, PIXELS, atol=2)
    stated = again["all"][0].stated_size
    assert stated == ((HEIGHT, WIDTH), str(tmp_path / "out" / "Annotations" / "a.xml"))


def test_whole_numbers_are_written_as_whole_numbers(tmp_path):
    write_voc(tmp_path / "out", {"all": [sample_of()]}, ["cat"])
    assert "<xmin>10</xmin>" in (tmp_path / "out" / "Annotations" / "a.xml").read_text()


def test_a_crowd_is_difficult_for_programs_that_know_no_crowds(tmp_path):
    write_voc(tmp_path / "out", {"all": [sample_of(crowd=[True])]}, ["cat"])
    assert "<difficult>1</difficult>" in (tmp_path / "out" / "Annotations" / "a.xml").read_text()


def test_a_crowd_that_is_not_difficult_stays_so(tmp_path):
    boxes = [(1, 1, 9, 9), (2, 2, 8, 8), (3, 3, 7, 7)]
    flags = {"crowd": [True, True, False], "difficult": [False, True, True]}
    write_voc(tmp_path / "out", {"all": [sample_of("a", boxes, (0, 0, 0), **flags)]}, ["cat"])
    truth = only_truth(read_voc(tmp_path / "out"))
    assert truth.crowd.tolist() == flags["crowd"]
    assert truth.difficult.tolist() == flags["difficult"]


def test_a_crowd_of_which_nothing_more_is_said_is_difficult(voc):
    voc.add("a", thing(more="<difficult>1</difficult><crowd>1</crowd>"))
    truth = only_truth(read_voc(voc.root))
    assert truth.crowd.tolist() == truth.difficult.tolist() == [True]


def test_splits_whose_names_become_one_file_both_remain(tmp_path):
    splits = {
        "2024/train": [sample_of("a", (), ())],
        "2024_train": [sample_of("b")],
        "2024_TRAIN": [sample_of("c")],
    }
    write_voc(tmp_path / "out", splits, ["cat"])
    assert ids(read_voc(tmp_path / "out")) == {
        "2024_TRAIN_3": ["c"],
        "2024_train": ["a"],
        "2024_train_2": ["b"],
    }


def test_category_ids_stay(tmp_path):
    write_voc(tmp_path / "out", {"all": [sample_of()]}, ["cat", "dog"], category_ids=[18, 17])
    again = read_voc(tmp_path / "out")
    assert again.category_ids == (18, 17)
    assert read_voc(tmp_path / "out", ["dog", "cat"]).category_ids == (17, 18)
    assert read_voc(tmp_path / "out", ["dog", "cat", "cow"]).category_ids is None


@pytest.mark.parametrize("category_ids", [[1], [1, 1], [1, 2, 3]])
def test_category_ids_that_do_not_fit_are_an_error(tmp_path, category_ids):
    with pytest.raises(InputError, match="give each class one of its own"):
        write_voc(tmp_path / "out", {"all": [sample_of()]}, ["cat", "dog"], category_ids=category_ids)


def test_a_sample_in_two_splits_is_written_once(tmp_path):
    sample, other = sample_of("a"), sample_of("b")
    write_voc(tmp_path / "out", {"train": [sample], "trainval": [sample, other]}, ["cat"])
    assert len(list((tmp_path / "out" / "JPEGImages").iterdir())) == 2
    again = read_voc(tmp_path / "out")
    assert again["train"][0] is again["trainval"][0]


def test_two_images_of_one_name_both_remain(tmp_path):
    splits = {"train": [sample_of("a")], "val": [sample_of("a", boxes=[(1, 1, 2, 2)]), sample_of("A")]}
    write_voc(tmp_path / "out", splits, ["cat"])
    again = read_voc(tmp_path / "out")
    assert [s.image_id for s in again["train"]] == ["a"]
    assert [s.image_id for s in again["val"]] == ["a_2", "A_3"]
    np.testing.assert_array_equal(again["val"][0].ground_truth.boxes_px, [[1, 1, 2, 2]])


def test_no_file_is_written_outside_of_the_folder(tmp_path):
    write_voc(tmp_path / "out", {"../../x": [sample_of("../../../evil")]}, ["cat"])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert len(read_voc(tmp_path / "out")) == 1


def test_samples_are_taken_one_at_a_time(tmp_path):
    def samples():
        for number in range(3):
            yield sample_of(str(number))
            assert (tmp_path / "out" / "Annotations" / f"{number}.xml").exists()

    write_voc(tmp_path / "out", {"train": samples()}, ["cat"])
    assert len(read_voc(tmp_path / "out")["train"]) == 3


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("")
    with pytest.raises(InputError, match="is not empty"):
        write_voc(tmp_path, {"train": [sample_of()]}, ["cat"])
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


@pytest.mark.parametrize("name", ["a\x00b", "a\nb", " a", "a\udc80"])
def test_a_name_that_xml_cannot_hold_is_an_error(tmp_path, name):
    with pytest.raises(InputError, match="class name"):
        write_voc(tmp_path / "out", {"train": [sample_of()]}, [name])


@pytest.mark.parametrize("image", [b"", b"text", b"\xff\xd8\xff"])
def test_an_image_that_is_none_is_an_error(tmp_path, image):
    with pytest.raises(InputError, match="image"):
        write_voc(tmp_path / "out", {"train": [sample_of(image=image)]}, ["cat"])


def test_an_image_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        write_voc(tmp_path / "out", {"train": [sample_of(image=tmp_path / "missing.jpg")]}, ["cat"])
