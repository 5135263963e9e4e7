"""Batches: what is in them, in which order, and what happens to images that cannot be read."""

import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from scenes import CLASSES, sample

from ssd_keras.data.augment.chains import CHAINS, OriginalChain
from ssd_keras.data.augment.operations import OperationChain, PartnersFrom, make_operations
from ssd_keras.data.cache import ImageCache
from ssd_keras.data.images import StoredImage
from ssd_keras.data.loader import AugmentationError, TrainingLoader
from ssd_keras.data.samples import GroundTruth, Sample, Split
from ssd_keras.errors import InputError

SIZE = (48, 64)


def loader(samples, batch_size=4, chain="none", seed=0, **settings):
    return TrainingLoader(samples, SIZE, batch_size, CHAINS[chain](), seed, **settings)


def images_of(batches, count):
    return [batch[0] for batch in islice(batches, count)]


def test_a_batch_is_what_fit_takes():
    images, truth = next(iter(loader([sample(0, objects=3), sample(1, objects=0)], batch_size=2).batches))
    assert images.shape == (2, *SIZE, 3)
    assert images.dtype == np.uint8
    assert truth["boxes"].shape == (2, 8, 4)
    assert truth["boxes"].dtype == np.float32
    assert truth["labels"].dtype == np.int32
    counts = (truth["labels"] >= 0).sum(axis=1)
    assert sorted(counts) == [0, 3]
    assert set(truth["labels"][truth["labels"] < 0]) == {-1}
    assert truth["boxes"].min() >= 0
    assert truth["boxes"].max() <= 1


def test_more_than_eight_boxes_are_padded_to_the_next_multiple():
    _, truth = next(iter(loader([sample(0, objects=9)], batch_size=1).batches))
    assert truth["labels"].shape == (1, 16)
    assert (truth["labels"] >= 0).sum() == 9


@pytest.mark.parametrize("chain", ["ssd", "constant_size", "none"])
def test_the_seed_fixes_order_and_augmentation(chain):
    samples = [sample(number) for number in range(6)]
    first = images_of(loader(samples, chain=chain, seed=1).batches, 5)
    again = images_of(loader(samples, chain=chain, seed=1).batches, 5)
    other = images_of(loader(samples, chain=chain, seed=2).batches, 5)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_each_epoch_shows_every_image_once_in_another_order():
    samples = [sample(number) for number in range(8)]
    made = loader(samples)
    assert made.steps_per_epoch == 2
    names = [made.names_of_batch(step) for step in range(4)]
    epochs = [names[0] + names[1], names[2] + names[3]]
    everything = sorted(each.image_id for each in samples)
    assert sorted(epochs[0]) == everything
    assert sorted(epochs[1]) == everything
    assert epochs[0] != epochs[1]


def test_augmentation_differs_from_epoch_to_epoch():
    first, second = images_of(loader([sample(0)], batch_size=1, chain="ssd").batches, 2)
    assert (first != second).any()


def test_names_of_a_batch_are_those_of_its_images():
    samples = [sample(number) for number in range(5)]
    by_pixels = {
        loader([each], 1).augmentation(each, None, SIZE).image.tobytes(): each.name for each in samples
    }
    made = loader(samples, batch_size=3)
    for step, images in enumerate(images_of(made.batches, 4)):
        assert made.names_of_batch(step) == [by_pixels[image.tobytes()] for image in images]


def test_an_image_that_cannot_be_read_is_left_out_and_named(tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    samples = [sample(0), sample(1), Sample(broken, GroundTruth.empty(), "broken")]
    made = loader(samples, batch_size=2)
    batches = images_of(made.batches, 6)
    assert all(len(images) == 2 for images in batches)
    assert list(made.skipped) == [str(broken)]
    by_pixels = {made.augmentation(each, None, SIZE).image.tobytes(): each.name for each in samples[:2]}
    for step, images in enumerate(batches):
        assert made.names_of_batch(step) == [by_pixels[image.tobytes()] for image in images]


def test_no_readable_image_at_all_is_one_error(tmp_path):
    missing = Sample(tmp_path / "missing.jpg", GroundTruth.empty(), "missing")
    with pytest.raises(InputError, match=r"no image of the train split can be read.*missing\.jpg"):
        next(iter(loader([missing], batch_size=1).batches))


def test_no_sample_is_an_error():
    with pytest.raises(InputError, match="no image to train on"):
        loader([])


def test_crowds_are_not_trained_on():
    crowd = sample(0, objects=2)
    truth = GroundTruth(crowd.ground_truth.boxes_px, crowd.ground_truth.labels, crowd=[True, False])
    _, batch = next(iter(loader([Sample(crowd.image, truth, "crowd")], batch_size=1).batches))
    assert (batch["labels"] >= 0).sum() == 1


def first_batches(made, count=5, step=0):
    return list(islice(made.batches_from(step), count))


def assert_same(one, other):
    for (images, truth), (other_images, other_truth) in zip(one, other, strict=True):
        np.testing.assert_array_equal(images, other_images)
        np.testing.assert_array_equal(truth["boxes"], other_truth["boxes"])
        np.testing.assert_array_equal(truth["labels"], other_truth["labels"])


SAMPLES = [sample(number, objects=number % 4) for number in range(7)]


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_make_the_same_batches_and_are_gone_afterwards(workers, tmp_path):
    broken = Sample(tmp_path / "broken.jpg", GroundTruth.empty(), "broken")
    alone, helped = (loader([*SAMPLES, broken], chain="ssd", workers=count) for count in (0, workers))
    assert_same(first_batches(alone), first_batches(helped))
    assert list(helped.skipped) == list(alone.skipped) == [str(tmp_path / "broken.jpg")]
    deadline = time.monotonic() + 20
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert multiprocessing.active_children() == []


def test_a_run_goes_on_where_it_stopped():
    made = loader(SAMPLES, chain="ssd")
    assert_same(first_batches(made, 6)[4:], first_batches(made, 2, step=4))


def test_shards_make_the_parts_of_the_same_batches():
    whole = first_batches(loader(SAMPLES, chain="ssd"))
    parts = [first_batches(loader(SAMPLES, chain="ssd", shard=(index, 2))) for index in range(2)]
    for number, (images, truth) in enumerate(whole):
        for index in range(2):
            part_images, part_truth = parts[index][number]
            np.testing.assert_array_equal(part_images, images[index::2])
            np.testing.assert_array_equal(part_truth["boxes"], truth["boxes"][index::2])
    with pytest.raises(InputError, match="cannot be divided among 3 processes"):
        loader(SAMPLES, shard=(0, 3))


@pytest.mark.parametrize("kept", ["encoded", "decoded"])
@pytest.mark.parametrize("budget", [0, 80_000, 10_000_000])
def test_a_cache_changes_nothing_and_keeps_within_its_budget(kept, budget, tmp_path):
    samples = []
    for each in SAMPLES:
        path = tmp_path / f"{each.image_id}.png"
        cv2.imwrite(str(path), each.image)
        samples.append(Sample(path, each.ground_truth, each.image_id))
    cache = ImageCache(kept, budget)
    made = loader(samples, chain="ssd", cache=cache)
    assert_same(first_batches(loader(samples, chain="ssd")), first_batches(made))
    assert cache.used <= budget
    assert bool(len(cache)) == (budget > 0)
    if budget > 1_000_000:
        for path in tmp_path.iterdir():
            path.unlink()
        assert_same(first_batches(made, 2), first_batches(made, 2))
        assert made.skipped == {}


class PixelsInPack(StoredImage):
    name = "pack, image 1"

    def load(self):
        return SAMPLES[0].image


def test_pixels_of_a_pack_are_kept_as_they_are():
    kept = ImageCache("encoded", 10**6).load(0, Sample(PixelsInPack(), GroundTruth.empty(), "1"))
    assert kept.image is SAMPLES[0].image


def test_mixed_images_have_room_for_the_objects_of_all():
    crowd = [sample(number, objects=8) for number in range(4)]
    chain = OperationChain(make_operations([{"mosaic": {"keep": None, "probability": 1}}]))
    made = TrainingLoader(crowd, SIZE, 2, chain.with_partners(PartnersFrom(crowd)), seed=0)
    assert max((truth["labels"] >= 0).sum(axis=1).max() for _, truth in first_batches(made)) > 8


def broken_operation(one):
    raise ValueError("a fault of mine")


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_in_an_operation_of_the_users_names_the_image(workers):
    chain = OperationChain([broken_operation])
    made = TrainingLoader([sample(3)], SIZE, 1, chain, seed=0, workers=workers)
    with pytest.raises(Exception, match=r"0003: its augmentation failed .ValueError: a fault of mine"):
        next(iter(made.batches))


def changed(one, boxes_px, labels):
    return dataclasses.replace(one, ground_truth=GroundTruth(boxes_px, labels))


def none_for_the_third(one):
    return None if one.image_id == "0002" else one


def twelve_times(one):
    truth = one.ground_truth
    return changed(one, np.tile(truth.boxes_px, (12, 1)), np.tile(truth.labels, 12))


def other_classes(one):
    return changed(one, one.ground_truth.boxes_px, one.ground_truth.labels + 7)


def no_number(one):
    return changed(one, one.ground_truth.boxes_px * np.nan, one.ground_truth.labels)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (none_for_the_third, "0002: its augmentation failed .none_for_the_third gave a NoneType, no sample"),
        (twelve_times, "its augmentation failed .36 objects where there is room for 8; .* partner_count"),
        (other_classes, r"its augmentation failed .it gave the label [78], and they go from 0 to 1"),
        (no_number, "its augmentation failed .no_number gave the box .nan, nan, nan, nan"),
    ],
)
def test_a_function_at_fault_ends_the_run_and_leaves_no_image_out(function, words):
    split = Split("train", tuple(sample(number, objects=3) for number in range(4)), CLASSES)
    made = TrainingLoader(split, SIZE, 2, OperationChain([function]), seed=0)
    with pytest.raises(AugmentationError, match=words) as error:
        first_batches(made)
    assert made.skipped == {}
    assert made.failure is error.value


def test_a_function_may_add_the_objects_of_as_many_images_as_it_says():
    def many(one):
        return twelve_times(one)

    many.partner_count = 11
    made = TrainingLoader([sample(1, objects=3)], SIZE, 1, OperationChain([many]), seed=0)
    _, truth = first_batches(made, 1)[0]
    assert (truth["labels"] >= 0).sum() == 36


def test_the_users_error_comes_through_whatever_it_became():
    made = TrainingLoader([sample(3)], SIZE, 1, OperationChain([broken_operation]), seed=0)

    def hide():
        try:
            first_batches(made)
        except InputError:
            raise RuntimeError("a page of another library") from None

    with pytest.raises(AugmentationError, match="a fault of mine"), made.telling_failure():
        hide()
    with pytest.raises(KeyError), loader(SAMPLES).telling_failure():
        raise KeyError("no fault of the batches")


def test_a_killed_worker_is_one_line():
    made = loader(SAMPLES, chain="ssd", workers=2)
    batches = iter(made.batches)
    next(batches)
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    with pytest.raises(InputError, match=r"a worker process was killed .signal 9; .*--workers") as error:
        for _ in batches:
            pass
    assert made.failure is error.value
    assert "\n" not in str(error.value)


def test_what_cannot_be_handed_to_workers_is_said():
    held = threading.Lock()
    chain = OperationChain([lambda one: one if held else None])
    made = TrainingLoader(SAMPLES, SIZE, 2, chain, seed=0, workers=1)
    with pytest.raises(InputError, match=r"cannot be handed to worker processes .*FILE\.py:FUNCTION"):
        first_batches(made, 1)


def jpegs():
    for each in SAMPLES:
        image = cv2.resize(each.image, None, fx=4, fy=4)
        yield dataclasses.replace(each, image=cv2.imencode(".jpg", image)[1].tobytes())


def test_decoded_pixels_give_what_full_decoding_gives_whatever_the_budget():
    samples = list(jpegs())
    full = TrainingLoader(samples, SIZE, 4, OriginalChain(reduced_decoding=False), seed=0)
    for budget in (0, 2_000_000, 10_000_000):
        cached = loader(samples, chain="ssd", cache=ImageCache("decoded", budget))
        assert_same(first_batches(full), first_batches(cached))


PROGRAM = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run in the background
sys.path.insert(0, sys.argv[1])
from scenes import sample
from ssd_keras.data.augment.chains import CHAINS
from ssd_keras.data.loader import TrainingLoader

if __name__ == "__main__":
    made = TrainingLoader([sample(n) for n in range(5)], (48, 64), 2, CHAINS["ssd"](), 0, workers=2)
    for _ in made.batches:
        print(".", flush=True)
        time.sleep(0.05)
"""


SMALL = PROGRAM.replace("sample(n)", "dataclasses.replace(sample(n), image=sample(n).image[:8, :8])").replace(
    "import signal", "import dataclasses, signal"
)
"""A program whose data fit into a pipe, so that its workers are started at once."""

WITHOUT_GUARD = SMALL.replace('if __name__ == "__main__":', "if True:")


def test_a_script_that_each_worker_runs_again_is_told_so(tmp_path):
    (tmp_path / "program.py").write_text(WITHOUT_GUARD)
    command = [sys.executable, str(tmp_path / "program.py"), str(Path(__file__).parents[1])]
    program = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert program.returncode == 1
    assert "a worker process began to train as well" in program.stderr
    assert "a worker process ended by itself (status 1" in program.stderr
    assert 'if __name__ == "__main__":' in program.stderr


def test_an_interrupt_while_workers_start_is_the_programs_alone(tmp_path):
    (tmp_path / "program.py").write_text(SMALL)
    command = [sys.executable, str(tmp_path / "program.py"), str(Path(__file__).parents[1])]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as program:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            started = psutil.Process(program.pid).children()
            if any("spawn_main" in " ".join(one.cmdline()) for one in started):
                break
            time.sleep(0.02)
        time.sleep(0.3)  # the workers are importing, which takes them seconds
        os.killpg(program.pid, signal.SIGINT)
        _, said = program.communicate(timeout=60)
    assert said.count("KeyboardInterrupt") == 1, said
    assert "spawn_main" not in said


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_its_program(tmp_path, end):
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, str(tmp_path / "program.py"), str(Path(__file__).parents[1])]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as program:
        assert program.stdout.readline()
        workers = psutil.Process(program.pid).children(recursive=True)
        assert len(workers) >= 2
        os.kill(program.pid, end) if end != signal.SIGINT else os.killpg(program.pid, end)
        program.communicate(timeout=60)
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
