"""A ResNet of identity and convolutional blocks, after the course's "Residual networks".

It has 26 layers, not 50, of an eighth of the course's filters.
"""

import keras
import numpy as np
from keras.initializers import glorot_uniform, random_uniform
from keras.layers import (
    Activation,
    Add,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Flatten,
    Input,
    MaxPooling2D,
    ZeroPadding2D,
)
from keras.models import Model


def load_data(filename="data.npz"):
    with np.load(filename) as data:
        return tuple(
            (
                data[f"x_{part}"][:48] / np.float32(255),
                np.eye(6, dtype="float32")[data[f"y_{part}"][:48]],
            )
            for part in ("train", "test")
        )


def identity_block(X, f, filters, initializer=random_uniform):
    F1, F2, F3 = filters
    X_shortcut = X
    X = Conv2D(F1, 1, strides=(1, 1), padding="valid", kernel_initializer=initializer(seed=0))(X)
    X = BatchNormalization(axis=3, momentum=0.5)(X)
    X = Activation("relu")(X)
    X = Conv2D(F2, f, strides=(1, 1), padding="same", kernel_initializer=initializer(seed=1))(X)
    X = BatchNormalization(axis=3, momentum=0.5)(X)
    X = Activation("relu")(X)
    X = Conv2D(F3, 1, strides=(1, 1), padding="valid", kernel_initializer=initializer(seed=2))(X)
    X = BatchNormalization(axis=3, momentum=0.5)(X)
    X = Add()([X, X_shortcut])
    return Activation("relu")(X)


def convolutional_block(X, f, filters, s=2, initializer=glorot_uniform):
    F1, F2, F3 = filters
    X_shortcut = X
    X = Conv2D(F1, 1, strides=(s, s), padding="valid", kernel_initializer=initializer(seed=0))(X)
    X = BatchNormalization(axis=3, momentum=0.5)(X)
    X = Activation("relu")(X)
    X = Conv2D(F2, f, strides=(1, 1), padding="same", kernel_initializer=initializer(seed=1))(X)
    X = BatchNormalization(axis=3, momentum=0.5)(X)
    X = Activation("relu")(X)
    X = Conv2D(F3, 1, strides=(1, 1), padding="valid", kernel_initializer=initializer(seed=2))(X)
    X = BatchNormalization(axis=3, momentum=0.5)(X)
    shortcut = Conv2D(F3, 1, strides=(s, s), kernel_initializer=initializer(seed=3))
    X_shortcut = shortcut(X_shortcut)
    X_shortcut = BatchNormalization(axis=3, momentum=0.5)(X_shortcut)
    X = Add()([X, X_shortcut])
    return Activation("relu")(X)


def ResNet26(input_shape=(64, 64, 3), classes=6):
    X_input = Input(input_shape)
    X = ZeroPadding2D((3, 3))(X_input)
    X = Conv2D(8, (7, 7), strides=(2, 2), kernel_initializer=glorot_uniform(seed=0))(X)
    X = BatchNormalization(axis=3, momentum=0.5)(X)
    X = Activation("relu")(X)
    X = MaxPooling2D((3, 3), strides=(2, 2))(X)
    for filters, s in ((8, 1), (16, 2), (32, 2), (64, 2)):
        three = [filters, filters, 4 * filters]
        X = convolutional_block(X, f=3, filters=three, s=s)
        X = identity_block(X, 3, three)
    X = AveragePooling2D((2, 2))(X)
    X = Flatten()(X)
    X = Dense(classes, activation="softmax", kernel_initializer=glorot_uniform(seed=0))(X)
    return Model(inputs=X_input, outputs=X, name="ResNet26")


def build_model(learning_rate=1e-3):
    model = ResNet26()
    optimizer = keras.optimizers.SGD(learning_rate=learning_rate, momentum=0.9)
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def train(model, x, y, epochs=2, **options):
    return model.fit(x, y, batch_size=16, epochs=epochs, **options)


if __name__ == "__main__":
    keras.utils.set_random_seed(26)
    (X_train, Y_train), (X_test, Y_test) = load_data()
    model = build_model()
    model.summary()
    history = train(model, X_train, Y_train, verbose=2)
    preds = model.evaluate(X_test, Y_test, verbose=0)
    print("Test Loss:", preds[0])
    print("Test Accuracy:", preds[1])
    model.save("resnet26.keras")
    again = keras.models.load_model("resnet26.keras")
    print("Test Accuracy of what was saved:", again.evaluate(X_test, Y_test, verbose=0)[1])
