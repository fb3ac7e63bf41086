"""Files that are written whole: on drives of every kind, and with the mode that they had."""

import errno
import os
import stat
from pathlib import Path

import h5py
import numpy as np
import pytest

from minicnn import Dense, History, Input, Sequential, load_model
from minicnn._files import checkpoint
from minicnn._files.atomic import replacing
from minicnn.data import load_hdf5
from minicnn.data.synthetic import write_fingers
from minicnn.errors import ConfigError
from minicnn.plots import plot_history


def model():
    """A small one."""
    return Sequential([Input((4,)), Dense(3)], seed=0)


def write_checkpoint(path):
    checkpoint.write(path, {"x": np.arange(3)}, None)


def export(path):
    pytest.importorskip("onnx")
    from minicnn.onnx import export_onnx

    export_onnx(model(), path)


WRITERS = {
    "a.keras": lambda path: model().save(path),
    "a.h5": lambda path: model().save(path),
    "a.weights.h5": lambda path: model().save_weights(path),
    "a.onnx": export,
    "checkpoint.h5": write_checkpoint,
    "a.csv": lambda path: History({"loss": [1.0]}, [0]).to_csv(path),
    "a.png": lambda path: plot_history({"loss": [1.0]}, path),
}


@pytest.fixture
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.parametrize("name", WRITERS)
def test_a_replaced_file_keeps_its_mode(name, tmp_path, usual_umask, monkeypatch):
    """Whoever writes it, and on the way nobody can read more than could read the old file."""
    path, write = tmp_path / name, WRITERS[name]
    write(path)
    assert mode(path) == 0o644
    seen, usual = [], os.fsync

    def fsync(descriptor):
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        usual(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    for wanted in (0o600, 0o664, 0o640):
        path.chmod(wanted)
        write(path)
        assert mode(path) == wanted
        assert seen[0] == 0o600
        seen.clear()


@pytest.mark.parametrize("error", [errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_that_cannot_be_flushed(name, error, tmp_path, monkeypatch):
    """The file is in place, so nothing has failed."""
    usual = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(error, os.strerror(error))
        usual(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    WRITERS[name](tmp_path / name)
    assert os.listdir(tmp_path) == [name]


def test_a_folder_that_may_not_be_opened(tmp_path, monkeypatch):
    """A folder may be written to and not read."""
    usual = os.open

    def refuse(path, *arguments, **options):
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return usual(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    model().save(tmp_path / "a.keras")
    assert np.array_equal(load_model(tmp_path / "a.keras").predict(np.eye(4)), model()(np.eye(4)))


def test_a_drive_without_flushing_modes_or_owners(tmp_path, monkeypatch):
    """What the drive has not is left out; a disk that is full or broken is told."""
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(number):
        def call(*arguments, **options):
            raise OSError(number, os.strerror(number))

        return call

    monkeypatch.setattr(os, "chown", fail(errno.EPERM))
    monkeypatch.setattr(Path, "chmod", fail(errno.EPERM))
    for number in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
        monkeypatch.setattr(os, "fsync", fail(number))
        with replacing(path) as unfinished:
            unfinished.write_text(f"new {number}")
        assert path.read_text() == f"new {number}"
    for number in (errno.EIO, errno.ENOSPC):
        monkeypatch.setattr(os, "fsync", fail(number))
        with pytest.raises(ConfigError, match="cannot be written"), replacing(path) as unfinished:
            unfinished.write_text("newer")
    assert path.read_text() == f"new {errno.ENOSYS}"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_another_group_gets_no_more_than_everybody(tmp_path, usual_umask, monkeypatch):
    """Where the old file's group cannot be kept, what only that group could read stays closed."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o664)
    other = os.stat_result([*path.stat()[:5], path.stat().st_gid + 1, *path.stat()[6:]])
    usual = Path.stat
    monkeypatch.setattr(Path, "stat", lambda self, **o: other if self == path else usual(self, **o))
    monkeypatch.delattr(os, "chown")
    monkeypatch.setattr(os, "chown", refused, raising=False)
    with replacing(path) as unfinished:
        unfinished.write_text("new")
    assert mode(path) == 0o644


def refused(*arguments):
    """What a system answers."""
    raise PermissionError(errno.EPERM, "Operation not permitted")


@pytest.mark.skipif(not hasattr(os, "chown"), reason="only there files have groups")
def test_a_replaced_file_keeps_its_owner_and_group(tmp_path):
    """As far as this process may give them."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    if os.geteuid() == 0:
        os.chown(path, 1, 2)
    before = path.stat()
    with replacing(path) as unfinished:
        unfinished.write_text("new")
    assert (path.stat().st_uid, path.stat().st_gid) == (before.st_uid, before.st_gid)


def test_checkpoints_keep_their_mode(tmp_path, usual_umask):
    """Both, the one before too, and after a kill between the two."""
    newest, previous = tmp_path / "checkpoint.h5", tmp_path / "checkpoint.previous.h5"
    for i in range(3):
        checkpoint.write(newest, {"epoch": i}, previous)
        newest.chmod(0o600)
    assert mode(newest) == mode(previous) == 0o600
    newest.unlink()
    checkpoint.write(newest, {"epoch": 3}, previous)
    assert mode(newest) == mode(previous) == 0o600


def test_a_link_keeps_the_mode_of_what_it_leads_to(tmp_path):
    """The link stays a link."""
    path, link = tmp_path / "a.keras", tmp_path / "best.keras"
    model().save(path)
    path.chmod(0o600)
    link.symlink_to(path)
    model().save(link)
    assert link.is_symlink()
    assert mode(path) == 0o600


def test_a_file_that_may_not_be_written_to(tmp_path, monkeypatch):
    """It is not replaced, as ``open`` would not write to it."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(os, "access", lambda *arguments: False)
    with (
        pytest.raises(ConfigError, match=r"a\.txt: cannot be written: permission denied\.$"),
        replacing(path),
    ):
        pass
    assert path.read_text() == "old"


def test_the_longest_name_that_a_file_can_have(tmp_path):
    """The name of the unfinished file is no longer than that."""
    path = tmp_path / ("ä" * 124 + ".keras")
    model().save(path)
    assert os.listdir(tmp_path) == [path.name]


def test_pictures_are_drawn_over_files_that_keep_their_mode(tmp_path):
    """Data files too."""
    (tmp_path / "train_fingers.h5").touch(0o600)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("minicnn.data.synthetic.TRAIN_IMAGES", 6)
        patched.setattr("minicnn.data.synthetic.TEST_IMAGES", 6)
        train, _ = write_fingers(tmp_path)
    assert mode(train) == 0o600
    assert len(load_hdf5(train)) == 6
    with h5py.File(train) as file:
        assert len(file) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_what_is_no_file_is_not_replaced(tmp_path):
    """A pipe, also behind a link, and a folder keep their names; one line says what they are."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, what in (("pipe", "a pipe"), ("link", "a pipe"), ("folder", "a folder")):
        with (
            pytest.raises(ConfigError, match=f"expected a file, got {what}"),
            replacing(tmp_path / name),
        ):
            pass
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "link", "pipe"]
