"""Ailments of single layers: signals and gradients that die out or grow, units that are dead."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from minicnn._core.traits import computes_as
from minicnn._training.objective import objective
from minicnn._training.program import at_work
from minicnn.explain.diagnosis.examined import Examined
from minicnn.explain.diagnosis.finding import Finding
from minicnn.explain.statistics import Pass
from minicnn.layers import BatchNorm

VANISHED = 1e-4
"""The gradient of an early layer, relative to its weights, as a part of that of the last one."""

EXPLODED = 1e3
"""The same for gradients that grow on their way back."""

DEAD = 0.5
"""The share of a layer's units that are dead."""

STILL, RUSHING = 1e-6, 0.5
"""Update-to-weight ratios that are far out of the band of 1e-4 to 1e-2."""

APART = 1.5
"""How many times larger BatchNorm's loss may be outside training, and by 0.3 more."""


def vanishing(run: Examined) -> Iterator[Finding]:
    """Gradients that are next to nothing when they come to the first layers."""
    if not run.stuck:
        return
    for found in _passes(run):
        rows = [row for row in found.learning() if row.dead != 1]
        if len(rows) < 3:
            continue
        last = rows[-1].relative
        least = min(rows[:-1], key=lambda row: row.relative)
        if last > 0 and 0 < least.relative < VANISHED * last:
            yield Finding(
                "vanishing gradients",
                f"The gradient of {least.layer} is {least.relative:.1e} of its weights, that of "
                f"{rows[-1].layer} {last:.1e}: what comes back to the first layers is next to "
                "nothing.",
                "Take 'relu' for sigmoid or tanh, he_normal for the weights, BatchNorm between "
                "the layers, or Residual.",
                least.layer,
            )
            return


def exploding(run: Examined) -> Iterator[Finding]:
    """Gradients that grow from layer to layer on their way back."""
    rows = run.before.learning()
    if len(rows) < 3 or not run.stuck:
        return
    most, last = max(rows[:-1], key=lambda row: row.relative), rows[-1].relative
    if last > 0 and (most.relative > EXPLODED * last or not np.isfinite(most.relative)):
        yield Finding(
            "exploding gradients",
            f"Before the first step the gradient of {most.layer} is {most.relative:.1e} of its "
            f"weights, that of {rows[-1].layer} {last:.1e}: it grows from layer to layer.",
            "Begin with smaller weights (he_normal for ReLU, glorot_uniform for tanh), put "
            "BatchNorm between the layers, or give the optimizer global_clipnorm=1.0.",
            most.layer,
        )


def dead(run: Examined) -> Iterator[Finding]:
    """ReLUs that are 0 for every image."""
    for when, found in (("Before the first step", run.before), ("Now", run.now)):
        rows = [row for row in found.rows if row.dead > DEAD]
        if not rows:
            continue
        row = rows[0]
        yield Finding(
            "dead ReLUs",
            f"{when} {row.dead:.0%} of the units of {row.layer} are 0 for each of "
            f"{run.batch.samples} images, and learn nothing any more.",
            "Take a smaller learning rate, biases that begin at 0, BatchNorm before the ReLU, or "
            "LeakyReLU.",
            row.layer,
        )
        return


def updates(run: Examined) -> Iterator[Finding]:
    """Layers that a step moves by next to nothing, or throws over."""
    rows = [row for row in run.before.learning() if np.isfinite(row.update) and row.update > 0]
    for row in rows:
        if STILL < row.update < RUSHING:
            continue
        slow = row.update < STILL
        yield Finding(
            "update-to-weight ratio",
            f"A step changes the weights of {row.layer} by {row.update:.1e} of their size; "
            f"healthy steps change 1e-4 to 1e-2.",
            f"Begin with {'smaller' if slow else 'larger'} weights in {row.layer}, or take a "
            f"{'larger' if slow else 'smaller'} learning rate.",
            row.layer,
        )
        return


def batchnorm(run: Examined) -> Iterator[Finding]:
    """BatchNorm that computes one thing in training and another outside it."""
    if not run.steps or not any(map(_is_batchnorm, run.model.graph().nodes)):
        return
    inside, outside = _losses(run)
    if outside <= APART * inside + 0.3 or run.stuck:
        return
    layer = next(n for n in run.model.graph().nodes if _is_batchnorm(n))
    momentum = getattr(layer.layer, "momentum", None)
    yield Finding(
        "BatchNorm in training and outside far apart",
        f"With the means of the batch the loss is {inside:.3g}, with the moving means, as in "
        f"predict, {outside:.3g}.",
        f"Train for more steps, or take a smaller momentum than {momentum} (BatchNorm(momentum="
        "0.9)); batches of 16 images or more; and the same preparation of images in both.",
        layer.name,
    )


def _losses(run: Examined) -> tuple[float, float]:
    """(the loss with the batches' statistics, with the moving ones), both without dropout."""
    graph, losses, _ = objective(run.model.graph(), [goal.loss for goal in run.program.goals])
    nodes = tuple(
        node if _is_batchnorm(node) else node._replace(training=False) for node in graph.nodes
    )
    graph = replace(graph, nodes=nodes)
    means = []
    size = max(run.batch_size, 2)
    data = run.chosen(run.data, max(size, 128))
    with at_work():
        for training in (True, False):
            total = count = 0.0
            for start in range(0, data.samples - data.samples % size or data.samples, size):
                part = data.part(slice(start, start + size))
                xs = [x if b else x.astype(run.model.dtype)
                      for x, b in zip(part.xs, graph.reads_bytes(), strict=True)]  # fmt: skip
                zs, _ = graph.forward(xs, training, None)
                for loss, goal, y, z in zip(losses, run.program.goals, part.ys, zs, strict=True):
                    total += 0.0 if loss is None else float(loss(y, z)) * goal.weight
                count += 1
            means.append(total / count)
    return means[0], means[1]


def _is_batchnorm(node: Any) -> bool:
    return computes_as(node.layer, BatchNorm)


def _passes(run: Examined) -> Iterator[Pass]:
    yield run.before
    if run.steps:
        yield run.now
