"""Where OpenBLAS leaves AVX-512 unused, the command line sets what helps, and a script is told."""

import os
import subprocess
import sys

import numpy as np
import pytest

from minicnn import Dense, Input, Sequential, set_threads
from minicnn._cli import main as cli
from minicnn._cli.main import command, main
from minicnn._parallel import blas

SKYLAKEX = "fpu sse2 avx2 avx512f avx512dq avx512cd avx512bw avx512vl"
COOPERLAKE = f"{SKYLAKEX} avx512_bf16"
AVX2 = "fpu sse2 avx2"


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Make a machine of flags, the kernels that OpenBLAS took, and the user's OPENBLAS_CORETYPE."""

    def make(flags, architecture, own=None):
        cpuinfo = tmp_path / "cpuinfo"
        cpuinfo.write_text(f"processor\t: 0\nmodel name\t: Some CPU: 9\nflags\t\t: {flags}\n\n" * 2)
        monkeypatch.setattr(blas, "CPUINFO", cpuinfo)
        pool = {"user_api": "blas", "internal_api": "openblas", "version": "0.3"}
        openmp = {"user_api": "openmp", "internal_api": "openmp"}
        loaded(monkeypatch, [openmp, pool | {"architecture": architecture}])
        monkeypatch.setattr(blas, "_told", False)
        monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
        if own is not None:
            monkeypatch.setenv("OPENBLAS_CORETYPE", own)

    return make


def loaded(monkeypatch, pools):
    class Controller:
        def __init__(self):
            self.limit = real.limit

        def info(self):
            return pools

    real = blas.controller()
    monkeypatch.setattr(blas, "controller", Controller)


@pytest.mark.parametrize(
    ("flags", "architecture", "own", "better"),
    [
        (SKYLAKEX, "Haswell", None, "SkylakeX"),
        (COOPERLAKE, "Zen", None, "Cooperlake"),
        (COOPERLAKE, "Zen", "", "Cooperlake"),
        (COOPERLAKE, "Haswell", "Haswell", "Cooperlake"),
        (COOPERLAKE, "SkylakeX", None, None),
        (COOPERLAKE, "Zen9", None, None),
        (COOPERLAKE, "Haswell", "skylakex", None),
        (SKYLAKEX.replace("avx512vl", ""), "Haswell", None, None),
        (AVX2, "Haswell", None, None),
    ],
)
def test_better_kernels_are_those_the_processor_can_run(machine, flags, architecture, own, better):
    """With AVX-512 and older kernels there is a better choice, unless it was made in vain."""
    machine(flags, architecture, own)
    assert blas.better_coretype() == better


def test_nothing_is_advised_where_nothing_is_known(machine, monkeypatch, tmp_path):
    """Without /proc/cpuinfo, or without a BLAS that threadpoolctl knows, there is no advice."""
    machine(COOPERLAKE, "Haswell")
    monkeypatch.setattr(blas, "CPUINFO", tmp_path / "missing")
    assert blas.advice() is None
    machine(COOPERLAKE, "Haswell")
    loaded(monkeypatch, [])
    assert blas.advice() is None
    assert blas.verdict() == "No advice."


def test_advice_is_one_line_that_says_what_to_set(machine):
    """OpenBLAS' choice and the user's own are told apart, and both lines name the remedy."""
    machine(SKYLAKEX, "Zen")
    found = blas.advice()
    assert found.startswith("OpenBLAS chose its Zen kernels")
    assert "Set OPENBLAS_CORETYPE=SkylakeX before Python starts." in found
    assert blas.verdict() == f"{found} The command line does so for itself."
    machine(COOPERLAKE, "Haswell", own="haswell")
    own = blas.advice()
    assert own.startswith("OPENBLAS_CORETYPE=haswell keeps OpenBLAS from this processor's AVX-512")
    assert own.endswith("Unset it, or set it to Cooperlake.")
    assert blas.verdict() == own
    assert "\n" not in found + own
    machine(SKYLAKEX, "SkylakeX", own="SkylakeX")
    assert blas.verdict() == "OpenBLAS uses this processor's AVX-512."


def test_a_script_is_told_once(machine, capsys):
    """Only a fit that shows something says it, on standard error, and only the first one."""
    machine(COOPERLAKE, "Haswell")
    model = Sequential([Input((3,)), Dense(2)], seed=0)
    model.compile("sgd", "mse")
    x, y = np.ones((4, 3)), np.ones((4, 2))
    model.fit(x, y, epochs=1, verbose=0)
    model.evaluate(x, y, verbose=2)
    model.predict(x, verbose=2)
    assert "OPENBLAS_CORETYPE" not in capsys.readouterr().err
    for _ in range(2):
        model.fit(x, y, epochs=1, verbose=2)
    said = capsys.readouterr()
    assert said.err == f"minicnn: {blas.advice()}\n"
    assert "OPENBLAS_CORETYPE" not in said.out


@pytest.fixture
def started(monkeypatch):
    """The new starts that the command line asked for, none of which happens."""
    starts = []
    monkeypatch.setattr(os, "execve", lambda *arguments: starts.append(arguments))
    monkeypatch.setattr(cli, "main", lambda: 0)
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "minicnn", "train"])
    monkeypatch.setattr(sys, "argv", ["minicnn", "train"])
    return starts


def test_the_command_line_starts_again_with_better_kernels(machine, started):
    """It starts the same command with the variable set, and all others as they were."""
    machine(COOPERLAKE, "Haswell")
    assert command() == 0
    ((program, arguments, variables),) = started
    assert program == sys.executable
    assert arguments == [sys.executable, "-m", "minicnn", "train"]
    assert variables == os.environ | {"OPENBLAS_CORETYPE": "Cooperlake"}
    assert "OPENBLAS_CORETYPE" not in os.environ


@pytest.mark.parametrize(
    ("flags", "architecture", "own", "word"),
    [
        (COOPERLAKE, "Haswell", "Haswell", "train"),
        (COOPERLAKE, "Haswell", "Cooperlake", "train"),
        (COOPERLAKE, "SkylakeX", None, "train"),
        (AVX2, "Haswell", None, "train"),
        (COOPERLAKE, "Haswell", None, "summary"),
        (COOPERLAKE, "Haswell", None, "doctor"),
        (COOPERLAKE, "Haswell", None, "--version"),
    ],
)
def test_otherwise_it_goes_on(machine, started, monkeypatch, flags, architecture, own, word):
    """The user's setting, good kernels, and commands that multiply nothing need no new start."""
    machine(flags, architecture, own)
    monkeypatch.setattr(sys, "argv", ["minicnn", word])
    assert command() == 0
    assert not started


def test_it_goes_on_where_it_cannot_start_again(machine, started, monkeypatch):
    """A system that refuses the new start gets the slower run."""

    def refuse(*arguments):
        raise PermissionError

    machine(COOPERLAKE, "Haswell")
    monkeypatch.setattr(os, "execve", refuse)
    assert command() == 0


@pytest.mark.parametrize("how", [["-m", "minicnn"], ["entry.py"]])
def test_a_new_start_for_real(how, tmp_path):
    """As a module and as a script it starts again once, with the same arguments."""
    # Python runs sitecustomize.py first: it plays a processor on which OpenBLAS chose wrongly.
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "from minicnn._cli import main as cli\n"
        "from minicnn._parallel import blas\n"
        "blas.better_coretype = lambda: 'SkylakeX'\n"
        "print('start', os.environ.get('OPENBLAS_CORETYPE'), flush=True)\n"
        "cli.main = lambda: print('main', *sys.argv[1:])\n"
    )
    (tmp_path / "entry.py").write_text(
        "import sys\nfrom minicnn._cli.main import command\nsys.exit(command())\n"
    )
    path = [str(tmp_path), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))}
    variables.pop("OPENBLAS_CORETYPE", None)
    result = subprocess.run(
        [sys.executable, *how, "predict", "a model", "--x-key", "x"],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines() == [
        "start None",
        "start SkylakeX",
        "main predict a model --x-key x",
    ]


def test_doctor(machine, monkeypatch, capsys):
    """It lists what is in use, aligned, measures a product, and ends with the verdict."""
    monkeypatch.setattr(blas, "ENOUGH", 0)  # the smallest product will do
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    machine(COOPERLAKE, "Haswell", own="Haswell")
    assert main(["doctor"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == blas.advice()
    assert {line[17] for line in lines} == {" "}
    listed = {line[:18].strip(): line[18:] for line in lines}
    assert listed["NumPy"] == np.__version__
    assert listed["processor"] == f"Some CPU: 9, {os.cpu_count()} cores"
    assert listed["BLAS"] == "OpenBLAS 0.3"
    assert listed["kernels"] == listed["OPENBLAS_CORETYPE"] == "Haswell"
    assert listed["threads"] == "2, from OPENBLAS_NUM_THREADS"
    assert "GFLOP/s on 1 thread, " in listed["product"]
    assert listed["product"].endswith("GFLOP/s on 2 threads (float32, 256 x 256)")


def test_doctor_without_openblas(machine, monkeypatch):
    """A BLAS that threadpoolctl does not know is unknown, and one thread is measured once."""
    machine(AVX2, "Haswell")
    monkeypatch.setattr(blas, "ENOUGH", 0)
    loaded(monkeypatch, [])
    set_threads(1)
    try:
        listed = dict(blas.report())
    finally:
        set_threads(None)
    assert listed["BLAS"] == listed["kernels"] == "unknown"
    assert "OPENBLAS_CORETYPE" not in listed
    assert listed["threads"] == "1, from set_threads"
    assert listed["product"].count("GFLOP/s") == 1
    loaded(monkeypatch, [{"user_api": "blas", "internal_api": "mkl", "version": None}])
    listed = dict(blas.report())
    assert (listed["BLAS"], listed["kernels"]) == ("MKL", "unknown")
