"""What a kernel set is: a few functions, and what it is capable of besides.

Arrays are (n, h, w, c), kernels (kh, kw, c_in, c_out), sizes and strides (height, width) pairs,
pads ((top, bottom), (left, right)). Results have the dtype of their inputs; inputs are never
written to.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from minicnn._core.resampling import Taps
from minicnn._core.shapes import Array, DType, Pads, Pair, Shape
from minicnn.errors import ConfigError
from minicnn.kernels.capabilities import Crossentropy, DenseKernels, Fold, Moments, Recording
from minicnn.kernels.rules import OptimizerStep

Pool = Callable[[Array, Pair, Pair, Pads], Array]
MaxPoolBackward = Callable[[Array, Array, Array, Pair, Pair, Pads], Array]
AvgPoolBackward = Callable[[Array, Shape, Pair, Pair, Pads], Array]
Sums = Callable[[Array], Array]


class Tail(NamedTuple):
    """What follows a convolution in the same pass: ReLU, and pooling of windows side by side."""

    relu: bool = False
    pool: str = ""
    """"max", "avg" or ""."""
    size: Pair = (1, 1)
    """The pooling window and its strides; pixels that fill no window are dropped."""


PLAIN = Tail()


class Scale(NamedTuple):
    """What is done to the pixels on their way into the convolution: x * scale + offset."""

    scale: float
    offset: float


if TYPE_CHECKING:  # the signatures of a kernel set's functions

    class Convolve(Protocol):  # noqa: D101
        def __call__(  # noqa: D102
            self,
            x: Array,
            kernel: Array,
            bias: Array | None,
            strides: Pair,
            pads: Pads,
            dilation: Pair = (1, 1),
            groups: int = 1,
        ) -> Array: ...

    class ConvolveBackward(Protocol):  # noqa: D101
        def __call__(  # noqa: D102
            self,
            dy: Array,
            x: Array,
            kernel: Array,
            strides: Pair,
            pads: Pads,
            need_dx: bool = True,
            dilation: Pair = (1, 1),
            groups: int = 1,
        ) -> tuple[Array | None, Array, Array]: ...

    class ConvolveTransposed(Protocol):  # noqa: D101
        def __call__(  # noqa: D102
            self,
            x: Array,
            kernel: Array,
            bias: Array | None,
            out: Pair,
            strides: Pair,
            pads: Pads,
            dilation: Pair = (1, 1),
        ) -> Array: ...

    class Depthwise(Protocol):  # noqa: D101
        def __call__(  # noqa: D102
            self,
            x: Array,
            kernel: Array,
            bias: Array | None,
            strides: Pair,
            pads: Pads,
            dilation: Pair = (1, 1),
        ) -> Array: ...

    class DepthwiseBackward(Protocol):  # noqa: D101
        def __call__(  # noqa: D102
            self,
            dy: Array,
            x: Array,
            kernel: Array,
            strides: Pair,
            pads: Pads,
            need_dx: bool = True,
            dilation: Pair = (1, 1),
        ) -> tuple[Array | None, Array, Array]: ...

    class FusedConvolve(Protocol):  # noqa: D101
        def __call__(  # noqa: D102
            self,
            x: Array,
            kernel: Array,
            bias: Array | None,
            strides: Pair,
            pads: Pads,
            tail: Tail = PLAIN,
            scale: Scale | None = None,
            training: bool = False,
        ) -> tuple[Array, Any]: ...

    class FusedConvolveBackward(Protocol):  # noqa: D101
        def __call__(  # noqa: D102
            self,
            dy: Array,
            x: Array,
            trace: Any,
            kernel: Array,
            strides: Pair,
            pads: Pads,
            tail: Tail = PLAIN,
            scale: Scale | None = None,
            need_dx: bool = True,
        ) -> tuple[Array | None, Array, Array]: ...


class Fusion(NamedTuple):
    """A convolution in one pass with what stands before and after it."""

    convolve: "FusedConvolve"
    """(y, trace): x scaled, convolved and sent through the tail, and what ``backward`` needs of
    that; outside training only y counts. x may hold bytes."""
    convolve_backward: "FusedConvolveBackward"
    """(dx, dkernel, dbias); dx is None when it is not needed."""
    largest_window: int = 1 << 62
    """Pixels of a pooling window that it can take along."""


class Then(NamedTuple):
    """The ReLU that follows in the same pass: y = min(max(z, 0), most)."""

    relu: bool = False
    most: float = math.inf
    slope: float = 0.0
    """Above 0 it is leaky: y = z above 0, else slope * z."""


ALONE = Then()


class Channels(NamedTuple):
    """What a batch normalization does to each channel: (x - mean) * scale + shift."""

    mean: Array
    inverse_deviation: Array
    scale: Array
    shift: Array


class NormalizationGrads(NamedTuple):
    """The gradients of a normalization."""

    dx: Array | None
    dscale: Array
    """The sum of g * x_hat, the gradient of gamma."""
    dshift: Array
    """The sum of g, the gradient of beta."""


Join = Callable[[Array, Array], tuple[Array, Array]]
"""Of this part of a batch, the sums of g * x_hat and of g -> their means over all parts."""

if TYPE_CHECKING:

    class Normalize(Protocol):  # noqa: D101
        def __call__(  # noqa: D102
            self,
            x: Array,
            channels: Channels,
            then: Then = ...,
            other: Array | None = None,
            pool: Pair | None = None,
        ) -> Array: ...

    class NormalizeBackward(Protocol):  # noqa: D101
        def __call__(  # noqa: D102
            self,
            dy: Array,
            x: Array,
            channels: Channels,
            then: Then = ...,
            y: Array | None = None,
            batch: bool = True,
            need_dx: bool = True,
            over_x: bool = False,
            pool: Pair | None = None,
            join: Join | None = None,
        ) -> NormalizationGrads: ...


class Normalization(NamedTuple):
    """Batch normalization along the last axis, together with what follows it.

    g is dy where the ReLU let z through, else 0.
    """

    most_pooled: int
    """The most channels that are pooled in the same pass."""
    moments: Callable[[Array], tuple[Array, Array]]
    """(mean, variance) of each channel, in one pass."""
    normalize: "Normalize"
    """y = the ReLU of (x - mean) * scale + shift + other; or, with ``pool``, the largest of such
    windows side by side, and no other array is added."""
    backward: "NormalizeBackward"
    """The gradients; ``batch`` says whether mean and variance are those of x. y is given where a
    ReLU followed a sum with another array, and becomes g, the other's gradient. dx is written over
    x where ``over_x`` says that nobody else needs it. ``join`` is called where x is a part of the
    batch, between the sums and dx."""
    noted: Callable[[], Moments] | None = None
    """What finds the moments of a convolution's output while it is made, if kernels do."""


class Rows(NamedTuple):
    """What a layer normalization keeps: its input, and the mean and 1 / deviation of each row."""

    x: Array
    mean: Array
    inverse_deviation: Array


class LayerNormalization(NamedTuple):
    """Layer normalization of the rows of a matrix; each pass goes through the memory once."""

    normalize: Callable[[Array, Array | None, Array | None, float], tuple[Array, Rows]]
    """(x, gamma, beta, epsilon) -> (y, what ``backward`` needs)."""
    backward: Callable[[Array, Rows, Array | None], tuple[Array, Array, Array]]
    """(dy, rows, gamma) -> (dx, dgamma, dbeta)."""
    longest: int
    """The most numbers in a row."""


if TYPE_CHECKING:

    class Rectify(Protocol):  # noqa: D101
        def __call__(  # noqa: D102
            self,
            x: Array,
            then: Then = ...,
            other: Array | None = None,
            out: Array | None = None,
        ) -> Array: ...


class Rectifier(NamedTuple):
    """Sums and ReLUs in one pass."""

    rectify: "Rectify"
    """The ReLU of x + other, of the same shape; ``out`` may be one of them."""
    backward: Callable[[Array, Array, Then], Array]
    """(dy, y, then) -> the gradient of the sum, written over y."""


class Workspace:
    """The memory of a run, which is used again and again; this one keeps nothing.

    ``with workspace:`` opens it to the kernels, in this thread.

    >>> with Workspace() as workspace:
    ...     len(workspace.arrays)
    0
    """

    arrays: Sequence[Array] = ()
    """What it holds."""

    @property
    def nbytes(self) -> int:
        """The bytes of all that it holds."""
        return sum(array.nbytes for array in self.arrays)

    def __enter__(self) -> Self:
        """Open it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it: what was taken stays as it is."""


class Convolution(NamedTuple):
    """A convolution of which a kernel set is asked how much memory it takes."""

    image: Shape
    """(h, w, c_in) of what goes in."""
    kernel: Shape
    strides: Pair
    pads: Pads
    dilation: Pair
    groups: int
    dtype: DType
    tail: Tail = PLAIN
    scale: Scale | None = None


class Work(NamedTuple):
    """Bytes that are taken for a moment, besides inputs and outputs."""

    predicting: int
    """In the forward pass."""
    training: int
    """In that pass or the backward pass, whichever takes more."""


WorkOf = Callable[[Convolution, int, int], Work]
"""(convolution, images, threads) -> what it takes."""


Resample = Callable[[Array, Array, str, str, float], Array]
"""(x, maps, fill_mode, interpolation, fill) -> images seen through affine maps: see
``minicnn/layers/augmentation/resampling.py``."""

Affine = Callable[[Array, Array, Array, str, float, int], bool]
"""(x, matrices, offsets, fill_mode, cval, order) -> whether x was resampled in place: see
``minicnn/preprocessing/affine.py``."""

Resize = Callable[[Array, Taps, Taps, Array], bool]
"""(x, rows, columns, y) -> whether the bytes of a picture x, (H, W, C), were resized into y: see
``minicnn/preprocessing/picture_reader.py``."""


@dataclass(frozen=True, kw_only=True)
class KernelSet:
    """The functions that layers compute with, and the capabilities that others may ask for.

    ``conv2d`` correlates every window of x with every filter, and adds the bias. The pixels of a
    window are ``dilation`` apart; strides are 1 where that is not. With ``groups``, channels and
    filters are cut into so many runs, each filter sees the channels of its run, and the kernel is
    (kh, kw, c_in / groups, c_out). x must be finite: a NaN or infinity may reach neighbouring
    outputs as well. ``conv2d_backward`` gives (dx, dkernel, dbias); dx is None when it is not
    needed. ``conv2d_transpose`` is the dx of the convolution that makes images like x of images of
    size ``out``, plus the bias: the kernel is that convolution's, its c_in are channels of what
    comes out, its c_out x's.

    ``depthwise`` correlates each channel of x with filters for it alone, and adds the bias. The
    kernel is (kh, kw, c, times); channel c * times + m comes of channel c, filter m.
    ``depthwise_backward`` is as ``conv2d_backward``.

    ``max_pool`` is the maximum of every window; pads count as minus infinity, NaN propagates.
    ``max_pool_backward`` (of dy, x, y, ...) sends all of dy to the first maximum of its window in
    row-major order. ``avg_pool`` is the mean over the real pixels of every window; pads do not
    count. ``avg_pool_backward`` (of dy and x's shape) gives each of them an equal part of dy.

    ``channel_sums`` is the sum over all axes but the last, right to the last digits of x's dtype;
    ``image_sums``, (N, C), over the pixels of each image.

    Capabilities, all optional: ``fusion`` computes a convolution together with its neighbours,
    ``dense`` a fully connected layer with its activation, ``crossentropy`` the loss of a softmax
    with its gradient, ``image_means`` the sums of images over the number of their pixels,
    ``normalization`` and ``layer_normalization`` BatchNorm and LayerNorm, without which the layers
    compute as they stand, and ``rectifier`` sums and ReLUs;
    ``workspace`` makes the memory of a run; ``work_of`` says how much memory a convolution takes
    for a moment, which else counts as none; ``optimizer_step`` moves all parameters in one call, to
    the same bits as the optimizer's ``update``, or says that it cannot; ``resample`` turns, moves
    and zooms images as random layers do, and ``affine`` as ImageDataGenerator; ``resize`` brings
    pictures from files to one size; ``fold`` folds a BatchNorm into a convolution; ``recording``
    notes calls, to make them again at once, which a set with functions of other code cannot have.

    A custom set is an entry in ``KERNELS``. This one counts the convolutions of the loops:

    >>> from dataclasses import replace
    >>> from minicnn.kernels import KERNELS
    >>> calls = []
    >>> def counted(*args, **options):
    ...     calls.append(args[0].shape)
    ...     return KERNELS["reference"].conv2d(*args, **options)
    >>> KERNELS["counted"] = replace(KERNELS["reference"], conv2d=counted)
    >>> model = Sequential([Input((4, 4, 1)), Conv2D(2, 3)], seed=0, kernels="counted")
    >>> model.predict(np.zeros((5, 4, 4, 1))).shape, calls
    ((5, 2, 2, 2), [(5, 4, 4, 1)])
    >>> del KERNELS["counted"]

    Raises ``ConfigError`` for a function that is none.
    """

    conv2d: "Convolve"
    conv2d_backward: "ConvolveBackward"
    conv2d_transpose: "ConvolveTransposed"
    depthwise: "Depthwise"
    depthwise_backward: "DepthwiseBackward"
    max_pool: Pool
    max_pool_backward: MaxPoolBackward
    avg_pool: Pool
    avg_pool_backward: AvgPoolBackward
    channel_sums: Sums
    image_sums: Sums

    fusion: Fusion | None = None
    crossentropy: Crossentropy | None = None
    dense: DenseKernels | None = None
    image_means: Sums | None = None
    normalization: Normalization | None = None
    layer_normalization: LayerNormalization | None = None
    rectifier: Rectifier | None = None
    workspace: Callable[[], Workspace] = Workspace
    work_of: WorkOf | None = None
    optimizer_step: OptimizerStep | None = None
    fold: Fold | None = None
    recording: Callable[[], Recording] | None = None
    resample: Resample | None = None
    affine: Affine | None = None
    resize: Resize | None = None

    def __post_init__(self) -> None:
        """See the class."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.default is MISSING and not callable(value):
                raise ConfigError(
                    f"KernelSet: expected {field.name} to be a function, got {value!r}."
                )
