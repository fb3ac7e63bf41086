"""Keras 3's own file of a model, ``.keras``, and that of arrays alone, ``.weights.h5``."""

import json
import os
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from minicnn.errors import ModelFileError
from minicnn.files.atomic import reason, replacing
from minicnn.files.keras.config import model_config, read_config
from minicnn.files.keras.saved import SavedModel
from minicnn.files.keras.weights import weights_file

KERAS_VERSION = "3.8.0"
"""The release of Keras whose layout this is; later ones read it too."""

BAD_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises on bytes that make no sense."""

JSON_LIMIT = 16 << 20
"""The largest config.json or metadata.json that is read, in bytes."""


def save(path: str | os.PathLike[str], model: SavedModel) -> None:
    """Write ``model`` to ``path``, whole or not at all."""
    metadata = {
        "keras_version": KERAS_VERSION,
        "date_saved": datetime.now(UTC).strftime("%Y-%m-%d@%H:%M:%S"),
        "minicnn": {"class_names": model.class_names, "generator": model.generator},
    }
    with replacing(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        archive.writestr("metadata.json", json.dumps(metadata))
        archive.writestr("config.json", json.dumps(model_config(model)))
        archive.writestr("model.weights.h5", weights_file(model))


def save_weights(path: str | os.PathLike[str], model: SavedModel) -> None:
    """Write the arrays of ``model`` alone, whole or not at all."""
    with replacing(path) as unfinished:
        unfinished.write_bytes(weights_file(model))


def read_weights(path: str | os.PathLike[str]) -> bytes:
    """The content of a file of ``save_weights``, for ``read_arrays``."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {reason(error)}.") from None


def read_model(path: str | os.PathLike[str]) -> tuple[SavedModel, bytes]:
    """The model at ``path`` without its arrays, and the file of arrays for ``read_arrays``.

    Raises ``ModelFileError`` with one line when the file is not a model.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            metadata = _json(path, archive, "metadata.json")
            model = read_config(path, _json(path, archive, "config.json"))
            # Arrays hardly shrink: a member far larger than its file is a trap.
            data = _member(path, archive, "model.weights.h5", 16 * path.stat().st_size)
    except ModelFileError:
        raise
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {reason(error)}.") from None
    except BAD_ZIP:
        raise ModelFileError(f"{path}: expected a .keras file, got another kind.") from None
    extra = metadata.get("minicnn")
    extra = extra if isinstance(extra, dict) else {}
    names = extra.get("class_names")
    model.class_names = [str(name) for name in names] if isinstance(names, list) else []
    model.generator = extra.get("generator")
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


def _json(path: Path, archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    text = _member(path, archive, name, JSON_LIMIT)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ModelFileError(f"{path}: {name} is damaged.") from None
    if not isinstance(value, dict):
        raise ModelFileError(f"{path}: {name} is damaged.")
    return value
