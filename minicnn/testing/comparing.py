"""What the checks compare, and what they say of a layer that breaks a promise."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn.errors import MiniCNNError, ShapeError, shown
from minicnn.layers import Layer
from minicnn.layers.base import Grads


class CheckError(MiniCNNError, AssertionError):
    """A layer broke a promise of the contract."""


def each(x: Any) -> tuple[Array, ...]:
    """The inputs of a layer: a layer that merges is given a tuple of them."""
    return x if isinstance(x, tuple) else (x,)


def mapped(function: Callable[..., Any], *xs: Any) -> Any:
    """The function of one input, or, of several, a tuple of it for each."""
    return tuple(map(function, *xs)) if isinstance(xs[0], tuple) else function(*xs)


def replaced(x: Any, place: int, value: Any) -> Any:
    """The inputs with another one at that place."""
    return (*x[:place], value, *x[place + 1 :]) if isinstance(x, tuple) else value


def named(what: str, x: Any) -> dict[str, Array]:
    """One array by that name, several as ``what[0]``, ``what[1]``, ..."""
    return {f"{what}[{i}]": a for i, a in enumerate(x)} if isinstance(x, tuple) else {what: x}


def require(layer: Layer, fulfilled: bool, complaint: str) -> None:
    """Raise ``CheckError`` with the complaint unless it is fulfilled."""
    if not fulfilled:
        raise CheckError(f"{layer.who}: {complaint}.")


def checked_pair(layer: Layer, should: str, made: Any, like: Any) -> tuple[Any, Any]:
    """What a pass gave, which must be an array, or as many as ``like`` has, and something else."""
    pair = isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], type(like))
    fits = pair and len(each(made[0])) == len(each(like))
    fits = fits and all(isinstance(a, np.ndarray) for a in each(made[0]))
    if not fits:
        first = f"a tuple of {len(like)} arrays" if isinstance(like, tuple) else "an array"
        require(layer, False, f"{should}, the first {first}, got {shown(made)}")
    return made[0], made[1]


def require_like(layer: Layer, what: str, got: Array, wanted: Array) -> None:
    """Shape and dtype must be the same."""
    turned = " (it is transposed)" if got.shape == wanted.shape[::-1] else ""
    should = f"{what} should have shape {wanted.shape}, got {got.shape}{turned}"
    require(layer, got.shape == wanted.shape, should)
    require(layer, got.dtype == wanted.dtype, f"{what} is {got.dtype}, not {wanted.dtype}")


def require_like_params(layer: Layer, what: str, grads: Grads) -> None:
    """Keys, shapes and dtypes must be those of the layer's parameters."""
    keys, wanted = sorted(grads), sorted(layer.params)
    require(layer, keys == wanted, f"{what} should have the keys {wanted}, got {keys}")
    for name, param in layer.params.items():
        require_like(layer, f"{name} in {what}", grads[name], param)


def in_training(training: bool) -> str:
    """What a complaint adds where it is of a pass in training."""
    return " (training=True)" if training else ""


def require_near(layer: Layer, what: str, got: Array, wanted: Array, batch: int) -> None:
    """Compare with central differences; say where it is wrong most, and what would explain it."""
    off = np.abs(got - wanted) - 1e-5 * np.abs(wanted)
    off = np.where(np.isfinite(off), off, np.inf)
    if not off.size or off.max() < 1e-7:
        return
    place = tuple(map(int, np.unravel_index(off.argmax(), off.shape)))
    raise CheckError(
        f"{layer.who}: {what} is off the central differences in {np.count_nonzero(off >= 1e-7)} of "
        f"{off.size} numbers, most at {list(place)}: expected {wanted[place]:.6g}, got "
        f"{got[place]:.6g}.{_explained(got, wanted, batch)}"
    )


def _explained(got: Array, wanted: Array, batch: int) -> str:
    """What a gradient is instead of the right one, if that is something simple."""

    def alike(a: Array, b: Array) -> bool:
        return a.shape == b.shape and np.allclose(a, b, rtol=1e-4, atol=1e-6)

    if not got.any():
        return " All of it is 0."
    factor = float(np.vdot(wanted, got) / max(float(np.vdot(wanted, wanted)), 1e-300))
    if alike(got, factor * wanted) and factor:
        known = {-1.0: "-1 (its sign)", 2.0: "2", 0.5: "1/2"}
        known |= {float(batch): f"{batch} (the batch)", 1 / batch: f"1/{batch} (of the batch)"}
        near = min(known, key=lambda value: abs(value - factor))
        times = known[near] if abs(near - factor) < 1e-4 else f"{factor:.4g}"
        return f" All of it is {times} times what it should be."
    if got.ndim > 1 and alike(np.swapaxes(got, -1, -2), wanted):
        return " It is transposed in its last two axes."
    if got.ndim > 1 and alike(got[::-1, ::-1], wanted):
        return " It is turned over in its first two axes."
    return ""


def require_close(
    layer: Layer,
    when: str,
    got: tuple[Array, Any, Grads],
    wanted: tuple[Array, Any, Grads],
) -> None:
    """Outputs and gradients must be the same, but for the last digits."""
    pairs = [("y", got[0], wanted[0])]
    pairs += zip(named("dx", wanted[1]), each(got[1]), each(wanted[1]), strict=True)
    pairs += [(f"the gradient of {name}", got[2][name], wanted[2][name]) for name in wanted[2]]
    for name, a, b in pairs:
        require(layer, a.shape == b.shape, f"{name} differs {when}: shape {a.shape}, not {b.shape}")
        if not np.allclose(a, b, rtol=1e-9, atol=1e-11):
            place = np.unravel_index(np.nan_to_num(np.abs(a - b), nan=np.inf).argmax(), a.shape)
            raise CheckError(
                f"{layer.who}: {name} differs {when}, most at {[int(i) for i in place]}: "
                f"{a[place]:.6g}, not {b[place]:.6g}."
            )


def identical(a: Any, b: Any) -> bool:
    """Whether two caches, or anything made of arrays, are equal to the bit."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(identical(a[key], b[key]) for key in a)
    if isinstance(a, Sequence) and not isinstance(a, str):
        return len(a) == len(b) and all(map(identical, a, b))
    if hasattr(a, "__dict__"):
        return identical(vars(a), vars(b))
    return bool(a == b)


def require_shape_error(layer: Layer, call: Callable[[], Any], *shapes: Shape) -> None:
    """The call must raise ``ShapeError``: who, what was expected, the shapes."""
    came = " and ".join(map(str, shapes))
    try:
        call()
    except ShapeError as error:
        text = str(error)
        got = (", ".join(map(str, shape)) for shape in shapes)
        for part in (layer.who, "expected", *got):
            require(layer, part in text, f"the error for {came} should say {part!r}: {text}")
    except Exception as error:
        raise CheckError(
            f"{layer.who}: input of shape {came} should raise ShapeError, "
            f"got {type(error).__name__}: {error}"
        ) from error
    else:
        raise CheckError(f"{layer.who}: input of shape {came} should raise ShapeError.")
