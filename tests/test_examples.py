"""The examples run as a user runs them, on small data."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from minicnn import BatchNorm, Conv2D, Input, Sequential, load_model, plots
from minicnn._cli import train
from minicnn.data import synthetic
from minicnn.data.synthetic import fingers

CHECKOUT = Path(__file__).parent.parent
EXAMPLES = CHECKOUT / "examples"
MEASURING = ("ablation", "augmentation", "compare", "image_generator", "workers")


@pytest.fixture
def data(tmp_path):
    """Few pictures, under all the names that the examples look for."""
    x, y = fingers(24, seed=0)
    for name, labels in (("fingers", y), ("signs", y), ("catvnoncat", y % 2)):
        for part in ("train", "test"):
            with h5py.File(tmp_path / f"{part}_{name}.h5", "w") as file:
                file[f"{part}_set_x"], file[f"{part}_set_y"] = x, labels
                file["list_classes"] = np.arange(labels.max() + 1)
    return tmp_path


def run(script, *arguments, folder):
    return subprocess.run(
        [sys.executable, EXAMPLES / script, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("script", "arguments", "files", "says"),
    [
        ("train_fingers.py", ["--epochs", 1], ["fingers.png", "fingers.keras"], "Test accuracy"),
        (
            "train_signs.py",
            ["--epochs", 2, "--seeds", 0],
            ["signs-small-0.png", "signs-small-0.keras"],
            "mean test accuracy",
        ),
        (
            "train_signs.py",
            ["--epochs", 1, "--seeds", 0, "--model", "course"],
            ["signs-course-0.keras"],
            "mean test accuracy",
        ),
        (
            "train_cats.py",
            ["--epochs", 1, "--seeds", 0, 1],
            ["cats-0.png", "cats-1.keras"],
            "mean test accuracy",
        ),
    ],
)
def test_training_scripts(script, arguments, files, says, data):
    """Each script trains, says how well, and writes its curves and its model."""
    result = run(script, "--data", data, *arguments, folder=data)
    assert result.returncode == 0, result.stderr
    assert says in result.stdout
    for file in files:
        assert (data / file).exists()


@pytest.mark.parametrize("script", ["train_signs.py", "train_cats.py"])
def test_missing_files_are_explained(script, tmp_path):
    """Without the course's files a script says in one line where they come from."""
    result = run(script, folder=tmp_path)
    assert result.returncode == 1
    assert "is missing" in result.stderr
    assert "course" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_custom_layer(tmp_path):
    """The custom layer passes the checks and trains."""
    result = run("custom_layer.py", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "LearnedSwish passes every check" in result.stdout


def test_transfer_learning(data):
    """The head of a network from a file is replaced, trained alone, then with the upper layers."""
    layers = [Conv2D(4, 3, strides=4, name="low"), BatchNorm(), Conv2D(8, 3, name="high")]
    Sequential([Input((64, 64, 3)), *layers], seed=0).save(data / "base.keras")
    command = ["base.keras", "--data", data, "--epochs", 1, "--unfrozen", 1]
    result = run("transfer_learning.py", *command, folder=data)
    assert result.returncode == 0, result.stderr
    assert "Test accuracy" in result.stdout
    before = load_model(data / "base.keras")
    after = next(x for x in load_model(data / "transferred.keras").layers if hasattr(x, "layers"))
    moved = [
        any(not np.array_equal(a, b) for a, b in zip(x.weights, y.weights, strict=True))
        for x, y in zip(before.layers, after.layers, strict=True)
    ]
    assert moved == [False, False, True]


def test_segmentation(tmp_path):
    """The U-Net trains on hands and masks, says how well they overlap, and draws what it found."""
    result = run("segmentation.py", "--images", 16, "--epochs", 1, folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Test overlap" in result.stdout
    assert (tmp_path / "segmentation.png").exists()


def test_custom_loop(tmp_path):
    """The custom loop brings the loss down."""
    result = run("custom_loop.py", "--images", 96, "--epochs", 3, folder=tmp_path)
    assert result.returncode == 0, result.stderr
    losses = [float(line.split()[3].rstrip(",")) for line in result.stdout.splitlines()]
    assert losses[-1] < losses[0]


def test_training_tools(tmp_path):
    """A rate is found, the callbacks work side by side, and the report ends the script."""
    result = run("training_tools.py", "--images", 40, "--epochs", 3, folder=tmp_path)
    assert result.returncode == 0, result.stderr
    rate = float(result.stdout.split("A rate to begin with: ")[1].split()[0].rstrip("."))
    assert 1e-6 <= rate <= 1
    assert "epoch 3: loss" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("accuracy")


SCRIPTS = [
    *EXAMPLES.glob("*.py"),
    *(CHECKOUT / "docs").glob("*.py"),
    *(CHECKOUT / "benchmarks" / f"{name}.py" for name in MEASURING),
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_script_has_help_and_takes_nothing_else(script, tmp_path):
    """``--help`` says in 80 columns what it is for; a wrong argument is one line, and status 2."""
    env = os.environ | {"COLUMNS": "80"}
    helped, refused = (
        subprocess.run(
            [sys.executable, script, argument],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        for argument in ("--help", "--wrong")
    )
    assert helped.returncode == 0, helped.stderr
    assert "-h, --help" in helped.stdout
    assert max(map(len, helped.stdout.splitlines())) <= 80
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_readme_shows_the_picture_of_the_command(tmp_path, monkeypatch):
    """docs/curves.py keeps the very file that the README's command leaves."""
    spec = importlib.util.spec_from_file_location("curves", CHECKOUT / "docs/curves.py")
    curves = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(curves)
    drawn = []

    def plot_history(history, path):
        figure = plots.plot_history(history, path)
        drawn.append((path.as_posix(), len(history.epoch), path.read_bytes()))
        return figure

    def write_few(folder):
        x, y = fingers(24, seed=0)
        os.makedirs(folder)
        for part in ("train", "test"):
            with h5py.File(f"{folder}/{part}_fingers.h5", "w") as file:
                file[f"{part}_set_x"], file[f"{part}_set_y"] = x, y

    monkeypatch.setattr(synthetic, "write_fingers", write_few)
    monkeypatch.setattr(train, "plot_history", plot_history)
    before = Path.cwd()
    curves.draw(tmp_path / "curves.png")
    assert Path.cwd() == before
    ((path, epochs, content),) = drawn
    assert (path, epochs) == ("runs/fingers-1/curves.png", 20)
    assert (tmp_path / "curves.png").read_bytes() == content
    # The one that is there is of the same kind: as large, and so with as many panels.
    head = slice(16, 24)  # width and height
    assert (CHECKOUT / "docs/curves.png").read_bytes()[head] == content[head]


def test_examples_stay_short():
    """Every example is under 70 lines, and has a test here."""
    tests = Path(__file__).read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) < 70, path.name
        assert path.name in tests
