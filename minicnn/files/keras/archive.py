"""The files themselves: written beside their place, read back, and put there."""

import errno
import json
import os
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path

from minicnn.errors import ModelFileError
from minicnn.files.atomic import reason, replacing
from minicnn.files.keras.config import model_config
from minicnn.files.keras.legacy import legacy_file, read_legacy
from minicnn.files.keras.reading import JSON_LIMIT, json_object, read_config
from minicnn.files.keras.saved import KERAS_VERSION, SavedModel
from minicnn.files.keras.weights import weights_file

BAD_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises on bytes that make no sense."""

BLOCK = 1 << 20
NOT_AS_WRITTEN = "What was read back is not what was written"


def save(path: str | os.PathLike[str], model: SavedModel) -> None:
    """Write ``model`` to ``path``, whole or not at all: as ``.h5``, or else as ``.keras``."""
    if is_legacy_name(path):
        _write(path, legacy_file(model))
        return
    metadata = {
        "keras_version": KERAS_VERSION,
        "date_saved": datetime.now(UTC).strftime("%Y-%m-%d@%H:%M:%S"),
        "minicnn": model.extra,
    }
    members = {
        "metadata.json": json.dumps(metadata).encode(),
        "config.json": json.dumps(model_config(model)).encode(),
        "model.weights.h5": weights_file(model),
    }
    with replacing(path) as unfinished:
        with zipfile.ZipFile(unfinished, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        with zipfile.ZipFile(unfinished) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            # testzip reads all of it and compares the checksums.
            if archive.testzip() or sizes != {name: len(data) for name, data in members.items()}:
                raise OSError(errno.EIO, NOT_AS_WRITTEN)


def save_weights(path: str | os.PathLike[str], model: SavedModel) -> None:
    """Write the arrays of ``model`` alone, whole or not at all."""
    _write(path, weights_file(model))


def _write(path: str | os.PathLike[str], data: bytes) -> None:
    with replacing(path) as unfinished:
        unfinished.write_bytes(data)
        with unfinished.open("rb") as written:
            for i in range(0, len(data) + 1, BLOCK):
                if written.read(BLOCK) != data[i : i + BLOCK]:
                    raise OSError(errno.EIO, NOT_AS_WRITTEN)


def is_legacy_name(path: str | os.PathLike[str]) -> bool:
    """Whether a path is one of Keras' files of old, ``.h5`` or ``.hdf5``."""
    return str(path).endswith((".h5", ".hdf5"))


def read_weights(path: str | os.PathLike[str]) -> bytes:
    """The content of an HDF5 file, for ``read_arrays``."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {reason(error)}.") from None


def read_model(path: str | os.PathLike[str]) -> tuple[SavedModel, bytes]:
    """The model at ``path`` without its arrays, and the file of arrays for ``read_arrays``.

    Raises ``ModelFileError`` with one line when the file is not a model.
    """
    path, who = Path(path), str(path)
    if is_legacy_name(path):
        data = read_weights(path)
        return read_legacy(who, data), data
    try:
        with zipfile.ZipFile(path) as archive:
            about, config = (
                json_object(who, name, _member(path, archive, name, JSON_LIMIT))
                for name in ("metadata.json", "config.json")
            )
            model = read_config(who, config)
            # Arrays hardly shrink: a member far larger than its file is a trap.
            data = _member(path, archive, "model.weights.h5", 16 * path.stat().st_size)
    except ModelFileError:
        raise
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {reason(error)}.") from None
    except BAD_ZIP:
        raise ModelFileError(f"{path}: expected a .keras file, got another kind.") from None
    model.extra = about.get("minicnn")
    return model, data


def _member(path: Path, archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ModelFileError(f"{path}: expected a .keras file, got one without {name}.") from None
    if info.file_size > limit:
        raise ModelFileError(f"{path}: {name} claims {info.file_size:,} bytes, which is too many.")
    with archive.open(info) as member:
        return member.read(limit)
