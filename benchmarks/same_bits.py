"""Whether two versions of minicnn train the same networks to the same bits.

    python benchmarks/same_bits.py                                      digests, as JSON
    python benchmarks/same_bits.py --compare OTHER/.venv/bin/python     and those of another version
    python benchmarks/same_bits.py --kernels vectorized --compare ...   both with that kernel set

Each case trains a network of ``minicnn.applications``, or a small one, with callbacks, validation
and a checkpoint from which it is resumed, and digests weights, optimizer, metrics and predictions.
Only public names are used, so that one script runs on both versions. OTHER's Python is one that
has the other version installed. The exit status is 1 if anything differs. A version from before
MINICNN_KERNELS was there computes with the vectorized set.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import minicnn
from minicnn import Conv2D, Dense, Dropout, Flatten, Input, MaxPool, RandomFlip, Rescaling
from minicnn.applications import NETWORKS
from minicnn.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from minicnn.kernels import KERNELS
from minicnn.metrics import AUC, F1Score, TopKCategoricalAccuracy

SIDES = {"lenet5": 32, "resnet50": 32, "vgg": 32}
CLASSES = 4


class Shrink(Callback):
    """A callback of a user's: changes the learning rate and a layer, and remembers something."""

    def __init__(self):
        self.batches = 0

    def get_state(self):
        return {"batches": self.batches}

    def set_state(self, state):
        self.batches = state["batches"]

    def on_train_batch_end(self, batch, logs):
        self.batches += 1
        self.model.optimizer.learning_rate *= 0.99

    def on_epoch_begin(self, epoch, logs):
        for layer in self.model.layers:
            if isinstance(layer, Dropout):
                layer.rate = 0.1 * (epoch + 1)


def pictures(n, side, one_hot):
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, n)
    x = rng.integers(0, 256, (n, side, side, 3), np.uint8)
    return x, np.eye(CLASSES)[y] if one_hot else y


def small(**options):
    layers = [Input((12, 12, 3)), Rescaling(1 / 255), RandomFlip(), Conv2D(8, 3, padding="same")]
    layers += [minicnn.ReLU(), MaxPool(2), minicnn.BatchNorm(), minicnn.DepthwiseConv2D(3)]
    layers += [Flatten(), Dropout(0.2), Dense(16, "relu", kernel_regularizer="l2")]
    return minicnn.Sequential([*layers, Dense(CLASSES, "softmax")], seed=5, **options)


def large():
    """A network large enough for several threads."""
    layers = [Input((32, 32, 3)), Rescaling(1 / 255), Conv2D(16, 3, activation="relu"), MaxPool(2)]
    layers += [Conv2D(32, 3, activation="relu"), MaxPool(2), Dropout(0.3), Flatten()]
    return minicnn.Sequential([*layers, Dense(CLASSES, "softmax")], seed=6)


def digest(*arrays):
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def case(make, n=24, batch=8, one_hot=False, optimizer="adam", callbacks=(), **options):
    """Train two epochs, resume for a third; what comes of it in every respect."""

    def compiled():
        model = make()
        loss = "categorical_crossentropy" if one_hot else "sparse_categorical_crossentropy"
        metrics = ["accuracy"]
        if one_hot:
            metrics += [F1Score(average="macro"), AUC(), TopKCategoricalAccuracy(k=2)]
        model.compile(optimizer if isinstance(optimizer, str) else optimizer(), loss, metrics)
        return model

    with tempfile.TemporaryDirectory() as folder:

        def attached():
            return [
                EarlyStopping(patience=5, restore_best_weights=True),
                ReduceLROnPlateau(patience=0, factor=0.5),
                ModelCheckpoint(f"{folder}/best.keras", save_best_only=True),
                CSVLogger(f"{folder}/log.csv"),
                *(each() for each in callbacks),
            ]

        model = compiled()
        side = model.input_shape[0]
        x, y = pictures(n, side, one_hot)
        held_out = x[: n // 3], y[: n // 3]
        settings = {"batch_size": batch, "verbose": 0, "validation_data": held_out, **options}
        settings["checkpoint"] = f"{folder}/run"
        model.fit(x, y, epochs=2, callbacks=attached(), **settings)
        model = compiled()
        history = model.fit(x, y, epochs=3, resume=True, callbacks=attached(), **settings)
        found = {
            "weights": digest(*model.get_weights()),
            "optimizer": digest(*model.optimizer.get_state(model.params)),
            "history": digest(*map(np.array, history.history.values())),
            "csv": digest(np.frombuffer(Path(folder, "log.csv").read_bytes(), np.uint8)),
            "evaluate": digest(np.array(model.evaluate(x, y, batch_size=5))),
            "predict": digest(model.predict(x, batch_size=7)),
        }
        model.save_weights(f"{folder}/end.weights.h5")
        again = compiled()
        again.load_weights(f"{folder}/end.weights.h5")
        found["loaded"] = digest(*again.get_weights())
        return found


def cases():
    """Each case's name, and how to compute it."""
    for name, make in NETWORKS.items():
        side = SIDES.get(name, 16)
        few = 16 if name in ("resnet50", "vgg") else 24

        def build(make=make, side=side):
            return make((side, side, 3), CLASSES, 1)

        yield name, lambda build=build, few=few: case(build, few)
    yield "own callback", lambda: case(small, callbacks=[Shrink])
    yield "metrics", lambda: case(small, one_hot=True, class_weight={0: 2.0, 3: 0.5})
    yield "sample weights", lambda: case(small, sample_weight=np.linspace(0, 2, 24))
    yield "float64", lambda: case(lambda: small(dtype="float64"), optimizer="nadam")
    yield "reference", lambda: case(lambda: small(kernels="reference"), n=12)
    yield "not fused", lambda: case(lambda: small(fuse=False), optimizer="rmsprop")
    for name in ("sgd", "adamw", "lion", "adagrad"):
        yield name, lambda name=name: case(small, optimizer=name)
    yield "schedule", lambda: case(small, callbacks=[halved], shuffle=False, steps_per_epoch=2)
    yield "clipped", lambda: case(small, optimizer=lambda: minicnn.Adam(0.01, clipnorm=0.1))
    yield "threads", lambda: case(large, n=480, batch=64)
    yield "threads, own callback", lambda: case(large, n=480, batch=64, callbacks=[Shrink])


def halved():
    return LearningRateScheduler(lambda epoch, rate: rate / 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--compare", metavar="PYTHON", help="that has the other version")
    parser.add_argument("--kernels", choices=KERNELS, help="default: what each version chooses")
    arguments = parser.parse_args()
    if arguments.kernels:
        os.environ["MINICNN_KERNELS"] = arguments.kernels
    minicnn.set_threads(2)
    found = {name: compute() for name, compute in cases()}
    if arguments.compare is None:
        print(json.dumps(found, indent=1))
        return 0
    output = subprocess.check_output([arguments.compare, __file__], text=True)
    other = json.loads(output)
    differing = [
        f"{name}: {', '.join(key for key in found[name] if found[name][key] != other[name][key])}"
        for name in found
        if name in other and found[name] != other[name]
    ]
    print(f"{len(found.keys() & other.keys())} cases, {len(differing)} of them differ")
    for line in differing:
        print(line)
    for name in found.keys() ^ other.keys():
        print(f"{name}: only in one of the versions")
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
