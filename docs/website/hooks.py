"""What MkDocs is told beside its settings: the site holds more than the pages of docs/.

- The home page is README.md; each file of the project to which a page links is a page too, under source/.
- Notebooks in docs/ are pages with the pictures that are saved in them.
- Lists of the reference are made of the code, where a page says `<!-- generated: NAME -->`.
- `::: ssd_keras.PACKAGE.MODULE` alone in a line gets a heading and a link to the file above its docstrings.
- Diagrams in Mermaid's language become pictures, so that the site needs no network.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import listings
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
HOME = ROOT / "README.md"
OUTSIDE = (HOME, *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")))
"""Pages outside docs/ that the navigation names."""
SOURCE = "source"
"""Folder of the site that holds files of the project."""

SHOWN: dict[str, Path] = {}
"""Which file a page of the site shows, for those that are not in docs/."""

FOLDERS = {ROOT / name: DOCS / "reference" / f"{name}.md" for name in ("recipes", "benchmarks")}
"""Pages that stand for a folder."""

IN_PLACE = (".md", ".png", ".jpg", ".svg")
"""Files of docs/ that have the same place in the site."""

NOTEBOOK = ".ipynb"
WITH_LINKS = (".md", NOTEBOOK)

LANGUAGES = {
    ".py": "python",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".sh": "sh",
    ".js": "js",
    ".html": "html",
    ".css": "css",
}

FENCE = re.compile(r"^( *)(`{3,})([^\n`]*)\n(.*?)^\1\2$\n?", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
CODE = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,})[^\n`]*\n.*?^(?P=indent)(?P=fence)$|(?P<ticks>`+)[^`]+?(?P=ticks)",
    re.MULTILINE | re.DOTALL,
)
GENERATED = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)
MODULE = re.compile(r"^::: (ssd_keras(?:\.\w+)+)$", re.MULTILINE)
ITEM = re.compile(r"([-*]|\d+\.) +")


# --- Which files the site has -------------------------------------------------------------------------------


def on_files(files: Files, config: Any) -> Files:
    """Add the home page and all files of the project that pages link to."""
    notebooks = sorted(DOCS.rglob(f"[!.]*{NOTEBOOK}"))
    here = {DOCS / file.src_uri for file in files if not file.inclusion.is_excluded()} - {*notebooks}
    waiting = [*OUTSIDE, *notebooks, *(DOCS / file.src_uri for file in files.documentation_pages())]
    seen = set(waiting)
    for path in waiting:  # which grows
        if path not in here:
            files.append(File.generated(config, place_of(path), content=source_page(path)))
            SHOWN[place_of(path)] = path
        for target in linked_files(path) if path.suffix in WITH_LINKS else ():
            if target not in seen and target not in here:
                seen.add(target)
                waiting.append(target)
    return files


def place_of(path: Path) -> str:
    """Give the place of a file of the project within the site's sources."""
    path = FOLDERS.get(path, path)
    if path == HOME:
        return "index.md"
    if path.is_relative_to(DOCS) and path.suffix in IN_PLACE:
        return path.relative_to(DOCS).as_posix()
    if path.is_relative_to(DOCS) and path.suffix == NOTEBOOK:
        return path.relative_to(DOCS).with_suffix(".md").as_posix()
    name = path.relative_to(ROOT).as_posix().removeprefix(".")
    return f"{SOURCE}/{name}" if path.suffix == ".md" else f"{SOURCE}/{name}.md"


def source_page(path: Path) -> str:
    """Give the Markdown of the page that shows a file, or the list of a folder."""
    name = path.relative_to(ROOT).as_posix()
    if path.is_dir():
        inside = sorted(one.name for one in path.iterdir() if one.name[0] not in "._")
        return f"# {name}/\n\n" + "\n".join(f"- `{one}`" for one in inside) + "\n"
    if path.suffix in WITH_LINKS:
        return whole(path)
    text = path.read_text(encoding="utf-8")
    language = LANGUAGES.get(path.suffix, "docker" if path.name == "Dockerfile" else "text")
    fence = "`" * max(4, *(len(found) + 1 for found in re.findall("`+", text)), 4)
    hidden = "---\nsearch:\n  exclude: true\nhide:\n  - toc\n---\n\n"
    return f'{hidden}# {name}\n\n{fence} {{.{language} linenums="1"}}\n{text.rstrip()}\n{fence}\n'


def notebook_page(text: str) -> str:
    """Give the Markdown of a notebook: its texts, its code, and what that printed and drew."""
    said = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"]).rstrip()
        said.append(source if cell["cell_type"] == "markdown" else f"````python\n{source}\n````")
        for output in cell.get("outputs", ()):
            data = {"text/plain": output.get("text", ""), **output.get("data", {})}
            printed = "".join(data["text/plain"]).rstrip()
            picture = next((kind for kind in ("image/png", "image/jpeg") if kind in data), None)
            if picture:
                said.append(f"![](data:{picture};base64,{''.join(''.join(data[picture]).split())})")
            elif printed:
                said.append(f"````text\n{printed}\n````")
    return "\n\n".join(said) + "\n"


def linked_files(path: Path) -> Iterator[Path]:
    """Give the files of the project to which a page links, by their places in the project."""
    for plain in outside_code(whole(path)):
        for _, link, _ in LINK.findall(plain):
            target = target_of(link, path)
            if target is not None:
                yield FOLDERS.get(target, target)


def target_of(link: str, page: Path) -> Path | None:
    """Give the file that a link of a page names; None for an address, and for a place in the page."""
    file = link.partition("#")[0]
    if not file or re.match(r"\w+:", file):
        return None
    target = Path(os.path.normpath(page.parent / file))
    if not target.exists() or not target.is_relative_to(ROOT):
        return None  # which the check of links reports
    if target.is_dir() and (target / "README.md").exists():
        return target / "README.md"
    return target


# --- What a page says ---------------------------------------------------------------------------------------


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Make of a page of the project one of the site."""
    place = page.file.src_uri
    path = SHOWN.get(place, DOCS / place)
    if path.suffix not in WITH_LINKS:
        return markdown
    text = deeper_lists(completed(markdown, path))
    text = "".join(
        part if is_code else LINK.sub(lambda found: _moved(found, path, place), part)
        for part, is_code in parts(text)
    )
    return FENCE.sub(_drawn, text)


@cache
def whole(path: Path) -> str:
    """Give a page with what is generated in it, or the text of a notebook."""
    text = path.read_text(encoding="utf-8")
    return notebook_page(text) if path.suffix == NOTEBOOK else completed(text, path)


def completed(text: str, path: Path) -> str:
    """Put in what is generated."""
    makers: dict[str, Callable[[], str]] = listings.MAKERS
    text = GENERATED.sub(lambda found: makers[found[1]](), text)
    up = "../" * (len(path.relative_to(ROOT).parts) - 1)
    return MODULE.sub(lambda found: _module(found[1], up), text)


def _module(name: str, up: str) -> str:
    """Give a module its heading, its file, and its docstrings without the public names."""
    file = file_of(name)
    if file is None:
        return f"::: {name}"
    place = file.relative_to(ROOT).as_posix()
    public = listings.public_names_of(name)
    shown = [f"## `{name.removeprefix('ssd_keras.')}`", "", f"[{place}]({up}{place})", ""]
    if public:
        listed = ", ".join(f"[`{one}`][ssd_keras.{one}]" for one in public)
        shown += [f"Among the [public names](names.md): {listed}.", ""]
    options = {
        "show_root_heading": False,
        "show_root_toc_entry": False,
        "heading_level": 3,
        "inherited_members": False,  # the same in every class of a file
        "filters": ["!^_", *(f"!^{one}$" for one in public)],
    }
    return "\n".join([*shown, f"::: {name}", f"    options: {json.dumps(options)}"])


def file_of(module: str) -> Path | None:
    """Give the file of a module; None if the name is not one of a module."""
    bare = ROOT / "src" / Path(*module.split("."))
    return next((file for file in (bare.with_suffix(".py"), bare / "__init__.py") if file.exists()), None)


def _moved(found: re.Match[str], path: Path, place: str) -> str:
    """Give a link as it has to be within the site."""
    target = target_of(found[2], path)
    if target is None:
        return found[0]
    _, mark, heading = found[2].partition("#")
    there = posixpath.relpath(place_of(target), posixpath.dirname(place))
    return f"{found[1]}{there}{mark}{heading}{found[3]}"


def _drawn(found: re.Match[str]) -> str:
    """Make a picture of a diagram in Mermaid's language."""
    if found[3].strip() != "mermaid":
        return found[0]
    import mermaidx  # which takes a second

    picture = re.sub(r"\n\s*\n", "\n", mermaidx.render(found[4]).svg())
    return f'<div class="diagram">{picture}</div>\n'


def deeper_lists(text: str) -> str:
    """Indent what belongs to an item of a list by four spaces, as MkDocs wants it.

    On forges it is indented as far as the item's text.
    """
    lines = []
    width = 0
    for line in text.split("\n"):
        item = ITEM.match(line)
        if item:
            width = len(item[0])
        elif line and not line.startswith(" "):
            width = 0
        if width and not item and width < 4 and line.startswith(" " * width):
            line = "    " + line[width:]
        lines.append(line)
    return "\n".join(lines)


def parts(text: str) -> Iterable[tuple[str, bool]]:
    """Divide a text into code and what is none, in order."""
    end = 0
    for found in CODE.finditer(text):
        yield text[end : found.start()], False
        yield found[0], True
        end = found.end()
    yield text[end:], False


def outside_code(text: str) -> Iterator[str]:
    """Give a text without its code."""
    yield "".join(part for part, is_code in parts(text) if not is_code)
