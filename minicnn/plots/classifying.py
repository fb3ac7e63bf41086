"""Pictures of a classifier's results: confusions, mistakes, curves over the threshold."""

import os
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.shapes import Array
from minicnn.errors import ConfigError, DataError
from minicnn.evaluation import Curve, calibration_curve, precision_recall_curve, roc_curve
from minicnn.evaluation.mistakes import Mistakes
from minicnn.evaluation.predicting import check_labels, class_numbers, probabilities
from minicnn.metrics import ClassificationReport, confusion_matrix, wilson_interval
from minicnn.plots.drawing import (
    MARKERS,
    RUNS,
    STYLES,
    finished,
    legend_below,
    literal,
    matplotlib_ready,
    new_figure,
    on_page,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUMBERED = 15
"""The most classes whose cells have their numbers in a confusion matrix."""

NAMED = 12
"""The most classes of which each has a line of its own in a legend."""

LONGEST_NAME = 18
"""Characters of a class name in a picture."""

SHORT_NAME = 14
"""The same where other words stand beside it."""


def plot_confusion(
    y_true: Any,
    y_pred: Any = None,
    class_names: Sequence[str] = (),
    path: str | os.PathLike[str] | None = None,
    *,
    rates: bool = True,
) -> "Figure":
    """Draw which class was taken for which: rows are true, columns predicted.

    Labels and predictions are those of ``confusion_matrix``; or the first argument is such a
    matrix, or a ``classification_report``. A cell is as dark as its part of its row, whose numbers
    it has too, as the count and, with ``rates``, the part in percent; beyond 15 classes the colour
    with its scale, and the commonest mix-up in the title. Raises ``DataError`` for other labels.

    >>> figure = plot_confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), ["cat", "dog"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['1\\n50%', '1\\n50%', '0\\n0%', '1\\n100%']
    """
    if isinstance(y_true, ClassificationReport):
        counts, class_names = y_true.confusion, class_names or y_true.class_names
    elif y_pred is None:
        counts = np.asarray(y_true)
    elif np.asarray(y_pred).dtype.kind in "US":
        raise DataError(
            "plot_confusion: expected y_pred as predictions, got texts. Give class_names=names."
        )
    else:
        counts = confusion_matrix(np.asarray(y_true), np.asarray(y_pred), len(class_names) or None)
    n = len(counts)
    if counts.shape != (n, n) or not n or counts.dtype.kind not in "iuf":
        raise DataError(
            f"plot_confusion: expected a matrix (classes, classes) of counts, got {counts.shape}."
        )
    names = _names(class_names, n)
    parts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with matplotlib_ready():
        figure = new_figure(*(max(4.2, min(1.6 + 0.62 * n, 10.5)),) * 2)
        axes = figure.subplots()
        drawn = axes.imshow(parts, cmap="Blues", vmin=0, vmax=1)
        if n <= NUMBERED:
            _write_cells(axes, counts, parts, rates)
        else:
            label = "part of the images of a class"
            figure.colorbar(drawn, ax=axes, fraction=0.04, pad=0.02, label=label)
        ticks = range(n)
        size = 10 if n <= NUMBERED else max(5, 320 // n)
        upright = max(map(len, names)) > (3 if n > 4 else 10)
        axes.set_xticks(ticks, names, rotation=90 if upright else 0, fontsize=size)
        axes.set_yticks(ticks, names, fontsize=size)
        axes.set_xlabel("said")
        axes.set_ylabel("truth")
        lines = _headline(counts, names).split("\n")
        letters = max(10.0, 1.2 * figure.get_figwidth())
        most = int(72 * figure.get_figwidth() / (0.57 * letters))
        figure.suptitle("\n".join(textwrap.fill(line, most) for line in lines), fontsize=letters)
    return finished(figure, path)


def _write_cells(axes: "Axes", counts: Array, parts: Array, rates: bool) -> None:
    size = 12 if len(counts) <= 4 else 10 if len(counts) <= 8 else 9
    for (i, j), count in np.ndenumerate(counts):
        text = f"{count:,}" + f"\n{parts[i, j]:.0%}" * rates
        colour = "white" if parts[i, j] > 0.55 else "black" if count else "#777777"
        axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=size)


def _headline(counts: Array, names: Sequence[str]) -> str:
    """How many are right, and what is mixed up most."""
    total, right = counts.sum(), np.trace(counts)
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    line = f"{right:,} of {total:,} right"
    if total and counts.dtype.kind in "iu":
        low, high = wilson_interval(int(right), int(total))
        line += f" (95% interval {low:.1%} to {high:.1%})"
    if not wrong.any():
        return line
    i, j = np.unravel_index(wrong.argmax(), wrong.shape)
    times = f"{wrong[i, j]:,} of {counts[i].sum():,}"
    return f"{line}\nmost often {names[i]} taken for {names[j]}: {times}"


def _cut(name: str, most: int = LONGEST_NAME) -> str:
    """A name, or its beginning and its end."""
    if len(name) > most:
        name = f"{name[: most - 7]}\u2026{name[-6:]}"
    return literal(name)


def _names(given: Sequence[str], n: int) -> list[str]:
    """The classes' names, cut where they are long, or their numbers."""
    if given and len(given) != n:
        raise ConfigError(f"plots: expected a name for each of the {n} classes, got {len(given)}.")
    return [_cut(str(name)) for name in given or range(n)]


# Pictures ---------------------------------------------------------------------------------


def plot_mistakes(mistakes: Mistakes, path: str | os.PathLike[str] | None = None) -> "Figure":
    """Draw what ``worst_mistakes`` found: each picture, what was said and how sure, and the truth.

    Raises ``DataError`` where nothing is wrong, or the samples are no pictures.

    >>> from minicnn.evaluation import worst_mistakes
    >>> x, y = np.zeros((2, 8, 8, 1), np.uint8), np.array([1, 1])
    >>> figure = plot_mistakes(worst_mistakes(np.array([[0.9, 0.1], [0.2, 0.8]]), x, y))
    >>> figure.axes[0].get_title()
    'said 0 (90%)\\nis 1 (10%)'
    """
    if not isinstance(mistakes, Mistakes):
        raise ConfigError(
            f"plot_mistakes: expected what worst_mistakes returns, got {type(mistakes).__name__}."
        )
    if not mistakes:
        raise DataError("plot_mistakes: expected a mistake, got none: all are right.")
    titles = [
        f"said {_cut(mistakes.name(one.said), SHORT_NAME)} ({one.sure:.0%})\n"
        f"is {_cut(mistakes.name(one.truth), SHORT_NAME)} ({one.given:.0%})"
        for one in mistakes
    ]
    notes = [f"image {one.sample}" for one in mistakes]
    return gallery("plot_mistakes", mistakes.images, titles, notes, path)


def plot_images(
    x: Any,
    y: Any = None,
    class_names: Sequence[str] = (),
    path: str | os.PathLike[str] | None = None,
    *,
    most: int = 25,
    of: int | str | None = None,
) -> "Figure":
    """Draw pictures with their classes and numbers, the first ``most``, or those ``of`` one class.

    ``x`` is (N, H, W, C) or (N, H, W), ``y`` class numbers; or ``x`` is a data set, which has its
    names. Raises ``DataError`` for anything else.

    >>> figure = plot_images(np.zeros((3, 8, 8, 3), np.uint8), np.array([0, 1, 1]), ["no", "yes"])
    >>> [axes.get_title() for axes in figure.axes]
    ['no', 'yes', 'yes']
    """
    whole_number("plot_images", "most", most, 1)
    if y is None and hasattr(x, "class_names") and hasattr(x, "y"):
        x, y, class_names = x.x, x.y, class_names or x.class_names
    x = np.asarray(x)
    places = np.arange(len(x)) if x.ndim else np.arange(0)
    labels = None if y is None else class_numbers("plot_images", y)
    if of is not None:
        wanted = list(class_names).index(of) if of in list(class_names) else of
        if labels is None or isinstance(wanted, str):
            known = ", ".join(map(str, class_names)) or "none"
            raise DataError(f"plot_images: expected of as one of the classes {known}, got {of!r}.")
        places = np.flatnonzero(labels == wanted)
    places = places[:most]
    if not len(places):
        raise DataError("plot_images: expected pictures, got none.")
    titles = [""] * len(places)
    if labels is not None:
        named = list(map(str, class_names))
        titles = [
            _cut(named[labels[i]] if labels[i] < len(named) else str(labels[i])) for i in places
        ]
    return gallery("plot_images", x[places], titles, [f"{i}" for i in places], path)


def gallery(
    who: str,
    images: Sequence[Array] | Array,
    titles: Sequence[str],
    notes: Sequence[str],
    path: str | os.PathLike[str] | None,
    columns: int | None = None,
) -> "Figure":
    """Pictures in rows, each with a title above and its number below."""
    pictures = [shown_as(who, image) for image in images]
    with matplotlib_ready():
        rows = max(1, int(np.sqrt(len(pictures) / 1.3)))
        columns = columns or -(-len(pictures) // rows)
        rows = -(-len(pictures) // columns)
        figure = new_figure(1.75 * columns, (1.7 + 0.2 * max(t.count("\n") for t in titles)) * rows)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, picture, title, note in zip(panels, pictures, titles, notes, strict=False):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_title(title, fontsize=8)
            axes.set_xlabel(note, fontsize=8)
            axes.set_xticks([])
            axes.set_yticks([])
        for axes in panels[len(pictures) :]:
            axes.remove()
    return finished(figure, path)


def shown_as(who: str, image: Any) -> Array:
    """A picture (H, W), or (H, W, 3), from 0 to 1; numbers of another range are spread over it."""
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.dtype.kind not in "buif":
        raise DataError(f"{who}: expected pictures (H, W, C), got {image.dtype} {image.shape}.")
    if image.shape[-1] not in (1, 3, 4):
        image = image.mean(axis=-1, keepdims=True)
    image = image[..., :3] / 255 if image.dtype.kind in "bu" else image[..., :3].astype(float)
    low, high = float(image.min()), float(image.max())
    if high > 1 and low >= 0 and high <= 255:
        image = image / 255
    elif low < 0 or high > 1:
        image = (image - low) / max(high - low, 1e-12)
    picture: Array = np.clip(image, 0, 1)
    return picture[..., 0] if picture.shape[-1] == 1 else picture


# Curves over the threshold -----------------------------------------------------------------


def plot_roc(
    y_true: Any,
    y_score: Any,
    class_names: Sequence[str] = (),
    path: str | os.PathLike[str] | None = None,
) -> "Figure":
    """Draw true positive rate over false positive rate, for each class against the others.

    ``y_true`` are labels, ``y_score`` what a model predicted: (N, classes) probabilities, or (N,)
    of class 1. Beyond 12 classes only the best, the worst and the mean have names. Raises
    ``DataError`` for other shapes.

    >>> figure = plot_roc([0, 0, 1, 1], np.array([0.1, 0.4, 0.35, 0.8]))
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['class 1: area 0.750']
    """
    return _over_thresholds("plot_roc", roc_curve, y_true, y_score, class_names, path)


def plot_precision_recall(
    y_true: Any,
    y_score: Any,
    class_names: Sequence[str] = (),
    path: str | os.PathLike[str] | None = None,
) -> "Figure":
    """Draw precision over recall, for each class against the others; arguments as ``plot_roc``.

    >>> figure = plot_precision_recall([0, 0, 1, 1], np.array([0.1, 0.4, 0.35, 0.8]))
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['class 1: average precision 0.833']
    """
    curve = precision_recall_curve
    return _over_thresholds("plot_precision_recall", curve, y_true, y_score, class_names, path)


def _over_thresholds(
    who: str,
    curve: Callable[[Any, Any], Curve],
    y_true: Any,
    y_score: Any,
    class_names: Sequence[str],
    path: Any,
) -> "Figure":
    roc = curve is roc_curve
    y, scores = class_numbers(who, y_true), probabilities(y_score, None)
    check_labels(who, y, scores)
    n = scores.shape[1]
    names = _names(class_names, n) if class_names else [f"class {i}" for i in range(n)]
    there = [i for i in ([1] if n == 2 else range(n)) if 0 < (y == i).sum() < len(y)]
    found = {i: curve((y == i).astype(int), scores[:, i]) for i in there}
    if not found:
        raise DataError(f"{who}: expected labels of two classes or more, got {np.unique(y)[:1]}.")
    areas = {i: one.area for i, one in found.items()}
    ends = {max(areas, key=areas.__getitem__), min(areas, key=areas.__getitem__)}
    word = "area" if roc else "average precision"
    with matplotlib_ready():
        figure = new_figure(6.0, 4.8)
        axes = figure.subplots()
        drawn = 0
        for i, one in found.items():
            named = len(found) <= NAMED or i in ends
            axes.plot(
                one.x,
                one.y,
                STYLES[(drawn + drawn // len(RUNS)) % len(STYLES)] if named else "-",
                color=on_page(RUNS[drawn % len(RUNS)]) if named else "#888888",
                alpha=1 if named else 0.5,
                marker=MARKERS[drawn % len(MARKERS)] if named and len(found) > 1 else "",
                markevery=(0.03 * drawn, 0.25),
                markersize=5,
                linewidth=1.8 if named else 0.6,
                label=f"{names[i]}: {word} {one.area:.3f}" if named else None,
                drawstyle="default" if roc else "steps-pre",
                zorder=2 if named else 1,
            )
            drawn += named
        if roc:
            axes.plot([0, 1], [0, 1], color="#888888", linewidth=0.8, linestyle=":")
        if len(found) > 1:
            axes.set_title(f"mean {word} {np.mean(list(areas.values())):.3f}", fontsize=10)
        axes.set_xlabel("false positive rate" if roc else "recall")
        axes.set_ylabel("true positive rate" if roc else "precision")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.05)
        legend_below(figure)
    return finished(figure, path)


def plot_calibration(
    y_true: Any, y_score: Any, path: str | os.PathLike[str] | None = None, *, bins: int = 15
) -> "Figure":
    """Draw how often a classifier was right over how sure it was, and how many samples that is.

    The bars are 95% intervals.
    On the diagonal what is said with 80% is right in 80% of cases; below it the classifier is too
    sure. Arguments are as in ``calibration_curve``.

    >>> figure = plot_calibration([0, 1], np.array([[0.9, 0.1], [0.2, 0.8]]))
    >>> figure.axes[0].get_ylabel()
    'fraction right'
    """
    curve = calibration_curve(y_true, y_score, bins)
    with matplotlib_ready():
        figure = new_figure(5.0, 5.0)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], color="#888888", linestyle=":", linewidth=0.8)
        right = np.rint(curve.right * curve.counts).astype(int).tolist()
        bounds = np.array(list(map(wilson_interval, right, curve.counts.tolist())))
        bars = abs(bounds.T - curve.right)
        above.errorbar(curve.sure, curve.right, bars, fmt="o", color=on_page(RUNS[0]), lw=1.5)
        above.set_ylabel("fraction right")
        above.set_ylim(-0.02, 1.05)
        above.set_title(f"expected calibration error {curve.error:.3f}", fontsize=10)
        below.bar(curve.sure, curve.counts, width=0.6 / bins, color=on_page(RUNS[0]))
        below.set_ylabel("samples")
        below.set_xlabel("how sure it was")
        below.set_xlim(-0.02, 1.02)
    return finished(figure, path)
