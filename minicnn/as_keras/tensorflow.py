"""What scripts with Keras use of TensorFlow: seeds, devices, data sets, casts and the like.

Tensors are NumPy arrays, of a class that has ``.numpy()``. What would need TensorFlow's automatic
derivatives, its graphs or its devices is answered in one line.
"""

import importlib
import logging as _logging
import operator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from minicnn._core.random_seed import set_random_seed
from minicnn.as_keras.functions import leaky_relu
from minicnn.as_keras.tensors import Tensor, TensorShape, tensor
from minicnn.errors import AbsentError

_OPS = {
    "abs": "abs", "add": "add", "argmax": "argmax", "argmin": "argmin", "argsort": "argsort",
    "clip_by_value": "clip", "concat": "concatenate", "divide": "divide", "einsum": "einsum",
    "cumsum": "cumsum", "equal": "equal", "exp": "exp", "expand_dims": "expand_dims", "eye": "eye",
    "gather": "take", "greater": "greater", "greater_equal": "greater_equal", "less": "less",
    "less_equal": "less_equal", "linspace": "linspace", "logical_and": "logical_and",
    "logical_not": "logical_not", "logical_or": "logical_or", "matmul": "matmul",
    "maximum": "maximum", "meshgrid": "meshgrid",
    "minimum": "minimum", "multiply": "multiply", "norm": "norm", "not_equal": "not_equal",
    "one_hot": "one_hot", "ones": "ones", "ones_like": "ones_like", "pad": "pad", "pow": "power",
    "range": "arange", "reduce_all": "all", "reduce_any": "any", "reduce_max": "max",
    "reduce_mean": "mean", "reduce_min": "min", "reduce_prod": "prod", "reduce_std": "std",
    "reduce_sum": "sum", "repeat": "repeat", "reshape": "reshape", "round": "round",
    "shape": "shape", "sigmoid": "sigmoid", "sign": "sign", "sort": "sort", "split": "split",
    "sqrt": "sqrt", "square": "square", "squeeze": "squeeze", "stack": "stack",
    "stop_gradient": "stop_gradient", "subtract": "subtract", "tanh": "tanh", "tile": "tile",
    "transpose": "transpose", "unstack": "unstack", "where": "where", "zeros": "zeros",
    "zeros_like": "zeros_like",
}  # fmt: skip
"""TensorFlow's functions, and the names of minicnn.ops that do the same."""

_NN = {
    name: name
    for name in ("elu", "gelu", "leaky_relu", "log_softmax", "relu", "relu6", "selu", "sigmoid",
                 "silu", "softmax", "softplus", "softsign", "swish", "tanh")
}  # fmt: skip
_MATH = _OPS | {"log": "log", "softplus": "softplus", "cos": "cos", "sin": "sin", "ceil": "ceil",
                "floor": "floor", "is_nan": "isnan", "log1p": "log1p",
                "count_nonzero": "count_nonzero", "l2_normalize": "normalize"}  # fmt: skip

_FIT = "train with model.fit, or with forward, backward and optimizer.step: examples/custom_loop.py"
_NO_GRAPH = "minicnn has no sessions and no graphs of operations: call the model"
_ABSENT = {
    **dict.fromkeys(("GradientTape", "gradients", "Variable", "Module", "train"), _FIT),
    **dict.fromkeys(("placeholder", "get_default_graph", "Graph", "layers", "contrib"), _NO_GRAPH),
    "estimator": "train with model.fit",
    "lite": "export_onnx writes a file that other runtimes take",
    "saved_model": "save the model as .keras, .h5 or .onnx",
    "nn": "use keras.layers, keras.activations and keras.losses",
    "hub": "use keras.applications",
    "summary": "use callbacks.TensorBoard",
}
"""Names of TensorFlow's that are not here, and the nearest thing."""


class _Names:
    """A module of TensorFlow's: its names, some of minicnn.ops, and an answer for the others."""

    def __init__(self, path: str, ops: dict[str, str] | None = None, **names: Any) -> None:
        self._path, self._ops = path, ops or {}
        vars(self).update(names)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._ops:
            return _by_ops(self._ops[name])
        return _refused(f"{self._path}.{name}")


class Inert:
    """An object of TensorFlow's that has no meaning here: all can be read, set and called."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert()

    def __call__(self, *_: Any, **__: Any) -> "Inert":
        return self

    def __enter__(self) -> "Inert":
        return self

    def __exit__(self, *_: Any) -> None:
        pass


class Shell(Inert):
    """What ``get_ipython()`` gives: without a kernel, by which one knows a notebook's."""

    def __getattr__(self, name: str) -> Any:
        if name == "kernel":
            raise AttributeError(name)
        return super().__getattr__(name)


class _Strategy(Inert):
    """All devices that there are: one."""

    num_replicas_in_sync = 1


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    if name in ("bool", "print"):  # which are Python's own in this module
        return {"bool": np.dtype("?"), "print": print}[name]
    if name in _OPS:
        return _by_ops(_OPS[name])
    if name == "data":
        return _data()
    if name == "image":
        return importlib.import_module("minicnn.as_keras.tensorflow_image")
    if name in ("initializers", "losses", "metrics", "optimizers"):
        return importlib.import_module(f"tensorflow.keras.{name}")
    if name.startswith(("disable_", "enable_")):
        return _nothing
    return _refused(name)


def _refused(name: str) -> Any:
    nearest = _ABSENT.get(name) or _ABSENT.get(name.partition(".")[0])
    raise AbsentError(
        f"minicnn answers for little of TensorFlow, and not for tensorflow.{name}: "
        f"{nearest or 'use NumPy, or what Keras has'}."
    )


def _by_ops(name: str) -> Any:
    """A function of minicnn.ops that gives tensors; of symbolic tensors it gives those."""
    function = operator.attrgetter(name)(importlib.import_module("minicnn.ops"))

    def call(*arguments: Any, **options: Any) -> Any:
        options.pop("name", None)
        return tensor(function(*arguments, **options))

    call.__name__ = name
    if name in _NN:
        call.activation = name  # type: ignore[attr-defined]
    return call


def _data() -> Any:
    from minicnn.data.pipeline import Dataset

    more: Any = {"AUTOTUNE": -1, "Options": Inert}
    return _Names("data", Dataset=Dataset, experimental=_Names("data", **more), **more)


def convert_to_tensor(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """An array."""
    return tensor(np.asarray(value, _dtype(dtype)))


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Any:
    """An array."""
    array = np.asarray(value, _dtype(dtype))
    array = array.astype(np.float32) if dtype is None and array.dtype == np.float64 else array
    return tensor(array if shape is None else np.broadcast_to(array, shape).copy())


def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
    """The numbers in another dtype."""
    return tensor(np.asarray(x).astype(_dtype(dtype)))


def function(func: Any = None, **_: Any) -> Any:
    """The function as it is."""
    return func if func is not None else lambda given: given


def device(*_: Any) -> Inert:
    """Nothing: there is one device, the processor."""
    return Inert()


def get_logger() -> _logging.Logger:
    """A logger that nobody writes to."""
    return _logging.getLogger("tensorflow")


def is_tensor(x: Any) -> bool:
    """Whether it is an array."""
    return isinstance(x, np.ndarray)


def _dtype(dtype: Any) -> Any:
    return getattr(dtype, "name", dtype)


def _list_devices(device_type: str | None = None) -> list[Any]:
    cpu = SimpleNamespace(name="/physical_device:CPU:0", device_type="CPU")
    return [cpu] if device_type in (None, "CPU") else []


def confusion_matrix(labels: Any, predictions: Any, num_classes: int | None = None) -> Any:
    """How often each class (row) was taken for each (column)."""
    rows, columns = np.ravel(labels).astype(int), np.ravel(predictions).astype(int)
    n = num_classes or int(max(rows.max(initial=-1), columns.max(initial=-1))) + 1
    counts = np.zeros((n, n), np.int32)
    np.add.at(counts, (rows, columns), 1)
    return tensor(counts)


def py_function(func: Any = None, inp: Any = (), Tout: Any = None, name: Any = None) -> Any:  # noqa: N803
    """What the function makes of the tensors."""
    return tensor(func(*map(tensor, inp)))


def boolean_mask(tensor_: Any, mask: Any, axis: int = 0) -> Any:
    """The entries of which the mask is true."""
    return tensor(np.compress(mask, tensor_, axis) if np.ndim(mask) == 1 else tensor_[mask])


def identity(input: Any, name: str | None = None) -> Any:
    """The array itself."""
    return input


def size(input: Any) -> Any:
    """How many numbers it has."""
    return tensor(np.int32(np.size(input)))


def rank(input: Any) -> Any:
    """How many axes it has."""
    return tensor(np.int32(np.ndim(input)))


def _read_file(filename: Any, name: str | None = None) -> Any:
    """The bytes of a file."""
    return tensor(np.array(Path(str(np.asarray(filename))).read_bytes(), object))


def _decode(*arguments: Any, **options: Any) -> Any:
    return importlib.import_module("minicnn.as_keras.tensorflow_image").decode_image(
        *arguments, **options
    )


_DECODERS: Any = dict.fromkeys(("decode_image", "decode_jpeg", "decode_png"), _decode)


def _split(input: Any, sep: str = " ", maxsplit: int = -1) -> Any:
    """The parts of a text."""
    return tensor(np.array(str(np.asarray(input)).split(sep, maxsplit)))


def _drawing(name: str) -> Any:
    """A function of minicnn.random that gives tensors, and takes TensorFlow's arguments."""

    def draw(*arguments: Any, **options: Any) -> Any:
        function = getattr(importlib.import_module("minicnn.random"), name)
        options = {key: _dtype(value) for key, value in options.items() if key != "name"}
        return tensor(function(*arguments, **options))

    return draw


def _nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


def _no(*_: Any, **__: Any) -> bool:
    return False


float16, float32, float64 = np.dtype("f2"), np.dtype("f4"), np.dtype("f8")
int8, int16, int32, int64 = (np.dtype(f"i{n}") for n in (1, 2, 4, 8))
uint8, uint16, uint32 = (np.dtype(f"u{n}") for n in (1, 2, 4))
string = np.dtype("U")
newaxis = None
Session = InteractiveSession = ConfigProto = GPUOptions = Inert
random = _Names("random", set_seed=set_random_seed, uniform=_drawing("uniform"),
                normal=_drawing("normal"), truncated_normal=_drawing("truncated_normal"),
                shuffle=_drawing("shuffle"), categorical=_drawing("categorical"))  # fmt: skip
nn = _Names("nn", _NN, leaky_relu=leaky_relu)
math = _Names("math", _MATH, confusion_matrix=confusion_matrix)
io = _Names("io", read_file=_read_file, **_DECODERS)
strings = _Names("strings", split=_split)
version = SimpleNamespace(VERSION="2.21.0")
numpy_function = py_function
as_dtype = np.dtype
TensorSpec = Inert
dtypes = SimpleNamespace(as_dtype=np.dtype)
linalg = _Names("linalg", {"matmul": "matmul", "norm": "norm"})
logging = _Names(
    "logging", set_verbosity=_nothing, DEBUG=10, INFO=20, WARN=30, WARNING=30, ERROR=40, FATAL=50
)
config = _Names(
    "config",
    list_physical_devices=_list_devices,
    list_logical_devices=_list_devices,
    set_visible_devices=_nothing,
    get_visible_devices=_list_devices,
    run_functions_eagerly=_nothing,
    experimental_run_functions_eagerly=_nothing,
    LogicalDeviceConfiguration=Inert,
    set_logical_device_configuration=_nothing,
    set_soft_device_placement=_nothing,
    threading=Inert(),
    optimizer=Inert(),
    experimental=_Names(
        "config.experimental",
        list_physical_devices=_list_devices,
        set_memory_growth=_nothing,
        set_virtual_device_configuration=_nothing,
        VirtualDeviceConfiguration=Inert,
        enable_op_determinism=_nothing,
    ),
)
test = _Names("test", is_gpu_available=_no, is_built_with_cuda=_no, gpu_device_name=lambda: "")
distribute = _Names(
    "distribute", MirroredStrategy=_Strategy, OneDeviceStrategy=_Strategy, get_strategy=_Strategy
)
executing_eagerly = lambda: True  # noqa: E731
client = SimpleNamespace(device_lib=SimpleNamespace(list_local_devices=_list_devices))
global_variables_initializer = Inert
reset_default_graph = _nothing
compat = _Names("compat")

__all__ = ["Tensor", "TensorShape"]
