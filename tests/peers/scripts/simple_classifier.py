"""A simple convnet, after keras.io/examples/vision/mnist_convnet."""

import keras
import numpy as np
from keras import layers

num_classes = 6
input_shape = (32, 32, 3)


def load_data(filename="data.npz"):
    with np.load(filename) as data:
        (x_train, y_train), (x_test, y_test) = (
            (data[f"x_{part}"], data[f"y_{part}"]) for part in ("train", "test")
        )
    # Every second pixel, scaled to the [0, 1] range; class vectors as binary class matrices.
    x_train = x_train[:, ::2, ::2].astype("float32") / 255
    x_test = x_test[:, ::2, ::2].astype("float32") / 255
    y_train = keras.utils.to_categorical(y_train, num_classes)
    y_test = keras.utils.to_categorical(y_test, num_classes)
    return (x_train, y_train), (x_test, y_test)


def build_model(rate=0.5):
    model = keras.Sequential(
        [
            keras.Input(shape=input_shape),
            layers.Conv2D(16, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dropout(rate),
            layers.Dense(num_classes, activation="softmax"),
        ],
        name="simple_convnet",
    )
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def train(model, x, y, epochs=4, **options):
    return model.fit(x, y, batch_size=24, epochs=epochs, validation_split=0.1, **options)


if __name__ == "__main__":
    keras.utils.set_random_seed(812)
    (x_train, y_train), (x_test, y_test) = load_data()
    print("x_train shape:", x_train.shape)
    print(x_train.shape[0], "train samples")
    model = build_model()
    model.summary()
    history = train(model, x_train, y_train, verbose=2)
    score = model.evaluate(x_test, y_test, verbose=0)
    print("Test loss:", score[0])
    print("Test accuracy:", score[1])
    print("Best epoch:", int(np.argmin(history.history["val_loss"])) + 1)
    model.save("simple_classifier.keras")
    again = keras.models.load_model("simple_classifier.keras")
    predictions = again.predict(x_test[:4], verbose=0)
    print("Predicted:", predictions.argmax(axis=-1), "for", y_test[:4].argmax(axis=-1))
