"""Do two pictures show the same number of fingers? One network looks at both."""

import keras
import numpy as np
from keras import layers


def load_data(filename="data.npz"):
    with np.load(filename) as data:
        return tuple(
            make_pairs(data[f"x_{part}"][:96, ::2, ::2] / np.float32(255), data[f"y_{part}"][:96])
            for part in ("train", "test")
        )


def make_pairs(x, y):
    """Each picture with the next; every second time with the next of its class."""
    others = np.roll(np.arange(len(x)), -1)
    for i in range(0, len(x), 2):
        same = np.flatnonzero(y == y[i])
        others[i] = same[(np.searchsorted(same, i) + 1) % len(same)]
    return [x, x[others]], (y == y[others]).astype("float32")


def embedding_network(input_shape):
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(8, 5, strides=2, activation="tanh")(inputs)
    x = layers.AveragePooling2D(2)(x)
    x = layers.Conv2D(16, 3, activation="tanh")(x)
    x = layers.AveragePooling2D(2)(x)
    x = layers.Flatten()(x)
    return keras.Model(inputs, layers.Dense(10, activation="tanh")(x), name="embedding")


def build_model():
    embedding = embedding_network((32, 32, 3))
    left = keras.Input((32, 32, 3), name="left")
    right = keras.Input((32, 32, 3), name="right")
    one, other = embedding(left), embedding(right)
    difference = layers.Subtract()([one, other])
    distance = layers.Multiply()([difference, difference])
    likeness = layers.Dot(axes=1, normalize=True)([one, other])
    merged = layers.Concatenate()([distance, likeness])
    merged = layers.BatchNormalization(momentum=0.5)(merged)
    outputs = layers.Dense(1, activation="sigmoid")(merged)
    model = keras.Model(inputs=[left, right], outputs=outputs, name="siamese")
    model.compile(
        optimizer=keras.optimizers.RMSprop(1e-3),
        loss="binary_crossentropy",
        metrics=["accuracy", keras.metrics.AUC(name="auc")],
    )
    return model


def train(model, x, y, epochs=3, **options):
    return model.fit(x, y, batch_size=16, epochs=epochs, **options)


if __name__ == "__main__":
    keras.utils.set_random_seed(4)
    (pairs_train, labels_train), (pairs_test, labels_test) = load_data()
    print("Pairs that are alike:", int(labels_train.sum()), "of", len(labels_train))
    model = build_model()
    model.summary()
    history = train(model, pairs_train, labels_train, verbose=2)
    results = model.evaluate(pairs_test, labels_test, verbose=0)
    print("Test loss, Test Accuracy:", results[0], results[1])
    model.save("siamese.keras")
    again = keras.models.load_model("siamese.keras")
    one = again.get_layer("embedding").predict(pairs_test[0][:4], verbose=0)
    print("Test embeddings:", one.shape)
