"""A file larger than the memory, a run that is killed, and how well a stream's order learns."""

import os
import signal
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest

from minicnn.applications import small
from minicnn.data import HDF5Dataset
from minicnn.data.synthetic import fingers

pytestmark = pytest.mark.slow

LIMIT = 1 << 30
M = 1_000_000
CHILD = """
import sys
import numpy as np
from minicnn import *
from minicnn.data import HDF5Dataset, streaming

seen, drawn = np.zeros(1_000_000, int), streaming.drawn
def counted(*arguments, **options):
    for one in drawn(*arguments, **options):
        seen[one.rows[one.places]] += 1
        yield one
streaming.drawn = counted
data = HDF5Dataset(sys.argv[1], seed=0)
model = Sequential([Input((64, 64, 3)), AvgPool(32), Flatten(), Dense(2, activation="softmax")])
model.compile("sgd", "sparse_categorical_crossentropy")
model.fit(data, batch_size=1000, verbose=0)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(seen.min(), seen.max(), int(status["VmHWM"].split()[0]) * 1024)
"""


def _enter(processes):
    processes.write_text(str(os.getpid()))


@contextmanager
def limited_memory():
    """What puts a process into a group of so much memory; skips where that cannot be had."""
    name = f"minicnn-{uuid.uuid4()}"
    for base, limit in (
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        ("/sys/fs/cgroup", "memory.max"),
    ):
        group = Path(base, name)
        try:
            group.mkdir()
            (group / limit).write_text(str(LIMIT))
        except OSError:
            if group.exists():
                group.rmdir()
            continue
        try:
            yield partial(_enter, group / "cgroup.procs")
        finally:
            for _ in range(50):
                try:
                    group.rmdir()
                    break
                except OSError:
                    time.sleep(0.1)
        return
    pytest.skip("no group of processes with a limit of memory can be made here")


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux'")
@pytest.mark.parametrize("layout", [{}, {"chunks": (80, 64, 64, 3)}], ids=["contiguous", "chunked"])
def test_a_file_of_12_gb_under_a_limit_of_1_gb(tmp_path, layout):
    """An epoch sees each image exactly once, and program and reader together stay below 1 GB."""
    path, some = tmp_path / "large.h5", np.random.default_rng(0).bytes(8000 * 64 * 64 * 3)
    some = np.frombuffer(some, np.uint8).reshape(8000, 64, 64, 3)
    try:
        with h5py.File(path, "w") as file:
            x = file.create_dataset("train_set_x", (M, 64, 64, 3), np.uint8, **layout)
            for first in range(0, M, len(some)):
                x[first : first + len(some)] = some
            file["train_set_y"] = np.arange(M) % 2
        assert path.stat().st_size > 12e9
        with limited_memory() as enter:
            child = subprocess.run(
                [sys.executable, "-c", CHILD, str(path)],
                preexec_fn=enter,
                capture_output=True,
                text=True,
                check=False,
            )
        assert child.returncode == 0, child.stderr
        least, most, memory = map(int, child.stdout.split())
        assert (least, most) == (1, 1)
        assert memory < 500e6  # the shared memory counts, and the labels
    finally:
        path.unlink(missing_ok=True)


KILLED = """
import sys
from minicnn.applications import small
from minicnn.callbacks import BackupAndRestore
from minicnn.data import HDF5Dataset
data = HDF5Dataset(sys.argv[1], buffer_mb=4)
model = small((64, 64, 3), 6, seed=0)
model.compile("adam", "sparse_categorical_crossentropy")
often = BackupAndRestore(sys.argv[2], save_freq=3, delete_checkpoint=False)
print("begins", flush=True)
model.fit(data, epochs=3, verbose=0, callbacks=[often])
model.save_weights(sys.argv[3])
"""


def test_a_run_that_is_killed_goes_on_to_the_same_bits(tmp_path):
    """Killed at any moment, again and again, and begun anew, it ends as one left alone."""
    x, y = fingers(600, seed=0)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file.create_dataset("train_set_x", data=x, chunks=(20, 64, 64, 3), compression="gzip")
        file["train_set_y"] = y

    def begin(folder):
        arguments = [str(tmp_path / name) for name in ("data.h5", folder, f"{folder}.weights.h5")]
        return subprocess.Popen([sys.executable, "-c", KILLED, *arguments], stdout=subprocess.PIPE)

    with begin("alone") as alone:
        assert alone.wait() == 0
    for seconds in (0.7, 1.2, 1.7):
        with begin("killed") as process:
            process.stdout.readline()
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
    with begin("killed") as last:
        assert last.wait() == 0
    found = []
    for name in ("alone", "killed"):
        model = small((64, 64, 3), 6, seed=1)
        model.load_weights(tmp_path / f"{name}.weights.h5")
        found.append(model.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_file_sorted_by_class_learns_as_well_as_from_memory(tmp_path):
    """The first two epochs from a sorted file, of which a tenth is in memory, lie within the noise
    between seeds of those from memory."""
    x, y = fingers(2400, seed=0)
    order = np.argsort(y, kind="stable")
    x, y = x[order], y[order]
    with h5py.File(tmp_path / "sorted.h5", "w") as file:
        file.create_dataset("train_set_x", data=x, chunks=(10, 64, 64, 3))
        file["train_set_y"] = y
    data = HDF5Dataset(tmp_path / "sorted.h5", buffer_mb=2 * x.nbytes / 10 / 2**20)

    def losses(seed, *given):
        model = small((64, 64, 3), 6, seed=seed)
        model.compile("adam", "sparse_categorical_crossentropy")
        return model.fit(*given, epochs=2, batch_size=32, verbose=0).history["loss"]

    memory = np.array([losses(seed, x, y) for seed in range(6)])
    disk = np.array([losses(seed, data) for seed in range(6)])
    noise = np.sqrt(memory.var(axis=0, ddof=1) / 6 + disk.var(axis=0, ddof=1) / 6)
    print(memory.mean(axis=0), disk.mean(axis=0), noise)
    assert (abs(memory.mean(axis=0) - disk.mean(axis=0)) < 3 * noise).all()
