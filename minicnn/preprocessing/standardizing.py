"""Images brought to a common mean and deviation: each by itself, or all by those of the data."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.console import warn
from minicnn._core.shapes import Array
from minicnn.errors import DataError, shown

EPSILON = 1e-6
"""Added to a standard deviation before it divides."""


def same_shape(who_and_what: str, y: Any, image: Array) -> Array:
    """What a user's function made of an image; raises ``DataError`` for another shape."""
    made = np.asarray(y)
    if made.shape != image.shape:
        raise DataError(f"{who_and_what} to give an image {image.shape}, got {shown(made)}.")
    return made


class Standardizing:
    """What an ``ImageDataGenerator`` does to images after it has moved their pixels."""

    featurewise_center: bool
    samplewise_center: bool
    featurewise_std_normalization: bool
    samplewise_std_normalization: bool
    zca_whitening: bool
    zca_epsilon: float
    rescale: float | None
    preprocessing_function: Callable[[Array], Array] | None
    channel_axis: int
    row_axis: int
    col_axis: int
    dtype: Any
    mean: Array | None
    std: Array | None
    zca_whitening_matrix: Array | None

    def standardize(self, x: Array) -> Array:
        """Images standardized: one, or a batch that counts as one for ``samplewise_center``.

        Floating point ones are written to, as in Keras.
        """
        x = np.asarray(x)
        return self._standardized(x if x.dtype.kind == "f" else x.astype(self.dtype), each=False)

    def _standardized(self, x: Array, each: bool) -> Array:
        """The same of a batch (``each``) of which each image is one, or of one image."""
        if self.preprocessing_function:
            x = self._preprocessed(x, each)
        if self.rescale:
            x *= self.rescale
        rows = x.reshape(len(x) if each else 1, -1)
        if self.samplewise_center:
            rows -= rows.mean(axis=1, keepdims=True)
        if self.samplewise_std_normalization:
            if self.samplewise_center:
                squares = np.einsum("ij,ij->i", rows, rows)[:, None]
                deviation = np.sqrt(squares / rows.shape[1])
            else:
                deviation = rows.std(axis=1, keepdims=True)
            rows /= deviation + x.dtype.type(EPSILON)
        x = rows.reshape(x.shape)
        if self.featurewise_center and self._fitted("featurewise_center", self.mean):
            x -= self.mean
        if self.featurewise_std_normalization and self._fitted(
            "featurewise_std_normalization", self.std
        ):
            x /= self.std + EPSILON  # type: ignore[operator]
        if self.zca_whitening and self._fitted("zca_whitening", self.zca_whitening_matrix):
            flat = x.reshape(-1, math.prod(x.shape[-3:]))
            white: Array = flat @ self.zca_whitening_matrix
            x = white.reshape(x.shape).astype(x.dtype, copy=False)
        return x

    def _preprocessed(self, x: Array, each: bool) -> Array:
        """What the user's function makes of each image."""
        function = self.preprocessing_function
        assert function is not None
        if not each:
            return np.asarray(function(x))
        for i, image in enumerate(x):
            who = f"{type(self).__name__}: expected preprocessing_function"
            x[i] = same_shape(who, function(image), image)
        return x

    def _fitted(self, argument: str, found: Array | None) -> bool:
        if found is None:
            warn(
                f"{type(self).__name__}: {argument} does nothing before the generator has seen "
                "the data: call fit(x).",
                UserWarning,
            )
        return found is not None

    def _learn(self, x: Array) -> None:
        """Find what is asked for of the data; x is written to."""
        axes = 0, self.row_axis, self.col_axis
        if self.featurewise_center:
            self.mean = x.mean(axis=axes, keepdims=True, dtype=np.float64)[0].astype(x.dtype)
            x -= self.mean
        if self.featurewise_std_normalization:
            self.std = x.std(axis=axes, keepdims=True, dtype=np.float64)[0].astype(x.dtype)
            x /= self.std + EPSILON
        if self.zca_whitening:
            number("ImageDataGenerator", "zca_epsilon", self.zca_epsilon, least=0)
            u, s, _ = np.linalg.svd(x.reshape(len(x), -1).T, full_matrices=False)
            self.zca_whitening_matrix = (u * (math.sqrt(len(x)) / (s + self.zca_epsilon))) @ u.T
