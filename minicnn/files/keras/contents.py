"""An HDF5 file as a list of what is in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from minicnn.errors import MiniCNNError
from minicnn.files import hdf5
from minicnn.shapes import Array, DType, Shape


class Found(NamedTuple):
    """A dataset, not yet read."""

    shape: Shape
    dtype: DType
    attributes: dict[str, Any]


@dataclass
class Contents:
    """The groups with their attributes, and the datasets, by their full paths; "" is the root."""

    file: Any
    who: str
    error: type[MiniCNNError]
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    datasets: dict[str, Found] = field(default_factory=dict)

    def inside(self, group: str) -> list[str]:
        """The names of what is directly in a group."""
        return list(self.file[group]) if group in self.groups else []

    def read(self, name: str, shape: Shape | None = None) -> Array:
        """The dataset of that path, if it has that shape."""
        found = self.datasets.get(name)
        if found is not None and found.dtype == "V2" and found.shape == shape:
            # bfloat16, as h5py has it.
            return np.asarray(self.file[name][()])
        return hdf5.read(self.who, self.file, name, self.error, shape)


@contextmanager
def opened_bytes(data: bytes, who: str, error: type[MiniCNNError]) -> Iterator[Contents]:
    """What is in the HDF5 file that ``data`` is; raises ``error`` with one line if it is none."""
    import h5py

    with hdf5.opened_bytes(data, who, error) as file:
        contents = Contents(file, who, error)

        def visit(name: str, thing: Any) -> None:
            attributes = {key: _plain(value) for key, value in thing.attrs.items()}
            if isinstance(thing, h5py.Dataset):
                contents.datasets[name] = Found(thing.shape or (), thing.dtype, attributes)
            else:
                contents.groups[name] = attributes

        try:
            visit("", file)
            file.visititems(visit)
        except hdf5.DAMAGE:
            raise error(f"{who}: the HDF5 file is damaged. Copy or download it again.") from None
        yield contents


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray) and value.dtype.kind in "SO":
        return [x.decode("utf-8", "replace") if isinstance(x, bytes) else x for x in value.flat]
    return value
