"""``fit(distributed=True)`` where there is no MPI, or one process alone."""

import sys

import numpy as np
import pytest

import minicnn
from minicnn._cli.main import main
from minicnn._parallel import ranks
from minicnn.errors import ConfigError


@pytest.fixture
def without_mpi(monkeypatch):
    """As where mpi4py is not installed."""
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.setattr(ranks, "_world", [])


@pytest.mark.usefixtures("without_mpi")
def test_without_mpi_one_line_says_what_to_install():
    """In a script and on the command line."""
    model = minicnn.Sequential([minicnn.Input((4,)), minicnn.Dense(2)], seed=0)
    model.compile("sgd", "mse")
    with pytest.raises(ConfigError, match=r"pip install 'minicnn\[mpi\]'"):
        model.fit(np.zeros((8, 4)), np.zeros((8, 2)), distributed=True)
    assert "loss" in model.fit(np.zeros((8, 4)), np.zeros((8, 2)), verbose=0).history


def test_launch_says_what_is_missing(monkeypatch, tmp_path, capsys):
    """A script that is not there, and an MPI that is not."""
    assert main(["launch", "-n", "2", str(tmp_path / "none.py")]) == 2
    assert "got no such file" in capsys.readouterr().err
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["launch", "-n", "2", "train"]) == 2
    assert "got no mpiexec. Install it: pip install" in capsys.readouterr().err


def test_launch_takes_no_number_from_who_was_launched(monkeypatch, tmp_path, capsys):
    """Under mpiexec -n is a mistake, which the first process says."""
    (tmp_path / "a.py").touch()
    monkeypatch.setenv("PMI_SIZE", "2")
    for number, said in (("0", 1), ("1", 0)):
        monkeypatch.setenv("PMI_RANK", number)
        assert main(["launch", "-n", "4", str(tmp_path / "a.py")]) == 2
        assert capsys.readouterr().err.count("got -n 4. Leave it out.") == said


def test_processes_that_were_started_together_are_known(monkeypatch):
    """By the variables of MPICH, Open MPI and Slurm; one process alone is none."""
    for name in (*ranks.SIZES, "PMIX_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert not ranks.launched()
    for name, value, together in (
        ("PMI_SIZE", "1", False),
        ("PMI_SIZE", "4", True),
        ("OMPI_COMM_WORLD_SIZE", "2", True),
        ("PMIX_RANK", "0", True),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert ranks.launched() == together
