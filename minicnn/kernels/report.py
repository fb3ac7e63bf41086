"""What ``minicnn doctor`` says of the kernels."""

import os
import textwrap
import time
from collections.abc import Iterator

import numpy as np

from minicnn._parallel.threads import working
from minicnn.kernels import KERNELS, choose

WIDTH = 61
"""Columns of a value."""

TRIES = 7

IMAGES, SIZE, CHANNELS = 16, 32, 32
"""The convolution that is measured: of 3 x 3 pixels, and with as many filters as channels."""


def report() -> Iterator[tuple[str, str]]:
    """(what, its value): the kernel set, and the compiled one's compiler, library and speed.

    >>> next(report())[0]
    'kernel set'
    """
    from minicnn.kernels.compiled import compilers, library, trial

    failure = library.why_not()
    found = None if failure else library.loaded()
    said = os.environ.get("MINICNN_KERNELS")
    yield "kernel set", choose("doctor") + ", from MINICNN_KERNELS" * bool(said)
    if found is None:
        yield from _folded("not compiled", failure)
        return
    if found.compiler is not None:
        yield "compiler", found.compiler.version
        yield from _folded("", " ".join(found.compiler.command))
    yield from _folded("flags", " ".join(found.flags))
    yield "library", f"{found.path.parent}{os.sep}"
    yield "", found.path.name
    yield "built", "earlier" if found.seconds is None else f"now, in {found.seconds:.1f} s"
    started = time.perf_counter()
    try:
        trial.require(found.path, "float32")
        yield "self-test", f"passed, in {time.perf_counter() - started:.1f} s"
    except compilers.Failed as error:
        yield from _folded("self-test", str(error))
    what = f"{IMAGES} images of {SIZE} x {SIZE} x {CHANNELS}, {CHANNELS} filters of 3 x 3, float32"
    yield "convolution", what
    for name, seconds in _seconds().items():
        yield "", f"{1e3 * seconds:.2f} ms {name}"


def _folded(what: str, text: str) -> Iterator[tuple[str, str]]:
    """A value on as many lines as it takes."""
    for line in textwrap.wrap(text, WIDTH, break_on_hyphens=False, break_long_words=False):
        yield what, line
        what = ""


def _seconds() -> dict[str, float]:
    """The fewest seconds that each fast kernel set took for the convolution, tried in turn."""
    rng = np.random.default_rng(0)
    x = rng.random((IMAGES, SIZE, SIZE, CHANNELS), np.float32)
    kernel = rng.random((3, 3, CHANNELS, CHANNELS), np.float32)
    fast = {name: kernels for name, kernels in KERNELS.items() if kernels.fusion is not None}
    best = dict.fromkeys(fast, float("inf"))
    with working():
        for name, kernels in TRIES * list(fast.items()):
            started = time.perf_counter()
            kernels.conv2d(x, kernel, None, (1, 1), ((1, 1), (1, 1)))
            best[name] = min(best[name], time.perf_counter() - started)
    return best
