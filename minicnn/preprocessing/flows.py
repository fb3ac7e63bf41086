"""The iterators of an ``ImageDataGenerator``: over arrays, a folder, a data frame."""

import os
from collections.abc import Sequence
from typing import Any, cast

from minicnn._core.console import warn
from minicnn._core.shapes import Pair
from minicnn._core.signatures import checked
from minicnn.errors import ConfigError
from minicnn.preprocessing.array_iterator import NumpyArrayIterator
from minicnn.preprocessing.dataframe import DataFrameIterator
from minicnn.preprocessing.directory import DirectoryIterator
from minicnn.preprocessing.iterator import Changing

LONG_GONE = ("has_ext", "sort", "drop_duplicates")
"""Arguments of the first Keras' that had data frames; they do nothing since."""


class Flows:
    """What an ``ImageDataGenerator`` can draw from."""

    data_format: str
    dtype: Any

    @checked
    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
    ) -> NumpyArrayIterator:
        """Batches (x, y), (x, y, sample weights) or x of images (N, H, W, C) in an array.

        ``subset`` "training" or "validation" is a part as ``validation_split`` says;
        ``save_to_dir`` keeps the pictures that are given in a folder.
        """
        return NumpyArrayIterator(
            x,
            y,
            cast(Changing, self),
            batch_size=batch_size,
            shuffle=shuffle,
            sample_weight=sample_weight,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            ignore_class_split=ignore_class_split,
            subset=subset,
            dtype=self.dtype,
        )

    @checked
    def flow_from_directory(
        self,
        directory: str | os.PathLike[str],
        target_size: Pair = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
    ) -> DirectoryIterator:
        """Batches of the pictures in a folder that has a folder for each class.

        ``target_size`` is (height, width); ``class_mode`` is "categorical", "binary", "sparse",
        "input" or None. Raises ``DataError`` for a folder that cannot be read.
        """
        return DirectoryIterator(
            directory,
            cast(Changing, self),
            target_size=target_size,
            color_mode=color_mode,
            classes=classes,
            class_mode=class_mode,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            follow_links=follow_links,
            subset=subset,
            interpolation=interpolation,
            keep_aspect_ratio=keep_aspect_ratio,
            dtype=self.dtype,
        )

    def flow_from_dataframe(
        self,
        dataframe: Any,
        directory: str | os.PathLike[str] | None = None,
        x_col: str = "filename",
        y_col: str | list[str] = "class",
        weight_col: str | None = None,
        target_size: Pair = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        validate_filenames: bool = True,
        **kwargs: Any,
    ) -> DataFrameIterator:
        """Batches of the pictures that a column names, with the labels of another column.

        ``class_mode`` may also be "raw" and "multi_output". Rows whose file is not there are left
        out, with a warning, unless ``validate_filenames`` is False.
        """
        for name in kwargs:
            if name not in LONG_GONE:
                raise ConfigError(f"flow_from_dataframe: there is no argument {name!r}.")
            warn(f"flow_from_dataframe: {name} does nothing, in Keras as here.", UserWarning)
        return DataFrameIterator(
            dataframe,
            directory,
            cast(Changing, self),
            x_col=x_col,
            y_col=y_col,
            weight_col=weight_col,
            target_size=target_size,
            color_mode=color_mode,
            classes=classes,
            class_mode="raw" if class_mode == "other" else class_mode,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            subset=subset,
            interpolation=interpolation,
            dtype=self.dtype,
            validate_filenames=validate_filenames,
        )
