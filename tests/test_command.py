"""The process ``minicnn`` before the package is there."""

import os
import subprocess
import sys

import pytest

START = "import sys; from minicnn_command import command; sys.exit(command())"


@pytest.mark.skipif(os.name != "posix", reason="signals are sent here")
@pytest.mark.parametrize("where", ["numpy", "csv"])
def test_ctrl_c_during_the_imports_is_one_line(where, tmp_path):
    """Before NumPy is there, and among minicnn's modules: status 130 and no traceback."""
    text = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nraise ImportError('went on')\n"
    (tmp_path / f"{where}.py").write_text(text)
    run = subprocess.run(
        [sys.executable, "-c", START, "doctor"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "\nminicnn: stopped.\n")


def test_it_is_the_command():
    """All else is as ``python -m minicnn`` has it."""
    run, other = (
        subprocess.run([sys.executable, *how, "--version"], capture_output=True, text=True)
        for how in (["-c", START], ["-m", "minicnn"])
    )
    assert run.stdout == other.stdout != ""
    assert run.returncode == other.returncode == 0
