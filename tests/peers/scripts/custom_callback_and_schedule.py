"""Callbacks of one's own, and a learning rate that warms up and falls."""

import keras
import numpy as np
from keras import layers

steps_per_epoch = 10


def load_data(filename="data.npz"):
    with np.load(filename) as data:
        return tuple(
            (data[f"x_{part}"][:, ::2, ::2] / np.float32(255), data[f"y_{part}"])
            for part in ("train", "test")
        )


class LossAndErrorPrintingCallback(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.batch_losses = []
        self.steps = []
        self.moved = []

    def on_train_begin(self, logs=None):
        self.start = self.model.get_weights()
        print(f"Training for {self.params['epochs']} epochs of {self.params['steps']} batches")

    def on_train_batch_end(self, batch, logs=None):
        self.batch_losses.append(logs["loss"])

    def on_epoch_end(self, epoch, logs=None):
        self.steps.append(int(self.model.optimizer.iterations))
        first = self.model.layers[0].get_weights()[0]
        self.moved.append(float(np.abs(first - self.start[0]).mean()))
        print(f"Epoch {epoch}: loss {logs['loss']:7.2f}, val_loss {logs.get('val_loss'):7.2f}")


class StopWhenLearned(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if logs.get("accuracy") > 0.995:
            self.model.stop_training = True


def build_model():
    model = keras.Sequential(name="tower")
    model.add(keras.Input(shape=(32, 32, 3)))
    model.add(layers.DepthwiseConv2D(3, depth_multiplier=2, activation="elu"))
    model.add(layers.Conv2D(16, (1, 1), activation="gelu"))
    model.add(layers.MaxPooling2D((3, 3), strides=(2, 2), padding="same"))
    model.add(layers.Conv2D(16, 3, activation=keras.activations.silu))
    model.add(layers.LayerNormalization())
    model.add(layers.GlobalMaxPooling2D())
    model.add(layers.Dense(6))
    model.add(layers.Softmax())
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=4 * steps_per_epoch,
        alpha=0.01,
        warmup_target=3e-3,
        warmup_steps=steps_per_epoch,
    )
    optimizer = keras.optimizers.AdamW(learning_rate=schedule, weight_decay=1e-3)
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(model, x, y, epochs=4, **options):
    watch = LossAndErrorPrintingCallback()
    done = keras.callbacks.LambdaCallback(on_train_end=lambda logs: print("Done", sorted(logs)))
    history = model.fit(
        x,
        y,
        batch_size=24,
        steps_per_epoch=steps_per_epoch,
        epochs=epochs,
        validation_data=(x[::5], y[::5]),
        validation_freq=1,
        callbacks=[watch, StopWhenLearned(), done],
        **options,
    )
    history.history.update(steps=watch.steps, moved=watch.moved, batches=watch.batch_losses)
    return history


if __name__ == "__main__":
    keras.utils.set_random_seed(3)
    (x_train, y_train), (x_test, y_test) = load_data()
    model = build_model()
    model.summary()
    history = train(model, x_train, y_train, verbose=0)
    print("Steps:", history.history["steps"])
    print("Test:", model.evaluate(x_test, y_test, verbose=0))
    model.save_weights("tower.weights.h5")
    model.load_weights("tower.weights.h5")
    print("Weights:", [w.shape for layer in model.layers for w in layer.get_weights()])
