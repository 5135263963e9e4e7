"""The page about a training run: what was trained on what, how it went, how good it is, and where it errs.

One HTML file that needs no other, made of what lies in the run folder and of a look at the val split.
"""

from __future__ import annotations

import json
import logging
import math
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from jinja2 import Environment
from markupsafe import Markup

from ssd_keras.data.checks import counted, shown_text
from ssd_keras.data.loader import Batch
from ssd_keras.data.samples import Split
from ssd_keras.errors import InputError
from ssd_keras.evaluation.thresholds import rounded_down
from ssd_keras.files import write_text_whole
from ssd_keras.inference.detector import load_model
from ssd_keras.training import findings
from ssd_keras.training.charts import Chart, Line, line_chart
from ssd_keras.training.curves import PANELS, Log, measured, read_curves
from ssd_keras.training.findings import Findings, look_at_split
from ssd_keras.training.progress_bar import readable_time
from ssd_keras.training.recipe import Recipe, with_rate
from ssd_keras.training.report_pictures import batch_pictures, best_and_worst
from ssd_keras.training.run_folder import RunFolder

if TYPE_CHECKING:
    from ssd_keras.models.ssd import SSD

PAGE = "report.html"

MANY_CLASSES = 12
"""With more classes than these the confusion matrix is small, and only the first curves are shown at once."""

LINE_COLOURS = ("var(--first)", "var(--second)", "var(--third)")

logger = logging.getLogger(__name__)


class Fact(NamedTuple):
    """One of the numbers at the head of the page."""

    value: str
    name: str


class Setting(NamedTuple):
    """A setting of the recipe by its full key, and what it is by default."""

    key: str
    value: str
    default: str

    @property
    def changed(self) -> bool:
        """Whether the recipe says anything else than the default."""
        return self.value != self.default


def write_report(folder: RunFolder, val_split: Split | None) -> Path:
    """Write `report.html` into a run folder, at the end of the run or at any time later.

    Log, recipe, figures, versions and first batch are read from the folder, and its best model (else its
    last) is run over the first 2,000 images of the val split. What is missing is said in its place.

    Args:
        folder: of a run, finished or not.
        val_split: of the data set of the run, opened with its classes; None where there is none.

    Returns:
        The path of the page.

    Raises:
        InputError: the folder holds no run, or the page cannot be made or written. Nothing else is raised and
            nothing in the folder but the page is touched: a report never costs a finished run.
    """
    page = folder.path / PAGE
    try:
        write_text_whole(page, _render(_content(folder, val_split)))
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{page} cannot be made ({type(error).__name__}: {error}): try 'ssd report {folder.path}'; all "
            "else of the run is in its folder"
        ) from error
    return page


def _render(content: dict[str, Any]) -> str:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_showable)
    environment.globals["counted"] = counted
    environment.tests["missing"] = _is_missing
    environment.filters["figure"] = _figure
    template = files("ssd_keras.training").joinpath("report.html").read_text(encoding="utf-8")
    return environment.from_string(template).render(content)


def _showable(value: Any) -> Any:
    """Let names that cannot be shown be shown; what the template itself made is left as it is."""
    return shown_text(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _is_missing(value: float | None) -> bool:
    return value is None or math.isnan(value)


def _figure(value: float | None, digits: int = 3) -> str:
    """Write a number between 0 and 1, or a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _content(folder: RunFolder, val_split: Split | None) -> dict[str, Any]:
    """Gather all that the template shows."""
    recipe = folder.recipe
    first_batch = folder.read_first_batch()
    run = _read_json(folder.metrics)
    log = read_curves(folder) if folder.log.exists() else {}
    model, found, unseen = _look(folder, recipe, val_split)
    content = {
        "title": "/".join(folder.path.resolve().parts[-2:]),
        "model": _described(recipe, model),
        "data": ", ".join(map(str, recipe.data)),
        "finished": bool(run),
        "facts": _facts(recipe, run, log, found),
        "skipped": run.get("skipped_images", 0),
        "charts": log_charts(log),
        "unseen": unseen,
        "found": found,
        "batch": _first_pictures(first_batch, model, val_split),
        "batch_size": recipe.batch_size,
        "settings": settings_of(recipe),
        "versions": _read_json(folder.path / "versions.json"),
        "many": MANY_CLASSES,
        "few": findings.FEW_DETECTIONS,
    }
    return content | (_parts(found) if found else {})


def _look(
    folder: RunFolder, recipe: Recipe, val_split: Split | None
) -> tuple[SSD | None, Findings | None, str]:
    """Give the model and what it does on the val split; or, in the last place, why that is not known."""
    try:
        model = load_model(folder.path)
    except InputError as error:
        return None, None, f"The model of this run could not be looked at: {error}."
    if val_split is None:
        return (
            model,
            None,
            "There is no val split, so nothing is known about the images the run has not seen.",
        )
    logger.info("report: looking at %s", counted(min(len(val_split), findings.MOST_IMAGES), "image"))
    try:
        return model, look_at_split(model, val_split, recipe.protocol), ""
    except InputError as error:
        return model, None, f"The val split could not be looked at: {error}."


def _parts(found: Findings) -> dict[str, Any]:
    best, worst = best_and_worst(found)
    return {
        "classes": findings.class_rows(found),
        "threshold": f"{rounded_down(found.analysis.score_threshold):g}",
        "own_thresholds": found.analysis.thresholds.as_flag(),
        "confusion": findings.confusion_rows(found),
        "mistakes": findings.frequent_mistakes(found),
        "errors": findings.error_rows(found),
        "sizes": findings.size_rows(found),
        "calibration": findings.calibration_chart(found),
        "best": best,
        "worst": worst,
    }


def _facts(recipe: Recipe, run: dict[str, Any], log: Log, found: Findings | None) -> list[Fact]:
    """Give the headline: score, epochs, time, speed."""
    facts = []
    scores = measured(log, "val_mAP")
    if scores:
        epoch, score = max(scores, key=lambda pair: pair[1])
        facts.append(Fact(f"{score:.3f}", f"best mAP on val ({recipe.protocol}), epoch {epoch:.0f}"))
    epochs = len(log.get("epoch", []))
    facts.append(Fact(str(epochs), "epoch" if epochs == 1 else "epochs" + _of_all(epochs, recipe.epochs)))
    if run:
        facts.append(Fact(readable_time(run["seconds"]), "of training"))
        facts.append(Fact(f"{run['images_per_second']:.1f}", "images/s, all included"))
    if found:
        facts.append(
            Fact(str(found.images), f"{'image' if found.images == 1 else 'images'} in {found.split.name}")
        )
        facts.append(Fact(str(found.objects), "object" if found.objects == 1 else "objects"))
    return facts


def _of_all(epochs: int, planned: int) -> str:
    return f" of {planned}" if epochs < planned else ""


def _described(recipe: Recipe, model: SSD | None) -> str:
    """Name the model, with its input, its classes and its size."""
    weights = recipe.weights if recipe.weights not in (None, "imagenet") else None
    name = weights or recipe.backbone or recipe.model
    if model is None:
        return name
    height, width = model.image_size
    classes = counted(len(model.class_names), "class", "classes")
    weights = f"{model.count_params() / 1e6:.2g} million weights"
    anchors = f"{len(model.anchor_boxes):,} anchors"
    return f"{name}, input {height} × {width} (height × width), {classes}, {anchors}, {weights}"


def log_charts(log: Log) -> list[Chart]:
    """Draw the panels over the epochs; one that was never measured is an empty frame."""
    return [
        line_chart(
            panel.title,
            [
                Line(label, measured(log, column), colour)
                for (column, label), colour in zip(panel.lines.items(), LINE_COLOURS, strict=False)
            ],
            log_scale=panel.log_scale,
            percent=panel.percent,
        )
        for panel in PANELS
    ]


def _first_pictures(batch: Batch | None, model: SSD | None, split: Split | None) -> list[Any]:
    """Draw the first batch with the names of the classes, or their numbers where nobody knows them."""
    if batch is None:
        return []
    highest = int(batch[1]["labels"].max(initial=-1))
    names = model.class_names if model else split.class_names if split else ()
    return batch_pictures(batch, names or [f"class {number}" for number in range(highest + 1)])


def settings_of(recipe: Recipe) -> list[Setting]:
    """List all settings, those within a group by GROUP.NAME, each as YAML writes it."""
    usual_rate = Recipe(weights=recipe.weights).highest_rate  # which a run writes out, and nobody has set
    usual = _flat(Recipe(learning_rate=usual_rate).model_dump(mode="json"))
    chosen = _flat(with_rate(recipe).model_dump(mode="json"))
    return [Setting(key, value, usual.get(key, "")) for key, value in chosen.items()]


def _flat(values: dict[str, Any], group: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{group}{key}.")
        else:
            flat[f"{group}{key}"] = _as_yaml(value)
    return flat


def _as_yaml(value: Any) -> str:
    written: str = yaml.safe_dump(value, default_flow_style=True, width=math.inf, allow_unicode=True)
    return written.removesuffix("\n").removesuffix("\n...")


def _read_json(path: Path) -> dict[str, Any]:
    """Read what a run left; nothing where it left none, or where that is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
