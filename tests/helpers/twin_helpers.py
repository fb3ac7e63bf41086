"""A program that runs a script under Keras or minicnn from the same weights, without chance.

    python twin_helpers.py keras|minicnn SCRIPT

Each ``fit`` begins with the weights in fit-0.npz, fit-1.npz, ..., which the first run writes, and
adds its history to KERAS.json or MINICNN.json. Nothing is shuffled, dropped or augmented.
"""

import functools
import importlib
import json
import os
import sys
from itertools import count
from pathlib import Path

import numpy as np

from script_helpers import SHAPES, small

PRECISION = os.environ.get("PRECISION", "float32")
DROPPING = ("Dropout", "SpatialDropout2D")
AUGMENTING = ("RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast")


def twin_fit(fit, numbers, histories):
    """``fit`` from known weights; appends the history to ``histories``."""

    @functools.wraps(fit)
    def fitted(self, x=None, *arguments, **options):
        if not self.built:
            self(x[:1] if isinstance(x, np.ndarray) else next(iter(x))[0])
        for layer in leaves(self):
            if type(layer).__name__ in DROPPING:
                layer.rate = 0.0
        path = Path(f"fit-{next(numbers)}.npz")
        if path.exists():
            self.set_weights(list(np.load(path).values()))
        else:
            np.savez(path, *self.get_weights())
        history = fit(self, x, *arguments, **options, shuffle=False)
        histories.append({key: list(map(float, vs)) for key, vs in history.history.items()})
        return history

    return fitted


def leaves(model):
    """The layers of a model and of those within."""
    for layer in model.layers:
        yield from leaves(layer) if hasattr(layer, "layers") else [layer]


def main():
    """Run the script."""
    library, script = sys.argv[1:]
    histories = []
    if library == "keras":
        import keras
        import tensorflow as tf

        keras.config.set_floatx(PRECISION)
        keras.config.set_dtype_policy(PRECISION)
        tf.config.run_functions_eagerly("EAGER" in os.environ)
        image = tf.image
        model, dataset, datasets = keras.Model, tf.data.Dataset, keras.datasets
        for name in AUGMENTING:
            getattr(keras.layers, name).call = lambda self, x, training=False: x
    else:
        import minicnn.as_keras
        from minicnn import Model, datasets
        from minicnn import layers as ours
        from minicnn.as_keras import tensorflow_image as image
        from minicnn.data.pipeline import Dataset
        from minicnn.preprocessing.picture_stream import Pictures

        Pictures._order = lambda self, number: np.arange(len(self.paths))
        minicnn.config.set_floatx(PRECISION)
        model, dataset = Model, Dataset
        for name in AUGMENTING:
            getattr(ours, name).forward = plainly(getattr(ours, name).forward)
    image.random_flip_left_right = lambda x, seed=None: x
    dataset.shuffle = lambda self, *_, **__: self
    model.fit = twin_fit(model.fit, count(), histories)
    for name in SHAPES:
        importlib.import_module(f"{datasets.__name__}.{name}").load_data = small(name)
    if library == "keras":
        import runpy

        runpy.run_path(script, run_name="__main__")
    else:
        from minicnn.as_keras.scripts import run

        run(script)
    Path(f"{library.upper()}.json").write_text(json.dumps(histories))
    sys.stdout.flush()
    os._exit(0)


def plainly(forward):
    """A layer's ``forward`` as if it were not training."""
    return lambda self, x, *, training=False, rng=None: forward(self, x, training=False, rng=rng)


if __name__ == "__main__":
    main()
