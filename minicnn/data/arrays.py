"""Images with their labels, in memory."""

import itertools
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Self

import numpy as np

from minicnn._core.arguments import masked_arrays
from minicnn._core.console import html_table
from minicnn._core.shapes import Array, Shape
from minicnn.data.axis_order import order_of, transposition
from minicnn.errors import ConfigError, DataError, shown

SHOWN_CLASSES = 12
"""The most classes of which a notebook shows a row and an image."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images, their labels and the names of the classes.

    ``x`` is (m, H, W, C), uint8 as in a file or floating point; ``y`` is (m,) class
    numbers; ``class_names`` has the name of each class. Raises ``DataError`` when x
    and y differ in length, are empty or are no numbers.

    >>> data = Dataset(np.zeros((4, 8, 8, 3), np.uint8), np.array([0, 1, 1, 0]), ("no", "yes"))
    >>> len(data), data.classes, len(data[:3])
    (4, 2, 3)
    """

    x: Array
    y: Array
    class_names: tuple[str, ...] = ()
    source: str = "data"
    """Where it came from, for messages."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", numbers(self.source, "images", self.x))
        object.__setattr__(self, "y", labels(self.source, self.y))
        x, y = self.x.shape, self.y.shape
        if len(x) < 2 or len(y) != 1:
            remedy = ""
            if len(y) == 2:
                remedy = f" Take {'y.ravel()' if 1 in y else 'y.argmax(axis=1)'}."
            raise DataError(
                f"{self.source}: expected images of shape (m, H, W, C) and labels (m,), "
                f"got {x} and {y}.{remedy}"
            )
        if x[0] != y[0]:
            raise DataError(
                f"{self.source}: expected as many labels as images, got {x[0]} images and "
                f"{y[0]} labels.{_other_axes(x, y)}"
            )
        if not x[0]:
            raise DataError(f"{self.source}: expected images, got none.")

    def __len__(self) -> int:
        return len(self.x)

    @property
    def classes(self) -> int:
        """The number of classes: the number of names, or the largest label + 1.

        Raises ``DataError`` for labels that are no whole numbers.
        """
        if self.class_names:
            return len(self.class_names)
        if self.y.dtype.kind == "f" and (self.y != np.floor(self.y)).any():
            raise DataError(
                f"{self.source}: expected labels that are class numbers, got "
                f"{self.y[self.y != np.floor(self.y)][0]}."
            )
        return int(self.y.max()) + 1

    def __getitem__(self, samples: slice | Array | Sequence[int]) -> "Dataset":
        """Some of the images with their labels: a slice, their numbers, or a choice of booleans.

        Raises ``DataError`` for anything else, or if no image is left.
        """
        if not isinstance(samples, slice):
            samples = np.asarray(samples)
            if samples.ndim != 1 or samples.dtype.kind not in "biu":
                raise DataError(
                    f"{self.source}: expected a slice or the numbers of images, as in data[:100]. "
                    "One image is data.x[i], and its label data.y[i]."
                )
        try:
            return Dataset(self.x[samples], self.y[samples], self.class_names, self.source)
        except IndexError as error:
            raise DataError(f"{self.source}: {error}.") from None

    def __iter__(self) -> Iterator[Any]:
        raise DataError(
            f"{self.source}: expected the images as data.x and the labels as data.y, as a dataset "
            "is not taken apart: x, y = data.x, data.y."
        )

    def __repr__(self) -> str:
        labels = f"{self.classes} classes" if self._of_classes() else f"{self.y.dtype} labels"
        return f"Dataset({self.source!r}: {self.x.dtype} {self.x.shape}, {labels})"

    def _repr_html_(self) -> str:
        """How many images each class has, and the first one of each, for a notebook."""
        if not self._of_classes():
            figures = [f"{value:.6g}" for value in (self.y.min(), self.y.mean(), self.y.max())]
            rows = [["", "least", "mean", "largest"], ["labels", *figures]]
            return html_table(rows, repr(self)) + _strip(self.x[:SHOWN_CLASSES])
        found, counts = np.unique(self.y.astype(int), return_counts=True)
        shown_ = found[:SHOWN_CLASSES]
        names = dict(enumerate(self.class_names))
        rows = [["class", "images", "share"]]
        for label, n in zip(shown_, counts, strict=False):
            rows.append([names.get(label, str(label)), f"{n:,}", f"{n / len(self):.1%}"])
        if len(found) > len(shown_):
            rows.append([f"... {len(found) - len(shown_):,} more", "", ""])
        firsts = [self.x[np.argmax(self.y == label)] for label in shown_]
        return html_table(rows, repr(self)) + _strip(firsts)

    def _of_classes(self) -> bool:
        """Whether the labels are class numbers."""
        whole = (self.y >= 0).all() and (self.y == np.floor(self.y)).all()
        return bool(self.class_names) or bool(whole)


def _strip(images: Sequence[Array] | Array) -> str:
    """Images beside each other, if they are bytes of grey or of colours."""
    if images[0].ndim != 3 or images[0].dtype != np.uint8 or images[0].shape[2] not in (1, 3):
        return ""
    import base64

    from PIL import Image  # it comes with matplotlib

    height = min(images[0].shape[0], 96)
    width = max(1, images[0].shape[1] * height // images[0].shape[0])
    strip = Image.new("RGB", (width * len(images), height))
    for i, image in enumerate(images):
        picture = Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image)
        strip.paste(picture.resize((width, height)), (i * width, 0))
    png = BytesIO()
    strip.save(png, "png")
    content = base64.b64encode(png.getvalue()).decode()
    return f'<img alt="The first image of each class" src="data:image/png;base64,{content}">'


def check_batch_size(batch_size: int) -> None:
    """Raise ``ConfigError`` unless batches can have this size."""
    whole = isinstance(batch_size, int | np.integer) and not isinstance(batch_size, bool)
    if not whole or batch_size < 1:
        raise ConfigError(
            f"batch_size: expected a whole number of at least 1, got {shown(batch_size)}."
        )


def batches(
    n: int, batch_size: int, rng: np.random.Generator | None = None
) -> Iterator[Array | slice]:
    """The index of each batch of n images: slices in order, or shuffled numbers with ``rng``.

    The last batch may be smaller; none is left out.

    >>> [len(range(10)[batch]) for batch in batches(10, 4)]
    [4, 4, 2]
    """
    check_batch_size(batch_size)
    order = None if rng is None else rng.permutation(n)
    for start in range(0, n, batch_size):
        stop = min(start + batch_size, n)
        yield slice(start, stop) if order is None else order[start:stop]


class Stream:
    """The batches of one pass over n images after another, without end.

    >>> stream = Stream(10, 4, np.random.default_rng(0))
    >>> [len(next(stream)) for _ in range(5)]
    [4, 4, 2, 4, 4]
    >>> again = Stream(10, 4, np.random.default_rng(1))
    >>> again.set_state(stream.get_state())
    >>> np.array_equal(next(stream), next(again))
    True
    """

    def __init__(self, n: int, batch_size: int, rng: np.random.Generator | None = None) -> None:
        self.n = n
        self.batch_size = batch_size
        self.rng = rng
        self.taken = 0
        """Batches of the present pass that were taken."""
        self.before: Any = None
        """The state of the generator before it shuffled the present pass."""
        self._rest: Iterator[Array | slice] = iter(())

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Array | slice:
        batch = next(self._rest, None)
        if batch is None:
            self._begin(self.rng)
            batch = next(self._rest)
        self.taken += 1
        return batch

    def _begin(self, rng: np.random.Generator | None) -> None:
        self.taken = 0
        self.before = None if rng is None else rng.bit_generator.state
        self._rest = batches(self.n, self.batch_size, rng)

    def get_state(self) -> dict[str, Any]:
        """The position in the present pass, and the generator's state before it was shuffled."""
        return {"taken": self.taken, "generator": self.before}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continue from there, without drawing from the generator.

        Raises ``ValueError``, ``TypeError`` or ``KeyError`` if there is no such place.
        """
        taken, rng = state["taken"], None
        if not 0 <= taken <= -(-self.n // self.batch_size):
            raise ValueError
        if not taken:
            return
        if self.rng is not None:
            generator = type(self.rng.bit_generator)()
            generator.state = state["generator"]
            rng = np.random.Generator(generator)
        self._begin(rng)
        for _ in range(taken):
            next(self)


def images_and_labels(who: str, x: Any, y: Any) -> tuple[Array, Array]:
    """The images and labels that ``fit`` was given, as a dataset or as two arrays.

    Raises ``DataError`` unless they are finite numbers, as many images as labels, and at least one.
    """
    if isinstance(x, Dataset):
        if y is not None:
            other = " Give the other one as validation_data=." if isinstance(y, Dataset) else ""
            raise DataError(f"{who}: expected no y beside a dataset, which has labels.{other}")
        x, y = x.x, x.y
    elif y is None:
        raise DataError(f"{who}: expected a dataset, or x and y; {_no_labels(who, x)}")
    x, y = images(who, x), labels(who, y)
    if len(x) != len(y):
        raise DataError(
            f"{who}: expected as many labels as images, got {len(x)} images and {len(y)} labels."
            + _other_axes(x.shape, y.shape)
        )
    if (x.ndim == 1 or x.shape[1:] == (1,)) and y.ndim > 2:
        raise DataError(
            f"{who}: expected images and their labels, got shapes {x.shape} and {y.shape}. They "
            f"seem to be exchanged: {who}(x, y)."
        )
    return x, y


def images(who: str, given: Any) -> Array:
    """The images that the model was given, checked as ``images_and_labels`` does."""
    x = numbers(who, "images", given.x if isinstance(given, Dataset) else given)
    if not len(x):
        raise DataError(f"{who}: expected images, got none (shape {x.shape}).")
    check_finite(who, "images", x)
    return x


def labels(who: str, given: Any) -> Array:
    """The labels that go with images, checked as ``images_and_labels`` does."""
    y = numbers(who, "labels", given)
    check_finite(who, "labels", y)
    return y


def check_finite(who: str, what: str, values: Array) -> None:
    """Raise ``DataError``, with the first place, unless all numbers are finite."""
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return
    broken = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    raise DataError(
        f"{who}: expected finite numbers, got NaN or infinity among the {what}, in "
        f"{np.count_nonzero(broken)} of {len(values)}, first in number {broken.argmax()}. "
        f"Leave those out, or mend them (np.nan_to_num)."
    )


def numbers(who: str, what: str, value: Any) -> Array:
    """``value`` as an array of numbers with a first axis; ``DataError`` for anything else."""
    array = as_array(who, value, what)
    if array.dtype.kind in "biuf" and array.ndim:
        return array
    raise DataError(
        f"{who}: expected {what} as an array of numbers, got {_came(value, array)}."
        + _remedy(what, value, array)
    )


def as_array(who: str, value: Any, what: str = "an array") -> Array:
    """``value`` as an array; raises ``DataError`` where something would be lost."""
    if type(value) is np.ndarray:
        return value
    kinds = masked_arrays()
    if isinstance(value, list | tuple) and any(isinstance(v, kinds) for v in value):
        value = np.ma.array(value)
    if isinstance(value, kinds):
        masked = np.count_nonzero(np.ma.getmaskarray(value))
        if masked:
            raise DataError(
                f"{who}: expected {what} without a mask, got {shown(value)} with {masked} masked "
                "values. Leave those images out, or fill the values in: numpy.ma.filled(a, value)."
            )
        return np.asarray(value.data)
    if gives_batches(value):
        raise DataError(
            f"{who}: expected {what} as one array, got {_kind(value)}, which gives batches. "
            "Its batches go to fit and evaluate as they are, with the labels in them: (x, y)."
        )
    try:
        return np.asarray(value)
    except Exception as error:
        if isinstance(value, list | tuple):
            raise DataError(f"{who}: expected {what}, got {_ragged(value)}.") from None
        why = str(error).strip().partition("\n")[0]
        raise DataError(
            f"{who}: expected {what} as an array, got {_kind(value)}, which makes none: {why:.120}"
        ) from None


def gives_batches(value: Any) -> bool:
    """Whether it gives its contents piece by piece, as a generator or a loader does."""
    if isinstance(value, Collection | np.ndarray | Dataset):
        return False
    asked = any(hasattr(type(value), name) for name in ("__iter__", "__getitem__"))
    return asked and not any(
        hasattr(value, name) for name in ("__array__", "__array_interface__", "shape", "keys")
    )


def _has_entries(value: Any) -> bool:
    """Whether it is a dictionary, an open HDF5 file or the like."""
    if isinstance(value, Mapping):
        return True
    return hasattr(value, "keys") and not hasattr(value, "__array__")


def _kind(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _came(value: Any, array: Array) -> str:
    """A value that is no array of numbers, in a few words."""
    if value is None:
        return "None"
    if isinstance(value, str | os.PathLike):
        return f"the path {os.fspath(value)!r:.80}"
    if not array.ndim or _has_entries(value):
        return f"one number, {shown(value)}" if array.dtype.kind in "biuf" else _kind(value)
    if array.dtype.kind == "O":
        first = next((v for v in array.flat if not isinstance(v, int | float)), array.flat[0])
        inside = f"text such as {shown(first)}" if isinstance(first, str) else _kind(first)
        return f"objects {array.shape}, among them {inside}" if first is not None else "None in it"
    if array.dtype.kind in "US" and array.size:
        return f"text, {array.dtype} {array.shape}, such as {shown(array.flat[0].item())}"
    return f"{array.dtype} {array.shape}"


def _remedy(what: str, value: Any, array: Array) -> str:
    """The remedy for an array of something else than numbers."""
    if isinstance(value, str | os.PathLike):
        return " Read the file first: load_hdf5(path)."
    if _has_entries(value):
        names = ", ".join(map(str, itertools.islice(value.keys(), 4)))
        return f" Take one of its entries ({names:.80})."
    kind, argument = array.dtype.kind, "y" if what == "labels" else "x"
    if kind == "O" and array.ndim:
        inside = list(array.flat)
        if all(isinstance(v, int | float | np.number) for v in inside):
            return f" Give them a number's dtype: {argument}.astype(float)."
        if all(isinstance(v, str | bytes) for v in inside):
            kind = "U"
        elif len({np.shape(v) for v in inside}) > 1:
            return " Resize the images to one size, and stack them: np.stack(images)."
        elif np.ndim(inside[0]):
            return f" Stack them: np.stack({argument})."
    if kind in "US" and what == "labels" and array.ndim:
        return " Classes are numbers: names, y = np.unique(y, return_inverse=True)."
    if kind in "US" and array.ndim:
        return " Pictures in files are read with load_hdf5, or with PIL and np.stack."
    if kind == "c":
        return f" Take a real part: np.abs({argument}) or {argument}.real."
    if kind == "V" and array.dtype.names:
        return f" Take one of its fields: {argument}[{array.dtype.names[0]!r}]."
    if kind in "Mm":
        return f" Make numbers of the times: {argument}.astype(float)."
    return ""


def _no_labels(who: str, x: Any) -> str:
    """The likely reason why there is no y, for the end of a line."""
    if isinstance(x, tuple | list) and len(x) == 2:
        return f"got {_kind(x)} of two and no y. Give them one by one: {who}(x, y)."
    if isinstance(x, str | os.PathLike):
        return f"got the path {os.fspath(x)!r:.80}. Read the file first: load_hdf5(path)."
    if _has_entries(x):
        names = ", ".join(map(str, itertools.islice(x.keys(), 4)))
        return f"got {_kind(x)} and no y. Take x and y from its entries ({names:.80})."
    return f"got no y. Give the labels too: {who}(x, y)."


def _ragged(rows: Sequence[Any]) -> str:
    """Rows that make no array, in a few words, with the first two shapes that differ."""
    try:
        shapes = [np.shape(row) for row in rows]
    except ValueError:
        return "rows of different shapes"
    other = next((shape for shape in shapes if shape != shapes[0]), None)
    if other is None:
        return f"{_kind(rows)} of {_kind(rows[0])}"
    return (
        f"rows of different shapes, such as {shapes[0]} and {other}. Resize the images to one size"
    )


def _other_axes(x: Shape, y: Shape) -> str:
    """A remedy where the number of images lies along another axis of x or y."""
    if len(y) == 2 and y[1] == x[0]:
        return f" Of {y} take {'y[0]' if y[0] == 1 else 'y.T'}: a label for each image comes first."
    m = y[1] if len(y) == 2 and y[0] == 1 else y[0]
    if len(x) == 2 and x[1] == m:
        return " One row is one image: try x.T."
    if order := order_of(x, m):
        return f" The images come first: try {transposition(order)}."
    if len(x) == 3 and m == 1:
        return " For one image add the axis: x[None]."
    return ""
