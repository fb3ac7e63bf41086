"""The same kernels with NumPy and its BLAS, as fast as they go."""

import math

import numpy as np

from minicnn.kernels.vectorized.by_channel import depthwise, depthwise_backward
from minicnn.kernels.vectorized.convolution import (
    PLAIN,
    Scale,
    Tail,
    Trace,
    convolve,
    convolve_backward,
)
from minicnn.kernels.vectorized.kinds import conv2d, conv2d_backward, conv2d_transpose
from minicnn.kernels.vectorized.memory import Room
from minicnn.kernels.vectorized.pooling import (
    avg_pool,
    avg_pool_backward,
    max_pool,
    max_pool_backward,
)
from minicnn.shapes import Array

__all__ = [
    "PLAIN",
    "Room",
    "Scale",
    "Tail",
    "Trace",
    "avg_pool",
    "avg_pool_backward",
    "channel_sums",
    "conv2d",
    "conv2d_backward",
    "conv2d_transpose",
    "convolve",
    "convolve_backward",
    "depthwise",
    "depthwise_backward",
    "max_pool",
    "max_pool_backward",
]


def channel_sums(x: Array) -> Array:
    """See ``Kernels.channel_sums``; each image is added up by BLAS, the images in double.

    ``x.sum(axis=(0, 1, 2))`` adds one pixel after another: ten times slower, and over
    the 262,144 pixels of a batch float32 keeps only five digits that way.
    """
    n, c = (1 if x.ndim == 2 else len(x)), x.shape[-1]
    images = x.reshape(n, math.prod(x.shape[:-1]) // max(n, 1), c)
    sums = np.ones(images.shape[1], x.dtype) @ images
    return np.asarray(sums.sum(axis=0, dtype=np.float64), dtype=x.dtype)
