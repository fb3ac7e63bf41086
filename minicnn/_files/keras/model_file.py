"""One file of a model: ``read_model`` opens it, ``save`` and ``save_weights`` write it.

It is written beside its place, read back, and put there.
"""

import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path

from minicnn._files.archive import opened
from minicnn._files.atomic import replacing
from minicnn._files.keras.config import model_config
from minicnn._files.keras.legacy import legacy_file, legacy_weights, read_legacy
from minicnn._files.keras.parsing import read_config
from minicnn._files.keras.saved import SavedModel
from minicnn._files.keras.weights import Source, weights_file
from minicnn._keras.releases import WRITTEN
from minicnn.errors import ModelFileError

BLOCK = 1 << 20
NOT_AS_WRITTEN = "What was read back is not what was written"


def save(path: str | os.PathLike[str], model: SavedModel, legacy: bool) -> None:
    """Write ``model`` to ``path``, whole or not at all: as ``.keras``, or the legacy ``.h5``."""
    if legacy:
        _write(path, legacy_file(model))
        return
    metadata = {
        "keras_version": WRITTEN,
        "date_saved": datetime.now(UTC).strftime("%Y-%m-%d@%H:%M:%S"),
        "minicnn": model.extra,
    }
    members = {
        "metadata.json": json.dumps(metadata).encode(),
        "config.json": json.dumps(model_config(model)).encode(),
        "model.weights.h5": weights_file(model),
    }
    import zipfile

    with replacing(path) as unfinished:
        with zipfile.ZipFile(unfinished, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        with zipfile.ZipFile(unfinished) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            # testzip reads all of it and compares the checksums.
            if archive.testzip() or sizes != {name: len(data) for name, data in members.items()}:
                raise OSError(errno.EIO, NOT_AS_WRITTEN)


def save_weights(path: str | os.PathLike[str], model: SavedModel, legacy: bool) -> None:
    """Write the arrays of ``model`` alone, whole or not at all."""
    _write(path, legacy_weights(model) if legacy else weights_file(model))


def _write(path: str | os.PathLike[str], data: bytes) -> None:
    with replacing(path) as unfinished:
        unfinished.write_bytes(data)
        with unfinished.open("rb") as written:
            for i in range(0, len(data) + 1, BLOCK):
                if written.read(BLOCK) != data[i : i + BLOCK]:
                    raise OSError(errno.EIO, NOT_AS_WRITTEN)


def is_legacy_name(path: str | os.PathLike[str]) -> bool:
    """Whether a path is one of Keras' legacy files, ``.h5`` or ``.hdf5``."""
    return str(path).endswith((".h5", ".hdf5"))


def _is_hdf5(path: Path) -> bool:
    """Whether a file without the ending is an HDF5 file all the same."""
    if path.suffix == ".keras" or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"


def read_model(path: str | os.PathLike[str]) -> tuple[SavedModel, Source]:
    """The model at ``path`` without its arrays, and the file of arrays for ``read_arrays``.

    Raises ``ModelFileError`` with one line when the file is not a model.
    """
    path = Path(path)
    if is_legacy_name(path) or _is_hdf5(path):
        return read_legacy(path), path
    with opened(path, ".keras", ModelFileError) as archive:
        about, config = archive.json("metadata.json"), archive.json("config.json")
        data = archive.read("model.weights.h5")
    model = read_config(str(path), config, about.get("keras_version"))
    model.budget = archive.budget
    model.extra = about.get("minicnn")
    return model, data
