"""What a convolution and a pooling are, apart from the layers that use them.

Three kernel sets: ``reference``, in plain loops, is the definition; ``vectorized`` does the same
with NumPy and its BLAS, and ``compiled`` in C. ``KernelSet`` says what a set consists of, and how
to add one. Nobody outside asks for a set by its name, only for what it is capable of.
"""

import os

from minicnn.errors import ConfigError, shown
from minicnn.kernels import compiled, reference, vectorized
from minicnn.kernels.base import (
    ALONE,
    PLAIN,
    Channels,
    Convolution,
    Fusion,
    KernelSet,
    LayerNormalization,
    Normalization,
    NormalizationGrads,
    Rectifier,
    Rows,
    Scale,
    Tail,
    Then,
    Work,
    WorkOf,
    Workspace,
)
from minicnn.kernels.capabilities import DenseKernels, Moments
from minicnn.kernels.compiled.library import compiler_version, loaded
from minicnn.kernels.rules import Moved, Rule

__all__ = [
    "ALONE",
    "DEFAULT",
    "KERNELS",
    "PLAIN",
    "Channels",
    "Convolution",
    "DenseKernels",
    "Fusion",
    "KernelSet",
    "LayerNormalization",
    "Moments",
    "Moved",
    "Normalization",
    "NormalizationGrads",
    "Rectifier",
    "Rows",
    "Rule",
    "Scale",
    "Tail",
    "Then",
    "Work",
    "WorkOf",
    "Workspace",
    "check_kernels",
    "choose",
    "compiled",
    "compiler_of",
    "kernel_set",
    "reference",
    "vectorized",
]

KERNELS: dict[str, KernelSet] = {
    "reference": reference.REFERENCE,
    "vectorized": vectorized.VECTORIZED,
    "compiled": compiled.COMPILED,
}
"""The sets by name, as ``Sequential(kernels=...)`` takes it."""

DEFAULT = "compiled"
"""The set of models that are not given one, where MINICNN_KERNELS does not name another."""


def choose(who: str, name: str | None = None, dtype: str = "float32") -> str:
    """The name of the set to compute with: ``name``, or MINICNN_KERNELS, or else ``DEFAULT``.

    Where no compiler makes the compiled kernels, those of that dtype, they are "vectorized", which
    is said once. Raises ``ConfigError`` for a name that no set has.

    >>> choose("Sequential", "reference")
    'reference'
    """
    if name is not None:
        check_kernels(who, name)
    elif named := os.environ.get("MINICNN_KERNELS"):
        name = check_kernels("MINICNN_KERNELS", named)
    else:
        name = DEFAULT
    return "vectorized" if name == "compiled" and loaded(dtype) is None else name


def kernel_set(name: str | None, dtype: str = "float32") -> KernelSet:
    """The set of that name; None and "compiled" as in ``choose``.

    >>> kernel_set("vectorized").fusion is not None
    True
    """
    return KERNELS[choose("kernels", name, dtype) if name in (None, "compiled") else name]


def compiler_of(name: str | None) -> str | None:
    """The compiler that made the set of that name; None where none had to.

    >>> compiler_of("vectorized")
    """
    found = KERNELS.get(name) if name else None
    return compiler_version() if found is compiled.COMPILED else None


def check_kernels(who: str, name: str) -> str:
    """Return ``name`` if there is such a set of kernels; raise ``ConfigError`` if not."""
    if not isinstance(name, str) or name not in KERNELS:
        raise ConfigError(
            f"{who}: expected kernels to be one of {', '.join(KERNELS)}, got {name!r}."
        )
    if not isinstance(found := KERNELS[name], KernelSet):
        raise ConfigError(
            f"{who}: expected KERNELS[{name!r}] to be a KernelSet, got {shown(found)}. Make one, "
            "such as dataclasses.replace(KERNELS['reference'], conv2d=...)."
        )
    return name
