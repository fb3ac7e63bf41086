"""What Keras 2's backend says of the whole process: the order of axes, phases, counts, names."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from minicnn._core.console import warn
from minicnn._core.settings import image_data_format, set_image_data_format
from minicnn._core.shapes import Array
from minicnn._core.signatures import checked
from minicnn.errors import ConfigError, shown
from minicnn.layers.symbolic import SymbolicTensor
from minicnn.models.model import Model

_counts: Counter[str] = Counter()


@checked
def image_dim_ordering() -> str:
    """Keras 1's name for the order of axes: "tf" for channels_last, "th" for channels_first.

    >>> image_dim_ordering()
    'tf'
    """
    return "tf" if image_data_format() == "channels_last" else "th"


@checked
def set_image_dim_ordering(dim_ordering: str) -> None:
    """Set it, as "tf" or "th".

    >>> set_image_dim_ordering("tf")
    """
    formats = {"tf": "channels_last", "th": "channels_first"}
    if dim_ordering not in formats:
        raise ConfigError(
            f"set_image_dim_ordering: expected 'tf' or 'th', got {shown(dim_ordering)}."
        )
    set_image_data_format(formats[dim_ordering])


@checked
def learning_phase() -> int:
    """0: ``fit`` trains and ``predict`` does not, without being told.

    >>> learning_phase()
    0
    """
    return 0


@checked
def set_learning_phase(value: int) -> None:
    """Nothing, and a warning for 1: ``fit`` and ``predict`` know whether they train."""
    if value not in (0, 1):
        raise ConfigError(f"set_learning_phase: expected 0 or 1, got {shown(value)}.")
    if value:
        warn(
            "set_learning_phase(1) changes nothing: fit trains and predict does not. For one call "
            "give training=True to forward, for one layer training=False to its call.",
            UserWarning,
        )


@checked
def clear_session(free_memory: bool = True) -> None:
    """Begin the counts of ``get_uid`` anew; models and their arrays go when nothing names them.

    >>> clear_session()
    """
    _counts.clear()


@checked
def get_uid(prefix: str = "") -> int:
    """How often it was asked for this text so far.

    >>> clear_session()
    >>> get_uid("conv"), get_uid("conv")
    (1, 2)
    """
    _counts[prefix] += 1
    return _counts[prefix]


@contextmanager
def name_scope(name: str) -> Iterator[str]:
    """A block that changes nothing: names are the layers' own.

    >>> with name_scope("block"):
    ...     pass
    """
    yield name


@checked
def function(
    inputs: Any, outputs: Any, updates: Any = None, name: str | None = None
) -> Callable[[Any], list[Array]]:
    """What computes outputs of a model's layers for arrays: ``Model(inputs, outputs)``.

    ``learning_phase()`` may be among the inputs: a 1 in its place runs as in training.

    >>> from minicnn import Dense, Input, Sequential
    >>> model = Sequential([Input((4,)), Dense(3), Dense(2)])
    >>> first = function([model.input], [model.layers[0].output])
    >>> first([np.zeros((5, 4))])[0].shape
    (5, 3)
    """
    begin = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    if updates:
        raise ConfigError("function: expected no updates: arrays change in place, in a callback.")
    model = Model(
        [x for x in begin if isinstance(x, SymbolicTensor)],
        list(outputs) if isinstance(outputs, list | tuple) else [outputs],
    )

    def call(values: Any) -> list[Array]:
        given = list(values) if isinstance(values, list | tuple) else [values]
        if len(given) != len(begin):
            raise ConfigError(f"function: expected {len(begin)} arrays, got {len(given)}.")
        pairs = list(zip(begin, given, strict=True))
        training = any(bool(x) for t, x in pairs if not isinstance(t, SymbolicTensor))
        arrays = [x for t, x in pairs if isinstance(t, SymbolicTensor)]
        found = model.forward(arrays if len(arrays) > 1 else arrays[0], training)[0]
        return list(found) if isinstance(found, list) else [found]

    return call
