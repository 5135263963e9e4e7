from functools import partial
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_keras.data.formats import open_dataset
from ssd_keras.data.street_scenes import (
    STREET_CLASSES,
    draw_street_scene,
    street_scenes,
    write_street_scenes,
)
from ssd_keras.data.street_scenes.furniture import LOOKALIKES, paint_light
from ssd_keras.data.street_scenes.generator import DEFAULT_SIZE, SMALLEST_SIDE
from ssd_keras.data.street_scenes.people import paint_cyclist, paint_pedestrian
from ssd_keras.data.street_scenes.scene import Scene, visible_ground_truth
from ssd_keras.data.street_scenes.sprite import Camera, Sprite, Thing
from ssd_keras.data.street_scenes.vehicles import paint_car_side, paint_truck_side
from ssd_keras.data.street_scenes.weather import MOODS
from ssd_keras.errors import InputError


@pytest.fixture(scope="module")
def ground_truths():
    return [ground_truth for _, ground_truth in street_scenes(200, seed=0)]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def empty_street():
    """A grey picture, 240 x 384, on a clear day, its horizon at row 100."""
    height, width = DEFAULT_SIZE
    return Scene(
        np.full((height, width, 3), 128, np.uint8),
        np.full((height, width), -1, np.int16),
        Camera(380.0, (width / 2, 100.0), 2.0),
        MOODS[0],
        sun=0.0,
    )


def assert_valid(image, ground_truth, size):
    height, width = size
    assert image.shape == (height, width, 3)
    assert image.dtype == np.uint8
    boxes = ground_truth.boxes_px
    assert boxes.dtype == np.float32
    assert (boxes == boxes.round()).all()
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= (width, height)).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert np.isin(ground_truth.labels, range(len(STREET_CLASSES))).all()


def test_same_seed_gives_same_scenes():
    for (image, truth), (again, same_truth) in zip(street_scenes(3, 7), street_scenes(3, 7), strict=True):
        np.testing.assert_array_equal(image, again)
        for name in ("boxes_px", "labels", "difficult", "truncated"):
            np.testing.assert_array_equal(getattr(truth, name), getattr(same_truth, name))


def test_a_scene_depends_on_its_seed_and_number_alone():
    few, many = street_scenes(3, 7), street_scenes(30, 7)
    for (image, _), (again, _) in zip(few, islice(many, 3), strict=True):
        np.testing.assert_array_equal(image, again)
    alone, _ = draw_street_scene(np.random.default_rng((7, 3)))
    np.testing.assert_array_equal(next(many)[0], alone)


def test_other_seed_or_number_gives_another_scene():
    (first, _), (second, _) = street_scenes(2, 7)
    (other, _), *_ = street_scenes(1, 8)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_no_scenes():
    assert list(street_scenes(0, 7)) == []


def test_boxes_are_whole_pixels_inside_the_image():
    for image, ground_truth in street_scenes(20, 1):
        assert_valid(image, ground_truth, DEFAULT_SIZE)


@settings(max_examples=25, deadline=None)
@given(st.integers(8, 300), st.integers(8, 300), st.integers(0, 1000))
def test_any_size(height, width, seed):
    image, ground_truth = draw_street_scene(np.random.default_rng(seed), (height, width))
    assert_valid(image, ground_truth, (height, width))


@pytest.mark.parametrize("size", [(8, 8), (32, 48), (600, 800), (60, 900), (700, 90)])
def test_unusual_sizes(size):
    scenes = list(street_scenes(4, 2, size))
    for image, ground_truth in scenes:
        assert_valid(image, ground_truth, size)
    assert sum(len(ground_truth) for _, ground_truth in scenes) > 0


@pytest.mark.parametrize("size", [(0, 100), (100, 7), (-1, 20)])
def test_sizes_without_room_for_a_scene_are_refused(size):
    with pytest.raises(InputError, match="too small: ask for at least 8x8"):
        draw_street_scene(np.random.default_rng(0), size)


def test_every_class_is_common(ground_truths):
    labels = np.concatenate([ground_truth.labels for ground_truth in ground_truths])
    shares = np.bincount(labels, minlength=len(STREET_CLASSES)) / len(labels)
    assert shares.min() > 0.08
    assert shares.max() < 0.4


def test_a_scene_has_none_to_nine_objects(ground_truths):
    counts = [len(ground_truth) for ground_truth in ground_truths]
    assert max(counts) <= 9
    assert 1 <= counts.count(0) <= 20
    assert 3 < np.mean(counts) < 6


def test_what_is_not_difficult_can_be_seen(ground_truths):
    for ground_truth in ground_truths:
        sides = ground_truth.boxes_px[:, 2:] - ground_truth.boxes_px[:, :2]
        assert (sides[~ground_truth.difficult] >= SMALLEST_SIDE).all()


def test_some_objects_are_difficult_and_some_truncated(ground_truths):
    difficult = np.concatenate([ground_truth.difficult for ground_truth in ground_truths])
    truncated = np.concatenate([ground_truth.truncated for ground_truth in ground_truths])
    assert 0 < difficult.mean() < 0.1
    assert 0.05 < truncated.mean() < 0.35


def test_pixels_are_exposed_well():
    means = [image.mean() for image, _ in street_scenes(20, 3)]
    assert min(means) > 25
    assert max(means) < 230
    assert min(image.std() for image, _ in street_scenes(20, 3)) > 8


# --- from pixels to boxes


def owners(*visible):
    """A 20 x 30 map in which thing i owns `visible[i]` pixels, in rows 4 i to 4 i + 3 from the left."""
    owner = np.full((20, 30), -1, np.int16)
    for index, pixels in enumerate(visible):
        owner[4 * index : 4 * index + 4, : pixels // 4] = index
    return owner


def test_no_things_no_objects():
    assert len(visible_ground_truth(owners(), [], [], [], 1.0)) == 0


def test_box_holds_exactly_the_visible_pixels():
    owner = np.full((20, 30), -1, np.int16)
    owner[3:9, 5] = owner[7, 5:17] = 0
    truth = visible_ground_truth(owner, [2], [17], [False], 1.0)
    assert truth.boxes_px.tolist() == [[5, 3, 17, 9]]
    assert truth.labels.tolist() == [2]
    assert not truth.difficult[0]


def test_one_pixel_is_an_object():
    owner = np.full((20, 30), -1, np.int16)
    owner[19, 29] = 0
    assert visible_ground_truth(owner, [0], [1], [False], 1.0).boxes_px.tolist() == [[29, 19, 30, 20]]


def test_hidden_objects_are_difficult_then_left_out():
    drawn = [308, 80, 84, 80]  # visible: just below and exactly a quarter, just below and exactly a half
    truth = visible_ground_truth(owners(76, 20, 40, 40), [0, 1, 2, 3], drawn, [False] * 4, 1.0)
    assert truth.labels.tolist() == [1, 2, 3]
    assert truth.difficult.tolist() == [True, True, False]


def test_thing_hidden_entirely_or_never_drawn_is_no_object():
    assert len(visible_ground_truth(owners(), [0, 1], [50, 0], [False, True], 1.0)) == 0


def test_small_objects_are_difficult():
    assert visible_ground_truth(owners(40), [0], [40], [False], 4.5).difficult.tolist() == [True]
    assert visible_ground_truth(owners(40), [0], [40], [False], 4.0).difficult.tolist() == [False]


def test_lookalikes_get_no_box():
    assert visible_ground_truth(owners(40, 40), [None, 4], [40, 40], [False, False], 1.0).labels.tolist() == [
        4
    ]


def test_objects_beyond_the_edge_are_truncated():
    truth = visible_ground_truth(owners(40, 40), [0, 1], [40, 50], [False, True], 1.0)
    assert truth.truncated.tolist() == [False, True]


# --- drawing


def test_box_is_as_tight_as_what_was_drawn(empty_street, rng):
    def paint(sprite, rng):
        paint_light(sprite, rng, mount=2.5)

    before = empty_street.image.copy()
    empty_street.add(Thing(paint, 0.0, 12.0, 0.45, 4.6, 4), rng)
    above_ground = np.abs(empty_street.image.astype(int) - before).max(-1)[:140] > 40
    rows, columns = np.nonzero(above_ground)
    truth = visible_ground_truth(empty_street.owner, [4], empty_street.drawn, empty_street.cut, 10.0)
    drawn = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(truth.boxes_px[0], drawn, atol=1)
    assert not truth.difficult[0]
    assert not truth.truncated[0]


def test_near_things_hide_far_ones(empty_street, rng):
    empty_street.add(Thing(paint_car_side, 0.0, 16.0, 2.2, 1.6, 0), rng)
    alone = (empty_street.owner == 0).sum()
    empty_street.add(Thing(paint_truck_side, 0.0, 12.0, 3.45, 3.1, 1), rng)
    assert alone == empty_street.drawn[0]
    assert (empty_street.owner == 0).sum() < 0.25 * alone
    truth = visible_ground_truth(empty_street.owner, [0, 1], empty_street.drawn, empty_street.cut, 10.0)
    assert truth.labels.tolist() == [1]


def test_things_at_the_edge_are_cut_there(empty_street, rng):
    empty_street.add(Thing(paint_car_side, -6.0, 12.0, 2.2, 1.6, 0), rng)
    truth = visible_ground_truth(empty_street.owner, [0], empty_street.drawn, empty_street.cut, 10.0)
    assert truth.truncated.tolist() == [True]
    assert truth.boxes_px[0, 0] == 0


def test_things_beyond_the_image_leave_it_alone(empty_street, rng):
    before = empty_street.image.copy()
    empty_street.add(Thing(paint_car_side, 40.0, 12.0, 2.2, 1.6, 0), rng)
    np.testing.assert_array_equal(empty_street.image, before)
    assert (empty_street.owner == -1).all()


def test_far_things_are_smaller_and_higher():
    camera = Camera(380.0, (192.0, 100.0), 2.0)
    near, far = camera.project([(0.0, 0.0, 8.0), (0.0, 0.0, 20.0)])
    assert near[1] > far[1] > camera.vanishing[1]
    (left, _), (right, _) = camera.project([(-1.0, 0.0, 10.0), (1.0, 0.0, 10.0)])
    assert right - left == pytest.approx(2 * 38.0)


@pytest.mark.parametrize(
    ("paint", "reach", "height"),
    [
        *LOOKALIKES,
        (paint_car_side, 2.2, 1.6),
        (paint_truck_side, 3.45, 3.1),
        (partial(paint_pedestrian, rain=True), 0.55, 1.85),
        (paint_cyclist, 0.95, 1.85),
        (partial(paint_light, mount=3.0), 0.45, 4.6),
    ],
)
def test_things_fit_on_their_sheet(paint, reach, height, empty_street):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        sprite = Sprite(Thing(paint, 0.0, 9.0, reach, height), empty_street.camera, rng)
        paint(sprite, rng)
        alpha = sprite.rgba[..., 3]
        assert alpha.max() == 255
        assert not alpha[[0, -1]].any()
        assert not alpha[:, [0, -1]].any()


def test_a_data_set_of_scenes_divides_them(tmp_path):
    write_street_scenes(tmp_path / "street", {"train": 3, "val": 2}, seed=7)
    data = open_dataset(tmp_path / "street", class_names=STREET_CLASSES)
    assert {name: len(split) for name, split in data.items()} == {"train": 3, "val": 2}
    drawn = [truth for _, truth in street_scenes(5, 7)]
    for sample, truth in zip([*data["train"], *data["val"]], drawn, strict=True):
        np.testing.assert_array_equal(sample.ground_truth.boxes_px, truth.boxes_px)
        np.testing.assert_array_equal(sample.ground_truth.labels, truth.labels)


def test_a_data_set_of_scenes_is_laid_over_nothing(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        write_street_scenes(tmp_path, {"train": 1})
