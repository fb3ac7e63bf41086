"""Files from the net, in Keras' own cache: fetched once, checked by their hashes, never in part.

What is there with the right hash is used as it is, and needs neither the net nor pooch.
"""

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

from minicnn._core.console import say, write
from minicnn._files.atomic import make_folder, reason, replacing
from minicnn._files.hdf5 import regular_file_size
from minicnn.errors import ConfigError, DataError, MiniCNNError, shown

DIGITS = {"md5": 32, "sha256": 64}
"""The kinds of hashes that are known, and how many hexadecimal digits each has."""

SECONDS = 30
"""How long a server may say nothing."""

CHUNK = 1 << 18
"""Bytes that are read at once."""

ATTEMPTS = 10
"""How often a transfer that breaks off is gone on with, as long as more of the file comes."""


def keras_home() -> Path:
    """Keras' own folder: that in the variable KERAS_HOME, or else ``~/.keras``."""
    home = os.environ.get("KERAS_HOME")
    try:
        return Path(home or "~/.keras").expanduser()
    except RuntimeError:
        raise ConfigError(
            "~/.keras: expected a home directory, got none. Name a folder in the variable "
            "KERAS_HOME."
        ) from None


def fetched(name: str, url: str, known_hash: str | None, folder: Path) -> Path:
    """The path of the file ``name`` in ``folder``, which is downloaded unless it is there.

    ``known_hash`` is a sha256 or md5, told apart by a prefix ("md5:...") or by length. A file in
    the folder that has another is replaced. A download that breaks off leaves no file, and one
    with another hash neither. Raises ``DataError`` with what to do where the file cannot be had.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "a.txt").write_text("hello")
    ...     hash = "md5:5d41402abc4b2a76b9719d911017c592"
    ...     fetched("a.txt", "https://example.com/a.txt", hash, Path(folder)).name
    'a.txt'
    """
    path = folder / name
    wanted = _hash_wanted(name, known_hash)
    if os.path.lexists(path):
        regular_file_size(path, DataError)
        if wanted is None or hash_of(path, wanted[0]) == wanted[1]:
            return path
        say(f"{path}: this file has another {wanted[0]} than the one wanted, and is replaced.")
    download(url, path, known_hash)
    return path


def download(url: str, path: Path, known_hash: str | None = None) -> None:
    """Have the file at ``url`` at ``path``, in place of one that is there, as ``fetched`` does."""
    wanted = _hash_wanted(path.name, known_hash)
    scheme = url.partition("://")[0].lower()
    if scheme not in ("http", "https", "file"):
        raise ConfigError(
            f"{path.name}: expected a URL that begins with https://, http:// or file://, "
            f"got {shown(url)}."
        )
    remedy = f"Or put the file at {path} by hand{_told(wanted)}."
    transfer = _copy if scheme == "file" else _transfer(path.name, url, remedy)
    try:
        make_folder(path.parent)
        with replacing(path) as unfinished:
            say(f"Downloading {url}")
            try:
                transfer(url, unfinished)
            except Exception as error:
                raise _unavailable(path.name, url, error, remedy) from None
            found = wanted and hash_of(unfinished, wanted[0])
            if wanted and found != wanted[1]:
                raise DataError(
                    f"{path.name}: expected a file whose {wanted[0]} is {wanted[1]}, got "
                    f"{found} from {url}: another file, or a damaged one. Try again. {remedy}"
                )
    except ConfigError as error:  # what the folder is, or where it is
        home = " Name another folder in the variable KERAS_HOME."
        raise DataError(f"{error}{home}") from None


def hash_of(path: Path, algorithm: str) -> str:
    """A file's md5 or sha256, in hexadecimal digits."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}.") from None


def _hash_wanted(name: str, known_hash: str | None) -> tuple[str, str] | None:
    """The kind and the digits of a hash such as "md5:..." or of one whose length tells its kind."""
    if known_hash is None:
        return None
    prefix, _, digits = known_hash.lower().rpartition(":")
    kinds = [kind for kind, count in DIGITS.items() if count == len(digits)]
    if not set(digits) <= set("0123456789abcdef") or not kinds or prefix not in ("", *kinds):
        raise ConfigError(
            f"{name}: expected the hash as an md5 of 32 or a sha256 of 64 hexadecimal digits, "
            f"got {shown(known_hash)}."
        )
    return kinds[0], digits


def _told(wanted: tuple[str, str] | None) -> str:
    return f" (its {wanted[0]} is {wanted[1]})" if wanted else ""


def _copy(url: str, path: Path) -> None:
    """Copy the file that a URL such as file:///home/me/a.zip names."""
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    source = Path(url2pathname(urlsplit(url).path))
    regular_file_size(source, DataError)
    shutil.copyfile(source, path)


def _transfer(name: str, url: str, remedy: str) -> Callable[[str, Path], None]:
    """What downloads from a server."""
    try:
        from pooch import HTTPDownloader
    except ImportError:
        raise DataError(
            f"{name}: expected the package pooch to download {url}, got none. Install it with: "
            f"pip install pooch. {remedy}"
        ) from None

    def transfer(url: str, path: Path) -> None:
        line = _Line()
        try:
            with path.open("wb") as file:
                for attempt in range(ATTEMPTS):
                    done = file.tell()
                    line.begin(done)
                    get = HTTPDownloader(line, CHUNK, timeout=SECONDS, **_from(file))
                    try:
                        get(url, file, None)
                        return
                    except Exception:
                        if file.tell() <= done or attempt == ATTEMPTS - 1:
                            raise
        finally:
            line.end()

    return transfer


def _from(file: BinaryIO) -> dict[str, Any]:
    """What to tell the server, so that what is in the file already is not sent again."""
    done = file.tell()

    def answered(response: Any, *others: Any, **more: Any) -> None:
        if done and not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
            file.seek(0)  # it sends all
            file.truncate()

    # Not compressed on the way: the bytes that are hashed are those of the file.
    headers = {"Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    return {"headers": headers, "hooks": {"response": answered}}


def _unavailable(name: str, url: str, error: Exception, remedy: str) -> MiniCNNError:
    """One line for what the server, the net, the disk or the URL answered."""
    from urllib.parse import urlsplit

    if isinstance(error, MiniCNNError):
        return error
    response = getattr(error, "response", None)
    kind = type(error).__name__
    host = ""
    with suppress(ValueError):
        host = urlsplit(url).netloc
    if response is not None:
        response.close()
        status = response.status_code
        phrase = f" ({HTTPStatus(status).phrase})" if status in set(HTTPStatus) else ""
        why = f"{host} answered {status}{phrase}"
    elif "Timeout" in kind:
        why = f"{host} did not answer within {SECONDS} seconds"
    elif kind in ("ChunkedEncodingError", "IncompleteRead"):
        why = f"{host} broke off"
    elif kind == "SSLError":
        why = f"no secure connection to {host} can be made"
    elif "Connection" in kind or kind == "ProxyError":
        why = f"{host} cannot be reached ({kind}). Is this machine connected to the net?"
    elif type(error) is OSError or isinstance(error, PermissionError):
        why = reason(error)
    else:
        why = f"{kind}: {error}"
    end = "" if why.endswith("?") else "."
    return DataError(f"{name}: cannot be downloaded from {url}: {why}{end} {remedy}")


class _Line:
    """What pooch tells of a download's progress, in one line of a terminal that is written over."""

    EVERY = 0.2
    """Seconds."""

    def __init__(self) -> None:
        self.total = 0
        self.before = 0
        """Bytes that had come when the server broke off, which ``total`` is without."""
        self._bytes = 0
        self._shown = time.monotonic()
        self._terminal = bool(getattr(sys.stderr, "isatty", bool)())
        self._open = False

    def begin(self, before: int) -> None:
        """A transfer of what is missing after so many bytes."""
        self.before, self._bytes = before, 0

    def update(self, count: int) -> None:
        """So many bytes more."""
        self._bytes += count
        now = time.monotonic()
        if self._terminal and now - self._shown >= self.EVERY:
            self._shown, self._open = now, True
            of = f" of {(self.before + self.total) / 1e6:,.1f}" if self.total >= self._bytes else ""
            write(sys.stderr, f"\r{(self.before + self._bytes) / 1e6:,.1f}{of} MB ")

    def reset(self) -> None:
        """All is there; pooch counts it once more."""
        self._bytes = 0

    def close(self) -> None:
        """Nothing: a download that breaks off does not come here."""

    def end(self) -> None:
        """Leave the line, if it was written."""
        if self._open:
            write(sys.stderr, "\n")
