"""What the tests of shards and workers need."""

import os

import pytest

import minicnn
from minicnn._files import reader_process
from minicnn._parallel import shards, workers


@pytest.fixture
def cut_all(monkeypatch, vectorized):
    """Cut the smallest batch, and fork for the shortest training."""
    monkeypatch.setattr(shards, "WORTH_CUTTING", 0)
    monkeypatch.setattr(workers, "WORTH_FORKING", 0)
    monkeypatch.setattr(shards, "SMALLEST", 2)
    yield
    minicnn.set_threads(None)
    reader_process.end_readers()
    with pytest.raises(ChildProcessError):  # no worker is left behind
        os.waitpid(-1, os.WNOHANG)


@pytest.fixture
def pids(monkeypatch):
    """The process numbers of all workers that are forked."""
    seen = []
    fork = os.fork

    def watched():
        pid = fork()
        seen.append(pid)
        return pid

    monkeypatch.setattr(os, "fork", watched)
    monkeypatch.setattr(workers, "may_fork", lambda: True)
    return seen
