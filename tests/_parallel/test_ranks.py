"""Several ranks train as one process does: started by mpiexec, with the MPI of the wheel."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import rank_networks
from rank_helpers import mpiexec, needs_mpi
from shard_helpers import in_shards

pytestmark = [pytest.mark.slow, needs_mpi]
SCRIPT = Path(rank_networks.__file__)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("ranks")
    rank_networks.write_data(made)
    return made


def check(cases, folder, counts, **tolerance):
    for count in counts:
        status, _, errors = mpiexec(count, SCRIPT, folder, *cases)
        assert not status, errors
    for case in cases:
        weights, history = rank_networks.trained(case, folder)
        for count in counts:
            found = np.load(folder / f"{case}-{count}.npz")
            for i, wanted in enumerate(weights):
                np.testing.assert_allclose(found[f"arr_{i}"], wanted, **tolerance, err_msg=case)
            for name, values in history.items():
                np.testing.assert_allclose(found[name], values, rtol=2e-6, err_msg=case)


def test_any_number_of_ranks_trains_as_one_process(folder):
    """1, 2 and 4 ranks have the weights and the history of one process: rows and graphs, with
    BatchNorm, dropout and augmentation, from memory, a stream, a folder and a generator."""
    cases = [
        f"{network}-{source}-float64"
        for network in rank_networks.NETWORKS
        for source in rank_networks.SOURCES
    ]
    check(cases, folder, (1, 2, 4), rtol=1e-8, atol=1e-10)


def test_in_float32_too(folder):
    """The same but for the rounding of some steps in the usual dtype, with any kernels."""
    cases = [f"{network}-arrays-float32" for network in rank_networks.NETWORKS]
    check(cases, folder, (2,), rtol=0, atol=5e-6)


def test_ranks_have_the_bits_of_shards(folder, monkeypatch):
    """Two and four ranks give what as many shards give in one process, to the bit."""
    cases = ["plain-arrays-float32", "random-arrays-float32"]
    for count in (2, 4):
        status, _, errors = mpiexec(count, SCRIPT, folder, *cases)
        assert not status, errors
        with monkeypatch.context() as patch:
            in_shards(patch, count)
            for case in cases:
                weights, history = rank_networks.trained(case, folder)
                found = np.load(folder / f"{case}-{count}.npz")
                for i, wanted in enumerate(weights):
                    assert np.array_equal(found[f"arr_{i}"], wanted)
                for name in history:
                    assert found[name].tolist() == history[name]


ENDING = """
import os, signal, sys, time, numpy as np
import minicnn
from minicnn.layers import *
number = os.environ.get("PMI_RANK", os.environ.get("OMPI_COMM_WORLD_RANK"))
how, rank = sys.argv[1], int(number)
rng = np.random.default_rng(0)
x, y = rng.random((256, 8, 8, 3), np.float32), rng.integers(0, 3, 256)
layers = Input((8, 8, 3)), Conv2D(4, 3), Flatten(), Dropout(0.2), Dense(3, activation="softmax")
model = minicnn.Sequential(layers, seed=None if how == "unseeded" else 0)
model.compile("adam", "sparse_categorical_crossentropy")
epochs, folder = int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None
def batch_end(batch, logs):
    print("a line from a callback")
    if how == "slow":
        time.sleep(0.02)
    if batch != 2 or (rank == 0) != (how in ("first", "interrupted")) and how != "all":
        return
    if how in ("all", "one", "first"):
        raise RuntimeError("the drive is full")
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    if how == "interrupted":
        os.kill(os.getpid(), signal.SIGINT)
    if how == "weights":
        model.params["dense.bias"][0] += 1
each = minicnn.callbacks.LambdaCallback(on_train_batch_end=batch_end)
log = minicnn.callbacks.CSVLogger(f"log-{how}.csv")
if how == "data" and rank:
    x[7] += 1
if how == "labels":
    y = y[:9]
def batches():
    draw = np.random.default_rng(rank)
    while True:
        some = draw.permutation(256)[:32]
        yield x[some], y[some]
given = (batches(),) if how == "batches" else (x, y)
if how == "batches":
    options = {"steps_per_epoch": 8}
else:
    options = {"validation_split": 0.25}
h = model.fit(
    *given, epochs=epochs, callbacks=[each, log], checkpoint=folder, resume=bool(folder),
    distributed=True, **options
)
if rank == 0:
    print("history", h.history.get("loss", []), h.exit_status)
    np.savez(f"weights-{how}.npz", *model.get_weights())
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("ending") / "ending.py"
    path.write_text(ENDING)
    return path


def ended(script, how, count=2, epochs=1, folder=None, **environment):
    more = [] if folder is None else [folder]
    return mpiexec(count, script, how, epochs, *more, cwd=script.parent, timeout=60, **environment)


@pytest.mark.parametrize(
    ("how", "said", "times"),
    [
        ("one", "RuntimeError: the drive is full", 1),
        ("first", "RuntimeError: the drive is full", 1),
        ("all", "RuntimeError: the drive is full", 1),
        ("labels", "DataError: fit: expected as many labels as images", 1),
        ("data", "data.x.checksum is", 1),
        ("weights", "expected the same weights on all ranks, got others on rank 1 of 2", 1),
        ("batches", "expected the same batches on all ranks, got others on rank 1 of 2", 1),
        ("killed", "", 0),
        ("stopped", "rank 1 of 2", 1),
    ],
)
def test_all_ranks_end_with_what_failed_said_once(script, how, said, times):
    """An exception of one rank or of all, other data, batches or weights on one, one that is killed
    or stopped: all end within 30 seconds, and the reason is printed once."""
    status, _, errors = ended(script, how)
    assert status
    assert errors.count("Error:") == times - (how == "stopped")
    if said:
        assert errors.count(said) == 1, errors


def test_files_and_lines_are_from_the_first_rank(script):
    """One line an epoch and a callback's line a batch, one row an epoch in the log; without a seed
    all ranks have the weights of the first, else the digest would refuse the second epoch."""
    status, output, errors = ended(script, "unseeded", epochs=2)
    assert not status, errors
    assert output.count("epoch 1/2:") == output.count("epoch 2/2:") == 1
    assert output.count("a line from a callback") == 12
    assert len((script.parent / "log-unseeded.csv").read_text().splitlines()) == 3
    assert not errors


def test_ctrl_c_on_any_rank_saves_once_and_the_run_goes_on(script, tmp_path):
    """SIGINT on one rank ends all after the same batch, with one checkpoint; resumed on another
    number of ranks, the run ends as one that was not interrupted does."""
    status, output, errors = ended(script, "interrupted", epochs=2, folder=tmp_path / "run")
    assert not status, errors
    assert output.count("Stopped by Ctrl-C") == 1
    assert "history [] 130" in output
    for count in (1, 3):
        shutil.copytree(tmp_path / "run", tmp_path / f"run-{count}")
        status, output, errors = ended(script, "calm", count, 2, tmp_path / f"run-{count}")
        assert not status, errors
        assert "epoch 1, batch" in output
        resumed = np.load(script.parent / "weights-calm.npz")
        resumed = [resumed[name] for name in resumed]
        status, output, errors = ended(script, "calm", count, 2)
        assert not status, errors
        whole = np.load(script.parent / "weights-calm.npz")
        for i, name in enumerate(whole):
            np.testing.assert_allclose(resumed[i], whole[name], atol=1e-5)


def test_killed_at_random_moments_a_run_ends_in_the_same_bits(script, tmp_path):
    """A run of two ranks, of which one is killed again and again, 20 times in all, has the weights
    and the history of one that nobody killed, to the bit."""
    epochs, kills, resumed = 12, 0, 0
    status, wanted, errors = ended(script, "slow", epochs=epochs, folder=tmp_path / "whole")
    assert not status, errors
    weights = dict(np.load(script.parent / "weights-slow.npz"))
    rng = random.Random(0)
    folder = tmp_path / "killed"
    while kills < 20:
        command = ["mpiexec", "-n", "2", sys.executable, script, "slow", str(epochs), folder]
        with (tmp_path / "output").open("w") as output:
            run = subprocess.Popen(
                command, stdout=output, stderr=output, cwd=script.parent, start_new_session=True
            )
        time.sleep(rng.uniform(0.5, 2.5))
        if run.poll() is not None:  # it has ended: from the beginning, once more
            shutil.rmtree(folder)
            continue
        children = descendants(run.pid)
        if children:
            os.kill(rng.choice(children), signal.SIGKILL)
            kills += 1
        run.wait(30)
        resumed += "Going on from" in (tmp_path / "output").read_text()
    assert resumed > 3
    status, output, errors = ended(script, "slow", epochs=epochs, folder=folder)
    assert not status, errors
    history = [line for line in output.splitlines() if line.startswith("history")]
    assert history == [line for line in wanted.splitlines() if line.startswith("history")]
    found = np.load(script.parent / "weights-slow.npz")
    for name, array in weights.items():
        assert np.array_equal(found[name], array)


def test_the_doctor_says_what_to_expect_in_80_columns(tmp_path):
    """Started alone it measures two ranks of this machine; two make at most twice the images."""
    found = subprocess.run(
        [sys.executable, "-m", "minicnn", "doctor", "--mpi"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
    )
    lines = found.stdout.splitlines()
    assert not found.returncode, found.stderr
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("ranks") and "2: 2 on" in line for line in lines)
    for name in ("small", "vgg"):
        (row,) = [line for line in lines if line.startswith(name)]
        rates = [int(one.replace(",", "")) for one in row.split()[1:7]]
        assert 0 < rates[1] <= 2 * rates[0] + 2  # rounded
        assert row.rstrip()[-1].isdigit()


EARLY = """
import os, minicnn
number = os.environ.get("PMI_RANK", os.environ.get("OMPI_COMM_WORLD_RANK"))
if number == "1" or os.environ.get("ALL"):
    raise RuntimeError("before the fit")
minicnn.Sequential([minicnn.Input((1,)), minicnn.Dense(1)]).fit([0], [0], distributed=True)
"""


@pytest.mark.parametrize("where", ["one", "all"])
def test_a_script_that_fails_before_its_fit_ends_all(tmp_path, where):
    """On one process or on all: started by launch, alone or under mpiexec, it says so once."""
    (tmp_path / "early.py").write_text(EARLY)
    launch = [sys.executable, "-m", "minicnn", "launch"]
    environment = os.environ | ({"ALL": "1"} if where == "all" else {})
    for begun in ([*launch, "-n", "2"], ["mpiexec", "-n", "2", *launch]):
        found = subprocess.run(
            [*begun, "early.py"],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env=environment,
        )
        assert found.returncode
        assert found.stderr.count("RuntimeError: before the fit") == 1


def test_a_script_that_exits_early_on_one_rank_ends_all(tmp_path):
    """``sys.exit(3)`` of one process before its fit is the status of all."""
    (tmp_path / "early.py").write_text(
        "import os, sys, minicnn\n"
        "from minicnn._parallel.ranks import world\n"
        "ranks = world('test')\n"
        "if ranks.number:\n"
        "    sys.exit(3)\n"
        "ranks.meet()\n"
    )
    found = subprocess.run(
        [sys.executable, "-m", "minicnn", "launch", "-n", "2", "early.py"],
        capture_output=True, text=True, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    assert found.returncode == 3
    assert "Traceback" not in found.stderr


def test_a_mistyped_option_is_said_once():
    """By the first rank; all end with status 2."""
    status, _, errors = mpiexec(2, "-m", "minicnn", "train", "--epochs", "x")
    assert (status, errors.count("minicnn: argument --epochs")) == (2, 1)


def descendants(pid):
    """The Python processes that a process has begun, and those that these have."""
    found = []
    for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        try:
            if b"ending.py" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
            found += descendants(child)
        except OSError:
            continue
    return found
