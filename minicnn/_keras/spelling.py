"""How Keras spells names."""

import re

FUNCTIONAL = ("Functional", "Model")
"""What Keras calls a functional model; "Model" in files of old releases."""

MODELS = ("Sequential", *FUNCTIONAL)


def snake_case(name: str) -> str:
    """A class's name as Keras writes it in the names of layers and in files.

    >>> [snake_case(name) for name in ("Conv2D", "MaxPooling2D", "ReLU", "GlorotUniform")]
    ['conv2d', 'max_pooling2d', 're_lu', 'glorot_uniform']
    """
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
