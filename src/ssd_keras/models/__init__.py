"""The detector as a Keras model: backbones, predictor heads, loss, decoding, presets."""
