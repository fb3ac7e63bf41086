"""What a convolution and a pooling are, apart from the layers that use them.

Two kernel sets: ``reference``, in plain loops, is the definition; ``vectorized`` does the same with
NumPy and its BLAS. ``KernelSet`` says what a set consists of, and how to add one. Nobody outside
asks for a set by its name, only for what it is capable of.
"""

from minicnn.errors import ConfigError, shown
from minicnn.kernels import compiled, reference, vectorized
from minicnn.kernels.base import (
    ALONE,
    PLAIN,
    Channels,
    Convolution,
    Fusion,
    KernelSet,
    Normalization,
    NormalizationGrads,
    Rectifier,
    Scale,
    Tail,
    Then,
    Work,
    WorkOf,
    Workspace,
)

__all__ = [
    "ALONE",
    "DEFAULT",
    "KERNELS",
    "PLAIN",
    "Channels",
    "Convolution",
    "Fusion",
    "KernelSet",
    "Normalization",
    "NormalizationGrads",
    "Rectifier",
    "Scale",
    "Tail",
    "Then",
    "Work",
    "WorkOf",
    "Workspace",
    "check_kernels",
    "compiled",
    "reference",
    "vectorized",
]

KERNELS: dict[str, KernelSet] = {
    "reference": reference.REFERENCE,
    "vectorized": vectorized.VECTORIZED,
    "compiled": compiled.COMPILED,
}
"""The sets by name, as ``Sequential(kernels=...)`` takes it."""

DEFAULT = "vectorized"


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
