"""``ImageDataGenerator``: batches of pictures, changed at random and standardized."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minicnn._core.arguments import choice, number, whole_number
from minicnn._core.console import warn
from minicnn._core.settings import floatx
from minicnn._core.shapes import Array, Pair, Shape
from minicnn._core.signatures import checked
from minicnn._parallel import threads
from minicnn.data.arrays import as_array
from minicnn.errors import ConfigError, DataError, shown
from minicnn.preprocessing.affine import FILL_MODES
from minicnn.preprocessing.flows import Flows
from minicnn.preprocessing.pictures import channels_first
from minicnn.preprocessing.standardizing import Standardizing, same_shape
from minicnn.preprocessing.transforms import (
    STILL,
    Numbers,
    random_state,
    recoloured,
    transformed,
    two_numbers,
    unmoved,
)

MOVING = 10
"""Nanoseconds that a number of a picture takes that is turned or shifted."""

PART = 1 << 20
"""Bytes of a batch that are changed together, so that they stay in the cache."""

Draw = tuple[str, Any, float]
"""A number's name, its limits (least, most) or an array of what it is chosen from, and a factor."""


class ImageDataGenerator(Standardizing, Flows):
    """Pictures changed at random, and then standardized, batch after batch. As in Keras.

    ``rotation_range`` and ``shear_range`` are degrees either way. ``width_shift_range`` and
    ``height_shift_range`` are parts of the picture below 1, pixels from 1 on, a whole number n for
    less than n whole pixels, or a list to choose from. ``zoom_range`` z draws from 1 - z to 1 + z,
    or from (least, most); ``brightness_range`` is (least, most); ``channel_shift_range`` is added
    either way. What lies beyond the border is found by ``fill_mode``, "nearest", "reflect", "wrap"
    or "constant", which is ``cval``. ``interpolation_order`` 0 takes the nearest pixel, 1 the four
    around a place; 2 to 5 need SciPy.

    Then come ``preprocessing_function`` of each picture, times ``rescale``, less its mean
    (``samplewise_center``), by its standard deviation, less the mean of the data that ``fit`` saw
    (``featurewise_center``), by their deviation, or their ZCA whitening instead.
    ``validation_split`` is the part that ``subset="validation"`` draws from, the first of the data.

    The same seed gives the pictures of Keras. Two of its habits are kept for that: the width's
    shift moves pictures up and down and the height's sideways, and pictures that are not square
    are turned about a place beside their middle. Raises ``ConfigError`` for other arguments.

    >>> x = np.arange(6.0).reshape(1, 2, 3, 1)
    >>> generator = ImageDataGenerator(horizontal_flip=True, rescale=1 / 2)
    >>> generator.flow(x, batch_size=1, seed=0)[0][0, ..., 0].tolist()
    [[0.0, 0.5, 1.0], [1.5, 2.0, 2.5]]
    """

    @checked
    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: float | Sequence[float] = 0.0,
        height_shift_range: float | Sequence[float] = 0.0,
        brightness_range: Sequence[float] | None = None,
        shear_range: float = 0.0,
        zoom_range: float | Sequence[float] = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[Array], Array] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: Any = None,
    ) -> None:
        who = "ImageDataGenerator"
        self.featurewise_center = featurewise_center or featurewise_std_normalization
        self.samplewise_center = samplewise_center or samplewise_std_normalization
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening = zca_whitening
        if zca_whitening:
            self.featurewise_center, self.featurewise_std_normalization = True, False
        self.zca_epsilon = zca_epsilon
        self.rotation_range = rotation_range
        self.width_shift_range = width_shift_range
        self.height_shift_range = height_shift_range
        self.shear_range = shear_range
        self.channel_shift_range = channel_shift_range
        if isinstance(zoom_range, int | float | np.number):
            zoom_range = 1 - zoom_range, 1 + zoom_range
        self.zoom_range = list(two_numbers(who, "zoom_range", zoom_range))
        self.brightness_range = brightness_range
        self.fill_mode = fill_mode
        self.cval = cval
        self.horizontal_flip = horizontal_flip
        self.vertical_flip = vertical_flip
        self.rescale = rescale
        self.preprocessing_function = preprocessing_function
        first = channels_first(who, data_format)
        self.data_format = "channels_first" if first else "channels_last"
        self.channel_axis, self.row_axis, self.col_axis = (1, 2, 3) if first else (3, 1, 2)
        self._validation_split = validation_split
        self.interpolation_order = whole_number(
            who, "interpolation_order", interpolation_order, least=0, most=5
        )
        self.dtype = np.dtype(dtype or floatx())
        self.mean: Array | None = None
        self.std: Array | None = None
        self.zca_whitening_matrix: Array | None = None
        self._rng = random_state()
        self._check_ranges(who)

    def _check_ranges(self, who: str) -> None:
        for name in ("rotation_range", "shear_range", "channel_shift_range"):
            number(who, name, getattr(self, name))
        for name in ("width_shift_range", "height_shift_range"):
            _shift(who, name, getattr(self, name), 1)
        if self.brightness_range is not None:
            two_numbers(who, "brightness_range", self.brightness_range)
        choice(who, "fill_mode", self.fill_mode, FILL_MODES)
        number(who, "rescale", 1 if self.rescale is None else self.rescale)
        if self._validation_split:
            number(who, "validation_split", self._validation_split, above=0, below=1)

    def _draws(self, image: Pair) -> Iterator[Draw]:
        """What is drawn for an image of that size, in Keras' order."""
        if self.rotation_range:
            yield "theta", (-self.rotation_range, self.rotation_range), 1
        for name, side, size in zip(("tx", "ty"), ("height", "width"), image, strict=True):
            range_ = f"{side}_shift_range"
            limits, factor = _shift(type(self).__name__, range_, getattr(self, range_), size)
            if limits is not None:
                yield name, limits, factor
        if self.shear_range:
            yield "shear", (-self.shear_range, self.shear_range), 1
        if self.zoom_range != [1, 1]:
            yield from ((name, tuple(self.zoom_range), 1) for name in ("zx", "zy"))
        yield from ((name, (0, 1), 1) for name in ("flip_horizontal", "flip_vertical"))
        if self.channel_shift_range:
            limits = -self.channel_shift_range, self.channel_shift_range
            yield "channel_shift_intensity", limits, 1
        if self.brightness_range is not None:
            yield "brightness", tuple(self.brightness_range), 1

    def _numbers(self, rng: np.random.RandomState, n: int, image: Pair) -> Numbers:
        """Numbers for n images of that size, drawn for one after the other."""
        draws = list(self._draws(image))
        if any(isinstance(limits, np.ndarray) for _, limits, _ in draws):
            drawn = np.array([[_drawn(rng, limits) for _, limits, _ in draws] for _ in range(n)])
        else:
            least, most = np.array([limits for _, limits, _ in draws], float).T
            drawn = least + (most - least) * rng.random_sample((n, len(draws)))
        drawn = drawn.reshape(n, len(draws))
        numbers = {name: np.full(n, still) for name, still in STILL.items()}
        for column, (name, _, factor) in zip(drawn.T, draws, strict=True):
            numbers[name] = column * factor
        for side in ("horizontal", "vertical"):
            asked = bool(getattr(self, f"{side}_flip"))
            numbers[f"flip_{side}"] = (numbers[f"flip_{side}"] < 0.5) & asked
        return numbers

    def get_random_transform(
        self, img_shape: Shape, seed: int | None = None
    ) -> dict[str, float | bool | None]:
        """The numbers of a transform of an image of that shape, by name.

        theta, shear (degrees), tx, ty (pixels), zx, zy, flip_horizontal, flip_vertical,
        channel_shift_intensity and brightness, of which the last two may be None.
        """
        if seed is not None:
            self._rng = random_state(seed)
        image = img_shape[self.row_axis - 1], img_shape[self.col_axis - 1]
        numbers = self._numbers(self._rng, 1, image)
        drawn = {name: column.item() for name, column in numbers.items()}
        return dict.fromkeys(("channel_shift_intensity", "brightness")) | drawn

    def apply_transform(self, x: Array, transform_parameters: dict[str, Any]) -> Array:
        """One image transformed by numbers as ``get_random_transform`` gives them.

        >>> x = np.arange(3.0).reshape(1, 3, 1)
        >>> ImageDataGenerator().apply_transform(x, {"flip_horizontal": True}).ravel().tolist()
        [2.0, 1.0, 0.0]
        """
        who = f"{type(self).__name__}.apply_transform"
        x = np.array(x)
        if x.ndim != 3 or x.dtype.kind not in "biuf":
            raise DataError(f"{who}: expected one image with three axes, got {shown(x)}.")
        known = STILL | {"flip_horizontal": False, "flip_vertical": False}
        asked = ("channel_shift_intensity", "brightness")
        given = known | {
            name: value
            for name, value in transform_parameters.items()
            if name in known or (name in asked and value is not None)
        }
        numbers = {name: np.array([value], float) for name, value in given.items()}
        y: Array = self._transformed(x[None], numbers)[0]
        return y

    def _transformed(self, x: Array, numbers: Numbers) -> Array:
        """A batch transformed, which may be written to."""
        how = self.fill_mode, self.cval, self.interpolation_order
        if self.channel_axis == 3:
            return transformed(x, numbers, *how)
        return transformed(x.transpose(0, 2, 3, 1), numbers, *how).transpose(0, 3, 1, 2)

    def random_transform(self, x: Array, seed: int | None = None) -> Array:
        """One image transformed by numbers that are drawn."""
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))

    def _batch(self, images: Array, places: Array, rng: np.random.RandomState, dtype: Any) -> Array:
        """Those of the images, transformed at random and standardized.

        What a derived class does otherwise is asked for each image.
        """
        cls, base = type(self), ImageDataGenerator
        custom = ("get_random_transform", "apply_transform", "random_transform", "standardize")
        if all(getattr(cls, name) is getattr(base, name) for name in custom):
            return self._changed(images, places, rng, dtype)
        self._rng = rng
        x: Array = images[places].astype(dtype, copy=False)
        for i, image in enumerate(x):
            parameters = self.get_random_transform(image.shape)
            y = self.standardize(self.apply_transform(image, parameters))
            x[i] = same_shape(f"{cls.__name__}: expected its methods", y, image)
        return x

    def _changed(
        self, images: Array, places: Array, rng: np.random.RandomState, dtype: Any
    ) -> Array:
        """The same, some at a time, so that what is changed step by step lies in the cache."""
        x = np.empty((len(places), *images.shape[1:]), dtype)
        size = images.shape[self.row_axis], images.shape[self.col_axis]
        numbers = self._numbers(rng, len(x), size)
        still = unmoved(numbers)
        ours = self.channel_axis == 3
        many = max(1, PART // max(1, x[:1].nbytes))

        def change(begin: int, end: int) -> None:
            for first in range(begin, end, many):
                some = slice(first, min(first + many, end))
                theirs = {name: values[some] for name, values in numbers.items()}
                part = x[some]
                if still and ours:
                    recoloured(images, places[some], theirs, part)
                    y = part.astype(self.dtype, copy=False)
                else:
                    part[...] = images[places[some]]
                    y = self._transformed(part, theirs).astype(self.dtype, copy=False)
                y = self._standardized(y, each=True)
                if y is not part:
                    part[...] = y

        cost = x.size * (1 if still else MOVING)
        if self.preprocessing_function or threads.shards_of(len(x), cost) == 1:
            change(0, len(x))  # a user's function may not be called by several threads
        else:
            with threads.working():
                threads.shards(len(x), change, cost)
        return x

    @checked
    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Find the mean, the standard deviation and the whitening of images (N, H, W, C).

        With ``augment`` those of ``rounds`` passes over them, transformed at random. Raises
        ``DataError`` for another shape.
        """
        x = self._checked("fit", x).astype(self.dtype)
        if seed is not None:
            self._rng = random_state(seed)
        if self.rescale:
            x *= self.rescale
        if augment:
            image = x.shape[self.row_axis], x.shape[self.col_axis]
            passes = range(whole_number(type(self).__name__, "rounds", rounds))
            parts = [
                self._transformed(x.copy(), self._numbers(self._rng, len(x), image)) for _ in passes
            ]
            x = np.concatenate(parts)
        self._learn(x)

    def _checked(self, method: str, x: Any) -> Array:
        """Images (N, H, W, C), or (N, C, H, W)."""
        who = f"{type(self).__name__}.{method}"
        images = as_array(who, x, "images")
        if images.ndim != 4 or not images.size or images.dtype.kind not in "biuf":
            remedy = (
                " Grey ones need an axis for their channel: x[..., None]."
                if images.ndim == 3
                else ""
            )
            raise DataError(f"{who}: expected images (N, H, W, C), got {shown(images)}.{remedy}")
        if images.shape[self.channel_axis] not in (1, 3, 4):
            warn(
                f"{who}: expected 1, 3 or 4 channels on axis {self.channel_axis}, "
                f"got images {images.shape}.",
                UserWarning,
            )
        return images


def _shift(who: str, argument: str, value: Any, size: int) -> tuple[Any, float]:
    """The limits of a shift, or an array to choose from, or None; and its factor, as in Keras."""
    if value is None or (np.ndim(value) == 0 and not value):
        return None, 1
    chosen = np.asarray(value)
    if chosen.dtype.kind not in "iuf" or chosen.ndim > 1 or not np.isfinite(chosen).all():
        raise ConfigError(
            f"{who}: expected {argument} as a number or a list of them, got {shown(value)}."
        )
    if not chosen.size:
        return None, 1
    factor = size if chosen.max() < 1 else 1
    if chosen.ndim == 1:
        return chosen, factor
    if chosen.dtype.kind in "iu" and value > 0:
        return np.arange(value), factor
    return (-float(value), float(value)), factor


def _drawn(rng: np.random.RandomState, limits: Any) -> float:
    """A number from within limits, or one from an array, of either sign."""
    if isinstance(limits, np.ndarray):
        return float(rng.choice(limits) * rng.choice([-1, 1]))
    return float(rng.uniform(*limits))
