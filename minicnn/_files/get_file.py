"""Keras' ``get_file``: a file from the net in Keras' cache, and an archive unpacked there."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from minicnn._core.arguments import boolean
from minicnn._files.downloads import DIGITS, download, fetched, keras_home
from minicnn._files.paths import path_of
from minicnn._files.unpacking import unpack
from minicnn.errors import ConfigError, shown

FORMATS = ("tar", "zip")


def get_file(
    fname: Any = None,
    origin: Any = None,
    untar: bool = False,
    md5_hash: Any = None,
    file_hash: Any = None,
    cache_subdir: Any = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: Any = "auto",
    cache_dir: Any = None,
    force_download: bool = False,
) -> str:
    """The path of the file at the URL ``origin``, which is downloaded unless it is in the cache.

    The file is ``cache_dir/cache_subdir/fname``; ``cache_dir`` is Keras' own (KERAS_HOME, or
    ``~/.keras``), ``fname`` the last part of the URL. With ``file_hash``, a sha256 or md5, it must
    have that one. Raises ``ConfigError`` for arguments that make no sense, and ``DataError`` where
    the file cannot be had, is another, or is an archive that is damaged or not safe to unpack.

    With ``extract=True`` the path is that of the folder into which the tar (also .gz, .bz2) or zip
    is unpacked, called as in Keras 3.6 and later: ``fname``, or what stands before its first dot
    and ``_extracted``. Scripts for older releases, which unpacked beside the archive, look there:
    so links stand there to what lies at the archive's top. With ``untar=True`` the returned folder
    is, as for them, the archive's own folder ``fname``, where it has one.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (pathlib.Path(folder) / "there.txt").write_text("hello")
    ...     url = (pathlib.Path(folder) / "there.txt").as_uri()
    ...     path = get_file("here.txt", url, cache_dir=folder)  # doctest: +ELLIPSIS
    ...     pathlib.Path(path).relative_to(folder).as_posix()
    Downloading file:...
    'datasets/here.txt'
    """
    for name, value in (("untar", untar), ("extract", extract), ("force_download", force_download)):
        boolean("get_file", name, value)
    url = _text("origin", origin, "the URL of the file, such as https://...")
    path = _cached(fname, url, cache_subdir, cache_dir)
    formats = _formats("tar" if untar else archive_format)
    known_hash = _known_hash(md5_hash, file_hash, hash_algorithm)
    if not (extract or untar):
        return str(_had(path, url, known_hash, force_download))
    before_dot = path.name.partition(".")[0]
    if fname and before_dot != path.name:
        archive, folder = path, path.with_name(f"{before_dot}_extracted")
    else:
        archive, folder = path.with_name(f"{path.name}_archive"), path
    _had(archive, url, known_hash, force_download)
    for name in unpack(archive, folder, formats, without=before_dot if untar and fname else ""):
        link = folder.parent / name
        if not os.path.lexists(link):
            with suppress(OSError):  # not every drive has links, nor everybody on Windows
                link.symlink_to(Path(folder.name, name), (folder / name).is_dir())
    return str(folder)


def _had(path: Path, url: str, known_hash: str | None, anew: bool) -> Path:
    """The file, from the cache or ``anew``."""
    if anew:
        download(url, path, known_hash)
        return path
    return fetched(path.name, url, known_hash, path.parent)


def _cached(fname: Any, url: str, cache_subdir: Any, cache_dir: Any) -> Path:
    """Where the file is kept."""
    from urllib.parse import urlsplit

    home = keras_home() if cache_dir is None else path_of("get_file", "cache_dir", cache_dir)
    folder = home.expanduser()
    if cache_subdir != "":
        folder /= path_of("get_file", "cache_subdir", cache_subdir)
    name = (
        path_of("get_file", "fname", fname) if fname else Path(os.path.basename(urlsplit(url).path))
    )
    if not name.name:
        raise ConfigError(f"get_file: expected fname as the file's name, as {url!r} ends in none.")
    return folder / name


def _text(argument: str, value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"get_file: expected {argument} as {what}, got {shown(value)}.")
    return value


def _formats(archive_format: Any) -> tuple[str, ...]:
    """The kinds of archives that will do."""
    if archive_format == "auto":
        return FORMATS
    given = archive_format if isinstance(archive_format, list | tuple) else (archive_format,)
    if not given or any(one not in FORMATS for one in given):
        raise ConfigError(
            "get_file: expected archive_format as 'auto', 'tar', 'zip' or a list of these, "
            f"got {shown(archive_format)}."
        )
    return tuple(given)


def _known_hash(md5_hash: Any, file_hash: Any, algorithm: Any) -> str | None:
    """The hash with its kind before it."""
    if algorithm not in ("auto", *DIGITS):
        raise ConfigError(
            "get_file: expected hash_algorithm as 'auto', 'md5' or 'sha256', got "
            f"{shown(algorithm)}."
        )
    if file_hash is None:
        return None if md5_hash is None else f"md5:{md5_hash}"
    return str(file_hash) if algorithm == "auto" else f"{algorithm}:{file_hash}"
