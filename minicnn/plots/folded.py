"""A network on a slide: its boxes in columns side by side, or in a U where it comes back up."""

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from minicnn._core.shapes import Shape
from minicnn._core.signatures import checked
from minicnn.errors import ConfigError, shown
from minicnn.explain.receptive_fields import fields
from minicnn.layers.weighted import Weighted
from minicnn.layers.windowed import Windowed
from minicnn.models.summary_data import kernel_text
from minicnn.plots.drawing import finished, matplotlib_ready, new_figure, on_page
from minicnn.plots.layered import Layout, Point, laid_out
from minicnn.plots.networks import (
    EDGE,
    HEAD,
    Box,
    box_size,
    draw_box,
    draw_way,
    within_limits,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLAIN = "#4d4d4d"
"""The heading of what has no weights."""
BETWEEN, ASIDE = 0.24, 0.55
"""Inches between ranks, and between columns."""
MARGIN = 0.15
SLIDE = 16 / 9
"""The form that columns are folded to: width by height."""


class Item(NamedTuple):
    """A layer, with those behind it that make each number of one."""

    box: Box
    learns: bool
    shape: Shape

    @property
    def rows(self) -> int:
        """The height of its images; 0 for what is none, or has one place."""
        return self.shape[0] if len(self.shape) == 3 and self.shape[0] > 1 else 0


class Column(NamedTuple):
    """Items one below the other, with where they lie in it."""

    items: list[int]
    layout: Layout


@checked
def plot_network(model: Any, path: str | os.PathLike[str] | None = None) -> "Figure":
    """Draw a network with its shapes, parameters and receptive fields, as wide as a slide.

    A box is a layer, with what follows it place by place (normalization, activation, dropout), and
    says its kernel, what it makes, its parameters and how many pixels a number of it sees. Boxes go
    down in columns; a network that comes back to larger images, such as a U-Net, is drawn as a U,
    a level for each size. ``path`` may end in .png, .svg, .pdf or .jpg. Graphviz is not needed.
    Raises ``ConfigError`` for a model that is not built.

    >>> model = Sequential([Input((8, 8, 1)), Conv2D(2, 3), ReLU(), Flatten(), Dense(3)])
    >>> figure = plots.plot_network(model)
    >>> [text.get_text() for text in figure.axes[0].texts][3:6]
    ['Conv2D 3x3', 'conv2d, ReLU', '6x6x2, 20 params, sees 3x3']
    """
    if not hasattr(model, "inner_calls"):
        raise ConfigError(f"plot_network: expected a model, got {shown(model)}.")
    model.require_built()
    items, arrows = _items(model)
    with matplotlib_ready():
        sizes = [box_size(item.box) for item in items]
        levels = _levels(items, arrows)
        if levels is None:
            columns = _folded(items, arrows, sizes)
        else:
            columns = [_column(part, arrows, sizes) for part in _runs(items)]
        figure = _drawn(items, sizes, columns, arrows, levels)
    return finished(figure, path)


def _items(model: Any) -> tuple[list[Item], list[tuple[int, int]]]:
    """The boxes in running order, and the arrows between them."""
    graph = model.graph()
    seen, readers = fields(graph), graph.readers()
    groups: list[list[int]] = []
    of: dict[int, int] = {}
    for place, node in enumerate(graph.nodes):
        number = node.reads[0]
        alone = number in of and readers[number] == [place] and len(node.reads) == 1
        alike = node.layer.output_shape(node.shape) == node.shape
        if not (alone and alike) or isinstance(node.layer, Weighted | Windowed):
            groups.append([])
            of[graph.given + place] = len(groups) - 1
        else:
            of[graph.given + place] = of[number]
        groups[of[graph.given + place]].append(place)
    items = [_item([graph.nodes[i] for i in group], seen[graph.given + group[-1]])
             for group in groups]  # fmt: skip
    arrows = dict.fromkeys(
        (of[i], of[graph.given + place])
        for place, node in enumerate(graph.nodes)
        for i in node.reads
        if i in of and of[i] != of[graph.given + place]
    )
    return items, list(arrows)


def _item(nodes: Sequence[Any], field: Any) -> Item:
    first = nodes[0]
    shape = nodes[-1].layer.output_shape(nodes[-1].shape)
    params = sum(array.size for node in nodes for array in node.layer.arrays().values())
    kinds = [type(node.layer).__name__ for node in nodes]
    says = ["x".join(map(str, shape)), *[f"{params:,} params"] * bool(params)]
    if field is not None and type(first.layer).__name__ != "InputLayer":
        says.append(f"sees {field}")
    heading = f"{kinds[0]} {kernel_text(first.layer, first.shape)}".rstrip()
    names = ", ".join([first.name, *(kind for kind in kinds[1:] if kind != "InputLayer")])
    return Item(Box(first.name, heading, (names, ", ".join(says))), params > 0, shape)


# Where they lie ----------------------------------------------------------------------------


def _levels(items: Sequence[Item], arrows: Sequence[tuple[int, int]]) -> list[int] | None:
    """The level of each item in a U, from the size of its images; None for another network."""
    comes_back = any(
        items[a].rows == items[b].rows and any(0 < one.rows < items[a].rows for one in items[a:b])
        for a, b in arrows
    )
    if not comes_back:
        return None
    sizes = sorted({item.rows for item in items if item.rows}, reverse=True)
    levels = list[int]()
    for item in items:
        levels.append(sizes.index(item.rows) if item.rows else (levels or [0])[-1])
    return levels


def _runs(items: Sequence[Item]) -> list[list[int]]:
    """Items that follow each other with images of one size."""
    parts = [[0]]
    for i in range(1, len(items)):
        if items[i].rows in (0, items[i - 1].rows):
            parts[-1].append(i)
        else:
            parts.append([i])
    return parts


def _folded(
    items: Sequence[Item], arrows: Sequence[tuple[int, int]], sizes: Sequence[tuple[float, float]]
) -> list[Column]:
    """As many columns as make the form of a slide, cut where everything goes through one box."""
    heights = _heights(items, arrows, sizes)
    width = max(width for width, _ in sizes)
    for _ in range(2):  # how wide columns are is known when there are some
        count = max(1, round(math.sqrt(SLIDE * heights[-1] / (width + ASIDE))))
        columns = [_column(part, arrows, sizes) for part in _cut(arrows, heights, count)]
        width = sum(column.layout.width for column in columns) / len(columns)
    return columns


def _cut(
    arrows: Sequence[tuple[int, int]], heights: Sequence[float], count: int
) -> list[list[int]]:
    """Items in running order in so many parts of about the same height, or in fewer."""
    farthest = [-1] * len(heights)
    for a, b in arrows:
        farthest[a] = max(farthest[a], b)
    cuts, reached = list[int](), -1
    for i in range(len(heights) - 1):
        if reached <= i:
            cuts.append(i)
        reached = max(reached, farthest[i])
    parts, begun = list[list[int]](), 0
    for number in range(1, count):
        wanted, far = heights[-1] * number / count, heights[-1] / count / 2
        near = [i for i in cuts if i >= begun and abs(heights[i] - wanted) <= far]
        if near:
            cut = min(near, key=lambda i: abs(heights[i] - wanted))
            parts.append(list(range(begun, cut + 1)))
            begun = cut + 1
    return [*parts, list(range(begun, len(heights)))]


def _heights(
    items: Sequence[Item], arrows: Sequence[tuple[int, int]], sizes: Sequence[tuple[float, float]]
) -> list[float]:
    """How far down each item ends, were all in one column."""
    found = [size[1] for size in sizes]
    for a, b in sorted(arrows, key=lambda arrow: arrow[1]):
        found[b] = max(found[b], found[a] + BETWEEN + sizes[b][1])
    for i in range(1, len(items)):
        found[i] = max(found[i], found[i - 1])
    return found


def _column(
    part: list[int], arrows: Sequence[tuple[int, int]], sizes: Sequence[tuple[float, float]]
) -> Column:
    at = {item: place for place, item in enumerate(part)}
    inside = [(at[a], at[b]) for a, b in arrows if a in at and b in at]
    return Column(part, laid_out([sizes[i] for i in part], inside, BETWEEN))


# Drawing -----------------------------------------------------------------------------------


def _drawn(
    items: Sequence[Item],
    sizes: Sequence[tuple[float, float]],
    columns: Sequence[Column],
    arrows: Sequence[tuple[int, int]],
    levels: Sequence[int] | None,
) -> "Figure":
    tops = _tops(columns, levels)
    lefts = [0.0]
    for column in columns:
        lefts.append(lefts[-1] + column.layout.width + ASIDE)
    width = lefts[-1] - ASIDE
    height = max(t + column.layout.height for t, column in zip(tops, columns, strict=True))
    figure = new_figure(*within_limits(width + 2 * MARGIN, height + 2 * MARGIN))
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(-MARGIN, width + MARGIN)
    axes.set_ylim(height + MARGIN, -MARGIN)
    centres: dict[int, Point] = {}
    column_of: dict[int, int] = {}
    for number, (column, left, top) in enumerate(zip(columns, lefts, tops, strict=False)):
        for i, (x, y) in zip(column.items, column.layout.centres, strict=True):
            centres[i], column_of[i] = (x + left, y + top), number
        for way in column.layout.ways:
            draw_way(axes, [(x + left, y + top) for x, y in way], sideways=False)
    across = [(a, b) for a, b in arrows if column_of[a] != column_of[b]]
    _draw_across(axes, across, centres, sizes, column_of, lefts)
    for i, item in enumerate(items):
        draw_box(axes, item.box, sizes[i], centres[i], HEAD if item.learns else PLAIN)
    return figure


def _tops(columns: Sequence[Column], levels: Sequence[int] | None) -> list[float]:
    """Where each column begins: at the top, or below all of the levels above its."""
    if levels is None:
        return [0.0] * len(columns)
    of = [levels[column.items[0]] for column in columns]
    heights = [0.0] * (max(of) + 1)
    for level, column in zip(of, columns, strict=True):
        heights[level] = max(heights[level], column.layout.height)
    return [sum(heights[:level]) + level * BETWEEN for level in of]


def _draw_across(
    axes: "Axes",
    arrows: Sequence[tuple[int, int]],
    centres: dict[int, Point],
    sizes: Sequence[tuple[float, float]],
    column_of: dict[int, int],
    lefts: Sequence[float],
) -> None:
    """Lines from column to column, each with a place of its own in the space between."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Line

    into: dict[int, list[tuple[int, int]]] = {}
    for a, b in arrows:
        into.setdefault(column_of[b], []).append((a, b))
    for column, some in into.items():
        for place, (a, b) in enumerate(sorted(some, key=lambda arrow: -centres[arrow[1]][1])):
            (ax, ay), (bx, by) = centres[a], centres[b]
            x = lefts[column] - ASIDE * (place + 1) / (len(some) + 1.5)
            start, end = ax + sizes[a][0] / 2, bx - sizes[b][0] / 2
            corners = [(start, ay), (x, ay), (x, by), (end, by)]
            if any(
                column_of[i] == column and abs(y - by) < sizes[b][1] and left < bx
                for i, (left, y) in centres.items()
            ):  # it stands behind another box: from above
                top = by - sizes[b][1] / 2
                corners[2:] = [(x, top - BETWEEN / 2), (bx, top - BETWEEN / 2), (bx, top)]
            axes.add_patch(
                FancyArrowPatch(
                    path=Line(corners),
                    arrowstyle="-|>,head_length=4,head_width=2",
                    color=on_page(EDGE),
                    lw=0.8,
                    shrinkA=0,
                    shrinkB=0,
                    joinstyle="round",
                )
            )
