"""Networks, and legacy files as tf.keras wrote them."""

import json

import h5py
import numpy as np

from minicnn import Adam, BatchNorm, Dense, Input, Sequential

rng = np.random.default_rng(0)
X = rng.standard_normal((12, 4)).astype(np.float32)
Y = np.arange(12) % 3


def small(**options):
    return Sequential(
        [Input((4,)), Dense(5), BatchNorm(), Dense(3, activation="softmax")], **options
    )


def trained(model):
    model.compile(Adam(0.01), "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(X, Y, batch_size=4, verbose=0)
    return model


def old_layer(class_name, name, *inputs, **config):
    policy = {"class_name": "Policy", "config": {"name": "float32"}}
    config = {"name": name, "trainable": True, "dtype": policy, **config}
    described = {"class_name": class_name, "config": config}
    if inputs:
        calls = [[[before, 0, 0, {}] for before in inputs]] if inputs != ("",) else []
        described |= {"name": name, "inbound_nodes": calls}
    return described


NORM = {"axis": [3], "momentum": 0.9, "epsilon": 0.001, "center": True, "scale": True}


def put(group, name, names, arrays):
    group.attrs[name] = np.array([n.encode() for n in names])
    for each, array in zip(names, arrays, strict=True):
        group[each] = array


KERNEL = np.random.default_rng(1).standard_normal((3, 3, 2, 4)).astype(np.float32)
BIAS = np.arange(4, dtype=np.float32)
CONV_2 = {
    "name": "c",
    "trainable": True,
    "batch_input_shape": [None, 6, 6, 2],
    "dtype": "float32",
    "filters": 4,
    "kernel_size": [3, 3],
    "strides": [1, 1],
    "padding": "valid",
    "data_format": "channels_last",
    "dilation_rate": [1, 1],
    "activation": "linear",
    "use_bias": True,
    "kernel_initializer": {
        "class_name": "VarianceScaling",
        "config": {"scale": 2.0, "mode": "fan_in", "distribution": "normal", "seed": None},
    },
    "kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.01}},
    "activity_regularizer": None,
    "kernel_constraint": None,
}
TRAINING_2 = {
    "optimizer_config": {"class_name": "SGD", "config": {"lr": 0.5, "decay": 0.0}},
    "loss": "mse",
    "metrics": ["acc"],
    "sample_weight_mode": None,
    "loss_weights": None,
}


def file_of_keras_2(path, *layers, arrays=None, version="2.2.2", backend="tensorflow", **training):
    """A Sequential as a list, as Keras before 2.2.3 has it: a convolution, then ``layers``."""
    arrays = {"c": (KERNEL, BIAS), **(arrays or {})}
    with h5py.File(path, "w") as file:
        config = [{"class_name": "Conv2D", "config": CONV_2}, *layers]
        described = {"class_name": "Sequential", "config": config}
        file.attrs["model_config"] = json.dumps(described).encode()
        file.attrs["training_config"] = json.dumps(TRAINING_2 | training).encode()
        file.attrs["keras_version"], file.attrs["backend"] = version.encode(), backend.encode()
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = [name.encode() for name in arrays]
        for name, values in arrays.items():
            names = [f"{name}/{i}:0" for i in range(len(values))]
            put(weights.create_group(name), "weight_names", names, values)
    return path
