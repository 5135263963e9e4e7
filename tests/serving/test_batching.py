"""Batches across requests, with a detector whose time and failures are decided here."""

import time
from concurrent.futures import CancelledError, wait

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving.stand_in import INPUT_SIZE, StandIn, pixels

from ssd_keras.serving.batching import Batcher, batch_sizes, fitting_size
from ssd_keras.serving.metrics import Metrics
from ssd_keras.serving.reading import ReadImage

SECONDS = 20


def image(*values):
    return ReadImage(INPUT_SIZE, pixels(*values))


@pytest.fixture
def detector():
    return StandIn()


@pytest.fixture
def batcher(detector):
    batcher = Batcher(detector, 4, 0.0, Metrics())
    batcher.start().result(SECONDS)
    yield batcher
    detector.gate.set()
    assert batcher.stop(SECONDS)


def occupy(batcher, detector):
    """Let the detector be busy with one image, so that what comes next has to wait."""
    detector.gate.clear()
    first = batcher.submit(image(200), 0.5)
    assert detector.entered.acquire(timeout=SECONDS)
    return first


def scores(future):
    return [round(score * 255) for score in future.result(SECONDS).scores.tolist()]


def test_a_lone_image_is_computed_alone_and_at_once(batcher, detector):
    assert scores(batcher.submit(image(255, 130, 100), 0.5)) == [255, 130]
    assert detector.batches == [(1, 1, 0.5)]


def test_an_image_without_objects(batcher):
    assert len(batcher.submit(image(1), 0.5).result(SECONDS)) == 0


def test_what_gathers_while_it_computes_is_one_batch_in_order(batcher, detector):
    occupy(batcher, detector)
    futures = [batcher.submit(image(value), 0.0) for value in (10, 20, 30, 40)]
    assert batcher.waiting == 4
    detector.gate.set()
    assert [scores(future) for future in futures] == [[10], [20], [30], [40]]
    assert [batch[:2] for batch in detector.batches] == [(1, 1), (4, 4)]
    assert batcher.waiting == 0


def test_no_batch_is_larger_than_the_largest(batcher, detector):
    occupy(batcher, detector)
    futures = [batcher.submit(image(value), 0.0) for value in range(1, 12)]
    detector.gate.set()
    assert [scores(future) for future in futures] == [[value] for value in range(1, 12)]
    assert [batch[:2] for batch in detector.batches] == [(1, 1), (4, 4), (4, 4), (4, 3)]


def test_each_image_has_its_own_threshold(batcher, detector):
    occupy(batcher, detector)
    thresholds = (0.9, 0.1, 0.5, 0.0)
    futures = [batcher.submit(image(250, 128, 60, 10), threshold) for threshold in thresholds]
    detector.gate.set()
    assert [scores(future) for future in futures] == [[250], [250, 128, 60], [250, 128], [250, 128, 60, 10]]
    assert detector.batches[-1] == (4, 4, 0.0)


def test_what_is_cancelled_is_not_computed(batcher, detector):
    occupy(batcher, detector)
    futures = [batcher.submit(image(value), 0.0) for value in (10, 20, 30, 40, 50)]
    assert all(future.cancel() for future in futures[:4])
    detector.gate.set()
    assert scores(futures[4]) == [50]
    assert [batch[:2] for batch in detector.batches] == [(1, 1), (1, 1)]
    with pytest.raises(CancelledError):
        futures[0].result(SECONDS)


def test_all_that_waits_is_cancelled(batcher, detector):
    first = occupy(batcher, detector)
    for value in (10, 20):
        assert batcher.submit(image(value), 0.0).cancel()
    detector.gate.set()
    assert scores(first) == [200]
    assert scores(batcher.submit(image(30), 0.0)) == [30]
    assert len(detector.batches) == 2


def test_a_failure_reaches_only_its_batch(batcher, detector, caplog):
    first = occupy(batcher, detector)
    failing = [batcher.submit(image(value), 0.0) for value in (1, 2, 3, 4)]
    after = batcher.submit(image(20), 0.0)
    detector.fails_at = 1
    detector.gate.set()
    for future in failing:
        with pytest.raises(MemoryError, match="no room"):
            future.result(SECONDS)
    assert "the detector failed with a batch of 4" in caplog.text
    assert scores(first) == [200]
    assert scores(after) == [20]
    assert scores(batcher.submit(image(30), 0.0)) == [30]


def test_it_waits_for_images_that_are_expected(detector):
    coming = [3]
    batcher = Batcher(detector, 4, 5.0, Metrics(), lambda: coming[0])
    batcher.start().result(SECONDS)
    started = time.perf_counter()
    futures = []
    for value in (10, 20, 30, 40):
        futures.append(batcher.submit(image(value), 0.0))
        time.sleep(0.02)
    assert [scores(future) for future in futures] == [[10], [20], [30], [40]]
    assert [batch[:2] for batch in detector.batches] == [(4, 4)]
    assert time.perf_counter() - started < 4  # the batch was full: it did not wait to the end
    coming[0] = 0
    assert scores(batcher.submit(image(50), 0.0)) == [50]
    assert batcher.stop(SECONDS)


def test_it_does_not_wait_for_ever_for_what_never_comes(detector):
    batcher = Batcher(detector, 4, 0.05, Metrics(), lambda: 1)
    batcher.start().result(SECONDS)
    assert scores(batcher.submit(image(10), 0.0)) == [10]
    assert batcher.stop(SECONDS)


def test_stopping_finishes_what_is_queued(detector):
    batcher = Batcher(detector, 2, 0.0, Metrics())
    batcher.start().result(SECONDS)
    occupy(batcher, detector)
    futures = [batcher.submit(image(value), 0.0) for value in (10, 20, 30)]
    assert not batcher.stop(0.01)
    detector.gate.set()
    assert batcher.stop(SECONDS)
    assert [scores(future) for future in futures] == [[10], [20], [30]]


def test_stopping_one_that_never_started(detector):
    assert Batcher(detector, 2, 0.0, Metrics()).stop(SECONDS)


def test_the_warm_up_fails(detector):
    def fails(*_):
        raise ValueError("raw predictions")

    detector.detect_batch = fails
    batcher = Batcher(detector, 2, 0.0, Metrics())
    with pytest.raises(ValueError, match="raw"):
        batcher.start().result(SECONDS)
    assert isinstance(batcher.failure, ValueError)
    assert not batcher.is_ready
    assert batcher.stop(SECONDS)


def test_one_thread_alone_calls_the_detector(batcher, detector):
    wait([batcher.submit(image(value), 0.0) for value in range(1, 30)], SECONDS)
    assert detector.threads == {"detector"}


def test_the_speed_is_measured(detector):
    original = detector.detect_batch

    def slow(*arguments):
        time.sleep(0.02)
        return original(*arguments)

    detector.detect_batch = slow
    batcher = Batcher(detector, 1, 0.0, Metrics())
    batcher.start().result(SECONDS)
    for _ in range(5):
        batcher.submit(image(10), 0.0).result(SECONDS)
    assert 0.015 < batcher.seconds_per_image < 1
    assert batcher.stop(SECONDS)


@given(st.integers(1, 200), st.integers(1, 400))
def test_sizes_of_batches(largest, waiting):
    sizes = batch_sizes(largest)
    size = fitting_size(waiting, sizes)
    assert sizes == sorted(set(sizes))
    assert sizes[0] == 1
    assert sizes[-1] == largest
    assert size in sizes
    assert size <= waiting or waiting >= 0.75 * size  # little of a batch is filled up with nothing
