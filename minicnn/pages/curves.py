"""The curves of a run, and what it said of itself at its end."""

from typing import Any

from minicnn._core.console import figure_text
from minicnn.models.model import Model
from minicnn.pages.drawn import svg
from minicnn.pages.facts import about, asked, described, samples
from minicnn.pages.markup import Markup, more, note, section, table, tag
from minicnn.pages.outcomes import ACCURACY, log_text
from minicnn.plots.curves import figure_of, runs_of
from minicnn.runs import RunFolder

EPOCHS = 60
"""The most rows of the table of epochs."""


def curves(run: RunFolder, model: Model | None) -> Markup:
    """The section of the loss, the metrics and the learning rate over the epochs."""
    history: Any = run.history
    if not history.epoch:
        return section("curves", "Curves", note("No epoch is done."))
    logs = {k: v for k, v in runs_of(history)[""].items() if not k.startswith("time")}
    rates = _rates(run, model)
    if rates and not {"learning_rate", "lr"} & logs.keys():
        logs |= runs_of({"learning_rate": rates})[""]
    names = list(dict.fromkeys(name.removeprefix("val_") for name in logs))
    figures = []
    for i, name in enumerate(names):
        both = {key: logs[key] for key in (name, f"val_{name}") if key in logs}
        ends = [f"{_side(k, name)} {figure_text(c.values[-1].squeeze())}" for k, c in both.items()]
        label = f"{name} over the epochs; at the end {', '.join(ends)}"
        figures.append(tag("figure", svg(figure_of({"": both}), label, i)))
    rows = [["epoch", *history.history]]
    rows += [[str(e), *map(_cell, values)] for e, *values in history.rows()]
    shown = rows if len(rows) <= EPOCHS else [*rows[: EPOCHS // 2], *rows[-EPOCHS // 2 :]]
    left = note(f"{len(rows) - len(shown)} epochs in the middle are left out.")
    numbers = table("What each epoch brought", shown)
    parts = [tag("div", *figures, class_="curves"), tag("p", best(run))]
    inside = [numbers, *[left] * (len(shown) < len(rows))]
    return section("curves", "Curves", *parts, more("The numbers", *inside))


def _side(key: str, name: str) -> str:
    return "training" if key == name else "validation"


def _cell(value: Any) -> str:
    return "" if value == "" else figure_text(value)


def best(run: RunFolder) -> str:
    """The epoch of the lowest validation loss, beside the last."""
    losses = run.history.history.get("val_loss")
    if not losses:
        return "Nothing was held out: no curve tells how it does on other images."
    epochs = [epoch + 1 for epoch in run.history.epochs("val_loss")]
    at = min(range(len(losses)), key=losses.__getitem__)
    found = f"The validation loss was lowest in epoch {epochs[at]}, {figure_text(losses[at])}"
    if epochs[at] == epochs[-1]:
        return f"{found}, the last one."
    return f"{found}; it ended with {figure_text(losses[-1])} in epoch {epochs[-1]}."


def _rates(run: RunFolder, model: Model | None) -> list[float]:
    """The learning rate at each epoch's end, where it follows a schedule that is known."""
    optimizer = None if model is None else model.optimizer
    n, size = samples(run, "data"), about(run).get("batch_size")
    if optimizer is None or optimizer.schedule is None or not n or len(asked(run)) > 1:
        return []
    steps = about(run).get("steps_per_epoch") or -(-n // int(size or 32))
    return [float(optimizer.schedule(steps * (epoch + 1) - 1)) for epoch in run.history.epoch]


def said_at_the_end(run: RunFolder) -> str:
    """The last validation accuracy, or the last logs, as the run has them."""
    logs = {name: values[-1] for name, values in run.history.history.items() if values}
    for part, prefix in (("validation", "val_"), ("data", "")):
        for name, value in logs.items():
            if name.startswith("val_") == bool(prefix) and ACCURACY.search(name):
                n = _counted(run, part, name)
                if n is None:
                    return f"{name} {log_text(name, value, n)}."
                what = "validation" if prefix else "training"
                how = "" if prefix else ", a mean over the epoch while the weights moved"
                return f"{name} {log_text(name, value, n)} of {n:,} {what} images{how}."
    return ", ".join(f"{name} {figure_text(value)}" for name, value in logs.items()) + "."


def _counted(run: RunFolder, part: str, name: str) -> int | None:
    """How many independent answers an accuracy is of."""
    found, n = about(run).get(part) or {}, samples(run, part)
    shape = found.get("y", {}).get("shape", [])[1:]
    single = shape in ([], [1]) or "Categorical" in described(about(run).get("loss"))
    limited = part == "validation" and about(run).get("validation_steps")
    weighted = "sample_weight" in found
    return n if single and len(shape) < 2 and not limited and not weighted else None
