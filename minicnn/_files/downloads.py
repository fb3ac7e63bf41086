"""Files that are fetched once: ``fetched`` finds one in a folder, or downloads it there."""

import hashlib
from pathlib import Path

from minicnn.errors import ConfigError, DataError


def fetched(name: str, url: str, known_hash: str | None, folder: Path) -> Path:
    """The file ``folder/name``, downloaded from ``url`` unless it is there with the right hash.

    ``known_hash`` is an MD5 or SHA-256 in hexadecimal digits; None takes any file. Raises
    ``ConfigError`` where pooch is missing, ``DataError`` for a file that cannot be had.
    """
    path = folder / name
    kind = "md5" if known_hash is not None and len(known_hash) == 32 else "sha256"
    if path.is_file() and (known_hash is None or _hash(path, kind) == known_hash):
        return path
    try:
        import pooch
    except ImportError:
        raise ConfigError(
            f'{name} is not at {path}: pip install "minicnn[data]" and it is downloaded, or put '
            f"the file there yourself, from {url}."
        ) from None
    wanted = None if known_hash is None else f"{kind}:{known_hash}"
    try:
        pooch.retrieve(url, wanted, fname=name, path=folder, progressbar=True)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{name} could not be downloaded to {folder} ({reason}). Put the file there yourself, "
            f"from {url}."
        ) from None
    return path


def _hash(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()
