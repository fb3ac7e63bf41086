"""Which pixels are of the hand: a U-Net, after the course's "Image segmentation with U-Net"."""

import keras
import numpy as np
from keras.layers import (
    Conv2D,
    Conv2DTranspose,
    Dropout,
    Input,
    MaxPooling2D,
    concatenate,
)


def load_data(filename="data.npz"):
    """Pictures, and masks of (height, width, 1): a hand is redder than what is behind it."""
    with np.load(filename) as data:
        parts = []
        for part in ("train", "test"):
            x = data[f"x_{part}"][:48, ::2, ::2].astype("float32")
            mask = x[..., 0] - x[..., 2] > np.median(x[..., 0] - x[..., 2])
            parts.append((x / 255, mask[..., np.newaxis].astype("uint8")))
        return tuple(parts)


def conv_block(inputs=None, n_filters=32, dropout_prob=0, max_pooling=True):
    conv = Conv2D(n_filters, 3, activation="relu", padding="same", kernel_initializer="he_normal")(
        inputs
    )
    conv = Conv2D(n_filters, 3, activation="relu", padding="same", kernel_initializer="he_normal")(
        conv
    )
    if dropout_prob > 0:
        conv = Dropout(dropout_prob)(conv)
    next_layer = MaxPooling2D(pool_size=(2, 2))(conv) if max_pooling else conv
    skip_connection = conv
    return next_layer, skip_connection


def upsampling_block(expansive_input, contractive_input, n_filters=32):
    up = Conv2DTranspose(n_filters, 3, strides=2, padding="same")(expansive_input)
    merge = concatenate([up, contractive_input], axis=3)
    conv = Conv2D(n_filters, 3, activation="relu", padding="same", kernel_initializer="he_normal")(
        merge
    )
    conv = Conv2D(n_filters, 3, activation="relu", padding="same", kernel_initializer="he_normal")(
        conv
    )
    return conv


def unet_model(input_size=(32, 32, 3), n_filters=4, n_classes=2, rate=0.3):
    inputs = Input(input_size)
    cblock1 = conv_block(inputs, n_filters)
    cblock2 = conv_block(cblock1[0], n_filters * 2)
    cblock3 = conv_block(cblock2[0], n_filters * 4)
    cblock4 = conv_block(cblock3[0], n_filters * 8, dropout_prob=rate)
    cblock5 = conv_block(cblock4[0], n_filters * 16, dropout_prob=rate, max_pooling=False)
    ublock6 = upsampling_block(cblock5[0], cblock4[1], n_filters * 8)
    ublock7 = upsampling_block(ublock6, cblock3[1], n_filters * 4)
    ublock8 = upsampling_block(ublock7, cblock2[1], n_filters * 2)
    ublock9 = upsampling_block(ublock8, cblock1[1], n_filters)
    conv9 = Conv2D(n_filters, 3, activation="relu", padding="same", kernel_initializer="he_normal")(
        ublock9
    )
    conv10 = Conv2D(n_classes, 1, padding="same")(conv9)
    return keras.Model(inputs=inputs, outputs=conv10)


def build_model(rate=0.3):
    unet = unet_model(rate=rate)
    unet.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return unet


def train(model, x, y, epochs=3, **options):
    return model.fit(x, y, batch_size=16, epochs=epochs, **options)


if __name__ == "__main__":
    keras.utils.set_random_seed(3)
    (x_train, y_train), (x_test, y_test) = load_data()
    model = build_model()
    model.summary()
    history = train(model, x_train, y_train, verbose=2)
    print("Test loss and accuracy:", *model.evaluate(x_test, y_test, verbose=0))
    pred_mask = np.argmax(model.predict(x_test, verbose=0), axis=-1)
    print("Test masks:", pred_mask.shape)
    model.save("unet.keras")
    again = keras.models.load_model("unet.keras")
    print("Test accuracy of what was saved:", again.evaluate(x_test, y_test, verbose=0)[1])
