"""What a model makes of test images: how often it is right, what it mixes up, where it is worst."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.console import figure_text
from minicnn._core.shapes import Array
from minicnn.activations import ACTIVATIONS
from minicnn.data import Dataset
from minicnn.errors import DataError
from minicnn.evaluation import bootstrap_interval, calibration_curve, worst_mistakes
from minicnn.evaluation.predicting import class_numbers
from minicnn.metrics import classification_report, wilson_interval
from minicnn.models.model import Model
from minicnn.pages.markup import Markup, more, note, table, tag

ACCURACY = re.compile(r"(^|_)acc(uracy)?$")
"""Metrics that count how many are right."""

SHOWN = 12
"""The worst mistakes."""

CROSSED = 50
"""The most classes of which there is a matrix."""

RATES, INTERVALS = 15, 8
"""The most classes whose cells have rates, and intervals, too."""

MANY = 20
"""Classes whose table is shown when it is asked for."""

MIXED = 10
"""Mix-ups in a table."""

YES = ("no", "yes")

OUTPUTS = 10
"""Outputs of a regression in a table."""


class Mistake(NamedTuple):
    """An image that the model has wrong."""

    sample: int
    lines: Sequence[str]
    """What was said, and what is true."""
    of: int | None
    """The class that was said, for Grad-CAM."""


class Outcome(NamedTuple):
    """What came of test images."""

    kind: str
    headline: str
    parts: Sequence[Any]
    worst: Sequence[Mistake]
    wrong: str
    """How many are wrong."""
    seconds: float = 0.0
    """What predicting took."""


def kind_of(model: Model, y: Any) -> str:
    """What the labels are to the model: "classes", "labels" (several at once), "numbers", "other".

    >>> model = Sequential([Input((4,)), Dense(3, activation="softmax")])
    >>> kind_of(model, np.array([0, 2]))
    'classes'
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.output_shape) != 1:
        return "other"
    (n,), y = model.output_shape, np.asarray(y)
    if y.dtype.kind not in "buif":
        return "other"
    activation, alone = last_activation(model), y.ndim == 1 or y.shape[1:] == (1,)
    whole = bool((y == np.floor(y)).all()) and bool((y >= 0).all())
    if n > 1 and alone:
        return "classes" if whole and y.max() < n else "other"
    if n > 1 and y.shape == (len(y), n):
        ones = bool(np.isin(y, (0, 1)).all())
        if activation == "sigmoid" and ones:
            return "labels"
        if activation == "softmax" or (ones and (y.sum(axis=1) == 1).all()):
            return "classes"
        return "numbers"
    if n == 1 and alone:
        return "classes" if activation == "sigmoid" and np.isin(y, (0, 1)).all() else "numbers"
    return "other"


def last_activation(model: Model) -> str:
    """That of the model, or the one that its loss takes: "softmax", "sigmoid", ... or ""."""
    loss: Any = model.loss
    if getattr(loss, "from_logits", False):
        return str(loss.activation)
    graph = model.graph()
    last = graph.nodes[graph.outputs[0] - graph.given].layer
    return last.split_activation()[1] or ""


def outcome(model: Model, data: Dataset | tuple[Any, Any], names: Sequence[str]) -> Outcome:
    """What the model makes of them. Raises ``DataError`` for labels that do not fit."""
    x, y = (data.x, data.y) if isinstance(data, Dataset) else data
    kind = kind_of(model, y)
    if kind == "other":
        return _others(model, data)
    started = time.perf_counter()
    outputs = np.asarray(model.predict(x))
    seconds = time.perf_counter() - started
    if len(outputs) != len(y):
        raise DataError(
            f"report_page: expected a label for each image, got {len(y)} for {len(outputs)}."
        )
    return _of_outputs(model, data, kind, outputs, names)._replace(seconds=seconds)


def _of_outputs(
    model: Model, data: Dataset | tuple[Any, Any], kind: str, outputs: Array, names: Sequence[str]
) -> Outcome:
    y = np.asarray(data.y if isinstance(data, Dataset) else data[1])
    if kind == "numbers":
        return _numbers(outputs, y.reshape(outputs.shape).astype(np.float64))
    activation = last_activation(model)
    if getattr(model.loss, "from_logits", False) or (kind == "classes" and not activation):
        name = activation or "softmax"
        outputs = np.asarray(ACTIVATIONS[name].forward(outputs))
    if kind == "labels":
        return _labels(outputs, y, _named(names, outputs.shape[1]))
    if outputs.shape[1] == 1:
        outputs = np.concatenate([1 - outputs, outputs], axis=1)
    sums = outputs.sum(axis=1, keepdims=True)
    if (outputs < 0).any() or not np.allclose(sums, 1, atol=1e-3):
        return _others(model, data)
    return _classes(outputs, class_numbers("report_page", y), names)


def fraction(right: int, total: int) -> str:
    """A part of a whole with its 95% interval (Wilson's).

    >>> fraction(9, 10)
    '0.900 (95% interval 0.596 to 0.982)'
    """
    if not total:
        return "none"
    low, high = wilson_interval(right, total)
    return f"{right / total:.3f} (95% interval {low:.3f} to {high:.3f})"


def log_text(name: str, value: Any, total: int | None) -> str:
    """A log; an accuracy of so many answers with its interval, or why there is none.

    >>> log_text("val_accuracy", 0.9, 10), log_text("loss", 0.5, 10)
    ('0.900 (95% interval 0.596 to 0.982)', '0.5000')
    """
    if not ACCURACY.search(name):
        return figure_text(value)
    if total is None:
        return f"{value:.4f} (no interval: how many independent answers it counts is not known)"
    return fraction(round(value * total), total)


def _named(names: Sequence[str], n: int) -> list[str]:
    return list(map(str, names)) if len(names) == n else [str(i) for i in range(n)]


# Classes ----------------------------------------------------------------------------------


def _classes(scores: Array, y: Array, names: Sequence[str]) -> Outcome:
    n = scores.shape[1]
    names = _named(names, n)
    found = classification_report(y, scores, names)
    right, total = int(np.trace(found.confusion)), len(y)
    rows = [["class", "images", "precision", "recall", "F1"]]
    columns = (
        (found.precision, found.precision_interval),
        (found.recall, found.recall_interval),
        (found.f1, found.f1_interval),
    )
    for i, name in enumerate(names):
        cells = [_interval(values[i], *bounds[i]) for values, bounds in columns]
        rows.append([name, f"{found.support[i]:,}", *cells])
    most = int(found.support.argmax())
    always = int(found.support[most])
    low, _ = wilson_interval(right, total)
    parts: list[Any] = [
        tag("p", f"Always saying {names[most]} would be right in {always / total:.3f} of them.")
    ]
    if low <= always / total:
        parts.append(note("These images do not show that the network is better than that."))
    error = calibration_curve(y, scores).error
    by_class = table("By class, with 95% intervals", rows)
    parts += [
        tag(
            "p",
            f"Expected calibration error {error:.3f}: how far, in the mean, how sure it was lies "
            "from how often it was right.",
        ),
        more(f"Each of the {n} classes", by_class) if n > MANY else by_class,
        *_confusion(found.confusion, names),
    ]
    mistakes = worst_mistakes(scores, np.zeros((total, 1)), y, SHOWN)
    worst = [
        Mistake(
            one.sample,
            [
                f"said {names[one.said]}, {one.sure:.1%} sure",
                f"is {names[one.truth]}, given {one.given:.1%}",
            ],
            one.said,
        )
        for one in mistakes
    ]
    headline = f"Accuracy {fraction(right, total)}: {right:,} of {total:,} test images are right."
    return Outcome("classes", headline, parts, worst, f"{total - right:,} of {total:,} are wrong.")


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def _confusion(counts: Array, names: Sequence[str]) -> list[Markup]:
    n = len(counts)
    sums = counts.sum(axis=1)
    mixed = [
        ["truth", "said", "times", "part of the truth, 95% interval"],
        *(
            [names[i], names[j], f"{counts[i, j]:,}", fraction(int(counts[i, j]), int(sums[i]))]
            for i, j in _mixed(counts)
        ),
    ]
    parts = []
    if n <= CROSSED:
        told = "A row for each truth, a column for what was said"
        told += "; below each count its part of the row" * (n <= RATES)
        told += ", and that part's 95% interval" * (n <= INTERVALS)
        rows = [["", *names], *([names[i], *_cells(counts[i])] for i in range(n))]
        kind = "matrix" if n <= RATES else "matrix many"
        parts += [table("Confusion matrix", rows, kind), tag("p", f"{told}.", class_="facts")]
    else:
        parts.append(note(f"A matrix of {n} classes is left out."))
    if len(mixed) > 1:
        parts.append(table("Mixed up most", mixed))
    return parts


def _cells(counts: Array) -> list[Markup]:
    """A row of the matrix: the darker the larger a part."""
    n, total = len(counts), int(counts.sum())
    made = []
    for count in counts.tolist():
        part = count / max(total, 1)
        inside: list[Any] = [f"{count:,}"]
        if n <= RATES and total:
            inside.append(tag("small", f"{part:.0%}"))
        if n <= INTERVALS and total:
            low, high = wilson_interval(count, total)
            inside.append(tag("small", f"{low:.0%} to {high:.0%}"))
        made.append(tag("td", *inside, class_=f"r{round(10 * part)}" if count else None))
    return made


def _mixed(counts: Array) -> list[tuple[int, int]]:
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MIXED]
    places = [divmod(int(place), len(counts)) for place in order]
    return [(i, j) for i, j in places if wrong[i, j]]


# Several labels at once -------------------------------------------------------------------


def _labels(scores: Array, y: Array, names: Sequence[str]) -> Outcome:
    said, true = scores > 0.5, y > 0.5
    rows = [["label", "images", "precision", "recall", "right"]]
    for i, name in enumerate(names):
        both = int((said[:, i] & true[:, i]).sum())
        support, claimed = int(true[:, i].sum()), int(said[:, i].sum())
        right = int((said[:, i] == true[:, i]).sum())
        cells = [_part(both, claimed), _part(both, support), _part(right, len(y))]
        rows.append([name, f"{support:,}", *cells])
    whole, total = int((said == true).all(axis=1).sum()), len(y)
    parts = [table("By label, with 95% intervals", rows)]
    far = np.where(said == true, 0, np.abs(scores - y))
    worst = []
    for place in np.argsort(-far, axis=None, kind="stable")[:SHOWN]:
        i, j = divmod(int(place), len(names))
        if far[i, j]:
            sure = max(scores[i, j], 1 - scores[i, j])
            lines = [
                f"{names[j]}: said {YES[int(said[i, j])]}, {sure:.1%} sure",
                f"is {YES[int(true[i, j])]}",
            ]
            worst.append(Mistake(i, lines, j))
    headline = (
        f"All labels are right for {fraction(whole, total)} of the test images: {whole:,} of "
        f"{total:,}."
    )
    wrong = int((said != true).sum())
    return Outcome(
        "labels", headline, parts, worst, f"{wrong:,} of {said.size:,} labels are wrong."
    )


def _part(right: int, total: int) -> str:
    return _interval(right / total, *wilson_interval(right, total)) if total else "none"


# Numbers, and what else there is ----------------------------------------------------------


def _numbers(said: Array, y: Array) -> Outcome:
    off = said - y
    rows = [["output", "mean absolute error", "root of the mean square", "R squared", "mean error"]]
    for i in range(min(y.shape[1], OUTPUTS)):
        spread = float(((y[:, i] - y[:, i].mean()) ** 2).sum())
        explained = 1 - float((off[:, i] ** 2).sum()) / spread if spread else float("nan")
        rows.append(
            [
                str(i),
                _bootstrapped(np.abs(off[:, i])),
                _bootstrapped(off[:, i] ** 2, root=True),
                figure_text(explained),
                figure_text(float(off[:, i].mean())),
            ]
        )
    each = np.abs(off).mean(axis=1)
    worst = [
        Mistake(
            int(i),
            [f"said {_few(said[i])}", f"is {_few(y[i])}", f"off by {figure_text(each[i])}"],
            None,
        )
        for i in np.argsort(-each, kind="stable")[:SHOWN]
    ]
    parts = [table("By output, with 95% intervals (bootstrap)", rows)]
    headline = f"Mean absolute error {_bootstrapped(each)} on {len(y):,} test images."
    return Outcome("numbers", headline, parts, worst, "Those that are farthest off.")


def _bootstrapped(values: Array, root: bool = False) -> str:
    low, high = bootstrap_interval(values, draws=500)
    found = [float(values.mean()), low, high]
    mean, low, high = np.sqrt(found) if root else found
    return f"{figure_text(mean)} ({figure_text(low)} to {figure_text(high)})"


def _few(values: Array) -> str:
    more_ = ", ..." * (len(values) > 4)
    return ", ".join(figure_text(one) for one in values[:4].tolist()) + more_


def _others(model: Model, data: Dataset | tuple[Any, Any]) -> Outcome:
    """What ``evaluate`` says, if the model has a loss."""
    why = note(
        "By class figures, a confusion matrix and worst mistakes are of models with one output "
        "that classifies or gives numbers; this one has others."
    )
    if model.loss is None:
        return Outcome("other", "", [why], [], "")
    given = (data,) if isinstance(data, Dataset) else data
    logs = model.evaluate(*given, return_dict=True)
    assert isinstance(logs, dict)
    y = data.y if isinstance(data, Dataset) else data[1]
    several = len(model.outputs) > 1
    single = all(len(shape) == 1 for shape in model.output_shapes)
    n = len(next(iter(y.values())) if isinstance(y, Mapping) else y[0] if several else y)
    rows = [["", "value"]]
    rows += [[name, log_text(name, value, n if single else None)] for name, value in logs.items()]
    headline = f"Loss {figure_text(logs['loss'])} on {n:,} test images."
    return Outcome("other", headline, [why, table("On the test images", rows)], [], "")
