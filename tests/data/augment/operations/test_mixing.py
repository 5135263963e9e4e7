"""Mosaic and mix-up: every box stays with its pixels."""

import numpy as np
import pytest

from ssd_keras.data.augment.operations import BoxFilter, MixUp, Mosaic, OperationChain, PartnersFrom
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

COLOURS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)], np.uint8)


def photo(number, size=(90, 130), box=(50, 30, 90, 60), level=60):
    """A grey photo with one object in a colour of its own; the label is the number of the colour."""
    image = np.full((*size, 3), level, np.uint8)
    x0, y0, x1, y1 = box
    image[y0:y1, x0:x1] = COLOURS[number]
    truth = GroundTruth(
        [box], [number], difficult=[number == 1], crowd=[number == 2], truncated=[number == 3]
    )
    return Sample(image, truth, f"photo {number}")


def four():
    return [
        photo(0),
        photo(1, (200, 100), (30, 80, 70, 120)),
        photo(2, (60, 300), (100, 20, 200, 50)),
        photo(3, (45, 45), (10, 10, 35, 35)),
    ]


def partners(samples):
    """Hand the samples out one after the other."""
    waiting = iter(samples)
    return lambda rng: next(waiting)


def box_of(image, number):
    """The box around what is closest to one colour."""
    mask = (np.abs(image.astype(int) - COLOURS[number]).max(axis=-1)) < 100
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1] if len(rows) else None


def test_a_mosaic_keeps_every_box_with_its_pixels():
    seen = []
    for seed in range(60):
        first, *others = four()
        after = Mosaic(probability=1)(first, np.random.default_rng(seed), partners(others))
        truth = after.ground_truth
        assert after.image.shape == first.image.shape
        assert after.image_id == first.image_id
        for box, label in zip(truth.boxes_px, truth.labels, strict=True):
            np.testing.assert_allclose(box, box_of(after.image, label), atol=1.5)
        np.testing.assert_array_equal(truth.difficult, truth.labels == 1)
        np.testing.assert_array_equal(truth.crowd, truth.labels == 2)
        np.testing.assert_array_equal(truth.truncated, truth.labels == 3)
        seen.append(len(truth))
    assert np.mean(seen) > 2.5


def test_a_mosaic_drops_what_its_corners_do_not_show():
    for seed in range(40):
        first, *others = four()
        operation = Mosaic(keep=BoxFilter(criterion=None, clip=False), probability=1)
        after = operation(first, np.random.default_rng(seed), partners(others))
        shown = {number for number in range(4) if box_of(after.image, number) is not None}
        assert shown <= set(after.ground_truth.labels.tolist())
        nothing_kept_out = Mosaic(keep=None, probability=1)(
            four()[0], np.random.default_rng(seed), partners(four()[1:])
        )
        np.testing.assert_array_equal(nothing_kept_out.ground_truth.boxes_px, after.ground_truth.boxes_px)
        height, width = after.image.shape[:2]
        assert (after.ground_truth.boxes_px >= 0).all()
        assert (after.ground_truth.boxes_px <= [width, height] * 2).all()


def test_the_corners_meet_where_they_are_told_to():
    flat = [Sample(np.full((40, 60, 3), level, np.uint8), GroundTruth.empty(), "flat") for level in range(4)]
    meeting = []
    for seed in range(300):
        operation = Mosaic((0.25, 0.5), probability=1)
        after = operation(flat[0], np.random.default_rng(seed), partners(flat[1:]))
        image = after.image[..., 0]
        assert sorted({image[0, 0], image[0, -1], image[-1, 0], image[-1, -1]}) == [0, 1, 2, 3]
        meeting.append(((image[0] == image[0, 0]).sum(), (image[:, 0] == image[0, 0]).sum()))
    assert np.min(meeting, axis=0).tolist() == [15, 10]
    assert np.max(meeting, axis=0).tolist() == [30, 20]


def test_mixup_keeps_every_box_with_its_pixels():
    for seed in range(40):
        first, other = photo(0, level=0), photo(1, (200, 100), (30, 80, 70, 120), level=0)
        after = MixUp(probability=1)(first, np.random.default_rng(seed), partners([other]))
        truth = after.ground_truth
        assert truth.labels.tolist() == [0, 1]
        assert truth.difficult.tolist() == [False, True]
        np.testing.assert_array_equal(truth.boxes_px[0], first.ground_truth.boxes_px[0])
        for box, channel in zip(truth.boxes_px, (0, 1), strict=True):
            mask = after.image[..., channel] > 60
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            np.testing.assert_allclose(box, [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], atol=1.01)


@pytest.mark.parametrize("share", [0, 0.3, 0.5, 1])
def test_mixup_is_a_plain_blend(share):
    a, b = np.random.default_rng(0).integers(0, 256, (2, 30, 40, 3), np.uint8)
    first, other = (Sample(image, GroundTruth.empty(), "noise") for image in (a, b))
    after = MixUp((share, share), 1)(first, np.random.default_rng(0), partners([other]))
    np.testing.assert_allclose(after.image, share * a + (1 - share) * b, atol=0.51)


def test_around_a_smaller_photo_the_image_stays():
    first, other = photo(0, (100, 100), (10, 10, 20, 20)), photo(1, (50, 100), (10, 10, 20, 20), level=200)
    after = MixUp((0.5, 0.5), 1)(first, np.random.default_rng(3), partners([other])).image
    rows = (after[:, -1] == 130).all(axis=-1)
    assert rows.sum() == 50
    np.testing.assert_array_equal(after[~rows], first.image[~rows])


@pytest.mark.parametrize("kind", [Mosaic, MixUp])
@pytest.mark.parametrize(
    "sizes", [((1, 1), (90, 130)), ((90, 130), (1, 1)), ((2, 2), (300, 2)), ((1, 50), (50, 1))]
)
def test_any_sizes_and_no_boxes(kind, sizes):
    first, other = (Sample(np.zeros((*size, 3), np.uint8), GroundTruth.empty(), "empty") for size in sizes)
    for seed in range(20):
        after = kind(probability=1)(first, np.random.default_rng(seed), lambda rng: other)
        assert after.image.shape == (*sizes[0], 3)
        assert after.image.dtype == np.uint8
        assert after.ground_truth.boxes_px.shape == (0, 4)


@pytest.mark.parametrize("kind", [Mosaic, MixUp])
def test_probabilities_and_the_same_numbers(kind):
    draw = PartnersFrom(four())
    first = photo(0)
    rng = np.random.default_rng(0)
    assert all(kind(probability=0)(first, rng, draw) is first for _ in range(20))
    acted = [kind(probability=0.3)(first, rng, draw) is not first for _ in range(600)]
    assert np.mean(acted) == pytest.approx(0.3, abs=0.06)
    a, b = (kind(probability=1)(first, np.random.default_rng(5), draw) for _ in range(2))
    np.testing.assert_array_equal(a.image, b.image)
    np.testing.assert_array_equal(a.ground_truth.boxes_px, b.ground_truth.boxes_px)


@pytest.mark.parametrize("kind", [Mosaic, MixUp])
def test_nothing_given_is_changed(kind):
    samples = four()
    before = [sample.image.copy() for sample in samples]
    for seed in range(10):
        kind(probability=1)(samples[0], np.random.default_rng(seed), PartnersFrom(samples))
    for sample, image in zip(samples, before, strict=True):
        np.testing.assert_array_equal(sample.image, image)


@pytest.mark.parametrize("operation", [Mosaic(keep=None, probability=1), MixUp(probability=1)])
def test_the_map_is_that_of_the_sample_itself(operation):
    for seed in range(20):
        traced = operation.trace(photo(0), np.random.default_rng(seed), PartnersFrom([photo(1)]))
        truth = traced.sample.ground_truth
        ((x0, y0, x1, y1),) = traced.box_map.forward([(50, 30, 90, 60)])
        for mine in truth.boxes_px[truth.labels == 0]:
            # A corner may cut the box off.
            assert (mine >= np.array([x0, y0, x0, y0]) - 1e-3).all()
            assert (mine <= np.array([x1, y1, x1, y1]) + 1e-3).all()
            if isinstance(operation, MixUp):
                assert traced.box_map.inverse([mine]).tolist() == [[50, 30, 90, 60]]


@pytest.mark.parametrize("kind", [Mosaic, MixUp])
def test_without_partners_it_is_one_clear_error(kind):
    with pytest.raises(InputError, match="needs other samples"):
        kind(probability=1)(photo(0), np.random.default_rng(0))
    with pytest.raises(InputError, match="needs other samples"):
        OperationChain([kind(probability=1)])(photo(0), np.random.default_rng(0), (30, 30))
    with pytest.raises(InputError, match="no sample"):
        PartnersFrom([])


def test_a_partner_that_cannot_be_read_is_replaced(tmp_path):
    lost = Sample(tmp_path / "lost.jpg", GroundTruth.empty(), "lost")
    for seed in range(10):
        draw = PartnersFrom([lost, photo(1)])
        after = MixUp(probability=1)(photo(0), np.random.default_rng(seed), draw)
        assert after.ground_truth.labels.tolist() == [0, 1]
    with pytest.raises(InputError, match=r"lost\.jpg"):
        MixUp(probability=1)(photo(0), np.random.default_rng(0), PartnersFrom([lost]))


def test_a_chain_draws_the_partners():
    chain = OperationChain([Mosaic(probability=1), MixUp(probability=1)])
    assert chain.needs_partners
    assert chain.most_samples == 5
    assert not OperationChain([]).needs_partners
    ready = chain.with_partners(PartnersFrom(four()))
    counts = [len(ready(photo(0), np.random.default_rng(seed), (90, 130)).labels) for seed in range(30)]
    assert max(counts) > 2
    rng = np.random.default_rng(0)
    drawn = {PartnersFrom(four())(rng).image_id for _ in range(60)}
    assert drawn == {f"photo {number}" for number in range(4)}


def test_a_partners_boxes_end_at_its_edges():
    truth = GroundTruth([(-40, -40, 30, 30), (10, 10, 90, 90)], [0, 0])
    other = Sample(np.zeros((50, 50, 3), np.uint8), truth, "other")
    mixed = MixUp(probability=1)(
        Sample(np.zeros((400, 800, 3), np.uint8), GroundTruth.empty(), "photo"),
        np.random.default_rng(0),
        lambda rng: other,
    )
    sides = mixed.ground_truth.boxes_px[:, 2:] - mixed.ground_truth.boxes_px[:, :2]
    np.testing.assert_allclose(sides, [(240, 240), (320, 320)])
    assert other.ground_truth.boxes_px[0, 0] == -40


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Mosaic((0.7, 0.3)), "mosaic: centre"),
        (lambda: Mosaic(keep="all"), "mosaic: keep"),
        (lambda: Mosaic(probability=-1), "mosaic: probability"),
        (lambda: MixUp((0, 2)), "mix_up: bounds"),
        (lambda: MixUp(probability="x"), "mix_up: probability"),
    ],
)
def test_settings_out_of_bounds_are_refused_in_one_line(make, word):
    with pytest.raises(InputError, match=word) as error:
        make()
    assert "\n" not in str(error.value)
