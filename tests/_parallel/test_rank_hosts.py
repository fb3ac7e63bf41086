"""Ranks on hosts of their own: network namespaces with addresses, links and host names of theirs.

They need root, ``ip`` and ``unshare``; the ranks talk over TCP, as those on machines do.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rank_helpers import needs_mpi

HOSTS = 3
NETWORK = "10.77.8"

pytestmark = [
    pytest.mark.slow,
    needs_mpi,
    pytest.mark.skipif(
        sys.platform != "linux"
        or os.geteuid() != 0
        or not all(map(shutil.which, ("ip", "unshare"))),
        reason="needs root, ip and unshare",
    ),
]

SCRIPT = """
import os, sys, time, numpy as np
import minicnn
from minicnn.layers import *
rng = np.random.default_rng(0)
x, y = rng.random((192, 8, 8, 3), np.float32), rng.integers(0, 3, 192)
layers = Input((8, 8, 3)), Conv2D(4, 3), BatchNorm(), Flatten(), Dense(3, activation="softmax")
model = minicnn.Sequential(layers, seed=0)
model.compile("adam", "sparse_categorical_crossentropy")
epochs, often = int(sys.argv[1]), float(sys.argv[2])
wait = minicnn.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(often))
keep = minicnn.callbacks.BackupAndRestore("run", save_freq=3, delete_checkpoint=False)
os.write(2, b"pid %d\\n" % os.getpid())  # lines of two would mix
history = model.fit(x, y, epochs=epochs, callbacks=[wait, keep], distributed=True)
if os.environ["PMI_RANK"] == "0":
    print("epochs", history.epoch[-1] + 1, flush=True)
"""

LOGIN = """#!/bin/sh
# What mpiexec takes for ssh: a command on one of the hosts.
while case $1 in -*) true;; *) false;; esac; do shift; done
host=${1##*.}; shift
exec ip netns exec minicnn$host unshare --uts --ipc --mount sh -c \\
  "hostname host$host; mount -t tmpfs none /dev/shm; $*"
"""


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def hosts(tmp_path):
    """Three hosts behind a bridge, and how to begin ranks on some of them."""
    bridge = "minicnnbr"
    try:
        ip("link", "add", bridge, "type", "bridge")
    except subprocess.CalledProcessError:
        pytest.skip("no network can be made here")
    try:
        ip("addr", "add", f"{NETWORK}.254/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        for i in range(1, HOSTS + 1):
            space, link = f"minicnn{i}", f"minicnnv{i}"
            ip("netns", "add", space)
            ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("link", "set", link, "master", bridge, "up")
            ip("-n", space, "addr", "add", f"{NETWORK}.{i}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "link", "set", "lo", "up")
        login = tmp_path / "login"
        login.write_text(LOGIN)
        login.chmod(0o755)
        (tmp_path / "script.py").write_text(SCRIPT)

        def begin(numbers, *arguments):
            names = ",".join(f"{NETWORK}.{i}" for i in numbers)
            how = ["-launcher", "ssh", "-launcher-exec", str(login), "-localhost"]
            how += [f"{NETWORK}.254", "-hosts", names, "-n", str(len(numbers)), "-ppn", "1"]
            with (
                (tmp_path / "errors").open("w") as errors,
                (tmp_path / "output").open("w") as output,
            ):
                return subprocess.Popen(
                    ["mpiexec", *how, sys.executable, "script.py", *map(str, arguments)],
                    env=os.environ | {"MPIR_CVAR_NOLOCAL": "1", "OMP_NUM_THREADS": "1"},
                    cwd=tmp_path,
                    stderr=errors,
                    stdout=output,
                    start_new_session=True,
                )

        yield begin
    finally:
        for i in range(1, HOSTS + 1):
            subprocess.run(["ip", "link", "del", f"minicnnv{i}"], capture_output=True)
            subprocess.run(["ip", "netns", "del", f"minicnn{i}"], capture_output=True)
        subprocess.run(["ip", "link", "del", bridge], capture_output=True)


def host_of(pid):
    how = ["ip", "netns", "identify", str(pid)]
    return subprocess.run(how, capture_output=True, text=True).stdout.strip()


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition, seconds):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.1)


@pytest.mark.parametrize("how", ["cut off", "stopped", "killed"])
def test_all_end_when_one_host_fails_and_the_rest_goes_on(hosts, tmp_path, how):
    """A host that is cut off from the network in mid-epoch, a rank that is stopped, one that is
    killed: all ranks are gone within 30 seconds, the stopped one when it may go on, and the run
    is resumed on the other two hosts."""
    mpiexec = hosts([1, 2, 3], 10_000, 0.02)
    errors, output = tmp_path / "errors", tmp_path / "output"
    try:
        wait_for(lambda: "epoch 3/" in output.read_text(), 60)
        pids = [int(pid) for pid in re.findall(r"pid (\d+)", errors.read_text())]
        assert len(pids) == HOSTS
        last = next(pid for pid in pids if host_of(pid) == f"minicnn{HOSTS}")
        if how == "cut off":
            ip("-n", f"minicnn{HOSTS}", "link", "set", "eth0", "down")
        else:
            os.kill(last, signal.SIGSTOP if how == "stopped" else signal.SIGKILL)
        others = [pid for pid in pids if how != "stopped" or pid != last]
        wait_for(lambda: not any(map(alive, others)), 30)
        if how == "stopped":
            os.kill(last, signal.SIGCONT)
            wait_for(lambda: not alive(last), 10)
    finally:
        os.killpg(mpiexec.pid, signal.SIGKILL)
        mpiexec.wait()
    done = max(map(int, re.findall(r"epoch (\d+)/", output.read_text())))
    again = hosts([1, 2], done + 2, 0)
    assert again.wait(60) == 0, errors.read_text()
    assert f"epochs {done + 2}" in output.read_text()
    assert "Going on from" in output.read_text()
