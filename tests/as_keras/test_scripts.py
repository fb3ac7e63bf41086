"""Scripts in the ways of ten years run unchanged."""

import pytest

from script_helpers import ALL, SCRIPTS, draw, run

SAYS = {}
"""What a script prints, among other things, if it has done its work."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with pictures of cats and dogs."""
    folder = tmp_path_factory.mktemp("pictures")
    draw(folder)
    return folder


@pytest.mark.parametrize("script", ALL)
def test_script_runs_unchanged(script, pictures, tmp_path):
    """``minicnn run`` runs it to its end, and it prints what shows that it has done its work."""
    (tmp_path / "data").symlink_to(pictures / "data")
    printed, _ = run(SCRIPTS / script, tmp_path)
    for line in SAYS.get(script, ()):
        assert line in printed
