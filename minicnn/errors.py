"""The errors minicnn raises: who, what was expected, what came, what to do.

Every mistake of a user's is one of these, with a message of one line. The
command line prints that line and exits with status 2.
"""

LONGEST = 1000
"""Characters of a message, of which the middle is left out when there are more."""


class MiniCNNError(Exception):
    """The parent of every error that minicnn raises on purpose.

    Its message is one line of printable characters, whatever names a file has brought into it.

    >>> print(MiniCNNError("expected a name, got " + chr(10) + chr(27)))
    expected a name, got \\n\\x1b
    """

    def __init__(self, message: str = "") -> None:
        if not message.isprintable():
            message = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in message)
        if len(message) > LONGEST:
            message = f"{message[: LONGEST - 200]} ... {message[-190:]}"
        super().__init__(message)


class ShapeError(MiniCNNError, ValueError):
    """An array, an image or a window has a shape that cannot work."""


class ConfigError(MiniCNNError, ValueError):
    """An argument of a layer, a model, an optimizer or a command makes no sense."""


class DataError(MiniCNNError, ValueError):
    """A data file, an image or an array of labels cannot be learned from."""


class ModelFileError(MiniCNNError, ValueError):
    """A saved model cannot be read, or is not one."""


class DivergenceError(MiniCNNError, ArithmeticError):
    """Training met a loss that is infinite or not a number."""
