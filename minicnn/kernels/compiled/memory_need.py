"""How much memory a convolution takes while it is computed."""

from minicnn.kernels.base import Convolution, Work
from minicnn.kernels.compiled.convolution import (
    convolve_scratch,
    image_scratch,
    kernel_scratch,
    place_of,
    scratch_size,
)


def work_of(conv: Convolution, n: int, threads: int) -> Work:
    """What the convolution of n images takes: the scratch memory of its largest pass, as C says."""
    scale = conv.scale or (1.0, 0.0)
    place = place_of(
        (n, *conv.image), conv.kernel, conv.strides, conv.pads, conv.dilation, conv.groups,
        conv.tail, False,
    )  # fmt: skip
    forward = scratch_size(convolve_scratch, conv.dtype, place, threads, *scale)
    backward = [
        scratch_size(kernel_scratch, conv.dtype, place, threads, *scale),
        scratch_size(image_scratch, conv.dtype, place, threads),
    ]
    return Work(forward, max(forward, *backward))
