"""Pictures of where a network looked, and of what its layers made and hold."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.shapes import Array
from minicnn.errors import ConfigError, ShapeError
from minicnn.explain.maps import ClassMap, feature_maps, grad_cam, occlusion, saliency
from minicnn.plots.classifying import shown_as
from minicnn.plots.drawing import SIGNED, finished, literal, matplotlib_ready, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = "viridis"
"""Colours of numbers from 0 on, which the colour-blind can read, and which rise in grey too."""


def plot_grad_cam(
    model: Any,
    image: Any,
    of: int | str | None = None,
    layer: Any = None,
    path: str | os.PathLike[str] | None = None,
) -> "Figure":
    """Draw a picture, and over it the places of a layer that speak for a class.

    A line runs around what has more than half of the largest value.
    See ``explain.grad_cam``.

    >>> model = Sequential([Input((8, 8, 1)), Conv2D(2, 3), GlobalAvgPool(), Dense(3, "softmax")])
    >>> plot_grad_cam(model, np.ones((8, 8, 1)), of=1).axes[0].get_title().split(":")[0]
    '1'
    """
    found = grad_cam(model, image, of, layer)
    return _over("plot_grad_cam", image, found, f"Grad-CAM of {found.name} in {found.layer}", path)


def plot_saliency(
    model: Any,
    image: Any,
    of: int | str | None = None,
    path: str | os.PathLike[str] | None = None,
    *,
    samples: int = 16,
    seed: int = 0,
) -> "Figure":
    """Draw a picture, and how much the score of a class changes with each pixel.

    See ``explain.saliency``.
    """
    found = saliency(model, image, of, samples=samples, seed=seed)
    return _over("plot_saliency", image, found, f"saliency for {found.name}", path, alone=True)


def plot_occlusion(
    model: Any,
    image: Any,
    of: int | str | None = None,
    path: str | os.PathLike[str] | None = None,
    **options: Any,
) -> "Figure":
    """Draw a picture, and how much a class loses when a part of it is covered.

    ``options`` are those of ``explain.occlusion``.
    """
    found = occlusion(model, image, of, **options)
    title = f"what {found.name} loses when covered"
    return _over("plot_occlusion", image, found, title, path, signed=True)


def _over(
    who: str,
    image: Any,
    found: ClassMap,
    title: str,
    path: str | os.PathLike[str] | None,
    *,
    signed: bool = False,
    alone: bool = False,
) -> "Figure":
    """A picture, and beside it the same under a map of colours."""
    picture = shown_as(who, np.squeeze(image, 0) if np.ndim(image) == 4 else image)
    height, width = picture.shape[:2]
    most = float(abs(found.map).max()) or 1.0
    with matplotlib_ready():
        figure = new_figure(8.0, min(max(3.5 * height / width, 1.2), 7.0) + 0.5)
        left, right = figure.subplots(1, 2)
        for axes in (left, right):
            if not (alone and axes is right):
                grey = axes is right
                shown = picture.mean(axis=-1) if grey and picture.ndim == 3 else picture
                axes.imshow(shown, cmap="gray", vmin=0, vmax=1, extent=(0, width, height, 0))
            axes.set_xticks([])
            axes.set_yticks([])
        drawn = right.imshow(
            found.map,
            cmap=SIGNED if signed else COLOURS,
            vmin=-most if signed else 0,
            vmax=most,
            alpha=1.0 if alone else 0.6,
            extent=(0, width, height, 0),
            interpolation="nearest" if alone else "bilinear",
        )
        if not alone and found.map.any():
            _rings(right, found.map, (height, width), most / 2)
        figure.colorbar(drawn, ax=right, fraction=0.046, pad=0.02)
        left.set_title(literal(f"{found.name}: {found.value:.3g}"), fontsize=10)
        nothing = "" if found.map.any() else "\n0 everywhere: no place of it does"
        right.set_title(literal(title) + nothing, fontsize=10)
    return finished(figure, path)


def _rings(axes: "Axes", values: Array, size: tuple[int, int], half: float) -> None:
    """A line around what has more than half of the largest value, for eyes that see no colours."""
    for n in size:  # as the colours between the places of the map
        places, fine = (np.arange(len(values)) + 0.5) / len(values), (np.arange(n) + 0.5) / n
        values = np.array([np.interp(fine, places, column) for column in values.T])
    down, across = (np.arange(n) + 0.5 for n in size)
    if min(size) > 1 and values.min() < half < values.max():
        for colour, width in (("black", 2.4), ("white", 1.2)):
            axes.contour(across, down, values, [half], colors=colour, linewidths=width)


def plot_feature_maps(
    model: Any,
    image: Any,
    layer: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    most: int = 32,
) -> "Figure":
    """Draw what a layer made of a picture, a panel for each of the first ``most`` channels.

    All have one scale, at their side. See ``explain.feature_maps``. Raises ``ShapeError`` for a
    layer whose output is no maps.

    >>> model = Sequential([Input((8, 8, 1)), Conv2D(4, 3), GlobalAvgPool(), Dense(3)])
    >>> figure = plot_feature_maps(model, np.ones((8, 8, 1)), "conv2d", most=3)
    >>> [axes.get_title() for axes in figure.axes[:3]]
    ['0', '1', '2']
    """
    whole_number("plot_feature_maps", "most", most)
    maps = feature_maps(model, image, layer)
    if maps.ndim != 3:
        raise ShapeError(
            f"plot_feature_maps: expected a layer of maps (height, width, channels), got "
            f"{maps.shape}."
        )
    return _panels([maps[..., i] for i in range(min(most, maps.shape[-1]))], maps, path)


def plot_filters(
    layer: Any, path: str | os.PathLike[str] | None = None, *, most: int = 32
) -> "Figure":
    """Draw the kernels of a convolution, a panel for each of the first ``most`` filters.

    Kernels of three channels in are drawn in colours, those of others as the mean over the channels
    in. Raises ``ConfigError`` for a layer without such a kernel.

    >>> model = Sequential([Input((8, 8, 3)), Conv2D(4, 3)], seed=0)
    >>> len(plot_filters(model.layers[0]).axes)
    4
    """
    whole_number("plot_filters", "most", most)
    kernel = getattr(layer, "params", {}).get("kernel")
    if kernel is None or kernel.ndim != 4:
        raise ConfigError(
            f"plot_filters: expected a convolution that is built, got {layer!r:.60}. Take one of "
            "model.layers."
        )
    if hasattr(layer, "depth_multiplier"):  # each channel has filters of its own
        kernel = kernel.reshape(*kernel.shape[:2], 1, -1)
    first = [kernel[..., i] for i in range(min(most, kernel.shape[-1]))]
    if kernel.shape[2] == 3:
        reach = float(abs(kernel).max()) or 1.0
        return _panels([one / reach / 2 + 0.5 for one in first], None, path)
    means = [one.mean(axis=-1) for one in first]
    return _panels(means, np.stack(means), path)


def _panels(
    pictures: list[Array], values: Array | None, path: str | os.PathLike[str] | None
) -> "Figure":
    """Small pictures in rows, in the colours of one scale of ``values``, or as they are."""
    signed = values is not None and float(values.min()) < 0
    reach = 1.0 if values is None else float(abs(values).max()) or 1.0
    with matplotlib_ready():
        columns = min(len(pictures), 8)
        rows = -(-len(pictures) // columns)
        figure = new_figure(1.15 * columns + (0.4 if values is None else 0.9), 1.25 * rows + 0.3)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for i, (axes, picture) in enumerate(zip(panels, pictures, strict=False)):
            axes.imshow(
                picture,
                cmap=SIGNED if signed else COLOURS,
                vmin=-reach if signed else 0,
                vmax=reach,
                interpolation="nearest",
            )
            axes.set_title(str(i), fontsize=7, pad=2)
            axes.set_xticks([])
            axes.set_yticks([])
        for axes in panels[len(pictures) :]:
            axes.remove()
        if values is not None:
            shown = list(panels[: len(pictures)])
            bar = figure.colorbar(shown[0].get_images()[0], ax=shown, fraction=0.05, pad=0.01)
            bar.ax.tick_params(labelsize=8)
    return finished(figure, path)
