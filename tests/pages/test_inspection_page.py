"""The page of data: it stands alone, and has the findings' images, the sheets and the doubts."""

import re

import numpy as np
import pytest

from browser_helpers import findings_of_validator
from minicnn import data
from minicnn.errors import ConfigError
from minicnn.pages import inspection_page
from spoiled_data import hands, textures, write_folder


def page_of(found, path):
    inspection_page(found, path)
    return path.read_text(encoding="utf-8")


def test_images_stand_beside_their_finding(tmp_path):
    """The test image and the training image that it is, with their labels."""
    x, y = hands()
    xt, yt = (array.copy() for array in hands(60, 2))
    xt[7], yt[7] = x[17], y[17]
    text = page_of(data.inspect((x, y), (xt, yt)), tmp_path / "a.html")
    item = re.search(r"<li><strong>Test images in training.*?</ul></li>", text, re.DOTALL)[0]
    assert re.findall(r'alt="(.*?)"', item) == ["test image 7", "training image 17"]
    assert "1 warning" in text
    assert not re.search(r'(src|href)="(?!data:|#)', text)


def test_each_class_has_a_row_of_images(tmp_path):
    """Of both parts; of a folder and of pictures of any size."""
    x, y = textures(24)
    folder = write_folder(tmp_path / "p", x, y, resize=lambda i: (40 + i, 60))
    text = page_of(data.inspect(folder), tmp_path / "a.html")
    assert re.findall(r'alt="images of (.)"', text) == ["a", "b", "c"]
    assert "no network" not in text
    text = page_of(data.inspect(x), tmp_path / "b.html")
    assert 'alt="images of all"' in text


def test_sound_data_s_doubts_are_folded(tmp_path):
    """There are always 50 that are doubted most, which says nothing."""
    text = page_of(data.inspect(hands()), tmp_path / "a.html")
    assert "Nothing was found." in text
    assert "Nothing speaks for wrong labels" in text
    assert len(re.findall(", perhaps ", text)) == 50


def test_anything_else_is_refused(tmp_path):
    """In one line that says what is wanted."""
    with pytest.raises(ConfigError, match=r"expected what data\.inspect gives"):
        inspection_page("train.h5", tmp_path / "a.html")


def test_a_html_validator_finds_nothing(tmp_path):
    """Not a finding, and no style within."""
    x, y = (array.copy() for array in hands())
    x[5], x[6] = x[4], np.full_like(x[4], 9)
    inspection_page(data.inspect((x, y), hands(60, 2)), tmp_path / "a.html")
    assert findings_of_validator(tmp_path / "a.html") == []
