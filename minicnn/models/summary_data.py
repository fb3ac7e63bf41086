"""What ``summary`` says of a model, as data."""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from minicnn._core.shapes import Pair, Shape
from minicnn.layers.symbolic import Call
from minicnn.layers.windowed import Windowed


@dataclass(frozen=True)
class LayerFacts:
    """One line of a summary: numbers are those of one image."""

    name: str
    class_name: str
    depth: int
    """0 for a layer of the model, 1 for one within it, ..."""
    output_shape: Shape | None
    """Without the batch axis; None for a layer that is not built, as in all that follow."""
    kernel_size: tuple[int, int] | None
    """Rows and columns of its window; None if it has none."""
    strides: tuple[int, int] | None
    dilation: tuple[int, int] | None
    receptive_field: tuple[int, int] | None
    """Rows and columns of the image that a number of it sees; None if there is no image."""
    sees_all: bool
    """Whether that is the whole image, as behind a Dense or a global pooling."""
    params: int | None
    multiply_adds: int | None
    activation_bytes: int | None
    trainable: bool | None
    """None for a layer without weights."""
    connected_to: tuple[str, ...]

    @property
    def kernel(self) -> str:
        """Its window as 3x3, with strides 3x3/2, or dilated 3x3*2."""
        if self.kernel_size is None or self.strides is None or self.dilation is None:
            return ""
        return window_text(self.kernel_size, self.strides, self.dilation)

    @property
    def field(self) -> str:
        """Its receptive field as 5x5, or "all"."""
        if self.receptive_field is None:
            return ""
        return "all" if self.sees_all else _by(self.receptive_field)


class Summary:
    """What ``Model.summary`` has printed, as text and as data.

    >>> model = Sequential([Input((8, 8, 1)), Conv2D(2, 3), Flatten(), Dense(3)], name="tiny")
    >>> found = model.summary(print_fn=lambda line: None)
    >>> found
    Summary('tiny', 3 layers, 239 parameters)
    >>> found.layers[1].kernel, found.layers[1].receptive_field, found.totals["multiply_adds"]
    ('3x3', (3, 3), 864)
    """

    def __init__(
        self,
        name: str,
        lines: Sequence[str],
        layers: Sequence[LayerFacts],
        totals: Mapping[str, int],
        html: str,
    ) -> None:
        self.name = name
        self.lines = list(lines)
        self.layers = list(layers)
        """A line each."""
        self.totals = dict(totals)
        """Of the whole model "parameters", "parameter_bytes", "trainable", "multiply_adds" and
        "activation_bytes"; with ``batch_size`` also "training_bytes" and "predicting_bytes"."""
        self._html = html
        self._cell = _cell()

    @property
    def text(self) -> str:
        """The lines that were printed."""
        return "\n".join(self.lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: name, layers, totals."""
        return {
            "name": self.name,
            "layers": [asdict(layer) for layer in self.layers],
            "totals": self.totals,
        }

    def __repr__(self) -> str:
        """In one line: the table has been printed already."""
        count = sum(one.depth == 0 and one.class_name != "InputLayer" for one in self.layers)
        params = self.totals.get("parameters")
        built = "not built" if params is None else f"{params:,} parameters"
        return f"Summary({self.name!r}, {count} layer{'s' * (count != 1)}, {built})"

    def _ipython_display_(self) -> None:
        """The table, but not as the value of the cell that has printed it."""
        if _cell() != self._cell:
            from IPython.display import display

            display({"text/html": self._html, "text/plain": self.text}, raw=True)


def _cell() -> int | None:
    """The number of IPython's cell, in a notebook or a terminal."""
    find: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    return getattr(find(), "execution_count", None)


def facts(model: Any, layers: Sequence[Any], expand_nested: bool) -> Iterator[LayerFacts]:
    """What is said of layers and what they are made of."""
    from minicnn.explain import receptive_fields

    seen = receptive_fields.by_name(model.graph()) if model.built else {}
    calls: dict[int, list[Call]] = {}
    for call in model.inner_calls:
        calls.setdefault(id(call.layer), []).append(call)
    for layer in layers:
        uses = calls.get(id(layer), []) if model.built else []
        inputs = [] if model.is_row else [str(x.name) for use in uses for x in use.inputs]
        if not uses:
            yield _unknown(layer)
            continue
        shapes = [x.sizes for use in uses for x in use.outputs]
        size = sum(math.prod(shape) for shape in shapes) * model.dtype.itemsize
        adds = sum(layer.multiply_adds(use.shape) for use in uses if use.inputs)
        taken = uses[0].shape if uses[0].inputs else None
        yield _known(layer, taken, shapes[0], adds, size, seen, str(layer.name), inputs)
        yield from _within(layer, expand_nested, seen, str(layer.name), 1)


def _within(
    layer: Any, expand_nested: bool, seen: Mapping[str, Any], path: str, depth: int
) -> Iterator[LayerFacts]:
    """What a layer is made of, or a model if that is asked for."""
    if hasattr(layer, "inner_calls") and not expand_nested:
        return
    for part in layer.sublayers:
        shape, name = _output(part), f"{path}.{part.name}"
        adds = part.multiply_adds(part.input_shape)
        size = math.prod(shape) * part.dtype.itemsize
        yield _known(part, part.input_shape, shape, adds, size, seen, name, (), depth)
        yield from _within(part, expand_nested, seen, name, depth + 1)


def _output(layer: Any) -> Any:
    if hasattr(layer, "output_shapes"):  # a model
        return layer.output_shapes[0]
    return layer.output_shape(layer.input_shape)


def _known(
    layer: Any,
    taken: Any,
    shape: Shape,
    adds: int,
    size: int,
    seen: Mapping[str, Any],
    path: str,
    inputs: Sequence[str],
    depth: int = 0,
) -> LayerFacts:
    arrays, field = layer.arrays(), seen.get(path)
    place = layer.place(taken) if isinstance(layer, Windowed) else None
    return LayerFacts(
        name=str(layer.name),
        class_name=type(layer).__name__,
        depth=depth,
        output_shape=tuple(shape),
        kernel_size=place and place.windows.size,
        strides=place and place.windows.strides,
        dilation=place and place.dilation,
        receptive_field=field and field.size,
        sees_all=bool(field and field.whole),
        params=sum(array.size for array in arrays.values()),
        multiply_adds=adds,
        activation_bytes=size,
        trainable=bool(layer.trainable) if arrays else None,
        connected_to=tuple(inputs),
    )


def _unknown(layer: Any) -> LayerFacts:
    """Of a layer that is not built."""
    nothing = dict.fromkeys(
        ("output_shape", "kernel_size", "strides", "dilation", "receptive_field", "params")
    )
    return LayerFacts(
        **nothing,
        name=str(layer.name),
        class_name=type(layer).__name__,
        depth=0,
        sees_all=False,
        multiply_adds=None,
        activation_bytes=None,
        trainable=bool(layer.trainable),
        connected_to=(),
    )


def totals(model: Any) -> dict[str, int]:
    """Those of a whole model; nothing of one that is not built."""
    if not model.built:
        return {}
    nodes, itemsize = model.graph().nodes, model.dtype.itemsize
    params = sum(array.size for array in model.arrays().values())
    outputs = [x for call in model.inner_calls for x in call.outputs]
    return {
        "parameters": params,
        "parameter_bytes": params * itemsize,
        "trainable": sum(array.size for array in model.learned().values()),
        "multiply_adds": sum(node.layer.multiply_adds(node.shape) for node in nodes),
        "activation_bytes": sum(math.prod(x.sizes) for x in outputs) * itemsize,
    }


def kernel_text(layer: Any, taken: Any) -> str:
    """The window of a layer on such an image, as ``LayerFacts.kernel``; "" if it has none."""
    if not isinstance(layer, Windowed):
        return ""
    place = layer.place(taken)
    return window_text(place.windows.size, place.windows.strides, place.dilation)


def window_text(size: Pair, strides: Pair, dilation: Pair) -> str:
    """A window in short.

    >>> window_text((3, 3), (2, 2), (1, 1)), window_text((1, 5), (1, 1), (2, 1))
    ('3x3/2', '1x5*2x1')
    """
    text = _by(size)
    for mark, of in (("/", strides), ("*", dilation)):
        if of != (1, 1):
            text += f"{mark}{of[0] if of[0] == of[1] else _by(of)}"
    return text


def _by(pair: tuple[int, int]) -> str:
    return f"{pair[0]}x{pair[1]}"
