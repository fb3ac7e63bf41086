"""What networks trained on ImageNet expect of images, and what their 1000 outputs mean."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.settings import FIRST, image_data_format
from minicnn._core.shapes import Array
from minicnn._core.signatures import checked
from minicnn._files.downloads import fetched
from minicnn.data.arrays import numbers
from minicnn.errors import ConfigError, DataError, shown
from minicnn.layers import Concatenate, Cropping2D, Rescaling, Reshape
from minicnn.layers.symbolic import SymbolicTensor

__all__ = ["decode_predictions", "preprocess_input"]

MEANS = {"caffe": (103.939, 116.779, 123.68), "torch": (0.485, 0.456, 0.406)}
"""Of ImageNet's channels: blue, green and red of 0..255, and red, green and blue of 0..1."""

DEVIATIONS = (0.229, 0.224, 0.225)
"""Of red, green and blue of 0..1."""

CLASSES = (
    "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",
    "c2c37ea517e94d9795004a39431a14cb",
)
"""The names of the 1000 classes, {"0": ["n01440764", "tench"], ...}, and the MD5 of the file."""


@checked
def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe") -> Any:
    """Images of 0..255 in the numbers that a network has learned from.

        "caffe"  y = x - mean, the channels as blue, green, red
        "tf"     y = x / 127.5 - 1
        "torch"  y = (x / 255 - mean) / deviation

    x is (..., H, W, 3), or (..., 3, H, W) with ``data_format="channels_first"``, and y as x;
    whole numbers become float32. Unlike in Keras x is not overwritten. A symbolic tensor gives
    another, so that a model can do it. Raises ``ConfigError`` for arguments, ``DataError``
    for images that cannot be.

    >>> preprocess_input(np.array([[[0, 0, 255]]]), mode="tf").tolist()
    [[[-1.0, -1.0, 1.0]]]
    >>> preprocess_input(np.array([[[123.68, 116.779, 103.939]]])).tolist()
    [[[0.0, 0.0, 0.0]]]
    """
    if mode not in ("caffe", "tf", "torch"):
        raise ConfigError(
            f"preprocess_input: expected mode as 'caffe', 'tf' or 'torch', got {shown(mode)}."
        )
    if data_format not in (None, "channels_last", "channels_first"):
        raise ConfigError(
            "preprocess_input: expected data_format as None, 'channels_last' or 'channels_first', "
            f"got {shown(data_format)}."
        )
    channels_first = (data_format or image_data_format()) == FIRST
    if isinstance(x, SymbolicTensor):
        if channels_first or x.channels_first:
            raise ConfigError(
                "preprocess_input: expected data_format as None or 'channels_last' of a tensor, "
                "got 'channels_first'. Models here are channels-last."
            )
        return _of_tensor(x, mode)
    given = numbers("preprocess_input", "x", x)
    axis = -3 if channels_first else -1
    if mode != "tf" and (given.ndim < 3 or given.shape[axis] != 3):
        grey = given.shape[-1:] == (1,)
        remedy = " np.repeat(x, 3, axis=-1) gives grey images three channels." if grey else ""
        wanted = "(..., 3, H, W)" if channels_first else "(..., H, W, 3)"
        raise DataError(
            f"preprocess_input: expected images of {wanted}, got {given.shape}.{remedy}"
        )
    if not channels_first:
        return _of_array(given, mode)
    return np.moveaxis(_of_array(np.moveaxis(given, -3, -1), mode), -1, -3)


def _of_array(x: Array, mode: str) -> Array:
    x = np.array(x[..., ::-1] if mode == "caffe" else x, x.dtype if x.dtype.kind == "f" else "f4")
    if mode == "tf":
        x /= 127.5
        x -= 1
        return x
    if mode == "torch":
        x /= 255
    x -= np.asarray(MEANS[mode], x.dtype)
    if mode == "torch":
        x /= np.asarray(DEVIATIONS, x.dtype)
    return x


def _of_tensor(x: SymbolicTensor, mode: str) -> SymbolicTensor:
    if mode == "tf":
        return x / 127.5 - 1.0
    means = MEANS[mode]
    if mode == "torch":
        scales = [1 / (255 * deviation) for deviation in DEVIATIONS]
        offsets = [-mean / deviation for mean, deviation in zip(means, DEVIATIONS, strict=True)]
        return Rescaling(scales, offsets)(x)
    # The channels become columns, which Cropping2D takes apart.
    height, width, _ = x.sizes
    pixels = Reshape((height * width, 3, 1))(x)
    columns = [Cropping2D(((0, 0), (i, 2 - i)))(pixels) for i in (2, 1, 0)]
    turned = Reshape((height, width, 3))(Concatenate(axis=2)(columns))
    return Rescaling([1.0, 1.0, 1.0], [-mean for mean in means])(turned)


@checked
def decode_predictions(preds: Any, top: int = 5) -> list[list[tuple[str, str, Any]]]:
    """For each image the ``top`` likeliest classes, as (WordNet's id, name, score).

    ``preds`` is (N, 1000), as the networks give it. The names come from Keras' file, which is
    downloaded once. Raises ``DataError`` for another shape and a file that cannot be had.

    >>> decode_predictions(np.zeros((2, 10)))
    Traceback (most recent call last):
    minicnn.errors.DataError: decode_predictions: expected predictions of shape (N, 1000), one \
number for each class of ImageNet, got (2, 10).
    """
    scores = numbers("decode_predictions", "preds", preds)
    if scores.ndim != 2 or scores.shape[1] != 1000:
        raise DataError(
            "decode_predictions: expected predictions of shape (N, 1000), one number for each "
            f"class of ImageNet, got {scores.shape}."
        )
    top = whole_number("decode_predictions", "top", top)
    url, known_hash = CLASSES
    path = fetched("imagenet_class_index.json", url, known_hash, models_folder())
    names = json.loads(path.read_text(encoding="utf-8"))
    return [
        [(*names[str(i)], row[i]) for i in row.argsort()[::-1][:top].tolist()] for row in scores
    ]


def models_folder() -> Path:
    """Where Keras keeps files of weights: models in $KERAS_HOME, or in ~/.keras."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"
