"""The same kernels with NumPy and its BLAS, as fast as they go."""

from minicnn.kernels.base import Fusion, KernelSet
from minicnn.kernels.vectorized.by_channel import depthwise, depthwise_backward
from minicnn.kernels.vectorized.convolution import convolve, convolve_backward
from minicnn.kernels.vectorized.kinds import conv2d, conv2d_backward, conv2d_transpose
from minicnn.kernels.vectorized.memory_need import work_of
from minicnn.kernels.vectorized.pooling import (
    avg_pool,
    avg_pool_backward,
    max_pool,
    max_pool_backward,
)
from minicnn.kernels.vectorized.sums import channel_sums, image_sums
from minicnn.kernels.vectorized.workspace import Buffers

VECTORIZED = KernelSet(
    conv2d=conv2d,
    conv2d_backward=conv2d_backward,
    conv2d_transpose=conv2d_transpose,
    depthwise=depthwise,
    depthwise_backward=depthwise_backward,
    max_pool=max_pool,
    max_pool_backward=max_pool_backward,
    avg_pool=avg_pool,
    avg_pool_backward=avg_pool_backward,
    channel_sums=channel_sums,
    image_sums=image_sums,
    fusion=Fusion(convolve, convolve_backward),
    workspace=Buffers,
    work_of=work_of,
)
