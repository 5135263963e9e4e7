"""Dilated convolution that every backend computes as such."""

from __future__ import annotations

import functools

import keras
from keras import layers

from ssd_keras.boxes.arrays import Array


@keras.saving.register_keras_serializable("ssd_keras")
class DilatedConv2D(layers.Conv2D):
    """A `Conv2D` whose dilation TensorFlow does not take apart.

    `tf.nn.convolution`, which Keras calls, rearranges the image into dilation² small ones, pads each of them,
    and puts them together again. For fc6 of SSD300 that is 1.6 times the arithmetic and as much copying: on a
    CPU the forward pass takes two to three times as long as the dilated convolution that oneDNN has, its
    gradients three to four times. Values are the same; strides are 1.
    """

    def convolution_op(self, inputs: Array, kernel: Array) -> Array:
        """Convolve (B, h, w, in) with (height, width, in, out), both in the layer's compute dtype."""
        if not _tensorflow_has_gradients():
            return super().convolution_op(inputs, kernel)
        import tensorflow as tf

        return tf.nn.conv2d(inputs, kernel, 1, self.padding.upper(), dilations=self.dilation_rate)


@functools.cache
def _tensorflow_has_gradients() -> bool:
    """Tell whether TensorFlow is the backend and can differentiate dilated convolutions on this machine.

    Its kernels for CPUs cannot where it was built or is run without oneDNN.
    """
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    with tf.init_scope():
        image, kernel = tf.ones((1, 5, 5, 1)), tf.ones((3, 3, 1, 1))
        try:
            with tf.GradientTape() as tape:
                tape.watch((image, kernel))
                convolved = tf.nn.conv2d(image, kernel, 1, "SAME", dilations=2)
            tape.gradient(convolved, (image, kernel))
        except tf.errors.OpError:
            return False
    return True
