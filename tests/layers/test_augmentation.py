"""Layers that change images at random: small images, bytes, and in a model."""

from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import (
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Input,
    MaxPool,
    RandomBrightness,
    RandomContrast,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    ReLU,
    Rescaling,
    Sequential,
    SpatialDropout2D,
    load_model,
)
from minicnn.errors import ConfigError, ShapeError
from minicnn.layers.augmentation import resampling
from minicnn.layers.augmentation.resampling import LANES, ONE, Sampling, places_of, resample

LAYERS = [
    RandomFlip(),
    RandomTranslation(0.3, 0.4),
    RandomTranslation(0.3, 0.4, "constant", "nearest", fill_value=7),
    RandomRotation(0.2),
    RandomRotation(0.2, "constant", fill_value=100),
    RandomZoom(0.4, interpolation="nearest"),
    RandomZoom(0.4, 0.2, "wrap"),
    RandomContrast(0.5),
    RandomBrightness(0.4),
]
rng = np.random.default_rng(0)
X = rng.integers(0, 256, (6, 9, 7, 3), dtype=np.uint8)


def row(layer, drawn, numbers, dtype=np.float64):
    """What a layer makes of one row of numbers."""
    x = np.array(numbers, dtype).reshape(1, 1, -1, 1)
    y = layer.change(x, np.array([drawn]))
    assert y.dtype == dtype
    return y.ravel().tolist()


def each(x, maps, how):
    """``resample`` as its docstring has it, one pixel after another."""
    _, h, w, c = x.shape
    y = np.empty(x.shape)

    def continued(i, j, k):
        row, column = k
        if how.fill_mode == "constant" and not (0 <= row < h and 0 <= column < w):
            return np.full(c, how.fill_value)
        fix = {
            "constant": lambda at, size: at,
            "nearest": lambda at, size: min(max(at, 0), size - 1),
            "wrap": lambda at, size: at % size,
            "reflect": lambda at, size: min(at % (2 * size), 2 * size - 1 - at % (2 * size)),
        }[how.fill_mode]
        return x[i, fix(row, h), fix(column, w)].astype(float)

    for i, (a, b) in enumerate(maps):
        for j in np.ndindex(h, w):
            u, v = a @ (j[1], j[0], 1), b @ (j[1], j[0], 1)
            if how.interpolation == "nearest":
                y[i, *j] = continued(i, j, (int(np.floor(v + 0.5)), int(np.floor(u + 0.5))))
                continue
            top, left = int(np.floor(v)), int(np.floor(u))
            y[i, *j] = sum(
                (1 - abs(v - r)) * (1 - abs(u - s)) * continued(i, j, (r, s))
                for r in (top, top + 1)
                for s in (left, left + 1)
            )
    return y


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("fill_mode", ["reflect", "wrap", "constant", "nearest"])
def test_resampling_is_its_formula(fill_mode, interpolation):
    """Any affine map, far over the edges too, gives what the formula says, pixel by pixel."""
    how = Sampling(fill_mode, interpolation, 40.0)
    maps = rng.uniform(-2, 2, (6, 2, 3)) + rng.uniform(-8, 8, (6, 2, 3)) * (0, 0, 1)
    expected = each(X, maps, how)
    np.testing.assert_allclose(resample(X.astype("f8"), maps, how), expected, atol=1e-9)
    np.testing.assert_allclose(resample(X.astype("f4"), maps, how), expected, atol=1e-3)
    # Half a grey level for rounding, and a tenth for the weights.
    assert np.abs(resample(X, maps, how) - expected).max() < 0.6


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("fill_mode", ["reflect", "wrap", "constant", "nearest"])
def test_translation_is_an_affine_map(fill_mode, interpolation):
    """The fast path of RandomTranslation gives the same as the map, in any direction."""
    layer = RandomTranslation(1, 1, fill_mode, interpolation, fill_value=40)
    drawn = np.concatenate([layer.draw(5, rng), [[0, 0]]])
    expected = each(X, layer.maps(drawn, 9, 7), layer._how())
    np.testing.assert_allclose(layer.change(X.astype("f8"), drawn), expected, atol=1e-9)
    np.testing.assert_allclose(layer.change(X, drawn), expected, atol=0.5001)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_any_number_of_channels(channels):
    """Bytes are packed three channels together; what is left over is not lost."""
    x = rng.integers(0, 256, (2, 6, 5, channels), dtype=np.uint8)
    layer = RandomRotation(0.5)
    drawn = layer.draw(2, rng)
    expected = layer.change(x.astype(np.float64), drawn)
    assert np.abs(layer.change(x, drawn) - expected).max() < 0.6


def test_weights_of_bytes_add_up():
    """The four weights of a pixel are never below 0 and add up to 1, so no channel runs over."""
    layer = RandomRotation(0.5)
    maps = layer.maps(layer.draw(9, rng), 20, 30)
    places = places_of(maps, 20, 30, layer._how(), np.dtype(np.int64))
    weights = np.array([weights for _, weights in places.parts])
    assert weights.min() >= 0
    np.testing.assert_array_equal(weights.sum(axis=0), ONE)
    white = np.full((9, 20, 30, 3), 255, np.uint8)
    np.testing.assert_array_equal(layer.change(white, layer.draw(9, rng)), white)
    assert 255 * ONE * LANES < 1 << 63


def test_fill_modes_by_hand():
    """Beyond abcd there is what Keras' documentation draws, two pixels to the right."""
    for fill_mode, expected in {
        "reflect": [2, 1, 1, 2],
        "wrap": [3, 4, 1, 2],
        "constant": [9, 9, 1, 2],
        "nearest": [1, 1, 1, 2],
    }.items():
        for dtype in (np.uint8, np.float32, np.float64):
            layer = RandomTranslation(0, 0.5, fill_mode, fill_value=9)
            assert row(layer, (0, 0.5), [1, 2, 3, 4], dtype) == expected


def test_interpolation_by_hand():
    """A quarter of a pixel to the left is a quarter of the next; nearest stays where it is."""
    assert row(RandomTranslation(0, 1), (0, -1 / 16), [0, 8, 16, 20]) == [2, 10, 17, 20]
    assert row(RandomTranslation(0, 1), (0, -1 / 16), [0, 8, 16, 20], np.uint8) == [2, 10, 17, 20]
    beyond = RandomTranslation(1, 1, "constant", fill_value=300)  # no byte is more than 255
    assert row(beyond, (0, 0.5), [1, 2], np.uint8) == [255, 1]
    assert row(RandomZoom(1, None, "constant", fill_value=300), (3, 3), [0, 9, 0], np.uint8) == [
        *(255, 9, 255),
    ]
    nearest = RandomTranslation(0, 1, interpolation="nearest")
    assert row(nearest, (0, -1 / 16), [0, 8, 16, 20]) == [0, 8, 16, 20]
    assert row(nearest, (0, -3 / 16), [0, 8, 16, 20], np.uint8) == [8, 16, 20, 20]


def test_translation_goes_down_and_right():
    """Positive numbers move the picture down and to the right, in units of its height and width."""
    x = np.arange(12.0).reshape(1, 3, 4, 1)
    y = RandomTranslation(1, 1, "constant").change(x, np.array([[1 / 3, 0.5]]))
    assert y[0, ..., 0].tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 4, 5]]


def test_rotation_by_hand():
    """A quarter turn goes against the clock, a half turn upside down."""
    x = np.array([[1, 2], [3, 4]], np.uint8).reshape(1, 2, 2, 1)
    layer = RandomRotation(1)
    quarter, half = (layer.change(x, np.array([a]))[0, ..., 0] for a in (np.pi / 2, np.pi))
    assert quarter.tolist() == [[2, 4], [1, 3]]
    assert half.tolist() == [[4, 3], [2, 1]]


def test_zoom_by_hand():
    """Twice as far out shows the mirrored surroundings; each axis has a factor."""
    assert row(RandomZoom(1), (1.0, 2.0), [0, 4, 8, 12]) == [2, 2, 10, 10]
    x = np.arange(9.0).reshape(1, 3, 3, 1)
    y = RandomZoom(1).change(x, np.array([[1.0, 0.5]]))
    assert y[0, ..., 0].tolist() == [[0.5, 1, 1.5], [3.5, 4, 4.5], [6.5, 7, 7.5]]
    drawn = RandomZoom(0.5).draw(100, rng)
    np.testing.assert_array_equal(drawn[:, 0], drawn[:, 1])


def test_flips_by_hand():
    """Each mode exchanges its sides, and only of the images that are drawn."""
    x = np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1)
    for mode, expected in {
        "horizontal": [[5, 4], [7, 6]],
        "vertical": [[6, 7], [4, 5]],
        "horizontal_and_vertical": [[7, 6], [5, 4]],
    }.items():
        y = RandomFlip(mode).change(x, np.array([False, True]))
        assert y[..., 0].tolist() == [[[0, 1], [2, 3]], expected]


def test_brightness_by_hand():
    """The factor counts in whole ranges, and what leaves the range is clipped."""
    layer = RandomBrightness((0.5, 0.5))
    assert layer.draw(2, rng).tolist() == [127.5, 127.5]
    assert row(layer, 127.5, [0, 100, 200]) == [127.5, 227.5, 255]
    assert row(layer, -99.6, [0, 100, 200], np.uint8) == [0, 0, 100]
    ones = RandomBrightness((0.5, 0.5), value_range=(0, 1))
    assert row(ones, float(ones.draw(1, rng)[0]), [0, 0.25, 0.75]) == [0.5, 0.75, 1]
    assert row(RandomBrightness(1, (-99, 999)), 990.0, [0, 99], np.uint8) == [255, 255]


def test_contrast_by_hand():
    """Numbers move from the mean of their channel in their image, and are clipped."""
    layer = RandomContrast(1)
    assert row(layer, 0.5, [0, 100, 200]) == [50, 100, 150]
    assert row(layer, 2.0, [0, 100, 200]) == [0, 100, 255]
    assert row(layer, 1.5, [90, 101, 109], np.uint8) == [85, 102, 114]  # 85, 101.5, 113.5
    x = np.array([[[[0.0, 5], [2, 5]]], [[[4, 0], [8, 4]]]])
    y = layer.change(x, np.array([0.0, 0.5]))
    assert y.tolist() == [[[[1, 5], [1, 5]]], [[[5, 1], [7, 3]]]]


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_bytes_stay_bytes(layer):
    """uint8 gives uint8 that are the rounded floats; float32 and float64 stay as they are."""
    drawn = layer.draw(len(X), rng)
    y = layer.change(X, drawn)
    assert y.dtype == np.uint8
    for dtype in (np.float32, np.float64):
        exact = layer.change(X.astype(dtype), drawn)
        assert exact.dtype == dtype
        assert np.abs(y - np.clip(exact, 0, 255)).max() < 0.6
    assert not np.shares_memory(y, X)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_only_in_training(layer):
    """Outside training the images come out as they are, the very array, bytes or not."""
    for x in (X, X.astype(np.float32)):
        assert layer.forward(x)[0] is x
        y, _ = layer.forward(x, training=True, rng=np.random.default_rng(0))
        again, _ = layer.forward(x, training=True, rng=np.random.default_rng(0))
        assert not np.array_equal(x, y)
        np.testing.assert_array_equal(y, again)
        other, _ = layer.forward(x, training=True, rng=np.random.default_rng(1))
        assert not np.array_equal(other, y)
    with pytest.raises(ConfigError, match="expected a generator in training, got none"):
        layer.forward(X, training=True)
    with pytest.raises(ShapeError, match=r"expected input of shape \(N, H, W, C\), got \(9, 7"):
        layer.forward(X[0])


def test_factors():
    """A number goes both ways, a pair in any order is the range itself."""
    n = 2000
    for layer, low, high in (
        (RandomTranslation(0.2, (0.4, 0.1)), (-0.2, 0.1), (0.2, 0.4)),
        (RandomZoom(-0.3, (0.5, 0.4)), (0.7, 1.4), (1.3, 1.5)),
        (RandomRotation(0.25), -np.pi / 2, np.pi / 2),
        (RandomRotation((0, 0.5)), 0, np.pi),
        (RandomContrast(0.3), 0.7, 1.3),
        (RandomContrast((0.6, 0.2)), 0.8, 1.6),
        (RandomBrightness((-0.5, -0.1)), -127.5, -25.5),
        (RandomBrightness(0.2, (1, -1)), -0.4, 0.4),
    ):
        drawn = layer.draw(n, rng)
        span = np.subtract(high, low)
        assert (drawn >= low).all(), layer
        assert (drawn <= high).all(), layer
        assert (drawn.min(axis=0) < low + 0.01 * span).all(), layer
        assert (drawn.max(axis=0) > high - 0.01 * span).all(), layer
    assert 0.4 < RandomFlip().draw(n, rng).mean() < 0.6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomFlip("left"), "expected mode horizontal or vertical or horizontal_and_v"),
        (lambda: RandomFlip(seed=0.5), "RandomFlip: expected seed as a whole number or None, got"),
        (lambda: RandomRotation(1.5), "factor as a number, -1 or more and 1 or less, got 1.5"),
        (lambda: RandomRotation((1, 2, 3)), r"factor as a number or a pair \(lower, upper\), got"),
        (lambda: RandomTranslation(0.1, "a"), "width_factor as a number, .* got 'a'"),
        (lambda: RandomTranslation(0, 0, "mirror"), "fill_mode reflect or wrap or .* 'mirror'"),
        (lambda: RandomZoom(-1), "height_factor as a number, above -1 and 1 or less, got -1"),
        (lambda: RandomZoom(0, interpolation="cubic"), "interpolation bilinear or nearest, got"),
        (lambda: RandomZoom(0, fill_value=None), "fill_value as a number, got None"),
        (lambda: RandomContrast(-0.1), "factor as a number, 0 or more and 1 or less, got -0.1"),
        (lambda: RandomBrightness(0.1, 255), r"value_range as a pair \(lowest, highest\), got 255"),
        (lambda: RandomBrightness(0.1, (0, "a")), "value_range as a number, got 'a'"),
        (lambda: GaussianNoise(1.5), "stddev as a number, 0 or more and 1 or less, got 1.5"),
        (lambda: Dropout(0.5, noise_shape=3), "noise_shape as a tuple of whole numbers above 0"),
        (lambda: Dropout(0.5, noise_shape=(0, 1)), "noise_shape as a tuple of whole numbers"),
        (lambda: SpatialDropout2D(1), "SpatialDropout2D: expected rate as a number, 0 or more"),
    ],
)
def test_arguments(make, message):
    """An argument that makes no sense is named, with what was expected."""
    with pytest.raises(ConfigError, match=message):
        make()


def network(*layers, fuse=True, seed=0, kernels=None):
    """A small model that learns from bytes."""
    model = Sequential(
        [
            Input((12, 12, 3)), *layers, Rescaling(1 / 255), Conv2D(4, 3), ReLU(), MaxPool(2),
            Flatten(), Dense(3, activation="softmax"),
        ],
        seed=seed, fuse=fuse, kernels=kernels,
    )  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


IMAGES = rng.integers(0, 256, (40, 12, 12, 3), dtype=np.uint8)
LABELS = rng.integers(0, 3, 40)


def seen(monkeypatch, *classes):
    """The dtypes that come to layers of these classes from now on."""
    dtypes = []
    for cls in classes:
        change = cls.change

        def watched(self, x, drawn, change=change):
            dtypes.append(x.dtype)
            return change(self, x, drawn)

        monkeypatch.setattr(cls, "change", watched)
    return dtypes


def test_a_model_trains_on_bytes(monkeypatch):
    """In training the images reach each of the layers as the bytes they are."""
    dtypes = seen(monkeypatch, RandomFlip, RandomRotation, RandomContrast)
    model = network(RandomFlip(), RandomRotation(0.1), RandomContrast(0.2))
    history = model.fit(IMAGES, LABELS, epochs=2, verbose=0).history
    assert dtypes == [np.uint8] * 2 * 2 * 3
    assert np.isfinite(history["loss"]).all()
    plain = network()
    plain.set_weights(model.get_weights())
    np.testing.assert_array_equal(model.predict(IMAGES), plain.predict(IMAGES))
    before = IMAGES.copy()
    model.fit(IMAGES, LABELS, verbose=0)
    np.testing.assert_array_equal(IMAGES, before)


def test_fused_or_not(monkeypatch):
    """Layer by layer the same is learned, to what rounding to bytes changes: nothing in a flip."""
    dtypes = seen(monkeypatch, RandomFlip)
    for layers, tolerance in (((RandomFlip(),), 1e-5), ((RandomFlip(), RandomRotation(0.1)), 1e-3)):
        losses = [
            network(*layers, fuse=fuse).fit(IMAGES, LABELS, epochs=2, verbose=0).history["loss"]
            for fuse in (True, False)
        ]
        np.testing.assert_allclose(*losses, rtol=tolerance)
    assert set(dtypes) == {np.dtype(np.uint8), np.dtype(np.float32)}


def test_floats_take_the_models_dtype(monkeypatch):
    """Images in double precision do not make a model in single precision compute in double."""
    dtypes = seen(monkeypatch, RandomBrightness)
    model = network(RandomBrightness(0.1))
    model.fit(IMAGES * 1.0, LABELS, verbose=0)
    assert set(dtypes) == {np.dtype(np.float32)}


def test_layers_come_back_from_a_file(tmp_path, monkeypatch):
    """A saved model has its layers with all arguments; Keras would read a contrast as meant."""
    monkeypatch.setenv("MINICNN_KERNELS", "vectorized")  # as ``network`` has them
    model = network(*LAYERS, GaussianNoise(0.1), SpatialDropout2D(0.1, seed=4))
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    layers = [layer.get_config() for layer in model.stack]
    layers[[type(layer) for layer in model.stack].index(RandomContrast)]["factor"] = [0.5, 0.5]
    assert [layer.get_config() for layer in again.stack] == layers
    histories = [m.fit(IMAGES, LABELS, verbose=0).history for m in (model, again)]
    assert histories[0] == histories[1]


def test_the_benchmark_runs(monkeypatch, capsys):
    """One round of a step gives a row for each layer."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    import augmentation

    for name in ("ROUNDS", "STEPS"):
        monkeypatch.setattr(augmentation, name, 1)
    monkeypatch.setattr(augmentation, "cores", lambda: 1)
    monkeypatch.setattr(minicnn, "set_threads", lambda count: None)
    augmentation.main()
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 2 + len(augmentation.LAYERS)
    assert rows[2].startswith("| nothing | 0.0")


def test_any_block_gives_the_same(monkeypatch):
    """However many images are computed at a time, each comes out the same, bytes and floats."""
    for layer in (RandomRotation(0.3), RandomTranslation(0.5, 0.5), RandomZoom(0.5)):
        drawn = layer.draw(len(X), rng)
        for x in (X, X.astype(np.float64)):
            monkeypatch.setattr(resampling, "BLOCK_PIXELS", 1 << 16)
            y = layer.change(x, drawn)
            monkeypatch.setattr(resampling, "BLOCK_PIXELS", 4 * x[0, ..., 0].size)
            np.testing.assert_allclose(layer.change(x, drawn), y, atol=1e-9)
            monkeypatch.setattr(resampling, "BLOCK_PIXELS", 1)
            np.testing.assert_allclose(layer.change(x, drawn), y, atol=1e-9)


def test_dropout_along_an_axis():
    """Along an axis of 1 in ``noise_shape`` all numbers are dropped, or none; elsewhere not so."""
    x = np.ones((50, 4, 5, 8))
    for layer, axes in (
        (SpatialDropout2D(0.5), (1, 2)),
        (Dropout(0.5, noise_shape=(None, 4, 1, None)), (2,)),
        (Dropout(0.5, noise_shape=(1, None, None, 1)), (0, 3)),
        (Dropout(0.5), ()),
    ):
        y = layer.forward(x, training=True, rng=np.random.default_rng(0))[0]
        for axis in range(4):
            alike = (y == y.take([0], axis=axis)).all()
            assert alike == (axis in axes), (layer, axis)
        assert set(y.ravel()) == {0, 2}
        assert y.mean() == pytest.approx(1, abs=0.2)
    with pytest.raises(ShapeError, match=r"expected input that fits noise_shape \(None, 3\), got"):
        Dropout(0.5, (None, 3)).forward(x[0, 0], training=True, rng=rng)


@pytest.mark.parametrize("rate", [0.001, 0.3, 0.5, 0.9])
def test_dropout_rate(rate):
    """The fraction of numbers dropped is the rate, within four standard deviations."""
    x = np.ones((100, 999), np.float32)
    y, _ = Dropout(rate).forward(x, training=True, rng=np.random.default_rng(3))
    assert abs((y == 0).mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / x.size)
    np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-6)


def test_noise():
    """The noise has mean 0 and the given deviation, and y = x outside training."""
    x = np.full((100, 1000), 3, np.float32)
    layer = GaussianNoise(0.25)
    noise = layer.forward(x, training=True, rng=np.random.default_rng(0))[0] - x
    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 0.003
    assert noise.std() == pytest.approx(0.25, rel=0.01)
    assert layer.forward(x)[0] is x
