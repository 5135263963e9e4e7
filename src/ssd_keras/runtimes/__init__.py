"""Running exported artefacts: ONNX, OpenVINO, LiteRT and SavedModel, without Keras.

`artefact.load_artefact` opens any of them; what it gives detects as a Keras model does.
"""
