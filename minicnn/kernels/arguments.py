"""What the notebook's functions are given, checked: shapes, ``hparameters`` and caches.

``who`` is whoever an error message should name.
"""

from typing import Any

from minicnn._core.shapes import Array, Pads, Pair, Shape, Windows, pair, windows
from minicnn.errors import ConfigError, ShapeError

Hyperparameters = dict[str, Any]


def pads_of(who: str, pad: int | Pair | Pads) -> Pads:
    """The padding as ((top, bottom), (left, right))."""
    return windows(who, (1, 1), (1, 1), (1, 1), pad).pads


def conv_windows(who: str, images: Array, kernel: Array, given: Hyperparameters) -> Windows:
    """Where the kernel goes, by "stride" and "pad"."""
    stride, pad = hyperparameters(who, given, "stride", "pad")
    image, size = (images.shape[1], images.shape[2]), (kernel.shape[0], kernel.shape[1])
    return windows(who, image, size, pair(who, "stride", stride), pad)


def pool_windows(who: str, images: Array, given: Hyperparameters) -> Windows:
    """Where the window goes, by "f" and "stride"."""
    f, stride = hyperparameters(who, given, "f", "stride")
    image = (images.shape[1], images.shape[2])
    return windows(who, image, pair(who, "f", f), pair(who, "stride", stride))


def hyperparameters(who: str, given: Hyperparameters, *names: str) -> tuple[Any, ...]:
    """Those of the names given; raises ``ConfigError`` if one is missing."""
    missing = [name for name in names if name not in given]
    if missing:
        raise ConfigError(
            f"{who}: expected hparameters with {' and '.join(map(repr, names))}, "
            f"got {sorted(given)}."
        )
    return tuple(given[name] for name in names)


def unpacked(who: str, cache: tuple[Any, ...], parts: int) -> tuple[Any, ...]:
    """The cache; raises ``ConfigError`` unless it has so many parts."""
    if len(cache) != parts:
        forward = who.replace("backward", "forward")
        raise ConfigError(f"{who}: expected the cache of {forward}, got one of {len(cache)} parts.")
    return cache


def expect_rank(who: str, argument: str, value: Array, rank: int) -> None:
    """Raise ``ShapeError`` unless the value has so many axes."""
    if value.ndim != rank:
        raise ShapeError(f"{who}: expected {argument} with {rank} axes, got shape {value.shape}.")


def expect_shape(who: str, argument: str, value: Array, shape: Shape) -> None:
    """Raise ``ShapeError`` unless the value has that shape."""
    if value.shape != shape:
        raise ShapeError(f"{who}: expected {argument} of shape {shape}, got {value.shape}.")


def expect_mode(who: str, mode: str) -> None:
    """Raise ``ConfigError`` unless the mode of a pooling is "max" or "average"."""
    if mode not in ("max", "average"):
        raise ConfigError(f"{who}: expected mode 'max' or 'average', got {mode!r}.")
