"""The detector as a Keras model: backbones, predictor heads, loss, decoding, presets."""

from ssd_keras.backend import import_keras_quietly

import_keras_quietly()
