"""Guides and pages for those who carry on: links lead somewhere, commands parse, keys and files exist."""

import ast
import csv
import importlib
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from small_runs import write_recipe_and_data

import ssd_keras as ssd
from ssd_keras import cli
from ssd_keras.cli.running import run_recipe
from ssd_keras.data.augment.operations import make_operations
from ssd_keras.training.recipe import make_recipe, read_recipe

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ARCHITECTURE = DOCS / "architecture.md"
GUIDES = sorted((DOCS / "guides").glob("*.md"))
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
CARRYING_ON = [ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))

TOPICS = (
    *("small_objects", "few_images", "class_imbalance", "choosing_anchors", "nan_losses"),
    *("speed_on_a_cpu", "on_a_gpu", "on_many_machines", "deployment", "run_folder"),
)

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
LONGEST_LINE = 116
SHELLS = ("sh", "bash", "")
PATH = re.compile(r"[\w.]+(?:/[\w.]+)*(?:\.\w+|/)")
"""A path with a slash, or a name with a suffix, in running text."""

DEFAULTS_OF_THE_PRESET = ssd.MultiBoxLoss()
"""What the keys under `loss` are by default: in a recipe they are left to the preset."""


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=named)
every_guide = pytest.mark.parametrize("page", GUIDES, ids=named)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(text: str, *languages: str) -> Iterator[str]:
    """Give the blocks of code in these languages, also those in lists."""
    return (textwrap.dedent(block) for _, language, block in FENCE.findall(text) if language in languages)


def without_blocks(text: str) -> str:
    return FENCE.sub("", text)


def headings(text: str) -> set[str]:
    """Give the places of a page that a link can name, as the usual forges make them."""
    found = re.findall(r"^#+ (.+)$", without_blocks(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in found}


def commands(text: str) -> Iterator[str]:
    """Give the command lines of `ssd` in the blocks of a page, also behind variables and pipes."""
    for block in blocks(text, *SHELLS):
        for line in block.replace("\\\n", " ").splitlines():
            found = re.search(r"(?:^|[|;&] *|^(?:\w+=\S+ )+|^taskset -c \S+ )(ssd [a-z].*)", line.strip())
            if found:
                yield found[1]


def check_command(line: str) -> None:
    """Parse a command line as `ssd` does, without running it."""
    words = shlex.split(line, comments=True)[1:]
    ends = [number for number, word in enumerate(words) if word in ("<", ">", "|", "2>", "&&")]
    cli.app.parse_args(words[: min(ends, default=len(words))], exit_on_error=False, print_error=False)


def tables(text: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Give the tables of a page: header cells, and rows."""
    rows: list[list[str]] = []
    for line in [*without_blocks(text).splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip().strip("|").split(" | ")])
        elif rows:
            yield rows[0], rows[2:]
            rows = []


def keys_with_defaults(text: str) -> Iterator[tuple[str, str | None]]:
    """Give the keys of recipes that stand in tables, each with what is said of its default."""
    for header, rows in tables(text):
        if not header[0].startswith("key"):
            continue
        group = "".join(f"{name}." for name in SPAN.findall(header[0]))
        for row in rows:
            keys = SPAN.findall(row[0])
            said = row[1].split(", ") if header[1] == "default" else [None] * len(keys)
            assert len(said) == len(keys), row
            yield from ((group + key, default) for key, default in zip(keys, said, strict=True))


def field_of_recipe(key: str) -> object:
    """Give the default of a key such as `loss.negatives`; `KeyError` where there is none."""
    here: object = ssd.Recipe()
    for part in key.split("."):
        if not isinstance(here, BaseModel) or part not in type(here).model_fields:
            raise KeyError(key)
        here = getattr(here, part)
    if key == "learning_rate":
        return ssd.Recipe().highest_rate
    group, _, name = key.partition(".")
    return getattr(DEFAULTS_OF_THE_PRESET, name) if group == "loss" and name else here


def as_said(default: object) -> set[str]:
    """Give the ways in which a page may write a default."""
    if default is None:
        return {"none", "`none`"}
    if isinstance(default, str):
        return {f"`{default}`"}
    return {f"{default:g}"} if isinstance(default, int | float) else {str(default)}


# --- All pages ----------------------------------------------------------------------------------------------


@every_page
def test_links_lead_somewhere(page):
    for link in LINK.findall(without_blocks(text_of(page))):
        if link.startswith(("https://", "http://")):
            continue
        path, _, place = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not place or place in headings(text_of(target)), link


@every_page
def test_commands_parse(page):
    for line in commands(text_of(page)):
        check_command(line)


@pytest.mark.parametrize("page", [*GUIDES, ARCHITECTURE, *CARRYING_ON], ids=named)
def test_lines_are_not_too_long(page):
    for line in text_of(page).splitlines():
        assert len(line) <= LONGEST_LINE or line.startswith(("|", "    ")), line


def test_most_commands_are_seen():
    assert sum(len(list(commands(text_of(page)))) for page in PAGES) > 80
    assert list(commands("```sh\nA=1 ssd train x.yaml # so\nfind . | ssd detect m -\nsudo ssd\n```")) == [
        "ssd train x.yaml # so",
        "ssd detect m -",
    ]


@pytest.mark.parametrize("line", ["ssd detect", "ssd no-such", "ssd train --data a --no-such 1"])
def test_a_wrong_command_is_seen(line):
    with pytest.raises(Exception):  # noqa: B017 - of cyclopts
        check_command(line)


# --- Guides -------------------------------------------------------------------------------------------------


def test_there_is_a_guide_for_each_topic_and_the_list_has_them_all():
    assert {page.stem for page in GUIDES} == {*TOPICS, "README"}
    listed = LINK.findall(text_of(DOCS / "guides" / "README.md"))
    assert {Path(link).stem for link in listed if "/" not in link} == set(TOPICS)


@every_guide
def test_commands_in_running_text_parse(page):
    """Those that have arguments: a command may also be called by its name alone."""
    for span in SPAN.findall(without_blocks(text_of(page))):
        if re.match(r"ssd (weights )?(?!weights)\S+ \S", span) and "..." not in span:
            check_command(span)


@every_guide
def test_recipes_are_valid(page):
    for block in blocks(text_of(page), "yaml"):
        recipe = make_recipe(yaml.safe_load(block))
        make_operations(recipe.augmentation.operations or ())


@every_guide
def test_keys_in_tables_exist_and_have_the_default_that_is_said(page):
    for key, said in keys_with_defaults(text_of(page)):
        default = field_of_recipe(key)
        assert said is None or said in as_said(default), f"{key}: {said}, and it is {default!r}"


@every_guide
def test_settings_in_running_text_are_valid(page):
    """Spans such as `ema_momentum: 0.99` and `loss.negatives: batch`."""
    for span in SPAN.findall(without_blocks(text_of(page))):
        found = re.fullmatch(r"(?:([a-z_]+)\.)?([a-z_]+): (\S+|\[.*\]|\{.*\})", span)
        if found and (found[1] or found[2]) in ssd.Recipe.model_fields and "..." not in span:
            values = {found[2]: yaml.safe_load(found[3])}
            make_recipe({found[1]: values} if found[1] else values)


@every_guide
def test_python_compiles_and_names_what_there_is(page):
    for block in blocks(text_of(page), "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ssd_keras"):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, one.name) for one in node.names), ast.unparse(node)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "ssd":
                assert node.attr in ssd.__all__, ast.unparse(node)


def test_wrong_keys_and_defaults_would_be_seen():
    table = "| key under `loss` | default |\n| --- | --- |\n| `negatives`, `focal_gamma` | `image`, 2 |\n"
    assert list(keys_with_defaults(table)) == [("loss.negatives", "`image`"), ("loss.focal_gamma", "2")]
    assert field_of_recipe("loss.focal_gamma") == 2
    assert field_of_recipe("batch_size") == 8
    with pytest.raises(KeyError):
        field_of_recipe("loss.no_such")
    with pytest.raises(KeyError):
        field_of_recipe("epoch")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of one epoch."""
    folder = tmp_path_factory.mktemp("run")
    recipe = read_recipe(write_recipe_and_data(folder, epochs=1), out=folder / "run")
    return run_recipe(recipe, quiet=True)


def test_the_page_on_the_run_folder_names_its_files(run):
    page = text_of(DOCS / "guides" / "run_folder.md")
    (rows,) = [rows for header, rows in tables(page) if header[0] == "file"]
    said = {name.split("/")[0] for row in rows for name in SPAN.findall(row[0])}
    there = {path.name for path in run.folder.iterdir()}
    assert there <= said
    assert said - there == {"lost-batch-STEP.npz", "tensorboard"}


def test_the_page_on_the_run_folder_names_the_columns_of_the_log(run):
    page = text_of(DOCS / "guides" / "run_folder.md")
    (rows,) = [rows for header, rows in tables(page) if header[0] == "column"]
    with (run.folder / "log.csv").open() as file:
        assert [name for row in rows for name in SPAN.findall(row[0])] == next(csv.reader(file))


def test_the_page_on_the_run_folder_names_the_figures(run):
    section = text_of(DOCS / "guides" / "run_folder.md").split("## metrics.json")[1].split("\n## ")[0]
    assert set(run.as_json()) | set(run.metrics) <= set(SPAN.findall(section)) | {"mAP"}


# --- Those who carry on -------------------------------------------------------------------------------------


def paths_in(text: str) -> set[str]:
    """Give what looks like the path of a file or folder in code spans and in diagrams."""
    spans = SPAN.findall(without_blocks(text))
    labels = [label for block in blocks(text, "mermaid") for label in re.findall(r"\"([^\"]+)\"", block)]
    return {
        path
        for said in [*spans, *labels]
        for path in (PATH.findall(said) if said in labels else [said])
        if PATH.fullmatch(path) and ("/" in path or path.endswith((".py", ".toml", ".txt")))
    }


def test_files_that_the_architecture_names_exist():
    named_paths = paths_in(text_of(ARCHITECTURE))
    assert len(named_paths) > 50
    tops = (ROOT, ROOT / "src" / "ssd_keras")
    missing = [path for path in named_paths if not any((top / path).exists() for top in tops)]
    assert not missing
    assert "models/no_such.py" in paths_in('`models/no_such.py`, ```\n```mermaid\na["models/ssd.py: x"]\n```')


def test_all_floors_are_on_the_page_of_the_architecture():
    packages = {path.parent.name for path in (ROOT / "src/ssd_keras").glob("*/__init__.py")}
    (rows,) = [rows for header, rows in tables(text_of(ARCHITECTURE)) if header[0] == "floor"]
    assert {name.strip("/") for row in rows for name in SPAN.findall(row[0])} == packages


def targets_of_make() -> set[str]:
    return set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_workflows_are_yaml_and_their_targets_exist(path):
    workflow = yaml.safe_load(text_of(path))
    assert workflow["jobs"]
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    for step in steps:
        assert ("run" in step) != ("uses" in step)
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"])
    made = {target for step in steps for target in re.findall(r"\bmake ([\w-]+)", step.get("run", ""))}
    assert {"install", "check", "test", "torch"} <= made <= targets_of_make()


def test_the_workflow_has_both_systems_and_all_versions_of_python():
    matrix = yaml.safe_load(text_of(WORKFLOWS[0]))["jobs"]["test"]["strategy"]["matrix"]
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos"}
    assert matrix["python"] == ["3.11", "3.12", "3.13"]


@pytest.mark.parametrize("path", [path for path in TEMPLATES if path.stem != "config"], ids=named)
def test_issue_templates_are_forms(path):
    form = yaml.safe_load(text_of(path))
    assert form["name"]
    assert form["description"]
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 0
    assert all(part["attributes"].get("label") for part in form["body"] if part["type"] != "markdown")


@pytest.mark.parametrize("page", [*CARRYING_ON, ARCHITECTURE], ids=named)
def test_targets_of_make_that_pages_name_exist(page):
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", text_of(page), re.MULTILINE):
        assert target in targets_of_make()
