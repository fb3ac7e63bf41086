"""Networks, and files as Keras writes them, for the tests of Keras' files."""

import io
import json
import zipfile

import h5py
import numpy as np

rng = np.random.default_rng(0)
X = rng.standard_normal((12, 4)).astype(np.float32)
Y = np.arange(12) % 3


def trained(model, optimizer="adam", epochs=2):
    model.compile(optimizer, "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(X, Y, batch_size=4, epochs=epochs, verbose=0)
    return model


def same_weights(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def config_of(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))


def weights_of(path):
    with zipfile.ZipFile(path) as archive:
        return h5py.File(io.BytesIO(archive.read("model.weights.h5")))


def call(*names):
    """Keras 3's description of a call on the outputs of layers."""
    tensors = [
        {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}
        for name in names
    ]
    return [{"args": [tensors] if len(names) > 1 else tensors, "kwargs": {}}]


def layer(class_name, name, inputs=(), **config):
    config |= {"name": name, "trainable": True}
    if class_name == "InputLayer":
        config["batch_shape"] = [None, 2]
    return {
        "module": "keras.layers",
        "class_name": class_name,
        "config": config,
        "registered_name": class_name,  # as Keras 3.0 has it
        "name": name,
        "inbound_nodes": call(*inputs) if inputs else [],
    }


def dense(name, *inputs):
    return layer("Dense", name, inputs, units=2, activation="linear", dtype="float32")


def graph(*layers, output="end"):
    config = {"name": "net", "trainable": True, "layers": list(layers)}
    config |= {"input_layers": ["in", 0, 0], "output_layers": [output, 0, 0]}
    return {"module": "keras", "class_name": "Functional", "config": config}


def kernels(*factors):
    """What the arrays of layers dense, dense_1, ... are that multiply by these numbers."""
    arrays = {}
    for i, factor in enumerate(factors):
        group = f"layers/dense{f'_{i}' * (i > 0)}/vars"
        arrays |= {f"{group}/0": np.eye(2) * factor, f"{group}/1": np.zeros(2)}
    return arrays


def write(path, config, arrays, attributes=()):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, array in arrays.items():
            file[name] = array
        for name, (key, value) in dict(attributes).items():
            file[name].attrs[key] = value
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.0.0"}')
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", buffer.getvalue())
    return path


def output(model):
    return model.predict(np.ones((1, 2)))[0].tolist()


def within(class_name, name, *layers, inputs=()):
    """A model within the model."""
    described = graph(*layers, output=layers[-1]["name"])
    described |= {"class_name": class_name, "name": name}
    described["config"]["name"] = name
    return described | {"inbound_nodes": call(*inputs) if inputs else []}


def sequential(*layers):
    return {"class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}}


def saved(model, path):
    model.save(path)
    return path
