"""Memory that is used again: what lies in it, and what happens where there is none."""

import mmap

import numpy as np
import pytest

from minicnn.kernels.vectorized import workspace
from minicnn.kernels.vectorized.workspace import HUGE_PAGE, Buffers


@pytest.mark.parametrize("size", [1, 1 << 16, HUGE_PAGE, HUGE_PAGE + 1, 40 << 20])
def test_memory_is_given_again_only_when_nobody_has_it(size):
    """A second array lies elsewhere while the first is there, and in its place when it is gone."""
    with Buffers():
        first = workspace.empty((size,), np.uint8)
        first[:] = 7
        place, view = first.ctypes.data, first[:1]
        del first
        other = workspace.empty((size,), np.uint8)
        assert other.ctypes.data != place
        other[:] = 1
        assert view[0] == 7
        del view
        assert workspace.empty((size,), np.uint8).ctypes.data == place


def test_a_system_without_large_pages_gives_others(monkeypatch):
    """Where madvise refuses, and where there is none, the memory is NumPy's."""

    class Refusing(mmap.mmap):
        def madvise(self, *_):
            raise OSError(22, "Invalid argument")

    if hasattr(mmap, "MADV_HUGEPAGE"):
        monkeypatch.setattr(mmap, "mmap", Refusing)
        assert workspace.fresh(HUGE_PAGE).flags.owndata
        monkeypatch.delattr(mmap, "MADV_HUGEPAGE")
    assert workspace.fresh(HUGE_PAGE).flags.owndata


def test_too_much_memory_is_a_memory_error():
    """What no machine has is refused as NumPy refuses it."""
    with pytest.raises(MemoryError):
        workspace.fresh(1 << 60)
