"""The doctor for data names what spoils a set, and is silent about sound ones."""

import pytest

from minicnn import data
from spoiled_data import SOUND, SPOILED


@pytest.mark.parametrize("make", SOUND, ids=lambda make: make.__name__)
def test_sound_data_have_no_findings(make, tmp_path):
    """Whatever they are: arrays, files or folders, grey, floats, few, a little uneven."""
    found = data.inspect(*make(tmp_path))
    assert found.findings == []
    assert found.sound
    assert "Nothing found." in str(found)


@pytest.mark.parametrize("way", SPOILED)
def test_spoiled_data_are_named(way, tmp_path):
    """The finding has its name, says where, in sentences, and fits on a terminal."""
    name, where, make = SPOILED[way]
    found = data.inspect(*make(tmp_path))
    named = {one.name: one for one in found.findings}
    assert name in named, list(named)
    one = named[name]
    assert where is None or {k: v for k, v in one.where.items() if k in where} == where
    assert one.sentence.endswith(".")
    assert one.remedy.endswith(".")
    assert one.severity in ("error", "warning", "advice")
    assert max(map(len, str(found).splitlines())) <= 80
    assert "finding" in found._repr_html_()
