"""The command line: a run from nothing to a folder, and one line for every mistake."""

import csv
import itertools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from minicnn import Conv2D, Input, Sequential
from minicnn._cli.main import main
from minicnn._training.run import Run
from minicnn.applications import NETWORKS
from minicnn.data.synthetic import fingers
from minicnn.saving import load_model

SCRIPT = shutil.which("minicnn", path=os.path.dirname(sys.executable)) or "no script is installed"
"""The command of the Python that runs the tests: another one may come first on the PATH."""


def write(path, x, y, part="train"):
    with h5py.File(path, "w") as file:
        file[f"{part}_set_x"], file[f"{part}_set_y"] = x, y
        file["list_classes"] = np.arange(6)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with a few pictures, to work in."""
    monkeypatch.chdir(tmp_path)
    x, y = fingers(48, seed=0)
    write("train_few.h5", x[:36], y[:36])
    write("test_few.h5", x[36:], y[36:], "test")
    return tmp_path


TRAIN = ["train", "--train", "train_few.h5", "--test", "test_few.h5", "--epochs", "2"]


def test_a_run(home, capsys):
    """A run writes model, history, curves and settings, and prints accuracy with its interval."""
    assert main([*TRAIN, "--model", "course", "--seed", "7", "--batch-size", "16"]) == 0
    out = capsys.readouterr().out
    assert "Test accuracy" in out
    assert "of 12; 95% interval" in out
    assert "runs/few-1" in out
    folder = home / "runs/few-1"
    assert {path.name for path in folder.iterdir()} == {
        "model.keras",
        "history.csv",
        "curves.png",
        "settings.json",
        "checkpoint.h5",
        "checkpoint.start.h5",
    }
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["model"] == "course"
    assert (settings["seed"], settings["batch_size"], settings["epochs"]) == (7, 16, 2)
    assert settings["versions"]["numpy"] == np.__version__
    with open(folder / "history.csv") as file:
        assert len(list(csv.DictReader(file))) == 2

    assert main(["evaluate", "runs/few-1/model.keras", "test_few.h5"]) == 0
    evaluated = capsys.readouterr().out
    assert evaluated.split("(")[0].split()[-1] == out.split("Test accuracy ")[1].split()[0]
    assert main(["summary", "runs/few-1/model.keras"]) == 0
    assert "max_pooling2d_1 (MaxPool)" in capsys.readouterr().out

    from PIL import Image

    with h5py.File("test_few.h5") as file:
        Image.fromarray(file["test_set_x"][0]).save("hand.png")
    assert main(["predict", "runs/few-1/model.keras", "hand.png", "test_few.h5"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["hand.png"] + [f"test_few.h5[{i}]" for i in range(12)]
    assert lines[0][1:] == lines[1][1:]


def test_the_same_command_gives_the_same_bits_in_another_folder(home):
    """A second run of one command gets a new folder and the same results."""
    for _ in range(2):
        assert main([*TRAIN, "--seed", "3"]) == 0
    first, second = (home / f"runs/few-{n}/history.csv" for n in (1, 2))
    assert first.read_bytes() == second.read_bytes()
    assert main([*TRAIN, "--out", "elsewhere/run"]) == 0
    assert (home / "elsewhere/run/model.keras").exists()


@pytest.mark.parametrize(
    "network", [pytest.param(n, marks=[pytest.mark.slow] * (n == "resnet50")) for n in NETWORKS]
)
def test_every_network_can_be_trained(network, tmp_path, monkeypatch, capsys):
    """Each name that --model takes trains for an epoch, on few and small pictures."""
    monkeypatch.chdir(tmp_path)
    x, y = fingers(12, seed=0)
    write("train_few.h5", x[:, ::2, ::2], y)
    write("test_few.h5", x[:4, ::2, ::2], y[:4], "test")
    assert main([*TRAIN[:-1], "1", "--model", network]) == 0
    assert f"network {network}, seed 0" in capsys.readouterr().out
    assert (tmp_path / "runs/few-1/model.keras").exists()


def test_fingers_are_drawn_when_no_file_is_named(home, monkeypatch, capsys):
    """Without files it draws pictures, and learns from them."""
    import minicnn.data.synthetic as synthetic

    def write_few(folder):
        os.makedirs(folder)
        x, y = fingers(24, seed=0)
        for part in ("train", "test"):
            write(f"{folder}/{part}_fingers.h5", x, y, part)

    monkeypatch.setattr(synthetic, "write_fingers", write_few)
    assert main(["train", "--epochs", "1"]) == 0
    assert (home / "runs/fingers-1/model.keras").exists()
    assert "Drawing pictures" in capsys.readouterr().out


def broken(name, **parts):
    with h5py.File(name, "w") as file:
        for key, value in parts.items():
            file[key] = value


X, Y = np.zeros((4, 64, 64, 3), np.uint8), np.array([0, 1, 2, 3])
FILES = {
    "keys.h5": {"a": X, "b": Y},
    "lengths.h5": {"train_set_x": X, "train_set_y": Y[:3]},
    "rank.h5": {"train_set_x": X[0, 0], "train_set_y": Y},
    "range.h5": {"train_set_x": X, "train_set_y": Y, "list_classes": [0, 1]},
    "none.h5": {"train_set_x": X[:0], "train_set_y": Y[:0]},
    "size.h5": {"train_set_x": X[:, :32], "train_set_y": Y},
    "one.h5": {"train_set_x": X, "train_set_y": Y * 0},
    "slip.h5": {"train_set_x": X, "train_set_y": Y * 10**12},
    "unit.h5": {"train_set_x": X / 255, "train_set_y": Y},
    "normed.h5": {"train_set_x": X + Y[:, None, None, None] * 4 - 2.0, "train_set_y": Y},
    "bright.h5": {"train_set_x": X + Y[:, None, None, None] * 21845.0, "train_set_y": Y},
    "tiny.h5": {"train_set_x": X[:, :8, :8], "train_set_y": Y},
    "order.h5": {"train_set_x": X, "train_set_y": Y, "list_classes": [5, 4, 3, 2, 1, 0]},
}
MISTAKES = [
    (["fly"], "invalid choice: 'fly'"),
    (["train", "--model", "huge"], "invalid choice: 'huge'"),
    (["train", "--epochs", "0"], "expected a whole number of at least 1, got '0'"),
    (["train", "--batch-size", "x"], "expected a whole number of at least 1, got 'x'"),
    (["train", "--learning-rate", "-1"], "expected a number above 0, got '-1'"),
    (["train", "--learning-rate", "nan"], "expected a number above 0, got 'nan'"),
    (["train", "--seed", "1.5"], "expected a whole number of 0 or more, got '1.5'"),
    (["train", "--train", "train_few.h5"], "--train and --test together, got no --test"),
    ([*TRAIN, "--out", "full"], "full: expected a new or empty folder"),
    ([*TRAIN, "--out", "train_few.h5"], "expected a new or empty folder"),
    ([*TRAIN, "--out", "train_few.h5/x"], "is not a folder to write to"),
    ([*TRAIN[:4], "size.h5"], "size.h5: expected images of shape (64, 64, 3)"),
    ([*TRAIN[:2], "keys.h5", *TRAIN[3:]], "expected one dataset named *_set_x, got none (a, b)"),
    ([*TRAIN[:2], "lengths.h5", *TRAIN[3:]], "expected 4 labels"),
    ([*TRAIN[:2], "rank.h5", *TRAIN[3:]], "expected images of shape (m, H, W, C), got (64, 3)"),
    ([*TRAIN[:2], "range.h5", *TRAIN[3:]], "labels from 0 to 1, as there are 2 classes, got 2"),
    ([*TRAIN[:2], "none.h5", *TRAIN[3:]], "expected images, got none"),
    ([*TRAIN[:2], "text.h5", *TRAIN[3:]], "text.h5: expected an HDF5 file"),
    ([*TRAIN[:2], "short.h5", *TRAIN[3:]], "short.h5: the HDF5 file is cut short"),
    ([*TRAIN[:2], "missing.h5", *TRAIN[3:]], "missing.h5: cannot be read"),
    ([*TRAIN[:2], "one.h5", "--test", "one.h5"], "two classes or more, got 1"),
    ([*TRAIN[:2], "slip.h5", *TRAIN[3:]], "without list_classes, got 1000000000000"),
    ([*TRAIN[:2], "unit.h5", "--test", "unit.h5"], "expected images from 0 to 255"),
    ([*TRAIN[:2], "normed.h5", "--test", "normed.h5"], "numbers from -2 up to 10."),
    ([*TRAIN[:2], "bright.h5", "--test", "bright.h5"], "up to 65535. Store them as uint8."),
    (["evaluate", "model.keras", "normed.h5"], "normed.h5: expected images from 0 to 255"),
    (["predict", "model.keras", "unit.h5"], "unit.h5: expected images from 0 to 255"),
    ([*TRAIN[:4], "order.h5"], "order.h5: expected the classes 0, 1, 2, 3, 4, 5, as in train_few"),
    (
        ["train", "--train", "tiny.h5", "--test", "tiny.h5", "--model", "lenet5"],
        "tiny.h5: expected larger images for the network lenet5, got (8, 8, 3)",
    ),
    ([*TRAIN, "--x-key", "photos"], "expected a dataset 'photos', got list_classes, train_set_x"),
    ([*TRAIN, "--out", "a" * 300], "file name too long"),
    ([*TRAIN, "--learning-rate", "1e37"], "Try a smaller learning rate"),
    ([*TRAIN, "--learning-rate", "1e37", "--out", "mine"], "Try a smaller learning rate"),
    ([*TRAIN, "--learning-rate", "1e38", "--epochs", "1"], "Try a smaller learning rate"),
    (["evaluate", "named.keras", "order.h5"], "order.h5: expected the classes 0, 1"),
    (["evaluate", "plain.keras", "train_few.h5"], "expected a model saved with its loss"),
    (["evaluate", "missing.keras", "train_few.h5"], "missing.keras: cannot be read"),
    (["evaluate", "train_few.h5", "train_few.h5"], "expected a model, got an HDF5 file"),
    (["evaluate", "model.keras", "size.h5"], "size.h5: expected images of shape (64, 64, 3)"),
    (["evaluate", "model.keras", "range.h5"], "labels from 0 to 1"),
    (["evaluate", "strange.keras", "train_few.h5"], "expected a model that classifies images"),
    (["predict", "model.keras", "text.h5"], "text.h5: expected an HDF5 file"),
    (["predict", "model.keras", "train_few.h5", "text.png"], "text.png: expected a picture"),
    (["predict", "model.keras", "missing.png"], "missing.png: cannot be read"),
    (["predict", "model.keras"], "required: IMAGE-OR-H5"),
    (["summary", "text.h5"], "text.h5: expected an HDF5 file"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=lambda v: " ".join(v)[:50])
def test_a_mistake_is_one_line_and_status_2(arguments, message, home, capsys):
    """Every mistake prints one line on standard error, exits with 2, and leaves nothing behind."""
    from minicnn.applications import course

    for name, parts in FILES.items():
        broken(name, **parts)
    (home / "text.h5").write_text("no HDF5")
    (home / "text.png").write_text("no picture")
    whole = (home / "train_few.h5").read_bytes()
    (home / "short.h5").write_bytes(whole[: len(whole) // 2])
    (home / "mine").mkdir()
    (home / "full").mkdir()
    (home / "full/file").touch()
    model = course((64, 64, 3), 6, seed=0)
    model.save("plain.keras")
    model.compile("adam", "sparse_categorical_crossentropy")
    model.save("model.keras")
    model.class_names = tuple("012345")
    model.save("named.keras")
    Sequential([Input((8, 8, 3)), Conv2D(2, 3)], seed=0).save("strange.keras")
    before = sorted(home.rglob("*"))

    assert main(arguments) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line and not line.startswith("epoch ")]
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("minicnn: ")
    assert message in lines[0]
    assert sorted(home.rglob("*")) == before


def test_predict_needs_no_labels_and_knows_logits(home, capsys):
    """Pictures without labels are predicted; a model that ends in logits gives probabilities."""
    from minicnn import Dense, Flatten
    from minicnn.losses import SparseCategoricalCrossentropy

    model = Sequential([Input((64, 64, 3)), Flatten(), Dense(6)], seed=0)
    model.compile("sgd", SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    model.save("logits.keras")
    broken("photos.H5", photos=X)
    assert main(["predict", "logits.keras", "photos.H5", "--x-key", "photos"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert {line.split("\t")[2] for line in lines} == {"0.167"}
    assert main(["evaluate", "logits.keras", "test_few.h5"]) == 0
    assert "loss nan" not in capsys.readouterr().out


def test_ctrl_c_saves_and_exits_130(home):
    """Ctrl-C in the middle of a run ends it with what was learned in its folder."""
    run = subprocess.Popen(
        [sys.executable, "-m", "minicnn", *TRAIN[:-1], "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        seen = ""
        while "epoch 2/" not in seen:
            said = run.stdout.read(1)
            assert said, "it has ended"
            seen += said
        time.sleep(0.2)
        run.send_signal(signal.SIGINT)
        out, _ = run.communicate(timeout=60)
    finally:
        run.kill()
    assert run.returncode == 130
    assert "Stopped by Ctrl-C" in out
    assert "Test accuracy" in out
    settings = json.loads((home / "runs/few-1/settings.json").read_text())
    assert 2 <= settings["epochs_done"] < 100000


def strike(monkeypatch, sign, number):
    """Let a signal come in the middle of the ``number``-th batch from now on."""
    step, calls = Run.train, itertools.count(1)

    def train_batch(*arguments):
        if next(calls) == number:
            os.kill(os.getpid(), sign)
        return step(*arguments)

    monkeypatch.setattr(Run, "train", train_batch)


@pytest.mark.parametrize(
    ("sign", "status", "name"), [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")]
)
def test_a_stopped_run_is_resumed(sign, status, name, home, monkeypatch, capsys):
    """It says how to resume, and ends with the files of an uninterrupted run, bit by bit."""
    command = [*TRAIN[:-1], "3", "--batch-size", "8", "--model", "course", "--seed", "4"]
    assert main(command) == 0
    with monkeypatch.context() as patched:
        strike(patched, sign, 7)
        assert main([*command, "--out", "my run"]) == status
    out = capsys.readouterr().out
    assert f"Stopped by {name}" in out
    assert out.splitlines()[-1] == "To resume: minicnn train --resume 'my run'"
    assert json.loads((home / "my run/settings.json").read_text())["epochs_done"] == 1
    assert main(["train", "--resume", "my run"]) == 0
    alone, resumed = home / "runs/few-1", home / "my run"
    assert (alone / "history.csv").read_bytes() == (resumed / "history.csv").read_bytes()
    one, other = (load_model(folder / "model.keras") for folder in (alone, resumed))
    assert all(map(np.array_equal, one.get_weights(), other.get_weights()))
    settings = [json.loads((folder / "settings.json").read_text()) for folder in (alone, resumed)]
    assert settings[0] == settings[1]
    assert sorted(p.name for p in alone.iterdir()) == sorted(p.name for p in resumed.iterdir())


def test_a_killed_run_is_resumed_to_more_epochs(home, capsys):
    """After SIGKILL there is a checkpoint to resume from; --epochs moves the end."""
    run = subprocess.Popen(
        [sys.executable, "-m", "minicnn", *TRAIN[:-1], "100000", "--model", "course"],
        stdout=subprocess.PIPE,
        text=True,
    )
    seen = ""
    while "epoch 3/" not in seen:
        seen += run.stdout.read(1)
    run.kill()
    run.communicate()
    names = {path.name for path in (home / "runs/few-1").iterdir()}
    assert names >= {"settings.json", "checkpoint.h5"}
    assert "model.keras" not in names
    assert main(["train", "--resume", "runs/few-1", "--epochs", "12"]) == 0
    with open("runs/few-1/history.csv") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == [str(i) for i in range(1, 13)]
    assert json.loads((home / "runs/few-1/settings.json").read_text())["epochs"] == 12
    assert main(["train", "--resume", "runs/few-1", "--epochs", "13"]) == 0
    with open("runs/few-1/history.csv") as file:
        assert len(list(csv.DictReader(file))) == 13


RUNS = [
    (
        ["--resume", "run", "--seed", "1"],
        {},
        "all options but --epochs from the run, got --seed as",
    ),
    (["--resume", "run", "--out", "x"], {}, "got --out as well"),
    (["--resume", "run", "--x-key", "x"], {}, "got --x-key as well"),
    (["--resume", "nowhere"], {}, "nowhere/settings.json: cannot be read: no such file"),
    (["--resume", "run"], {"settings.json": "{"}, "run/settings.json is damaged"),
    (["--resume", "run"], {"settings.json": "{}"}, "expected the settings of a run, got none of t"),
    (["--resume", "run"], {"epochs": -3}, "run/settings.json: argument --epochs: expected a whole"),
    (["--resume", "run"], {"model": "huge"}, "run/settings.json: argument --model: invalid choice"),
    (["--resume", "run"], {"train": "none.h5"}, "none.h5: cannot be read"),
    (["--resume", "run"], {"train": "test_few.h5"}, "expected a training like the one to go on"),
    (["--resume", "run"], {"batch_size": 3}, "batch_size was 64 and is now 3"),
    (
        ["--resume", "run"],
        {"checkpoint.h5": None},
        "run: expected a run with a checkpoint, got one",
    ),
    (["--resume", "run"], {"checkpoint.h5": "no HDF5"}, "run/checkpoint.h5: "),
    (["--resume", "run", "--epochs", "1"], {}, "expected epochs of at least 2, which are done"),
]


@pytest.fixture(scope="module")
def a_run(tmp_path_factory):
    """A run that is through, with its data beside it."""
    folder = tmp_path_factory.mktemp("home")
    x, y = fingers(48, seed=0)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        write("train_few.h5", x[:36], y[:36])
        write("test_few.h5", x[36:], y[36:], "test")
        assert main([*TRAIN, "--model", "course", "--out", "run"]) == 0
    return folder


@pytest.mark.parametrize(("arguments", "change", "message"), RUNS)
def test_a_run_that_cannot_be_resumed(
    arguments, change, message, a_run, tmp_path, monkeypatch, capsys
):
    """One line says why, and the run stays as it is."""
    shutil.copytree(a_run, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    settings_file = tmp_path / "run/settings.json"
    settings = json.loads(settings_file.read_text())
    for name, value in change.items():
        if name in settings:
            settings[name] = value
        elif value is None:
            os.remove(f"run/{name}")
    settings_file.write_text(json.dumps(settings))
    for name, value in change.items():
        if isinstance(value, str) and "." in name:
            (tmp_path / "run" / name).write_text(value)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert main(["train", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_installed_commands(home):
    """``minicnn`` and ``python -m minicnn`` are the same command."""
    for command in ([sys.executable, "-m", "minicnn"], [SCRIPT]):
        result = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert result.stdout.startswith("minicnn ")
    result = subprocess.run([SCRIPT, "fly"], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1


def test_a_reader_that_leaves_early_is_no_error(home):
    """Output cut off by head ends quietly."""
    from minicnn.applications import course

    course((64, 64, 3), 6, seed=0).save("model.keras")
    script = f"{shlex.quote(SCRIPT)} predict model.keras {'train_few.h5 ' * 60} | head -1"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert result.stderr == ""
    assert len(result.stdout.splitlines()) == 1


def test_a_full_disk_is_one_line(home):
    """Output that cannot be written is told in one line, not in a traceback at exit."""
    from minicnn.applications import course

    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    course((64, 64, 3), 6, seed=0).save("model.keras")
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [SCRIPT, "summary", "model.keras"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.stderr.splitlines() == ["minicnn: output: no space left on device."]
    assert result.returncode == 2
