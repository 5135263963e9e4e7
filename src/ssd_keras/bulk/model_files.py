"""The files of a model as they travel to the workers, and the digest by which they are known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ssd_keras.errors import InputError
from ssd_keras.inference.detector import model_file

OPENVINO_WEIGHTS = ".bin"


@dataclass(frozen=True)
class ModelFiles:
    """A model as a file or folder holds it.

    Attributes:
        name: of the file or folder.
        files: the bytes of each file, by its path from the folder that `name` is in.
    """

    name: str
    files: tuple[tuple[str, bytes], ...]

    @classmethod
    def read(cls, path: str | Path) -> ModelFiles:
        """Read a `.keras` file, the best model of a run folder, or an exported artefact.

        Raises:
            InputError: there is none, or it cannot be read.
        """
        model = model_file(Path(path))
        found = sorted(file for file in model.rglob("*") if file.is_file()) if model.is_dir() else [model]
        weights = model.with_suffix(OPENVINO_WEIGHTS)
        if model.suffix == ".xml" and weights.is_file():
            found.append(weights)
        try:
            files = tuple((file.relative_to(model.parent).as_posix(), file.read_bytes()) for file in found)
        except OSError as error:
            raise InputError(f"model {model} cannot be read ({error.strerror}): check the rights") from error
        return cls(model.name, files)

    @property
    def digest(self) -> str:
        """A text that is another one for any other model, whatever its name: 32 characters."""
        digest = hashlib.blake2b(digest_size=16)
        for _, content in self.files:
            digest.update(hashlib.blake2b(content).digest())
        return digest.hexdigest()

    def write(self, folder: Path) -> Path:
        """Write the files into a folder, and give the path of the model there."""
        for name, content in self.files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder / self.name
