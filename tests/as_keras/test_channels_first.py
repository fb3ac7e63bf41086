"""Scripts of the years when Keras' images had their channels first run unchanged."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parent / "channels_first").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_with_channels_first_runs_to_its_end(script, tmp_path):
    """``minicnn run`` gives it what it asks for, and it prints its last line."""
    command = [sys.executable, "-m", "minicnn", "run", str(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Test " in done.stdout.splitlines()[-1]
