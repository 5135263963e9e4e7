"""Street scenes as a data set on disk."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from ssd_keras.data.readers.voc import write_voc
from ssd_keras.data.samples import Sample
from ssd_keras.data.street_scenes.generator import DEFAULT_SIZE, street_scenes
from ssd_keras.data.street_scenes.street import STREET_CLASSES


def write_street_scenes(
    folder: str | Path, counts: Mapping[str, int], seed: int = 0, size: tuple[int, int] = DEFAULT_SIZE
) -> None:
    """Draw a data set of street scenes into `folder`, in Pascal VOC's layout.

    Args:
        folder: a new or empty folder.
        counts: how many scenes each split has, by its name; no scene is in two.
        seed: another seed, other scenes.
        size: (height, width) of the images in pixels.

    Raises:
        InputError: `folder` is not empty or cannot be written, or `size` is too small.
    """
    scenes = enumerate(street_scenes(sum(counts.values()), seed, size))
    samples = (Sample(image, truth, f"{number:06d}") for number, (image, truth) in scenes)
    write_voc(folder, {name: islice(samples, count) for name, count in counts.items()}, STREET_CLASSES)
