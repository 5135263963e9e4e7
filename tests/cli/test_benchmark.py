"""`ssd benchmark`: what it lists, what it runs, and what it says where there is nothing to run."""

import json
import os

import pytest

from ssd_keras.cli import benchmark

MEASURES = '''"""How fast nothing is done.

More about it.
"""
import json, pathlib
if __name__ == "__main__":
    print("a table")
    written = pathlib.Path(__file__).parent / "results" / "nothing.json"
    written.write_text(json.dumps({"benchmark": "nothing"}))
'''


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    folder = tmp_path / "benchmarks"
    (folder / "results").mkdir(parents=True)
    (folder / "measuring.py").write_text('"""What they share."""\n')
    (folder / "nothing.py").write_text(MEASURES)
    (folder / "failing.py").write_text('if __name__ == "__main__":\n    raise SystemExit(3)\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_lists_those_of_the_repository(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, _ = call("benchmark", "--json")
    known = json.loads(out)["known"]
    assert status == 0
    assert {"training", "detection", "evaluation"} <= set(known)
    assert not {"measuring", "peers", "multiplying"} & set(known)
    assert all(known.values())


def test_it_lists_each_with_what_it_measures(call, checkout):
    assert call("benchmark")[1].splitlines() == ["failing  ", "nothing  How fast nothing is done."]


def test_it_runs_one_and_gives_what_it_wrote(call, checkout):
    (checkout / "benchmarks" / "results" / "older.json").write_text("{}")
    os.utime(checkout / "benchmarks" / "results" / "older.json", (1, 1))
    status, out, _ = call("benchmark", "nothing", "--json")
    assert status == 0
    assert json.loads(out) == {"benchmarks": [{"benchmark": "nothing"}]}


def test_a_failing_one_is_told(call, checkout):
    status, _, err = call("benchmark", "failing")
    assert status == 1
    assert "benchmark failing ended with status 3" in err


def test_an_unknown_one_and_no_folder(call, checkout, monkeypatch):
    assert "there is no benchmark 'nothin': did you mean 'nothing'?" in call("benchmark", "nothin")[2]
    monkeypatch.chdir(checkout / "benchmarks" / "results")
    monkeypatch.setattr(benchmark, "CHECKOUT", checkout / "none")
    assert "run 'ssd benchmark' in a checkout" in call("benchmark")[2]
