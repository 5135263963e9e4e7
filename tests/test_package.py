"""The package as a whole: what its import costs, and what it offers."""

import subprocess
import sys

import pytest

import ssd_keras

HEAVY = {"keras", "tensorflow", "jax", "torch", "cv2", "grain", "matplotlib"}


@pytest.mark.parametrize("code", ["import ssd_keras", "from ssd_keras.cli import main; main(['--help'])"])
def test_nothing_heavy_is_imported(code):
    script = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import ssd_keras; ssd_keras.SSD",
        "import ssd_keras.models.ssd",
        "import ssd_keras, jax; ssd_keras.SSD",
    ],
)
def test_keras_is_loaded_without_a_word(code, monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_model_is_seeded_without_a_word(backend, monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    monkeypatch.setenv("KERAS_BACKEND", backend)
    code = "import ssd_keras as ssd; ssd.build_model(ssd.Recipe(image_size=(96, 128)), ('car',))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_tensorflow_says_nothing_of_retracing_and_all_else():
    code = (
        "import ssd_keras.models.ssd, tensorflow, logging\n"
        "log = logging.getLogger('tensorflow')\n"
        "log.warning('5 out of the last 13 calls to <f at 0x7f> triggered tf.function retracing.')\n"
        "log.warning('something else')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "retracing" not in done.stderr
    assert "something else" in done.stderr


def test_every_public_name_is_there():
    for name in ssd_keras.__all__:
        assert getattr(ssd_keras, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        ssd_keras.nope  # noqa: B018


@pytest.mark.parametrize(
    ("installed", "chosen"),
    [
        ({"tensorflow", "jax", "torch"}, "tensorflow"),
        ({"jax", "torch"}, "jax"),
        ({"torch"}, "torch"),
        ({"tensorflow", "jax", "jax_cuda12_plugin"}, "jax"),
        (set(), "tensorflow"),
    ],
)
def test_the_backend_is_chosen_by_what_is_installed(monkeypatch, installed, chosen):
    from ssd_keras import backend

    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr(backend, "_installed", installed.__contains__)
    monkeypatch.setattr(backend.os, "environ", dict(backend.os.environ))
    assert backend.choose_backend() == chosen


def test_the_users_choice_of_backend_stands(monkeypatch):
    from ssd_keras.backend import choose_backend

    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert choose_backend() == "torch"
