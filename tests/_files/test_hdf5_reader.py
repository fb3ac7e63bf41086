"""The process that reads HDF5 files: what it gives, and how little it may do."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from minicnn._files import hdf5, hdf5_reader, reader_process
from minicnn._files.budget import Budget
from minicnn.errors import DataError

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
        file["group"].attrs["number"] = 5
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
        reader_process.end_readers()
        script = tmp_path / "reader.py"
        script.write_text(
            f"import sys; sys.path.insert(0, {FOLDER!r})\n"
            "import hdf5_limits, hdf5_reader as reader\n"
            "reader.warm_up()\n"
            "reader.warm_up = lambda: None\n"
            "hdf5_limits.CPU_SECONDS = 0.3\n"
            f"def contents(*arguments):\n    {lines}\n"
            "    return {'groups': {}, 'datasets': {}, 'writing': False}\n"
            "reader._contents = contents\n"
            "reader.serve(sys.stdin.buffer, sys.stdout.buffer)\n"
        )
        monkeypatch.setattr(hdf5_reader, "__file__", str(script))

    yield change
    reader_process.end_readers()


def test_what_is_there_is_said_and_read(path):
    """Groups, datasets, shapes and attributes are listed, and numbers come bit for bit."""
    with hdf5.opened(path, DataError) as file:
        assert file.groups["group"] == {"names": ["a", "b"], "version": "3.0"}
        assert file.datasets["group/numbers"].shape == (2, 3)
        assert sorted(file.inside("group")) == ["numbers"]
        assert "soft" in file.inside("")
        numbers = file.read("group/numbers")
        assert (numbers.dtype, numbers.tolist()) == (np.dtype(">i2"), [[0, 1, 2], [3, 4, 5]])
        assert file.read("one", ()) == np.float32(0.5)
        assert file.read("none").shape == (2, 0)
        assert file.read("texts", text=True).tolist() == ["x", "yy"]
        assert np.array_equal(file.read("packed"), np.arange(3_000_000))
    with hdf5.opened(path, DataError, attributes=False) as file:
        assert file.groups["group"] == {}


def test_what_is_refused_can_be_followed_by_more(path):
    """A refusal is one line of the caller's kind of error, and the file stays open."""
    with hdf5.opened(path, DataError) as file:
        for name, message in (
            ("soft", r"dataset 'soft' is a link, which minicnn does not follow: name the .*\."),
            ("group", r"dataset 'group': expected a dataset, got a group\."),
            ("other", r"dataset 'other' is missing\."),
            ("texts", r"dataset 'texts': expected numbers, got text\."),
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
    first = reader_process.idle[-1].process.pid
    with pytest.raises(DataError, match="cut short"), hdf5.opened_bytes(b"x", "bytes", DataError):
        pass
    with hdf5.opened(path, DataError) as file:
        assert file.read("one") == np.float32(0.5)
    assert reader_process.idle[-1].process.pid == first


def test_two_files_can_be_open_at_once(path):
    """Each of two open files has a process of its own."""
    with hdf5.opened(path, DataError) as one, hdf5.opened(path, DataError) as other:
        assert one.read("one") == other.read("one")


def test_a_process_that_is_gone_is_replaced(path):
    """When the waiting process has ended, the next file is read by a new one."""
    with hdf5.opened(path, DataError):
        pass
    reader_process.idle[-1].process.kill()
    reader_process.idle[-1].process.wait()
    with hdf5.opened(path, DataError) as file:
        assert file.read("one") == np.float32(0.5)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("while True: pass", "takes longer to read than a file of its size should"),
        ("import os; os.abort()", r"the HDF5 library crashed on it \(SIGABRT\)"),
        ("bytearray(1 << 30)", "needs more memory than a file of its size should"),
        ("open('/etc/passwd')", "is damaged"),
        ("import os; os.kill(os.getpid(), 9)", r"has ended \(status -9\)\. .* memory is short"),
    ],
    ids=["endless", "crash", "memory", "another file", "ended by others"],
)
def test_the_process_may_not_do_much(lines, message, path, behaving):
    """It ends when it computes without end or crashes, and gets no memory and no other file."""
    behaving(lines)
    with pytest.raises(DataError, match=message) as error, hdf5.opened(path, DataError):
        pass
    assert "\n" not in str(error.value)
    behaving("pass")
    with hdf5.opened(path, DataError) as file:
        assert not file.datasets


def read_after(path, harm):
    """Read from a file after something has happened to the process that has it open."""
    with hdf5.opened(path, DataError) as file:
        harm(file._reader.process.pid)
        file.read("one")


@pytest.mark.parametrize("size", [1, pytest.param(10**6, marks=pytest.mark.slow)])
def test_a_process_that_is_stopped_is_not_waited_for(size, path):
    """Stopped with a file open, or before it takes one of any size, it is ended, and not the file
    is blamed; the next file is read."""
    message = "the process that reads HDF5 files does not answer"
    with pytest.raises(DataError, match=message):
        read_after(path, lambda pid: os.kill(pid, signal.SIGSTOP))
    with hdf5.opened(path, DataError):
        pass
    os.kill(reader_process.idle[-1].process.pid, signal.SIGSTOP)
    with pytest.raises(DataError, match=message), hdf5.opened_bytes(b"a" * size, "f", DataError):
        pass
    with hdf5.opened(path, DataError) as file:
        assert file.read("one") == np.float32(0.5)


def state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process of its parent's end"
)
@pytest.mark.parametrize("stopped", [False, True])
def test_the_process_ends_with_the_program(stopped, path):
    """Killed while its process waits or is stopped, with the pipes held by another: it ends."""
    code = (
        "import os, sys, time; from minicnn.errors import DataError\n"
        "from minicnn._files import hdf5\n"
        "with hdf5.opened(sys.argv[1], DataError) as file:\n"
        "    other = os.fork() or time.sleep(600)\n"
        "    print(other, file._reader.process.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    command = [sys.executable, "-c", code, path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        other, reader = map(int, program.stdout.readline().split())
        if stopped:
            os.kill(reader, signal.SIGSTOP)
        program.kill()
        program.wait()
        os.kill(other, 0)
        deadline = time.monotonic() + 20
        try:
            while state(reader) != "Z":
                assert time.monotonic() < deadline, "it goes on without the program"
                time.sleep(0.05)
        finally:
            os.kill(other, signal.SIGKILL)


def test_each_thread_has_a_process_of_its_own(path):
    """As the process ends with the thread that started it, no other thread reads from it."""
    with hdf5.opened(path, DataError) as file:
        first = file._reader
    found = []

    def read():
        with hdf5.opened(path, DataError) as file:
            found.append((file._reader, file.read("one")))

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert found[0][0] is not first
    assert found[0][1] == np.float32(0.5)
    with hdf5.opened(path, DataError) as file:
        assert file._reader is first


def test_a_process_that_the_program_waited_for_is_no_fault_of_the_file(path):
    """Reaped by somebody else, it has ended in a way that nobody knows."""
    message = r"the process that reads HDF5 files has ended \(status 0\)"

    def reap(pid):
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)

    with pytest.raises(DataError, match=message):
        read_after(path, reap)


def test_a_file_is_not_blamed_where_no_process_starts(path, tmp_path, monkeypatch):
    """Without h5py in the process, or without a Python to start, the message says so."""
    reader_process.end_readers()
    (tmp_path / "h5py.py").write_text("raise ImportError")
    monkeypatch.setattr(reader_process.sys, "path", [str(tmp_path), *reader_process.sys.path])
    with pytest.raises(DataError, match=r"has ended \(status 3\)"), hdf5.opened(path, DataError):
        pass
    monkeypatch.setattr(reader_process.sys, "executable", str(tmp_path / "none"))
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


def test_endless_paths_are_refused(tmp_path):
    """A small file whose groups' paths take megabytes together is not gone through."""
    with h5py.File(tmp_path / "paths.h5", "w", libver="latest") as file:
        group = file
        for _ in range(300):
            group = group.create_group("x" * 600)
    with (
        pytest.raises(DataError, match="attributes that take at most"),
        hdf5.opened(tmp_path / "paths.h5", DataError),
    ):
        pass


def test_names_and_attributes_are_taken_from_the_budget(tmp_path):
    """What is said of a file counts as what is read of it does."""
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        file.attrs["texts"] = np.full(1000, "y" * 1000, h5py.string_dtype())
    budget = Budget("a.h5", DataError, 0)
    with hdf5.opened(tmp_path / "a.h5", DataError, budget) as file:
        assert len(file.groups[""]["texts"]) == 1000
    budget.left = 3_000_000
    with (
        pytest.raises(DataError, match="attributes that take at most 750,000 bytes"),
        hdf5.opened(tmp_path / "a.h5", DataError, budget),
    ):
        pass


def test_many_datasets_are_no_harm(tmp_path):
    """Ten thousand small datasets, in groups of a hundred with attributes, are listed and read."""
    with h5py.File(tmp_path / "many.h5", "w") as file:
        for i in range(100):
            group = file.create_group(f"group{i}")
            group.attrs["CLASS"], group.attrs["rows"] = "GROUP", np.arange(100)
            for j in range(99):
                group[f"{j}"] = j
    with hdf5.opened(tmp_path / "many.h5", DataError) as file:
        assert len(file.datasets) == 9900
        assert file.groups["group7"] == {"CLASS": "GROUP"}
        assert file.read("group99/98") == 98


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": (1000, 96, 96), "compression": "gzip", "compression_opts": 1},
        {"chunks": (1000, 96, 96), "compression": "lzf", "shuffle": True, "fletcher32": True},
        {"chunks": (1, 96, 96), "compression": "gzip", "compression_opts": 1},
        {"chunks": (1000, 1, 96)},
    ],
    ids=["one chunk", "lzf in one chunk", "a chunk to an image", "chunks across"],
)
def test_chunks_of_any_size_are_read(options, tmp_path):
    """Memory and time are those that the dataset needs, however it is cut."""
    x = np.zeros((1000, 96, 96), ">f8")
    x[:, ::8] = np.arange(1000)[:, None, None]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=x, **options)
        file.create_dataset("y", data=np.arange(20_000), chunks=(1,))
        file["size"] = np.random.default_rng(0).integers(0, 255, 1 << 20, np.uint8)
    with hdf5.opened(tmp_path / "a.h5", DataError) as file:
        assert np.array_equal(file.read("y"), np.arange(20_000))
        assert np.array_equal(file.read("x"), x)


def test_a_chunk_that_is_too_large_is_refused(tmp_path):
    """A chunk of gigabytes in a small file is refused before it is read."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset(
            "x", shape=(8,), dtype="u1", chunks=(1 << 31,), maxshape=(None,), compression="gzip"
        )
    with (
        hdf5.opened(tmp_path / "a.h5", DataError) as file,
        pytest.raises(DataError, match="has chunks of 2,147,483,648 bytes, too many"),
    ):
        file.read("x")


def repeated(file):
    """A dataset that is compressed thirty times."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((100,))
    for _ in range(30):
        properties.set_deflate(9)
    space = h5py.h5s.create_simple((100,))
    h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_UINT8, space, properties)


KINDS = {
    "filters": (repeated, r"each once, got 'gzip' \(number 1\) a second time\..*h5repack"),
    "scale and offset": (
        lambda file: file.create_dataset("x", data=np.zeros(9), scaleoffset=0),
        r"got 'scaleoffset' \(number 6\)\. Write it anew with gzip",
    ),
    "text": (lambda file: file.create_dataset("x", data=["a"]), "expected numbers, got text"),
    "bytes": (lambda file: file.create_dataset("x", data=[b"a"]), "expected numbers, got text"),
    "complex": (lambda file: file.create_dataset("x", data=[1j]), "expected numbers, got complex"),
    "a table": (
        lambda file: file.create_dataset("x", data=np.zeros(2, [("a", "i4"), ("b", "f4")])),
        "expected numbers, got a table of a, b",
    ),
    "dates": (
        lambda file: h5py.h5d.create(
            file.id, b"x", h5py.h5t.UNIX_D32LE, h5py.h5s.create_simple((2,))
        ),
        "expected numbers, got a kind that NumPy does not have",
    ),
    "references": (
        lambda file: file.create_dataset("x", shape=(2,), dtype=h5py.ref_dtype),
        "expected numbers, got references",
    ),
    "nothing": (
        lambda file: file.create_dataset("x", data=h5py.Empty("f4")),
        "expected numbers, got an empty dataset",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_array_of_numbers_is_not_called_damaged(kind, tmp_path):
    """Each kind of dataset that is not read is called by its name."""
    write, message = KINDS[kind]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        write(file)
        file["y"] = 1
    with hdf5.opened(tmp_path / "a.h5", DataError) as file:
        with pytest.raises(DataError, match=message) as error:
            file.read("x")
        assert "damaged" not in str(error.value)
        assert file.read("y") == 1


@pytest.mark.parametrize("dtype", ["f2", ">f4", ">u2", "bool", "enum"])
def test_numbers_of_every_kind_are_read(dtype, tmp_path):
    """Half precision, either order of bytes, truth values and enumerations are numbers."""
    wanted = h5py.enum_dtype({"no": 0, "yes": 1}) if dtype == "enum" else np.dtype(dtype)
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=1 << 20) as file:
        file.create_dataset("x", data=np.arange(6) % 2, dtype=wanted)
        file["x"].make_scale("axis")
        file["y"] = np.zeros(6)
        file["y"].dims[0].attach_scale(file["x"])
    with hdf5.opened(tmp_path / "a.h5", DataError) as file:
        assert file.read("x").tolist() == [0, 1, 0, 1, 0, 1]
        assert file.read("y").shape == (6,)


def test_many_names_of_the_same_text_are_refused(tmp_path):
    """A thousand references to one long text are not read one after the other."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("names", shape=(100_000,), dtype=h5py.string_dtype(), chunks=(100_000,))
        file["names"][0] = "x" * (1 << 19)
        reference = np.empty(100_000 * 16, np.uint8)
        file.flush()
        kept = file["names"].id.read_direct_chunk((0,))[1][:16]
        reference.reshape(-1, 16)[:] = np.frombuffer(kept, np.uint8)
        file["names"].id.write_direct_chunk((0,), reference.tobytes())
    with (
        hdf5.opened(tmp_path / "a.h5", DataError) as file,
        pytest.raises(DataError, match="has more text than a file of its size should"),
    ):
        file.read("names", text=True)


def test_one_budget_for_a_file_that_is_opened_twice(tmp_path):
    """What was read at the first opening counts at the second."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=np.zeros(40 << 20, "u1"), compression="gzip")
    budget = Budget("a.h5", DataError, (tmp_path / "a.h5").stat().st_size)
    with hdf5.opened(tmp_path / "a.h5", DataError, budget) as file:
        file.read("x")
    with (
        hdf5.opened(tmp_path / "a.h5", DataError, budget) as file,
        pytest.raises(DataError, match="too many for a file of"),
    ):
        file.read("x")


def test_a_large_file_of_drawings_may_lead_to_more(tmp_path):
    """A file of 30 MB may give a gigabyte; one of 7 MB gives less than 256 MiB."""
    Budget("a.h5", DataError, 30 << 20).take("x", 1 << 30)
    assert Budget("a.h5", DataError, 7 << 20).left < 256 << 20


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1",
            "a Git LFS pointer to it. Run 'git lfs pull'",
        ),
        (b"<!DOCTYPE html>", "a web page. Download the file itself"),
        (b"\x1f\x8b\x08\0", "a gzip archive. Unpack it"),
        (b"MATLAB 5.0 MAT-file", "an old MATLAB file. Save it there with '-v7.3'"),
        (b"x", "a file of another kind"),
    ],
)
def test_files_of_another_kind_are_told_apart(start, message, tmp_path):
    """What is often in the place of a data file is called by its name."""
    (tmp_path / "a.h5").write_bytes(start + bytes(600))
    assert f"a.h5: expected an HDF5 file, got {message}" in refusal(tmp_path / "a.h5")


# Files that are not ready -----------------------------------------------------------------


def test_a_file_that_is_open_for_writing_is_read_with_a_warning(path):
    """What a notebook still holds open, and has written, is read; the user is told to close it."""
    with h5py.File(path, "a"):
        with (
            pytest.warns(RuntimeWarning, match="is open for writing in another program") as told,
            hdf5.opened(path, DataError) as file,
        ):
            assert file.read("one") == np.float32(0.5)
        assert told[0].filename == __file__


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_a_file_that_is_half_written_is_said_to_be_open(libver, tmp_path):
    """What its writer has not written out is no damage."""
    place = tmp_path / "a.h5"
    with h5py.File(place, "w", libver=libver) as file:
        file["x"] = np.zeros(100_000)
        assert "open for writing in another program" in refusal(place)


def refusal(place):
    """What is said of a file that cannot be read."""
    with pytest.raises(DataError) as error, hdf5.opened(place, DataError):
        pass
    assert "damaged" not in str(error.value)
    return str(error.value)


def test_a_file_whose_writer_lets_others_read_is_read(tmp_path):
    """In HDF5's mode of a single writer and many readers."""
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as writer:
        writer["x"] = np.arange(5)
        writer.swmr_mode = True
        with (
            pytest.warns(RuntimeWarning, match="is open for writing"),
            hdf5.opened(tmp_path / "a.h5", DataError) as file,
        ):
            assert file.read("x").tolist() == [0, 1, 2, 3, 4]


def test_a_file_that_was_not_closed_is_not_called_damaged(tmp_path):
    """What a program that was killed leaves is said to be that, with the remedy."""
    place = tmp_path / "a.h5"
    with h5py.File(place, "w", libver="latest") as file:
        file["x"] = np.zeros(100)
        file.flush()
        content = place.read_bytes()
    place.write_bytes(content)
    assert re.search("was not closed by the one that wrote it.*h5clear -s", refusal(place))


def test_a_download_that_is_not_finished(path):
    """Of a file that is cut anywhere it is said how long it should be."""
    size = path.stat().st_size
    for length in (size - 1, size // 2, 500, 100):
        os.truncate(path, length)
        assert f"cut short: expected at least {size:,} bytes, got {length:,}" in refusal(path)
    os.truncate(path, 40)
    assert "cut short" in refusal(path)


def test_a_stopped_process_is_waited_for(path):
    """A machine that sleeps, or is busy, does not make a file a damaged one."""
    with hdf5.opened(path, DataError) as file:
        pid = file._reader.process.pid
        os.kill(pid, signal.SIGSTOP)
        threading.Timer(0.5, os.kill, (pid, signal.SIGCONT)).start()
        assert file.read("one") == np.float32(0.5)


def test_a_process_that_ends_just_now_is_replaced(path):
    """One that has waited for too long may end when it is asked."""
    with hdf5.opened(path, DataError):
        pass
    process = reader_process.idle[-1].process
    process.poll = lambda: None if process.returncode is None else process.returncode
    os.kill(process.pid, signal.SIGALRM)
    with hdf5.opened(path, DataError) as file:
        assert file.read("one") == np.float32(0.5)
