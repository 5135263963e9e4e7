"""What holds for all tests."""

import os
from pathlib import Path

import hypothesis

# The backend is chosen before any test imports Keras.
import ssd_keras  # noqa: F401

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# JAX compiles equal programs once, though a model that was loaded again is another one to Keras.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")

# The first example of a test compiles, the others do not: times say nothing.
hypothesis.settings.register_profile("ssd_keras", deadline=None)
hypothesis.settings.load_profile("ssd_keras")
