"""minicnn's Residual as a layer of Keras': y = layers(x) + x, or layers(x) + shortcut(x)."""

import keras


@keras.saving.register_keras_serializable()
class Residual(keras.layers.Layer):
    def __init__(self, layers, shortcut=None, **kwargs):
        super().__init__(**kwargs)
        self.layers = layers
        self.shortcut = shortcut

    def build(self, input_shape):
        for way in (self.layers, self.shortcut or []):
            shape = input_shape
            for layer in way:
                if not layer.built:  # as they come out of a file
                    layer.build(shape)
                shape = layer.compute_output_shape(shape)

    def call(self, x, training=None):
        y = around = x
        for layer in self.layers:
            y = layer(y, training=training)
        for layer in self.shortcut or []:
            around = layer(around, training=training)
        return y + around

    def get_config(self):
        ways = {"layers": self.layers, "shortcut": self.shortcut}
        return super().get_config() | keras.saving.serialize_keras_object(ways)

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))
