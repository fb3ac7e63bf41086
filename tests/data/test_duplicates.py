"""Pictures that show the same: found whatever was done to them, and no others."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from minicnn.data import duplicates
from minicnn.data.duplicates import FINGERPRINT, fingerprints, groups, pairs
from minicnn.data.synthetic import fingers
from minicnn.errors import DataError


@pytest.fixture(scope="module")
def hands():
    return fingers(120, seed=0)[0]


def each(x, change):
    return np.stack([np.asarray(change(Image.fromarray(image))) for image in x])


def saved_as_jpeg(image):
    file = BytesIO()
    image.save(file, "JPEG", quality=50)
    return Image.open(file)


CHANGES = {
    "JPEG": lambda x: each(x, saved_as_jpeg),
    "resized": lambda x: each(x, lambda image: image.resize((40, 48)).resize((64, 64))),
    "brighter": lambda x: np.clip(x * 1.1 + 5, 0, 255).astype(np.uint8),
    "noise": lambda x: np.clip(x + np.random.default_rng(1).normal(0, 4, x.shape), 0, 255).astype(
        np.uint8
    ),
    "grey": lambda x: x.mean(axis=3),
    "floats": lambda x: (x / 255).astype(np.float32),
}


@pytest.mark.parametrize("change", CHANGES)
def test_copies_are_found(hands, change):
    """Of drawn hands at least 97% are found again, and hardly any is taken for another."""
    found = pairs(fingerprints(CHANGES[change](hands)), fingerprints(hands))
    assert (found[:, 0] == found[:, 1]).sum() >= 0.97 * len(hands)
    assert (found[:, 0] != found[:, 1]).sum() <= 2


def test_different_hands_are_no_group(hands):
    """Hands on plain walls look alike, and are different pictures."""
    found = groups(fingerprints(hands))
    assert (found != np.arange(len(hands))).sum() <= 1


def test_groups_are_those_of_every_pair(monkeypatch):
    """Bands find what a look at every pair finds, and chains of pairs are one group."""
    rng = np.random.default_rng(0)
    monkeypatch.setattr(duplicates, "CORRELATION", -2)  # the hashes alone decide
    prints = np.zeros(300, FINGERPRINT)
    prints["hash"] = rng.integers(0, 2**63, 300, dtype=np.uint64)
    for i in rng.permutation(300)[:200]:  # chains of hashes with some bits changed
        flips = np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, 4, dtype=np.uint64))
        prints["hash"][i] = prints["hash"][rng.integers(300)] ^ flips
    near = np.bitwise_count(prints["hash"][:, None] ^ prints["hash"]) <= 4
    reached = near
    for _ in range(9):
        reached = reached @ reached
    expected = reached.argmax(axis=1)
    assert 50 < len(set(expected.tolist())) < 290
    np.testing.assert_array_equal(groups(prints, 4), expected)
    cross = np.argwhere(near[:100, 100:])
    np.testing.assert_array_equal(pairs(prints[:100], prints[100:], 4), cross)


def test_blank_pictures_are_one_group_and_no_others():
    """A blank picture shows the same as another blank one, and as no other picture."""
    x = np.full((4, 32, 32, 3), 200, np.uint8)
    x[2, 5:20, 5:9] = 0
    assert groups(fingerprints(x)).tolist() == [0, 0, 2, 0]


def test_of_equal_ones_the_first_is_named(hands):
    """Each picture of the first set is named, of equal ones in the second only the first."""
    a = fingerprints(hands[[3, 3, 5]])
    assert pairs(a, fingerprints(hands[[7, 3, 3, 5]])).tolist() == [[0, 1], [1, 1], [2, 3]]
    assert pairs(a, fingerprints(hands[[7]])).shape == (0, 2)
    assert pairs(a[:0], a).shape == pairs(a, a[:0]).shape == (0, 2)
    assert groups(a[:0]).shape == (0,)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (9, 70), (28, 28)])
def test_any_size(size):
    """Pictures of any size, also smaller than the small ones, are found again by themselves."""
    x = np.random.default_rng(0).integers(0, 256, (5, *size, 1), dtype=np.uint8)
    if size == (1, 1):
        assert groups(fingerprints(x)).tolist() == [0] * 5
    else:
        assert groups(fingerprints(np.concatenate([x, x]))).tolist() == [*range(5), *range(5)]


def test_mistakes():
    """Another shape, or a distance that is none, is one line."""
    with pytest.raises(DataError, match=r"expected images \(n, H, W, C\), got array"):
        fingerprints(np.zeros((3, 4), np.uint8))
    with pytest.raises(DataError, match="from 0 to 63 bits, got 64"):
        groups(np.zeros(2, FINGERPRINT), 64)
