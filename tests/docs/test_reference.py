"""The reference has every public name, key, command and file; docstrings say shapes; doctests run."""

import ast
import doctest
import importlib
import re
import sys
from pathlib import Path

import pytest

import ssd_keras as ssd
from ssd_keras import cli
from ssd_keras.serving.settings import ServerSettings
from ssd_keras.training.recipe import Recipe

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "ssd_keras"
REFERENCE = ROOT / "docs" / "reference"
MODULE = re.compile(r"^::: (ssd_keras[\w.]*)$", re.MULTILINE)

NAMES = {name for page in REFERENCE.glob("*.md") for name in MODULE.findall(page.read_text(encoding="utf-8"))}
MODULES = sorted(name for name in NAMES if (SOURCES.parent / f"{name.replace('.', '/')}.py").exists())
TO_READ = re.compile(
    r"`((?:boxes|models|data|evaluation|inference|training|export|runtimes|serving)/[\w/]+\.py)`"
)

ARRAY = re.compile(r"\b(NDArray|Array|ndarray|Boxes|Image)\b")
SIZE = r"(?:[A-Z]|[nhw]|\d+|…|\.\.\.|\*shape|images|classes|channels|height|width|out)"
SHAPE = re.compile(
    rf"(?!\(height, width\))\({SIZE},(?: {SIZE},?)*\)"
    r"|a (?:float32 )?scalar|of any shape|[Ss]hapes? as |[Aa]rguments (?:and \w+ )?as for `"
)
IN_THEIR_BASE = ("draw", "recolour")
"""Methods of which each class of a file has its own: shapes stand where the first class declares them."""


@pytest.fixture
def listings(monkeypatch):
    """The lists that the site makes of the code."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "website"))
    yield importlib.import_module("listings")
    sys.modules.pop("listings")


def rows(text):
    """Give the first cells of the rows of all tables, without their marks."""
    cells = re.findall(r"^\| (.+?) \|", text, re.MULTILINE)
    return [re.sub(r"[`\[]|\].*", "", cell) for cell in cells if not cell.startswith("---")]


def shapes_of(function):
    return bool(SHAPE.search(" ".join((ast.get_docstring(function) or "").split())))


def functions_with_arrays(path):
    """Give the public functions and methods of a file that take or give arrays."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            inside = [part for part in node.body if isinstance(part, ast.FunctionDef)]
        else:
            inside = [node] if isinstance(node, ast.FunctionDef) else []
        for function in inside:
            arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
            said = [one.annotation for one in arguments if one.annotation] + [function.returns]
            text = " ".join(ast.unparse(one) for one in said if one)
            if ARRAY.search(text) and (not function.name.startswith("_") or function.name == "__call__"):
                yield function


# --- What it has --------------------------------------------------------------------------------------------


def test_every_public_name_has_its_place():
    named = MODULE.findall((REFERENCE / "names.md").read_text(encoding="utf-8"))
    assert sorted(named) == sorted(f"ssd_keras.{name}" for name in ssd.__all__)


def test_the_modules_to_read_first_are_in_it():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    wanted = {path for path in TO_READ.findall(text) if (SOURCES / path).exists()}
    wanted |= {f"boxes/{path.name}" for path in (SOURCES / "boxes").glob("[!_]*.py")}
    left_out = {"data/readers", "data/worker_processes.py", "export/worker.py", "inference/sources"}
    missing = {path for path in wanted if f"ssd_keras.{path[:-3].replace('/', '.')}" not in MODULES}
    assert not {path for path in missing if not path.endswith("__init__.py") and path not in left_out}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_what_is_named_exists(name):
    parent, _, last = name.rpartition(".")
    assert name in MODULES or (parent == "ssd_keras" and last in ssd.__all__)


def test_every_key_of_a_recipe_has_a_row_and_says_what_it_does(listings):
    text = listings.recipe_keys()
    wanted = []
    for key, field in Recipe.model_fields.items():
        wanted += field.annotation.model_fields if listings.is_group(field.annotation) else [key]
    assert sorted(rows(text)) == sorted([*wanted, *["key"] * (1 + text.count("\n## "))])
    for line in text.splitlines():
        if line.startswith("| `"):
            _, _, what, takes, default, _, _ = line.split("|")
            assert what.strip(), line
            assert takes.strip(), line
            assert takes.strip() != "anything", line
            assert default.strip(), line


@pytest.mark.parametrize(
    "row",
    [
        "| `epochs` | How often every image is shown. | whole number | `50` | > 0 and ≤ 1,000,000 |",
        "| `seed` | Fixes the initial weights, the order of images and the augmentation. | whole number | "
        "`0` | ≥ 0 and < 4,294,967,296 |",
        "| `optimizer` | The method that moves the weights. | `adam` or `adamw` or `sgd` or `rmsprop` | "
        "`adam` |  |",
        "| `neg_pos_ratio` | Most negatives per matched anchor. | number, or null | the preset's | ≥ 0 |",
    ],
)
def test_rows_of_keys(listings, row):
    assert row in listings.recipe_keys()


def test_every_setting_of_the_server_has_a_row(listings):
    assert rows(listings.server_settings()) == ["key", *ServerSettings.model_fields]


def test_every_command_has_its_section_with_flags_and_examples(listings):
    text = listings.commands()
    names = [name for name in cli.app if not name.startswith("-") and name != "weights"]
    names += [f"weights {name}" for name in cli.app["weights"] if not name.startswith("-")]
    sections = dict(re.findall(r"^## ssd (.*?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(sections) == set(names)
    for name, section in sections.items():
        assert f"```sh\nssd {name}" in section, name
        assert section.count("| `--json` |") == 1, name
        assert "[default" not in section, name
        assert "**" not in section, name
    assert "| `--to` | The format: onnx" in sections["export"]
    assert "| `onnx` or `openvino` or `litert` or `saved_model` | needed |" in sections["export"]
    assert "| `--loss.neg-pos-ratio` | Most negatives per matched anchor. | `FLOAT` |" in sections["train"]


@pytest.mark.parametrize(("made", "pattern"), [("recipes", "*.yaml"), ("benchmarks", "*.py")])
def test_files_of_a_folder(listings, made, pattern):
    files = [path.name for path in sorted((ROOT / made).glob(pattern))]
    text = getattr(listings, made)()
    shared = {"measuring.py", "multiplying.py", "peers.py"} if made == "benchmarks" else set()
    assert rows(text)[1:] == [name for name in files if name not in shared]
    assert "|  |" not in text


def test_measured_and_published_are_told_apart(listings):
    header = listings.header_of(ROOT / "recipes" / "voc0712_ssd300.yaml")
    assert not header[1]
    assert header[2].startswith("mAP 77.2 % on VOC 2007 test")
    assert "Source: W. Liu et al." in header[2].replace("\n", " ")
    title, measured, published = listings.header_of(ROOT / "recipes" / "bccd_ssd7.yaml")
    assert title.startswith("SSD7 from scratch on blood cells")
    assert measured.startswith("mAP 0.916")
    assert not published
    text = listings.recipes()
    assert "Not run by us. **Published**: mAP 77.2 % on VOC 2007 test" in text
    assert "**Measured here**: mAP 0.916" in text


# --- Docstrings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_shapes_stand_in_the_docstring_of_what_has_arrays(module):
    declared, missing = set(), []
    for function in functions_with_arrays(SOURCES.parent / f"{module.replace('.', '/')}.py"):
        if shapes_of(function):
            declared.add(function.name)
        elif function.name not in IN_THEIR_BASE or function.name not in declared:
            missing.append(f"{function.name}, line {function.lineno}")
    assert not missing, missing


def test_functions_with_arrays_are_seen():
    files = [SOURCES.parent / f"{module.replace('.', '/')}.py" for module in MODULES]
    assert sum(len(list(functions_with_arrays(path))) for path in files) > 100
    assert SHAPE.search("offsets (..., 4)")
    assert SHAPE.search("(B, A, C)")
    assert SHAPE.search("(K,) bool")
    assert not SHAPE.search("the image's (height, width)")
    assert not SHAPE.search("a crop (Caffe: SampleBBox)")


# --- Doctests -----------------------------------------------------------------------------------------------

WITH_DOCTESTS = [path for path in sorted(SOURCES.rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]
PAGES = [path for path in sorted((ROOT / "docs").rglob("*.md")) if ">>> " in path.read_text(encoding="utf-8")]


@pytest.mark.backends
@pytest.mark.parametrize("path", WITH_DOCTESTS, ids=lambda path: str(path.relative_to(SOURCES)))
def test_examples_in_docstrings_give_what_they_show(path):
    name = ".".join(path.relative_to(SOURCES.parent).with_suffix("").parts)
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT / "docs")))
def test_examples_in_pages_give_what_they_show(path):
    result = doctest.testfile(str(path), module_relative=False, encoding="utf-8")
    assert result.attempted
    assert not result.failed


def test_boxes_show_examples():
    assert {path.name for path in WITH_DOCTESTS} >= {"formats.py", "iou.py", "offsets.py"}
