"""The same kernels in C, compiled where they run."""

from dataclasses import replace

from minicnn.kernels.base import Fusion
from minicnn.kernels.compiled.activations import RECTIFIER
from minicnn.kernels.compiled.affine import affine
from minicnn.kernels.compiled.convolution import (
    LARGEST_WINDOW,
    conv2d,
    conv2d_backward,
    conv2d_transpose,
    convolve,
    convolve_backward,
)
from minicnn.kernels.compiled.crossentropy import crossentropy
from minicnn.kernels.compiled.dense import DENSE
from minicnn.kernels.compiled.depthwise import depthwise, depthwise_backward
from minicnn.kernels.compiled.folding import fold
from minicnn.kernels.compiled.layer_normalization import LAYER_NORMALIZATION
from minicnn.kernels.compiled.memory_need import work_of
from minicnn.kernels.compiled.normalization import NORMALIZATION
from minicnn.kernels.compiled.optimizers import optimizer_step
from minicnn.kernels.compiled.pixels import resample
from minicnn.kernels.compiled.pooling import (
    avg_pool,
    avg_pool_backward,
    max_pool,
    max_pool_backward,
)
from minicnn.kernels.compiled.recording import Calls
from minicnn.kernels.compiled.resize import resize
from minicnn.kernels.compiled.sums import channel_sums, image_means, image_sums
from minicnn.kernels.vectorized import VECTORIZED

COMPILED = replace(
    VECTORIZED,
    affine=affine,
    avg_pool=avg_pool,
    avg_pool_backward=avg_pool_backward,
    channel_sums=channel_sums,
    conv2d=conv2d,
    conv2d_backward=conv2d_backward,
    conv2d_transpose=conv2d_transpose,
    crossentropy=crossentropy,
    dense=DENSE,
    depthwise=depthwise,
    depthwise_backward=depthwise_backward,
    fold=fold,
    fusion=Fusion(convolve, convolve_backward, LARGEST_WINDOW),
    image_means=image_means,
    image_sums=image_sums,
    layer_normalization=LAYER_NORMALIZATION,
    max_pool=max_pool,
    max_pool_backward=max_pool_backward,
    normalization=NORMALIZATION,
    optimizer_step=optimizer_step,
    recording=Calls,
    rectifier=RECTIFIER,
    resample=resample,
    resize=resize,
    work_of=work_of,
)
