"""The same kernels in C, compiled where they run."""

from dataclasses import replace

from minicnn.kernels.base import Fusion
from minicnn.kernels.compiled.convolution import conv2d, convolve
from minicnn.kernels.compiled.normalization import NORMALIZATION
from minicnn.kernels.vectorized import VECTORIZED
from minicnn.kernels.vectorized.convolution import convolve_backward

COMPILED = replace(
    VECTORIZED,
    conv2d=conv2d,
    fusion=Fusion(convolve, convolve_backward),
    normalization=NORMALIZATION,
    threaded=True,
)
