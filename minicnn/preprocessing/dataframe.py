"""Batches of pictures that a data frame names."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn._core.arguments import choice
from minicnn._core.console import say, warn
from minicnn._core.shapes import Array, Pair
from minicnn.errors import ConfigError, DataError, shown
from minicnn.preprocessing.from_files import FORMATS, FromFiles
from minicnn.preprocessing.iterator import Changing

CLASSES = ("categorical", "binary", "sparse")
"""The class modes in which a label is the name of a class."""

MODES = (*CLASSES, "input", "multi_output", "raw", None)


class DataFrameIterator(FromFiles):
    """Batches of the pictures whose paths are in a column, and of the labels in another.

    A data frame is a ``pandas.DataFrame`` or anything that gives a column by name, such as a
    dictionary of lists. ``class_mode`` is "categorical" (one-hot rows; a label may be a list of
    classes), "binary" or "sparse" (numbers), "raw" (the column as it is, or several as rows),
    "multi_output" (a list of columns), "input" (the pictures again) or None.
    """

    def __init__(
        self,
        dataframe: Any,
        directory: str | os.PathLike[str] | None = None,
        image_data_generator: Changing | None = None,
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
        data_format: str | None = "channels_last",
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: Any = "float32",
        validate_filenames: bool = True,
    ) -> None:
        who = self._who = "ImageDataGenerator.flow_from_dataframe"
        save = save_to_dir, save_prefix, save_format
        resizing = interpolation, keep_aspect_ratio
        self._set(
            who, image_data_generator, target_size, color_mode, data_format, save, subset,
            resizing, dtype,
        )  # fmt: skip
        choice(who, "class_mode", class_mode, MODES)
        self.class_mode = class_mode
        self.directory = directory or ""
        names = self._column(dataframe, "x_col", x_col)
        if not all(isinstance(name, str) for name in names):
            raise DataError(f"{who}: expected texts in x_col={x_col!r}, the names of files.")
        rows = list(range(len(names)))
        if validate_filenames:
            rows = self._valid(names, x_col)
        if class_mode in CLASSES:
            rows = self._labelled(rows, self._column(dataframe, "y_col", y_col), classes)
        elif class_mode in ("raw", "multi_output"):
            self._outputs(dataframe, y_col)
        rows = list(self._part(rows))
        self._take(rows, names, dataframe, weight_col)
        self.samples = len(rows)
        self._find(self.directory)
        kind = "validated" if validate_filenames else "non-validated"
        belonging = ""
        if class_mode in CLASSES:
            belonging = f" belonging to {len(self.class_indices)} classes"
        say(f"Found {self.samples} {kind} image filenames{belonging}.")
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _column(self, dataframe: Any, argument: str, name: Any) -> list[Any]:
        try:
            column = dataframe[name]
        except (KeyError, TypeError, IndexError):
            known = list(getattr(dataframe, "columns", dataframe))
            raise ConfigError(
                f"{self._who}: expected {argument} as one of the columns {shown(known)}, "
                f"got {shown(name)}."
            ) from None
        return column.tolist() if hasattr(column, "tolist") else list(column)

    def _valid(self, names: list[str], x_col: str) -> list[int]:
        """The rows whose file is there and ends like a picture."""
        rows = [
            row
            for row, name in enumerate(names)
            if name.lower().endswith(FORMATS) and os.path.isfile(os.path.join(self.directory, name))
        ]
        if len(rows) < len(names):
            warn(
                f"{self._who}: left out {len(names) - len(rows)} of {len(names)} rows, as there "
                f"is no such picture as x_col={x_col!r} names in {str(self.directory)!r}.",
                UserWarning,
            )
        return rows

    def _labelled(
        self, rows: list[int], labels: list[Any], classes: Sequence[str] | None
    ) -> list[int]:
        """The rows that have a class, and the numbers of their classes."""
        kinds = (str, list, tuple) if self.class_mode == "categorical" else (str,)
        if not all(isinstance(label, kinds) for label in labels):
            raise DataError(
                f"{self._who}: expected texts as labels for class_mode={self.class_mode!r}: "
                "df[y_col].astype(str). Numbers are labels for class_mode='raw'."
            )
        several = {
            row: [labels[row]] if isinstance(labels[row], str) else labels[row] for row in rows
        }
        names = list(dict.fromkeys(classes)) if classes else sorted(set().union(*several.values()))
        if self.class_mode == "binary" and len(names) != 2:
            raise DataError(
                f"{self._who}: expected two classes for class_mode='binary', got {shown(names)}."
            )
        self.class_indices = {name: number for number, name in enumerate(names)}
        found = {
            row: [self.class_indices[name] for name in given if name in self.class_indices]
            for row, given in several.items()
        }
        kept = [row for row in rows if found[row]]
        self.classes = {
            row: found[row][0] if isinstance(labels[row], str) else found[row] for row in kept
        }
        return kept

    def _outputs(self, dataframe: Any, y_col: str | list[str]) -> None:
        """The columns of numbers that are the labels, as they are."""
        columns = [y_col] if isinstance(y_col, str) else list(y_col)
        if self.class_mode == "multi_output" and isinstance(y_col, str):
            raise ConfigError(
                f"{self._who}: expected y_col as a list of columns for class_mode='multi_output', "
                f"got {y_col!r}."
            )
        arrays = [np.array(self._column(dataframe, "y_col", column)) for column in columns]
        self._columns: Any = arrays
        if self.class_mode == "raw":
            self._columns = [arrays[0] if isinstance(y_col, str) else np.stack(arrays, axis=1)]

    def _take(
        self, rows: list[int], names: list[str], dataframe: Any, weight_col: str | None
    ) -> None:
        """Keep what those rows say."""
        self.filenames = [names[row] for row in rows]
        if self.class_mode in CLASSES:
            self.classes = [self.classes[row] for row in rows]
        elif self.class_mode in ("raw", "multi_output"):
            self._columns = [column[rows] for column in self._columns]
        if weight_col:
            weights = np.array(self._column(dataframe, "weight_col", weight_col))
            if weights.dtype.kind not in "biuf":
                raise DataError(f"{self._who}: expected numbers in weight_col={weight_col!r}.")
            self.sample_weight = weights[rows]

    @property
    def labels(self) -> Any:
        """The class number of each picture, or the columns that are the labels."""
        if self.class_mode == "multi_output":
            return self._columns
        return self._columns[0] if self.class_mode == "raw" else self.classes

    def _targets(self, x: Array, index_array: Array) -> Any:
        if self.class_mode not in ("raw", "multi_output"):
            return super()._targets(x, index_array)
        taken = [column[index_array] for column in self._columns]
        return taken[0] if self.class_mode == "raw" else taken
