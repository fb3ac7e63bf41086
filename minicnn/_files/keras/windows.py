"""Files that Keras 2 wrote on Windows, with "\\" in the names of groups where others have "/"."""

from minicnn._core.shapes import Array, Shape
from minicnn._files.hdf5 import File
from minicnn.errors import ModelFileError


def slashed(file: File) -> File:
    """The file, with "/" for every "\\" in what its groups and datasets are called.

    Raises ``ModelFileError`` if two datasets have one name then.
    """
    return _Slashed(file) if any("\\" in name for name in (*file.groups, *file.datasets)) else file


class _Slashed(File):
    def __init__(self, file: File) -> None:
        vars(self).update(vars(file))
        self._file = file
        self._written = {name.replace("\\", "/"): name for name in file.datasets}
        if len(self._written) < len(file.datasets):
            raise ModelFileError(
                f"{file.who}: expected datasets of different names, got two alike."
            )
        self.datasets = {name: file.datasets[kept] for name, kept in self._written.items()}
        self.groups = {name.replace("\\", "/"): known for name, known in file.groups.items()}
        self._inside = {}
        for name in self.datasets:
            group, _, last = name.rpartition("/")
            self._inside.setdefault(group, []).append(last)
            # Only those that are asked for: of the groups in between there may be very many.
            for around in (group, name.partition("/")[0]):
                self.groups.setdefault(around, {})

    def read(self, name: str, shape: Shape | None = None, text: bool = False) -> Array:
        return self._file.read(self._written.get(name, name), shape, text)
