"""The tutorials: what is committed was executed from top to bottom, stands alone, and still runs."""

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"
FILES = sorted(TUTORIALS.glob("*.ipynb"))
NAMES = {
    *("ssd7_on_your_own_data", "training_ssd300", "inference", "evaluation", "choosing_classes"),
    *("data_and_augmentation", "your_own_base_network", "pickle_labels"),
}
LINK = re.compile(r"\]\(([^)\s#]+)[^)\s]*\)")
MOST_BYTES = 1_000_000

every_tutorial = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


@pytest.fixture(scope="module")
def run_tutorials():
    spec = importlib.util.spec_from_file_location("run_tutorials", TUTORIALS / "run_tutorials.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def code_cells(file):
    return [cell for cell in nbformat.read(file, as_version=4).cells if cell.cell_type == "code"]


def outputs(file):
    return [output for cell in code_cells(file) for output in cell.outputs]


def printed(file):
    """Give all text that the cells of a notebook printed or returned."""
    said = [output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs(file)]
    return "\n".join(said)


def test_there_is_one_for_each_subject(run_tutorials):
    assert set(run_tutorials.tutorial_names()) == NAMES
    listed = (TUTORIALS / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((\w+)\.ipynb\)", listed)) == NAMES


@every_tutorial
def test_it_was_executed_from_top_to_bottom(file):
    cells = code_cells(file)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@every_tutorial
def test_it_shows_pictures_and_no_errors(file):
    assert any({"image/png", "image/jpeg"} & set(output.get("data", {})) for output in outputs(file))
    assert not any(output.output_type == "error" for output in outputs(file))
    assert not re.search(r"Traceback|Warning\b", printed(file))


@every_tutorial
def test_it_says_nothing_of_the_machine_that_ran_it(file):
    assert not re.search(r"/(home|root|tmp|work|usr|Users)/", printed(file))
    assert set(nbformat.read(file, as_version=4).metadata) == {"kernelspec", "language_info"}


@every_tutorial
def test_it_is_small_enough_for_a_repository(file):
    assert file.stat().st_size <= MOST_BYTES


@every_tutorial
def test_its_links_lead_somewhere(file):
    texts = [cell.source for cell in nbformat.read(file, as_version=4).cells if cell.cell_type == "markdown"]
    assert texts[0].startswith("# ")
    links = [link for link in LINK.findall("\n".join(texts)) if not link.startswith(("http", "mailto"))]
    assert links, "it says where to go on"
    assert [link for link in links if not (TUTORIALS / link).exists()] == []


@every_tutorial
def test_short_values_are_for_names_that_the_parameters_have(file, run_tutorials):
    _, cell = run_tutorials.parameters_of(nbformat.read(file, as_version=4))
    given = re.findall(r"^(\w+)\s*=", cell.source, re.MULTILINE)
    assert cell.metadata["short"]
    assert set(cell.metadata["short"]) <= set(given)


@pytest.mark.slow
@every_tutorial
def test_it_runs(file, run_tutorials):
    before = nbformat.read(file, as_version=4)
    after = run_tutorials.executed(run_tutorials.read_tutorial(file.stem), short=True)
    assert [cell.source for cell in after.cells] == [cell.source for cell in before.cells]


def test_a_short_run_does_not_replace_the_whole_one(run_tutorials, capsys):
    with pytest.raises(SystemExit):
        run_tutorials.main(["--short"])
    assert "--short wants --out" in capsys.readouterr().err


def test_a_cell_that_fails_is_told(run_tutorials):
    tutorial = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    with pytest.raises(Exception, match="ZeroDivisionError"):
        run_tutorials.executed(tutorial)


def test_a_tutorial_without_parameters_is_told(run_tutorials):
    with pytest.raises(LookupError, match="parameters"):
        run_tutorials.executed(nbformat.v4.new_notebook(), short=True)
