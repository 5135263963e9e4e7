"""The report of a run: complete, self-contained, safe to open, and there whatever is missing."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from scenes import CLASSES, SIZE, sample

from ssd_keras.data.samples import GroundTruth, Sample, Split
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.evaluation.error_kinds import KINDS
from ssd_keras.inference.detector import save_detector
from ssd_keras.training import findings, report
from ssd_keras.training.callbacks import as_csv
from ssd_keras.training.findings import MEANINGS
from ssd_keras.training.initial_model import build_model
from ssd_keras.training.recipe import make_recipe, with_rate
from ssd_keras.training.report import settings_of, write_report
from ssd_keras.training.run_folder import RunFolder

SETTINGS = {
    "image_size": SIZE,
    "epochs": 2,
    "batch_size": 4,
    "anchors": {"scales": [0.25, 0.35, 0.5, 0.7, 0.9]},
}
LOG = [
    {
        "epoch": 1,
        "loss": 9.0,
        "confidence_loss": 6.0,
        "location_loss": 3.0,
        "val_mAP": 0.25,
        "positives": 8.0,
    },
    {
        "epoch": 2,
        "loss": 4.5,
        "confidence_loss": 3.0,
        "location_loss": 1.5,
        "val_mAP": 0.125,
        "positives": 8.0,
    },
]
RUN = {"seconds": 200.0, "images_per_second": 12.5, "epochs": 2, "skipped_images": 0}
VOID = {"img", "meta", "br", "path", "circle", "rect"}


class Page(HTMLParser):
    """A page as a browser understands it: its elements with their attributes, its text, what is left open."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.words = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def make_run(path, names=CLASSES, **settings):
    recipe = make_recipe({**SETTINGS, **settings, "out": path})
    folder = RunFolder.create(recipe)
    folder.begin(recipe)
    folder.log.write_text(as_csv(LOG))
    folder.write_json("metrics.json", RUN)
    save_detector(build_model(folder.recipe, names), folder.best_model)
    return folder


def split_of(*samples, names=CLASSES):
    return Split("val", samples, names)


def with_batch(folder, batch):
    folder.keep_batch(folder.first_batch, batch)
    return folder


def first_batch(count=2):
    boxes = np.tile(np.array([[0.25, 0.25, 0.75, 0.75], [0, 0, 0, 0]], np.float32), (count, 1, 1))
    labels = np.tile(np.array([1, -1], np.int32), (count, 1))
    return np.full((count, *SIZE, 3), 90, np.uint8), {"boxes": boxes, "labels": labels}


def read_page(path):
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def page(folder):
    return read_page(write_report(with_batch(folder, first_batch()), split_of(*map(sample, range(4)))))


@pytest.fixture
def perfect(monkeypatch):
    """Let the detector find exactly what is there."""

    def found(model, split):
        return [
            Detections(
                one.ground_truth.boxes_px,
                np.full(len(one.ground_truth), 0.9),
                one.ground_truth.labels,
                split.class_names,
                SIZE,
            )
            for one in split
        ]

    monkeypatch.setattr(findings, "detect_split", found)


def test_it_lies_in_the_run_folder(folder, page):
    assert write_report(folder, None) == folder.path / "report.html"
    assert page.open == []


def test_nothing_comes_from_elsewhere(page):
    assert not page.all("script")
    assert not page.all("link")
    for _, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href"):
                assert value.startswith(("data:image/jpeg;base64,", "#"))


def test_every_link_leads_somewhere(page):
    places = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = [one["href"][1:] for one in page.all("a")]
    assert links
    assert places.issuperset(links)


def test_pictures_and_drawings_can_be_heard(page):
    assert len(page.all("img")) == 2 + 2 * 4
    assert all(one["alt"] for one in page.all("img"))
    assert all(one["aria-label"] for one in page.all("svg"))
    loss = page.all("svg")[0]["aria-label"]
    assert loss.startswith(
        "loss up to epoch 2: total from 9 to 4.5 (lowest 4.5, highest 9); confidence from 6"
    )


def test_what_scrolls_can_be_reached_by_the_keyboard(page):
    scrolled = [one for _, one in page.elements if "scroll" in one.get("class", "").split()]
    assert scrolled
    assert all(one["tabindex"] == "0" and one["aria-label"] for one in scrolled)


def test_the_headline(page):
    for said in (
        "ssd7, input 96 × 128 (height × width), 2 classes",
        "0.250 best mAP on val (voc10), epoch 1",
        "2 epochs",
        "3 min 20 s of training",
        "12.5 images/s",
        "4 images in val",
        "8 objects",
    ):
        assert said in page.text


def test_recipe_and_versions_are_told(page):
    assert "epochs 2 50" in page.text
    assert "anchors.scales [0.25, 0.35, 0.5, 0.7, 0.9] null" in page.text
    assert "backend" in page.text
    assert "neutral_threshold" in page.text


def test_the_first_batch_is_shown_with_its_boxes(page):
    assert [one["alt"] for one in page.all("img")][-2:] == ["training image with 1 red"] * 2


def test_a_large_batch_is_shown_in_part(tmp_path):
    folder = make_run(tmp_path / "run", batch_size=20)
    shown = read_page(write_report(with_batch(folder, first_batch(16)), None))
    assert len(shown.all("img")) == 16
    assert "16 of 20 images" in shown.text


def test_a_batch_without_objects_is_shown(folder):
    images, truth = first_batch()
    shown = read_page(
        write_report(with_batch(folder, (images, truth | {"labels": np.full((2, 2), -1, np.int32)})), None)
    )
    assert "no object" in shown.text


def test_a_perfect_detector(folder, perfect):
    shown = read_page(write_report(folder, split_of(*map(sample, range(4))))).text
    assert "mAP 1.000 on 4 images of val by the rules of voc10, IoU 0.5." in shown
    assert "No image has an error." in shown
    assert "0.90 1.00" in shown


def test_confusion_counts_objects_by_what_they_were_found_as(folder, perfect):
    split = split_of(*map(sample, range(4)))
    found = findings.look_at_split(None, split, "voc10")
    labels = np.concatenate([one.ground_truth.labels for one in split])
    rows = findings.confusion_rows(found)
    assert [row.name for row in rows] == [*CLASSES, "background"]
    for label, row in enumerate(rows[:2]):
        assert [cell.number for cell in row.cells] == [
            (labels == label).sum() * (label == at) for at in range(3)
        ]
        assert row.cells[label].right
        assert row.cells[label].share == 1
    assert findings.frequent_mistakes(found) == []


def test_mistakes_are_listed_by_how_often_they_occur(monkeypatch):
    one = sample(0)
    truth = one.ground_truth
    wrong = Detections(truth.boxes_px, [0.9, 0.9], 1 - truth.labels, CLASSES, SIZE)
    monkeypatch.setattr(findings, "detect_split", lambda model, split: [wrong])
    found = findings.look_at_split(None, split_of(one), "voc10")
    mistakes = findings.frequent_mistakes(found)
    assert sum(mistake.number for mistake in mistakes) == 2
    assert all(mistake.share == 1 and mistake.name != mistake.found_as for mistake in mistakes)
    assert {row.kind: row.number for row in findings.error_rows(found)}["class"] == 2


def test_classes_stand_best_first_and_those_without_objects_last(monkeypatch):
    names = ("absent", "missed", "found")
    truth = GroundTruth(np.array([[0, 0, 30, 30], [50, 50, 90, 90]], np.float32), [1, 2])
    found = Detections(truth.boxes_px[1:], [0.7], [2], names, SIZE)
    monkeypatch.setattr(findings, "detect_split", lambda model, split: [found])
    split = split_of(Sample(sample(0).image, truth, "a"), names=names)
    rows = findings.class_rows(findings.look_at_split(None, split, "voc10"))
    assert [row.name for row in rows] == ["found", "missed", "absent"]
    assert rows[0].best.f1 == 1
    assert rows[0].best.threshold == pytest.approx(0.7)
    assert rows[1].curve.words == "precision over recall of missed: average precision 0.00 at this overlap"
    assert (rows[1].best, rows[2].best, rows[2].curve) == (None, None, None)


def test_detections_are_counted_from_the_best_threshold_on(monkeypatch):
    one = sample(0)
    found = Detections(one.ground_truth.boxes_px, [0.2, 0.2], one.ground_truth.labels, CLASSES, SIZE)
    monkeypatch.setattr(findings, "detect_split", lambda model, split: [found])
    looked = findings.look_at_split(None, split_of(one), "voc10")
    assert looked.analysis.score_threshold == pytest.approx(0.2)
    assert looked.analysis.images.found.tolist() == [2]


def test_no_image_is_among_the_best_and_the_worst(page):
    compared = [one["alt"].split(":")[0] for one in page.all("img")[:8:2]]
    assert sorted(compared) == ["0000", "0001", "0002", "0003"]


def test_coco(tmp_path, perfect):
    shown = read_page(write_report(make_run(tmp_path / "run", protocol="coco"), split_of(sample(0)))).text
    assert "mAP 1.000 on 1 image of val by the rules of coco, IoU 0.5 to 0.95." in shown


def test_without_a_val_split_one_sentence_says_so(folder):
    shown = read_page(write_report(with_batch(folder, first_batch()), None))
    assert "There is no val split, so nothing is known" in shown.text
    assert "Confusion" not in shown.text
    assert len(shown.all("img")) == 2


def test_a_val_split_without_images(folder):
    assert "split 'val' has no image" in read_page(write_report(folder, split_of())).text


def test_a_val_split_without_objects(folder, perfect):
    shown = read_page(write_report(folder, split_of(sample(0, objects=0)))).text
    assert "The split val has no object to be found, so there is no average precision." in shown
    assert "nothing there, nothing found" in shown
    assert "There is no other image." not in shown


def test_an_image_that_cannot_be_read(folder, tmp_path):
    lost = Sample(tmp_path / "lost.jpg", sample(0).ground_truth, "lost")
    assert "The val split could not be looked at" in read_page(write_report(folder, split_of(lost))).text


def test_only_so_many_images_are_looked_at(folder, perfect, monkeypatch):
    monkeypatch.setattr(findings, "MOST_IMAGES", 2)
    shown = read_page(write_report(folder, split_of(*map(sample, range(5))))).text
    assert "the first 2 of 5 images of val" in shown
    assert "mAP 1.000 on 2 images" in shown


def test_thresholds_stand_in_commands_as_they_are_typed(folder, monkeypatch):
    def found(model, split):
        return [
            Detections(
                one.ground_truth.boxes_px,
                np.where(one.ground_truth.labels == 0, 0.0168, 0.0199),
                one.ground_truth.labels,
                split.class_names,
                SIZE,
            )
            for one in split
        ]

    monkeypatch.setattr(findings, "detect_split", found)
    shown = read_page(write_report(folder, split_of(*map(sample, range(4))))).text
    assert "ssd detect MODEL IMAGE --threshold 0.016 " in shown  # 0.017 would lose what it is best with
    assert re.search(r"ssd detect MODEL IMAGE --class-threshold blue=0.016 red=0.019\b", shown)


def test_names_are_never_taken_for_html(tmp_path, perfect):
    names = ("<script>alert(1)</script>", "</td>\"'><img src=x onerror=alert(2)>")
    run = make_run(tmp_path / "<b>run", names, class_names=names)
    one = sample(0)
    strange = Sample(one.image, one.ground_truth, "<svg onload=alert(3)>\ud800\n.jpg")
    split = Split("<i>val", (strange,), names)
    shown = read_page(write_report(with_batch(run, first_batch()), split))
    assert shown.open == []
    assert not shown.all("script")
    assert "of <i>val by the rules" in shown.text
    assert "<b>run" in shown.text
    assert not any(name.startswith("on") for _, attributes in shown.elements for name in attributes)
    assert names[0] in shown.text
    assert "<svg onload=alert(3)>" in shown.text


def test_one_class(tmp_path, perfect):
    only = Sample(sample(0).image, GroundTruth(np.array([[5, 5, 40, 40]], np.float32), [0]), "a")
    shown = read_page(write_report(make_run(tmp_path / "run", ("thing",)), split_of(only, names=("thing",))))
    assert "1 class" in shown.text
    assert "mAP 1.000" in shown.text


def test_eighty_classes(tmp_path, perfect):
    names = tuple(f"class {number}" for number in range(80))
    boxes = np.array(
        [[x, y, x + 10, y + 10] for x in range(0, 120, 12) for y in range(0, 90, 12)], np.float32
    )
    truth = GroundTruth(boxes, np.arange(80))
    run = make_run(tmp_path / "run", names)
    shown = read_page(write_report(run, split_of(Sample(sample(0).image, truth, "a"), names=names)))
    assert "68 other classes" in shown.text
    assert "No object was found as one of another class." in shown.text
    assert "confusion small" in [one.get("class") for one in shown.all("table")]
    titles = [one["title"] for one in shown.all("td") if "title" in one]
    assert titles[79] == "class 79 found as class 79: 1"


def test_a_run_that_was_stopped(tmp_path):
    folder = make_run(tmp_path / "run", epochs=9)
    folder.metrics.unlink()
    shown = read_page(write_report(folder, None)).text
    assert "This run is not finished." in shown
    assert "2 epochs of 9" in shown


def test_a_folder_half_deleted(tmp_path):
    folder = make_run(tmp_path / "run")
    folder.log.unlink()
    folder.best_model.unlink()
    folder.metrics.write_text("{")
    (folder.path / "versions.json").unlink()
    shown = read_page(write_report(with_batch(folder, first_batch()), split_of(sample(0)))).text
    for said in ("The model of this run could not be looked at", "Not recorded.", "not measured", "1 red"):
        assert said in shown


def test_without_a_model_the_classes_of_the_batch_are_numbers(tmp_path):
    folder = make_run(tmp_path / "run")
    folder.best_model.unlink()
    assert "1 class 1" in read_page(write_report(with_batch(folder, first_batch()), None)).text


def test_images_left_out_are_told(tmp_path):
    folder = make_run(tmp_path / "run")
    folder.write_json("metrics.json", RUN | {"skipped_images": 3})
    assert "3 images could not be read and were left out." in read_page(write_report(folder, None)).text


def test_a_folder_without_a_run(tmp_path):
    with pytest.raises(InputError, match="recipe"):
        write_report(RunFolder(tmp_path), None)


def test_whatever_fails_is_one_line_and_the_run_is_whole(tmp_path, monkeypatch):
    def broken(content):
        raise ZeroDivisionError("a fault\nin two lines")

    folder = make_run(tmp_path / "run")
    before = sorted(path.name for path in folder.path.iterdir())
    monkeypatch.setattr(report, "_render", broken)
    with pytest.raises(InputError, match="ZeroDivisionError") as error:
        write_report(folder, None)
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in folder.path.iterdir()) == before
    assert json.loads(folder.metrics.read_text()) == RUN


def test_settings_are_compared_with_their_defaults():
    chosen = make_recipe(
        {"epochs": 7, "learning_rate_factors": {"bias": 2}, "augmentation": {"chain": "none"}}
    )
    changed = {one.key: (one.value, one.default) for one in settings_of(chosen) if one.changed}
    assert changed == {
        "epochs": ("7", "50"),
        "learning_rate_factors.bias": ("2.0", ""),
        "augmentation.chain": ("none", "mild"),
    }
    assert not any(one.changed for one in settings_of(make_recipe({})))


def test_the_usual_rate_that_a_run_writes_out_is_no_change():
    def changed(**settings):
        return [one.key for one in settings_of(with_rate(make_recipe(settings))) if one.changed]

    assert changed() == []
    assert changed(weights="imagenet") == ["weights"]
    assert changed(learning_rate=0.003, weights="imagenet") == ["weights", "learning_rate"]


def test_every_kind_of_error_is_explained():
    assert tuple(MEANINGS) == KINDS


def test_bars_of_few_detections_are_pale(folder, page, perfect):
    html = write_report(folder, split_of(*map(sample, range(2)))).read_text()
    assert '<rect class="pale"' in html
    assert "&#34;pale" not in html
