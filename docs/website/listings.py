"""Lists of the reference, made of the code: commands, keys of recipes, settings of the server, files.

Links are written as from a page in docs/reference/.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import ssd_keras
from ssd_keras import cli
from ssd_keras.serving.settings import ServerSettings
from ssd_keras.training.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]

OF_THE_PRESET = ("preprocessing", "anchors", "loss", "decoding")
"""Groups of keys that say what is different from the preset: those not given stay as it has them."""

WORDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
}


# --- Settings -----------------------------------------------------------------------------------------------


def recipe_keys() -> str:
    """Give a table of the keys of a recipe, and one for each group of keys."""
    schema = Recipe.model_json_schema()
    groups = [name for name, field in Recipe.model_fields.items() if is_group(field.annotation)]
    text = [_table(Recipe, schema, [key for key in schema["properties"] if key not in groups])]
    for group in groups:
        model = Recipe.model_fields[group].annotation
        assert model is not None
        inner = schema["$defs"][model.__name__]
        unset = "the preset's" if group in OF_THE_PRESET else "null"
        text += [f"## {group}", model.__doc__ or "", _table(model, inner, list(inner["properties"]), unset)]
    return "\n\n".join(text)


def server_settings() -> str:
    """Give a table of the settings of a server."""
    schema = ServerSettings.model_json_schema()
    return _table(ServerSettings, schema, list(schema["properties"]))


def is_group(annotation: Any) -> bool:
    """Say whether a setting is a group of settings."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _table(model: Any, schema: Mapping[str, Any], keys: list[str], unset: str = "null") -> str:
    rows = ["| key | what it does | takes | default | bounds |", "| --- | --- | --- | --- | --- |"]
    for key in keys:
        field = schema["properties"][key]
        default = as_yaml(model.model_fields[key].get_default(call_default_factory=True), unset)
        what = in_cell(field.get("description", ""))
        rows.append(f"| `{key}` | {what} | {in_words(field)} | {default} | {bounds(field)} |")
    return "\n".join(rows)


def in_words(field: Mapping[str, Any]) -> str:
    """Say in plain words what a setting takes, from its JSON schema."""
    if "anyOf" in field:
        return ", or ".join(dict.fromkeys(in_words(one) for one in field["anyOf"]))
    if "enum" in field or "const" in field:
        return " or ".join(f"`{one}`" for one in field.get("enum", [field.get("const")]))
    if field.get("format") == "path":
        return "path"
    if field.get("format") == "password":
        return "text, kept secret"
    kind = field.get("type")
    if kind == "array":
        if "prefixItems" in field:
            return f"list of {len(field['prefixItems'])} {_several(in_words(field['prefixItems'][0]))}"
        items = field.get("items") or {}
        return f"list of {_several(in_words(items))}" if items else "list"
    if kind == "object":
        values = field.get("additionalProperties")
        return f"keys with a {in_words(values)} each" if isinstance(values, dict) else "keys with values"
    return WORDS.get(str(kind), "anything")


def _several(what: str) -> str:
    for one, many in (("list of", "lists of"), ("number", "numbers"), ("path", "paths"), ("text", "texts")):
        if what.startswith(one) or what == f"whole {one}":
            return what.replace(one, many, 1)
        if what.startswith(f"{one}, or"):
            return what.replace(one, many, 1)
    return what


def bounds(field: Mapping[str, Any]) -> str:
    """Say between what a setting has to be; for a list, each of its values."""
    said = dict.fromkeys(_bounds(field))
    return ", ".join(said)


def _bounds(field: Mapping[str, Any]) -> Iterator[str]:
    for one in field.get("anyOf", ()):
        yield from _bounds(one)
    inner = [field.get("items"), field.get("additionalProperties"), *field.get("prefixItems", ())]
    for one in inner:
        if isinstance(one, dict):
            yield from _bounds(one)
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    said = [f"{sign} {field[key]:,}" for key, sign in signs.items() if key in field]
    if said:
        yield " and ".join(said)
    if field.get("minItems") == 1 and "prefixItems" not in field:
        yield "at least one"
    if "pattern" in field:
        yield "an address that begins with http:// or https://"


def as_yaml(value: Any, unset: str = "null") -> str:
    """Write a default as a recipe has it."""
    if value is None:
        return unset if unset != "null" else "`null`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "none" if value in ([], (), {}) else f"`{value}`"


def in_cell(text: str) -> str:
    """Make a text fit for a cell of a table."""
    text = " ".join(text.split()).replace("|", "\\|")
    return re.sub(r"(?<!`)\{[^}]+: \{.*?\}\}", lambda found: f"`{found[0]}`", text)


# --- The command line ---------------------------------------------------------------------------------------


def commands() -> str:
    """Give all commands with their flags and examples, as the program knows them."""
    rows = ["| command | what for |", "| --- | --- |"]
    texts = []
    for name, text in sections():
        purpose = text.split("```")[2].strip().partition("\n")[0]
        rows.append(f"| [`{name}`](#{name.replace(' ', '-')}) | {in_cell(purpose)} |")
        texts.append(_section(name, purpose, text))
    return "\n\n".join(["\n".join(rows), *texts])


def sections() -> Iterator[tuple[str, str]]:
    """Give each command that does something, with what cyclopts writes about it."""
    text = str(cli.app.generate_docs(output_format="markdown", recursive=True))
    for part in re.split(r"^#+ (?=ssd )", text, flags=re.MULTILINE)[1:]:
        name = part.partition("\n")[0].strip()
        if "```console" in part and "--" not in name and "COMMAND" not in part.partition("```")[2][:80]:
            yield name, part


def _section(name: str, purpose: str, text: str) -> str:
    """Give the section of a command: its usage, its arguments and flags, its examples."""
    usage = re.search(r"```console\n(.*?)\n```", text, re.DOTALL)
    assert usage, name
    app = cli.app
    for word in name.split()[1:]:
        app = app[word]
    lines = [f"## {name}", "", purpose, "", "```text", usage[1].strip(), "```", ""]
    rows = list(_arguments([line for line in text.splitlines() if line.startswith(("* `", "    "))]))
    if rows:
        lines += ["| argument or flag | what it does | takes | default |", "| --- " * 4 + "|", *rows, ""]
    examples = re.search(r"```\n(.*?)\n```", str(app.help_epilogue or ""), re.DOTALL)
    if examples:
        lines += ["Examples:", "", "```sh", examples[1], "```"]
    return "\n".join(lines)


def _arguments(lines: list[str]) -> Iterator[str]:
    """Make rows of a table of the list that cyclopts makes of arguments and flags."""
    joined: list[str] = []
    for line in lines:
        if line.startswith("* "):
            joined.append(line)
        elif joined:
            joined[-1] += f" {line.strip()}"
    for line in joined:
        found = re.match(r"\* `([^`]+)`(?:: )?(.*)$", line)
        assert found, line
        names, said = found[1], found[2]
        needed = "**[required]**" in said or "**Required**" in said
        default = re.search(r"\*\[default: (.*?)\]\*", said)
        choices = re.search(r"\*\[choices: (.*?)\]\*", said)
        environment = re.search(r"\*\[env: (.*?)\]\*", said)
        said = re.sub(r" *(\*\*\[required\]\*\*|\*\[(default|choices|env): .*?\]\*)", "", said)
        # "--freeze STR..." and "--clip, --no-clip"
        flags = [word for word in names.replace(",", " ").split() if word.startswith("--")]
        taken = names[names.rindex(flags[-1]) + len(flags[-1]) :].strip() if flags else ""
        shown = ", ".join(f"`{flag}`" for flag in flags) or f"`{names}`"
        if choices:
            taken = " or ".join(f"`{one}`" for one in choices[1].split(", "))
        elif flags:
            taken = f"`{re.sub(r'[.]{4,}', '...', taken)}`" if taken else "nothing"
        if environment:
            said += f" In the environment: `{environment[1]}`."
        nothing = ("()", "{}", "[]", "None", *(["False"] if len(flags) == 1 else []))
        usual = f"`{default[1]}`" if default and default[1] not in nothing else ""
        yield f"| {shown} | {in_cell(said.strip())} | {in_cell(taken)} | {'needed' if needed else usual} |"


# --- Names and files ----------------------------------------------------------------------------------------


def public_names_of(module: str) -> list[str]:
    """Give the names of `ssd_keras.__all__` that live in a module."""
    homes = {name: getattr(ssd_keras, name).__module__ for name in EAGER}
    homes |= {name: f"ssd_keras.{home}" for name, home in ssd_keras._HOMES.items()}
    return sorted(name for name, home in homes.items() if home == module)


EAGER = ("Detection", "Detections", "InputError")
"""Public names that need no import when they are first used."""


def recipes() -> str:
    """Give a table of the recipes: what they train, and the scores that were measured and published."""
    rows = ["| recipe | what it trains | scores |", "| --- | --- | --- |"]
    for path in sorted((ROOT / "recipes").glob("*.yaml")):
        title, measured, published = header_of(path)
        link = f"[{path.name}](../../recipes/{path.name})"
        scores = f"**Measured here**: {measured}" if measured else "Not run by us."
        scores += f" **Published**: {published}" if published else ""
        rows.append(f"| {link} | {in_cell(title)} | {in_cell(scores)} |")
    return "\n".join(rows)


def header_of(path: Path) -> tuple[str, str, str]:
    """Give what the header of a recipe says: its subject, what we measured, what was published and where."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line[1:].strip())
    paragraphs = [" ".join(part.split()) for part in "\n".join(lines).split("\n\n")]
    title = paragraphs[0]
    text = "\n".join(lines)
    published = re.search(r"^Published: (.*?)(?=^Not run|^\s*$|\Z)", text, re.MULTILINE | re.DOTALL)
    result = re.search(r"^Result[^:]*: (.*?)(?=^\s*$|\Z)", text, re.MULTILINE | re.DOTALL)
    return title, result[1] if result else "", published[1] if published else ""


def benchmarks() -> str:
    """Give a table of the benchmarks, each with the first line of its docstring."""
    rows = ["| benchmark | what it measures |", "| --- | --- |"]
    for path in sorted((ROOT / "benchmarks").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        said = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
        if '__name__ == "__main__"' in text:
            rows.append(f"| [{path.name}](../../benchmarks/{path.name}) | {in_cell(said)} |")
    return "\n".join(rows)


MAKERS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "recipe_keys": recipe_keys,
    "server_settings": server_settings,
    "recipes": recipes,
    "benchmarks": benchmarks,
}
"""What the pages of the reference can ask for."""
