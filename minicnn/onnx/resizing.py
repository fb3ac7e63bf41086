"""Resizing, CenterCrop and RandomCrop in ONNX: how they are written, and how Resize is read."""

import math

import numpy as np

from minicnn.errors import ConfigError, ModelFileError
from minicnn.layers import Resizing, UpSampling2D
from minicnn.layers.resizing import ToSize
from minicnn.onnx.graph import NCHW, Flow, Graph
from minicnn.onnx.net import BATCH, Net, only, text
from minicnn.onnx.reading import Node
from minicnn.onnx.values import Value, after, check_size, images

MODES = {
    "nearest": {"mode": "nearest", "nearest_mode": "round_prefer_ceil"},
    "bilinear": {"mode": "linear"},
}
"""The interpolations that ONNX has too, and what it calls them."""


def to_size(graph: Graph, layer: ToSize, x: Flow) -> Flow:
    """Slice or Pad, and Resize, of images (N, C, H, W); RandomCrop as outside training."""
    h, w, _ = x.shape
    sides = np.array(layer.sides((h, w)))
    size, out = np.add((h, w), sides.sum(axis=1)), (layer.height, layer.width)
    y = x.name
    if sides.min() < 0:
        starts = graph.array("starts", -sides[:, 0], "int64")
        ends = graph.array("ends", size - sides[:, 0], "int64")
        y = graph.node("Slice", [y, starts, ends, graph.array("axes", (2, 3), "int64")])
    if sides.max() > 0:
        pads = graph.array("padding", (0, 0, *sides[:, 0], 0, 0, *sides[:, 1]), "int64")
        y = graph.node("Pad", [y, pads, graph.array("fill_value", float(layer.fill_value))])
    if tuple(size) != out:
        between = layer.interpolation == "nearest" and any(map(_between, size, out))
        if layer.interpolation not in MODES or layer.antialias or between:
            raise ConfigError(
                f"export_onnx: expected an interpolation that all runtimes compute alike, got "
                f"{layer.who} with {layer.interpolation!r}{', antialias' * bool(layer.antialias)}"
                f"{' between two pixels' * between}. Use 'bilinear'."
            )
        scales = graph.array("scales", (1, 1, *map(_scale, size, out)))
        half = {"coordinate_transformation_mode": "half_pixel"}
        y = graph.node("Resize", [y, "", scales], **MODES[layer.interpolation], **half)
    return Flow(y, layer.output_shape(x.shape), NCHW)


def _scale(n: int, out: int) -> float:
    """The quotient in single precision, of which runtimes round n times it down to ``out``."""
    scale = np.float32(out / n)
    return float(scale if float(scale) * n >= out else np.nextafter(scale, np.float32(np.inf)))


def _between(n: int, out: int) -> bool:
    """Whether a new pixel lies right between two old ones, but for the rounding of the scale."""
    halfway = (2 * np.arange(out) + 1) * n % (2 * out) == 0
    return bool(halfway.any()) and float(np.float32(out / n)) * n != out


def resize(net: Net, node: Node) -> Value:
    """Images made larger or smaller; by whole factors it is UpSampling2D."""
    x = images(net.value(node))
    only(node, antialias=0, exclude_outside=0, keep_aspect_ratio_policy="stretch")
    if node.opset < 11:
        raise ModelFileError("expected version 11 of ONNX' operators or a later one.")
    h, w, c = x.shape
    height, width = out = _size(net, node, x)
    check_size((height, width, c))
    whole = height % h == 0 and width % w == 0
    mode = text(node, "mode", "nearest")
    at = text(node, "coordinate_transformation_mode", "half_pixel")
    rounding = text(node, "nearest_mode", "round_prefer_floor")
    halves = at == "half_pixel" or (at == "pytorch_half_pixel" and min(out) > 1)
    if mode == "linear" and halves:
        interpolation = "bilinear"
    elif mode == "nearest" and (
        (halves and rounding == "round_prefer_ceil")
        or (whole and (halves and rounding.startswith("round_")))
        or (whole and (at, rounding) == ("asymmetric", "floor"))
    ):
        interpolation = "nearest"
    else:
        raise ModelFileError(
            f"expected pixels repeated or mixed as Resizing does, got {mode!r:.20} {at!r:.40} "
            f"{rounding!r:.20}."
        )
    if whole:
        return after(x, UpSampling2D((height // h, width // w), interpolation))
    return after(x, Resizing(height, width, interpolation))


def _size(net: Net, node: Node, x: Value) -> tuple[int, int]:
    """The height and width, by scales or by sizes."""
    h, w, c = x.shape
    scales, sizes = net.optional(node, 2), net.numbers(node, 3)
    if sizes is not None and len(sizes) == 4:
        if sizes[0] not in (BATCH, net.batch) or sizes[1] != c:
            raise ModelFileError("expected the batch and the channels to stay as they are.")
        factors = [1.0, 1.0, sizes[2] / h, sizes[3] / w]
    else:
        factors = [] if scales is None else [float(scale) for scale in scales.ravel()[:5]]
    if len(factors) != 4 or factors[:2] != [1, 1] or not all(map(math.isfinite, factors)):
        raise ModelFileError("expected factors for height and width alone.")
    down, across = round(h * factors[2]), round(w * factors[3])
    near = math.isclose(down, h * factors[2], rel_tol=1e-6)
    if not near or not math.isclose(across, w * factors[3], rel_tol=1e-6) or min(down, across) < 1:
        raise ModelFileError("expected factors that make whole pixels, 1 or more.")
    return down, across
