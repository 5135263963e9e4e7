"""The pages "How SSD works": their code runs, their links lead somewhere, their figures can be made."""

import ast
import doctest
import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssd_keras.boxes.matching import NEGATIVE
from ssd_keras.boxes.offsets import encode_offsets

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [DOCS / "how_ssd_works.md", *sorted((DOCS / "how_ssd_works").glob("*.md"))]
FIGURES = sorted((DOCS / "figures").glob("*.png"))
LARGEST_FIGURE, LONGEST_LINE = 250_000, 116

page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)


def links(text: str) -> list[tuple[str, str]]:
    """Give the links of a page: text and target, those of pictures too."""
    without_code = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\[([^\]]*)\]\(([^)]+)\)", without_code)


def defined_names(path: Path) -> set[str]:
    """Give the functions and classes of a module, and Class.method."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
    return names


def slug(heading: str) -> str:
    """Give the anchor of a heading as the usual forges make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.fixture
def figure_modules(monkeypatch):
    """Let the scripts of the figures be imported, as they are when they run."""
    monkeypatch.syspath_prepend(str(DOCS / "figures"))
    return importlib.import_module


def test_there_are_all_pages():
    pages = "anchors matching encoding network loss decoding augmentation glossary how_ssd_works"
    assert {path.stem for path in PAGES} >= set(pages.split())


@page
def test_the_code_of_a_page_gives_what_it_shows(path):
    result = doctest.testfile(str(path), module_relative=False, encoding="utf-8")
    assert result.failed == 0
    code = path.read_text(encoding="utf-8").count("```python")
    assert result.attempted >= code


@page
def test_links_lead_somewhere(path):
    for text, target in links(path.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        file, _, heading = target.partition("#")
        there = (path.parent / file).resolve()
        assert there.exists(), f"{path.name}: [{text}]({target})"
        if heading:
            lines = there.read_text(encoding="utf-8").splitlines()
            assert heading in {slug(line.lstrip("#")) for line in lines if line.startswith("#")}, target


@page
def test_named_functions_are_in_the_files_they_link_to(path):
    for text, target in links(path.read_text(encoding="utf-8")):
        there = (path.parent / target).resolve()
        if there.suffix != ".py" or not text.startswith("`") or text.endswith(".py`"):
            continue
        assert text.strip("`") in defined_names(there), f"{path.name}: [{text}]({target})"


def test_most_pages_link_to_functions():
    linked = [
        text for path in PAGES for text, target in links(path.read_text(encoding="utf-8")) if "src/" in target
    ]
    assert len(linked) > 30


@page
def test_lines_are_not_too_long(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        assert len(line) <= LONGEST_LINE or line.startswith("|"), line


def test_a_wrong_name_would_be_seen(tmp_path):
    module = tmp_path / "module.py"
    module.write_text("def right(): ...\nclass Thing:\n    def part(self): ...\n")
    assert defined_names(module) == {"right", "Thing", "Thing.part"}
    assert links("see [`wrong`](module.py), ![x](y.png)") == [("`wrong`", "module.py"), ("x", "y.png")]


def test_the_boxes_in_the_text_are_those_of_the_scene(figure_modules):
    _, truth = figure_modules("street_example").scene()
    text = PAGES[0].read_text(encoding="utf-8")
    for x0, y0, x1, y1 in truth.boxes_px.astype(int).tolist():
        assert f"({x0}, {y0})-({x1}, {y1}) | {x1 - x0} × {y1 - y0} |" in text
    for name in ("matching", "augmentation"):
        page = (DOCS / "how_ssd_works" / f"{name}.md").read_text(encoding="utf-8")
        assert all(str(box) in page for box in truth.boxes_px.astype(int).tolist())


def test_numbers_in_the_text_are_those_of_the_package(figure_modules):
    example = figure_modules("street_example")
    matches = example.matching().matches
    matched, background = int((matches >= 0).sum()), int((matches == NEGATIVE).sum())
    loss = " ".join((DOCS / "how_ssd_works" / "loss.md").read_text(encoding="utf-8").split())
    assert f"{background:,} against {matched} in the scene" in loss
    assert f"the {3 * matched} background anchors that count for the {matched} matched ones" in loss
    truck = example.scene()[1].boxes_px[2] / 300
    anchor = example.anchor_boxes()[example.matching().best[2]]
    encoding = (DOCS / "how_ssd_works" / "encoding.md").read_text(encoding="utf-8")
    for value in encode_offsets(truck, anchor, example.VARIANCES):
        assert f"= {'−' if value < 0 else ''}{abs(value):.2f}" in encoding.replace("=  ", "= ")
    rows, column, shape = np.unravel_index(example.matching().best[2] - 5776 - 2166, (10, 10, 6))
    assert f"box {shape} of row {rows}, column {column} of conv6_2" in encoding


def test_every_figure_is_shown_and_small_enough():
    shown = {Path(target).name for path in PAGES for _, target in links(path.read_text(encoding="utf-8"))}
    assert FIGURES
    for path in FIGURES:
        assert path.name in shown
        assert path.stat().st_size < LARGEST_FIGURE
        with Image.open(path) as picture:
            assert 1000 <= picture.width <= 1600


def check_pictures(written):
    assert sorted(path.name for path in written) == [path.name for path in FIGURES]
    for path in written:
        with Image.open(path) as picture:
            assert len(np.unique(np.asarray(picture.convert("L")))) > 10


def test_the_figures_can_be_made(figure_modules, tmp_path):
    """Without training and with few dots: what they look like is for eyes."""
    check_pictures(figure_modules("make_figures").make(tmp_path, steps=0, dots=20))


@pytest.mark.slow
def test_the_toy_learns(figure_modules):
    toy, example = figure_modules("toy_detector"), figure_modules("street_example")
    matched = example.matching().matches >= 0
    doubts = []
    for raw in toy.trained(steps=6, early=1):
        scores = np.exp(raw.logits - raw.logits.max(axis=-1, keepdims=True))
        doubts.append((scores[:, 0] / scores.sum(axis=-1))[~matched].mean())
    assert doubts[1] > doubts[0] > 0


def test_some_figures_can_be_made_alone(figure_modules, tmp_path):
    written = figure_modules("make_figures").make(tmp_path, only=["encoding"], dots=20)
    assert [path.name for path in written] == ["encoding.png"]
