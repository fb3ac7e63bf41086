"""The same images as Keras makes, from the same draws, and the same draws' ranges."""

import numpy as np
import pytest

from minicnn import (
    Dropout,
    Flatten,
    GaussianNoise,
    Input,
    RandomBrightness,
    RandomContrast,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    Rescaling,
    Sequential,
    SpatialDropout2D,
    load_model,
)
from minicnn.layers.augmentation import RandomImages

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
rng = np.random.default_rng(0)
X = rng.integers(0, 256, (7, 13, 10, 3), dtype=np.uint8)
FILLS = ("reflect", "wrap", "constant", "nearest")
INTERPOLATIONS = ("bilinear", "nearest")
AFFINE = [
    layer
    for fill in FILLS
    for how in INTERPOLATIONS
    for layer in (
        RandomTranslation(0.4, 0.9, fill, how, fill_value=31.0),
        RandomRotation(0.5, fill, how, fill_value=31.0),
        RandomZoom((-0.5, 0.9), 0.6, fill, how, fill_value=31.0),
        RandomZoom(0.5, None, fill, how, fill_value=31.0),
    )
]
OTHERS = [
    *(RandomFlip(mode) for mode in ("horizontal", "vertical", "horizontal_and_vertical")),
    RandomContrast((0.8, 1.0)),
    RandomContrast(0.3, (20, 130)),
    RandomBrightness(0.5),
    RandomBrightness((-0.4, 0.1), (200, 10)),
]


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


def in_keras(keras, layer):
    """Keras' layer. In "wrap", its backends differ between the last pixel and the first: of two
    ways to continue an image, JAX's goes on interpolating, and so do we."""
    theirs = getattr(keras.layers, type(layer).__name__).from_config(layer.keras_config())
    if getattr(layer, "fill_mode", None) == "wrap":
        pytest.importorskip("jax", reason="JAX is not installed")
        theirs.backend.set_backend("jax")
    return theirs


def draw(theirs, n):
    """What Keras' layer draws for n images, and the same as ours calls it."""
    found = theirs.get_random_transformation(np.zeros((n, *X.shape[1:]), np.float32))
    sizes = ("input_shape", "image_height", "image_width", "batch_size")
    values = {
        key: np.asarray(value, np.float64).reshape(n, -1)
        for key, value in found.items()
        if key not in sizes
    }
    match values:
        case {"flips": flips}:
            drawn = flips[:, 0] > 0
        case {"translations": moves}:
            drawn = moves[:, ::-1] / X.shape[1:3]
        case {"angle": degrees}:
            drawn = degrees[:, 0] / 180 * np.pi
        case {"height_zoom": height, "width_zoom": width}:
            drawn = np.concatenate([height, width], axis=1)
        case {"contrast_factor": drawn} | {"rgb_delta": drawn}:
            drawn = drawn[:, 0]
    return found, drawn


def near_a_tie(layer, drawn):
    """Where two pixels are equally near, or so nearly that single precision decides."""
    if getattr(layer, "interpolation", None) != "nearest":
        return np.zeros(X.shape[:3], bool)
    rows, columns = np.indices(X.shape[1:3])
    at = np.einsum(
        "nki,ihw->nkhw",
        layer.maps(drawn, *X.shape[1:3]),
        np.stack([columns, rows, np.ones_like(rows)]),
    )
    return (np.abs(at - np.floor(at) - 0.5) < 1e-4).any(axis=1)


@pytest.mark.parametrize("layer", [*AFFINE, *OTHERS], ids=repr)
def test_images_in_keras(layer, keras):
    """From Keras' own draws come its images, in float32, and in bytes rounded to the next level."""
    theirs = in_keras(keras, layer)
    found, drawn = draw(theirs, len(X))
    images = theirs.backend.convert_to_tensor(X.astype(np.float32))
    expected = np.asarray(theirs.transform_images(images, found, training=True))
    sure = ~near_a_tie(layer, drawn)
    assert sure.mean() > 0.9
    # Keras' places are in single precision, off by 1e-6 or so where a pixel may be 255 above.
    y = layer.change(X.astype(np.float32), drawn)
    np.testing.assert_allclose(y[sure], expected[sure], rtol=1e-4, atol=5e-3)
    assert np.abs(layer.change(X, drawn)[sure] - expected[sure]).max() < 0.65


@pytest.mark.parametrize(
    "layer",
    [
        RandomFlip(),
        RandomTranslation((-0.1, 0.4), 0.2),
        RandomRotation(0.2),
        RandomRotation((0.1, -0.3)),
        RandomZoom(0.3, (-0.4, 0.8)),
        RandomZoom(-0.3),
        RandomContrast((0.2, 0.6)),
        RandomContrast(0.3),
        RandomBrightness(0.3),
        RandomBrightness((0.2, -0.1), (-1, 1)),
    ],
    ids=repr,
)
def test_draws_in_keras(layer, keras):
    """Both draw alike: the means, deviations and extremes of thousands of draws agree."""
    ours = layer.draw(4000, rng).astype(float)
    theirs = draw(in_keras(keras, layer), 4000)[1].astype(float)
    assert ours.shape == theirs.shape
    spread = theirs.max(axis=0) - theirs.min(axis=0)
    for figure, tolerance in ((np.mean, 0.04), (np.std, 0.04), (np.min, 0.01), (np.max, 0.01)):
        difference = np.abs(figure(ours, axis=0) - figure(theirs, axis=0))
        assert (difference <= tolerance * spread).all(), figure


def test_files_go_both_ways(keras, tmp_path):
    """Keras loads a model with these layers, and we load what it saves, each as it was."""
    layers = [
        RandomFlip("horizontal", seed=3),
        RandomTranslation(0.1, (0.1, 0.2), "wrap", "nearest", 4, 5.0),
        RandomRotation(0.1, "constant"),
        RandomZoom(0.1),
        RandomContrast(0.2),
        RandomBrightness((-0.1, 0.2), value_range=(0, 200)),
        Rescaling(1 / 255),
        GaussianNoise(0.1, seed=7),
        SpatialDropout2D(0.2),
        Dropout(0.3, noise_shape=(None, 1, 10, None), seed=8),
        Flatten(),
    ]
    model = Sequential([Input(X.shape[1:]), *layers], seed=0)
    model.save(tmp_path / "ours.keras")
    theirs = keras.models.load_model(tmp_path / "ours.keras")
    np.testing.assert_allclose(theirs.predict(X.astype("f4"), verbose=0), model.predict(X))
    theirs.save(tmp_path / "theirs.keras")
    again = load_model(tmp_path / "theirs.keras")
    for layer, other in zip(model.stack, again.stack, strict=True):
        # In Keras' files a factor is a pair, and a range of values a list in order.
        vague = ("factor", "height_factor", "width_factor", "value_range")
        configs = [
            {key: value for key, value in one.get_config().items() if key not in vague}
            for one in (layer, other)
        ]
        assert configs[0] == configs[1]
        if isinstance(layer, RandomImages):
            drawn = [one.draw(5, np.random.default_rng(0)) for one in (layer, other)]
            np.testing.assert_allclose(*drawn)
