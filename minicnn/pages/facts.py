"""What a run's folder knows of it: what was trained on what, how fast, where, and how again."""

import shlex
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from minicnn._parallel import blas
from minicnn._training.fingerprint import machine
from minicnn._training.options import EXACT
from minicnn.models.memory import memory_use
from minicnn.models.model import Model
from minicnn.models.summary import memory_line, table, total_lines
from minicnn.optimizers import Adam
from minicnn.pages.dangers import Part
from minicnn.pages.markup import Markup, joined, note, pairs, section, tag
from minicnn.pages.markup import table as html_table
from minicnn.runs import RunFolder


def described(value: Any) -> str:
    """What a checkpoint has of an object, as one would write it.

    >>> described({"class_name": "SGD", "config": {"learning_rate": 0.1, "clipnorm": None}})
    'SGD(learning_rate=0.1)'
    """
    if isinstance(value, Mapping) and "class_name" in value:
        config = value.get("config") or {}
        given = [f"{key}={_written(x)}" for key, x in config.items() if x is not None]
        return f"{value['class_name']}({', '.join(given)})"
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(described, value)))
    return "" if value is None else str(value)


def about(run: RunFolder) -> dict[str, Any]:
    """The settings that a resumed run must have in common."""
    found = run.tree.get("about")
    return dict(found) if isinstance(found, Mapping) else {}


def samples(run: RunFolder, part: str) -> int | None:
    """How many images of "data" or "validation" there were, if the run knows."""
    found = about(run).get(part) or {}
    x = found.get("x", {})
    return int(x["shape"][0]) if "checksum" in x else None


# What was trained on what -----------------------------------------------------------------


def trained(
    run: RunFolder, model: Model | None, parts: Mapping[str, Part], *counts: Markup
) -> Markup:
    """The section of the network, how it was trained, and the data."""
    how = (run.tree.get("network") or {}).get("compile") or about(run)
    rows = [
        ("Network", run.settings.get("model") or ("" if model is None else model.name)),
        ("Optimizer", described(how.get("optimizer"))),
        ("Loss", described(how.get("loss"))),
        ("Metrics", described([*(how.get("metrics") or []), *(how.get("weighted_metrics") or [])])),
        ("Batches", f"{about(run).get('batch_size')} images{_shuffled(run)}"),
        ("Epochs", _epochs(run)),
        ("Training data", _data(run, "training", parts)),
        (f"{'Test' if run.settings else 'Validation'} data", _data(run, "test", parts)),
    ]
    body: list[Any] = [pairs(rows)]
    if model is None:
        body.append(
            note(
                "Its layers need custom classes, which are not here: give them in ",
                tag("code", "report_page(..., custom_objects={name: class})"),
                ".",
            )
        )
    else:
        below = [tag("p", line, class_="facts") for line in total_lines(model)]
        body += [html_table("The layers, and what an image takes in each", table(model)), *below]
    return section("trained", "What was trained on what", *body, *counts)


def _shuffled(run: RunFolder) -> str:
    return ", shuffled in each epoch" if about(run).get("shuffle") else ", in the same order"


def asked(run: RunFolder) -> list[tuple[int, int]]:
    """(the epochs that were done, the last one to be done) whenever the latter was said anew."""
    found = (run.tree.get("ran") or {}).get("asked") or []
    return [(int(done), int(last)) for done, last in found]


def _epochs(run: RunFolder) -> str:
    last = asked(run)[-1][1] if asked(run) else run.settings.get("epochs", run.epochs)
    more_ = f" and {run.tree['step']} batches" * bool(run.tree.get("step"))
    return f"{run.epochs}{more_} of {last}" if last != run.epochs or more_ else str(run.epochs)


def _data(run: RunFolder, part: str, parts: Mapping[str, Part]) -> str:
    known = about(run).get("data" if part == "training" else "validation") or {}
    file = run.settings.get("train" if part == "training" else "test")
    x = known.get("x", {})
    count = samples(run, "data" if part == "training" else "validation")
    told = [file] if file else []
    if x:
        shape = tuple(x["shape"][1:])
        told.append(
            f"{count:,} of shape {shape}, {x['dtype']}"
            if count
            else f"batches of shape {shape}, {x['dtype']}"
        )
    elif part in parts:
        told.append(f"{len(parts[part].x):,}, which the run did not see")
    return ": ".join(told) or "none"


def class_counts(parts: Mapping[str, Part], names: Sequence[str]) -> Markup:
    """A table of how many images of each class there are."""
    found = {what: part.classes for what, part in parts.items() if part.classes is not None}
    n = max(len(names), *(int(classes.max()) + 1 for classes in found.values()))
    counts = [np.bincount(classes, minlength=n) for classes in found.values()]
    rows = [["class", *(f"{what} images" for what in found)]]
    for i in range(n):
        name = names[i] if i < len(names) else str(i)
        rows.append([name, *(f"{count[i]:,}" for count in counts)])
    return html_table("Images of each class", rows)


# Speed, memory, environment ---------------------------------------------------------------


def speed(run: RunFolder, model: Model | None, predicted: tuple[int, float] | None) -> Markup:
    """The section of speed and memory."""
    seconds = (run.tree.get("ran") or {}).get("seconds") or []
    rows: list[tuple[str, Any]] = []
    n = samples(run, "data")
    if seconds:
        median = float(statistics.median(seconds))
        rows.append(("An epoch", f"{median:.3g} s (median of {len(seconds)}, with its validation)"))
        if n and median and not about(run).get("steps_per_epoch"):
            rows.append(("Training", f"{n / median:,.0f} images a second"))
        rows.append(("All epochs", f"{sum(seconds):,.3g} s"))
    else:
        rows.append(
            (
                "An epoch",
                "not known: the checkpoint is of an older minicnn"
                if "ran" not in run.tree
                else "none is done",
            )
        )
    if predicted and predicted[1]:
        rate = predicted[0] / predicted[1]
        rows.append(("Predicting", f"{rate:,.0f} images a second, measured for this page"))
    if model is not None:
        optimizer, size = model.optimizer or Adam(), int(about(run).get("batch_size") or 32)
        use = memory_use(model, model.fused(), optimizer, size)
        rows.append(("Memory", memory_line(use, size, optimizer)))
        rows.append(("Size", joined(total_lines(model), "; ")))
    return section("speed", "Speed and memory", pairs(rows))


def environment(run: RunFolder) -> Markup:
    """The section of versions and machine: those of the run, and what is known only of now."""
    then, now = run.tree.get("machine"), machine(about(run))
    on = (run.tree.get("ran") or {}).get("on") or {}
    said = "Of the run, as its checkpoint has it."
    if not isinstance(then, Mapping):
        then, said = now, "Of now: the checkpoint does not say that of the run."
    rows = [(_title(key), _listed(value)) for key, value in {**then, **on}.items()]
    if not on:
        rows.append(("Processor, now", blas.processor()))
    changed = [
        f"{_title(key)} {_listed(value)}"
        for key, value in now.items()
        if then.get(key) not in (None, value)
    ]
    parts = [tag("p", said, class_="facts"), pairs(rows)]
    if changed:
        parts.append(note(f"This page was made with another: {'; '.join(changed)}."))
    return section("environment", "Environment", *parts)


def _title(key: str) -> str:
    name = key.removeprefix("the version of ").removeprefix("the number of ").removeprefix("the ")
    return name[:1].upper() + name[1:] if name != "minicnn" else name


def _listed(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(
            " ".join(map(str, one)) if isinstance(one, list) else str(one) for one in value
        )
    return str(value)


# To repeat it -----------------------------------------------------------------------------


def repeating(run: RunFolder) -> Markup:
    """The section of the command, or of what a script gave ``fit``."""
    if run.settings:
        lines = list(_commands(run))
        told = "With the same files, versions and threads its weights are the same to the bit."
    else:
        lines = list(_script(run))
        told = (
            "A script made this run, which has its data; this is what the checkpoint knows of it."
        )
    code = tag("pre", tag("code", joined(lines)), tabindex="0")
    return section("repeat", "To repeat it", code, tag("p", told, class_="facts"))


def _commands(run: RunFolder) -> Iterator[str]:
    given = {k: v for k, v in run.settings.items() if k not in ("versions", "epochs_done")}
    ends = asked(run) or [(0, int(given.get("epochs", run.epochs)))]
    given["epochs"] = ends[0][1]
    options = [
        f"--{name.replace('_', '-')}={value}" for name, value in given.items() if value is not None
    ]
    yield shlex.join(["minicnn", "train", *options])
    for done, last in ends[1:]:
        yield f"# after epoch {done}:"
        yield shlex.join(["minicnn", "train", "--resume", str(run.folder), "--epochs", str(last)])


def _script(run: RunFolder) -> Iterator[str]:
    known = about(run)
    how = (run.tree.get("network") or {}).get("compile") or known
    yield f"model = ...  # {len(known.get('layers', []))} layers, seed={known.get('seed')}"
    names = ("optimizer", "loss", "metrics", "weighted_metrics", "loss_weights")
    given = [f"{name}={_written(how[name])}" for name in names if how.get(name)]
    yield f"model.compile({', '.join(given)})"
    fit = {"epochs": asked(run)[-1][1] if asked(run) else run.epochs}
    for name in EXACT:
        if known.get(name) not in (None, 0):
            fit[name] = known[name]
    callbacks = ", ".join(known.get("callbacks") or {})
    options = [f"{name}={value}" for name, value in fit.items()]
    options += ["validation_data=..."] * bool(known.get("validation"))
    options += [f"callbacks=[{callbacks}]"] * bool(callbacks)
    yield f"model.fit(x, y, {', '.join(options)})"


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return repr(value) if isinstance(value, str) else described(value)
