"""Scripts as they are found have Keras' numbers: one source, the same weights, no chance."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from script_helpers import ALL, SCRIPTS, draw

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]

HELPER = Path(__file__).parents[1] / "helpers" / "twin_helpers.py"

RUNS = []
"""Those that Keras 3 runs."""

GONE = {}
"""Those that it does not, and what it stops at."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with pictures of cats and dogs."""
    pytest.importorskip("keras", reason="Keras is not installed")
    folder = tmp_path_factory.mktemp("pictures")
    draw(folder)
    return folder


def run(library, script, folder):
    """Run a script in a process of its own; returns the process that is done."""
    environment = os.environ | {"MPLBACKEND": "Agg", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(HELPER), library, str(SCRIPTS / script)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )


@pytest.mark.parametrize("script", RUNS)
def test_numbers_of_a_script(script, pictures, tmp_path):
    """Each of its ``fit`` has Keras' losses after an epoch, within 1e-3."""
    (tmp_path / "data").symlink_to(pictures / "data")
    for library in ("keras", "minicnn"):
        done = run(library, script, tmp_path)
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    theirs, ours = (json.loads((tmp_path / f).read_text()) for f in ("KERAS.json", "MINICNN.json"))
    assert len(theirs) == len(ours) > 0
    for one, other in zip(theirs, ours, strict=True):
        assert other.keys() == one.keys()
        for name in one:
            if "loss" in name:
                np.testing.assert_allclose(other[name][0], one[name][0], 1e-3, err_msg=name)


@pytest.mark.parametrize("script", GONE)
def test_keras_stops_at(script, pictures, tmp_path):
    """Keras 3 itself does not run it any more."""
    (tmp_path / "data").symlink_to(pictures / "data")
    done = run("keras", script, tmp_path)
    assert done.returncode != 0
    assert GONE[script] in done.stderr


def test_no_script_is_left_out():
    """Each script is run by Keras 3, or known not to be; it runs no notebooks."""
    assert sorted([*RUNS, *GONE]) == [script for script in ALL if script.endswith(".py")]
