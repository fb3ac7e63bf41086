"""How much memory a convolution takes while it is computed."""

import math

from minicnn._parallel.threads import shards_of
from minicnn.kernels.base import Convolution, Work
from minicnn.kernels.vectorized.convolution import backward_method, most_sums
from minicnn.kernels.vectorized.strips import cut_for, geometry


def work_of(conv: Convolution, n: int, threads: int) -> Work:
    """What the convolution of n images takes.

    Each thread has a group of its images, padded; the convolution's output or its gradient for
    them, and as much again to pool it; and a block of columns. A shard may be smaller than a group.
    """
    place = geometry(conv.image, conv.kernel, conv.strides, conv.pads)
    (h, w, c_in), (kh, _, _, c_out), (oh, ow) = place.image, place.kernel, place.out
    cut = cut_for(place, conv.itemsize)
    count = shards_of(n, n * backward_method(place, need_dx=False)[1])
    images = -(-n // count)
    padded = (h + sum(place.pads[0])) * (w + sum(place.pads[1])) * c_in
    group = min(cut.group, images) * (padded + (2 if conv.pooled else 1) * oh * ow * c_out)
    columns = min(cut.images, images) * cut.rows * cut.strips * kh * cut.reach * c_in
    arrays = min(threads, count) * (group + columns) * conv.itemsize
    size = math.prod(conv.kernel) * conv.itemsize
    sums = shards_of(n, n * backward_method(place, need_dx=True)[1], most_sums(size))
    return Work(arrays, size * sums)
