"""A small ResNet on images of 64x64, as a Sequential of residual blocks."""

import keras
import numpy as np
from keras import layers
from keras.optimizers import SGD
from keras.optimizers.schedules import PiecewiseConstantDecay
from keras.regularizers import l2
from residual_for_keras import Residual


def load_data(filename="data.npz"):
    with np.load(filename) as data:
        return tuple((data[f"x_{part}"], data[f"y_{part}"]) for part in ("train", "test"))


def conv(filters, kernel_size, strides=1):
    return layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=l2(1 / 8192),
    )


def block(filters, strides=1):
    main = [
        conv(filters, 3, strides),
        layers.BatchNormalization(),
        layers.ReLU(),
        conv(filters, 3),
        layers.BatchNormalization(),
    ]
    shortcut = [conv(filters, 1, strides), layers.BatchNormalization()] if strides > 1 else None
    return [Residual(main, shortcut), layers.Activation("relu")]


def build_model():
    stem = [conv(8, 3, strides=2), layers.BatchNormalization(), layers.Activation("relu")]
    model = keras.Sequential(
        [
            keras.Input(shape=(64, 64, 3)),
            layers.Rescaling(1 / 255),
            *stem,
            *block(8),
            *block(16, strides=2),
            *block(32, strides=2),
            layers.GlobalAveragePooling2D(),
            layers.Dense(6, activation="softmax"),
        ]
    )
    rate = PiecewiseConstantDecay(boundaries=[20, 35], values=[1 / 64, 1 / 128, 1 / 512])
    model.compile(
        optimizer=SGD(learning_rate=rate, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def train(model, x, y, epochs=5, **options):
    return model.fit(x, y, batch_size=24, epochs=epochs, validation_split=0.1, **options)


if __name__ == "__main__":
    keras.utils.set_random_seed(64)
    (x_train, y_train), (x_test, y_test) = load_data()
    model = build_model()
    model.summary()
    history = train(model, x_train, y_train, epochs=2)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"Test accuracy: {accuracy:.3f}")
    model.save("resnet.keras")
    again = keras.saving.load_model("resnet.keras")
    np.testing.assert_allclose(
        model.predict(x_test, verbose=0), again.predict(x_test, verbose=0), rtol=1e-5
    )
