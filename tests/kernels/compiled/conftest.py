"""The tests of compiled kernels skip where nothing can compile them."""

import pytest

from minicnn.kernels.compiled.library import why_not

WITHOUT_ANY = ("test_cache", "test_compilers", "test_library")
"""Files whose tests see to a compiler, or to its absence, themselves."""


def pytest_runtest_setup(item):
    if item.path.stem not in WITHOUT_ANY and (reason := why_not()):
        pytest.skip(reason)
