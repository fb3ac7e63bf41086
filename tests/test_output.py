"""Output: the bar, its place, and streams that are missing, broken or limited."""

import ast
import errno
import io
import os
import re
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

import minicnn
from minicnn import Dense, Input, Sequential
from minicnn._cli.main import main
from minicnn._core import console
from minicnn._training.progress import _Meter

PACKAGE = Path(minicnn.__file__).parent
X, Y = np.random.default_rng(0).random((40, 4)), np.arange(40) % 2
LOGS = {"loss": 0.41234, "accuracy": 0.91234, "val_loss": 0.51234, "val_accuracy": 0.81234}


def compiled():
    model = Sequential([Input((4,)), Dense(2, activation="softmax")], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    return model


def meter(logs, n=17, steps=17, over=True, title="epoch 100/100"):
    made = _Meter(title, steps, 0)
    made.update(logs, n)
    made.stepped, made.over = made.started + n * 0.045, over
    return made


# The bar ------------------------------------------------------------------------------


def test_what_counts_fits_into_80_columns():
    """At the end of an epoch loss and accuracy, of training and validation, are all there."""
    assert meter(LOGS, title="epoch 20/20").line(79) == (
        "epoch 20/20 0s loss 0.4123 accuracy 0.9123 val_loss 0.5123 val_accuracy 0.8123"
    )
    assert meter(LOGS, title="epoch 1000/1000").line(79) == (
        "epoch 1000/1000 0s loss 0.412 accuracy 0.912 val_loss 0.512 val_accuracy 0.812"
    )


def test_while_it_runs_there_are_pace_and_time_left():
    """A bar, the batches, the time of one, the time that is left, and the metrics so far."""
    logs = {"loss": 0.41234, "accuracy": 0.91234}
    line = meter(logs, n=10, steps=100, over=False, title="epoch 1/20").line(79)
    assert re.fullmatch(
        r"epoch 1/20 \|█+ +\| 10/100 45ms/step 4s left loss 0.4123 accuracy 0.9123", line
    )
    assert len(line) <= 79


@pytest.mark.parametrize("over", [True, False])
@pytest.mark.parametrize("width", range(1, 130, 3))
def test_names_are_whole_and_what_is_missing_shows(width, over):
    """At any width a line fits, no name is cut, and "..." stands for what is not there."""
    many = {"loss": 0.5, "accuracy": 0.25, "größe": 2e-5, "猫": 123456.0, "f1": np.ones(12)}
    many |= {f"val_{name}": value for name, value in many.items()}
    line = meter(many, n=8, over=over).line(width)
    assert console.width_of(line) <= max(width, 13)
    found = re.findall(r"(\S+) (\[[^\]]*\]|[-\d.e+]+)(?= |$)", line.partition("0s")[2])
    for name, _ in found:
        assert name in (*many, "left")
    if width > 50:
        assert line.endswith("...")
        assert "loss 0.500" in line


def test_losses_come_before_other_metrics():
    """The last metric is left out first, not the whole validation."""
    many = dict.fromkeys(("loss", "accuracy", "auc", "recall", "precision"), 0.5)
    line = meter(many | {f"val_{name}": 0.5 for name in many}, title="epoch 20/20").line(79)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert f" {name} 0.500" in line
    assert "val_auc" not in line


def test_time_continues_from_a_checkpoint():
    """In a resumed epoch the pace is that of the batches since, and the count that of all."""
    made = _Meter("epoch 2/3", 100, 90)
    made.update({"loss": 1.0}, 5)
    made.stepped = made.started + 5.0
    assert " 95/100 1.0s/step 5s left " in made.line(79)


def in_terminal(code, columns, **env):
    """What a program writes on a terminal so wide."""
    fcntl, pty, termios = map(pytest.importorskip, ("fcntl", "pty", "termios"))
    primary, secondary = pty.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=secondary, stderr=secondary, env=os.environ | env
    ):
        os.close(secondary)
        written = b""
        while True:
            try:
                part = os.read(primary, 4096)
            except OSError:  # the program has ended
                break
            if not part:
                break
            written += part
    os.close(primary)
    return written.decode()


FIT = (
    "import threading, minicnn as m, numpy as np\n"
    "model = m.Sequential([m.Input((4,)), m.Dense(2, activation='softmax')], seed=0)\n"
    "model.compile('sgd', 'sparse_categorical_crossentropy', ['accuracy'])\n"
    "x, y = np.ones((40, 4)), np.arange(40) % 2\n"
    "model.fit(x, y, epochs=3, validation_data=(x, y))\n"
    "assert threading.active_count() == 1\n"
)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_terminal_shows_a_line_an_epoch_that_fits(columns):
    """What stays on a terminal is a line an epoch, none wider than it; no thread is started."""
    shown = in_terminal(FIT, columns, OPENBLAS_CORETYPE="")
    lines = [line for line in shown.replace("\r\n", "\n").split("\n") if "epoch" in line]
    last = [line.rsplit("\r", 1)[-1].rstrip() for line in lines]
    assert len(lines) == 3, shown
    for i, line in enumerate(last):
        assert re.match(rf"epoch {i + 1}/3 \d+s (\S+/step )?loss 0.", line)
        assert line.endswith("..." if columns == 60 else f"val_accuracy {line.split()[-1]}")
    assert all(len(part) < columns for line in lines for part in line.split("\r"))


def test_a_terminal_of_ascii_gets_a_bar_of_it():
    """Where blocks cannot be shown the bar is made of what can."""
    slow = FIT.replace("epochs=3", "callbacks=Slow()")
    code = "import time\nclass Slow:\n def on_train_batch_end(s, b, logs): time.sleep(0.2)\n" + slow
    assert "|####" in in_terminal(code, 120, PYTHONIOENCODING="ascii")


def test_no_carriage_return_in_a_file(tmp_path):
    """What is not a terminal gets a line an epoch, and nothing that moves a cursor."""
    run = subprocess.run([sys.executable, "-c", FIT], capture_output=True, check=True)
    assert b"\r" not in run.stdout + run.stderr
    assert b"\x1b" not in run.stdout + run.stderr
    assert run.stdout.count(b"epoch ") == run.stdout.count(b"\n") == 3


def test_predict_and_evaluate_outside_a_terminal(capsys):
    """Asked for a bar where there can be none, evaluate prints its metrics and predict nothing."""
    model = compiled()
    model.evaluate(X, Y, verbose=1)
    assert re.fullmatch(r"evaluate: loss \S+, accuracy \S+, .*\n", capsys.readouterr().out)
    model.predict(X, verbose=1)
    said = capsys.readouterr()
    assert said.out + said.err == ""


# Output that fails --------------------------------------------------------------------


class Broken(io.StringIO):
    """A stream on which writing fails."""

    def __init__(self, error, terminal):
        super().__init__()
        self.error, self.terminal = error, terminal

    def write(self, text):
        raise self.error

    def isatty(self):
        return self.terminal


def streams():
    closed = io.StringIO()
    closed.close()
    yield None
    yield closed
    yield object()  # neither write nor isatty
    for error in (OSError(errno.ENOSPC, "No space"), BrokenPipeError(), RuntimeError("odd")):
        yield Broken(error, terminal=True)
        yield Broken(error, terminal=False)


@pytest.mark.parametrize("stream", list(streams()))
@pytest.mark.parametrize("verbose", [1, 2])
def test_training_continues_without_output(stream, verbose, monkeypatch, tmp_path):
    """Without standard output and error, or with ones that fail, all is done as it is with them."""
    from minicnn.callbacks import EarlyStopping, LearningRateScheduler, ModelCheckpoint

    callbacks = [
        LearningRateScheduler(lambda epoch, rate: rate, verbose=1),
        ModelCheckpoint(tmp_path / "best.keras", verbose=1),
        EarlyStopping("loss", patience=1, min_delta=10, verbose=1, restore_best_weights=True),
    ]
    alone, quiet = compiled(), compiled()
    quiet.fit(X, Y, epochs=2, verbose=0)
    with monkeypatch.context() as patched, warnings.catch_warnings():
        warnings.simplefilter("always")
        patched.setattr(warnings, "showwarning", lambda *what: sys.stderr.write("so it is"))
        for name in ("stdout", "stderr"):
            patched.setattr(sys, name, stream)
        alone.fit(X, Y, epochs=5, verbose=verbose, callbacks=callbacks, checkpoint=tmp_path / "run")
        alone.evaluate(X, Y, verbose=verbose)
        alone.predict(X, verbose=verbose)
        alone.summary()
        console.warn("a warning")
    console.unheard()
    assert alone.history.epoch == [0, 1]
    assert (tmp_path / "best.keras").exists()


def test_warnings_still_are_errors_where_asked():
    """What keeps a broken standard error from mattering does not swallow a warning."""
    with pytest.raises(RuntimeWarning, match="a warning"):
        console.warn("a warning")


def test_only_console_prints():
    """No module but console prints, warns or writes to a stream, so that all is said alike."""
    for path in PACKAGE.rglob("*.py"):
        if path.name in ("console.py", "hdf5_reader.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "warnings.warn"), f"{path.name}:{node.lineno}"
                assert called not in ("sys.stdout.write", "sys.stderr.write"), path.name


def test_what_cannot_be_shown_is_spelled_out():
    """Line breaks and escapes always, and what the stream's encoding lacks."""
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    unknown = io.StringIO()
    assert console.legible("größe\t猫\n\x1b[31m\udcff", ascii_only) == (
        r"gr\xf6\xdfe" "\t" r"\u732b\n\x1b[31m\udcff"
    )
    assert console.legible("größe\n", unknown) == "größe\\n"


# The command line ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Files of two classes whose names are not ASCII, nor all printable, and a run."""
    folder = tmp_path_factory.mktemp("größe")
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        with h5py.File(folder / f"{part}_größe.h5", "w") as file:
            file[f"{part}_set_x"] = rng.integers(0, 256, (8, 16, 16, 3)).astype(np.uint8)
            file[f"{part}_set_y"] = np.arange(8) % 2
            file["list_classes"] = np.array(["größe\x1b[31m".encode(), "猫".encode()])
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        assert main(["train", *FILES, "--epochs", "1", "--out", "run", "--quiet"]) == 0
    return folder


FILES = ["--train", "train_größe.h5", "--test", "test_größe.h5"]


def test_names_beyond_the_terminal(home, tmp_path, monkeypatch):
    """Names that the terminal cannot show are spelled out by every command, which does its work."""
    monkeypatch.chdir(home)
    for arguments, status in (
        (["train", *FILES, "--epochs", "1", "--out", str(tmp_path / "größe")], 0),
        (["evaluate", "run/model.keras", "test_größe.h5"], 0),
        (["predict", "run/model.keras", "test_größe.h5"], 0),
        (["summary", "run/model.keras"], 0),
        (["predict", "run/model.keras", "größe.jpg"], 2),
    ):
        with monkeypatch.context() as patched:
            for name in ("stdout", "stderr"):
                patched.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
            assert main(arguments) == status, sys.stderr.buffer.getvalue()
            said = sys.stdout.buffer.getvalue() + sys.stderr.buffer.getvalue()
        assert b"\x1b" not in said
        assert b"\\xf6" in said or "summary" in arguments or "evaluate" in arguments


def test_predict_prints_a_line_of_three_columns_for_any_name(home, monkeypatch, capsys):
    """Line breaks, tabs and escapes in the names of files and classes are spelled out."""
    monkeypatch.chdir(home)
    name = "a\nb\tc\x1b[2J.h5"
    (home / name).write_bytes((home / "test_größe.h5").read_bytes())
    assert main(["predict", "run/model.keras", name]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == [rf"a\nb\tc\x1b[2J.h5[{i}]" for i in range(8)]
    assert {row[1] for row in rows} <= {r"größe\x1b[31m", "猫"}
    assert {len(row) for row in rows} == {3}


def in_shell(folder, out, redirections):
    """(exit status, what came on standard error) of a run with these redirections."""
    train = [sys.executable, "-m", "minicnn", "train", *FILES, "--epochs", "1", "--out", str(out)]
    result = subprocess.run(
        ["bash", "-c", f'set -o pipefail; "$@" {redirections}', "sh", *train],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, result.stderr


@pytest.mark.parametrize(
    ("redirections", "status"),
    [(">&- 2>&- <&-", 0), ("2>/dev/full", 0), ("| head -1", 141), (">/dev/full", 2)],
)
def test_a_run_whose_output_fails(redirections, status, home, tmp_path):
    """Closed or full output costs no run; what should have been on standard output is missed."""
    if "full" in redirections and not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    found, said = in_shell(home, tmp_path / "run", redirections)
    assert found == status, said
    assert ("no space left" in said) == (status == 2)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {"model.keras", "history.csv", "curves.png"}


def test_quiet(home, tmp_path, monkeypatch, capfd):
    """``--quiet`` leaves the result, without a line for each epoch, also of a resumed run."""
    monkeypatch.chdir(home)
    out = str(tmp_path / "run")
    for arguments in ([*FILES, "--epochs", "1", "--out", out], ["--resume", out, "--epochs", "2"]):
        assert main(["train", *arguments, "--quiet"]) == 0
        said = capfd.readouterr()
        assert said.err == ""
        first, last = said.out.splitlines()
        assert first.startswith("Test accuracy ")
        assert last.startswith("Written to ")


def test_a_picture_that_cannot_be_drawn_is_left_out(home, tmp_path, monkeypatch, capsys):
    """If drawing fails, the run keeps model and history; one line says what is missing."""
    monkeypatch.chdir(home)
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "broken/matplotlib").mkdir(parents=True)
    (tmp_path / "broken/matplotlib/__init__.py").write_text("raise RuntimeError('no\\nuse')")
    monkeypatch.syspath_prepend(tmp_path / "broken")
    out = tmp_path / "run"
    assert main(["train", *FILES, "--epochs", "1", "--out", str(out), "--quiet"]) == 0
    assert capsys.readouterr().err == (
        "minicnn: warning: curves.png is left out: RuntimeError: no use\n"
    )
    names = {path.name for path in out.iterdir()}
    assert names >= {"model.keras", "history.csv", "settings.json"}
    assert "curves.png" not in names


def test_without_a_command_there_is_the_help(home, monkeypatch, capsys):
    """Bare ``minicnn`` says what there is, in 80 columns, and that is no mistake."""
    monkeypatch.setenv("COLUMNS", "80")
    assert main([]) == 0
    text = capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--help"])
    assert text == capsys.readouterr().out
    for command in ("train", "evaluate", "predict", "summary", "convert", "doctor"):
        assert f"    {command} " in text
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
