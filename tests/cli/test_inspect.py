"""`ssd inspect` as a user calls it: odd names, unreadable images, places where nothing may be written."""

import json

import cv2
import numpy as np
import pytest
from scenes import write_data

from ssd_keras.cli import main
from ssd_keras.data.readers.voc import write_voc
from ssd_keras.data.samples import GroundTruth, Sample


@pytest.fixture
def call(capsys):
    """Run the command line; give its exit status, standard output and standard error."""

    def run_command(*words):
        capsys.readouterr()
        status = main([str(word) for word in words])
        return status, *capsys.readouterr()

    return run_command


@pytest.fixture
def data(tmp_path):
    return write_data(tmp_path / "data", train=4, val=2)


def write_table(folder, class_name, file_name="a.png", boxes=((1, 1, 50, 50),)):
    folder.mkdir(parents=True)
    (folder / file_name).write_bytes(cv2.imencode(".png", np.zeros((60, 60, 3), np.uint8))[1].tobytes())
    rows = [f'"{file_name}",{",".join(map(str, box))},"{class_name}"' for box in boxes]
    (folder / "labels.csv").write_text("\n".join(["image,xmin,ymin,xmax,ymax,class", *rows]) + "\n")
    return folder


def files_of(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_data_sets_that_are_taken_together_are_named(call, tmp_path):
    for name in ("one", "two"):
        write_data(tmp_path / "all" / name, train=1)
    status, out, err = call("inspect", tmp_path / "all")
    assert status == 0, err
    assert "2 data sets, taken together: one, two" in out
    document = json.loads(call("inspect", tmp_path / "all", "--json")[1])
    assert document["data_sets"] == [str(tmp_path / "all" / name) for name in ("one", "two")]


def test_the_preview_has_the_size_of_the_recipes_model(call, data, tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("model: ssd300_mobilenet")
    status, _, err = call("inspect", data, "--recipe", recipe, "--preview", tmp_path / "sheet.png", "--json")
    assert status == 0, err
    height, width = cv2.imread(str(tmp_path / "sheet.png")).shape[:2]
    assert height == width  # four by four squares


class TestNames:
    @pytest.mark.parametrize("name", ["dog[/]", "[red]dog", "[/foo]", ":cat:"])
    def test_what_looks_like_markup_is_printed_as_it_stands(self, call, tmp_path, name):
        status, out, err = call("inspect", write_table(tmp_path / "[" / "foo]", name))
        assert status == 0, err
        assert name in out
        assert f"{tmp_path}/[/foo] (csv): 1 image, 1 box" in out

    def test_nothing_breaks_a_line_or_reaches_the_terminal_and_the_document_has_it_raw(self, call, tmp_path):
        names = {"class_name": "do\u2028g\x85s", "file_name": "a\u2028\u202eb.png"}
        odd = write_table(tmp_path / "odd\nname\x1b[31m", **names, boxes=[(1, 1, 50, 50)] * 2)
        made = ("--report", tmp_path / "page.html", "--preview", tmp_path / "sheet.png")
        status, out, err = call("inspect", odd, *made, "--fix", tmp_path / "fixed")
        assert status == 0, err
        for character in ("\x1b", "\u2028", "\x85", "\u202e"):
            assert character not in out + err
        assert "odd name [31m (csv)" in out
        assert "do g s" in out
        assert sum("box 2 is box 1 once more" in line for line in out.splitlines()) == 1
        assert sum("box 2 is there twice" in line for line in out.splitlines()) == 1
        assert not any(line.startswith("name") for line in out.splitlines())
        _, out, _ = call("inspect", odd, "--json")
        assert list(json.loads(out)["classes"]) == ["do\u2028g\x85s"]
        assert json.loads(out)["problems"][0]["file"] == str(odd / names["file_name"])

    def test_names_that_are_no_utf_8_stand_in_the_page(self, call, data, tmp_path):
        image = next((data / "JPEGImages").iterdir())
        image.write_bytes(b"broken")
        odd = data.rename(tmp_path / b"nu\xff".decode("utf-8", "surrogateescape"))
        status, _, err = call("inspect", odd, "--report", tmp_path / "page.html")
        assert status == 0, err
        assert "does not decode" in (tmp_path / "page.html").read_text(encoding="utf-8")


class TestTrouble:
    def test_an_unreadable_image_is_passed_over_in_the_preview(self, call, data, tmp_path):
        for file in sorted((data / "JPEGImages").iterdir())[:3]:
            file.write_bytes(b"broken")
        made = tmp_path / "sheet.png"
        status, _, err = call("inspect", data, "--preview", made, "--image-size", "48", "64")
        assert status == 0, err
        assert cv2.imread(str(made)).shape == (
            4 * (4 * 48 + 4),
            4 * (4 * 64 + 4),
            3,
        )  # pixels stand four times

    def test_what_fails_does_not_take_the_rest_with_it(self, call, data, tmp_path):
        (tmp_path / "file").write_text("")
        places = ("--report", tmp_path / "file" / "page.html", "--preview", tmp_path / "sheet.doc")
        status, out, err = call("inspect", data, *places, "--fix", tmp_path / "fixed")
        assert status == 1
        assert "6 images" in out
        assert "corrected copy" in out
        assert len(err.splitlines()) == 1
        assert "page.html cannot be written" in err
        assert "sheet.doc is no name of a picture" in err
        status, out, err = call("inspect", data, *places, "--fix", tmp_path / "again", "--json")
        assert status == 1
        assert json.loads(out)["fixed"] == str(tmp_path / "again")
        assert "page.html cannot be written" in err

    def test_of_images_of_which_none_can_be_read_there_is_no_copy(self, call, data, tmp_path):
        for file in (data / "JPEGImages").iterdir():
            file.write_bytes(b"broken")
        made = ("--fix", tmp_path / "fixed", "--preview", tmp_path / "sheet.png")
        status, out, err = call("inspect", data, *made, "--json")
        assert status == 1
        assert len(json.loads(out)["problems"]) == 6
        assert "fixed" not in json.loads(out)
        assert "no image of the data set can be read" in err
        assert "no image can be shown" in err
        assert not (tmp_path / "fixed").exists()
        assert not (tmp_path / "sheet.png").exists()

    @pytest.mark.parametrize("size", [("-5", "10"), ("200000", "200000"), ("0", "0")])
    def test_sizes_without_sense_are_refused(self, call, data, tmp_path, size):
        status, out, err = call("inspect", data, "--image-size", *size, "--preview", tmp_path / "a.png")
        assert (status, out) == (1, "")
        assert err.startswith(f"ssd: --image-size {' '.join(size)} is no size")


class TestTheOriginal:
    @pytest.mark.parametrize(
        ("flag", "place", "said"),
        [
            ("--report", "JPEGImages/0000.jpg", "is no page that ssd inspect wrote"),
            ("--report", "Annotations/0000.xml", "is no page that ssd inspect wrote"),
            ("--preview", "JPEGImages/0000.jpg", "inside of"),
            ("--preview", "JPEGImages/new.png", "inside of"),
            ("--fix", "fixed", "inside of"),
            ("--fix", "a/../b/fixed", "inside of"),
        ],
    )
    def test_nothing_of_it_is_written_over_or_added_to(self, call, data, flag, place, said):
        before = files_of(data)
        status, out, err = call("inspect", data, flag, data / place)
        assert (status, out) == (1, "")
        assert said in err
        assert files_of(data) == before

    def test_an_image_beside_its_labels_is_no_place_for_a_picture(self, call, tmp_path):
        data = write_table(tmp_path / "table", "cat")
        before = files_of(data)
        status, _, err = call("inspect", data / "labels.csv", "--preview", data / "a.png")
        assert status == 1
        assert "is an image of the data set" in err
        assert files_of(data) == before

    def test_a_page_and_a_picture_of_an_earlier_time_are_replaced_and_nothing_else(
        self, call, data, tmp_path
    ):
        made = ("--report", tmp_path / "page.html", "--preview", tmp_path / "sheet.png")
        for _ in range(2):
            assert call("inspect", data, *made, "--image-size", "48", "64")[0] == 0
        for flag, name in (("--report", "notes.html"), ("--preview", "notes.png")):
            (tmp_path / name).write_text("<!doctype html>\nprecious")
            status, _, err = call("inspect", data, flag, tmp_path / name)
            assert status == 1
            assert "exists and is no p" in err
            assert "precious" in (tmp_path / name).read_text()


class TestModel:
    def test_boxes_beside_the_anchors_of_a_model(self, call, data, tmp_path):
        page = tmp_path / "page.html"
        words = ("--model", "ssd7", "--image-size", "96", "128", "--report", page)
        status, out, err = call("inspect", data, *words, "--json")
        assert status == 0, err
        document = json.loads(out)
        anchors = document["anchors"]
        assert document["input_size"] == [96, 128]
        assert anchors["model"] == "ssd7"
        assert anchors["boxes"] == document["boxes"] == sum(one["boxes"] for one in anchors["box_sizes_px"])
        covered = sum(one["covered"] for one in anchors["box_sizes_px"])
        assert covered == sum(layer["covered"] for layer in anchors["layers"])
        assert anchors["covered"] == pytest.approx(covered / document["boxes"], abs=1e-4)
        assert "Anchors of ssd7" in page.read_text()
        status, out, _ = call("inspect", data, *words[:-2])
        assert status == 0
        assert "anchors of ssd7: " in out
        assert "side of a box, px" in out
        assert "anchors" not in json.loads(call("inspect", data, "--json")[1])

    def test_an_unknown_model_is_named(self, call, data):
        status, _, err = call("inspect", data, "--model", "nope")
        assert status == 1
        assert "nope" in err

    def test_without_boxes_nothing_is_covered(self, call, tmp_path):
        image = np.zeros((60, 60, 3), np.uint8)
        write_voc(tmp_path / "bare", {"train": [Sample(image, GroundTruth.empty(), "a")]}, ["cat"])
        status, out, err = call("inspect", tmp_path / "bare", "--model", "ssd7", "--json")
        assert status == 0, err
        assert json.loads(out)["anchors"]["box_sizes_px"] == []
        assert call("inspect", tmp_path / "bare", "--model", "ssd7")[0] == 0


def test_tiny_boxes_are_named_with_their_images(call, tmp_path):
    data = write_table(tmp_path / "table", "cat", boxes=[(1, 1, 50, 50), (3, 3, 30, 3.5), (9, 9, 9.3, 30)])
    status, out, _ = call("inspect", data, "--report", tmp_path / "page.html")
    assert status == 0
    assert f"2 boxes have a side below 4 pixels in a network's input of 300x480: {data}/a.png (2, 3)" in out
    assert "a.png: boxes 2, 3" in (tmp_path / "page.html").read_text()
    document = json.loads(call("inspect", data, "--json")[1])
    assert document["tiny_boxes"] == 2
    assert document["tiny_boxes_in"] == {str(data / "a.png"): [2, 3]}


def test_one_of_a_thing_is_not_called_many(call, tmp_path):
    data = write_table(tmp_path / "table", "cat", boxes=[(1, 1, 50, 50), (3, 3, 30, 3)])
    status, out, _ = call("inspect", data, "--report", tmp_path / "page.html")
    assert status == 0
    page = (tmp_path / "page.html").read_text()
    assert "1 image, 1 box" in out
    assert "\n1 problem:\n" in out
    assert "times as many boxes" not in out + page
    for said in ("<b>1</b>image<", "<b>1</b>box<", "<b>1</b>class<", "<b>1</b>problem<"):
        assert said in page


def test_what_is_found_is_said_where_no_copy_can_be_made(call, tmp_path):
    bare = write_data(tmp_path / "bare", train=2)
    (bare / "ssd-keras.json").unlink()
    for file in (bare / "Annotations").iterdir():
        file.write_text("<annotation></annotation>")
    status, out, err = call("inspect", bare, "--fix", tmp_path / "fixed")
    assert status == 1
    assert "2 images, 0 boxes" in out
    assert "has no labelled object" in err
    assert not (tmp_path / "fixed").exists()


def test_paths_in_the_page_break_behind_slashes_and_names_stay_escaped(call, tmp_path):
    data = write_table(tmp_path / "a <b> & c", "<i>", boxes=[(1, 1, 50, 50)] * 2)
    assert call("inspect", data, "--report", tmp_path / "page.html")[0] == 0
    page = (tmp_path / "page.html").read_text()
    assert "/<wbr>a &lt;b&gt; &amp; c/<wbr>a.png</td>" in page
    assert "<i>" not in page


def test_hundreds_of_problems_are_not_all_printed(call, tmp_path):
    boxes = [(1, 1, 50, 50), *[(3, y, 30, y) for y in range(1, 59)] * 2]
    data = write_table(tmp_path / "table", "cat", boxes=boxes)
    status, out, _ = call("inspect", data)
    assert status == 0
    assert "and 16 more, which --report and --json have" in out
    assert len(json.loads(call("inspect", data, "--json")[1])["problems"]) == 116


class TestNewNames:
    @pytest.fixture
    def tools(self, tmp_path):
        """Eleven wrenches and one that is misspelt, each in an image of its own."""
        folder = write_table(tmp_path / "tools", "wrench")
        for number in range(11):
            pixels = np.full((60, 60, 3), 20 * number + 20, np.uint8)
            (folder / f"{number}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
        rows = [f"{number}.png,1,1,50,50,{'wrnech' if number == 10 else 'wrench'}" for number in range(11)]
        with (folder / "labels.csv").open("a") as table:
            table.write("\n".join(rows) + "\n")
        return folder

    def test_a_problem_says_with_which_flag_classes_become_one(self, call, tools, tmp_path):
        status, out, err = call("inspect", tools)
        assert status == 0
        assert "take both together with 'ssd inspect DATA --fix OUT --rename wrnech=wrench'" in out
        assert err.strip() == "a corrected copy, with each change told: add --fix OUT"
        status, out, err = call("inspect", tools, "--fix", tmp_path / "copy", "--rename", "wrnech=wrench")
        assert (status, err) == (0, "")
        assert "class 'wrnech': renamed to 'wrench' (1 box)" in out
        document = json.loads(call("inspect", tmp_path / "copy", "--json")[1])
        assert (document["classes"], document["problems"]) == ({"wrench": 12}, [])

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (
                ["--rename", "wrnech=wrench"],
                "--rename is for the corrected copy: name a folder for it with --fix",
            ),
            (["--fix", "{}", "--rename", "wrnch=wrench"], "did you mean 'wrnech'?"),
            (["--fix", "{}", "--rename", "wrnech"], "--rename 'wrnech' is no two names: write it as old=new"),
        ],
    )
    def test_what_is_wrong_with_a_new_name_is_said(self, call, tools, tmp_path, words, said):
        status, _, err = call("inspect", tools, *(word.format(tmp_path / "copy") for word in words))
        assert status == 1
        assert said in err
        assert not (tmp_path / "copy").exists()
