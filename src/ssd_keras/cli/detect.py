"""`ssd detect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from ssd_keras.backend import import_keras_quietly
from ssd_keras.cli.options import Output, note, progress
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.inference.detector import load_detector, model_file
from ssd_keras.inference.sources import image_files


def detect(
    model: Path,
    source: str,
    /,
    *sources: str,
    out: Path | None = None,
    threshold: Annotated[float, Parameter(validator=validators.Number(gte=0, lte=1))] = 0.5,
    fast: Annotated[bool, Parameter(negative="")] = False,
    batch_size: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 8,
    output: Output | None = None,
) -> None:
    """Find objects in images, and draw them.

    Prints a line per image. The boxes are in the pictures and detections.json of --out, and in --json.

    Args:
        model: a .keras file or a run folder.
        source: a file, a folder, or a pattern such as 'photos/*.jpg'.
        sources: more of them.
        out: a folder for detections.json and for pictures with the boxes drawn.
        threshold: only detections with at least this score (0-1).
        fast: decode the best class of each anchor only.
        batch_size: images that go through the network at once.
        output: how to print.
    """
    output = output or Output()
    model_file(model)  # what is missing is said before Keras is loaded, which takes seconds
    files = image_files([source, *sources])
    import_keras_quietly()
    from ssd_keras.inference.detecting import detect_images
    from ssd_keras.inference.result_files import PictureFolder, as_text

    detector = load_detector(model)
    pictures = PictureFolder.create(out) if out else None
    found: dict[int, Detections] = {}
    unreadable = 0
    try:
        for index, detections in progress(
            detect_images(detector, files, threshold, fast, batch_size), len(files), "detecting", output
        ):
            if isinstance(detections, InputError):
                unreadable += 1
                note(f"ssd: {detections}")
                continue
            found[index] = detections
            if pictures:
                pictures.draw(files[index], detections)
            if not output.json:
                print(f"{files[index]}: {detections.summary()}", flush=True)
    finally:  # Ctrl-C keeps what is done
        text = as_text({str(files[index]): found[index] for index in sorted(found)})
        if out:
            (out / "detections.json").write_text(text, encoding="utf-8")
        if output.json:
            print(text, end="")
    if out and not output.json:
        print(f"pictures and detections.json: {out}")
    if unreadable:
        raise InputError(
            f"{unreadable} of {len(files)} images could not be read, as said above; the rest is done"
        )
