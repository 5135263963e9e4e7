"""Tables of boxes: columns under many names and in many orders, with and without a header, and written."""

import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_keras.data.readers.csv import read_csv, recognises_csv, write_csv
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

HEIGHT, WIDTH = 60, 100
JPEG = cv2.imencode(".jpg", np.full((HEIGHT, WIDTH, 3), 90, np.uint8))[1].tobytes()
HEADER = "image,xmin,ymin,xmax,ymax,class\n"


@pytest.fixture
def table(tmp_path):
    """Writes a table and the images that lie beside it."""

    def write(text, images=("a.jpg", "b.jpg")):
        for image in images:
            (tmp_path / image).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / image).write_bytes(JPEG)
        path = tmp_path / "labels.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def objects(data):
    """Every box of a data set with the name of its image and of its class."""
    return [
        (sample.image_id, data.class_names[label], tuple(box))
        for split in data.values()
        for sample in split
        for label, box in zip(sample.ground_truth.labels, sample.ground_truth.boxes_px.tolist(), strict=True)
    ]


def the_problem(data):
    (problem,) = data.problems
    assert "\n" not in str(problem)
    return problem


def test_a_name_may_begin_with_a_blank_and_may_have_blanks_around_it(table):
    data = read_csv(
        table(HEADER + " lead.jpg,1,2,30,40,cat\n b.jpg ,1,2,30,40,cat\n", (" lead.jpg", "b.jpg"))
    )
    assert [image_id for image_id, _, _ in objects(data)] == [" lead", "b"]
    assert data.problems == ()


# --- Columns with a header ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        HEADER + "a.jpg,1,2,30,40,cat\n",
        "filename,cell_type,xmin,xmax,ymin,ymax\na.jpg,cat,1,30,2,40\n",
        "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,100,60,cat,1,2,30,40\n",
        "Frame;X_Min;Y_Min;X_Max;Y_Max;Label\r\na.jpg;1;2;30;40;cat\r\n",
        "image_name\tx0\ty0\tx1\ty1\tclass name\na.jpg\t1\t2\t30\t40\tcat\n",
        "x1,y1,x2,y2,img_path,category\n1,2,30,40,a.jpg,cat\n",
        'left,top,right,bottom,"image",name\n1,2,30,40,"a.jpg","cat"\n',
        "\ufeff" + HEADER + "\n a.jpg , 1, 2, 30.0, 4e1, cat \n\n",
        "class_id,label,image_id,xmin,ymin,xmax,ymax\n7,cat,a,1,2,30,40\n",
        "image_id,filename,xmin,ymin,xmax,ymax,class\n17,a.jpg,1,2,30,40,cat\n",
        "filename,label,label_name,xmin,ymin,xmax,ymax\na.jpg,3,cat,1,2,30,40\n",
    ],
)
def test_columns_are_found_by_their_names(table, text):
    data = read_csv(table(text))
    assert objects(data) == [("a", "cat", (1, 2, 30, 40))]
    assert data.format == "csv"
    assert data.problems == ()


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        ("image,xmin,ymin,xmax,class", "no column ymax"),
        ("image,xmin,ymin,xmax,ymax", "no column class"),
        ("foto,links,oben,rechts,unten,klasse", "no column image, xmin, ymin, xmax, ymax, class"),
        ("image,x1,y1,width,height,class", "no column xmin"),
    ],
)
def test_a_missing_column_is_an_error_that_names_it(table, header, missing):
    with pytest.raises(InputError, match=missing) as error:
        read_csv(table(f"{header}\n1,2,3,4,5,6\n"))
    assert "image,xmin,ymin,xmax,ymax,class" in str(error.value)


# --- Columns without a header ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a.jpg,10,90,20,30,1\nb.jpg,5,6,50,60,2\n",  # the order of the port's tutorial
        "a.jpg,10,20,90,30,1\nb.jpg,5,50,6,60,2\n",
        "10,20,90,30,a.jpg,1\n5,50,6,60,b.jpg,2\n",
    ],
)
def test_without_a_header_the_boxes_tell_the_order_of_the_corners(table, text):
    assert objects(read_csv(table(text))) == [
        ("a", "class 1", (10, 20, 90, 30)),
        ("b", "class 2", (5, 50, 6, 60)),
    ]


@pytest.mark.parametrize(
    "text", ["a.jpg,10,20,90,30,cat\n", "a.jpg,cat,10,20,90,30\n", "cat,10,90,20,30,a.jpg\n"]
)
def test_without_a_header_a_class_is_the_column_that_is_no_number(table, text):
    assert objects(read_csv(table(text))) == [("a", "cat", (10, 20, 90, 30))]


def test_if_both_orders_make_boxes_a_header_is_asked_for(table):
    with pytest.raises(InputError, match="makes boxes in two ways: put a line 'image,xmin"):
        read_csv(table("a.jpg,1,20,30,40,1\n"))


@pytest.mark.parametrize("line", ["a.jpg,9,8,7,6,1", "a.jpg,cat,1,2,3,dog", "a.jpg,1,,3,4,cat"])
def test_if_no_order_makes_boxes_a_header_is_asked_for(table, line):
    with pytest.raises(InputError, match="in no known way: put a line 'image,xmin"):
        read_csv(table(line))


def test_more_columns_without_a_header_are_not_guessed_at(table):
    with pytest.raises(InputError, match="not 6 columns"):
        read_csv(table("a.jpg,1,2,3,4,5,6\n"))


@pytest.mark.parametrize("text", ["a.jpg\nb.jpg\n", "a.jpg,,,,,\nb.jpg,,,,,\n"])
def test_a_table_of_images_without_objects_has_no_order(table, text):
    data = read_csv(table(text))
    assert len(data["all"]) == 2
    assert objects(data) == []


# --- Classes -----------------------------------------------------------------------------------------------


def ids_table(*ids):
    return HEADER + "".join(f"a.jpg,1,2,30,40,{i}\n" for i in ids)


def test_numbers_become_names_in_the_order_of_the_numbers(table):
    assert read_csv(table(ids_table(10, 2, "0"))).class_names == ("class 0", "class 2", "class 10")


def test_a_number_may_have_been_through_a_column_of_floats(table):
    assert [name for _, name, _ in objects(read_csv(table(ids_table("2.0", "2"))))] == ["class 2", "class 2"]


@pytest.mark.parametrize(
    ("ids", "labels", "is_doubtful"),
    [
        ((1, 3), [0, 2], False),
        ((3,), [2], True),
        ((0, 2), [0, 2], False),
        ((0, 1), [0, 1], False),
    ],
)
def test_numbers_count_through_the_given_names(table, ids, labels, is_doubtful):
    data = read_csv(table(ids_table(*ids)), ["x", "y", "z"])
    assert data.class_names == ("x", "y", "z")
    assert data["all"][0].ground_truth.labels.tolist() == labels
    assert bool(data.problems) == is_doubtful


@pytest.mark.parametrize("ids", [(4,), (0, 3)])
def test_more_numbers_than_names_are_an_error(table, ids):
    with pytest.raises(InputError, match="for 3 class names"):
        read_csv(table(ids_table(*ids)), ["x", "y", "z"])


@pytest.mark.parametrize("ids", [(1,), (1, 2), (2,)])
def test_numbers_that_may_count_from_0_or_from_1_are_an_error(table, ids):
    with pytest.raises(InputError, match=r"for 3 class names may count from 0 or from 1: write names"):
        read_csv(table(ids_table(*ids)), ["x", "y", "z"])


def test_tables_of_one_folder_count_their_classes_together(table, tmp_path):
    table(ids_table(1, 2, 3)).rename(tmp_path / "train.csv")
    table(ids_table(1)).rename(tmp_path / "val.csv")
    data = read_csv(tmp_path, ["x", "y", "z"])
    assert data["train"][0].ground_truth.labels.tolist() == [0, 1, 2]
    assert data["val"][0].ground_truth.labels.tolist() == [0]


@pytest.mark.parametrize("names", [("0", "1", "2"), ("2", "0", "1"), ("10", "9", "1.0")])
def test_names_that_look_like_numbers_come_back(tmp_path, names):
    truth = GroundTruth([[1, 2, 3, 4], [5, 6, 7, 8]], [0, 2])
    write_csv(tmp_path / "out", {"train": [Sample(JPEG, truth, "a")]}, names)
    for class_names in (None, names):
        again = read_csv(tmp_path / "out", class_names)
        assert again.class_names == names
        assert again["train"][0].ground_truth.labels.tolist() == [0, 2]


def test_numbers_that_are_the_given_names_are_names(table):
    data = read_csv(table(ids_table(3, 5)), ["5", "4", "3"])
    assert data["all"][0].ground_truth.labels.tolist() == [2, 0]


def test_a_class_that_is_not_among_the_given_ones_is_an_error(table):
    with pytest.raises(InputError, match=r"labels\.csv: class 'catt' .* did you mean 'cat'\?"):
        read_csv(table(HEADER + "a.jpg,1,2,30,40,catt\n"), ["dog", "cat"])


# --- Images ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["a.jpg", "images/a.jpg", "JPEGImages/a.jpg", "deep/down/below/a.jpg"])
@pytest.mark.parametrize("name", ["a.jpg", "a", "somewhere/else/a.jpg", "C:\\photos\\a.jpg"])
def test_images_are_found_below_the_table(table, tmp_path, place, name):
    (sample,) = read_csv(table(f"{HEADER}{name},1,2,30,40,cat\n", [place]))["all"]
    assert sample.image == tmp_path / place
    assert sample.image_id == "a"


def test_of_two_images_of_one_name_the_path_tells_which(table, tmp_path):
    rows = "x/a.jpg,1,2,30,40,cat\ny/a.jpg,1,2,30,40,dog\n"
    data = read_csv(table(HEADER + rows, ["in/x/a.jpg", "in/y/a.jpg"]))
    assert [sample.image_id for sample in data["all"]] == ["in/x/a.jpg", "in/y/a.jpg"]
    assert data["all"][1].image == tmp_path / "in/y/a.jpg"


def test_an_image_of_which_there_are_two_is_left_out(table):
    rows = "a.jpg,1,2,30,40,cat\nb.jpg,1,2,30,40,cat\n"
    data = read_csv(table(HEADER + rows, ["x/a.jpg", "y/a.jpg", "b.jpg"]))
    assert [sample.image_id for sample in data["all"]] == ["b"]
    assert "2 below" in the_problem(data).problem


def test_an_image_that_is_missing_is_named_once(table):
    rows = "a.jpg,1,2,30,40,cat\nc.jpg,1,2,30,40,cat\nc.jpg,1,2,3,4,cat\n"
    data = read_csv(table(HEADER + rows))
    assert [sample.image_id for sample in data["all"]] == ["a"]
    assert "'c.jpg'" in the_problem(data).problem


def test_no_image_outside_of_the_folder_is_taken(table, tmp_path):
    path = table(HEADER + "../secret.jpg,1,2,30,40,cat\na.jpg,1,2,30,40,cat\n")
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.jpg").write_bytes(JPEG)
    (inside / "a.jpg").write_bytes(JPEG)
    data = read_csv(path.rename(inside / "labels.csv"))
    assert [sample.image_id for sample in data["all"]] == ["a"]
    assert "../secret.jpg" in the_problem(data).problem


def test_lines_of_one_image_are_one_sample_wherever_they_stand(table):
    rows = "b.jpg,1,2,30,40,cat\na.jpg,1,2,30,40,cat\nb.jpg,5,6,7,8,dog\n"
    data = read_csv(table(HEADER + rows))
    assert [(s.image_id, len(s.ground_truth)) for s in data["all"]] == [("b", 2), ("a", 1)]


def test_a_line_without_box_is_an_image_without_objects(table):
    data = read_csv(table(HEADER + "a.jpg,,,,,\nb.jpg\n"))
    assert [len(sample.ground_truth) for sample in data["all"]] == [0, 0]
    assert data.problems == ()


def test_a_split_column_names_the_splits(table):
    rows = "val,a.jpg,1,2,30,40,cat\ntrain,b.jpg,,,,,\n,b.jpg,1,2,30,40,cat\n"
    data = read_csv(table(f"split,{HEADER}{rows}"))
    assert {name: [s.image_id for s in split] for name, split in data.items()} == {
        "val": ["a"],
        "train": ["b"],
        "all": ["b"],
    }


def test_flags(table):
    text = HEADER.strip() + ",difficult,is_crowd,truncated\na.jpg,1,2,30,40,cat,1,0,True\n"
    truth = read_csv(table(text))["all"][0].ground_truth
    assert (truth.difficult.tolist(), truth.crowd.tolist(), truth.truncated.tolist()) == (
        [True],
        [False],
        [True],
    )


# --- Fractions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "filename,xmin,ymin,xmax,ymax,class\na.jpg,0.1,0.1,0.5,1,dog\n",
        "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsGroupOf\na,x,dog,1,0.1,0.5,0.1,1,-1\n",
        HEADER + "a.jpg,0.1,0.1,0.5,1.0005,dog\nb.jpg,,,,,\n",
    ],
)
def test_corners_between_0_and_1_are_fractions_of_the_image(table, text):
    data = read_csv(table(text))
    ((image_id, name, box),) = objects(data)
    assert (image_id, name) == ("a", "dog")
    assert box == pytest.approx((10, 6, 50, 60))
    assert "read as fractions" in the_problem(data).problem


def test_some_fractions_make_no_table_of_fractions(table):
    data = read_csv(table(HEADER + "a.jpg,0.25,0.25,0.5,0.5,cat\nb.jpg,0,0,30,40,cat\n"))
    assert [box for _, _, box in objects(data)] == [(0.25, 0.25, 0.5, 0.5), (0, 0, 30, 40)]
    assert data.problems == ()


def test_corners_of_whole_pixels_are_no_fractions(table):
    data = read_csv(table(HEADER + "a.jpg,0,0,1,1,cat\n"))
    assert objects(data) == [("a", "cat", (0, 0, 1, 1))]
    assert data.problems == ()


def test_fractions_of_an_image_of_unknown_size_are_left_out(table, tmp_path):
    path = table(HEADER + "a.jpg,0.1,0.1,0.5,0.5,cat\nb.jpg,0.1,0.1,0.5,0.5,cat\nb.jpg,0.1,x,,1,cat\n")
    (tmp_path / "a.jpg").write_bytes(b"no image")
    data = read_csv(path)
    assert [image_id for image_id, *_ in objects(data)] == ["b"]
    assert [problem.problem.split(",")[0] for problem in data.problems][1:] == [
        "does not decode as an image",
        "line 4: the box of b.jpg is left out: its ymin is no number ('x')",
    ]


def test_small_boxes_of_our_own_stay_pixels(tmp_path):
    truth = GroundTruth([[0.25, 0.25, 0.5, 0.5]], [0])
    write_csv(tmp_path / "out", {"train": [Sample(JPEG, truth, "a")]}, ["cat"])
    assert objects(read_csv(tmp_path / "out")) == [("a", "cat", (0.25, 0.25, 0.5, 0.5))]


# --- What is wrong in it -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "read", "said"),
    [
        ("a.jpg,37,2,37,40,cat", [], "the box of a.jpg has no width (xmin = xmax = 37)"),
        ("a.jpg,30,2,1,40,cat", [(1, 2, 30, 40)], "swapped"),
        ("a.jpg,1,2,300,40,cat", [(1, 2, 100, 40)], "reaches out of the image (100 × 60)"),
        ("a.jpg,x,2,30,40,cat", [], "no number ('x')"),
        ("a.jpg,1,2,30,nan,cat", [], "not finite"),
        ("a.jpg,1,2,30", [], "has no class"),
        ("a.jpg,1,2,30,40,", [], "has no class"),
        ("a.jpg,1,2,,,cat", [], "has no xmax"),
        ("a.jpg,,,,,cat", [], "has no xmin"),
        ("a.jpg,,,,,7", [], "has no xmin"),
    ],
)
def test_faulty_lines(table, row, read, said):
    path = table(f"{HEADER}\n{row}\n")
    data = read_csv(path)
    assert [box for _, _, box in objects(data)] == read
    assert the_problem(data).file == str(path)
    assert the_problem(data).problem.startswith("line 3: ")
    assert said in the_problem(data).problem
    assert len(data["all"]) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("\n,,\n", "is empty"),
        (HEADER, "no image that can be used"),
        (HEADER + "missing.jpg,1,2,3,4,cat\n", "no image that can be used: .*'missing.jpg'"),
        (b"\xff\xfea\x00", "UTF-8"),
        (HEADER + '"' + "x" * 200_000, "is no CSV file"),
    ],
)
def test_a_table_that_is_of_no_use_is_an_error(table, text, said):
    with pytest.raises(InputError, match=said) as error:
        read_csv(table(text))
    assert "\n" not in str(error.value)


def test_a_missing_table_is_an_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_csv(tmp_path / "missing.csv")


# --- Finding it --------------------------------------------------------------------------------------------


def test_a_folder_with_one_table_is_enough(table):
    path = table(HEADER + "a.jpg,1,2,30,40,cat\n")
    assert recognises_csv(path)
    assert recognises_csv(path.parent)
    assert objects(read_csv(path.parent)) == objects(read_csv(path))


def lay_out(folder, files):
    """Write images, and tables whose only line names an image."""
    for name, image in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(JPEG if image is None else f"{HEADER}{image},1,2,30,40,cat\n".encode())


def splits_of(data):
    return {name: [str(sample.image_id) for sample in split] for name, split in data.items()}


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        (
            {"labels_train.csv": "a.jpg", "labels_val.csv": "b.jpg", "a.jpg": None, "b.jpg": None},
            {"train": ["a"], "val": ["b"]},
        ),
        (
            {
                "data/train_labels.csv": "a",
                "data/test_labels.csv": "b",
                "images/a.jpg": None,
                "images/b.jpg": None,
            },
            {"test": ["b"], "train": ["a"]},
        ),
        (
            {
                "train/_annotations.csv": "a.jpg",
                "valid/_annotations.csv": "a.jpg",
                "train/a.jpg": None,
                "valid/a.jpg": None,
            },
            {"train": ["train/a.jpg"], "val": ["valid/a.jpg"]},
        ),
        ({"train2017.csv": "a", "val2017.csv": "a", "a.jpg": None}, {"train2017": ["a"], "val2017": ["a"]}),
    ],
)
def test_tables_of_several_splits_are_one_data_set(tmp_path, files, splits):
    lay_out(tmp_path, files)
    assert recognises_csv(tmp_path)
    data = read_csv(tmp_path)
    assert splits_of(data) == splits
    assert data.problems == ()


def test_a_single_table_states_its_split(tmp_path):
    lay_out(tmp_path, {"labels_train.csv": "a", "digits.csv": "a", "a.jpg": None})
    assert list(read_csv(tmp_path / "labels_train.csv")) == ["train"]
    assert list(read_csv(tmp_path / "digits.csv")) == ["all"]


def test_a_list_of_classes_beside_the_table_is_none_of_boxes(tmp_path):
    lay_out(tmp_path, {"a.jpg": None})
    (tmp_path / "annotations.csv").write_text("photos/a.jpg,10,20,90,30,cat\n")
    (tmp_path / "classes.csv").write_text("cat,0\n")
    assert objects(read_csv(tmp_path)) == [("a", "cat", (10, 20, 90, 30))]


def test_a_folder_with_two_tables_of_unknown_splits_is_an_error(table):
    path = table(HEADER)
    (path.parent / "more.csv").write_text(HEADER)
    with pytest.raises(InputError, match=r"2 CSV files \(labels.csv, more.csv\)"):
        read_csv(path.parent)


def test_folders_without_table_or_without_images_are_not_recognised(table, tmp_path):
    assert not recognises_csv(tmp_path)
    assert not recognises_csv(tmp_path / "missing")
    assert not recognises_csv(table(HEADER, images=[]).parent)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no CSV file"):
        read_csv(tmp_path / "empty")


# --- Writing -----------------------------------------------------------------------------------------------

NAMES = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), min_size=1, max_size=12
).filter(lambda name: name == name.strip())


@st.composite
def truths(draw, classes):
    count = draw(st.integers(0, 4))
    corners = st.tuples(*[st.floats(0, 40, width=32)] * 2, *[st.floats(0.0625, 20, width=32)] * 2)
    drawn = np.array(draw(st.lists(corners, min_size=count, max_size=count)), np.float32).reshape(-1, 4)
    flags = st.lists(st.booleans(), min_size=count, max_size=count)
    return GroundTruth(
        np.hstack([drawn[:, :2], drawn[:, :2] + drawn[:, 2:]]),
        draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count)),
        difficult=draw(flags),
        crowd=draw(flags),
        truncated=draw(flags),
    )


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_is_written_is_read_again(data):
    class_names = data.draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    image_ids = data.draw(st.lists(st.text(max_size=8), min_size=1, max_size=4, unique=True))
    samples = [Sample(JPEG, data.draw(truths(len(class_names))), image_id) for image_id in image_ids]
    with tempfile.TemporaryDirectory() as folder:
        write_csv(folder, {"train": iter(samples)}, class_names)
        again = read_csv(Path(folder), class_names)
        assert again.problems == ()
        assert again.class_names == tuple(class_names)
        assert len(again["train"]) == len(samples)
        for read, written in zip(again["train"], samples, strict=True):
            for name, values in vars(written.ground_truth).items():
                np.testing.assert_array_equal(getattr(read.ground_truth, name), values)


def test_a_sample_in_two_splits_stays_in_both(tmp_path):
    samples = [Sample(JPEG, GroundTruth(np.float32([[1, 2, 3, 4]]), np.zeros(1)), name) for name in "ab"]
    write_csv(tmp_path / "out", {"train": samples[:1], "trainval": samples}, ["cat"])
    assert len(list((tmp_path / "out" / "images").iterdir())) == 2
    again = read_csv(tmp_path / "out")
    assert {name: [s.image_id for s in split] for name, split in again.items()} == {
        "train": ["a"],
        "trainval": ["a", "b"],
    }


def test_a_split_without_images_and_numbers_of_classes_come_back(tmp_path):
    sample = Sample(JPEG, GroundTruth.empty(), "a")
    write_csv(tmp_path / "out", {"train": [sample], "val": []}, ["cat", "dog"], category_ids=[90, 3])
    again = read_csv(tmp_path / "out")
    assert splits_of(again) == {"train": ["a"], "val": []}
    assert again.category_ids == (90, 3)
    assert read_csv(tmp_path / "out", ["dog", "cat"]).category_ids == (3, 90)
    with pytest.raises(InputError, match="1 category ids for 2 classes"):
        write_csv(tmp_path / "more", {"train": [sample]}, ["cat", "dog"], category_ids=[1])


def test_the_table_can_be_read_by_people(tmp_path):
    truth = GroundTruth(np.float32([[1, 2, 3.5, 4]]), np.zeros(1), difficult=np.array([True]), areas=[4.25])
    empty = Sample(JPEG, GroundTruth.empty(), "b")
    write_csv(tmp_path / "out", {"train": [Sample(JPEG, truth, "a"), empty]}, ["cat, or not"])
    assert (tmp_path / "out" / "labels.csv").read_text().splitlines() == [
        "image,xmin,ymin,xmax,ymax,class,split,difficult,crowd,truncated,area",
        'images/a.jpg,1,2,3.5,4,"cat, or not",train,1,0,0,4.25',
        "images/b.jpg,,,,,,train,,,,",
    ]


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("")
    with pytest.raises(InputError, match="is not empty"):
        write_csv(tmp_path, {}, ["cat"])
