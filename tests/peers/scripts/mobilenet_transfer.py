"""A MobileNetV2 without its top, frozen under a new head, then fine-tuned: "Transfer learning".

After the course's notebook; of the network, in a file that Keras wrote, it takes the first half.
"""

import keras
import numpy as np
from keras import layers as tfl

IMG_SIZE = (32, 32)


def load_data(filename="data.npz"):
    """Is it a fist? Half of the pictures here are."""
    with np.load(filename) as data:
        parts = []
        for part in ("train", "test"):
            x, y = data[f"x_{part}"][:, ::2, ::2], data[f"y_{part}"]
            chosen = np.r_[np.flatnonzero(y == 0)[:30], np.flatnonzero(y)[:30]]
            chosen = np.random.default_rng(0).permutation(chosen)
            parts.append((x[chosen].astype("float32"), (y[chosen] == 0).astype("float32")))
        return tuple(parts)


def data_augmenter():
    data_augmentation = keras.Sequential()
    data_augmentation.add(tfl.RandomFlip("horizontal"))
    data_augmentation.add(tfl.RandomRotation(0.2))
    return data_augmentation


def alpaca_model(image_shape=IMG_SIZE, augment=True, rate=0.2):
    whole = keras.models.load_model("mobilenet_v2.keras")
    base_model = keras.Model(
        whole.input, whole.get_layer("block_6_expand_relu").output, name="base"
    )
    base_model.trainable = False
    inputs = keras.Input(shape=(*image_shape, 3))
    x = data_augmenter()(inputs) if augment else inputs
    x = tfl.Rescaling(1 / 127.5, offset=-1)(x)
    x = base_model(x, training=False)
    x = tfl.GlobalAveragePooling2D()(x)
    x = tfl.Dropout(rate)(x)
    outputs = tfl.Dense(1)(x)
    return keras.Model(inputs, outputs)


def compile_model(model, learning_rate):
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=learning_rate),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )


def build_model(augment=True, rate=0.2):
    model = alpaca_model(IMG_SIZE, augment, rate)
    compile_model(model, 1e-3)
    return model


def train(model, x, y, epochs=2, fine_tune_at=40, **options):
    history = model.fit(x, y, batch_size=20, epochs=epochs, validation_split=0.2, **options)
    base_model = model.get_layer("base")
    base_model.trainable = True
    for layer in base_model.layers[:fine_tune_at]:
        layer.trainable = False
    for layer in base_model.layers[fine_tune_at:]:
        if isinstance(layer, tfl.BatchNormalization):
            layer.trainable = False
    compile_model(model, 1e-4)
    history_fine = model.fit(
        x,
        y,
        batch_size=20,
        epochs=2 * epochs,
        initial_epoch=history.epoch[-1],
        validation_split=0.2,
        **options,
    )
    for name, values in history_fine.history.items():
        history.history[name] += values
    return history


if __name__ == "__main__":
    keras.utils.set_random_seed(2)
    (x_train, y_train), (x_test, y_test) = load_data()
    model = build_model()
    model.summary()
    print("Weights that are trained at first:", len(model.trainable_weights))
    history = train(model, x_train, y_train, verbose=2)
    print("Weights that are trained in the end:", len(model.trainable_weights))
    print("Number of layers in the base model:", len(model.get_layer("base").layers))
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print("Test accuracy:", accuracy)
    model.save("alpaca.keras")
    again = keras.models.load_model("alpaca.keras")
    print("Test accuracy of what was saved:", again.evaluate(x_test, y_test, verbose=0)[1])
