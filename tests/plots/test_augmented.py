"""The picture of what augmentation makes."""

import numpy as np
import pytest

from minicnn import Dense, Flatten, Input, RandomFlip, RandomTranslation, Rescaling, Sequential
from minicnn.data import Dataset
from minicnn.errors import ConfigError, DataError
from minicnn.plots import plot_augmentation

X = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)


def drawn(figure):
    return [axes.get_images()[0].get_array() for axes in figure.axes]


def test_a_row_is_the_picture_and_its_changes():
    """Of flips each panel is the picture or its mirror image, and both are there."""
    panels = drawn(plot_augmentation(RandomFlip("horizontal"), X, times=9, most=2))
    assert len(panels) == 20
    for row, picture in zip((panels[:10], panels[10:]), X / 255, strict=False):
        np.testing.assert_array_equal(row[0], picture)
        mirrored = [np.array_equal(one, picture[:, ::-1]) for one in row]
        same = [np.array_equal(one, picture) for one in row]
        assert all(a or b for a, b in zip(mirrored, same, strict=True))
        assert any(mirrored)
    again = drawn(plot_augmentation([RandomFlip("horizontal")], Dataset(X, np.zeros(6, int))))
    assert len(again) == 4 * 8
    unbuilt = drawn(plot_augmentation(Sequential([RandomFlip("horizontal")]), X, times=9, most=2))
    np.testing.assert_array_equal(unbuilt, panels)


def test_of_a_model_it_is_what_its_last_random_layer_gives():
    """What comes before is done as well, here a rescaling; what comes after is not."""
    layers = [Rescaling(1 / 255), RandomFlip("vertical"), RandomTranslation(0.2, 0.2)]
    model = Sequential([Input((8, 8, 3)), *layers, Flatten(), Dense(2)], seed=0)
    panels = drawn(plot_augmentation(model, X[0], times=5))
    assert [panel.shape for panel in panels] == [(8, 8, 3)] * 6
    assert len({panel.tobytes() for panel in panels}) > 4
    assert max(abs(panel.mean() - panels[0].mean()) for panel in panels) < 0.1


def test_mistakes_are_told():
    """Nothing that changes pictures, and no pictures."""
    for wrong in (Flatten(), [], Sequential([Input((8, 8, 3)), Flatten()]), "flip"):
        with pytest.raises(ConfigError, match=r"expected layers such as RandomFlip\(\)"):
            plot_augmentation(wrong, X)
    with pytest.raises(DataError, match=r"expected pictures \(N, H, W, C\)"):
        plot_augmentation(RandomFlip(), X[:0])
