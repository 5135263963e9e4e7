"""`ssd evaluate` as a user calls it, on a detector that nobody trained: finds little, but the same again."""

import json

import pytest
from scenes import CLASSES, SIZE, sample, write_data

from ssd_keras.cli import main
from ssd_keras.data.formats import open_dataset
from ssd_keras.data.readers.coco import write_coco
from ssd_keras.detections import Detections
from ssd_keras.inference.detector import save_detector
from ssd_keras.inference.results.official import write_results

PROTOCOLS = ("voc07", "voc10", "coco")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_data(tmp_path_factory.mktemp("data") / "set", test=6))


@pytest.fixture(scope="module")
def coco_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coco") / "set"
    write_coco(folder, {"val": [sample(number) for number in range(6)]}, CLASSES)
    return str(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    import keras

    from ssd_keras.models.ssd import SSD

    keras.utils.set_random_seed(0)
    file = tmp_path_factory.mktemp("model") / "model.keras"
    save_detector(SSD.from_preset("ssd7", CLASSES, image_size=SIZE), file)
    return str(file)


@pytest.fixture(scope="module")
def perfect(coco_data, tmp_path_factory):
    """COCO's results of a detector that knows the answers."""
    dataset = open_dataset(coco_data)
    split = dataset["val"]
    found = [
        Detections(t.boxes_px, [0.75] * len(t), t.labels, CLASSES, SIZE)
        for t in (one.ground_truth for one in split)
    ]
    folder = tmp_path_factory.mktemp("perfect")
    return str(write_results(folder, "coco", split, found, dataset.category_ids)[0])


@pytest.fixture
def call(capsys):
    """Run `ssd evaluate`; give its exit status, standard output and standard error."""

    def run_command(*words):
        capsys.readouterr()
        status = main(["evaluate", *map(str, words)])
        out, err = capsys.readouterr()
        return status, out, err

    return run_command


@pytest.fixture
def document(call):
    """Run `ssd evaluate --json`, expect it to work, and give its document."""

    def run_command(*words):
        status, out, err = call(*words, "--json")
        assert status == 0, err
        return json.loads(out)

    return run_command


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_file_of_results_scores_exactly_as_the_model(document, data, coco_data, model, tmp_path, protocol):
    for source in (data, coco_data):
        words = ("--data", source, "--protocol", protocol, "--analysis", "--threshold", 0.25)
        of_model = document(model, *words, "--results", tmp_path)
        written = of_model["results"]
        place = written[0] if protocol == "coco" else tmp_path
        of_file = document("--detections", place, *words)
        assert of_file["per_class"] == of_model["per_class"]
        assert of_file["mAP"] == of_model["mAP"]
        for scored in (of_file, of_model):
            assert scored["analysis"].pop("seconds").keys() >= {"matching"}
        assert of_file["analysis"] == of_model["analysis"]


def test_the_parts_of_evaluating_a_model_are_timed(document, data, model):
    seconds = document(model, "--data", data, "--analysis")["analysis"]["seconds"]
    assert set(seconds) == {"reading", "compiling", "network", "decoding", "matching"}
    assert min(seconds.values()) >= 0


def test_a_perfect_detector_scores_one(document, coco_data, perfect):
    for protocol in PROTOCOLS:
        found = document("--detections", perfect, "--data", coco_data, "--protocol", protocol, "--analysis")
        assert found["mAP"] == pytest.approx(1)
        assert set(found["analysis"]["errors"]["total"].values()) == {0}
        best = found["analysis"]["thresholds"]["best"]
        assert [best[name]["threshold"] for name in CLASSES] == [0.75, 0.75]


def test_the_document_of_coco_has_its_twelve_numbers(document, coco_data, perfect):
    found = document("--detections", perfect, "--data", coco_data, "--protocol", "coco")
    assert found["protocol"] == "coco"
    assert {"AP", "AP50", "AP75", "AP_small", "AR_1", "AR_10", "AR_100", "AR_large"} <= found.keys()
    assert (found["images"], found["split"]) == (6, "val")
    assert "analysis" not in found
    assert "results" not in found


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_tables_show_scores_thresholds_and_errors(call, coco_data, perfect, protocol, tmp_path):
    words = ("--detections", perfect, "--data", coco_data, "--protocol", protocol)
    status, out, _ = call(*words)
    assert status == 0
    assert "best threshold" not in out
    assert ("AP_small" in out) == (protocol == "coco")
    status, out, _ = call(*words, "--analysis", "--results", tmp_path)
    assert status == 0
    for shown in ("best threshold", "0.750", "class and place", "medium", "matching", "official"):
        assert shown in out


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_files_of_a_test_server_need_no_labels(call, document, tmp_path, model, protocol):
    data = write_data(tmp_path / "set", train=1, test=2)
    for name in (data / "ImageSets" / "Main" / "test.txt").read_text().split():
        (data / "Annotations" / f"{name}.xml").unlink()
    words = (model, "--data", data, "--split", "test", "--protocol", protocol)
    status, _, err = call(*words)
    assert status == 1
    assert "no class has an object to be found" in err
    status, out, err = call(*words, "--results", tmp_path / "files")
    assert status == 0, err
    assert f"it has no labels, so no score\nofficial results: {tmp_path / 'files'}" in out
    found = document(*words, "--results", tmp_path / "again")
    assert (found["mAP"], found["images"]) == (None, 2)
    assert len(found["results"]) == (1 if protocol == "coco" else len(CLASSES))


def test_settings_out_of_range_are_the_users_fault(call, coco_data, perfect):
    words = ("--detections", perfect, "--data", coco_data)
    assert call(*words, "--threshold", 1.5)[0] == 2
    status, _, err = call(*words, "--iou", 0)
    assert status == 1
    assert "IoU threshold 0.0 is out of range" in err
    assert call(*words, "--protocol", "voc12")[0] == 2


def test_names_of_classes_are_shown_as_they_are(call, tmp_path):
    names = ("car [old]", ":dog: [/x]")
    write_coco(tmp_path / "set", {"val": [sample(number) for number in range(2)]}, names)
    (tmp_path / "found.json").write_text("[]")
    status, out, err = call("--detections", tmp_path / "found.json", "--data", tmp_path / "set", "--analysis")
    assert status == 0, err
    assert all(name in out for name in names)


def test_a_threshold_out_of_range_is_told_before_anything_is_detected(call, data, tmp_path):
    status, _, err = call(tmp_path / "none.keras", "--data", data, "--iou", 2)
    assert status == 1
    assert "IoU threshold 2.0 is out of range" in err


def test_what_is_wrong_with_the_data_is_told_with_a_file_too(call, tmp_path):
    folder = write_data(tmp_path / "set", test=2)
    annotation = min((folder / "Annotations").iterdir())
    annotation.write_text(annotation.read_text().replace("<xmax>", "<xmax>-", 1))
    (tmp_path / "found.json").write_text("[]")
    status, _, err = call("--detections", tmp_path / "found.json", "--data", folder)
    assert status == 0, err
    assert "1 problem, left out or put right" in err
