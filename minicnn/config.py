"""Keras' settings: ``floatx``, ``epsilon``, ``image_data_format``, and those of its tracebacks."""

from minicnn._core.settings import epsilon as epsilon
from minicnn._core.settings import floatx as floatx
from minicnn._core.settings import image_data_format as image_data_format
from minicnn._core.settings import set_epsilon as set_epsilon
from minicnn._core.settings import set_floatx as set_floatx
from minicnn._core.settings import set_image_data_format as set_image_data_format
from minicnn._keras.public_names import asked

__all__ = [
    "backend",
    "disable_traceback_filtering",
    "enable_traceback_filtering",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_traceback_filtering_enabled",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
]

__getattr__ = asked("config")


def backend() -> str:
    """What scripts that ask for Keras' backend may expect: the layouts here are TensorFlow's.

    >>> backend()
    'tensorflow'
    """
    return "tensorflow"


def disable_traceback_filtering() -> None:
    """Nothing: tracebacks here are whole."""


def enable_traceback_filtering() -> None:
    """Nothing: tracebacks here are whole, and short."""


def is_traceback_filtering_enabled() -> bool:
    """False: nothing is left out.

    >>> is_traceback_filtering_enabled()
    False
    """
    return False
