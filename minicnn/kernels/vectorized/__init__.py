"""The same kernels with NumPy and its BLAS, as fast as they go."""

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
from minicnn.kernels.vectorized.sums import channel_sums, image_sums

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
    "image_sums",
    "max_pool",
    "max_pool_backward",
]
