"""What results depend on, and whether results can stand beside others."""

from dataclasses import replace

import pytest

from ssd_keras.bulk.model_files import ModelFiles
from ssd_keras.bulk.settings import Finding, Origin, base_seen_from
from ssd_keras.errors import InputError
from ssd_keras.inference.thresholds import Thresholds

CLASSES = ("car", "light")
MODEL = ModelFiles("ssd7.keras", (("ssd7.keras", b"weights"),))


def origin(model=MODEL, **changes):
    finding = Finding(**changes)
    thresholds = Thresholds.parse(finding.threshold, finding.class_threshold, CLASSES)
    return Origin.of(model, thresholds, finding)


def test_it_comes_back_as_it_was():
    for one in (origin(), origin(tile=300, class_threshold=("car=0.25",), fast=True)):
        assert Origin.parse(one.as_json(), "here") == one


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model": "a"}', '{"class_names": 1, "thresholds": []}'])
def test_what_is_none(text):
    with pytest.raises(InputError, match=r"found/a.parquet is of another version"):
        Origin.parse(text, "found/a.parquet")


def test_what_decides_nothing_may_differ():
    for same in (
        origin(batch_size=3),
        origin(tile_overlap=0.5),  # without tiles
        origin(class_threshold=("car=0.5",)),
        origin(replace(MODEL, name="renamed.keras")),
    ):
        origin().check_same(same, "found")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"threshold": 0.3}, "thresholds 0.3, not 0.5"),
        ({"class_threshold": ("car=0.25",)}, "thresholds 0.25, 0.5, not 0.5"),
        ({"fast": True}, "fast True, not False"),
        ({"tile": 300}, "tile 300, not None"),
        ({"precision": "bfloat16"}, "precision bfloat16, not float32"),
    ],
)
def test_what_decides_has_to_be_the_same(changes, said):
    with pytest.raises(InputError, match=f"found holds results with {said}: set that as it was"):
        origin().check_same(origin(**changes), "found")


def test_relative_paths_have_to_begin_at_the_same_folder(tmp_path):
    """Else a.jpg of one folder would count as done since there is one in the other."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = (
        replace(origin(), base=base_seen_from(str(tmp_path / "found"), str(tmp_path / name)))
        for name in ("one", "two")
    )
    one.check_same(one, "found")
    for absolute in (origin(), Origin.parse(origin().as_json().replace('"base": null, ', ""), "here")):
        one.check_same(absolute, "found")
        absolute.check_same(one, "found")
    with pytest.raises(InputError, match=f"whose paths begin at {tmp_path}/one, and here the same paths"):
        two.check_same(one, str(tmp_path / "found"))


def test_results_that_are_moved_with_their_photographs_go_on(tmp_path):
    (tmp_path / "a").mkdir()
    before = base_seen_from(str(tmp_path / "a" / "found"), str(tmp_path / "a"))
    (tmp_path / "a").rename(tmp_path / "b")
    assert base_seen_from(str(tmp_path / "b" / "found"), str(tmp_path / "b")) == before == ".."
    assert base_seen_from("s3://bucket/found", "/photos") == "/photos"


def test_another_model_is_another_one():
    other = replace(MODEL, files=(("ssd7.keras", b"other weights"),))
    with pytest.raises(InputError, match="found holds results of another model"):
        origin().check_same(origin(other), "found")


def test_the_files_of_models(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    artefact = tmp_path / "m_saved_model"
    (artefact / "variables").mkdir(parents=True)
    (artefact / "saved_model.pb").write_bytes(b"graph")
    (artefact / "variables" / "data").write_bytes(b"weights")
    files = ModelFiles.read(artefact)
    written = files.write(run)
    assert written == run / "m_saved_model"
    assert (written / "variables" / "data").read_bytes() == b"weights"
    assert ModelFiles.read(written).digest == files.digest
    (written / "variables" / "data").write_bytes(b"others")
    assert ModelFiles.read(written).digest != files.digest


def test_openvino_comes_with_its_weights(tmp_path):
    (tmp_path / "m.xml").write_bytes(b'<?xml version="1.0"?><net name="m">')
    (tmp_path / "m.bin").write_bytes(b"weights")
    (tmp_path / "other.bin").write_bytes(b"others")
    assert [name for name, _ in ModelFiles.read(tmp_path / "m.xml").files] == ["m.xml", "m.bin"]


def test_a_model_that_is_none(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        ModelFiles.read(tmp_path / "none.keras")
