"""How many fingers, and is the hand a fist: a loss, its weight and metrics for each, by name."""

import keras
import numpy as np
from keras import layers


def load_data(filename="data.npz"):
    with np.load(filename) as data:
        parts = []
        for part, n in (("train", 96), ("test", 32)):
            x, y = data[f"x_{part}"][:n, ::2, ::2], data[f"y_{part}"][:n]
            fist = (y[:, np.newaxis] == 0).astype("float32")
            parts.append((x, {"fingers": y, "fist": fist}))
        return tuple(parts)


def build_model(rate=0.2):
    image = keras.Input(shape=(32, 32, 3), name="image")
    x = layers.Rescaling(1.0 / 255)(image)
    x = layers.Conv2D(16, 3, strides=2, activation="relu")(x)
    x = layers.Conv2D(16, 3, strides=2, activation="relu")(x)
    features = layers.Flatten()(x)
    features = layers.Dropout(rate)(features)
    fingers = layers.Dense(6, activation="softmax", name="fingers")(features)
    fist = layers.Dense(8, activation="relu")(features)
    fist = layers.Dense(1, activation="sigmoid", name="fist")(layers.concatenate([fist, fingers]))
    model = keras.Model(inputs=image, outputs=[fingers, fist], name="two_outputs")
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss={"fingers": "sparse_categorical_crossentropy", "fist": "binary_crossentropy"},
        loss_weights={"fingers": 1.0, "fist": 0.5},
        metrics={"fingers": ["accuracy"], "fist": ["accuracy", keras.metrics.Recall(name="found")]},
    )
    return model


def train(model, x, y, epochs=3, **options):
    cut = len(x) * 3 // 4
    start, rest = ({name: part[s] for name, part in y.items()} for s in (np.s_[:cut], np.s_[cut:]))
    return model.fit(
        x[:cut], start, batch_size=12, epochs=epochs, validation_data=(x[cut:], rest), **options
    )


if __name__ == "__main__":
    keras.utils.set_random_seed(5)
    (x_train, y_train), (x_test, y_test) = load_data()
    model = build_model()
    model.summary()
    history = train(model, x_train, y_train, verbose=2)
    scores = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
    for name in sorted(scores):
        print(f"Test {name}:", scores[name])
    fingers, fist = model.predict(x_test[:4], verbose=0)
    print("Test predictions:", fingers.shape, fist.shape)
    model.save("two_outputs.keras")
    again = keras.models.load_model("two_outputs.keras")
    print("Test loss of what was saved:", again.evaluate(x_test, y_test, verbose=0)[0])
