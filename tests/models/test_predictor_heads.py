import keras
import numpy as np
import pytest

from ssd_keras.errors import InputError
from ssd_keras.models.predictor_heads import PredictorHeads

pytestmark = pytest.mark.backends


def test_predictions_come_in_the_order_of_the_anchors():
    # Row, column, box: the number of the cell, plus hundreds for the box, plus thousands for the value.
    feature = keras.Input((2, 3, 1))
    outputs = PredictorHeads(initializer="zeros")(feature, 3, 2, 3, "source", "float32")
    heads = keras.Model(feature, outputs)
    for name, values in (("source_mbox_loc", 4), ("source_mbox_conf", 3)):
        kernel, _ = heads.get_layer(name).get_weights()
        kernel[1, 1] = 1  # each head copies the cell it stands on
        bias = [100 * box + 1000 * value for box in range(2) for value in range(values)]
        heads.get_layer(name).set_weights([kernel, np.array(bias, np.float32)])
    cells = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)
    offsets, logits = heads.predict_on_batch(cells)
    first = [[cell + 100 * box] for cell in range(6) for box in range(2)]
    np.testing.assert_array_equal(offsets[0], first + 1000 * np.arange(4))
    np.testing.assert_array_equal(logits[0], first + 1000 * np.arange(3))


def test_there_is_a_kernel_for_each_feature_map():
    assert PredictorHeads().kernel_size_of_each(2) == (3, 3)
    assert PredictorHeads(kernel_sizes=(3, 1)).kernel_size_of_each(2) == (3, 1)
    for layers in (1, 3):
        with pytest.raises(InputError, match=f"2 kernel sizes for {layers} feature maps"):
            PredictorHeads(kernel_sizes=(3, 1)).kernel_size_of_each(layers)
