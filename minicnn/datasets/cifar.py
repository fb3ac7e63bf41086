"""What the two data sets CIFAR have in common: a tar of pickles, which are not run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from minicnn._core.shapes import Array
from minicnn._files.downloads import fetched, hash_of
from minicnn._files.pickles import unpickled
from minicnn._files.unpacking import members_of
from minicnn.datasets.checking import Arrays, check, folder
from minicnn.errors import DataError

URL = "https://www.cs.toronto.edu/~kriz/"


def archive(name: str, sha256: str) -> Path:
    """The archive of that name, which Keras keeps as ``..._archive``, or kept as ``.tar.gz``."""
    # Keras 3.6 and later; before, it was called as what it holds.
    now, before = f"{name}-target_archive", f"{name}.tar.gz"
    old = folder() / before
    if old.is_file() and hash_of(old, "sha256") == sha256:
        return old
    return fetched(now, f"{URL}{name.replace('-batches-py', '-python')}.tar.gz", sha256, folder())


def read(path: Path, train: Sequence[str], test: Sequence[str], labels: str) -> Arrays:
    """The arrays in the pickles of these names: x is (N, 32, 32, 3), y (N, 1)."""
    found = {}
    with members_of(path, ["tar"]) as members:
        for member in members:
            if member.parts[-1] in (*train, *test) and not member.folder:
                found[member.parts[-1]] = member.read()

    def part(names: Sequence[str]) -> tuple[Array, Array]:
        xs, ys = zip(*(_batch(path, name, found, labels) for name in names), strict=True)
        return np.concatenate(xs), np.concatenate(ys)[:, None]

    return part(train), part(test)


def _batch(path: Path, name: str, found: dict[str, bytes], key: str) -> tuple[Array, Array]:
    """The pictures (N, 32, 32, 3) and labels (N,) of one pickle."""
    who = f"{path}: {name}"
    if name not in found:
        raise DataError(f"{path}: expected an archive with {name}, got one without.")
    batch = unpickled(who, found.pop(name), DataError)
    x, labels = np.asarray(batch.get("data", 0)), batch.get(key)
    if not isinstance(labels, list) or not all(
        type(label) is int and 0 <= label < 100 for label in labels
    ):
        raise DataError(f"{who}: expected {key} as a list of whole numbers from 0 to 99.")
    y = np.array(labels, np.uint8)
    check(who, x, y, (3 * 32 * 32,))
    return np.ascontiguousarray(x.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), y
