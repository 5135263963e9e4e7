"""What holds for all tests."""

import os

import hypothesis

# The backend is chosen before any test imports Keras.
import ssd_keras  # noqa: F401

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# The first example of a test compiles, the others do not: times say nothing.
hypothesis.settings.register_profile("ssd_keras", deadline=None)
hypothesis.settings.load_profile("ssd_keras")
