import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

(x_train, y_train), (x_test, y_test) = keras.datasets.cifar10.load_data()
x_train, x_test = x_train.astype("float32") / 255.0, x_test.astype("float32") / 255.0


class ConvBN(layers.Layer):
    def __init__(self, filters, strides=1, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.strides = strides
        self.bn = layers.BatchNormalization()

    def build(self, input_shape):
        print("input channels:", input_shape[-1])
        self.conv = layers.Conv2D(
            self.filters, 3, strides=self.strides, padding="same", use_bias=False
        )
        super().build(input_shape)

    def call(self, inputs, training=None):
        return self.bn(self.conv(inputs), training=training)

    def get_config(self):
        config = super().get_config()
        config.update({"filters": self.filters, "strides": self.strides})
        return config


class ResidualBlock(layers.Layer):
    def __init__(self, filters, strides=1, activation="relu"):
        super(ResidualBlock, self).__init__()
        self.activation = keras.activations.get(activation)
        self.main_layers = [ConvBN(filters, strides), ConvBN(filters)]
        self.skip_layers = []
        if strides > 1:
            self.skip_layers = [layers.Conv2D(filters, 1, strides=strides)]

    def call(self, inputs, training=None):
        z = self.activation(self.main_layers[0](inputs, training=training))
        z = self.main_layers[1](z, training=training)
        skip_z = inputs
        for layer in self.skip_layers:
            skip_z = layer(skip_z)
        return tf.nn.relu(z + skip_z)


class SmallResNet(keras.Model):
    def __init__(self, num_classes=10, **kwargs):
        super().__init__(**kwargs)
        self.classifier = layers.Dense(num_classes, activation="softmax")
        self.stem = keras.Sequential([layers.Conv2D(8, 3, padding="same"), layers.ReLU()])
        self.blocks = [ResidualBlock(8), ResidualBlock(16, strides=2)]
        self.dropout = layers.Dropout(0.2)
        self.pool = layers.GlobalAveragePooling2D()

    def call(self, inputs, training=False):
        x = self.stem(inputs)
        for block in self.blocks:
            x = block(x, training=training)
        x = self.pool(x)
        if training:
            x = self.dropout(x, training=training)
        return self.classifier(x)


model = SmallResNet(name="small_resnet")
model.compile(
    optimizer=keras.optimizers.SGD(0.05, momentum=0.9),
    loss=keras.losses.SparseCategoricalCrossentropy(),
    metrics=["accuracy"],
)
model.fit(x_train, y_train, batch_size=16, epochs=2, validation_data=(x_test, y_test))
model.summary()
print("layers:", [layer.name for layer in model.layers])
print("on a batch:", model(x_test[:3], training=False).numpy().shape)
model.save_weights("small_resnet.weights.h5")
again = SmallResNet()
again.build((None, 32, 32, 3))
again.load_weights("small_resnet.weights.h5")
print("same:", np.allclose(model.predict(x_test), again.predict(x_test), atol=1e-5))


class Denoise(keras.Model):
    def __init__(self):
        super(Denoise, self).__init__()
        self.encoder = keras.Sequential(
            [
                layers.Input(shape=(32, 32, 3)),
                layers.Conv2D(8, 3, activation="relu", padding="same", strides=2),
            ]
        )
        self.decoder = keras.Sequential(
            [
                layers.Conv2DTranspose(8, 3, strides=2, activation="relu", padding="same"),
                layers.Conv2D(3, 3, activation="sigmoid", padding="same"),
            ]
        )

    def call(self, x):
        encoded = self.encoder(x)
        return self.decoder(encoded)


autoencoder = Denoise()
autoencoder.compile(optimizer="adam", loss=keras.losses.MeanSquaredError())
autoencoder.fit(x_train, x_train, epochs=1, batch_size=16, verbose=2)
codes = autoencoder.encoder(x_test[:4]).numpy()
print("codes:", codes.shape, "images:", autoencoder.decoder(codes).numpy().shape)

inputs = keras.Input((32, 32, 3))
x = ConvBN(8, strides=2, name="first")(inputs)
x = layers.Flatten()(layers.ReLU()(x))
functional = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
functional.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
functional.fit(x_train, y_train, epochs=1, batch_size=16, verbose=2)
functional.save("functional.keras")
loaded = keras.models.load_model("functional.keras", custom_objects={"ConvBN": ConvBN})
print("loaded:", np.allclose(functional.predict(x_test), loaded.predict(x_test), atol=1e-5))
