"""Whole chains: boxes stay on their objects, and what must be dropped is."""

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_keras.data.augment import (
    CHAINS,
    BatchSampler,
    ConstantSizeChain,
    Distortion,
    MildChain,
    OriginalChain,
    ResizeOnly,
    SatelliteChain,
    VariableSizeChain,
)
from ssd_keras.data.augment.geometry import MEAN_COLOUR
from ssd_keras.data.samples import GroundTruth, Sample
from ssd_keras.errors import InputError

SIZE = (120, 150)
PLAIN = {
    "mild": MildChain(distortion=None, vertical_flip=0.5),
    "ssd": OriginalChain(distortion=None, vertical_flip=0.5),
    "constant_size": ConstantSizeChain(distortion=None, vertical_flip=0.5),
    "variable_size": VariableSizeChain(distortion=None, vertical_flip=0.5),
    "satellite": SatelliteChain(distortion=None),
    "none": ResizeOnly(),
}
"""The chains without changes of colour, so that an object is known by its colour."""

STILL = {
    "mild": {"crop": None, "expand": None, "horizontal_flip": 0},
    "ssd": {"crop": None, "expand": None, "horizontal_flip": 0},
    "constant_size": {"translation_probability": 0, "scale_probability": 0, "horizontal_flip": 0},
    "variable_size": {"scale": (1, 1), "aspect": (130 / 90, 130 / 90), "horizontal_flip": 0},
    "satellite": {
        "scale": (1, 1),
        "aspect": (130 / 90, 130 / 90),
        "rotation_probability": 0,
        "horizontal_flip": 0,
        "vertical_flip": 0,
    },
    "none": {},
}
"""Settings with which a photo of 90 × 130 pixels only changes its size and its colours."""


def photo(height=90, width=130, boxes_px=()):
    """A grey photo with green objects."""
    image = np.full((height, width, 3), 60, np.uint8)
    for x0, y0, x1, y1 in boxes_px:
        image[y0:y1, x0:x1] = (0, 255, 0)
    return image


def sample(image, boxes_px, **flags):
    boxes = np.array(boxes_px, np.float32).reshape(-1, 4)
    return Sample(image, GroundTruth(boxes, np.arange(len(boxes)), **flags), "photo")


def green_box(image):
    """The box in pixels around what is green, or None."""
    mask = image[..., 1].astype(int) - image[..., [0, 2]].max(axis=-1) > 128
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def pixels_per_pixel(chain, image_size, boxes_px, seed):
    """How many pixels of the output one pixel of the image becomes."""
    height, width = image_size
    x0, y0, x1, y1 = (0, 0, width, height)
    if not isinstance(chain, ResizeOnly):
        x0, y0, x1, y1 = chain.sample_view(image_size, np.array(boxes_px), np.random.default_rng(seed)).window
    return max(SIZE[0] / max(y1 - y0 - 1, 1), SIZE[1] / max(x1 - x0 - 1, 1))


def box_follows_object(chain, source, image_size, box_px, seed):
    """Check that box and object agree in the output; say whether there is anything to see."""
    out = chain(sample(source, [box_px]), np.random.default_rng(seed), SIZE)
    assert out.image.shape == (*SIZE, 3)
    assert out.image.dtype == np.uint8
    seen = green_box(out.image)
    if not len(out.boxes) or seen is None:
        return False
    box = out.boxes[0] * (SIZE[1], SIZE[0], SIZE[1], SIZE[0])
    # As in the original, pixels are cropped by corner and size truncated to whole pixels, boxes are not: up
    # to 2 pixels of the image. The rest is rounding in the output.
    tolerance = 2 * pixels_per_pixel(chain, image_size, [box_px], seed) + 1.5
    assert np.abs(seen - box).max() <= tolerance, (seen, box, tolerance)
    return True


objects = st.tuples(st.integers(0, 90), st.integers(0, 60), st.integers(8, 130), st.integers(8, 90))
seeds = st.integers(0, 2**32)


@pytest.mark.parametrize("name", CHAINS)
@settings(max_examples=60, deadline=None)
@given(objects, seeds)
def test_the_box_follows_its_object(name, place, seed):
    x0, y0, width, height = place
    box = (x0, y0, min(x0 + width, 130), min(y0 + height, 90))
    box_follows_object(PLAIN[name], photo(boxes_px=[box]), (90, 130), box, seed)


@pytest.mark.parametrize("name", CHAINS)
def test_the_box_follows_its_object_through_reduced_decoding(name):
    box = (400, 250, 900, 700)
    data = cv2.imencode(".jpg", photo(900, 1300, [box])[..., ::-1])[1].tobytes()
    for seed in range(40):
        box_follows_object(PLAIN[name], data, (900, 1300), box, seed)


@pytest.mark.parametrize("name", CHAINS)
def test_a_well_placed_object_is_mostly_seen(name):
    box = (40, 30, 90, 70)
    image = photo(boxes_px=[box])
    seen = [box_follows_object(PLAIN[name], image, (90, 130), box, seed) for seed in range(200)]
    assert np.mean(seen) > 0.85


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("image", [photo(), photo(1, 1), photo(1, 200), photo(200, 1), photo(*SIZE)])
@pytest.mark.parametrize("boxes_px", [[], [(0, 0, 1, 1)]], ids=["no object", "one-pixel object"])
def test_any_image_gives_an_image_of_the_size_and_valid_boxes(name, image, boxes_px):
    chain = CHAINS[name]()
    for seed in range(25):
        out = chain(sample(image, boxes_px), np.random.default_rng(seed), SIZE)
        assert out.image.shape == (*SIZE, 3)
        assert out.image.dtype == np.uint8
        assert out.boxes.dtype == np.float32
        assert out.labels.dtype == np.int32
        assert out.boxes.shape == (len(out.labels), 4)
        assert len(out.labels) <= len(boxes_px)
        assert (out.boxes[:, :2] < out.boxes[:, 2:]).all()
        assert ((out.boxes >= 0) & (out.boxes <= 1)).all()


@pytest.mark.parametrize("name", CHAINS)
def test_crowds_are_left_out_and_difficult_objects_kept(name):
    boxes_px = [(30, 20, 100, 70), (32, 22, 98, 68), (31, 21, 99, 69)]
    crowded = sample(photo(), boxes_px, crowd=[False, True, False], difficult=[False, False, True])
    seen = set()
    for seed in range(20):
        labels = CHAINS[name]()(crowded, np.random.default_rng(seed), SIZE).labels
        seen.update(labels.tolist())
    assert seen == {0, 2}


@pytest.mark.parametrize("name", CHAINS)
def test_the_same_numbers_give_the_same_output(name):
    one = sample(np.random.default_rng(1).integers(0, 256, (90, 130, 3), np.uint8), [(10, 10, 60, 60)])
    for seed in range(10):
        a, b = (CHAINS[name]()(one, np.random.default_rng(seed), SIZE) for _ in range(2))
        for left, right in zip(a[:3], b[:3], strict=True):
            np.testing.assert_array_equal(left, right)
        np.testing.assert_array_equal(a.to_original(a.boxes), b.to_original(b.boxes))


@pytest.mark.parametrize("name", CHAINS)
def test_file_bytes_and_pixels_give_the_same(name, tmp_path):
    pixels = np.random.default_rng(2).integers(0, 256, (90, 130, 3), np.uint8)
    data = cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    for seed in range(5):
        outs = [
            CHAINS[name]()(sample(source, [(10, 10, 90, 80)]), np.random.default_rng(seed), SIZE)
            for source in (pixels, data, path)
        ]
        for out in outs[1:]:
            np.testing.assert_array_equal(out.image, outs[0].image)
            np.testing.assert_array_equal(out.boxes, outs[0].boxes)


@pytest.mark.parametrize("name", CHAINS)
def test_the_pixels_given_are_not_changed(name):
    pixels = np.random.default_rng(2).integers(0, 256, (*SIZE, 3), np.uint8)
    before = pixels.copy()
    for seed in range(10):
        CHAINS[name]()(sample(pixels, []), np.random.default_rng(seed), SIZE)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("name", CHAINS)
def test_boxes_beyond_the_image_are_cut_off_and_those_beside_it_dropped(name):
    boxes_px = [(-50, -50, 60, 45), (140, 20, 180, 60), (200, 200, 300, 300)]
    out = CHAINS[name](**STILL[name])(sample(photo(), boxes_px), np.random.default_rng(0), SIZE)
    np.testing.assert_allclose(out.boxes, [[0, 0, 60 / 130, 0.5]], rtol=1e-6)
    assert out.labels.tolist() == [0]


def test_an_object_is_kept_where_its_centre_is_seen():
    chain = OriginalChain(expand=None)
    grid = [(x, y, x + 20, y + 20) for x in range(0, 110, 10) for y in range(0, 70, 10)]
    boxes_px = np.array(grid, float)
    for seed in range(30):
        out = chain(sample(photo(), grid), np.random.default_rng(seed), SIZE)
        x0, y0, x1, y1 = chain.sample_view((90, 130), boxes_px, np.random.default_rng(seed)).window
        centres = boxes_px[:, :2] + 10
        inside = ((centres >= (x0, y0)) & (centres <= (x1, y1))).all(axis=1)
        assert out.labels.tolist() == np.flatnonzero(inside).tolist()


def test_the_tutorials_chain_keeps_what_is_seen_by_three_tenths():
    chain = ConstantSizeChain(scale_probability=0, translation_probability=1, min_side_px=0)
    grid = np.array([(x, y, x + 20, y + 20) for x in range(0, 110, 10) for y in range(0, 70, 10)], float)
    for seed in range(30):
        window, _, kept, _ = chain.sample_view((90, 130), grid, np.random.default_rng(seed))
        x0, y0, x1, y1 = window
        width = np.minimum(grid[:, 2], x1) - np.maximum(grid[:, 0], x0)
        height = np.minimum(grid[:, 3], y1) - np.maximum(grid[:, 1], y0)
        share = np.maximum(width, 0) * np.maximum(height, 0) / 400
        assert (x1 - x0, y1 - y0) == pytest.approx((130, 90))
        np.testing.assert_array_equal(kept, share >= 0.3)
        half_pixel = np.array([0.5 / 130, 0.5 / 90])
        assert (np.abs([x0 / 130, y0 / 90]) >= 0.03 - half_pixel).all()
        assert (np.abs([x0 / 130, y0 / 90]) <= 0.5 + half_pixel).all()


def test_the_tutorials_chain_never_loses_the_only_object():
    corner = np.array([(0, 0, 12, 12)], float)
    for seed in range(200):
        view = ConstantSizeChain().sample_view((90, 130), corner, np.random.default_rng(seed))
        assert view.kept.all()


def test_the_tutorials_chain_zooms_both_ways_and_sometimes_stays():
    views = [
        ConstantSizeChain().sample_view((90, 130), np.zeros((0, 4)), np.random.default_rng(seed))
        for seed in range(2000)
    ]
    widths = np.array([view.window[2] - view.window[0] for view in views]) / 130
    assert np.mean(np.isclose(widths, 1)) == pytest.approx(0.5, abs=0.04)
    assert np.mean(widths > 1 + 1e-9) == pytest.approx(0.25, abs=0.04)
    assert 1.9 < widths.max() <= 2
    assert 0.5 <= widths.min() < 0.55


@pytest.mark.parametrize(("name", "colour"), [("ssd", MEAN_COLOUR), ("constant_size", (0, 0, 0))])
def test_colours_change_in_the_photo_and_not_in_the_fill(name, colour):
    white = np.full((90, 130, 3), 255, np.uint8)
    always = dataclasses.replace(
        CHAINS[name]().distortion, probability=1, contrast=(0.5, 0.6), contrast_pivot=0, hue=(0, 0)
    )
    chain = CHAINS[name](distortion=always)
    filled = 0
    for seed in range(60):
        image = chain(sample(white, []), np.random.default_rng(seed), SIZE).image
        is_fill = (image == colour).all(axis=-1)
        values = np.unique(image[~is_fill])
        assert len(values) <= 1
        assert (values < 160).all()
        filled += is_fill.any()
    assert filled > 10


@pytest.mark.parametrize("flip", ["horizontal_flip", "vertical_flip"])
@pytest.mark.parametrize("name", [name for name in CHAINS if name != "none"])
def test_flips_happen_as_often_as_asked(name, flip):
    box = (0, 0, 30, 20)
    off = {"horizontal_flip": 0.0, "vertical_flip": 0.0, "distortion": None, "min_area_px": 0.0}
    settings = {**STILL[name], **off, flip: 0.3}
    first_side = 0 if flip == "horizontal_flip" else 1
    outs = [
        CHAINS[name](**settings)(sample(photo(boxes_px=[box]), [box]), np.random.default_rng(seed), (9, 13))
        for seed in range(1000)
    ]
    moved = [out.boxes[0, first_side] > 0.5 for out in outs]
    assert np.mean(moved) == pytest.approx(0.3, abs=0.05)


def test_no_augmentation_is_a_plain_bilinear_resize():
    pixels = np.random.default_rng(3).integers(0, 256, (90, 130, 3), np.uint8)
    out = ResizeOnly()(sample(pixels, [(13, 9, 26, 45)]), np.random.default_rng(0), SIZE)
    np.testing.assert_array_equal(out.image, cv2.resize(pixels, SIZE[::-1], interpolation=cv2.INTER_LINEAR))
    np.testing.assert_allclose(out.boxes, [[0.1, 0.1, 0.2, 0.5]], rtol=1e-6)


@pytest.mark.parametrize("name", CHAINS)
def test_boxes_below_the_smallest_size_are_dropped(name):
    boxes_px = [(30, 20, 100, 70), (60, 40, 64, 44)]
    for seed in range(20):
        out = CHAINS[name](min_side_px=30)(sample(photo(), boxes_px), np.random.default_rng(seed), SIZE)
        assert ((out.boxes[:, 2:] - out.boxes[:, :2]) * SIZE[::-1] >= 30 - 1e-3).all()
    assert len(CHAINS["none"]()(sample(photo(), boxes_px), np.random.default_rng(0), SIZE).boxes) == 2


def test_reduced_decoding_can_be_turned_off():
    noise = np.random.default_rng(4).integers(0, 256, (900, 1300, 3), np.uint8)
    data = cv2.imencode(".jpg", noise)[1].tobytes()
    still = {
        "crop": None,
        "expand": None,
        "distortion": None,
        "horizontal_flip": 0,
        "interpolations": ("nearest",),
    }
    reduced, full = (
        OriginalChain(**still, reduced_decoding=on)(sample(data, []), np.random.default_rng(0), SIZE).image
        for on in (True, False)
    )
    decoded = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    plain = cv2.resize(decoded, SIZE[::-1], interpolation=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(full, plain)
    assert (reduced != plain).any()


@pytest.mark.parametrize("name", CHAINS)
def test_an_image_that_cannot_be_read_is_named(name, tmp_path):
    with pytest.raises(InputError, match=r"lost\.jpg"):
        CHAINS[name]()(sample(tmp_path / "lost.jpg", []), np.random.default_rng(0), SIZE)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: OriginalChain(horizontal_flip=2), "horizontal_flip"),
        (lambda: OriginalChain(interpolations=("linear", "best")), "one or more of linear"),
        (lambda: OriginalChain(interpolations=()), "one or more of linear"),
        (lambda: OriginalChain(horizontal_flip="a"), "horizontal_flip"),
        (lambda: OriginalChain(distortion=3), "distortion"),
        (lambda: OriginalChain(distortion=Distortion(hue="x")), "hue"),
        (lambda: OriginalChain(fill=(1, 2)), "fill"),
        (lambda: OriginalChain(fill=(300, 0, 0)), "fill"),
        (lambda: OriginalChain(min_side_px=-3), "min_side_px"),
        (lambda: OriginalChain(expand=4), "expand"),
        (lambda: OriginalChain(crop=BatchSampler(overlaps=(0.1, 1))), "overlaps"),
        (lambda: OriginalChain(reduced_decoding=1), "reduced_decoding"),
        (lambda: ResizeOnly(min_side_px="small"), "min_side_px"),
        (lambda: ConstantSizeChain(min_visible=-1), "min_visible"),
        (lambda: ConstantSizeChain(scale=(1.1, 2)), "scale"),
        (lambda: ConstantSizeChain(translation=(0.5, 0.1)), "translation"),
        (lambda: ConstantSizeChain(trials=0), "trials"),
    ],
)
def test_settings_out_of_bounds_are_refused(make, word):
    with pytest.raises(InputError, match=word):
        make()


@pytest.mark.parametrize("name", CHAINS)
@settings(max_examples=40, deadline=None)
@given(objects, seeds)
def test_boxes_go_back_to_the_photo_exactly(name, place, seed):
    x0, y0, width, height = place
    box = (x0, y0, min(x0 + width, 130), min(y0 + height, 90))
    out = PLAIN[name](sample(photo(), [box]), np.random.default_rng(seed), SIZE)
    back = out.to_original(out.boxes.astype(float))
    if not len(back):
        return
    # Caffe truncates the crop of the pixels, corner and size, and not that of the boxes.
    tolerance = 2 if name in ("mild", "ssd") else 1e-4
    # What was cut off at the edge of the view stays so; the other sides are those of the photo.
    uncut = (out.boxes[0] > 0) & (out.boxes[0] < 1)
    sides = np.abs(back[0] - box) <= tolerance
    assert sides.sum() >= uncut.sum(), (back, box)
    assert (back[0, :2] >= np.array(box[:2]) - tolerance).all()
    assert (back[0, 2:] <= np.array(box[2:]) + tolerance).all()


@pytest.mark.parametrize("name", CHAINS)
def test_what_is_seen_goes_back_to_where_it_is_on_the_photo(name):
    box, side = (15, 10, 35, 28), 1200
    settings = {} if name == "none" else {"distortion": None, "interpolations": ("nearest",)}
    errors = []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        out = CHAINS[name](**settings)(sample(photo(40, 60, [box]), [box]), rng, (side, side))
        seen = green_box(out.image)
        if seen is not None and (seen > 0).all() and (seen < side).all():
            errors.append(np.abs(out.to_original(seen[None] / side)[0] - box).max())
    assert len(errors) > 15
    # What rounding to whole pixels of the output comes to, where 1,200 of them show up to 240 of the photo's;
    # bilinear edges of the chain "none" are as wide as a pixel.
    assert max(errors) < (0.6 if name == "none" else 0.25)


@pytest.mark.parametrize("name", CHAINS)
def test_any_list_of_boxes_goes_back(name):
    out = CHAINS[name](**STILL[name])(sample(photo(), []), np.random.default_rng(0), SIZE)
    assert out.to_original([]).shape == (0, 4)
    np.testing.assert_allclose(out.to_original([[0, 0, 0.5, 1]]), [[0, 0, 65, 90]])


def test_only_the_ports_contrast_turns_around_the_middle():
    grey = np.full((90, 130, 3), 127, np.uint8)
    for name, stays in (("ssd", False), *((name, True) for name in ("constant_size", "satellite"))):
        drawn = dataclasses.replace(
            CHAINS[name]().distortion, probability=1, brightness=(0, 0), saturation=(1, 1), hue=(0, 0)
        )
        image = CHAINS[name](**STILL[name], distortion=drawn)(
            sample(grey, []), np.random.default_rng(1), SIZE
        ).image
        assert (np.abs(image.astype(int) - 127).max() <= 1) == stays


@pytest.mark.parametrize("chain", [VariableSizeChain, SatelliteChain])
def test_patches_have_the_sizes_and_shapes_asked_for(chain):
    views = [
        chain().sample_view((90, 130), np.zeros((0, 4)), np.random.default_rng(seed)) for seed in range(2000)
    ]
    x0, y0, x1, y1 = np.array([view.window for view in views]).T
    turned = np.array([view.quarter_turns % 2 for view in views], bool)
    width = np.where(turned, y1 - y0, x1 - x0)
    height = np.where(turned, x1 - x0, y1 - y0)
    share = width / np.where(turned, 90, 130)
    low, high = chain().aspect
    assert share.mean() == pytest.approx(1.15, abs=0.04)
    assert (share.min(), share.max()) == pytest.approx((0.3, 2), abs=0.03)
    assert (width / height).mean() == pytest.approx((low + high) / 2, abs=0.04)
    assert (((width + 1) / (height - 1) >= low) & ((width - 1) / (height + 1) <= high)).all()
    np.testing.assert_array_equal([x0, y0, x1, y1], np.round([x0, y0, x1, y1]))
    # A patch that fits lies inside of the image; the image lies inside of one that is larger.
    inside = (x0 >= -1e-9) & (x1 <= 130 + 1e-9)
    np.testing.assert_array_equal(inside, x1 - x0 <= 130)
    around = (y0 <= 1e-9) & (y1 >= 90 - 1e-9)
    np.testing.assert_array_equal(around, y1 - y0 >= 90)


def test_the_satellite_chain_turns_half_of_the_images_by_any_quarter():
    turns = [
        SatelliteChain().sample_view((90, 130), np.zeros((0, 4)), np.random.default_rng(seed)).quarter_turns
        for seed in range(2000)
    ]
    shares = np.bincount(turns, minlength=4) / len(turns)
    np.testing.assert_allclose(shares, [1 / 2, 1 / 6, 1 / 6, 1 / 6], atol=0.03)


@pytest.mark.parametrize("chain", [VariableSizeChain, SatelliteChain])
def test_a_patch_that_shows_no_object_is_left_out(chain):
    speck = np.array([(0, 0, 2, 2)], float)
    views = [
        chain(trials=1).sample_view((90, 130), speck, np.random.default_rng(seed)) for seed in range(300)
    ]
    assert all(view.kept.all() for view in views)
    assert np.mean([np.allclose(view.window, (0, 0, 130, 90)) for view in views]) > 0.2
