"""The same kernels in C, compiled where they run."""

from dataclasses import replace

from minicnn.kernels.base import Fusion
from minicnn.kernels.compiled.convolution import (
    conv2d,
    conv2d_backward,
    conv2d_transpose,
    convolve,
    convolve_backward,
)
from minicnn.kernels.compiled.optimizers import optimizer_step
from minicnn.kernels.compiled.pixels import resample
from minicnn.kernels.vectorized import VECTORIZED

COMPILED = replace(
    VECTORIZED,
    conv2d=conv2d,
    conv2d_backward=conv2d_backward,
    conv2d_transpose=conv2d_transpose,
    fusion=Fusion(convolve, convolve_backward),
    optimizer_step=optimizer_step,
    resample=resample,
    threaded=True,
)
