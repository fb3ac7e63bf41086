"""Networks ready to train, for images of one size and a number of classes.

Each is a function of the images' shape (H, W, C), the number of classes and a seed, and returns a
model that takes images in 0..255 and ends in a softmax. All start from random weights.
``augment`` is for layers that change images in training (new ones for each model); they
come before the ``Rescaling`` and are saved with the model. ``unet`` gives a class for each pixel:

>>> moved = small((64, 64, 3), 6, seed=0, augment=[RandomTranslation(0.06, 0.06)])
>>> [layer.name for layer in moved.layers[:2]]
['random_translation', 'rescaling']

The networks by name:

>>> print(*sorted(NETWORKS))
course densenet efficientnet_b0 lenet5 mobilenet resnet20 resnet50 small vgg
"""

from collections.abc import Callable, Sequence

from minicnn._core.shapes import Shape
from minicnn.applications.pieces import (
    MOMENTUM,
    classifier,
    conv,
    network,
    normed,
    prenormed,
    through,
)
from minicnn.errors import ConfigError
from minicnn.layers import (
    Add,
    AvgPool,
    BatchNorm,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Input,
    Layer,
    MaxPool,
    Multiply,
    ReLU,
    Rescaling,
    Residual,
    SiLU,
    ZeroPadding2D,
)
from minicnn.layers.symbolic import SymbolicTensor
from minicnn.models.model import Model
from minicnn.models.sequential import Sequential

__all__ = [
    "NETWORKS",
    "course",
    "densenet",
    "efficientnet_b0",
    "lenet5",
    "mobilenet",
    "resnet20",
    "resnet50",
    "small",
    "unet",
    "vgg",
]


@network
def course(
    input_shape: Shape, classes: int, seed: int | None = None, augment: Sequence[Layer] = ()
) -> Sequential:
    """The network of the course's SIGNS assignment: two convolutions, each pooled far down.

    >>> course((64, 64, 3), 6).output_shape
    (6,)
    """
    layers = [
        Conv2D(8, 4, padding="same"),
        ReLU(),
        MaxPool(8, padding="same"),
        Conv2D(16, 2, padding="same"),
        ReLU(),
        MaxPool(4, padding="same"),
        Flatten(),
    ]
    return classifier(input_shape, layers, classes, seed, augment)


@network
def small(
    input_shape: Shape, classes: int, seed: int | None = None, augment: Sequence[Layer] = ()
) -> Sequential:
    """Four blocks of convolution, batch normalization, ReLU and pooling, for small images.

    The first convolution takes every other pixel, which makes all that follows four
    times cheaper.

    >>> small((64, 64, 3), 6).output_shape
    (6,)
    """
    layers: list[Layer] = []
    for filters, size, strides in ((16, 5, 2), (32, 3, 1), (64, 3, 1), (128, 3, 1)):
        layers += [*normed(filters, size, strides), ReLU(), MaxPool(2, padding="same")]
    return classifier(input_shape, [*layers, Flatten(), Dropout(0.3)], classes, seed, augment)


@network
def lenet5(
    input_shape: Shape, classes: int, seed: int | None = None, augment: Sequence[Layer] = ()
) -> Sequential:
    """LeNet-5: two convolutions with tanh, each averaged down, and three dense layers.

    LeCun et al. (1998), with a softmax for their radial basis functions, meant for 28x28 or 32x32.

    >>> lenet5((28, 28, 1), 10).output_shape
    (10,)
    """
    layers = [
        Conv2D(6, 5, padding="same", activation="tanh"),
        AvgPool(2),
        Conv2D(16, 5, activation="tanh"),
        AvgPool(2),
        Flatten(),
        Dense(120, activation="tanh"),
        Dense(84, activation="tanh"),
    ]
    return classifier(input_shape, layers, classes, seed, augment)


@network
def vgg(
    input_shape: Shape, classes: int, seed: int | None = None, augment: Sequence[Layer] = ()
) -> Sequential:
    """Three pairs of 3x3 convolutions, each pooled by half, and a dense layer.

    In the manner of Simonyan & Zisserman (2015), with 32 to 128 filters.

    >>> vgg((64, 64, 3), 6).output_shape
    (6,)
    """
    layers: list[Layer] = []
    for filters in (32, 64, 128):
        for _ in range(2):
            layers.append(
                Conv2D(
                    filters, 3, padding="same", activation="relu", kernel_initializer="he_uniform"
                )
            )
        layers.append(MaxPool(2, padding="same"))
    dense = Dense(128, activation="relu", kernel_initializer="he_uniform")
    return classifier(
        input_shape, [*layers, Flatten(), dense, Dropout(0.5)], classes, seed, augment
    )


@network
def resnet20(
    input_shape: Shape, classes: int, seed: int | None = None, augment: Sequence[Layer] = ()
) -> Sequential:
    """The residual network of 20 layers for CIFAR-10: three stages of three pairs of convolutions.

    He et al. (2016), section 4.2, with 1x1 convolutions where a shortcut changes the shape. It is
    meant for 32x32; of images of 64x64 and more the first convolution takes every other pixel.

    >>> resnet20((32, 32, 3), 10).output_shape
    (10,)
    """
    layers = [*normed(16, 3, 2 if min(input_shape[:2]) >= 64 else 1), ReLU()]
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(3):
            strides = 2 if stage and not block else 1
            shortcut = normed(filters, 1, strides) if strides > 1 else None
            pair = [*normed(filters, 3, strides), ReLU(), *normed(filters, 3)]
            layers += [Residual(pair, shortcut), ReLU()]
    return classifier(input_shape, [*layers, GlobalAvgPool()], classes, seed, augment)


@network
def resnet50(
    input_shape: Shape, classes: int, seed: int | None = None, augment: Sequence[Layer] = ()
) -> Sequential:
    """The residual network of 50 layers, as the course builds it for 64x64.

    He et al. (2016): blocks of a 1x1, a 3x3 and a 1x1 convolution, 3, 4, 6 and 3 of them, after a
    7x7 convolution and a pooling that each take every other pixel. 24 million parameters.

    >>> resnet50((64, 64, 3), 6).output_shape
    (6,)
    """
    layers: list[Layer] = [
        ZeroPadding2D(3),
        *normed(64, 7, 2, padding="valid"),
        ReLU(),
        MaxPool(3, strides=2),
    ]
    for filters, blocks, first in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(blocks):
            strides = 1 if block else first
            shortcut = None if block else normed(4 * filters, 1, strides)
            narrow = [*normed(filters, 1, strides), ReLU(), *normed(filters, 3), ReLU()]
            layers += [Residual([*narrow, *normed(4 * filters, 1)], shortcut), ReLU()]
    return classifier(
        input_shape, [*layers, AvgPool(2, padding="same"), Flatten()], classes, seed, augment
    )


@network
def mobilenet(
    input_shape: Shape, classes: int, seed: int | None = None, augment: Sequence[Layer] = ()
) -> Sequential:
    """Inverted residual blocks with depthwise convolutions: few parameters for much depth.

    In the manner of MobileNetV2 (Sandler et al., 2018), with 16 to 96 channels: each block widens
    by 1x1, filters each channel by 3x3, and narrows by 1x1 without an activation.

    >>> mobilenet((64, 64, 3), 6).output_shape
    (6,)
    """
    layers: list[Layer] = [*normed(16, 3, 2), ReLU(max_value=6)]
    before = 16
    for filters, strides in ((24, 2), (24, 1), (32, 2), (32, 1), (64, 2), (64, 1), (96, 1)):
        block: list[Layer] = [
            *normed(4 * before, 1),
            ReLU(max_value=6),
            DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False),
            BatchNorm(momentum=MOMENTUM),
            ReLU(max_value=6),
            *normed(filters, 1),
        ]
        layers += [Residual(block)] if filters == before and strides == 1 else block
        before = filters
    return classifier(input_shape, [*layers, GlobalAvgPool(), Dropout(0.2)], classes, seed, augment)


@network
def densenet(
    input_shape: Shape, classes: int, seed: int | None = None, augment: Sequence[Layer] = ()
) -> Model:
    """DenseNet-BC of 40 layers for small images: each layer reads all before it in its block.

    Three blocks of six pairs of convolutions, 1x1 and 3x3, each pair of which adds 12 channels to
    those that are there; between blocks a 1x1 convolution halves them. Huang et al. (2017).

    >>> densenet((32, 32, 3), 10).count_params()
    181210
    """
    image = Input(input_shape, name="image")
    x = through([*augment, Rescaling(1 / 255), conv(24, 3)], image)
    for block in range(3):
        for _ in range(6):
            new = through([*prenormed(48, 1), *prenormed(12, 3)], x)
            x = Concatenate()([x, new])
        if block < 2:
            x = through([*prenormed(x.sizes[-1] // 2, 1), AvgPool(2, padding="same")], x)
    x = through([BatchNorm(momentum=MOMENTUM), ReLU(), GlobalAvgPool()], x)
    return Model(image, Dense(classes, activation="softmax")(x), name="densenet", seed=seed)


B0 = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""EfficientNet-B0's stages: blocks, window, strides of the first, factor of widening, channels."""


@network
def efficientnet_b0(
    input_shape: Shape, classes: int, seed: int | None = None, augment: Sequence[Layer] = ()
) -> Model:
    """EfficientNet-B0: inverted residual blocks that weigh their channels, 4 million parameters.

    Each block widens by 1x1, filters each channel, multiplies each by a weight between 0 and 1 that
    it takes of the means of all (squeeze and excitation), and narrows. Tan and Le (2019).

    >>> efficientnet_b0((32, 32, 3), 6).output_shape
    (6,)
    """
    image = Input(input_shape, name="image")
    x = through([*augment, Rescaling(1 / 255), *normed(32, 3, 2), SiLU()], image)
    for blocks, size, strides, factor, filters in B0:
        for i in range(blocks):
            x = _inverted(x, size, strides if i == 0 else 1, factor, filters)
    x = through([*normed(1280, 1), SiLU(), GlobalAvgPool(), Dropout(0.2)], x)
    return Model(image, Dense(classes, activation="softmax")(x), name="efficientnet_b0", seed=seed)


def _inverted(
    x: SymbolicTensor, size: int, strides: int, factor: int, filters: int
) -> SymbolicTensor:
    """One of EfficientNet's blocks."""
    before = x.sizes[-1]
    wide = before * factor
    y = x if factor == 1 else through([*normed(wide, 1), SiLU()], x)
    depthwise = DepthwiseConv2D(size, strides=strides, padding="same", use_bias=False)
    y = through([depthwise, BatchNorm(momentum=MOMENTUM), SiLU()], y)
    squeeze = Conv2D(max(1, before // 4), 1, activation="silu")
    excite = Conv2D(wide, 1, activation="sigmoid")
    y = Multiply()([y, through([GlobalAvgPool(keepdims=True), squeeze, excite], y)])
    y = through(normed(filters, 1), y)
    return Add()([x, y]) if strides == 1 and before == filters else y


@network
def unet(
    input_shape: Shape, classes: int, seed: int | None = None, augment: Sequence[Layer] = ()
) -> Model:
    """A class for each pixel: down three times, and up again beside what was there on the way.

    U-Net (Ronneberger et al., 2015) with padding and 16 to 128 channels; ends in a softmax over
    the classes at each pixel. Height and width must be multiples of 8. Not one of ``NETWORKS``,
    whose outputs are a class for each image.

    >>> unet((64, 64, 3), 2).output_shape
    (64, 64, 2)
    """
    if any(n % 8 for n in input_shape[:2]):
        raise ConfigError(
            f"unet: expected height and width that are multiples of 8, got {tuple(input_shape)}. "
            "Resize or crop the images before."
        )
    image = Input(input_shape, name="image")
    x = through([*augment, Rescaling(1 / 255)], image)
    left = []
    for filters in (16, 32, 64):
        x = through([*normed(filters, 3), ReLU(), *normed(filters, 3), ReLU()], x)
        left.append(x)
        x = MaxPool(2)(x)
    x = through([*normed(128, 3), ReLU()], x)
    for filters in (64, 32, 16):
        x = Concatenate()([left.pop(), Conv2DTranspose(filters, 2, strides=2)(x)])
        x = through([*normed(filters, 3), ReLU(), *normed(filters, 3), ReLU()], x)
    return Model(image, Conv2D(classes, 1, activation="softmax")(x), name="unet", seed=seed)


Network = Callable[..., Model]
NETWORKS: dict[str, Network] = {
    f.__name__: f
    for f in (
        *(course, small, lenet5, vgg, resnet20, resnet50, mobilenet),
        *(densenet, efficientnet_b0),
    )
}

RATES = dict.fromkeys(("course", "small", "resnet20", "mobilenet", "densenet"), 4e-3)
"""A learning rate for Adam with a cosine that suits a network; 1e-3 suits the others, which have
no batch normalization or much depth."""
