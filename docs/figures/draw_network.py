"""Figures of what a network gives, of the loss, and of decoding: made with the toy detector."""

import numpy as np
from figure_style import (
    FONT,
    GREY,
    INK,
    NEGATIVE,
    OBJECTS,
    PALE,
    POSITIVE,
    PREDICTED,
    SHADES,
    STREET,
    chart,
    draw_box,
    heading,
    note,
    scene_boxes,
    sheet,
    show_scene,
)
from keras import ops
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter
from numpy.typing import NDArray
from street_example import (
    ANCHORS,
    LAYERS,
    SIDE,
    STREET_CLASSES,
    VARIANCES,
    anchor_boxes,
    layer_of_anchor,
    matching,
)
from toy_detector import RawPredictions, trained

from ssd_keras.boxes.iou import pairwise_iou
from ssd_keras.boxes.offsets import decode_offsets
from ssd_keras.models.decoding import Decoding
from ssd_keras.models.loss import hardest, smooth_l1

VISIBLE = [f"{shade}{190 + 10 * place:02x}" for place, shade in enumerate(SHADES)]
SHEER = ListedColormap(VISIBLE).with_extremes(under="#ffffff00")

DOUBTFUL = 0.2
"""Cells less sure than this are not coloured."""

SHOWN, NAMED = 0.1, 0.3
"""Only boxes with a score greater than the first are drawn, with one greater than the second named."""

MOST_DRAWN = 400
"""Where a network knows nothing yet, thousands of boxes have such scores."""


def scores_of(raw: RawPredictions) -> NDArray[np.float32]:
    """Give the softmax of the logits (A, C)."""
    return ops.convert_to_numpy(ops.softmax(raw.logits, axis=-1))


def scores_per_layer(steps: int) -> Figure:
    """Draw how sure the best anchor of each cell is that it shows an object."""
    _, raw = trained(steps)
    figure, panels = sheet(5.2, 2, 3)
    sure = 1 - scores_of(raw)[:, 0]
    for number, (axes, (name, side)) in enumerate(zip(panels.flat, LAYERS.items(), strict=True)):
        cells = sure[layer_of_anchor() == number].reshape(side, side, -1).max(axis=-1)
        end = side * ANCHORS.steps[number]  # of the last cell, which may lie beyond the image
        axes.imshow(
            cells, SHEER, vmin=DOUBTFUL, vmax=1, extent=(0, end, end, 0), interpolation="nearest", zorder=1
        )
        show_scene(axes, 0.7)  # after the cells, as it sets what is in view
        for truth, colour in zip(scene_boxes(), OBJECTS, strict=True):
            draw_box(axes, truth, colour, 0.9)
        heading(axes, f"{name}: {side} × {side}")
    bar = figure.colorbar(
        ScalarMappable(Normalize(DOUBTFUL, 1), SHEER),
        ax=panels,
        location="bottom",
        shrink=0.5,
        aspect=40,
        pad=0.02,
    )
    bar.set_label("1 − score of background, of the best anchor of the cell", fontsize=7.5, color=INK, **FONT)
    bar.ax.tick_params(labelsize=7, colors=GREY, length=2)
    bar.outline.set_edgecolor(PALE)
    return figure


def mined(steps: int) -> Figure:
    """Draw which negatives the loss counts, and how hard each negative is."""
    raw, _ = trained(steps)
    matches = matching().matches
    positive, negative = matches >= 0, matches < 0
    doubt = -ops.convert_to_numpy(ops.log_softmax(raw.logits, axis=-1))[:, 0]
    count = 3 * positive.sum()
    picked = ops.convert_to_numpy(hardest(doubt[None], negative[None], np.array([count], np.float32)))[0]
    figure, panels = sheet(6.9, 2, 1, height_ratios=(2.1, 1))
    axes, curve = panels[:, 0]
    boxes = anchor_boxes() * SIDE
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    show_scene(axes, 0.6, (0, SIDE, 260, 56))
    axes.plot(*centres[negative & ~picked].T, ".", color=GREY, markersize=1.6, markeredgewidth=0, zorder=2)
    for box in boxes[picked]:
        draw_box(axes, box, NEGATIVE, 0.6, alpha=0.6)
    for truth in scene_boxes():
        draw_box(axes, truth, POSITIVE, 1.8)
    heading(axes, f"The {count} hardest negatives, for {positive.sum()} anchors of the objects (green)")
    ranked = np.sort(doubt[negative])[::-1]
    place = np.arange(1, len(ranked) + 1)
    curve.fill_between(place[:count], ranked[:count], color=NEGATIVE, alpha=0.85, linewidth=0)
    curve.fill_between(place[count - 1 :], ranked[count - 1 :], color=PALE, linewidth=0)
    curve.set_xscale("log")
    curve.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    curve.set_xlim(1, len(ranked))
    curve.set_ylim(0, None)
    chart(curve, "negatives, the hardest first (logarithmic)", "−ln(score of background)")
    rest = ranked[count:].sum() / ranked.sum()
    curve.annotate(
        f"{len(ranked) - count:,} negatives that do not count;\nthey hold {rest:.0%} of the sum",
        (count * 1.15, ranked[0] * 0.8), fontsize=7.5, color=INK, va="top", **FONT,
    )  # fmt: skip
    heading(curve, "How wrong each negative is")
    return figure


def suppressed(steps: int) -> Figure:
    """Draw all boxes before the suppression, what remains, and one object closely."""
    _, raw = trained(steps)
    scores = scores_of(raw)[:, 1:]
    boxes = decode_offsets(raw.offsets, anchor_boxes(), VARIANCES) * SIDE
    chosen = np.argwhere(scores > SHOWN)[:MOST_DRAWN]
    settings = Decoding(min_score=SHOWN)
    decoded = settings(raw.offsets[None], raw.logits[None], anchor_boxes(), VARIANCES)
    kept_boxes, kept_scores, kept_labels = (ops.convert_to_numpy(part)[0] for part in decoded)
    found = kept_scores > 0
    figure, panels = sheet(7.2, 2, 1)
    before, after = panels[:, 0]
    for axes in (before, after):
        show_scene(axes, 0.5, STREET)
    for anchor, label in chosen:
        draw_box(before, boxes[anchor], CLASS_COLOURS[label], 0.7, alpha=0.8)
    heading(before, f"Before: {len(chosen)} boxes with a score above {SHOWN}")
    named = kept_scores > NAMED
    for box, label in zip(kept_boxes[found & ~named] * SIDE, kept_labels[found & ~named], strict=True):
        draw_box(after, box, CLASS_COLOURS[label], 0.7, alpha=0.8)
    best = zip(kept_boxes[named] * SIDE, kept_scores[named], kept_labels[named], strict=True)
    for box, score, label in best:
        draw_box(after, box, CLASS_COLOURS[label], 2.0)
        note(after, max(box[0], 2), max(box[1] - 7, 74), f"{STREET_CLASSES[label]} {score:.2f}",
             CLASS_COLOURS[label], fontweight="bold")  # fmt: skip
    heading(after, f"After the suppression: {found.sum()} boxes, {named.sum()} of them above {NAMED} (thick)")
    return figure


CLASS_COLOURS = ("#e69f00", OBJECTS[2], "#8a5cc2", OBJECTS[3], OBJECTS[1])
"""One colour a class: those of the objects in the other figures."""


def removal(steps: int) -> Figure:
    """Draw the truck's best box, and those that it removes."""
    _, raw = trained(steps)
    truck = STREET_CLASSES.index("truck")
    scores = scores_of(raw)[:, 1 + truck]
    order = np.argsort(-scores, kind="stable")[:MOST_DRAWN]
    order = order[scores[order] > SHOWN]
    boxes = decode_offsets(raw.offsets, anchor_boxes(), VARIANCES)[order]
    overlap = pairwise_iou(boxes[:1], boxes)[0]
    figure, (panels,) = sheet(2.6, 1, 2, width_ratios=(1.6, 1))
    axes, points = panels
    show_scene(axes, 0.6, (50, 290, 216, 84))
    gone = overlap > Decoding.iou_threshold
    for box, removed in zip(boxes[1:] * SIDE, gone[1:], strict=True):
        colour, style = (GREY, "-") if removed else (PREDICTED, ":")
        draw_box(axes, box, colour, 0.7, style)
    draw_box(axes, boxes[0] * SIDE, POSITIVE, 2.0)
    heading(axes, "Best truck (green), boxes it removes (grey), others (violet)")
    points.axvline(Decoding.iou_threshold, color=NEGATIVE, linewidth=1)
    points.plot(overlap[~gone], scores[order][~gone], "o", color=PREDICTED, markersize=3.5, alpha=0.8)
    points.plot(overlap[gone], scores[order][gone], "o", color=GREY, markersize=3.5, alpha=0.8)
    points.plot(1, scores[order][0], "s", color=POSITIVE, markersize=5.5, clip_on=False)
    points.set_xlim(0, 1)
    points.set_ylim(0, 1.04)
    chart(points, "IoU with the kept box", "score")
    points.annotate("stays for now", (0.43, 0.5), ha="right", fontsize=7.5, color=NEGATIVE, **FONT)
    points.annotate("removed", (0.47, 0.5), fontsize=7.5, color=NEGATIVE, **FONT)
    heading(points, "The threshold of 0.45")
    return figure


def loss_curves() -> Figure:
    """Draw the two terms of the loss."""
    figure, (panels,) = sheet(2.5, 1, 2)
    d = np.linspace(-3, 3, 301, dtype=np.float32)
    left, right = panels
    left.plot(d, 0.5 * d * d, color=GREY, linewidth=1.2, linestyle="--")
    left.plot(d, smooth_l1(d), color=OBJECTS[1], linewidth=2)
    left.set_ylim(0, 3)
    left.set_xlim(-3, 3)
    chart(left, "predicted − wanted offset", "loss")
    left.annotate("0.5 d²", (2.0, 2.5), ha="right", fontsize=7.5, color=GREY, **FONT)
    left.annotate("smooth L1", (1.75, 0.85), fontsize=7.5, color=OBJECTS[1], **FONT)
    heading(left, "Location: smooth L1")
    p = np.linspace(0.01, 1, 300)
    right.plot(p, -np.log(p), color=NEGATIVE, linewidth=2)
    right.set_xlim(0, 1)
    right.set_ylim(0, 4.6)
    chart(right, "score of the right class", "loss")
    heading(right, "Confidence: −ln(score)")
    return figure
