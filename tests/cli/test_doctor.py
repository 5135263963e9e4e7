"""`ssd doctor`: what it sees, and what it advises."""

import json

import pytest

from ssd_keras.cli import doctor, main


@pytest.fixture
def examined(capsys):
    """Run the command; give its document, or what it prints."""

    def run(*words):
        assert main(["doctor", *words]) == 0
        printed = capsys.readouterr().out
        return json.loads(printed) if "--json" in words else printed

    return run


def test_it_says_what_keras_uses(examined):
    import keras

    found = examined("--json")
    assert found["backend"] == keras.backend.backend()
    assert found["usable"]
    assert found["devices"] == keras.distribution.list_devices()
    assert found["cores"] > 0


def test_what_is_there_needs_no_installing(examined):
    rows = {row["library"]: row for row in examined("--json")["libraries"]}
    assert rows["onnxruntime"]["installed"]
    assert rows["onnxruntime"]["install"] is None


def test_what_is_missing_is_named_with_how_to_get_it(examined, monkeypatch):
    missing = doctor.Library("what for", ("no-such-library",), '"ssd-keras[such]"')
    monkeypatch.setattr(doctor, "OTHERS", (missing,))
    row = examined("--json")["libraries"][-1]
    assert row == {
        "for": "what for", "library": "no-such-library", "installed": None, "install": '"ssd-keras[such]"'
    }  # fmt: skip
    assert "no-such-library" in examined()


@pytest.mark.parametrize(
    ("backend", "advice"), [("jax", 'pip install "ssd-keras\\[jax]"'), ("nonsense", "correct KERAS_BACKEND")]
)
def test_a_backend_that_fails_is_told_and_not_raised(examined, monkeypatch, backend, advice):
    def broken(name):
        raise ImportError("no module\nin many lines")

    monkeypatch.setattr(doctor.importlib, "import_module", broken)
    monkeypatch.setattr(doctor, "choose_backend", lambda: backend)
    first_lines = examined().splitlines()[:2]
    assert first_lines[1].startswith(f"backend {backend} cannot be used (no module): ")
    assert advice.replace("\\", "") in first_lines[1]
