"""The releases of Keras, and of tf.keras before them: their numbers, and what changed its meaning.

What only changed its name is in ``descriptions``.
"""

import re
from collections.abc import Mapping
from typing import Any

from minicnn.errors import ModelFileError

WRITTEN = "3.8.0"
"""The release of Keras whose layout is written; later ones read it too."""

TURNED_BY_THEANO = ("Conv2D", "Conv2DTranspose")
"""Layers whose kernels Theano turns around; those of depthwise ones Keras turned for it."""


def major(version: Any) -> int | None:
    """The first number of a release, or None where it is not known.

    >>> major("2.2.4-tf"), major(None)
    (2, None)
    """
    first = str(version).partition(".")[0]
    return int(first) if first.isdecimal() and len(first) < 4 else None


def before_tf_2(version: Any) -> bool:
    """Whether a release ran on TensorFlow 1 or another backend: Keras to 2.3, tf.keras to 2.1.6-tf.

    >>> before_tf_2("2.3.1"), before_tf_2("2.1.6-tf"), before_tf_2("2.2.4-tf"), before_tf_2(None)
    (True, True, False, False)
    """
    found = re.match(r"2\.(\d{1,3})\.", str(version))
    return found is not None and int(found[1]) < (2 if "-tf" in str(version) else 4)


def refuse_keras_1(who: str, version: Any) -> None:
    """Raise ``ModelFileError`` for a file of Keras 1, whose kernels may lie in other orders."""
    if major(version) in (0, 1):
        raise ModelFileError(
            f"{who}: expected a file of Keras 2 or later, got one of Keras {version}, where "
            "arguments have other names and kernels another order. Load it in Keras 2, and save it."
        )


def refuse_changed_layer(
    who: str, name: str, class_name: str, config: Mapping[str, Any], version: Any
) -> None:
    """Raise ``ModelFileError`` for a layer that means something else today than in its release."""
    if major(version) == 2 and config.get("activation") == "hard_sigmoid":
        raise ModelFileError(
            f"{who}: expected an activation that minicnn has, got the 'hard_sigmoid' of Keras "
            f"{version} in {name!r}: 0.2 x + 0.5 there, x / 6 + 0.5 from Keras 3 on."
        )
    bilinear = class_name == "UpSampling2D" and config.get("interpolation") == "bilinear"
    if bilinear and before_tf_2(version):
        raise ModelFileError(
            f"{who}: expected an interpolation that minicnn has, got the 'bilinear' of Keras "
            f"{version} in {name!r}, which lays pixels elsewhere than later releases."
        )


def changed_optimizer(class_name: Any, config: Mapping[str, Any], version: Any) -> str:
    """What an optimizer means in its release and not today, as a sentence; empty if nothing.

    >>> changed_optimizer("SGD", {"clipnorm": 1.0}, "2.3.1")[:44]
    'the clipnorm of Keras 2.3.1 is not supported'
    """
    if not before_tf_2(version):
        return ""
    if config.get("clipnorm"):
        return (
            f"the clipnorm of Keras {version} is not supported: there it bounds all gradients "
            "together, as global_clipnorm does now."
        )
    if class_name == "Adagrad":
        return (
            f"the Adagrad of Keras {version} is not supported: its accumulators begin at 0, and "
            "now at 0.1."
        )
    return ""
