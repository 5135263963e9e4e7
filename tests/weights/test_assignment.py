"""All tensors fit, or the detector stays as it was."""

import numpy as np
import pytest

from ssd_keras.errors import InputError
from ssd_keras.models.ssd import SSD
from ssd_keras.weights.assignment import assign, variables_by_name

SIZE = (96, 96)


def detector(batch_norm=True):
    return SSD.from_preset(
        "ssd300_mobilenet", ["car"], image_size=SIZE, backbone_options={"batch_norm": batch_norm}
    )


def random_tensors(model, seed=0):
    random = np.random.default_rng(seed)
    return {
        name: random.uniform(0.1, 0.3, variable.shape).astype(np.float32)
        for name, variable in variables_by_name(model).items()
    }


def predictions(model):
    image = np.random.default_rng(0).integers(0, 256, (1, *SIZE, 3), dtype=np.uint8)
    return model.predict_on_batch(image)


def same(one, other):
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first, second)


def test_all_that_fits_is_taken_and_the_rest_is_named():
    model = detector()
    tensors = {**random_tensors(model), "fc8/kernel": np.zeros(3, np.float32), "step": np.array(3)}
    found = assign(model, tensors, "file")
    assert set(found.taken) == set(variables_by_name(model))
    assert found.left == ("fc8/kernel", "step")
    assert found.missing == ()
    for name, variable in variables_by_name(model).items():
        np.testing.assert_array_equal(variable, tensors[name])


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("conv13/kernel", "try another model"),
        ("conv17_2_mbox_conf/bias", "as many classes as the file has"),
        ("conv11_mbox_loc/kernel", "the boxes at each cell differ"),
    ],
)
def test_a_wrong_shape_is_refused_and_nothing_is_changed(name, advice):
    model = detector()
    before = model.get_weights()
    tensors = random_tensors(model)
    expected = tensors[name].shape
    tensors[name] = np.zeros((5, 7), np.float32)
    with pytest.raises(InputError) as error:
        assign(model, tensors, "some.caffemodel")
    for part in ("some.caffemodel", name, "(5, 7)", str(expected), "ssd300_mobilenet", advice):
        assert part in str(error.value)
    same(model.get_weights(), before)


def test_what_is_missing_is_refused_unless_it_may_begin_anew():
    model = detector()
    before = model.get_weights()
    tensors = random_tensors(model)
    missing = [name for name in tensors if "_mbox_" in name]
    for name in missing:
        del tensors[name]
    with pytest.raises(InputError, match=r"has no conv11_mbox_conf/kernel, .*19 more.*--allow-missing"):
        assign(model, tensors, "file")
    same(model.get_weights(), before)

    found = assign(model, tensors, "file", allow_missing=True)
    assert set(found.missing) == set(missing)
    np.testing.assert_array_equal(variables_by_name(model)["conv13/kernel"], tensors["conv13/kernel"])
    initial = dict(zip((weight.path for weight in model.weights), before, strict=True))
    for name in missing:
        variable = variables_by_name(model)[name]
        np.testing.assert_array_equal(variable, initial[variable.path])


class TestBatchNorm:
    def test_it_is_merged_where_the_model_has_none(self):
        separate, merged = detector(), detector(batch_norm=False)
        tensors = random_tensors(separate)
        # Not so large that thirteen layers overflow.
        tensors = {name: value * (0.1 if "kernel" in name else 1) for name, value in tensors.items()}
        assign(separate, tensors, "file")
        assign(merged, tensors, "file")
        for key, expected in predictions(separate).items():
            np.testing.assert_allclose(predictions(merged)[key], expected, rtol=1e-3, atol=1e-4)

    def test_it_is_split_off_where_the_file_has_none(self):
        separate, merged = detector(), detector(batch_norm=False)
        tensors = random_tensors(merged)
        tensors = {name: value * (0.1 if "kernel" in name else 1) for name, value in tensors.items()}
        assign(merged, tensors, "file")
        found = assign(separate, tensors, "file")
        assert found.left == ()
        for key, expected in predictions(merged).items():
            np.testing.assert_allclose(predictions(separate)[key], expected, rtol=1e-3, atol=1e-4)

    @pytest.mark.parametrize("batch_norm", [True, False])
    def test_one_of_another_shape_is_refused(self, batch_norm):
        tensors = random_tensors(detector())
        tensors["conv1_bn/moving_mean"] = tensors["conv1_bn/moving_variance"] = np.ones(7, np.float32)
        with pytest.raises(InputError, match="conv1_bn"):
            assign(detector(batch_norm=batch_norm), tensors, "file")

    @pytest.mark.parametrize("batch_norm", [True, False])
    def test_negative_variances_are_refused(self, batch_norm):
        tensors = random_tensors(detector())
        tensors["conv1_bn/moving_variance"] = np.full_like(tensors["conv1_bn/moving_variance"], -1)
        with pytest.raises(InputError, match="conv1_bn/moving_variance holds negative"):
            assign(detector(batch_norm=batch_norm), tensors, "file")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value):
    model = detector()
    before = model.get_weights()
    tensors = random_tensors(model)
    tensors["conv5/kernel"][0, 0, 0, 0] = value
    with pytest.raises(InputError, match="conv5/kernel holds values that are not finite"):
        assign(model, tensors, "file")
    same(model.get_weights(), before)


def test_a_file_of_which_nothing_fits_is_refused():
    with pytest.raises(InputError, match="no layer of model ssd300_mobilenet"):
        assign(detector(), {"foo/kernel": np.zeros((1, 1, 1, 1), np.float32)}, "file", allow_missing=True)
