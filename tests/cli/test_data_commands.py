"""`ssd convert` and `ssd anchors` as a user calls them."""

import dataclasses
import json

import cv2
import pytest
import yaml
from scenes import CLASSES, sample, write_data

from ssd_keras.cli import main
from ssd_keras.data import conversion
from ssd_keras.data.formats import FORMATS, open_dataset
from ssd_keras.data.readers.voc import write_voc
from ssd_keras.data.samples import GroundTruth


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data") / "set", train=8, val=4, test=4)


@pytest.fixture
def call(capsys):
    """Run the command line; give its exit status, standard output and standard error."""

    def run_command(*words):
        capsys.readouterr()
        status = main([str(word) for word in words])
        return status, *capsys.readouterr()

    return run_command


def boxes_of(dataset, split):
    return [(len(s.ground_truth), s.ground_truth.labels.tolist()) for s in dataset[split]]


@pytest.mark.parametrize("to", [known.name for known in FORMATS])
def test_every_format_and_back(call, data, tmp_path, to):
    there, back = tmp_path / "there", tmp_path / "back"
    status, out, err = call("convert", data, there, "--to", to, "--json")
    assert status == 0, err
    document = json.loads(out)
    assert document["splits"] == {"test": 4, "train": 8, "val": 4}
    assert document["class_names"] == list(CLASSES)
    assert call("convert", there, back, "--to", "voc")[0] == 0
    before, after = open_dataset(data), open_dataset(back)
    assert after.class_names == CLASSES
    for split in before:
        assert boxes_of(after, split) == boxes_of(before, split)


def test_splits_by_fractions_by_lists_and_by_name(call, data, tmp_path):
    fractions = ("--fractions.one", "0.75", "--fractions.other", "0.25")
    assert call("convert", data, tmp_path / "a", "--to", "csv", *fractions)[0] == 0
    assert {name: len(split) for name, split in open_dataset(tmp_path / "a").items()} == {
        "one": 12,
        "other": 4,
    }
    (tmp_path / "list.txt").write_text("0001\n0005.jpg\n")
    lists = ("--lists.few", tmp_path / "list.txt")
    assert call("convert", data, tmp_path / "b", "--to", "csv", *lists)[0] == 0
    assert [sample.image_id for sample in open_dataset(tmp_path / "b")["few"]] == ["0001", "0005"]
    assert call("convert", data, tmp_path / "c", "--to", "csv", "--split", "val")[0] == 0
    assert list(open_dataset(tmp_path / "c")) == ["val"]
    status, _, err = call("convert", data, tmp_path / "d", "--to", "csv", "--split", "val", *fractions)
    assert status == 1
    assert "exclude each other" in err


def test_several_data_sets_and_some_classes(call, data, tmp_path):
    other = write_data(tmp_path / "other", train=3)
    chosen = ("--also", other, "--include-classes", "red")
    status, out, err = call("convert", data, tmp_path / "out", "--to", "csv", *chosen, "--json")
    assert status == 0, err
    assert json.loads(out)["class_names"] == ["red"]
    assert json.loads(out)["splits"]["train"] == 11


def test_what_stands_there_is_kept(call, data, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("precious")
    status, _, err = call("convert", data, tmp_path / "out", "--to", "csv")
    assert status == 1
    assert "exists already" in err
    assert [file.name for file in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "mine.txt").read_text() == "precious"


def test_an_image_that_cannot_be_read_leaves_no_half_written_folder(call, tmp_path):
    broken = write_data(tmp_path / "data", train=4)
    (broken / "JPEGImages" / "0002.jpg").write_bytes(b"")
    status, _, err = call("convert", broken, tmp_path / "out", "--to", "voc")
    assert status == 1
    assert "0002" in err
    assert [file.name for file in tmp_path.iterdir()] == ["data"]


def test_a_list_that_leaves_images_out_is_told_and_an_empty_one_refused(call, data, tmp_path):
    (tmp_path / "list.txt").write_text("0001\n")
    lists = ("--lists.few", tmp_path / "list.txt")
    status, _, err = call("convert", data, tmp_path / "out", "--to", "csv", *lists)
    assert status == 0
    assert "15 of 16 images are in no list, and left out" in err
    (tmp_path / "list.txt").write_text("")
    status, _, err = call("convert", data, tmp_path / "empty", "--to", "csv", *lists)
    assert status == 1
    assert "list.txt is empty" in err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["list.txt", "out"]


def test_classes_that_look_like_numbers_stay_what_they_are(call, tmp_path):
    write_voc(tmp_path / "digits", {"train": [sample(1), sample(2)]}, ["1", "0"])
    status, out, err = call("convert", tmp_path / "digits", tmp_path / "out", "--to", "csv", "--json")
    assert status == 0, err
    assert json.loads(out)["class_names"] == ["1", "0"]


def test_a_data_set_named_twice_is_taken_once(call, data, tmp_path):
    status, out, err = call("convert", data, tmp_path / "out", "--to", "coco", "--also", data, "--json")
    assert status == 0, err
    assert json.loads(out)["splits"] == {"test": 4, "train": 8, "val": 4}
    assert "name each data set once" in err


def test_a_copy_inside_of_the_data_set_is_refused(call, tmp_path):
    inside = write_data(tmp_path / "set", train=2)
    before = sorted(inside.rglob("*"))
    for out in (inside / "copy", inside / "JPEGImages" / ".." / "copy", inside):
        status, _, err = call("convert", inside, out, "--to", "csv")
        assert status == 1
        assert "lies inside of the data set" in err
    assert sorted(inside.rglob("*")) == before


def test_into_the_empty_folder_one_works_in(call, data, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    status, out, err = call("convert", data, ".", "--to", "coco", "--json")
    assert status == 0, err
    assert json.loads(out)["splits"] == {"test": 4, "train": 8, "val": 4}
    assert [file.name for file in tmp_path.iterdir()] == ["here"]


@pytest.mark.parametrize("to", ["csv", "hdf5"])
def test_an_interruption_says_what_is_kept(call, data, tmp_path, monkeypatch, to):
    def interrupted(split, on_progress):
        yield split[0]
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion, "_counted", interrupted)
    status, _, err = call("convert", data, tmp_path / "out", "--to", to)
    assert status == 130
    assert ("nothing of it is kept" in err) == (to == "csv")
    assert [file.name for file in tmp_path.iterdir()] == ([] if to == "csv" else ["unfinished-out"])


def test_a_negative_seed_is_wrong_usage(call, data, tmp_path):
    fractions = ("--fractions.one", "0.5", "--fractions.other", "0.5")
    status, _, err = call("convert", data, tmp_path / "out", "--to", "csv", "--seed", "-1", *fractions)
    assert status == 2
    assert "seed" in err


def test_boxes_that_change_in_the_copy_are_told(call, tmp_path):
    wrong = write_data(tmp_path / "wrong", train=1)
    file = next((wrong / "Annotations").iterdir())
    large = file.read_text().replace("<width>128", "<width>1280").replace("<height>96", "<height>960")
    box = "<object><name>red</name><bndbox><xmin>20</xmin><ymin>10</ymin><xmax>300</xmax><ymax>30</ymax>"
    file.write_text(large.replace("</annotation>", f"{box}</bndbox></object></annotation>"))
    status, _, err = call("convert", wrong, tmp_path / "copy", "--to", "csv")
    assert status == 0
    assert "reaches out of the image" in err
    assert str(tmp_path / "copy") in err


def test_anchors_are_measured_and_better_ones_fit_into_a_recipe(call, data, tmp_path):
    status, out, err = call("anchors", data, "--image-size", "96", "128", "--json")
    assert status == 0, err
    document = json.loads(out)
    assert document["boxes"] == 16
    assert 0 <= document["covered"] <= 1
    assert len(document["layers"]) == 4
    status, out, _ = call("anchors", data, "--image-size", "96", "128")
    assert status == 0
    assert out.startswith("ssd7 at 96x128: 16 boxes of train, ")
    suggested = yaml.safe_load(out[out.index("anchors:\n") :]) if "anchors:\n" in out else {}
    assert set(suggested.get("anchors", {})) <= {"scales", "aspect_ratios"}
    assert suggested["anchors"]["scales"] == pytest.approx(document["suggestion"]["anchors"]["scales"])


def test_anchors_of_what_cannot_be_covered(call, tmp_path):
    bare = write_data(tmp_path / "bare", train=2)
    for file in (bare / "Annotations").iterdir():
        file.write_text("<annotation></annotation>")
    status, _, err = call("anchors", bare)
    assert status == 1
    assert "no labelled object" in err
    assert call("anchors", tmp_path / "none")[0] == 1


class TestInspect:
    @pytest.fixture
    def faulty(self, tmp_path):
        faulty = write_data(tmp_path / "faulty", train=4, val=2)
        images = faulty / "JPEGImages"
        (images / "0001.jpg").write_bytes(b"no image")
        (images / "0004.jpg").write_bytes((images / "0000.jpg").read_bytes())
        return faulty

    def test_a_corrected_copy_has_no_problems_and_the_original_stays(self, call, faulty, tmp_path):
        before = {file: file.read_bytes() for file in faulty.rglob("*") if file.is_file()}
        status, out, err = call("inspect", faulty, "--fix", tmp_path / "copy", "--json")
        assert status == 0, err
        document = json.loads(out)
        assert len(document["problems"]) == 2
        assert len(document["changes"]) == 2
        assert {file: file.read_bytes() for file in faulty.rglob("*") if file.is_file()} == before
        status, out, _ = call("inspect", tmp_path / "copy", "--json")
        again = json.loads(out)
        assert (again["format"], again["images"], again["problems"]) == ("voc", 4, [])

    def test_a_copy_that_reads_otherwise_is_not_kept(self, call, faulty, tmp_path, monkeypatch):
        def lose_a_box(folder, splits, *arguments, **options):
            kept = {
                name: [dataclasses.replace(one, ground_truth=GroundTruth.empty()) for one in samples]
                for name, samples in splits.items()
            }
            write_voc(folder, kept, *arguments, **options)

        formats = [dataclasses.replace(one, write=lose_a_box) for one in FORMATS if one.name == "voc"]
        monkeypatch.setattr(conversion, "FORMATS", formats)
        status, _, err = call("inspect", faulty, "--fix", tmp_path / "copy")
        assert status == 1
        assert "reads with 0 boxes" in err
        assert not (tmp_path / "copy").exists()

    def test_the_page_stands_alone_and_escapes_names(self, call, tmp_path):
        odd = write_data(tmp_path / "a <b> & c", train=3)
        status, _, err = call("inspect", odd, "--report", tmp_path / "page.html")
        assert status == 0, err
        page = (tmp_path / "page.html").read_text()
        assert "a &lt;b&gt; &amp; c" in page
        assert "<b> & c" not in page
        assert page.count("data:image/jpeg;base64,") == 3
        assert "http" not in page.replace("https://", "http")
        for name in CLASSES:
            assert f"<span>{name}</span>" in page

    def test_a_preview_of_the_augmentation(self, call, data, tmp_path):
        (tmp_path / "recipe.yaml").write_text("image_size: [48, 64]\naugmentation: {chain: satellite}\n")
        preview = tmp_path / "preview.png"
        status, _, err = call("inspect", data, "--preview", preview, "--recipe", tmp_path / "recipe.yaml")
        assert status == 0, err
        assert cv2.imread(str(preview)).shape == (4 * (4 * 48 + 4), 4 * (4 * 64 + 4), 3)

    def test_what_cannot_be_written_is_said_before_anything_is_done(self, call, data, tmp_path):
        (tmp_path / "taken").write_text("precious")
        for flag in ("--fix", "--report"):
            place = tmp_path / "taken" if flag == "--fix" else tmp_path / "taken" / "page.html"
            status, _, err = call("inspect", data, flag, place)
            assert status == 1
            assert "taken" in err
        assert (tmp_path / "taken").read_text() == "precious"
        assert call("inspect", data, "--preview", tmp_path / "preview.doc")[0] == 1
