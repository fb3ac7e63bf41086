"""Networks of scripts that have channels first, written once for Keras and for minicnn.

Run as a program with the path of an .npz file, it writes what Keras makes of them: weights, outputs
and losses. That needs a backend of Keras' with convolutions of this order on any processor, which
TensorFlow is not.
"""

import sys

import numpy as np

SHAPE = (3, 12, 16)
SAMPLES = 8


def row(keras):
    """A small VGG, as scripts for CIFAR have it."""
    tools = keras.layers
    layers = [
        tools.Conv2D(4, (3, 3), padding="same", input_shape=SHAPE),
        tools.Activation("relu"),
        tools.BatchNormalization(axis=1),
        tools.Conv2D(4, (3, 2), strides=(2, 1), activation="relu", data_format="channels_first"),
        tools.MaxPooling2D((2, 3), padding="same"),
        tools.ZeroPadding2D(((1, 0), (2, 1))),
        tools.AveragePooling2D(2),
        tools.Flatten(),
        tools.Dense(6, activation="elu"),
        tools.BatchNormalization(),
        tools.Dense(3, activation="softmax"),
    ]
    return keras.Sequential(layers)


def branches(keras):
    """Branches that are concatenated along axis 1, and every kind of convolution."""
    tools = keras.layers
    x = image = keras.Input(SHAPE)
    a = tools.SeparableConv2D(4, 3, padding="same", depth_multiplier=2, activation="relu")(x)
    b = tools.DepthwiseConv2D((3, 5), padding="same")(x)
    x = keras.layers.concatenate([a, b, image], axis=1)
    x = tools.BatchNormalization(axis=-3)(x)
    x = tools.PReLU(shared_axes=[2, 3])(x)
    x = tools.Conv2DTranspose(5, 3, strides=2, padding="same")(x)
    x = tools.Cropping2D(((1, 2), (3, 0)))(x)
    x = tools.BatchNormalization()(x)
    x = tools.Softmax(axis=1)(x)
    y = tools.GlobalAveragePooling2D()(x)
    z = tools.GlobalMaxPooling2D()(x)
    return keras.Model(image, tools.Dense(3, activation="softmax")(tools.Add()([y, z])))


def unet(keras):
    """A U-Net whose outputs are images."""
    tools = keras.layers
    image = keras.Input(SHAPE)
    a = tools.Conv2D(4, 3, padding="same", activation="relu")(image)
    x = tools.MaxPooling2D()(a)
    x = tools.Conv2D(6, 3, padding="same", activation="relu")(x)
    x = tools.GroupNormalization(3, axis=1)(x)
    x = tools.UpSampling2D((2, 2))(x)
    x = tools.concatenate([x, a], axis=1)
    x = tools.SpatialDropout2D(0.0)(x)
    return keras.Model(image, tools.Conv2D(2, 1, activation="sigmoid")(x))


def attention(keras):
    """Channels weighted by a reshape to (C, 1, 1), and pixels laid out by reshapes."""
    tools = keras.layers
    image = keras.Input(SHAPE)
    x = tools.Conv2D(4, 3, padding="same")(image)
    s = tools.GlobalAveragePooling2D()(x)
    s = tools.Dense(4, activation="sigmoid")(s)
    x = tools.multiply([x, tools.Reshape((4, 1, 1))(s)])
    x = tools.Reshape((2, 8, -1))(x)
    x = tools.Reshape((4, -1))(x)
    return keras.Model(image, tools.Dense(3, activation="softmax")(tools.Flatten()(x)))


def generator(keras):
    """Images out of numbers."""
    tools = keras.layers
    layers = [
        tools.Dense(4 * 3 * 5, input_shape=(7,)),
        tools.Reshape((4, 3, 5)),
        tools.UpSampling2D(),
        tools.Conv2D(2, 3, padding="same", activation="tanh"),
    ]
    return keras.Sequential(layers)


NETWORKS = (row, branches, unet, attention, generator)


def data(network):
    """Inputs and labels."""
    rng = np.random.default_rng(len(network.__name__))
    x = rng.random((SAMPLES, *(SHAPE if network is not generator else (7,))), np.float32)
    if network is unet:
        return x, (rng.random((SAMPLES, 2, *SHAPE[1:])) > 0.5).astype(np.float32)
    if network is generator:
        return x, rng.random((SAMPLES, 2, 6, 10), np.float32)
    return x, np.eye(3, dtype=np.float32)[np.arange(SAMPLES) % 3]


def loss(network):
    """The loss that it is trained with."""
    return {unet: "binary_crossentropy", generator: "mse"}.get(network, "categorical_crossentropy")


def results(keras, network, weights=None):
    """(weights before, outputs, losses of two epochs, outputs after them)."""
    model = network(keras)
    x, y = data(network)
    if weights is None:
        rng = np.random.default_rng(3)
        weights = [w + 0.1 * rng.random(w.shape, np.float32) for w in model.get_weights()]
    model.set_weights(weights)
    model.compile(optimizer="sgd", loss=loss(network))
    before = model.predict(x, verbose=0)
    run = model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    return weights, before, np.array(run.history["loss"]), model.predict(x, verbose=0)


if __name__ == "__main__":
    import keras

    keras.config.set_image_data_format("channels_first")
    found = {}
    for one in NETWORKS:
        made, *others = results(keras, one)
        found |= {f"{one.__name__}.weight{i}": w for i, w in enumerate(made)}
        found |= {f"{one.__name__}.{i}": array for i, array in enumerate(others)}
    np.savez(sys.argv[1], **found)
