"""Names that Keras had in its first two releases alone, and what stands for them."""

import importlib
from typing import Any

from minicnn._core.console import warn_once
from minicnn._core.random_seed import generator
from minicnn.as_keras import mixed_precision
from minicnn.errors import AbsentError, ConfigError
from minicnn.initializers import RandomNormal, RandomUniform
from minicnn.layers import Add, Average, Concatenate, Dot, Maximum, Multiply

__all__ = ["found", "merge", "names"]

SAME = {
    "constraints": {"maxnorm": "MaxNorm", "nonneg": "NonNeg", "unitnorm": "UnitNorm"},
    "layers": {"AtrousConvolution2D": "Convolution2D", "Deconv2D": "Conv2DTranspose"},
    "initializers": {
        "zero": "Zeros", "one": "Ones",
        "constant": "Constant",
    },
    "losses": {"cosine_proximity": "cosine_similarity"},
    "models": {"Input": "Input"},
    "regularizers": {"l1l2": "L1L2"},
    "metrics": {"precision": "Precision", "recall": "Recall"},
    "utils": {"plot": "plot_model"},
}  # fmt: skip
"""By module, old names and those of today."""

ABSENT = {
    **dict.fromkeys(
        (
            "activity_l1",
            "activity_l2",
            "activity_l1l2",
            "ActivityRegularizer",
            "EigenvalueRegularizer",
            "WeightRegularizer",
        ),
        "use regularizers.l2(0.01) as kernel_regularizer",
    ),
    **dict.fromkeys(("fbeta_score", "fmeasure"), "use metrics.F1Score()"),
    "matthews_correlation": "use metrics.Precision() and metrics.Recall()",
    "Graph": "use Model(inputs, outputs): docs/graphs.md",
    "AutoEncoder": "use Model(inputs, outputs), trained on (x, x)",
    "Siamese": "call one model on two inputs: docs/graphs.md",
    "LambdaMerge": "use Add, Concatenate or another layer of merging: docs/graphs.md",
    "ParametricSoftplus": "use PReLU, or Activation('softplus')",
    "SReLU": "use PReLU or LeakyReLU",
    "ThresholdedLinear": "use ReLU(threshold=theta)",
    "TimeDistributedDense": "use Dense, which takes the last axis of any input",
    "LocallyConnected1D": "use Conv2D: Keras 3 has it no more either",
    "layer_from_config": "use from_config of the class",
    "slice_X": "use NumPy: x[start:stop]",
    "KerasClassifier": "call fit and predict",
    "KerasRegressor": "call fit and predict",
    "Deconvolution2D": "use Conv2DTranspose(filters, kernel_size, strides), without output_shape",
    "HDF5Matrix": "read the array with h5py, or use minicnn.data.load_hdf5",
    "Highway": "use Multiply, Add and Dense with a sigmoid",
    "LocallyConnected2D": "use Conv2D: Keras 3 has it no more either",
    "MaxoutDense": "use Dense, Reshape and Lambda(lambda x: ops.max(x, axis=1))",
    "Merge": "use Model(inputs, outputs), and Add or Concatenate()([a, b]): docs/graphs.md",
    "convert_all_kernels_in_model": "minicnn reads Keras' files, not those of Theano's time",
    "RandomHeight": "use RandomZoom((-0.2, 0.2), 0.0): Keras 3 has it no more either",
    "RandomWidth": "use RandomZoom(0.0, (-0.2, 0.2)): Keras 3 has it no more either",
    "TFOptimizer": "use an optimizer of keras.optimizers",
}
"""Names that nothing stands for, with the nearest thing."""

MODES = {
    "sum": Add, "mul": Multiply, "ave": Average, "max": Maximum, "concat": Concatenate, "dot": Dot,
}  # fmt: skip


def found(module: str, name: str) -> Any:
    """What stands for a name, or None; raises ``AbsentError`` with the nearest thing.

    >>> found("constraints", "maxnorm").__name__
    'MaxNorm'
    """
    if name in _FUNCTIONS.get(module, {}):
        return _FUNCTIONS[module][name]
    today = SAME.get(module, {}).get(name)
    if today is not None:
        where = "layers" if today == "Input" else module
        return getattr(importlib.import_module(f"minicnn.{where}"), today)
    if name in ABSENT:
        raise AbsentError(f"minicnn has no {name}, which Keras 2 had: {ABSENT[name]}.")
    return None


def names(module: str) -> set[str]:
    """The old names for which there is something, for ``from keras.layers import *``."""
    return {*SAME.get(module, ()), *_FUNCTIONS.get(module, ())}


def merge(
    inputs: Any, mode: str = "sum", concat_axis: int = -1, dot_axes: int = -1, name: Any = None
) -> Any:
    """Keras 1's ``merge``: Add, Multiply, Average, Maximum, Concatenate or Dot of tensors."""
    warn_once("merge", "merge([a, b], mode='sum') is add([a, b]) today, mode='concat' concatenate.")
    if mode not in MODES:
        known = ", ".join(map(repr, MODES))
        raise ConfigError(f"merge: expected mode as one of {known}, got {mode!r}.")
    arguments = {"concat": {"axis": concat_axis}, "dot": {"axes": dot_axes}}.get(mode, {})
    return MODES[mode](name=name, **arguments)(inputs)


def multi_gpu_model(model: Any, gpus: Any = None, **_: Any) -> Any:
    """The model: there are no graphics cards to share it between."""
    warn_once("multi_gpu_model", "multi_gpu_model(model) is the model: minicnn uses the processor.")
    return model


def normal(shape: Any = 0.0, scale: float = 0.05, name: Any = None, **options: Any) -> Any:
    """Numbers, as in Keras 1, where a shape is given first; else Keras 2's ``RandomNormal``."""
    if isinstance(shape, tuple | list):
        return RandomNormal(stddev=scale)(tuple(shape), generator(None))
    return RandomNormal(shape, options.pop("stddev", scale), **options)


def uniform(shape: Any = -0.05, scale: float = 0.05, name: Any = None, **options: Any) -> Any:
    """Numbers, as in Keras 1, where a shape is given first; else Keras 2's ``RandomUniform``."""
    if isinstance(shape, tuple | list):
        return RandomUniform(-scale, scale)(tuple(shape), generator(None))
    return RandomUniform(options.pop("minval", shape), options.pop("maxval", scale), **options)


def print_summary(model: Any, line_length: Any = None, positions: Any = None, **_: Any) -> None:
    """``model.summary()``."""
    model.summary(line_length=line_length)


def set_session(session: Any) -> None:
    """Nothing: what a session is told is how to use a graphics card."""


def probas_to_classes(y_pred: Any) -> Any:
    """The number of the largest in each row."""
    return y_pred.argmax(axis=-1)


_FUNCTIONS: dict[str, dict[str, Any]] = {
    "": {"DTypePolicy": mixed_precision.Policy},
    "backend": {"set_session": set_session},
    "config": {
        "dtype_policy": mixed_precision.global_policy,
        "set_dtype_policy": mixed_precision.set_global_policy,
    },
    "initializers": {"normal": normal, "uniform": uniform},
    "layers": {"merge": merge},
    "utils": {
        "multi_gpu_model": multi_gpu_model,
        "print_summary": print_summary,
        "probas_to_classes": probas_to_classes,
        "categorical_probas_to_classes": probas_to_classes,
    },
}
