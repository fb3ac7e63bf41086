"""What a kernel set may be capable of besides convolutions and normalization: see ``KernelSet``."""

from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

from minicnn._core.shapes import Array

Crossentropy = Callable[[Array, Array], tuple[float, Array, Array]]
"""(class numbers, logits) of a batch -> (mean loss, softmax, gradient of the mean)."""

Fold = Callable[
    [Array, Array | None, Array | None, Array | None, Array, Array, float, tuple[Array, Array]],
    None,
]
"""(kernel, bias, gamma, beta, mean, variance, epsilon, (kernel, bias) that are made): see
``minicnn/models/folding.py``."""


class DenseKernels(NamedTuple):
    """A fully connected layer of rows: what stands around its products, in one pass."""

    forward: Callable[[Array, Array, Array | None, str], Array]
    """(x, kernel, bias, "linear", "relu" or "softmax") -> y."""
    backward: Callable[[Array, Array | None], tuple[Array, Array]]
    """(dy, y of a ReLU or None) -> (dz, dbias)."""


class Moments:
    """Mean and variance of what a convolution makes within ``with moments:``, in this thread."""

    def of(self, x: Array) -> tuple[Array, Array]:
        """(mean, variance) of each channel of x, which are there already if x was made within."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Begin to look at what is made."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Look no more."""


class Recording:
    """The calls that a thread makes of a kernel set within ``with recording:``."""

    complete: bool
    """Whether all that was computed can be computed again."""

    def replay(self) -> None:
        """Make the calls again, with the same arrays as they are now."""

    def __enter__(self) -> Self:
        """Begin to note calls."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Note no more."""
