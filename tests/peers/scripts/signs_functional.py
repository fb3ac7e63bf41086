"""How many fingers are up, with the functional API, after the course's "Convolution model"."""

import keras
import numpy as np
from keras import layers as tfl


def load_data(filename="data.npz"):
    with np.load(filename) as data:
        return tuple(
            (
                data[f"x_{part}"][:72].astype("float32") / 255,
                keras.utils.to_categorical(data[f"y_{part}"][:72], 6),
            )
            for part in ("train", "test")
        )


def convolutional_model(input_shape):
    input_img = keras.Input(shape=input_shape)
    Z1 = tfl.Conv2D(filters=8, kernel_size=(4, 4), strides=(1, 1), padding="same")(input_img)
    A1 = tfl.ReLU()(Z1)
    P1 = tfl.MaxPool2D(pool_size=(8, 8), strides=(8, 8), padding="same")(A1)
    Z2 = tfl.Conv2D(filters=16, kernel_size=(2, 2), strides=(1, 1), padding="same")(P1)
    A2 = tfl.ReLU()(Z2)
    P2 = tfl.MaxPool2D(pool_size=(4, 4), strides=(4, 4), padding="same")(A2)
    F = tfl.Flatten()(P2)
    outputs = tfl.Dense(units=6, activation="softmax")(F)
    return keras.Model(inputs=input_img, outputs=outputs)


def build_model():
    conv_model = convolutional_model((64, 64, 3))
    conv_model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return conv_model


def train(model, x, y, epochs=3, **options):
    return model.fit(x, y, batch_size=16, epochs=epochs, validation_split=0.2, **options)


if __name__ == "__main__":
    keras.utils.set_random_seed(1)
    (X_train, Y_train), (X_test, Y_test) = load_data()
    print("number of training examples:", X_train.shape[0])
    print("X_train shape:", X_train.shape)
    model = build_model()
    model.summary()
    history = train(model, X_train, Y_train, verbose=2)
    loss, accuracy = model.evaluate(X_test, Y_test, verbose=0)
    print("Test Loss =", loss, "Test Accuracy =", accuracy)
    model.save("signs.keras")
    again = keras.models.load_model("signs.keras")
    print("Test accuracy of what was saved:", again.evaluate(X_test, Y_test, verbose=0)[1])
