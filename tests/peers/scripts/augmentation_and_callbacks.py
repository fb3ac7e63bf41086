"""Augmentation in the model, and callbacks, after "Image classification from scratch"."""

import os

import keras
import numpy as np
from keras import layers

image_size = (32, 32)
batch_size = 24


def load_data(filename="data.npz"):
    with np.load(filename) as data:
        return tuple(
            (data[f"x_{part}"][:, ::2, ::2].astype("float32"), data[f"y_{part}"])
            for part in ("train", "test")
        )


def data_augmentation(factor):
    return [
        layers.RandomFlip("vertical"),
        layers.RandomRotation(factor, fill_mode="nearest"),
        layers.RandomTranslation(factor, factor),
        layers.RandomZoom(factor),
        layers.RandomContrast(factor),
        layers.RandomBrightness(factor, value_range=(0, 255)),
    ]


def build_model(factor=0.05, rate=0.25):
    model = keras.Sequential()
    model.add(keras.Input(shape=(*image_size, 3)))
    for layer in data_augmentation(factor) if factor else []:
        model.add(layer)
    model.add(layers.Rescaling(1.0 / 255))
    for filters in [16, 32]:
        model.add(layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False))
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.LeakyReLU(negative_slope=0.1))
        model.add(layers.SpatialDropout2D(rate))
    model.add(layers.SeparableConv2D(32, 3, padding="same", activation="relu"))
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(6))
    model.compile(
        optimizer=keras.optimizers.Adam(3e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="acc")],
    )
    return model


def train(model, x, y, epochs=4, **options):
    callbacks = [
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=6, restore_best_weights=True),
        keras.callbacks.ModelCheckpoint("best_{epoch:02d}.keras", save_best_only=True),
        keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1, min_delta=0.01),
        keras.callbacks.CSVLogger("training.csv"),
        keras.callbacks.TerminateOnNaN(),
    ]
    cut = len(x) * 4 // 5
    return model.fit(
        x[:cut],
        y[:cut],
        epochs=epochs,
        batch_size=batch_size,
        callbacks=callbacks,
        validation_data=(x[cut:], y[cut:]),
        **options,
    )


if __name__ == "__main__":
    keras.utils.set_random_seed(1337)
    (x_train, y_train), (x_test, y_test) = load_data()
    model = build_model()
    model.summary()
    history = train(model, x_train, y_train, verbose=0)
    checkpoints = sorted(name for name in os.listdir() if name.startswith("best_"))
    model = keras.models.load_model(checkpoints[-1])
    loss, acc = model.evaluate(x_test, y_test, verbose=0)
    print(f"{checkpoints[-1]}: test loss {loss:.3f}, test accuracy {acc:.3f}")
