"""BatchNorm folded into the convolution before it, outside training."""

import numpy as np
import pytest

from minicnn import (
    BatchNorm,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    Input,
    MaxPool,
    ReLU,
    Rescaling,
    Residual,
    Sequential,
)


class OwnNorm(BatchNorm):
    """Someone's own, with another forward pass."""

    def forward(self, x, *, training=False, rng=None):
        return super().forward(2 * x, training=training, rng=rng)


def network(**options):
    """Folded are all but the second: its convolution ends in a ReLU."""
    layers = [Input((12, 11, 3)), Rescaling(1 / 255)]
    layers += [Conv2D(4, 3, use_bias=False), BatchNorm(epsilon=1e-5), ReLU(), MaxPool(2)]
    layers += [Conv2D(5, 3, activation="relu"), BatchNorm(scale=False)]
    layers += [DepthwiseConv2D(2, padding="same", depth_multiplier=2), BatchNorm(), ReLU(6)]
    layers += [Residual([Conv2D(10, 1, groups=2), BatchNorm(center=False)]), ReLU()]
    layers += [Conv2D(6, 2, dilation_rate=2, padding="same"), BatchNorm(axis=3)]
    model = Sequential([*layers, Flatten(), Dense(3, activation="softmax")], seed=0, **options)
    rng = np.random.default_rng(0)
    for array in model.arrays().values():
        array[...] = rng.uniform(0.2, 1, array.shape) * rng.choice([-1, 1], array.shape)
    for name, array in model.arrays().items():
        if name.endswith("variance"):
            np.abs(array, out=array)
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    return model


def kinds(graph):
    return [type(getattr(node.layer, "conv", node.layer)).__name__ for node in graph.nodes]


@pytest.mark.parametrize("kernels", ["vectorized", "compiled"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_a_model_predicts_the_same_folded(kernels, dtype, tolerance):
    """Outputs and evaluation of bytes and of numbers, against the layers one by one."""
    model = network(kernels=kernels, dtype=dtype)
    assert [name for name in kinds(model.folded()[0]) if "Norm" in name] == (
        ["BatchNorm" if kernels == "vectorized" else "FusedNorm"]
    )
    plain = network(kernels="vectorized", dtype=dtype, fuse=False)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (9, 12, 11, 3), np.uint8), rng.integers(0, 3, 9)
    for images in (x, x.astype(dtype)):
        np.testing.assert_allclose(model.predict(images), plain.predict(images), atol=tolerance)
        np.testing.assert_allclose(model.evaluate(images, y), plain.evaluate(images, y), rtol=1e-4)


def test_validation_sees_what_was_learned():
    """Between the epochs of a run the folded arrays follow the parameters."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (24, 12, 11, 3), np.uint8), rng.integers(0, 3, 24)
    histories = [
        network(kernels="vectorized", dtype="float64", fuse=fuse)
        .fit(x, y, epochs=3, batch_size=8, validation_data=(x, y), verbose=0)
        .history
        for fuse in (True, False)
    ]
    for name in histories[0]:
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e-9)


def test_what_another_layer_reads_is_not_folded():
    """A convolution with two readers, loops, other activations and other passes stay apart."""

    def folded(*layers, kernels="vectorized"):
        return len(Sequential([Input((9, 9, 2)), *layers], kernels=kernels).folded()[1])

    assert folded(Conv2D(2, 1), BatchNorm()) == 1
    assert folded(Conv2D(2, 1), BatchNorm(), kernels="reference") == 0
    assert folded(Conv2D(2, 1), Residual([BatchNorm()])) == 0
    assert folded(Conv2D(2, 1, activation="tanh"), BatchNorm()) == 0
    assert folded(Conv2D(2, 1), BatchNorm(axis=1)) == 0
    assert folded(Conv2D(2, 1), OwnNorm()) == 0
    assert folded(BatchNorm()) == 0
