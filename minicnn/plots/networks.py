"""The picture of a network: a box for each layer, and arrows to what takes its output."""

import io
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from minicnn._core.arguments import number
from minicnn._core.signatures import checked
from minicnn._files.paths import path_of
from minicnn.errors import ConfigError, shown
from minicnn.plots.drawing import literal, matplotlib_ready, new_figure, on_page, save, write
from minicnn.plots.layered import Point, laid_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEAD, BODY, EDGE = "#26415f", "#ffffff", "#26415f"
TEXT = 9.0
"""Points."""
LINE = 0.19
"""Inches of a line of text."""
MARGIN = 0.1
MOST_PIXELS = 65_000
"""Along either side of a picture; Matplotlib draws no larger ones."""


class Box(NamedTuple):
    """A layer: its heading, and lines of text."""

    name: str
    heading: str
    lines: tuple[str, ...]


class Boxes(NamedTuple):
    """A network as it is drawn."""

    boxes: list[Box]
    arrows: list[tuple[int, int]]


class Shown(NamedTuple):
    """What boxes say of layers."""

    shapes: bool
    dtype: bool
    names: bool
    activations: bool
    trainable: bool


@checked
def plot_model(
    model: Any,
    to_file: str | os.PathLike[str] = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: float = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> Any:
    """Draw a network into a file (.png, .jpg, .svg, .pdf): a box for each layer, arrows between.

    Boxes name the layer's class, its name, and the shapes, activation and so on that are asked for.
    ``rankdir`` is "TB" for downwards, or "LR", "BT", "RL". ``expand_nested`` draws the layers of
    models and Residuals within. Matplotlib draws it; Graphviz is not needed. Gives IPython's
    picture where IPython runs, as Keras does, else None. Raises ``ConfigError`` for a model that is
    not built, and for other files.

    >>> import tempfile
    >>> model = Sequential([Input((4,)), Dense(3)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     plot_model(model, f"{folder}/model.svg", show_shapes=True)
    """
    path = path_of("plot_model", "to_file", to_file)
    path = path if path.suffix else path.with_name(f"{path.name}.png")
    number("plot_model", "dpi", dpi, above=0)
    says = Shown(show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable)
    figure = drawn(boxes_of("plot_model", model, says, expand_nested), rankdir)
    save(figure, path, dpi=_dpi(figure, dpi))
    display = sys.modules.get("IPython.display")
    if display is None or path.suffix == ".pdf":
        return None
    kind = display.SVG if path.suffix == ".svg" else display.Image
    return kind(filename=str(path))


@checked
def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: float = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> "Dot":
    """The same as an object with ``create(format="svg")``, which gives the picture as bytes.

    >>> dot = model_to_dot(Sequential([Input((4,)), Dense(3)]))
    >>> dot.create(prog="dot", format="svg")[:5], "dense" in dot.to_string()
    (b'<?xml', True)
    """
    number("model_to_dot", "dpi", dpi, above=0)
    says = Shown(show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable)
    return Dot(boxes_of("model_to_dot", model, says, expand_nested), rankdir, dpi)


class Dot:
    """A network as pydot has it: a picture as bytes or in a file, or the text of Graphviz.

    >>> Dot(Boxes([Box("a", "A", ())], []), "TB", 200).to_string().splitlines()[0]
    'digraph model {'
    """

    def __init__(self, boxes: Boxes, rankdir: str, dpi: float) -> None:
        self.boxes = boxes
        self.rankdir = _direction(rankdir)
        self.dpi = dpi

    def create(self, prog: Any = None, format: str = "ps", encoding: str | None = None) -> bytes:
        """The picture, as "svg", "png", "jpg" or "pdf"; ``prog`` says nothing here."""
        if format not in ("svg", "png", "jpg", "pdf"):
            raise ConfigError(f"Dot: expected format as svg, png, jpg or pdf, got {shown(format)}.")
        figure, picture = drawn(self.boxes, self.rankdir), io.BytesIO()
        write(lambda: figure.savefig(picture, format=format, dpi=_dpi(figure, self.dpi)))
        return picture.getvalue()

    def create_svg(self, prog: Any = None) -> bytes:
        """``create(format="svg")``."""
        return self.create(prog, "svg")

    def create_png(self, prog: Any = None) -> bytes:
        """``create(format="png")``."""
        return self.create(prog, "png")

    def write(self, path: str | os.PathLike[str], prog: Any = None, format: str = "raw") -> bool:
        """Write the picture, or with "raw" or "dot" the text of Graphviz."""
        if format in ("raw", "dot"):
            Path(path).write_text(self.to_string(), encoding="utf-8")
        else:
            Path(path).write_bytes(self.create(prog, format))
        return True

    def write_png(self, path: str | os.PathLike[str], prog: Any = None) -> bool:
        """``write(path, format="png")``."""
        return self.write(path, prog, "png")

    def to_string(self) -> str:
        """The text that Graphviz reads."""
        lines = ["digraph model {", f"rankdir={self.rankdir};", "node [shape=record];"]
        for i, box in enumerate(self.boxes.boxes):
            text = "|".join(map(_escaped, (box.heading, *box.lines)))
            lines.append(f'n{i} [label="{{{text}}}"];')
        lines += [f"n{a} -> n{b};" for a, b in self.boxes.arrows]
        return "\n".join([*lines, "}", ""])


def _escaped(text: str) -> str:
    return "".join(f"\\{c}" if c in '{}|<>"\\' else c for c in text)


# What is drawn -----------------------------------------------------------------------------


def boxes_of(who: str, model: Any, says: Shown, expand: bool) -> Boxes:
    """A box for each layer of a built model, in running order; with ``expand`` for each node."""
    if not hasattr(model, "inner_calls"):
        raise ConfigError(f"{who}: expected a model, got {shown(model)}.")
    model.require_built()
    return _of_nodes(model, says) if expand else _of_layers(model, says)


def _of_layers(model: Any, says: Shown) -> Boxes:
    at: dict[int, int] = {}
    boxes, arrows = list[Box](), list[tuple[int, int]]()
    for call in model.inner_calls:
        if id(call.layer) in at:
            continue
        at[id(call.layer)] = len(boxes)
        taken = [x.shape for x in call.inputs]
        made = [x.shape for x in call.outputs]
        boxes.append(_box(call.layer, str(call.layer.name), taken, made, model.dtype, says))
    for call in model.inner_calls:
        for x in call.inputs:
            arrow = at[id(x.call.layer)], at[id(call.layer)]
            if arrow[0] < arrow[1]:  # a layer that is used again by what it made points nowhere
                arrows.append(arrow)
    return Boxes(boxes, arrows)


def _of_nodes(model: Any, says: Shown) -> Boxes:
    graph = model.graph()
    boxes, arrows = [], []
    for i, node in enumerate(graph.nodes):
        shapes = node.shape if node.layer.merges else (node.shape,)
        taken = [(None, *shape) for shape in shapes]
        made = [(None, *node.layer.output_shape(node.shape))]
        boxes.append(_box(node.layer, node.name, taken, made, model.dtype, says))
        arrows += [(number - graph.given, i) for number in node.reads if number >= graph.given]
    return Boxes(boxes, arrows)


def _box(
    layer: Any, name: str, taken: Sequence[Any], made: Sequence[Any], dtype: Any, says: Shown
) -> Box:
    kind = type(layer).__name__
    lines = []
    activation = getattr(layer, "activation", None)
    if says.activations and activation is not None:
        lines.append(f"activation {getattr(activation, '__name__', activation)}")
    if says.shapes:
        lines += [f"in {', '.join(map(str, taken))}"] if kind != "InputLayer" else []
        lines.append(f"out {', '.join(map(str, made))}")
    if says.dtype:
        lines.append(f"{dtype}")
    if says.trainable and layer.params:
        lines.append("trainable" if layer.trainable else "frozen")
    return Box(name, f"{name} ({kind})" if says.names else kind, tuple(lines))


# Drawing -----------------------------------------------------------------------------------


def drawn(network: Boxes, rankdir: str) -> "Figure":
    """The figure; raises ``ConfigError`` for a direction that there is not."""
    sideways = _direction(rankdir) in ("LR", "RL")
    backwards = rankdir in ("BT", "RL")
    with matplotlib_ready():
        sizes = [box_size(box) for box in network.boxes]
        turned = [(h, w) for w, h in sizes] if sideways else sizes
        layout = laid_out(turned, network.arrows)
        long, high = layout.width, layout.height

        def place(point: Point) -> Point:
            x, y = point
            y = high - y if backwards else y
            return (y, x) if sideways else (x, y)

        width, height = (high, long) if sideways else (long, high)
        figure = new_figure(width + 2 * MARGIN, height + 2 * MARGIN)
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(-MARGIN, width + MARGIN)
        axes.set_ylim(height + MARGIN, -MARGIN)
        for box, size, centre in zip(network.boxes, sizes, layout.centres, strict=True):
            draw_box(axes, box, size, place(centre))
        for way in layout.ways:
            draw_way(axes, [place(point) for point in way], sideways)
    return figure


def _direction(rankdir: Any) -> str:
    if rankdir not in ("TB", "LR", "BT", "RL"):
        raise ConfigError(f"plot_model: expected rankdir as TB, LR, BT or RL, got {rankdir!r}.")
    return str(rankdir)


def box_size(box: Box) -> tuple[float, float]:
    """Inches of a box around its text."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    def width(text: str, weight: str) -> float:
        font = FontProperties(size=TEXT, weight=weight)
        return float(TextToPath().get_text_width_height_descent(text, font, False)[0]) / 72

    widths = [width(box.heading, "bold"), *(width(line, "normal") for line in box.lines)]
    return max(widths) + 0.24, (1 + len(box.lines)) * LINE + 0.1


def draw_box(
    axes: "Axes", box: Box, size: tuple[float, float], centre: Point, colour: str = HEAD
) -> None:
    """A box around its texts; the heading has the colour."""
    from matplotlib.patches import Rectangle

    (width, height), (x, y) = size, centre
    left, top = x - width / 2, y - height / 2
    head = LINE + 0.06 if box.lines else height
    axes.add_patch(Rectangle((left, top), width, height, facecolor=BODY, edgecolor=EDGE, lw=0.8))
    axes.add_patch(Rectangle((left, top), width, head, facecolor=colour, edgecolor=EDGE, lw=0.8))
    style: dict[str, Any] = {"ha": "center", "va": "center_baseline", "fontsize": TEXT}
    axes.text(x, top + head / 2, literal(box.heading), color="white", weight="bold", **style)
    for i, line in enumerate(box.lines):
        axes.text(x, top + head + (i + 0.5) * LINE + 0.02, literal(line), color="#111111", **style)


def draw_way(axes: "Axes", points: Sequence[Point], sideways: bool) -> None:
    """A line from box to box that leaves, passes ranks and arrives straight."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Line

    corners, codes = [points[0]], [Line.MOVETO]
    for (ax, ay), (bx, by) in pairwise(points):
        if sideways:
            middle = (ax + bx) / 2
            corners += [(middle, ay), (middle, by), (bx, by)]
        else:
            middle = (ay + by) / 2
            corners += [(ax, middle), (bx, middle), (bx, by)]
        codes += [Line.CURVE4] * 3
    axes.add_patch(
        FancyArrowPatch(
            path=Line(corners, codes),
            arrowstyle="-|>,head_length=4,head_width=2",
            color=on_page(EDGE),
            lw=0.8,
            shrinkA=0,
            shrinkB=0,
        )
    )


def within_limits(width: float, height: float) -> tuple[float, float]:
    """Inches of a figure of that form that is not too large to draw at 120 dots an inch."""
    shrink = min(1.0, MOST_PIXELS / 120 / max(width, height))
    return width * shrink, height * shrink


def _dpi(figure: "Figure", wanted: float) -> float:
    """Dots an inch: as many as are wanted, unless the picture would be too large to draw."""
    return min(wanted, MOST_PIXELS / float(max(figure.get_size_inches())))
