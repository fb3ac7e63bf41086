"""Ailments of single layers: signals and gradients that die out or grow, units that are dead."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from minicnn._core.traits import computes_as
from minicnn._training.objective import objective
from minicnn._training.program import at_work
from minicnn.explain.diagnosis.examined import RUSHING, Examined
from minicnn.explain.diagnosis.finding import Finding
from minicnn.explain.statistics import Pass
from minicnn.layers import BatchNorm

VANISHED = 1e-4
"""The gradient at the first layer as a part of that at the last but one."""

EXPLODED, GROWN = 1e3, 30.0
"""The same where it grows on its way back, and where the first loss shows that all grows."""

DEAD, DYING = 0.95, 0.8
"""The share of a layer's units that are dead: of any run, and of one that does not learn."""

STILL, ALL_STILL = 1e-6, 1e-5
"""An update-to-weight ratio far below the band of 1e-4 to 1e-2; and when all layers stand still."""

APART = 1.5
"""How many times larger BatchNorm's loss may be outside training, and by 0.3 more."""

SETTLED = 5.0
"""Steps times 1 - momentum after which moving means have forgotten where they began."""


def vanishing(run: Examined) -> Iterator[Finding]:
    """Gradients that are next to nothing when they come to the first layers."""
    if not run.stuck:
        return
    for found in (run.before, run.now):
        rows = found.learning()[:-1]
        if len(rows) < 2:
            return
        first, last = rows[0].flow, rows[-1].flow
        if last > 0 and 0 < first < VANISHED * last:
            yield Finding(
                "vanishing gradients",
                f"The gradient is {last:.1e} at {rows[-1].layer} and {first:.1e} when it comes "
                f"back to {rows[0].layer}: next to nothing.",
                "Take 'relu' for sigmoid or tanh, he_normal for the weights, BatchNorm between "
                "the layers, or Residual.",
                rows[0].layer,
            )
            return


def exploding(run: Examined) -> Iterator[Finding]:
    """Gradients that grow from layer to layer on their way back."""
    rows = run.before.learning()[:-1]
    if len(rows) < 2 or not (run.stuck or run.first_loss > 10 * run.chance):
        return
    first, last = rows[0].flow, rows[-1].flow
    most = GROWN if run.first_loss > 10 * run.chance else EXPLODED
    if last > 0 and not first < most * last:
        yield Finding(
            "exploding gradients",
            f"Before the first step the gradient is {last:.1e} at {rows[-1].layer} and "
            f"{first:.1e} when it comes back to {rows[0].layer}: it grows from layer to layer.",
            "Begin with smaller weights (he_normal for ReLU, glorot_uniform for tanh), put "
            "BatchNorm between the layers, or give the optimizer global_clipnorm=1.0.",
            rows[0].layer,
        )


def born_dead(run: Examined) -> Iterator[Finding]:
    """ReLUs that are 0 for every image before the first step."""
    yield from _dead(run, "Before the first step", run.before)


def dead(run: Examined) -> Iterator[Finding]:
    """ReLUs that have become 0 for every image."""
    if run.steps and not any(born_dead(run)):
        yield from _dead(run, "Now", run.now)


def _dead(run: Examined, when: str, found: Pass) -> Iterator[Finding]:
    for row in found.rows:
        if row.dead > (DYING if run.stuck else DEAD):
            yield Finding(
                "dead ReLUs",
                f"{when} {row.dead:.0%} of the units of {row.layer} are 0 for each of "
                f"{run.batch.samples} images, and learn nothing.",
                "Take a smaller learning rate, biases that begin at 0, BatchNorm before the ReLU, "
                "or LeakyReLU.",
                row.layer,
            )
            return


def updates(run: Examined) -> Iterator[Finding]:
    """Single layers that a step moves by next to nothing, or throws over."""
    if not ALL_STILL < run.ratio <= RUSHING:
        return  # then it is the rate
    for row in run.before.learning():
        if STILL < row.update < RUSHING or not row.gradient > 0:
            continue
        slow = row.update <= STILL
        yield Finding(
            "update-to-weight ratio",
            f"The first step changes the weights of {row.layer} by {row.update:.1e} of their size; "
            "healthy steps change 1e-4 to 1e-2.",
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
    momentum = float(getattr(layer.layer, "momentum", 0.99))
    if run.underway and run.steps * (1 - momentum) < SETTLED:
        return  # the moving means are still on their way
    values = run.history.get("val_loss", ())[-3:]
    if len(values) == 3 and np.median(values) <= APART * inside + 0.3:
        return  # it comes and goes
    smaller = f"take a smaller momentum than {momentum:g} (BatchNorm(momentum=0.9)), or "
    yield Finding(
        "BatchNorm in training and outside far apart",
        f"With the means of the batch the loss is {inside:.3g}, with the moving means, as in "
        f"predict, {outside:.3g}.",
        f"Train for more steps, {smaller * (momentum > 0.9)}let the rate fall towards the end "
        "(CosineDecay); take batches of 16 images or more.",
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
