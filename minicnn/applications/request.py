"""What Keras' networks have in common: their arguments, what they begin and end with, weights.

``application`` makes Keras' function of a network that is written as what becomes of an image.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from pathlib import Path
from typing import Any

import numpy as np

from minicnn import activations
from minicnn._core.arguments import whole_number
from minicnn._core.shapes import Shape
from minicnn._core.signatures import checked
from minicnn._files.downloads import fetched
from minicnn.applications.imagenet_utils import models_folder
from minicnn.data.axis_order import check_order
from minicnn.errors import ConfigError, ModelFileError, ShapeError, shown
from minicnn.initializers import left_unset
from minicnn.layers import Dense, GlobalAvgPool, GlobalMaxPool, InputLayer, Layer
from minicnn.layers.channels_first import images_first, turned
from minicnn.layers.symbolic import SymbolicTensor
from minicnn.models.door import as_the_script
from minicnn.models.loading import load_model
from minicnn.models.model import Model

PUBLISHED = "https://storage.googleapis.com/tensorflow/keras-applications"
"""Where Keras' files of weights are."""

KERNELS = "weights_tf_dim_ordering_tf_kernels"
"""What most of them are called."""


@dataclass
class Request:
    """What a call asks for. Raises ``ConfigError`` unless it can be had."""

    who: str
    include_top: bool
    weights: Any
    input_tensor: Any
    input_shape: Any
    pooling: str | None
    classes: int
    classifier_activation: Any

    def __post_init__(self) -> None:
        who, weights = self.who, self.weights
        text = isinstance(weights, str | os.PathLike)
        if not (weights is None or (text and (weights == "imagenet" or os.path.isfile(weights)))):
            raise ConfigError(
                f'{who}: expected weights as None, "imagenet" or the path of a file that is there, '
                f"got {shown(weights)}."
            )
        whole_number(who, "classes", self.classes)
        if self.imagenet and self.include_top and self.classes != 1000:
            raise ConfigError(
                f'{who}: expected classes=1000 with weights="imagenet" and include_top=True, got '
                f"{self.classes}. Take include_top=False, and put a Dense({self.classes}) of your "
                "own behind it."
            )
        if self.pooling not in (None, "avg", "max"):
            raise ConfigError(
                f"{who}: expected pooling as None, 'avg' or 'max', got {shown(self.pooling)}."
            )
        name = activations.name_of(who, self.classifier_activation)
        trained = self.include_top and weights is not None
        if trained and name not in (None, "linear", "softmax"):
            raise ConfigError(
                f"{who}: expected classifier_activation as 'softmax' or None with weights, as they "
                f"have been trained for it, got {shown(self.classifier_activation)}."
            )
        if not isinstance(self.input_tensor, SymbolicTensor | None):
            raise ConfigError(
                f"{who}: expected input_tensor as what Input(shape) gives, got "
                f"{shown(self.input_tensor)}."
            )
        if self.input_tensor is not None and self.input_tensor.channels_first:
            raise ConfigError(
                f"{who}: expected input_tensor with channels last, got {self.input_tensor!r}. Give "
                "input_shape instead, and call the model on the tensor."
            )

    @property
    def imagenet(self) -> bool:
        """Whether the weights are Keras' published ones."""
        return isinstance(self.weights, str) and self.weights == "imagenet"

    def shape(self, size: int, least: int) -> Shape:
        """The shape of the images: ``size`` in height and width where nothing is said.

        Keras leaves height and width open where it can; a network here has fixed ones.
        """
        given = self.input_shape
        if given is None:
            return (size, size, 3)
        sizes = turned(given, images_first()) if isinstance(given, tuple | list) else ()
        if len(sizes) != 3 or not all(
            n is None or (isinstance(n, int | np.integer) and not isinstance(n, bool))
            for n in sizes
        ):
            raise ConfigError(
                f"{self.who}: expected input_shape as (height, width, channels), such as "
                f"({size}, {size}, 3), got {shown(given)}."
            )
        if None in sizes and (self.include_top or sizes[2] is None):
            raise ConfigError(
                f"{self.who}: expected numbers in input_shape, got {sizes}. Height and width may "
                f"be None with include_top=False, and are {size} then."
            )
        shape = tuple(size if n is None else int(n) for n in sizes)
        check_order(self.who, (1, *shape))
        if self.imagenet and shape[2] != 3:
            raise ConfigError(
                f'{self.who}: expected 3 channels with weights="imagenet", got {shape}. '
                "np.repeat(x, 3, axis=-1) gives grey images three channels."
            )
        if self.imagenet and self.include_top and shape != (size, size, 3):
            raise ConfigError(
                f'{self.who}: expected input_shape ({size}, {size}, 3) with weights="imagenet" and '
                f"include_top=True, got {shape}. Take include_top=False for other sizes."
            )
        if min(shape[:2]) < least:
            raise ConfigError(
                f"{self.who}: expected images of at least {least}x{least}, got {shape}. "
                f"Enlarge them, as Resizing({least}, {least}) does."
            )
        return shape

    def image(self, size: int, least: int) -> SymbolicTensor:
        """What the network begins with."""
        shape = self.shape(size, least)
        if self.input_tensor is None:
            return InputLayer(shape).tensor()
        tensor: SymbolicTensor = self.input_tensor
        return tensor

    def trained_size(self, sizes: Sequence[int], by_tensor: bool = False) -> int:
        """Which of the sizes with weights of their own the images have; 224 if none.

        ``by_tensor`` is whether ``input_tensor`` counts where there is no ``input_shape``.
        """
        given = self.input_shape
        if given is None and by_tensor and self.include_top and self.input_tensor is not None:
            given = self.input_tensor.sizes
        square = isinstance(given, tuple | list) and len(given) == 3 and given[0] == given[1]
        return int(given[0]) if square and given[0] in sizes else 224

    def pooled(self, x: SymbolicTensor, named: bool = False) -> SymbolicTensor:
        """The features without a top: as they are, or their means or maxima by channel."""
        if self.pooling is None:
            return x
        pool: type[Layer] = GlobalAvgPool if self.pooling == "avg" else GlobalMaxPool
        return pool(name=f"{self.pooling}_pool" if named else None)(x)

    def predictions(self, x: SymbolicTensor, **arguments: Any) -> SymbolicTensor:
        """A number for each class."""
        activation = self.classifier_activation
        return Dense(self.classes, activation=activation, name="predictions", **arguments)(x)

    def head(self, x: SymbolicTensor, named: bool = True) -> SymbolicTensor:
        """The end that most networks have; ``named`` is whether the pooling without a top is."""
        if not self.include_top:
            return self.pooled(x, named)
        return self.predictions(GlobalAvgPool(name="avg_pool")(x))

    def model(
        self, image: SymbolicTensor, x: SymbolicTensor, name: str, url: str, known_hash: str | None
    ) -> Model:
        """The model, with its weights; ``url`` is where Keras' file of them is."""
        made = self._with_weights(image, x, name, url, known_hash)
        as_the_script(made, self.who)
        return made

    def _with_weights(
        self, image: SymbolicTensor, x: SymbolicTensor, name: str, url: str, known_hash: str | None
    ) -> Model:
        inputs = _begins(image)
        if self.weights is None:
            return Model(inputs, x, name=name)
        path = Path(self.weights)
        if self.imagenet:
            path = fetched(url.rpartition("/")[2], url, known_hash, models_folder())
        if path.suffix == ".keras":
            model = Model(inputs, x, name=name)
            try:
                model.set_weights(load_model(path, compile=False).get_weights())
            except ShapeError as error:
                raise ModelFileError(f"{path}: {error}") from None
            return model
        with left_unset():
            model = Model(inputs, x, name=name)
        model.load_weights(path)
        return model


def _begins(tensor: SymbolicTensor) -> list[SymbolicTensor]:
    """The inputs that a tensor is computed from, in the order in which they are met."""
    found: dict[int, SymbolicTensor] = {}
    seen, ahead = set(), [tensor]
    while ahead:
        x = ahead.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        if not x.call.inputs:
            found[id(x)] = x
        ahead += reversed(x.call.inputs)
    return list(found.values())


def halving(x: SymbolicTensor, size: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The padding before a window of that size that takes every other pixel, as Keras has it.

    >>> halving(Input((32, 33, 3)), 3)
    ((0, 1), (1, 1))
    """
    height, width, _ = x.sizes
    half = size // 2
    return (half - 1 + height % 2, half), (half - 1 + width % 2, half)


def rounded(filters: float) -> int:
    """The nearest multiple of 8, or the next one if that is more than a tenth less.

    >>> rounded(33.6), rounded(11), rounded(3)
    (32, 16, 8)
    """
    found = max(8, int(filters + 4) // 8 * 8)
    return found if found >= 0.9 * filters else found + 8


Body = Callable[[SymbolicTensor, Request], SymbolicTensor]


def application(
    size: int, least: int, url: str, hash_with_top: str, hash_without: str, name: str = ""
) -> Callable[[Body], Callable[..., Model]]:
    """Keras' function of a network, which is written as what becomes of an image in a ``Request``.

    ``size`` is the height and width of images if nothing is said, ``least`` the least; ``url`` is
    that of the weights without what it ends in, and the hashes are their MD5s.
    """

    def keras_function(body: Body) -> Callable[..., Model]:
        who = body.__name__

        def network(
            include_top: bool = True,
            weights: Any = "imagenet",
            input_tensor: SymbolicTensor | None = None,
            input_shape: Any = None,
            pooling: str | None = None,
            classes: int = 1000,
            classifier_activation: activations.NameOrFunction | None = "softmax",
            name: str = name or who.lower(),
        ) -> Model:
            request = Request(
                who, include_top, weights, input_tensor, input_shape, pooling, classes,
                classifier_activation,
            )  # fmt: skip
            image = request.image(size, least)
            ending, known = (".h5", hash_with_top) if include_top else ("_notop.h5", hash_without)
            return request.model(image, body(image, request), name, f"{url}{ending}", known)

        update_wrapper(network, body, ("__module__", "__name__", "__qualname__", "__doc__"))
        del network.__wrapped__  # type: ignore[attr-defined]
        return checked(network)

    return keras_function
