"""The commands as a user calls them, on a tiny data set."""

import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from parity import caffemodels
from scenes import CLASSES, SIZE, sample, write_data

from ssd_keras.cli import demo, main
from ssd_keras.data.readers.voc import write_voc
from ssd_keras.inference.detector import load_detector

TINY = [
    *("--image-size", "96", "128", "--epochs", "1", "--batch-size", "4"),
    *("--augmentation.chain", "none", "--anchors.scales", "0.25", "0.35", "0.5", "0.7", "0.9"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_data(tmp_path_factory.mktemp("data") / "set", train=8, val=4, test=4))


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("runs") / "run")
    assert main(["train", "--data", data, "--out", folder, *TINY]) == 0
    return folder


@pytest.fixture
def fails(call):
    """Run the command line, expect status 1 and one line of error, and give that line."""

    def run_command(*words):
        status, _, err = call(*words)
        lines = [line for line in err.splitlines() if line.startswith("ssd: ")]
        assert status == 1, err
        assert len(lines) == 1, err
        assert "Traceback" not in err
        return lines[0]

    return run_command


def test_train_prints_its_document(call, data, tmp_path):
    status, out, _ = call("train", "--data", data, "--out", tmp_path / "run", "--json", *TINY)
    document = json.loads(out)
    assert status == 0
    assert {"run", "model", "epochs", "images_per_second", "metrics"} <= document.keys()
    assert document["epochs"] == 1


def test_flags_have_precedence_over_the_recipe(call, data, tmp_path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("epochs: 3\nbatch_size: 4\nimage_size: [96, 128]\naugmentation: {chain: none}\n")
    words = ("train", recipe, "--data", data, "--epochs", 1, "--out", tmp_path / "run", "--json")
    status, out, _ = call(*words)
    assert status == 0
    assert json.loads(out)["epochs"] == 1
    assert "batch_size: 4" in (tmp_path / "run" / "recipe.yaml").read_text()


def test_inspect_counts(call, data):
    status, out, _ = call("inspect", data, "--json")
    document = json.loads(out)
    assert status == 0
    assert document["images"] == 16
    assert document["boxes"] == 32
    assert set(document["classes"]) == set(CLASSES)
    assert document["problems"] == []
    status, out, _ = call("inspect", data)
    assert status == 0
    assert "16 images, 32 boxes" in out


def test_evaluate_prints_its_document_and_table(call, data, run):
    status, out, _ = call("evaluate", run, "--data", data, "--split", "test", "--json")
    document = json.loads(out)
    assert status == 0
    assert {"protocol", "mAP", "per_class", "images", "images_per_second"} <= document.keys()
    assert document["images"] == 4
    status, out, _ = call("evaluate", run, "--data", data, "--protocol", "voc07")
    assert status == 0
    assert "mAP" in out
    assert "voc07" in out


def test_detections_in_a_file_score_as_their_model(call, data, run, tmp_path):
    _, out, _ = call("detect", run, f"{data}/JPEGImages", "--threshold", 0, "--json")
    (tmp_path / "found.json").write_text(out)
    of_file = json.loads(
        call("evaluate", "--detections", tmp_path / "found.json", "--data", data, "--json")[1]
    )
    of_model = json.loads(call("evaluate", run, "--data", data, "--json")[1])
    assert of_file["mAP"] == pytest.approx(of_model["mAP"], abs=1e-2)


def test_scores_on_the_images_learned_from_are_called_so(call, data, run):
    assert "learned from these images" in call("evaluate", run, "--data", data, "--split", "train")[2]
    assert "learned from these images" not in call("evaluate", run, "--data", data, "--split", "test")[2]


def test_detect_draws_and_lists(call, data, run, tmp_path):
    image = f"{data}/JPEGImages/0001.jpg"
    status, out, _ = call("detect", run, image, "--threshold", 0.01, "--out", tmp_path / "found", "--json")
    (entry,) = json.loads(out)
    assert status == 0
    assert entry["image"] == image
    assert entry["size"] == list(SIZE)
    for found in entry["detections"]:
        assert found["label"] in CLASSES
        assert 0.01 <= found["score"] <= 1
        x0, y0, x1, y1 = found["box"]
        assert 0 <= x0 <= x1 <= SIZE[1]
        assert 0 <= y0 <= y1 <= SIZE[0]
    assert json.loads((tmp_path / "found" / "detections.json").read_text()) == [entry]
    assert (tmp_path / "found" / "0001.jpg").exists()


def test_a_bad_image_is_reported_and_the_rest_goes_on(call, data, run, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    status, out, err = call("detect", run, tmp_path / "bad.jpg", f"{data}/JPEGImages/0001.jpg", "--json")
    assert status == 1
    assert [entry["image"] for entry in json.loads(out)] == [f"{data}/JPEGImages/0001.jpg"]
    assert "bad.jpg does not decode" in err
    assert "1 of 2 images" in err


@pytest.mark.slow
def test_the_demo_leaves_what_it_says(call, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "SCENES", {"train": 8, "val": 2, "test": 4})
    monkeypatch.setattr(demo, "RECIPE", {**demo.RECIPE, "epochs": 1, "image_size": (96, 160)})
    monkeypatch.setattr(demo, "PICTURES", 2)
    monkeypatch.chdir(tmp_path)
    status, out, _ = call("demo", "--json")
    document = json.loads(out)
    assert status == 0
    assert {"folder", "model", "mAP", "seconds"} <= document.keys()
    for name in ("detections.jpg", "metrics.json", "run/curves.png", "run/log.csv", "pictures/000010.jpg"):
        assert (tmp_path / "demo" / name).exists(), name
    assert json.loads((tmp_path / "demo" / "metrics.json").read_text()) == document
    status, out, _ = call("demo")
    assert status == 0
    for place in re.findall(r"^  (\S+)", out, flags=re.MULTILINE):
        assert (tmp_path / place).exists(), place
    assert (tmp_path / "demo-2").exists()


# Bad input ---------------------------------------------------------------------------------------------


def test_a_data_set_that_is_none_is_named(fails, tmp_path):
    assert "missing does not exist" in fails("inspect", tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    for command in (["inspect"], ["train", "--data"]):
        assert "empty" in fails(*command, tmp_path / "empty")
    assert "no data set given" in fails("train")


def test_a_data_set_without_any_object_is_named(fails, tmp_path):
    write_voc(tmp_path / "bare", {"train": [sample(0, objects=0)]}, CLASSES)
    assert "bare has no labelled object" in fails("train", "--data", tmp_path / "bare")


def test_faults_in_labels_are_told_and_trained_around(call, tmp_path):
    data = write_data(tmp_path / "data", train=8)
    labels = data / "Annotations"
    (labels / "0000.xml").write_text("<annotation><object>")
    (labels / "0001.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    for number, side in enumerate(("-5", "9999", "0", "NaN"), start=2):
        file = labels / f"000{number}.xml"
        file.write_text(re.sub("<xmax>.*?</xmax>", f"<xmax>{side}</xmax>", file.read_text(), count=1))
    status, out, _ = call("inspect", data, "--json")
    assert status == 0
    files = [Path(problem["file"]).name for problem in json.loads(out)["problems"]]
    assert files == [f"000{number}.xml" for number in range(6)]
    status, _, err = call("train", "--data", data, "--out", tmp_path / "run", *TINY)
    assert status == 0
    assert "6 problems" in err
    assert "0000.xml" in err


@pytest.mark.parametrize("xml", ["<annotation><object>", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_a_data_set_without_any_readable_label_is_refused(fails, tmp_path, xml):
    data = write_data(tmp_path / "one", train=1)
    (data / "Annotations" / "0000.xml").write_text(xml)
    assert "0000.xml" in fails("train", "--data", data, "--out", tmp_path / "run", *TINY)


def test_images_that_do_not_decode_are_skipped_and_counted(call, fails, data, run, tmp_path):
    broken = write_data(tmp_path / "data", train=8, test=1)
    (broken / "JPEGImages" / "0003.jpg").write_bytes(b"no image")
    status, _, err = call("train", "--data", broken, "--out", tmp_path / "run", *TINY)
    assert status == 0
    assert "left out 1 image" in err
    assert "0003.jpg" in err
    (broken / "JPEGImages" / "0008.jpg").write_bytes(b"no image")
    assert "0008.jpg" in fails("evaluate", run, "--data", broken, "--split", "test")


def test_objects_of_other_classes_can_be_left_out_of_the_evaluation(call, fails, data, run, tmp_path):
    out = tmp_path / "red.keras"
    assert call("weights", "select-classes", run, "--classes", "red", "--out", out)[0] == 0
    assert "'blue' is not in the list" in fails("evaluate", out, "--data", data)
    status, printed, err = call("evaluate", out, "--data", data, "--ignore-other-classes", "--json")
    assert status == 0, err
    assert list(json.loads(printed)["per_class"]) == ["red"]


def test_classes_that_do_not_fit_are_named(fails, data, run, tmp_path):
    assert "'red' is not in the list" in fails(
        "train", "--data", data, "--class-names", "blue", "--out", tmp_path
    )
    other = write_data(tmp_path / "other", test=2)
    for file in (other / "Annotations").iterdir():
        file.write_text(file.read_text().replace("blue", "green").replace(">red<", ">green<"))
    assert "'green' is not in the list" in fails("evaluate", run, "--data", other)


def test_a_model_that_is_none_is_named(fails, data, run, tmp_path):
    image = f"{data}/JPEGImages/0001.jpg"
    text = tmp_path / "text.keras"
    text.write_text("no model")
    cut = tmp_path / "cut.keras"
    cut.write_bytes((Path(run) / "last.keras").read_bytes()[:5000])
    (tmp_path / "nothing").mkdir()
    for model in (text, cut, tmp_path / "missing.keras", tmp_path / "nothing"):
        assert model.name in fails("detect", model, image)


def test_another_keras_model_and_another_archive_are_refused(fails, data, tmp_path):
    import zipfile

    import keras

    with zipfile.ZipFile(tmp_path / "zip.keras", "w") as archive:
        archive.writestr("a.txt", "a")
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "dense.keras")
    for model in ("zip.keras", "dense.keras"):
        assert model in fails("detect", tmp_path / model, f"{data}/JPEGImages/0001.jpg")


def test_folders_in_use_are_left_alone(fails, data, run, tmp_path):
    assert "already holds a run" in fails("train", "--data", data, "--out", run, *TINY)
    (tmp_path / "file").write_text("kept")
    image = f"{data}/JPEGImages/0001.jpg"
    assert "cannot be written" in fails("detect", run, image, "--out", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"


def test_splits_that_are_not_there_are_named(fails, data, run):
    assert "no split 'nope'" in fails("evaluate", run, "--data", data, "--split", "nope")
    assert "either a model or --detections" in fails("evaluate", "--data", data)


@pytest.mark.parametrize(
    "words",
    [
        ["nope"],
        ["train", "--epoch", "3"],
        ["train", "--epochs", "0"],
        ["train", "--epochs", "x"],
        ["detect", "model"],
        ["detect", "model", "image", "--threshold", "2"],
        ["evaluate", "model", "--data", "x", "--protocol", "voc99"],
    ],
)
def test_wrong_usage_is_one_line_and_status_2(call, words):
    status, out, err = call(*words)
    assert status == 2
    assert out == ""
    assert re.fullmatch(r"ssd: .+\n", err)


def test_debug_shows_the_traceback(tmp_path):
    command = [sys.executable, "-c", "import sys; from ssd_keras.cli import main; sys.exit(main())"]
    words = ["inspect", str(tmp_path / "missing"), "--debug"]
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error(data):
    command = f"{sys.executable} -c 'from ssd_keras.cli import main; raise SystemExit(main())' inspect {data}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{command} | true"], capture_output=True, text=True
    )
    assert done.stderr == ""


def test_a_full_disk_is_one_line(fails, data, monkeypatch):
    from ssd_keras.data import inspection

    def full(*arguments):
        raise OSError(28, "No space left on device", "found.json")

    monkeypatch.setattr(inspection, "inspect_dataset", full)
    assert fails("inspect", data) == "ssd: found.json: No space left on device: make room or check the path"


@pytest.fixture(scope="module")
def caffemodel(tmp_path_factory):
    path = tmp_path_factory.mktemp("caffe") / "mobilenet.caffemodel"
    caffemodels.write_caffemodel(path, caffemodels.ssd300_mobilenet(logits=3))
    return path


class TestWeights:
    def test_import_prints_its_document_and_the_model_detects(self, call, caffemodel, tmp_path):
        out = tmp_path / "m.keras"
        status, printed, _ = call(
            *("weights", "import", caffemodel, "--model", "ssd300_mobilenet", "--out", out),
            *("--class-names", "hole", "sign", "--json"),
        )
        document = json.loads(printed)
        assert status == 0
        assert document["path"] == str(out)
        assert document["class_names"] == ["hole", "sign"]
        assert len(document["tensors"]["taken"]) == 94
        image = tmp_path / "image.png"
        cv2.imwrite(str(image), sample(1).image)
        status, printed, _ = call("detect", out, image, "--threshold", "0.01", "--json")
        assert status == 0
        assert {one["label"] for one in json.loads(printed)[0]["detections"]} <= {"hole", "sign"}

    def test_import_lists_every_tensor(self, call, caffemodel, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        status, printed, _ = call("weights", "import", caffemodel)
        assert status == 0
        assert printed.startswith("taken: 94 tensors: conv0 (kernel, bias), conv1_dw (kernel, bias)")
        assert "\nleft: none\nmissing: none\n" in printed
        assert "mobilenet.keras: ssd300_mobilenet, 300x300, 1917 anchors, class 1, class 2" in printed
        assert (tmp_path / "mobilenet.keras").exists()

    def test_a_refused_import_writes_nothing(self, fails, caffemodel, tmp_path):
        line = fails(
            "weights", "import", caffemodel, "--model", "ssd300_vgg16", "--out", tmp_path / "m.keras"
        )
        assert "holds ssd300_mobilenet" in line
        assert list(tmp_path.iterdir()) == []

    def test_nothing_is_written_over(self, fails, caffemodel, tmp_path):
        (tmp_path / "m.keras").write_text("precious")
        line = fails("weights", "import", caffemodel, "--out", tmp_path / "m.keras")
        assert "exists already" in line
        assert (tmp_path / "m.keras").read_text() == "precious"
        assert "ends in .keras" in fails("weights", "import", caffemodel, "--out", tmp_path / "m.h5")

    def test_select_classes_in_the_order_given(self, call, run, tmp_path):
        out = tmp_path / "selected.keras"
        status, printed, _ = call(
            "weights", "select-classes", run, "--classes", "red, green", "--out", out, "--json"
        )
        assert status == 0
        assert json.loads(printed) == {
            "path": str(out),
            "class_names": ["red", "green"],
            "kept": ["red"],
            "new": ["green"],
        }
        assert load_detector(out).class_names == ("red", "green")

    def test_train_goes_on_from_a_model(self, call, data, run, tmp_path):
        status, printed, err = call(
            *("train", "--data", data, "--weights", run, "--freeze", "backbone", "--epochs", "1"),
            *("--batch-size", "4", "--out", tmp_path / "run", "--json"),
        )
        assert status == 0, err
        assert load_detector(json.loads(printed)["run"]).image_size == (96, 128)
        assert "heads kept for " in err
        assert "layers with weights are frozen" in err

    def test_what_is_wrong_is_said_in_one_line(self, fails, run, data, tmp_path):
        (tmp_path / "notes.txt").write_text("no weights")
        assert "no weights file of a known kind" in fails("weights", "import", tmp_path / "notes.txt")
        assert "Keras 3 model already" in fails("weights", "import", tmp_path / "a.keras")
        assert "does not exist" in fails("weights", "select-classes", tmp_path / "no.keras", "--classes", "a")
        assert "class name" in fails(
            "weights", "select-classes", run, "--classes", ",", "--out", tmp_path / "a.keras"
        )
        assert "no layer is called 'conv99'" in fails(
            "train", "--data", data, "--freeze", "conv99", "--out", tmp_path / "run", *TINY
        )
