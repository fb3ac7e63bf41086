"""How much memory a convolution takes while it is computed."""

import math

from minicnn._core.shapes import FEW
from minicnn._parallel.threads import shards_of
from minicnn.kernels.base import Convolution, Work
from minicnn.kernels.vectorized.convolution import backward_method, most_sums
from minicnn.kernels.vectorized.strips import cut_for, geometry


def work_of(conv: Convolution, n: int, threads: int) -> Work:
    """What the convolution of n images takes.

    Each thread has a group of its images, padded; the convolution's output or its gradient for
    them, and as much again to pool it; and a block of columns. A shard may be smaller than a group.
    In the backward pass each shard has a gradient of the kernel besides, before they are added up,
    and each thread more arrays as large: the kernel turned around, what a block adds to the
    gradient, and of many blocks what was added before, in double precision.
    Groups of channels go one after another; the phases of a dilated convolution are smaller than
    its images.
    """
    (*size, channels), (*window, c_in, filters) = conv.image, conv.kernel
    image, kernel = (*size, channels // conv.groups), (*window, c_in, filters // conv.groups)
    place = geometry(image, kernel, conv.strides, conv.pads)
    (h, w, c_in), (kh, _, _, c_out), (oh, ow) = place.image, place.kernel, place.out
    itemsize = conv.dtype.itemsize
    cut = cut_for(place, itemsize)
    count = shards_of(n, n * backward_method(place, need_dx=False)[1])
    images = -(-n // count)
    padded = (h + sum(place.pads[0])) * (w + sum(place.pads[1])) * c_in
    group = min(cut.group, images) * (padded + (2 if conv.tail.pool else 1) * oh * ow * c_out)
    columns = min(cut.images, images) * cut.rows * cut.strips * kh * cut.reach * c_in
    arrays = min(threads, count) * (group + columns) * itemsize
    gradient = math.prod(kernel) * itemsize
    sums = shards_of(n, n * backward_method(place, need_dx=True)[1], most_sums(gradient))
    blocks = -(-n // sums // cut.images) * -(-oh // cut.rows)
    more = 4 if blocks > FEW else 2
    return Work(arrays, arrays + gradient * (sums + more * min(threads, sums)))
