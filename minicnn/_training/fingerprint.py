"""The fingerprint of a run: what a resumed run must have in common with it."""

import json
import platform
import reprlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from minicnn._core.config import Configurable, save_config
from minicnn._core.shapes import Array
from minicnn._files import checkpoint
from minicnn._parallel import threads
from minicnn._training.model import Model
from minicnn.data.loaders import Loader
from minicnn.kernels import compiler_of
from minicnn.layers.building import walk

KERNELS = "model.kernels"
"""Where a run's description names them."""


def described_run(
    model: Model, loader: Loader, validation: Loader | None, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """What must be the same for a run to be resumed, as JSON has it.

    A learning rate may be another: a number comes from the checkpoint, a schedule from the script.
    Which layers are trainable comes from the checkpoint too.
    """
    assert model.optimizer is not None
    optimizer = save_config(model.optimizer)
    rate = "a number" if model.optimizer.schedule is None else "a schedule"
    optimizer["config"]["learning_rate"] = rate
    if model.optimizer.decay:
        optimizer["config"]["decay"] = model.optimizer.decay
    about = {
        "model": {"dtype": model.dtype.name, "kernels": model.kernels, "fuse": model.fuse},
        "seed": model.seed,
        "layers": _without(model.get_config()["layers"], "trainable"),
        "optimizer": optimizer,
        "loss": _saved(model.loss),
        "metrics": _saved(model.metrics),
        "weighted_metrics": _saved(model.weighted_metrics) or None,
        "data": _described_data(loader),
        "validation": None if validation is None else _described_data(validation),
    }
    plain: dict[str, Any] = json.loads(json.dumps(about | dict(settings), default=_plain))
    return plain


def network(model: Model) -> dict[str, Any]:
    """The network and how it was compiled, from which the run's model is made anew."""
    assert model.optimizer is not None
    found = {
        "class_name": "Sequential" if model.is_row else "Model",
        "config": model.get_config(),
        "input_shape": model.input_shapes[0],
        "class_names": model.class_names,
        "compile": {
            "optimizer": save_config(model.optimizer),
            "loss": _saved(model.loss),
            "loss_weights": model.loss_weights,
            "metrics": _saved(model.metrics),
            "weighted_metrics": _saved(model.weighted_metrics) or None,
        },
    }
    plain: dict[str, Any] = json.loads(json.dumps(found, default=_plain))
    return plain


def given(model: Model) -> dict[str, Any]:
    """Arguments that a resumed run takes from the checkpoint."""
    assert model.optimizer is not None
    rate = None if model.optimizer.schedule else float(model.optimizer.learning_rate)
    return {"learning_rate": rate, "trainable": [layer.trainable for layer in walk(model.stack)]}


def _without(value: Any, name: str) -> Any:
    """A tree without what has that name."""
    if isinstance(value, Mapping):
        return {key: _without(part, name) for key, part in value.items() if key != name}
    return [_without(part, name) for part in value] if isinstance(value, list | tuple) else value


def _plain(value: Any) -> Any:
    """What stands for an argument that JSON does not know: its numbers, or its name."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return getattr(value, "__qualname__", type(value).__name__)


def _saved(value: Any) -> Any:
    """Losses and metrics as files have them."""
    if isinstance(value, list | tuple):
        return [_saved(part) for part in value]
    return save_config(value) if isinstance(value, Configurable) else value


def _described_data(loader: Loader) -> dict[str, Any]:
    """Shapes and types, and of data in memory a checksum: other batches are made anew."""
    data = loader.sample
    files = getattr(loader, "origin", None) is not None
    kinds = (("x", data.xs), ("y", data.ys), ("sample_weight", data.weights))
    found: dict[str, Any] = {
        f"{name}{i + 1 if i else ''}": {
            # Of the first batch pictures may be missing that cannot be read any more.
            "shape": array.shape[1:] if files else array.shape,
            "dtype": array.dtype.name,
            **({"checksum": checksum_of(array)} if loader.in_memory else {}),
        }
        for name, arrays in kinds
        for i, array in enumerate(arrays)
        if array is not None
    }
    return found | dict(loader.facts)


def checksum_of(array: Array) -> int:
    """The checksum of an array, as a run's fingerprint has it.

    >>> checksum_of(np.zeros((2, 2), np.uint8))
    558161692
    """
    found = 0
    for start in range(0, len(array), 1024):  # a view may not lie in one piece in memory
        found = checkpoint.checksum(array[start : start + 1024], found)
    return found


def machine(about: Mapping[str, Any]) -> dict[str, Any]:
    """What the bits of a run depend on, besides what ``described_run`` says of it."""
    model = about.get("model")
    kernels = model.get("kernels") if isinstance(model, Mapping) else None
    blas = [
        [pool["internal_api"], pool.get("version"), pool.get("architecture")]
        for pool in threads.controller().info()
        if pool["user_api"] == "blas"
    ]
    return {
        # Not imported: the package is above all of its modules.
        "the version of minicnn": sys.modules["minicnn"].__version__,
        "the version of NumPy": np.__version__,
        "the version of Python": platform.python_version(),
        "the processor": platform.machine(),
        "the BLAS": blas,
        "the compiler of the kernels": compiler_of(kernels),
    }


def differences(then: Any, now: Any, what: str = "") -> Iterator[tuple[str, str, str]]:
    """(what, as it was, as it is) for each place in which two trees differ.

    >>> list(differences({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}))
    [('a[1].b', '2', '3')]
    """
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys((*now, *then)):
            inner = f"{what}.{key}" if what else str(key)
            yield from differences(then.get(key), now.get(key), inner)
    elif isinstance(then, list) and isinstance(now, list):
        if len(then) != len(now):
            yield f"the number of {what}", str(len(then)), str(len(now))
        for i, (one, other) in enumerate(zip(then, now, strict=False)):
            yield from differences(one, other, f"{what}[{i}]")
    elif isinstance(then, np.ndarray) or then != now:  # a checkpoint may hold arrays anywhere
        yield what, reprlib.repr(then), reprlib.repr(now)


def other_run(then: Any, now: Any) -> Iterator[tuple[str, str, str]]:
    """The differences that make it another run.

    A model without a seed takes the one it had, and a callback may come or go. All kernels compute
    the same, but for the last bits.
    """
    for what, was, is_now in differences(then, now):
        callback = what.startswith("callbacks.") and what.count(".") == 1
        if not callback and what != KERNELS and (what, is_now) != ("seed", "None"):
            yield what, was, is_now


def other_bits(tree: Mapping[str, Any], about: Any, now: Any) -> Iterator[tuple[str, str, str]]:
    """The differences from a checkpoint that let a run be resumed, but may change its bits.

    ``about`` is the run that is to be resumed, ``now`` the ``machine``.
    """
    for what, was, is_now in differences(tree.get("about"), about):
        if what == KERNELS:
            yield "the kernels", was, is_now
    yield from differences(tree.get("machine"), now)
