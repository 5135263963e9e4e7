"""The site, built strictly, has every page; its links lead somewhere; it takes nothing from elsewhere."""

import importlib
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


class Page(HTMLParser):
    """What a page links to and loads, and the places in it that a link can name."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loaded, self.places = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.places |= {values[name] for name in ("id", "name") if values.get(name)}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        elif values.get("src"):
            self.loaded.append(values["src"])
        elif tag == "link" and values.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.loaded.append(values["href"])


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the site as `make docs` does, in another folder."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if line and not line.startswith("INFO")]
    return folder


@pytest.fixture(scope="module")
def pages(built):
    return {path: Page(path) for path in built.rglob("*.html") if path.name != "404.html"}


@pytest.fixture
def hooks(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "website"))
    yield importlib.import_module("hooks")
    for name in ("hooks", "listings"):
        sys.modules.pop(name)


def text_of(path):
    return re.sub(r"<[^>]+>", "", path.read_text(encoding="utf-8"))


# --- The site as it is built --------------------------------------------------------------------------------


def test_every_page_of_the_docs_is_in_it(built):
    for path in DOCS.rglob("*.md"):
        place = path.relative_to(DOCS).with_suffix(".html")
        place = place.with_name("index.html") if place.stem == "README" else place
        assert (built / place).exists(), place
    assert "Two commands" in text_of(built / "index.html")
    for name in ("CONTRIBUTING", "CHANGELOG", "SECURITY"):
        assert (built / "source" / f"{name}.html").exists()


def test_links_and_places_exist(built, pages):
    faults = []
    for path, page in pages.items():
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            place = unquote(parts.fragment)
            known = pages[target].places if target in pages else ()
            if not target.exists() or (place and place not in known and not place.startswith("__")):
                faults.append(f"{path.relative_to(built)}: {link}")
    assert not faults, "\n".join(faults[:20])


def test_nothing_is_loaded_from_elsewhere(built, pages):
    for path, page in pages.items():
        assert not [link for link in page.loaded if urlsplit(link).netloc], path
    for path in built.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import )[\"']?(?:https?:)?//", path.read_text(encoding="utf-8")), (
            path
        )


def test_files_of_the_project_have_pages_with_their_text(built):
    page = built / "source/src/ssd_keras/boxes/matching.py.html"
    assert "def match_bipartite(iou" in text_of(page)
    assert "../../../src/ssd_keras/boxes/matching.py.html" not in page.read_text(encoding="utf-8")
    guide = (built / "how_ssd_works/matching.html").read_text(encoding="utf-8")
    assert 'href="../source/src/ssd_keras/boxes/matching.py.html"' in guide


def test_the_reference_has_signatures_and_shapes(built):
    text = text_of(built / "reference/boxes.html")
    assert "(..., N, 4), (..., M, 4) -&gt; (..., N, M)" in text
    assert "match_bipartite" in text
    whole = (built / "reference/boxes.html").read_text(encoding="utf-8")
    assert "<blockquote>" not in whole
    assert '<span class="gp">&gt;&gt;&gt; </span>' in whole
    names = Page(built / "reference/names.html").places
    assert {"ssd_keras.SSD", "ssd_keras.train", "ssd_keras.Detections"} <= names
    assert {"ssd_keras.SSD.detect", "ssd_keras.PaperAnchors.boxes"} <= names, "also what is inherited"
    assert "ssd_keras.SSD.fit" not in names, "but not Keras's"
    assert (
        "ssd_keras.boxes.anchors.PaperAnchors.boxes_per_cell"
        not in Page(built / "reference/boxes.html").places
    )


def test_diagrams_are_pictures(built):
    text = (built / "architecture.html").read_text(encoding="utf-8")
    assert '<div class="diagram"><svg' in text
    assert "flowchart TD" not in text


def test_it_shows_no_marks_of_its_making(built):
    for path in [*built.glob("*.html"), *built.glob("reference/*.html"), *built.glob("guides/*.html")]:
        text = text_of(path)
        assert "generated:" not in text, path
        assert "::: " not in text, path
        assert "```" not in text, path


# --- The parts ----------------------------------------------------------------------------------------------


def test_what_is_in_a_list_is_indented_as_it_has_to_be(hooks):
    text = "1. One\n   goes on:\n\n   ```yaml\n   a: 1\n   ```\n\n- Two\n  goes on\n\nplain\n  plain\n"
    assert hooks.deeper_lists(text) == (
        "1. One\n    goes on:\n\n    ```yaml\n    a: 1\n    ```\n\n- Two\n    goes on\n\nplain\n  plain\n"
    )


@pytest.mark.parametrize(
    ("page", "text", "there"),
    [
        (
            "docs/guides/few_images.md",
            "[a](../../recipes/bccd_ssd7.yaml)",
            "../source/recipes/bccd_ssd7.yaml.md",
        ),
        ("docs/guides/few_images.md", "[a](../data.md#augmentation)", "../data.md#augmentation"),
        ("docs/models.md", "[a](../README.md#two-commands)", "index.md#two-commands"),
        ("README.md", "[a](docs/models.md)", "models.md"),
        ("README.md", "[`a`](src/ssd_keras/boxes/iou.py)", "source/src/ssd_keras/boxes/iou.py.md"),
        ("docs/training.md", "[a](../recipes)", "reference/recipes.md"),
        ("docs/containers.md", "[a](../.dockerignore)", "source/dockerignore.md"),
        ("CONTRIBUTING.md", "[a](docs/models.md)", "../models.md"),
        ("README.md", "[a](https://example.org/a.md)", "https://example.org/a.md"),
    ],
)
def test_links_within_the_site(hooks, page, text, there):
    path = ROOT / page
    place = hooks.place_of(path)
    moved = hooks.LINK.sub(lambda found: hooks._moved(found, path, place), text)
    assert hooks.LINK.search(moved)[2] == there


def test_links_in_code_stay(hooks):
    text = "`[a](b.md)` and\n\n```python\n[x](y)\n```\n[c](d.md)\n"
    assert "".join(part for part, _ in hooks.parts(text)) == text
    assert [is_code for _, is_code in hooks.parts(text)] == [False, True, False, True, False]
    assert next(hooks.outside_code(text)).count("](") == 1


def test_a_notebook_is_a_page_with_what_it_drew(hooks):
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {
            "cell_type": "code",
            "source": ["1 + 1"],
            "outputs": [
                {"output_type": "stream", "text": ["so\n"]},
                {"output_type": "display_data", "data": {"image/png": "iVBO\n", "text/plain": ["<Figure>"]}},
                {"output_type": "execute_result", "data": {"image/jpeg": "/9j/\n", "text/plain": ["-"]}},
            ],
        },
    ]
    assert hooks.notebook_page(json.dumps({"cells": cells})) == (
        "# Title\ntext\n\n````python\n1 + 1\n````\n\n````text\nso\n````\n\n"
        "![](data:image/png;base64,iVBO)\n\n![](data:image/jpeg;base64,/9j/)\n"
    )
    assert hooks.place_of(DOCS / "tutorials/own_data.ipynb") == "tutorials/own_data.md"


def test_the_page_of_a_file_shows_it_whole(hooks, tmp_path, monkeypatch):
    monkeypatch.setattr(hooks, "ROOT", tmp_path)
    file = tmp_path / "odd.py"
    file.write_text('"""Has\n````\nin it."""\n', encoding="utf-8")
    assert "`````\n" in hooks.source_page(file)
    assert file.read_text(encoding="utf-8").strip() in hooks.source_page(file)
    assert hooks.source_page(tmp_path).endswith("- `odd.py`\n")
