"""What optimizers remember, in the order of Keras 3.

    iteration, learning_rate, then of each parameter what the optimizer has of it

Other releases have some of it in other places.
"""

from collections.abc import Sequence

from minicnn._core.shapes import Array, Shape
from minicnn._files.budget import Budget
from minicnn._files.hdf5 import File
from minicnn._files.keras.saved import OtherOptimizerError

RATE = "learning_rate"


def read_state(
    who: str, file: File, budget: Budget | None, names: Sequence[str], shapes: Sequence[Shape]
) -> list[Array]:
    """The arrays of those names; raises ``OtherOptimizerError`` unless they have these shapes.

    tf.keras may leave out the rate, which is the second; then it is not there. Nothing is, where
    Keras has compiled a model and not trained it: it makes the rest at the first step.
    """
    if len(names) == len(shapes) - 1 and not any(RATE in name for name in names):
        shapes = [shapes[0], *shapes[2:]]
    if len(names) != len(shapes) and len(names) in (1, 2) and file.read(names[0], ()) == 0:
        return []
    if any(name.rpartition("/")[2].startswith("Variable") for name in names):
        raise OtherOptimizerError(f"{who}: the optimizer's state is in the order of Keras 2.3.")
    if len(names) != len(shapes):
        raise OtherOptimizerError(
            f"{who}: expected {len(shapes)} arrays of the optimizer, got {len(names)}."
        )
    names = _nadam(file, _in_pairs(names), shapes)
    for name, shape in zip(names, shapes, strict=True):
        found = file.datasets.get(name)
        if found is not None and not found.refused and found.shape != shape:
            raise OtherOptimizerError(
                f"{who}: dataset {name!r}: expected shape {shape}, got {found.shape}."
            )
    arrays = []
    for name, shape in zip(names, shapes, strict=True):
        arrays.append(file.read(name, shape))
        if budget is not None:  # the optimizer copies them
            budget.take(f"dataset {name!r}", max(4, arrays[-1].itemsize) * arrays[-1].size)
    return arrays


def _in_pairs(names: Sequence[str]) -> Sequence[str]:
    """Of Adam before tf.keras 2.11, which lists all m and then all v: m and v by turns."""
    kinds = [name.removesuffix(":0").rpartition("/")[2] for name in names]
    m, v = ([n for n, kind in zip(names, kinds, strict=True) if kind == k] for k in ("m", "v"))
    both = {*m, *v}
    if len(m) != len(v) or [*m, *v] != [name for name in names if name in both]:
        return names
    pairs = iter([name for pair in zip(m, v, strict=True) for name in pair])
    return [next(pairs) if name in both else name for name in names]


def _nadam(file: File, names: Sequence[str], shapes: Sequence[Shape]) -> Sequence[str]:
    """Of Nadam: last the product of its momenta, which Keras 3.0 has before the parameters'."""
    found = [file.datasets[name].shape if name in file.datasets else None for name in names]
    first = next((i for i, shape in enumerate(shapes) if shape), len(shapes))
    if shapes[-1] == () and first < len(shapes) and found[first] == () and found[-1] != ():
        return [*names[:first], *names[first + 1 :], names[first]]
    return names
