"""Make all figures of "How SSD works": python docs/figures/make_figures.py

They are written beside this file. Most of the time goes into training the toy detector, which shows what a
network gives. Its figures may differ in small things from one kind of processor to another.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import draw_anchors
import draw_augmentation
import draw_matching
from figure_style import DOTS, save
from matplotlib.figure import Figure


def figures(steps: int | None = None) -> dict[str, Callable[[], Figure]]:
    """Give what draws each figure, by the name of its file; `steps` of training for those that need it."""
    import draw_network
    from toy_detector import STEPS

    steps = STEPS if steps is None else steps
    return {
        "anchors_per_layer": draw_anchors.per_layer,
        "anchors_of_a_cell": draw_anchors.of_a_cell,
        "matching": draw_matching.both_steps,
        "encoding": draw_matching.encoding,
        "scores_per_layer": partial(draw_network.scores_per_layer, steps),
        "loss_terms": draw_network.loss_curves,
        "mining": partial(draw_network.mined, steps),
        "suppression": partial(draw_network.suppressed, steps),
        "suppression_of_one": partial(draw_network.removal, steps),
        "augmentation": draw_augmentation.each_change,
    }


def make(out: Path, only: Sequence[str] = (), steps: int | None = None, dots: int = DOTS) -> list[Path]:
    """Write the figures into `out`, all or `only` some; give their paths."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in figures(steps).items():
        if not only or name in only:
            written.append(out / f"{name}.png")
            save(draw(), written[-1], dots)
            print(f"{written[-1].name}: {written[-1].stat().st_size // 1000} kB", flush=True)
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="*", help="names of figures; by default all")
    here = Path(__file__).parent
    parser.add_argument("--out", type=Path, default=here, help="folder; by default that of this file")
    arguments = parser.parse_args()

    from toy_detector import repeat_exactly

    repeat_exactly()
    make(arguments.out, arguments.only)
