"""The networks: as many parameters as by hand or in print, and a life from first step to file."""

import numpy as np
import pytest

from minicnn import Adam, Conv2D, RandomFlip, RandomTranslation, Rescaling, Residual
from minicnn.applications import NETWORKS, lenet5, mobilenet, resnet20, resnet50, small, unet
from minicnn.data.synthetic import fingers
from minicnn.errors import ConfigError, ShapeError
from minicnn.saving import load_model


def layers_of(model):
    """All layers, those inside residual blocks too."""
    found = list(model.layers)
    for layer in model.layers:
        if isinstance(layer, Residual):
            found += [*layer.layers, *(layer.shortcut or ())]
    return found


def learned(model):
    return sum(array.size for array in model.params.values())


def moving(model):
    return sum(array.size for layer in model.layers for array in layer.state.values())


# Convolutions: height * width * channels * filters, + filters where there is no normalization;
# normalizations: 2 * channels; the dense layers at the end.
BY_HAND = {
    "course": ((64, 64, 3), 6, 392 + 528 + (2 * 2 * 16 * 6 + 6)),
    "small": (
        (64, 64, 3),
        6,
        (25 * 3 * 16 + 9 * 16 * 32 + 9 * 32 * 64 + 9 * 64 * 128)
        + 2 * (16 + 32 + 64 + 128)
        + (2 * 2 * 128 * 6 + 6),
    ),
    "lenet5": ((28, 28, 1), 10, 156 + 2_416 + 48_120 + 10_164 + 850),
    "vgg": (
        (64, 64, 3),
        6,
        (896 + 9_248 + 18_496 + 36_928 + 73_856 + 147_584)
        + (8 * 8 * 128 * 128 + 128)
        + (128 * 6 + 6),
    ),
    # 269,722 (the paper's 0.27 million) and two shortcuts, where the paper pads with zeros.
    "resnet20": ((32, 32, 3), 10, 269_722 + (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)),
    # 24 channels and 12 more for each of six pairs, halved twice: 48 and 60 at the blocks' ends.
    "densenet": (
        (32, 32, 3),
        10,
        9 * 3 * 24
        + sum(
            2 * c + 48 * c + 2 * 48 + 9 * 48 * 12
            for begin in (24, 48, 60)
            for c in range(begin, begin + 72, 12)
        )
        + (2 * 96 + 96 * 48)
        + (2 * 120 + 120 * 60)
        + (2 * 132 + 132 * 10 + 10),
    ),
    # Of keras.applications' 4,055,976 the trained ones: 5.3 million with the paper's 1000 classes.
    "efficientnet_b0": ((64, 64, 3), 5, 4_055_976 - 42_016 - 7),
    # The course's trainable parameters, without the bias of 26,560 normalized channels.
    "resnet50": ((64, 64, 3), 6, 23_546_886 - 26_560),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_parameters_are_those_counted_by_hand_or_in_print(name):
    """Each network has the learned parameters that its source, or a sum by hand, says."""
    shape, classes, parameters = BY_HAND[name]
    assert learned(NETWORKS[name](shape, classes, seed=0)) == parameters


def test_resnet50_is_the_course_s_but_for_biases_that_do_nothing():
    """With a bias for each normalized channel it has the course's 23,600,006 parameters."""
    model = resnet50((64, 64, 3), 6, seed=0)
    convolutions = [layer for layer in layers_of(model) if isinstance(layer, Conv2D)]
    assert len(convolutions) == 53
    biases = sum(layer.filters for layer in convolutions)
    assert moving(model) == 2 * biases == 53_120
    assert learned(model) + moving(model) + biases == 23_600_006


def test_resnet20_has_20_layers():
    """Beside the two shortcuts there are 19 convolutions and the dense layer."""
    layers = layers_of(resnet20((32, 32, 3), 10, seed=0))
    assert sum(isinstance(layer, Conv2D) for layer in layers) == 19 + 2


def test_mobilenet_is_small():
    """It has less than half the parameters of a ResNet-20."""
    model = mobilenet((64, 64, 3), 6, seed=0)
    assert learned(model) < 0.5 * learned(resnet20((64, 64, 3), 6, seed=0))


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n == "resnet50")) for n in NETWORKS]
)
def test_a_life(name, tmp_path):
    """Probabilities from bytes, a finite loss, and the same predictions from its file."""
    x, y = fingers(8, seed=0)
    x = x[:, ::2, ::2]
    model = NETWORKS[name]((32, 32, 3), 6, seed=0)
    assert model.output_shape == (6,)
    model.compile("sgd", "sparse_categorical_crossentropy")
    history = model.fit(x, y, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    before = model.predict(x[:2])
    np.testing.assert_allclose(before.sum(axis=1), 1, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(load_model(tmp_path / "model.keras").predict(x[:2]), before)


@pytest.mark.parametrize("name", sorted(NETWORKS.keys() - {"resnet50", "efficientnet_b0"}))
def test_a_seed_decides_on_the_first_weights(name):
    """The same seed gives the same weights, another seed others, with or without augmentation."""
    model = NETWORKS[name]
    first, again, other = (model((32, 32, 3), 4, seed).get_weights() for seed in (5, 5, 6))
    moved = model((32, 32, 3), 4, 5, augment=[RandomFlip("horizontal")]).get_weights()
    assert all(map(np.array_equal, first, again))
    assert all(map(np.array_equal, first, moved))
    assert not all(map(np.array_equal, first, other))


def test_augmentation_comes_first_and_only_in_training(tmp_path):
    """It changes bytes before they are scaled, leaves predictions alone, and is saved."""
    x, _ = fingers(3, seed=0)
    plain = small((64, 64, 3), 6, seed=0)
    augment = [RandomFlip("horizontal"), RandomTranslation(0.1, 0.1)]
    model = small((64, 64, 3), 6, seed=0, augment=augment)
    assert model.layers[:2] == augment
    assert isinstance(model.layers[2], Rescaling)
    np.testing.assert_array_equal(model.predict(x), plain.predict(x))
    changed = model.layers[1].forward(x, training=True, rng=model.rng)[0]
    assert changed.dtype == np.uint8
    assert not np.array_equal(changed, x)

    model.save(tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    assert [type(layer) for layer in again.layers[:2]] == [RandomFlip, RandomTranslation]


@pytest.mark.parametrize(("network", "size"), [(lenet5, 8), (resnet50, 4)])
def test_too_small_images(network, size):
    """Networks without padding say that an image is too small for them."""
    with pytest.raises(ShapeError, match="expected an image of at least"):
        network((size, size, 3), 6, seed=0)


def test_unet_gives_a_class_for_each_pixel():
    """Of odd sizes too, if they are multiples of 8; it learns where bright pixels are."""
    with pytest.raises(
        ConfigError, match="unet: expected height and width that are multiples of 8"
    ):
        unet((60, 64, 3), 2)
    model = unet((16, 24, 1), 3, seed=0, augment=[RandomFlip("horizontal")])
    assert model.output_shape == (16, 24, 3)
    x = np.random.default_rng(0).integers(0, 256, (16, 16, 24, 1), dtype=np.uint8)
    y = np.digitize(x[..., 0], [85, 170])
    model = unet((16, 24, 1), 3, seed=0)
    model.compile(Adam(0.01), "sparse_categorical_crossentropy", ["accuracy"])
    history = model.fit(x, y, batch_size=8, epochs=6, verbose=0).history
    assert history["accuracy"][-1] > 0.6 > history["accuracy"][0]
