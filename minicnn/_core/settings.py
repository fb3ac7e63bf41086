"""Keras' settings of the whole process: the precision, a small number, the order of axes."""

from collections.abc import Iterator
from contextlib import contextmanager

from minicnn._core.arguments import number
from minicnn.errors import ConfigError, shown

PRECISIONS = ("float32", "float64")
LAST, FIRST = FORMATS = ("channels_last", "channels_first")

_settings = {"floatx": "float32", "image_data_format": "channels_last"}
_epsilon = [1e-7]


def floatx() -> str:
    """The precision of models that are not given one, and of arrays made of Python's numbers.

    >>> floatx()
    'float32'
    """
    return _settings["floatx"]


def set_floatx(value: str) -> None:
    """Let models that are made from now on compute in "float32" or "float64".

    >>> set_floatx("float32")
    """
    _settings["floatx"] = _one_of("set_floatx", "value", value, PRECISIONS)


def epsilon() -> float:
    """The small number that scripts add before a division or a logarithm.

    >>> epsilon()
    1e-07
    """
    return _epsilon[0]


def set_epsilon(value: float) -> None:
    """Change what ``epsilon()`` gives; layers and losses keep the number of their own argument.

    >>> set_epsilon(1e-7)
    """
    number("set_epsilon", "value", value, least=0)
    _epsilon[0] = float(value)


def image_data_format() -> str:
    """How scripts say that images lie in memory: "channels_last", or what was set.

    >>> image_data_format()
    'channels_last'
    """
    return _settings["image_data_format"]


def set_image_data_format(data_format: str) -> None:
    """Say how images lie in memory: "channels_last" or "channels_first".

    >>> set_image_data_format("channels_last")
    """
    name = "data_format"
    _settings["image_data_format"] = _one_of("set_image_data_format", name, data_format, FORMATS)


@contextmanager
def channels_last() -> Iterator[None]:
    """A block in which layers are made as they lie here and in files, whatever was set.

    >>> with channels_last():
    ...     image_data_format()
    'channels_last'
    """
    before = _settings["image_data_format"]
    _settings["image_data_format"] = LAST
    try:
        yield
    finally:
        _settings["image_data_format"] = before


def _one_of(who: str, argument: str, value: object, names: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in names:
        raise ConfigError(
            f"{who}: expected {argument} as {' or '.join(names)}, got {shown(value)}."
        )
    return value
