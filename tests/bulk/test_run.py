"""Runs on a local Ray: nothing lost, nothing twice, whatever is killed."""

import os
import signal
import threading
import time
from collections import Counter

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from ssd_keras.bulk.listing import list_images
from ssd_keras.bulk.results import ResultFolder, make_table, read_bulk
from ssd_keras.bulk.run import open_bulk
from ssd_keras.bulk.settings import Finding, Workforce
from ssd_keras.bulk.shards import divide
from ssd_keras.errors import InputError

# Ray warns of itself: of defaults that it sets.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")


def names_in(out):
    return Counter(name for name, _ in read_bulk(out))


def files_in(out):
    return sorted(file.name for file in out.iterdir())


def files_of(source, size):
    return sorted(shard.file_name for shard in divide(list_images([str(source)], "/"), size))


@pytest.fixture
def opened(stand_in, model, photos, tmp_path):
    """Prepare a run."""

    def prepare(sources=None, out=tmp_path / "found", size=3, workers=2, **finding):
        workforce = Workforce(workers, shard_size=size)
        return open_bulk(model, sources or [str(photos)], str(out), Finding(**finding), workforce)

    return prepare


@pytest.fixture
def run(local_ray, opened):
    """Run to the end; give what came of the shards."""
    return lambda *arguments, **settings: list(opened(*arguments, **settings).shards())


def write_list(file, names):
    parquet.write_table(pa.table({"path": names}), file)
    return [str(file)]


def test_every_image_has_a_row_and_what_is_done_is_not_done_again(run, photos, tmp_path):
    out = tmp_path / "found"
    shards = run()
    assert sorted(shard.images for shard in shards) == [2, 3, 3, 3]
    assert sum(shard.errors for shard in shards) == 1
    assert sum((shard.objects for shard in shards), Counter()) == {"red": 10}
    assert names_in(out) == Counter(str(file) for file in photos.iterdir())
    assert files_in(out) == files_of(photos, 3)

    (photos / "4-new.png").write_bytes((photos / "1.png").read_bytes())
    (shard,) = run()
    assert shard.images == 1
    assert names_in(out) == Counter(str(file) for file in photos.iterdir())


def test_a_worker_that_is_killed_is_replaced(run, stand_in, photos, tmp_path):
    log = stand_in(seconds=0.5)
    killed = []

    def kill_one():
        while len(workers := list(log.iterdir())) < 2:
            time.sleep(0.05)
        time.sleep(0.7)
        killed.append(int(workers[0].name))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    shards = run(size=1)
    killer.join(1)
    assert len(killed) == 1
    assert len(list(log.iterdir())) == 3
    assert sum(shard.images for shard in shards) == 11
    assert names_in(tmp_path / "found") == Counter(str(file) for file in photos.iterdir())
    assert files_in(tmp_path / "found") == files_of(photos, 1)


@pytest.mark.slow
def test_images_that_kill_every_worker_end_the_run(run, stand_in, photos, tmp_path):
    def die(images):
        if any(image.endswith(b"7.png") for image in images):
            os.kill(os.getpid(), signal.SIGKILL)

    stand_in(at_first=die)
    with pytest.raises(InputError, match=r"4 workers were killed at the images from .*5.png to .*7.png"):
        run()
    stand_in()
    run()
    assert names_in(tmp_path / "found") == Counter(str(file) for file in photos.iterdir())
    assert files_in(tmp_path / "found") == files_of(photos, 3)


def test_a_run_that_was_left_goes_on_with_the_same_shards(run, opened, stand_in, photos, tmp_path):
    stand_in(seconds=0.3)
    out = tmp_path / "found"
    shards = opened(size=1).shards()
    next(shards)
    shards.close()
    assert 0 < len(list(out.glob("part-*"))) < 11
    stand_in()
    run(size=1, workers=1)
    assert names_in(out) == Counter(str(file) for file in photos.iterdir())
    assert files_in(out) == files_of(photos, 1)


def test_a_list_with_names_twice_and_an_output_behind_a_url(run, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(photos.parent)
    names = ["photos/1.png", "photos/2.png", "photos/1.png", (photos / "3.png").as_uri(), "photos/none.png"]
    out = (tmp_path / "by url").as_uri()
    run(write_list(tmp_path / "list.parquet", names), out, size=2)
    found = dict(read_bulk(out))
    assert names_in(out) == Counter(set(names))
    assert "photos/none.png cannot be read" in str(found["photos/none.png"])
    assert len(found[names[3]]) == 1


def test_results_of_another_model_or_threshold_are_kept_apart(run, opened, model, tmp_path):
    run(size=20)
    before = files_in(tmp_path / "found")
    assert opened().done_images == 11
    with pytest.raises(
        InputError, match=r"thresholds 0.5, not 0.3: set that as it was, or choose another --out"
    ):
        opened(threshold=0.3)
    model.write_bytes(b"other weights")
    with pytest.raises(InputError, match="holds results of another model"):
        opened()
    assert files_in(tmp_path / "found") == before


def test_the_same_names_in_another_folder_are_not_taken_for_done(opened, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(photos)
    rows = [(file.name, InputError("is no image")) for file in photos.iterdir()]
    table = make_table(rows, opened(["."]).job.origin)
    ResultFolder(str(tmp_path / "found")).write("part-0.parquet", table)
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "0.png").write_bytes((photos / "1.png").read_bytes())
    monkeypatch.chdir(tmp_path / "others")
    with pytest.raises(InputError, match=f"whose paths begin at {photos}, and here the same paths"):
        opened(["."])
    assert opened([str(tmp_path / "others")]).done_images == 11


def test_passwords_are_in_no_message(opened):
    with pytest.raises(InputError) as caught:
        opened(["nothing-knows-this://me:secret@host/photos"])
    assert "nothing-knows-this://me@host/photos cannot be reached" in str(caught.value)
    assert caught.value.__cause__ is None


def test_other_data_of_the_process_keeps_its_settings(opened, local_ray, monkeypatch):
    context = local_ray.data.DataContext.get_current()
    monkeypatch.setattr(context, "target_max_block_size", 1 << 20)
    opened()._results(local_ray)
    assert context.target_max_block_size == 1 << 20


@pytest.mark.slow
def test_what_workers_stumble_over_while_they_start_is_not_taken_for_a_want_of_memory(run, stand_in):
    def stumble():
        raise RuntimeError("no such driver")

    stand_in(at_start=stumble)
    with pytest.raises(Exception, match="RuntimeError: no such driver"):
        run()


def test_an_error_of_a_worker_is_one_line(run, stand_in):
    def fail(images):
        raise InputError("the disk is full: make room there")

    stand_in(at_first=fail)
    with pytest.raises(InputError) as caught:
        run()
    assert str(caught.value) == "the disk is full: make room there"


def test_an_error_of_a_worker_that_starts_is_one_line(run, stand_in):
    def fail():
        raise InputError("m.onnx needs onnxruntime: pip install it")

    stand_in(at_start=fail)
    with pytest.raises(InputError) as caught:
        run()
    assert str(caught.value) == "m.onnx needs onnxruntime: pip install it"


@pytest.mark.slow
def test_workers_that_are_killed_while_they_start_end_the_run(run, stand_in):
    stand_in(at_start=lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(InputError, match="workers were killed while they loaded the model"):
        run()


def test_a_source_that_fails_while_it_is_listed_is_one_line(run, photos, tmp_path):
    with pytest.raises(InputError, match="row 2, names no image"):
        run(write_list(tmp_path / "list.parquet", [str(photos / "1.png"), ""]))


def test_no_image_starts_nothing(opened, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="names no image"):
        opened([str(tmp_path / "empty")])
    assert not (tmp_path / "found").exists()


def test_images_are_listed_only_as_fast_as_they_are_looked_at(local_ray, opened, stand_in, photos, tmp_path):
    """What is listed is on its way to a worker: an endless list would fill the memory else."""
    stand_in(seconds=0.02)
    names = [f"{photos}/none-{number}.png" for number in range(30_000)]
    shards = opened(write_list(tmp_path / "list.parquet", names), size=10).shards()
    next(shards)
    shards.close()
    assert len(pd.read_parquet(tmp_path / "found")) < 10_000
