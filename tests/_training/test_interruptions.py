"""What a full disk, a signal or a kill leaves of a run and its checkpoint."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import minicnn
from checkpoint_helpers import fit, network
from minicnn._files import atomic, checkpoint
from minicnn._training import checkpoints
from minicnn._training.signals import signals_set_a_flag
from minicnn.callbacks import LambdaCallback
from minicnn.errors import ConfigError


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    """It is found out before the first step; later the training goes on, with one warning."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file/run: cannot be made: not a directory\.$"):
        fit(network(), tmp_path / "file/run")

    with monkeypatch.context() as patched:

        def refuse(*arguments, **options):
            raise OSError(30, "Read-only file system")

        patched.setattr(atomic.Path, "touch", refuse)
        with pytest.raises(ConfigError, match=r"cannot be written to: read-only file system\.$"):
            fit(network(), tmp_path / "run")

    content, sync, asked = checkpoint._content, os.fsync, []

    def noted(tree):
        asked.append(tree["epoch"])
        return content(tree)

    def full(descriptor):
        if asked[-1] in (1, 2):
            raise OSError(28, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(checkpoints, "FRACTION", float("inf"))
    monkeypatch.setattr(checkpoint, "_content", noted)
    monkeypatch.setattr(os, "fsync", full)
    alone = fit(network(), None, 3)
    with pytest.warns(RuntimeWarning, match="no space left on device. The training goes on") as w:
        assert fit(network(), tmp_path / "run", 3).history == alone.history
    assert asked == [0, 0, 1, 2, 3]  # the start is kept for itself as well
    assert len(w) == 1


FULL = """
import resource, signal, sys
import numpy as np
from minicnn import *
from minicnn.errors import MiniCNNError
model = Sequential([Input((200,)), Dense(100), Dense(2, activation="softmax")], seed=0)
model.compile("adam", "sparse_categorical_crossentropy")
x, y = np.ones((8, 200)), np.zeros(8, int)
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
history = model.fit(x, y, verbose=0, checkpoint="run", epochs=1)
model.save("model.keras")
history.to_csv("history.csv")
limit(20_000)
model.layers[0].params["bias"][...] = 9
history.append({"loss": 1.0} | {f"name{i}": 2.0 for i in range(3000)})
for save in (
    lambda: model.save("model.keras"),
    lambda: history.to_csv("history.csv"),
    lambda: model.fit(x, y, verbose=0, checkpoint="other", epochs=1),
):
    try:
        save()
        print("saved")
    except MiniCNNError as error:
        print(error)
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model.fit(x, y, verbose=0, checkpoint="run", resume=True, epochs=5)
print(*[w.message for w in caught])
"""


def test_a_full_disk(tmp_path):
    """With files limited to 20 kB the old ones stay as they are, and each error is one line."""
    done = subprocess.run(
        [sys.executable, "-c", FULL],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    *errors, warning = done.stdout.splitlines()
    names = ["model.keras", "history.csv", "other/checkpoint.h5"]
    assert errors == [f"{name}: cannot be written: file too large." for name in names]
    assert warning.startswith("run/checkpoint.h5: cannot be written: file too large. The training")
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert names == [
        *("history.csv", "model.keras", "other", "run"),
        *("run/checkpoint.h5", "run/checkpoint.previous.h5", "run/checkpoint.start.h5"),
    ]
    assert minicnn.saving.load_model(tmp_path / "model.keras").layers[0].params["bias"].max() < 1
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 2
    assert checkpoint.read(tmp_path / "run/checkpoint.h5")["epoch"] == 1


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_leaves_at_once(sign, tmp_path, monkeypatch):
    """Even from within a save, and without half a file; the handlers are put back."""
    model, usual, before = network(), os.fsync, [signal.getsignal(s) for s in (2, 15)]
    fit(model, tmp_path, 1)

    def press(descriptor):
        os.kill(os.getpid(), sign)
        os.kill(os.getpid(), sign)
        usual(descriptor)

    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(os, "fsync", press)
    with pytest.raises(KeyboardInterrupt if sign == signal.SIGINT else SystemExit) as caught:
        fit(network(), tmp_path, 9, resume=True)
    if sign == signal.SIGTERM:
        assert caught.value.code == 143
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert [signal.getsignal(s) for s in (2, 15)] == before


def test_sigterm_keeps_its_meaning_without_a_checkpoint(tmp_path):
    """With one the training ends after the batch, and the history says how to exit."""

    def terminate(batch, logs):
        handlers.append(signal.getsignal(signal.SIGTERM))
        if options:
            os.kill(os.getpid(), signal.SIGTERM)

    handlers, options = [], {}
    callbacks = LambdaCallback(on_train_batch_end=terminate)
    model = network()
    assert fit(model, None, callbacks=callbacks).exit_status == 0
    assert set(handlers) == {signal.SIG_DFL}
    options = {"verbose": 2}
    history = fit(network(), tmp_path, callbacks=callbacks)
    assert (history.interrupted, history.exit_status, history.epoch) == (True, 143, [])
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_last_look(sign):
    """It is raised again when the handlers are back; one that was told of is not."""
    seen = []
    with signals_set_a_flag(sigterm=True) as stop:
        os.kill(os.getpid(), sign)
        stop.told = True
    usual = signal.getsignal(sign)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(signal, "raise_signal", seen.append)
        with signals_set_a_flag(sigterm=True):
            os.kill(os.getpid(), sign)
    assert signal.getsignal(sign) is usual
    assert seen == [sign]


def test_handlers_of_the_program_and_other_threads():
    """A handler of the program's own stays, and outside the main thread nothing is touched."""

    def mine(number, frame): ...

    found = []

    def look():
        with signals_set_a_flag(sigterm=True) as stop:
            found.append((signal.getsignal(signal.SIGTERM), bool(stop)))

    before = signal.signal(signal.SIGTERM, mine)
    try:
        look()
    finally:
        signal.signal(signal.SIGTERM, before)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [(mine, False), (before, False)]


SAVING = """
import sys
from pathlib import Path
import numpy as np
from minicnn._files import atomic, checkpoint
from minicnn._files.lock import held
folder, i = Path(sys.argv[1]), int(sys.argv[2])
while True:
    i += 1
    tree = {"i": i, "arrays": [np.full(20_000, i, np.float32) for _ in range(4)]}
    checkpoint.write(folder / "checkpoint.h5", tree, folder / "checkpoint.previous.h5")
    print(i, flush=True)
"""


def kill_while_saving(folder, kills):
    """Kill a process that does nothing but save, and look at what it left."""
    chance, newest = np.random.default_rng(0), 0
    for _ in range(kills):
        saver = subprocess.Popen(
            [sys.executable, "-c", SAVING, str(folder), str(newest)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
        )
        saver.stdout.readline()
        time.sleep(chance.uniform(0, 0.1))
        saver.kill()
        saver.communicate()
        found = []
        for path in folder.glob("checkpoint*"):
            tree = checkpoint.read(path)
            assert all((array == tree["i"]).all() for array in tree["arrays"])
            found.append(tree["i"])
        assert max(found) > newest
        newest = max(found)


def test_a_kill_while_saving_leaves_no_broken_file(tmp_path):
    """SIGKILL at random moments: whatever has the name of a checkpoint is a whole one."""
    kill_while_saving(tmp_path, 3)


@pytest.mark.slow
def test_a_hundred_kills_while_saving(tmp_path):
    """As above, a hundred times."""
    kill_while_saving(tmp_path, 100)
