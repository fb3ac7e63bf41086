"""Where in a picture a network looked: Grad-CAM, saliency, occlusion, and what its layers made."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import number as check_number
from minicnn._core.arguments import whole_number
from minicnn._core.shapes import Array, Pair
from minicnn._core.suggestions import did_you_mean
from minicnn.errors import ConfigError, ShapeError, shown
from minicnn.explain.trace import BackwardTrace, before_softmax, check_model

BATCH = 32
"""Pictures that are computed together in ``occlusion``."""


class ClassMap(NamedTuple):
    """How much each place counts for a class."""

    map: Array
    """(height, width): of the layer for Grad-CAM, else of the picture."""
    of: int
    """The number of the class."""
    name: str
    """Its name, or its number."""
    value: float
    """What the network gives the class: a probability, if it ends in one."""
    layer: str
    """The layer whose maps were weighed; "" for maps of pixels."""


class _Seen:
    """A picture on its way through a network, and the class that is asked for."""

    def __init__(self, who: str, model: Any, image: Any, of: Any) -> None:
        check_model(who, model)
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise ConfigError(
                f"{who}: expected a model of one input and one output, got {len(model.inputs)} and "
                f"{len(model.outputs)}."
            )
        image = np.asarray(image)
        rank = len(model.input_shapes[0])
        if rank != 3:
            raise ShapeError(f"{who}: expected a model of pictures, got inputs of {rank} axes.")
        (self.x,) = model.arrays_of(who, image[None] if image.ndim == rank else image)
        if len(self.x) != 1:
            raise ShapeError(f"{who}: expected one picture, got {len(self.x)}.")
        self.who, self.model = who, model
        self.whole = model.graph()
        last = self.whole.nodes[self.whole.outputs[0] - self.whole.given].layer
        self.middle = 0.5 if last.split_activation()[1] == "sigmoid" else 0.0
        """Where a single output stands between class 0 and class 1: a probability or a logit."""
        self.output = self._outputs(self.x)[0]
        self.of = self._class(of)

    def _outputs(self, x: Array) -> Array:
        (same,) = self.whole.reads_bytes()
        x = x if same else x.astype(self.model.dtype, copy=False)
        found: Array = self.whole.infer([x])[0]
        return found

    def values(self, x: Array) -> Array:
        """What the network gives the class for each picture of a batch; the mean over places."""
        outputs = self._outputs(x)
        if outputs.shape[-1] == 1:
            given = outputs[..., 0] if self.of else 2 * self.middle - outputs[..., 0]
        else:
            given = outputs[..., self.of]
        return np.asarray(given.reshape(len(given), -1).mean(axis=1))

    def _class(self, of: Any) -> int:
        names = list(map(str, self.model.class_names))
        n = max(self.output.shape[-1], 2)
        if of is None:
            means = self.output.reshape(-1, self.output.shape[-1]).mean(axis=0)
            return int(means.argmax()) if len(means) > 1 else int(means[0] > self.middle)
        if isinstance(of, str) and of in names:
            return names.index(of)
        whole = isinstance(of, int | np.integer) and not isinstance(of, bool)
        if not whole or not -n <= of < n:
            known = ", ".join(names[:20]) or f"0 to {n - 1}"
            raise ConfigError(
                f"{self.who}: expected of as one of the classes {known}, got {shown(of)}."
                f"{did_you_mean(of, names)}"
            )
        found: int = of % n
        return int(found)

    def name(self) -> str:
        """The class' name, or its number."""
        names = self.model.class_names
        return str(names[self.of]) if self.of < len(names) else str(self.of)

    def backward(self, x: Array) -> BackwardTrace:
        """The gradient of the class' score, before a softmax or sigmoid, at every number."""
        trace = BackwardTrace(self.model, before_softmax(self.model.graph()), [x], self.name())
        scores = trace.values[trace.graph.outputs[0]]
        dy = np.zeros(scores.shape, self.model.dtype)
        places = scores[..., 0].size
        if scores.shape[-1] == 1:
            dy[...] = (1 if self.of else -1) / places
        else:
            dy[..., self.of] = 1 / places
        trace.dys = [dy]
        return trace

    def made(self, found: Array, layer: str = "") -> ClassMap:
        """The map of the class."""
        return ClassMap(found, self.of, self.name(), float(self.values(self.x)[0]), layer)


def grad_cam(model: Any, image: Any, of: int | str | None = None, layer: Any = None) -> ClassMap:
    """Which places of a layer's maps speak for a class.

        map = max(0, sum over k of a_k * maps_k),   a_k = mean over the places of d score / d maps_k

    ``image`` is one picture (H, W, C), as ``predict`` takes it; ``of`` the class, by number or
    name: the predicted one by default. The score is that before a softmax or sigmoid. ``layer`` is
    a name, an index or a layer whose output has places: by default the last convolution, with the
    normalization and activation behind it.
    Selvaraju et al. (2017). Raises ``ConfigError`` for a class or a layer that is not there,
    ``ShapeError`` for a layer without places, or one that does not lead to the score.

    >>> model = Sequential([Input((8, 8, 1)), Conv2D(2, 3), ReLU(), GlobalAvgPool(), Dense(3)])
    >>> found = explain.grad_cam(model, np.ones((8, 8, 1)), of=2)
    >>> found.map.shape, found.layer, found.of
    ((6, 6), 're_lu', 2)
    """
    seen = _Seen("grad_cam", model, image, of)
    trace = seen.backward(seen.x)
    number = _last_maps(trace) if layer is None else trace.number_of("grad_cam", layer)
    maps = trace.values[number]
    if maps.ndim != 4 or number not in trace.gradients:
        why = "does not lead to the score" if maps.ndim == 4 else f"gives {maps.shape[1:]}"
        raise ShapeError(
            f"grad_cam: expected a layer of maps (height, width, channels) before the score, but "
            f"{trace.name(number)} {why}."
        )
    weights = trace.gradients[number][0].mean(axis=(0, 1), dtype=np.float64)
    found = np.maximum(maps[0] @ weights.astype(maps.dtype), 0)
    return seen.made(found, trace.name(number))


def _last_maps(trace: BackwardTrace) -> int:
    """The last convolution of several places, with the normalization and activation behind it.

    Without a convolution it is the last number of several places.
    """
    end = trace.graph.outputs[0]
    several = [
        number
        for number in range(trace.graph.given, len(trace.values))
        if number != end
        and number in trace.gradients
        and trace.values[number].ndim == 4
        and min(trace.values[number].shape[1:3]) > 1
    ]
    if not several:
        raise ShapeError("grad_cam: expected a network with maps of several places, got none.")
    convolutions = [n for n in several if hasattr(trace.node(n).layer, "kernel_size")]
    found = (convolutions or several)[-1]
    for number in several:
        same = trace.values[number].shape == trace.values[found].shape
        node = trace.node(number)
        random = getattr(node.layer, "random", False)  # dropout does nothing here
        if number > found and node.reads == (found,) and same and not random:
            found = number
    return found


def saliency(
    model: Any,
    image: Any,
    of: int | str | None = None,
    *,
    samples: int = 1,
    noise: float = 0.15,
    seed: int = 0,
) -> ClassMap:
    """How much the score of a class changes with each pixel.

        map = max over the channels of |d score / d pixel|

    Simonyan et al. (2014). With several ``samples`` it is the mean over pictures with normal noise
    of ``noise`` times the picture's range, drawn from ``seed``: SmoothGrad, Smilkov et al. (2017).
    ``image`` and ``of`` are as in ``grad_cam``.

    >>> model = Sequential([Input((2, 2, 1)), Flatten(), Dense(1, kernel_initializer="ones")])
    >>> explain.saliency(model, np.ones((2, 2, 1)), of=1).map.tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    whole_number("saliency", "samples", samples)
    check_number("saliency", "noise", noise, least=0)
    seen = _Seen("saliency", model, image, of)
    x = seen.x.astype(model.dtype)
    spread = noise * float(x.max() - x.min())
    rng = np.random.default_rng(seed)
    total = np.zeros(x.shape[1:3])
    for _ in range(samples):
        moved = x + spread * rng.normal(size=x.shape) if samples > 1 else x
        gradient = seen.backward(moved.astype(model.dtype)).gradient(0)
        total += abs(gradient[0]).max(axis=-1)
    return seen.made((total / samples).astype(model.dtype))


def occlusion(
    model: Any,
    image: Any,
    of: int | str | None = None,
    *,
    size: int | Pair | None = None,
    stride: int | None = None,
    fill: float | None = None,
) -> ClassMap:
    """How much a class loses when a part of the picture is covered.

        map = what the network gives the class, less what it gives when the place is covered

    A square of ``size`` (by default an eighth of the picture) slides over it by ``stride`` (half of
    it); each pixel has the mean over the squares that cover it. It is filled with ``fill``, by
    default the picture's mean colour. Zeiler and Fergus (2014). ``image`` and ``of`` are as in
    ``grad_cam``.

    >>> model = Sequential([Input((4, 4, 1)), Flatten(), Dense(1, kernel_initializer="ones")])
    >>> picture = np.zeros((4, 4, 1)); picture[0, 0] = 1
    >>> explain.occlusion(model, picture, of=1, size=1, stride=1, fill=0).map[0].tolist()
    [1.0, 0.0, 0.0, 0.0]
    """
    seen = _Seen("occlusion", model, image, of)
    height, width = seen.x.shape[1:3]
    default = max(1, min(height, width) // 8)
    rows, columns = (size, size) if isinstance(size, int) else size or (default, default)
    for name, value, most in (("size", rows, height), ("size", columns, width)):
        whole_number("occlusion", name, value, 1, most)
    step = max(1, min(rows, columns) // 2) if stride is None else stride
    whole_number("occlusion", "stride", step)
    x = seen.x.astype(model.dtype)  # bytes could not hold every fill
    colour = x[0].mean(axis=(0, 1)) if fill is None else fill
    before = seen.values(x)[0]
    total, count = np.zeros((height, width)), np.zeros((height, width))
    places = list(_squares((height, width), (rows, columns), step))
    for first in range(0, len(places), BATCH):
        some = places[first : first + BATCH]
        covered = np.repeat(x, len(some), axis=0)
        for picture, place in zip(covered, some, strict=True):
            picture[place] = colour
        for place, value in zip(some, seen.values(covered), strict=True):
            total[place] += before - value
            count[place] += 1
    return seen.made((total / count).astype(model.dtype))


def _squares(picture: Pair, size: Pair, step: int) -> Iterator[tuple[slice, slice]]:
    """Squares that cover all of a picture; the last ones end where it ends."""
    starts = [
        sorted({*range(0, whole - part + 1, step), whole - part})
        for whole, part in zip(picture, size, strict=True)
    ]
    for top in starts[0]:
        for left in starts[1]:
            yield slice(top, top + size[0]), slice(left, left + size[1])


def feature_maps(model: Any, image: Any, layer: Any) -> Array:
    """What a layer made of one picture: (height, width, channels), or another output's shape.

    ``layer`` is a name, an index in ``model.layers`` or the layer. Raises ``ConfigError`` for a
    layer that is not there.

    >>> model = Sequential([Input((4, 4, 1)), Conv2D(2, 3), Flatten()])
    >>> explain.feature_maps(model, np.ones((4, 4, 1)), "conv2d").shape
    (2, 2, 2)
    """
    check_model("feature_maps", model)
    image = np.asarray(image)
    one = image.ndim == len(model.input_shapes[0])
    xs: Sequence[Array] = model.arrays_of("feature_maps", image[None] if one else image)
    trace = BackwardTrace(model, model.graph(), [x[:1] for x in xs], "")
    found: Array = trace.values[trace.number_of("feature_maps", layer)][0]
    return found
