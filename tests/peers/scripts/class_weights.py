"""Few of the one class and many of the other, after "Imbalanced classification"."""

import keras
import numpy as np
from keras import initializers, layers, regularizers


def load_data(filename="data.npz"):
    """Is it a fist? One picture in six is."""
    with np.load(filename) as data:
        return tuple(
            (
                data[f"x_{part}"][:, 2::4, 2::4].astype("float32"),
                (data[f"y_{part}"] == 0).astype("uint8")[:, np.newaxis],
            )
            for part in ("train", "test")
        )


def class_weight_of(targets):
    counts = np.bincount(targets[:, 0])
    print(f"{counts[1]} positive samples, {100 * counts[1] / len(targets):.2f}% of the total")
    return {0: 1.0 / counts[0] * len(targets) / 2, 1: 1.0 / counts[1] * len(targets) / 2}


def build_model(rate=0.3):
    model = keras.Sequential(
        [
            layers.Input(shape=(16, 16, 3)),
            layers.Rescaling(scale=1 / 127.5, offset=-1),
            layers.ZeroPadding2D(padding=1),
            layers.Conv2D(
                16,
                3,
                kernel_initializer=initializers.HeNormal(seed=1),
                kernel_regularizer=regularizers.l2(1e-4),
            ),
            layers.ReLU(),
            layers.AveragePooling2D(pool_size=2),
            layers.Flatten(),
            layers.Dense(
                32,
                activation="relu",
                kernel_initializer="he_uniform",
                bias_initializer=initializers.Constant(0.1),
                kernel_regularizer=regularizers.L1L2(l1=1e-6, l2=1e-4),
            ),
            layers.Dropout(rate),
            layers.Dense(1, activation="sigmoid", name="predictions"),
        ]
    )
    metrics = [
        "accuracy",
        keras.metrics.Precision(name="precision"),
        keras.metrics.Recall(name="recall"),
        keras.metrics.AUC(name="auc"),
    ]
    optimizer = keras.optimizers.Adam(1e-2, clipnorm=1.0)
    model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=metrics)
    return model


def train(model, x, y, epochs=4, **options):
    return model.fit(
        x,
        y,
        batch_size=24,
        epochs=epochs,
        validation_split=0.2,
        class_weight=class_weight_of(y),
        **options,
    )


if __name__ == "__main__":
    keras.utils.set_random_seed(7)
    (x_train, y_train), (x_test, y_test) = load_data()
    x_train -= np.mean(x_train, axis=0)
    model = build_model()
    model.summary()
    history = train(model, x_train, y_train, verbose=2)
    results = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
    for name, value in results.items():
        print(f"{name}: {value:.4f}")
    last = model.get_layer("predictions")
    kernel, bias = last.get_weights()
    print("The last layer has", kernel.shape, bias.shape, "of", model.count_params(), "weights")
