"""Reads the Dockerfile and the .dockerignore, as far as this project uses their languages."""

import fnmatch
import json
import os
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Instruction(NamedTuple):
    """An instruction: its name in capitals, its flags such as `--from=build`, and the rest of its line."""

    name: str
    flags: tuple[str, ...]
    rest: str

    @property
    def words(self):
        """The rest, word by word; of the exec form its strings."""
        return json.loads(self.rest) if self.rest.startswith("[") else self.rest.split()


def stages():
    """Give the instructions of each stage; each begins with FROM."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    found = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if not line.strip():
            continue
        name, _, rest = line.strip().partition(" ")
        flags = []
        while match := re.match(r"(--\w[\w-]*=\S+)\s+", rest):
            flags.append(match[1])
            rest = rest[match.end() :]
        if name == "FROM":
            found.append([])
        found[-1].append(Instruction(name, tuple(flags), rest))
    return found


def named(stage, name):
    """Give the instructions of a stage that have this name."""
    return [instruction for instruction in stage if instruction.name == name]


def variables(stage, name):
    """Give what the ENV or ARG instructions of a stage set."""
    found = {}
    for instruction in named(stage, name):
        pairs = re.findall(r'(\w+)=("[^"]*"|\S+)', instruction.rest)
        found.update((key, value.strip('"')) for key, value in pairs)
    return found


def build_context():
    """Give the files that .dockerignore leaves in the build context, as paths relative to the root."""
    kept = []
    for folder, folders, names in os.walk(ROOT):
        place = Path(folder).relative_to(ROOT)
        # What is left out as a whole is not looked into: nothing below it is taken back here.
        folders[:] = [name for name in folders if not is_ignored((place / name).as_posix())]
        kept += [path for name in names if not is_ignored(path := (place / name).as_posix())]
    return sorted(kept)


def is_ignored(path):
    """Tell what the last pattern that fits a path, or a folder above it, says about it."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#") and _fits(path, pattern.removeprefix("!")):
            ignored = not pattern.startswith("!")
    return ignored


def _fits(path, pattern):
    parts, wanted = path.split("/"), pattern.split("/")
    if wanted[0] == "**":
        return any(_fits("/".join(parts[start:]), "/".join(wanted[1:])) for start in range(len(parts)))
    return len(parts) >= len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))
