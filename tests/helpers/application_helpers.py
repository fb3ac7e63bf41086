"""Keras' applications with weights at random, and images that tell their outputs apart."""

import numpy as np

SMALLEST = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}
"""The least height and width that a network takes; of the others it is 32."""
CLASSES = 5


def network(keras, name):
    """One of the networks, with weights and statistics drawn at random and nothing left out."""
    size = SMALLEST.get(name, 32)
    make = getattr(keras.applications, name)
    model = make(weights=None, input_shape=(size, size, 3), classes=CLASSES)
    for layer in layers_of(model):
        if hasattr(layer, "rate"):
            layer.rate = 0.0
    draw_weights(model, images(model, count=16, seed=1))
    return model


def layers_of(model):
    """All layers, those of the models within the model among them."""
    for layer in model.layers:
        yield from layers_of(layer) if hasattr(layer, "layers") else [layer]


def images(model, count=8, seed=0):
    """Sixteen patches of a colour in each, and noise, in the range that the model expects."""
    rng = np.random.default_rng(seed)
    height, width, channels = model.input_shape[1:]
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    patches = rng.uniform(0, 255, (count, 4, 4, channels))[:, rows][:, :, columns]
    x = np.clip(patches + rng.normal(0, 20, patches.shape), 0, 255)
    scales_itself = any(type(n).__name__ in ("Rescaling", "Normalization") for n in model.layers)
    return (x if scales_itself else x / 127.5 - 1).astype(np.float32)


def draw_weights(model, x, seed=0):
    """Kernels such that values keep their size, and statistics near those of the images."""
    rng = np.random.default_rng(seed)
    moving = []
    for layer in layers_of(model):
        for variable in layer.weights:
            shape, name = variable.shape, variable.name
            if name.endswith("kernel"):  # of a depthwise one, every channel is its own filter
                inputs = np.prod(shape[:2] if name == "depthwise_kernel" else shape[:-1])
                value = rng.normal(0, np.sqrt(2 / inputs), shape)
            elif name in ("gamma", "variable"):  # the latter is ConvNeXt's LayerScale
                value = rng.uniform(0.8, 1.2, shape) * (1 if name == "gamma" else 0.3)
            elif name == "mean":  # of Normalization, as is the variance
                value = rng.uniform(0.4, 0.5, shape)
            elif name == "variance":
                value = rng.uniform(0.05, 0.07, shape)
            elif name in ("bias", "beta"):
                value = rng.normal(0, 0.1, shape)
            else:
                continue
            variable.assign(value)
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
        if hasattr(layer, "moving_mean"):
            moving.append((layer, layer.momentum))
            layer.momentum = 0.0
    model(x, training=True)  # which leaves in every moving mean and variance those of x
    for layer, momentum in moving:
        layer.momentum = momentum
        mean, variance = np.array(layer.moving_mean), np.array(layer.moving_variance)
        layer.moving_mean.assign(mean + rng.normal(0, 0.1, mean.shape) * np.sqrt(variance))
        # Where a channel hardly varies, dividing by so little would only show rounding.
        floor = 0.1 * variance.mean() + 1e-3
        layer.moving_variance.assign(variance * rng.uniform(0.8, 1.25, variance.shape) + floor)
    spread_classes(model, x)


def spread_classes(model, x):
    """Scale and shift what the last weights make of x, so that every class varies by about 1."""
    import keras

    last = [layer for layer in model.layers if hasattr(layer, "kernel")][-1]
    activation, last.activation = last.activation, None
    z = np.asarray(keras.Model(model.inputs, last.output)(x, training=False))
    last.activation = activation
    z = z.reshape(len(x), CLASSES)
    last.kernel.assign(np.asarray(last.kernel) / z.std(axis=0))
    last.bias.assign((np.asarray(last.bias) - z.mean(axis=0)) / z.std(axis=0))


def check_outputs(y, expected, tolerance=1e-4):
    """Within so much of the largest output."""
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def check_images_matter(y):
    """The outputs are of each image: for every class they differ far more than is tolerated."""
    assert np.isfinite(y).all()
    assert np.ptp(y, axis=0).min() > 0.01 * np.abs(y).max()
    for i in range(1, len(y)):
        assert np.abs(y[:i] - y[i]).max(axis=1).min() > 0.01 * np.abs(y).max()
