"""The process that reads HDF5 files: what it gives, and how little it may do."""

import os
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from minicnn.errors import DataError
from minicnn.files import hdf5, hdf5_reader

FOLDER = str(Path(hdf5_reader.__file__).parent)


@pytest.fixture
def path(tmp_path):
    """A file with a bit of everything."""
    path = tmp_path / "some.h5"
    with h5py.File(path, "w") as file:
        file["group/numbers"] = np.arange(6, dtype=">i2").reshape(2, 3)
        file["group/numbers"].attrs["unit"] = "pixels"
        file["group"].attrs["names"] = ["a", "b"]
        file["group"].attrs["version"] = np.bytes_("3.0")
        file["one"] = np.float32(0.5)
        file["none"] = np.zeros((2, 0), np.uint8)
        file["texts"] = ["x", "yy"]
        file["group/back"] = file["/"]
        file["soft"] = h5py.SoftLink("/one")
        file.create_dataset("packed", data=np.arange(3_000_000), compression="gzip")
    return path


@pytest.fixture
def behaving(tmp_path, monkeypatch):
    """Makes the process run those lines when it looks at a file."""

    def change(lines):
        hdf5._end_readers()
        script = tmp_path / "reader.py"
        script.write_text(
            f"import sys; sys.path.insert(0, {FOLDER!r})\n"
            "import hdf5_reader as reader\n"
            "reader._warm_up()\n"
            "reader._warm_up = lambda: None\n"
            "reader.CPU_SECONDS = 0.3\n"
            f"def contents(file):\n    {lines}\n    return {{'groups': {{}}, 'datasets': {{}}}}\n"
            "reader._contents = contents\n"
            "reader.serve(sys.stdin.buffer, sys.stdout.buffer)\n"
        )
        monkeypatch.setattr(hdf5_reader, "__file__", str(script))

    yield change
    hdf5._end_readers()


def test_what_is_there_is_said_and_read(path):
    """Groups, datasets, shapes and attributes are listed, and numbers come bit for bit."""
    with hdf5.opened(path, DataError) as file:
        assert file.groups["group"] == {"names": ["a", "b"], "version": "3.0"}
        assert file.datasets["group/numbers"].shape == (2, 3)
        assert file.datasets["group/numbers"].attributes == {"unit": "pixels"}
        assert sorted(file.inside("group")) == ["numbers"]
        assert "soft" in file.inside("")
        numbers = file.read("group/numbers")
        assert (numbers.dtype, numbers.tolist()) == (np.dtype(">i2"), [[0, 1, 2], [3, 4, 5]])
        assert file.read("one", ()) == np.float32(0.5)
        assert file.read("none").shape == (2, 0)
        assert file.read("texts", text=True).tolist() == ["x", "yy"]
        assert np.array_equal(file.read("packed"), np.arange(3_000_000))


def test_what_is_refused_can_be_followed_by_more(path):
    """A refusal is one line of the caller's kind of error, and the file stays open."""
    with hdf5.opened(path, DataError) as file:
        for name, message in (
            ("soft", r"dataset 'soft' is a link, which minicnn does not follow\."),
            ("group", r"dataset 'group': expected a dataset, got a group\."),
            ("other", r"dataset 'other' is missing\."),
            ("texts", r"dataset 'texts': expected numbers, got object\."),
        ):
            with pytest.raises(DataError, match=f"^{path}: {message}$"):
                file.read(name)
        with pytest.raises(DataError, match=r"expected shape \(4,\), got \(\)"):
            file.read("one", (4,))
        assert file.read("one") == np.float32(0.5)


def test_one_process_reads_file_after_file(path):
    """A process that has read a file, even one it refused, reads the next."""
    with hdf5.opened(path, DataError):
        pass
    first = hdf5._idle[-1].process.pid
    with pytest.raises(DataError, match="damaged"), hdf5.opened_bytes(b"x", "bytes", DataError):
        pass
    with hdf5.opened(path, DataError) as file:
        assert file.read("one") == np.float32(0.5)
    assert hdf5._idle[-1].process.pid == first


def test_two_files_can_be_open_at_once(path):
    """Each of two open files has a process of its own."""
    with hdf5.opened(path, DataError) as one, hdf5.opened(path, DataError) as other:
        assert one.read("one") == other.read("one")


def test_a_process_that_is_gone_is_replaced(path):
    """When the waiting process has ended, the next file is read by a new one."""
    with hdf5.opened(path, DataError):
        pass
    hdf5._idle[-1].process.kill()
    hdf5._idle[-1].process.wait()
    with hdf5.opened(path, DataError) as file:
        assert file.read("one") == np.float32(0.5)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("while True: pass", "is damaged"),
        ("import os; os.abort()", "is damaged"),
        ("bytearray(1 << 30)", "needs more memory than a file of its size should"),
        ("open('/etc/passwd')", "is damaged"),
        ("import os; os.kill(os.getpid(), 9)", r"that reads HDF5 files has ended \(status -9\)"),
    ],
    ids=["endless", "crash", "memory", "another file", "ended by others"],
)
def test_the_process_may_not_do_much(lines, message, path, behaving):
    """It ends when it computes without end or crashes, and gets no memory and no other file."""
    behaving(lines)
    begun = time.monotonic()
    with pytest.raises(DataError, match=message) as error, hdf5.opened(path, DataError):
        pass
    assert "\n" not in str(error.value)
    assert time.monotonic() - begun < 5
    behaving("pass")
    with hdf5.opened(path, DataError) as file:
        assert not file.datasets


def test_a_file_is_not_blamed_where_no_process_starts(path, tmp_path, monkeypatch):
    """Without h5py in the process, or without a Python to start, the message says so."""
    hdf5._end_readers()
    (tmp_path / "h5py.py").write_text("raise ImportError")
    monkeypatch.setattr(hdf5.sys, "path", [str(tmp_path), *hdf5.sys.path])
    with pytest.raises(DataError, match=r"has ended \(status 3\)"), hdf5.opened(path, DataError):
        pass
    monkeypatch.setattr(hdf5.sys, "executable", str(tmp_path / "none"))
    with (
        pytest.raises(DataError, match="no process can be started to read it: no such file"),
        hdf5.opened(path, DataError),
    ):
        pass


def test_signals_to_all_of_a_script_do_not_reach_the_process(path):
    """Ctrl-C, or a signal to the script's group, leaves the process to the script."""
    with hdf5.opened(path, DataError) as file:
        assert os.getpgid(file._reader.process.pid) != os.getpgid(0)


def test_pipes_and_devices_are_not_waited_for(tmp_path):
    """What is no regular file is refused before it is opened."""
    os.mkfifo(tmp_path / "pipe.h5")
    for place in (tmp_path / "pipe.h5", Path("/dev/zero")):
        with (
            pytest.raises(DataError, match="expected a file, got a pipe or a device"),
            hdf5.opened(place, DataError),
        ):
            pass
    with (
        pytest.raises(DataError, match="no file can have this name"),
        hdf5.opened("a\0b", DataError),
    ):
        pass


def test_too_many_objects_and_attributes_are_refused(tmp_path):
    """A file of thousands of groups, or with attributes of many megabytes, is not gone through."""
    with h5py.File(tmp_path / "groups.h5", "w", libver="latest") as file:
        for i in range(hdf5_reader.OBJECTS // 100 + 1):
            part = file.create_group(f"{i}")
            for j in range(99):
                part.create_group(f"{j}")
    with h5py.File(tmp_path / "attributes.h5", "w", libver="latest") as file:
        for i in range(18):
            file.attrs[f"{i}"] = np.zeros(1 << 17)
    for name, message in (("groups", "expected at most 10,000"), ("attributes", "of at most")):
        place = tmp_path / f"{name}.h5"
        with pytest.raises(DataError, match=message), hdf5.opened(place, DataError):
            pass
