"""The errors minicnn raises: who, expected, got, remedy.

Every mistake of a user's is one of these, with a message of one line. The
command line prints that line and exits with status 2.
"""

from typing import Any

LONGEST = 1000
"""Characters of a message, of which the middle is left out when there are more."""


SHOWN = 60
"""Characters that a message shows of a value."""


class MiniCNNError(Exception):
    """The base class of every error that minicnn raises on purpose.

    Its message is one line of printable characters, whatever names a file has put into it.

    >>> print(MiniCNNError("expected a name, got " + chr(10) + chr(27)))
    expected a name, got \\n\\x1b
    """

    passing = False
    """Whether the machine was the cause, so that a second attempt may succeed."""

    def __init__(self, message: str = "") -> None:
        message = printable(message)
        if len(message) > LONGEST:
            message = f"{message[: LONGEST - 200]} ... {message[-190:]}"
        super().__init__(message)


class ShapeError(MiniCNNError, ValueError):
    """An array, an image or a window has a shape that cannot work."""


class ConfigError(MiniCNNError, ValueError):
    """An argument of a layer, a model, an optimizer or a command makes no sense."""


class AbsentError(ConfigError, ModuleNotFoundError):
    """A name of Keras' was asked for that is not here."""


class NameUnknownError(ConfigError, AttributeError):
    """An attribute was asked for that is not here, or set that nobody reads or that cannot be."""


class DataError(MiniCNNError, ValueError):
    """A data file, an image or an array of labels cannot be learned from."""


class ModelFileError(MiniCNNError, ValueError):
    """A saved model cannot be read, or is not one."""


class DivergenceError(MiniCNNError, ArithmeticError):
    """Training met a loss that is infinite or not a number."""


def shown(value: Any) -> str:
    """A value for a message: a short repr, or of an array its dtype and shape.

    >>> shown("smae"), shown((np.zeros((9, 2)), [1])), shown(Exception)
    ("'smae'", '(array float64 (9, 2), [1])', 'the class Exception')
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        kind = "array" if type(value).__name__ == "ndarray" else type(value).__name__
        shape = getattr(value, "shape", ())
        return f"{kind} {value.dtype} {tuple(shape)}" if shape else f"{value!r:.{SHOWN}}"
    if callable(value) and hasattr(value, "__name__"):
        return f"the function {value.__name__}"
    if type(value) in (tuple, list) and 0 < len(value) <= 4:
        inside = ", ".join(map(shown, value)) + "," * (type(value) is tuple and len(value) == 1)
        text = f"({inside})" if type(value) is tuple else f"[{inside}]"
    elif type(value) in (tuple, list, set, dict) and len(value) > 20:
        text = f"a {type(value).__name__} of {len(value)}"
    else:
        text = repr(value)
    return text if len(text) <= 2 * SHOWN else f"{text[:SHOWN]}..."


def printable(text: str) -> str:
    """``text`` with characters that move a terminal's cursor, or cannot be written, spelled out.

    >>> print(printable("red" + chr(27) + "[31m"))
    red\\x1b[31m
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
