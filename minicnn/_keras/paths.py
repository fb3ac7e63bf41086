"""The import paths of Keras 1 to 3, and what of minicnn answers for each."""

import re

__all__ = ["MODULES", "NOT_HERE", "ROOTS", "answering"]

ROOTS = (
    "keras",
    "tf_keras",
    "keras.api",
    "keras.api._v2.keras",
    "tensorflow.keras",
    "tensorflow.keras.api",
    "tensorflow.python.keras",
    "tensorflow.compat.v1.keras",
    "tensorflow.compat.v2.keras",
    "tensorflow.contrib.keras",
    "tensorflow.contrib.keras.api.keras",
)
"""What the paths below are behind."""

SAME = (
    "activations", "applications", "backend", "callbacks", "config", "constraints", "datasets",
    "initializers", "layers", "losses", "metrics", "models", "ops", "optimizers",
    "optimizers.schedules", "preprocessing", "preprocessing.image", "random", "regularizers",
    "saving", "utils",
)  # fmt: skip
"""Modules that are called the same here."""

OLD = {
    "engine": "layers models",
    "experimental": "layers",
    "layers.experimental.preprocessing": "layers",
    "initializations": "initializers",
    "legacy": "layers",
    "objectives": "losses",
    "optimizer_v1": "optimizers",
    "optimizer_v2": "optimizers",
    "optimizers.legacy": "optimizers",
    "preprocessing": "preprocessing preprocessing.image utils",
    "preprocessing.image": "preprocessing.image utils",
    "saving": "saving models utils",
    "utils.generic_utils": "utils saving",
}
"""Paths of other names, and where their names are looked for here."""

NOT_HERE = {
    "preprocessing.sequence": "minicnn is for images and has nothing for text or series",
    "preprocessing.text": "minicnn is for images and has nothing for text or series",
    "wrappers": "call fit and predict yourself, or write a class with scikit-learn's methods",
    "estimator": "use fit",
    "distribution": "minicnn trains in the processes of one machine: it starts them itself",
    "dtensor": "minicnn trains in the processes of one machine: it starts them itself",
    "mixed_precision": "give a model dtype='float32' or 'float64'",
    "quantizers": "minicnn computes in float32 or float64",
    "tree": "use plain lists and dictionaries",
    "export": "use export_onnx",
    "visualization": "use minicnn.plots",
    "src": "import from keras itself, as its src is private",
}
"""Paths that nothing answers for, with the nearest thing."""

MODULES = {*SAME, *OLD, *NOT_HERE} | {
    f"{module}.{old}"
    for module, names in {
        "backend": "tensorflow_backend common",
        "callbacks": "callbacks tensorboard_v1",
        "engine": "topology training input_layer sequential network base_layer",
        "initializers": "initializers_v1 initializers_v2",
        "layers": "activation advanced_activations attention convolutional core embeddings "
        "experimental local merge merging noise normalization pooling preprocessing recurrent "
        "regularization reshaping rnn wrappers",
        "optimizers": "adadelta adagrad adam adam_v2 adamax ftrl gradient_descent_v2 nadam "
        "optimizer_experimental rmsprop sgd",
        "preprocessing": "image_dataset",
        "saving": "save saved_model",
        "utils": "data_utils image_utils io_utils layer_utils multi_gpu_utils np_utils "
        "training_utils vis_utils visualize_util",
    }.items()
    for old in names.split()
}
"""Paths that are modules, also where a script names them without importing them."""


def answering(path: str) -> tuple[str, ...]:
    """The modules of minicnn, most likely first, in which to look for the names of a path of Keras.

    ``path`` is without the root; "" is Keras itself. There are none if nobody knows such a path.

    >>> answering("layers.convolutional"), answering("utils.np_utils"), answering("nowhere")
    (('layers',), ('utils',), ())
    """
    if path in SAME:
        return tuple(OLD.get(path, path).split())
    if re.fullmatch(r"(applications|datasets)\.[a-z0-9_]+", path):
        return (path,)
    above = path
    while above and above not in MODULES:
        above = above.rpartition(".")[0]
    if above in OLD and above not in SAME:
        return tuple(OLD[above].split())
    if not above or above in SAME or above in NOT_HERE:
        return () if path else ("",)
    return answering(above.rpartition(".")[0])
