"""Batches of pictures that lie in an array."""

import os
from typing import Any

import numpy as np

from minicnn._core.arguments import choice
from minicnn._core.settings import floatx
from minicnn._core.shapes import Array
from minicnn.data.arrays import as_array
from minicnn.errors import DataError
from minicnn.preprocessing.iterator import Changing, Saving


class NumpyArrayIterator(Saving):
    """Batches (x, y), (x, y, sample weights) or x of arrays, changed by a generator.

    x may also be a pair of images and a further array, or a list of them, for a model of several
    inputs. Raises ``DataError`` for arrays of different lengths, or that are no images.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        image_data_generator: Changing,
        batch_size: int = 32,
        shuffle: bool = False,
        sample_weight: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        ignore_class_split: bool = False,
        dtype: Any = None,
    ) -> None:
        who = "ImageDataGenerator.flow"
        others: list[Array] = []
        if isinstance(x, list | tuple) and len(x) == 2 and np.ndim(x[0]) == 4:
            x, second = x
            others = [as_array(who, o) for o in (second if isinstance(second, list) else [second])]
        images = image_data_generator._checked("flow", x)
        arrays = [images, *others]
        labels = None if y is None else as_array(who, y, "labels")
        weights = None if sample_weight is None else as_array(who, sample_weight, "weights")
        for name, array in (("y", labels), ("sample_weight", weights), *(("x", o) for o in others)):
            if array is not None and (not array.ndim or len(array) != len(images)):
                raise DataError(
                    f"{who}: expected {name} as long as the {len(images)} images, "
                    f"got the shape {array.shape}."
                )
        choice(who, "subset", subset, ("training", "validation", None))
        if subset:
            at = int(len(images) * image_data_generator._validation_split)
            _check_classes(who, labels, at, ignore_class_split)
            part = slice(at) if subset == "validation" else slice(at, None)
            arrays = [array[part] for array in arrays]
            labels = None if labels is None else labels[part]
            weights = None if weights is None else weights[part]
        self.x, *self.x_misc = arrays
        self.y = labels
        self.sample_weight = weights
        self.image_data_generator = image_data_generator
        self.dtype = np.dtype(dtype or floatx())
        self.data_format = data_format
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        super().__init__(len(self.x), batch_size, shuffle, seed)

    def _get_batches_of_transformed_samples(self, index_array: Array) -> Any:
        change = self.image_data_generator._batch
        pictures = change(self.x, index_array, self._rng, self.dtype)
        self._save(pictures, index_array, 1e4)
        x = [pictures, *(o[index_array] for o in self.x_misc)] if self.x_misc else pictures
        if self.y is None:
            return x
        if self.sample_weight is None:
            return x, self.y[index_array]
        return x, self.y[index_array], self.sample_weight[index_array]


def _check_classes(who: str, labels: Array | None, at: int, ignored: bool) -> None:
    """Raise ``DataError`` where the two parts of the data have not the same classes."""
    if labels is None or ignored:
        return
    if not np.array_equal(np.unique(labels[:at]), np.unique(labels[at:])):
        raise DataError(
            f"{who}: expected the same classes in both parts of validation_split, which the first "
            f"{at} labels and the others have not. Shuffle the data before."
        )
