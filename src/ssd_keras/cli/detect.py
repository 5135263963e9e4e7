"""`ssd detect`."""

from __future__ import annotations

import dataclasses
import difflib
import sys
from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter, validators

from ssd_keras.cli.detection_report import DetectionReport, detection_progress, printable
from ssd_keras.cli.options import Output
from ssd_keras.data.checks import silent_decoders
from ssd_keras.errors import InputError
from ssd_keras.inference.detector import load_detector, model_file
from ssd_keras.inference.sources import Reading, Sources, open_sources
from ssd_keras.inference.sources.standard_input import STANDARD_INPUT
from ssd_keras.runtimes.detector import Precision

if TYPE_CHECKING:
    from ssd_keras.detections import Detections
    from ssd_keras.inference.output_folder import OutputFolder
    from ssd_keras.inference.results import ResultWriter
    from ssd_keras.inference.sources.images import SourceImage
    from ssd_keras.runtimes.detector import Detector

Format = Literal["json", "jsonl", "coco", "voc", "yolo", "csv"]
AtLeastOne = Annotated[int, Parameter(validator=validators.Number(gte=1))]
Switch = Annotated[bool, Parameter(negative="")]


def _is_no_option(_: object, name: object) -> None:
    """Raise `ValueError` for what looks like a flag, but for the hyphen alone, which is standard input."""
    for one in name if isinstance(name, tuple) else (name,):
        if str(one).startswith("-") and one != STANDARD_INPUT:
            near = difflib.get_close_matches(str(one).partition("=")[0], _flags(), n=1)
            raise ValueError(f'Unknown option: "{one}".{f" Did you mean {near[0]}?" if near else ""}')


def _flags() -> list[str]:
    settings = (Writing, Finding, Frames, Engine, Output)
    names = [field.name for group in settings for field in dataclasses.fields(group)]
    return [f"--{name.replace('_', '-')}" for name in names]


SourceName = Annotated[str, Parameter(allow_leading_hyphen=True, validator=_is_no_option)]


@Parameter(name="*")
@dataclass(frozen=True)
class Finding:
    """How objects are looked for."""

    threshold: Annotated[float, Parameter(validator=validators.Number(gte=0, lte=1))] = 0.5
    """Only detections with at least this score (0-1)."""

    class_threshold: tuple[str, ...] = ()
    """Other thresholds for single classes: car=0.3 person=0.6."""

    fast: Switch = False
    """Faster: decode only the best class of each anchor."""

    tile: AtLeastOne | None = None
    """Cut images into tiles with a longer side of so many pixels: for small objects in large images."""

    tile_overlap: Annotated[float, Parameter(validator=validators.Number(gte=0, lte=0.9))] = 0.2
    """Share of a tile that is also in the next one (0-0.9)."""

    precision: Precision = "float32"
    """Precision of the computation: bfloat16 is for OpenVINO artefacts, where the processor has it."""

    batch_size: AtLeastOne | None = None
    """Images that go through the network at once; by default what suits the machine, 1 for cameras and -."""


@Parameter(name="*")
@dataclass(frozen=True)
class Engine:
    """What does the work."""

    engine: Literal["local", "ray"] = "local"
    """What does the work; ray: many processes or machines, Parquet files in --out, nothing is done twice."""

    workers: AtLeastOne | None = None
    """For ray: processes with a model each; by default one for each GPU, or each core if there is none."""

    ray_address: str | None = None
    """For ray: address of a cluster, such as auto; by default this machine alone."""

    shard_size: AtLeastOne | None = None
    """For ray: images of a Parquet file; by default 512."""


@Parameter(name="*")
@dataclass(frozen=True)
class Frames:
    """Which frames of videos and cameras are looked at."""

    every: AtLeastOne = 1
    """Look only at every Nth frame of videos and cameras."""

    max_frames: AtLeastOne | None = None
    """Look at N frames of each video and camera at most."""


@Parameter(name="*")
@dataclass(frozen=True)
class Writing:
    """What is written."""

    out: str | None = None
    """A folder for pictures and videos with the boxes drawn, and for files of the detections."""

    format: Format | None = None
    """Format of the detections in --out, by default json; jsonl without --out: lines on standard output."""

    pictures: Annotated[bool, Parameter(name="--pictures", negative="--no-pictures")] = True
    """Draw pictures and videos into --out."""

    crops: Switch = False
    """Also cut the objects out, into crops/CLASS of --out."""

    copy_images: Switch = False
    """Also copy the images into --out, beside labels (coco, voc, yolo, csv): together they are a data set."""


def detect(
    model: Path,
    source: SourceName,
    /,
    *sources: SourceName,
    writing: Writing | None = None,
    finding: Finding | None = None,
    frames: Frames | None = None,
    engine: Engine | None = None,
    output: Output | None = None,
) -> None:
    """Find objects in images, in videos and in what a camera sees, and draw them.

    Prints a line per image, and in the end how many objects of each class there were.

    Args:
        model: A .keras file, a run folder or an exported artefact.
        source: An image or video, a folder, a pattern such as 'photos/*.jpg', a camera such as camera:0, a
            link to an image, or - for standard input: an image, or lines that name sources.
        sources: More of them.
        writing: What is written.
        finding: How objects are looked for.
        frames: Which frames are looked at.
        engine: What does the work.
        output: How to print.
    """
    writing, finding, frames = writing or Writing(), finding or Finding(), frames or Frames()
    output, engine = output or Output(), engine or Engine()
    if engine.engine == "ray":
        from ssd_keras.cli.detect_bulk import detect_with_ray

        detect_with_ray(model, (source, *sources), writing, finding, frames, engine, output)
        return
    _check_here(writing, engine, output)
    model_file(model)  # what is missing is said before Keras is loaded, which takes seconds
    out = Path(writing.out) if writing.out else None
    draws = writing.pictures or writing.crops or writing.copy_images
    given = open_sources([source, *sources], Reading(frames.every, frames.max_frames, out, draws))
    _detect(load_detector(model, finding.precision), given, writing, finding, output)


def _detect(detector: Detector, given: Sources, writing: Writing, finding: Finding, output: Output) -> None:
    prints_results = output.json or (writing.format == "jsonl" and not writing.out)
    report = DetectionReport(prints_results, given.is_live)
    count = given.count()
    try:
        with ExitStack() as opened, silent_decoders():
            found = opened.enter_context(closing(_found(detector, given, count, finding)))
            folder = opened.enter_context(_folder(writing, detector, given)) if writing.out else None
            printed = opened.enter_context(_printed(output, detector)) if prints_results else None
            advance = opened.enter_context(detection_progress(count, output, prints_results))
            for result in found:
                _take(result, report, folder, printed)
                advance(report.unit)
    finally:  # Ctrl-C keeps what is done
        report.finish()
    if folder and not prints_results:
        print(printable(f"results: {writing.out}"))
    report.raise_faults()


def _check_here(writing: Writing, engine: Engine, output: Output) -> None:
    for flag, value in (
        ("--workers", engine.workers),
        ("--ray-address", engine.ray_address),
        ("--shard-size", engine.shard_size),
    ):
        if value is not None:
            raise InputError(f"{flag} is for --engine ray: add that, or leave {flag} out")
    if writing.copy_images and writing.format in (None, "json", "jsonl"):
        raise InputError("--copy-images is for labels: choose --format coco, csv, voc or yolo")
    if writing.out is not None:
        return
    if writing.crops:
        raise InputError("--crops writes files: name a folder for them with --out")
    if writing.format and (writing.format != "jsonl" or output.json):
        raise InputError(f"--format {writing.format} writes files: name a folder for them with --out")


def _found(
    detector: Detector, given: Sources, count: int | None, finding: Finding
) -> Generator[tuple[SourceImage, Detections] | InputError]:
    """Start to detect; what is wrong with the settings, or does not go with the detector, is said at once."""
    from ssd_keras.inference.detecting import Tiling, detect_stream, usual_batch_size
    from ssd_keras.inference.thresholds import Thresholds
    from ssd_keras.runtimes.artefact import Artefact

    if isinstance(detector, Artefact):
        detector.check(finding.fast)
    thresholds = Thresholds.parse(finding.threshold, finding.class_threshold, detector.class_names)
    batch_size = finding.batch_size or (1 if given.is_live else usual_batch_size(detector))
    if finding.tile is None and count is not None:
        batch_size = max(1, min(batch_size, count))
    results = detect_stream(
        detector,
        given.images(),
        thresholds.lowest,
        finding.fast,
        batch_size,
        given.is_live,
        None if finding.tile is None else Tiling(finding.tile, finding.tile_overlap),
    )
    return (
        result if isinstance(result, InputError) else (result[0], thresholds.apply(result[1]))
        for result in results
    )


def _folder(writing: Writing, detector: Detector, given: Sources) -> OutputFolder:
    from ssd_keras.inference.output_folder import OutputFolder, Wanted

    assert writing.out is not None
    wanted = Wanted(writing.format or "json", writing.pictures, writing.crops, writing.copy_images)
    return OutputFolder(Path(writing.out), detector.class_names, wanted, given.folder)


def _printed(output: Output, detector: Detector) -> ResultWriter:
    from ssd_keras.inference.results import stream_results

    return stream_results("json" if output.json else "jsonl", sys.stdout, detector.class_names)


def _take(
    result: tuple[SourceImage, Detections] | InputError,
    report: DetectionReport,
    folder: OutputFolder | None,
    printed: ResultWriter | None,
) -> None:
    """Tell, print and write what was found in one image."""
    if isinstance(result, InputError):
        report.failed(result)
        return
    image, detections = result
    misfit = None
    if folder:
        try:
            pixels, copy = folder.pixels_of(image), folder.copy_of(image)
        except InputError as error:  # it decoded at a smaller size, or is gone since
            report.failed(error)
            return
        misfit = folder.add(image, detections, pixels, copy)
    if printed:
        printed.add(image.name, detections, image.frame, image.time)
    report.found(image, detections)
    if misfit:
        report.misfits(misfit)
