"""What scripts with Keras use of TensorFlow: seeds, devices, data sets, casts and the like.

Tensors are NumPy arrays, of a class that has ``.numpy()``. What would need TensorFlow's automatic
derivatives, its graphs or its devices is answered in one line.
"""

import importlib
import inspect
import logging as _logging
import operator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from minicnn._core.random_seed import set_random_seed
from minicnn._core.suggestions import did_you_mean
from minicnn.as_keras.inert import Inert
from minicnn.as_keras.tensorflow_answers import NOTHING_NEAR, nearest
from minicnn.as_keras.tensorflow_arguments import OPS, of_ops
from minicnn.as_keras.tensors import Tensor, TensorShape, tensor
from minicnn.as_keras.variables import variable
from minicnn.errors import NameUnknownError

_NN = {
    name: name
    for name in ("elu", "gelu", "leaky_relu", "log_softmax", "relu", "relu6", "selu", "sigmoid",
                 "silu", "softmax", "softplus", "softsign", "swish", "tanh")
}  # fmt: skip
_MATH = OPS | {"log": "log", "softplus": "softplus", "cos": "cos", "sin": "sin", "ceil": "ceil",
                "floor": "floor", "is_nan": "isnan", "log1p": "log1p",
                "count_nonzero": "count_nonzero", "l2_normalize": "normalize"}  # fmt: skip


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


class _Strategy(Inert):
    """All devices that there are: one."""

    num_replicas_in_sync = 1


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    if name in ("bool", "print"):  # which are Python's own in this module
        return {"bool": np.dtype("?"), "print": print}[name]
    if name in OPS:
        return _by_ops(OPS[name])
    if name == "data":
        return _data()
    if name == "image":
        return importlib.import_module("minicnn.as_keras.tensorflow_image")
    if name == "train":
        return _Names("train", **_old_optimizers())
    if name in ("initializers", "losses", "metrics", "optimizers"):
        return importlib.import_module(f"tensorflow.keras.{name}")
    if name.startswith(("disable_", "enable_")):
        return _nothing
    return _refused(name)


def _refused(name: str) -> Any:
    more = importlib.import_module("minicnn.as_keras.tensorflow_more").FOUND
    if name in more:
        return more[name]()
    if any(path.startswith(f"{name}.") for path in more):
        return _Names(name)
    near = did_you_mean(name, (*OPS, *globals(), "data", "image"))
    raise NameUnknownError(
        f"minicnn answers for little of TensorFlow, and not for tensorflow.{name}: "
        f"{nearest(name)}.{near if nearest(name) == NOTHING_NEAR else ''}"
    )


def _by_ops(name: str) -> Any:
    """A function of minicnn.ops that gives tensors; of symbolic tensors it gives those."""
    function = operator.attrgetter(name)(importlib.import_module("minicnn.ops"))

    names = list(inspect.signature(function).parameters)

    def call(*arguments: Any, **options: Any) -> Any:
        options = of_ops(name, names, len(arguments), options)
        return tensor(function(*arguments, **options))

    call.__name__ = name
    if name in _NN:
        call.activation = name  # type: ignore[attr-defined]
    return call


def _old_optimizers() -> dict[str, Any]:
    """TensorFlow 1's optimizers, which models of Keras could be given."""
    optimizers = importlib.import_module("minicnn.optimizers")
    names = {"AdamOptimizer": "Adam", "GradientDescentOptimizer": "SGD", "MomentumOptimizer": "SGD",
             "RMSPropOptimizer": "RMSprop", "AdagradOptimizer": "Adagrad"}  # fmt: skip
    return {old: getattr(optimizers, name) for old, name in names.items()}


def _data() -> Any:
    from minicnn.data.pipeline import Dataset

    more: Any = {
        "AUTOTUNE": -1, "Options": Inert, "ThreadingOptions": Inert, "AutoShardPolicy": Inert(),
        "INFINITE_CARDINALITY": -1, "UNKNOWN_CARDINALITY": -2,
        "cardinality": lambda dataset: dataset.cardinality(),
    }  # fmt: skip
    return _Names("data", Dataset=Dataset, experimental=_Names("data", **more), **more)


def split(
    value: Any, num_or_size_splits: Any, axis: int = 0, num: Any = None, name: str | None = None
) -> Any:
    """As many parts of the same size, or parts of the sizes in a list."""
    sizes = np.asarray(num_or_size_splits)
    where = int(sizes) if sizes.ndim == 0 else np.cumsum(sizes)[:-1].tolist()
    return _by_ops("split")(value, where, axis)


def convert_to_tensor(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """An array."""
    return tensor(np.asarray(value, _dtype(dtype)))


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Any:
    """An array."""
    array = np.asarray(value, _dtype(dtype))
    array = array.astype(np.float32) if dtype is None and array.dtype == np.float64 else array
    return tensor(array if shape is None else np.broadcast_to(array, shape).copy())


def Variable(  # noqa: N802
    initial_value: Any,
    trainable: bool = True,
    validate_shape: bool = True,
    caching_device: Any = None,
    name: str | None = None,
    variable_def: Any = None,
    dtype: Any = None,
    **_: Any,
) -> Any:
    """An array that ``assign`` changes; nothing is derived with respect to it."""
    value = initial_value() if callable(initial_value) else initial_value
    return variable(np.array(constant(value, dtype)), name, bool(trainable))


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


def _encode(name: str) -> Any:
    def encode(*arguments: Any, **options: Any) -> Any:
        image = importlib.import_module("minicnn.as_keras.tensorflow_image")
        return getattr(image, name)(*arguments, **options)

    return encode


_DECODERS: Any = dict.fromkeys(
    [f"decode_{kind}" for kind in ("image", "jpeg", "png", "bmp", "gif", "webp")], _decode
)


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


def _gamma(shape: Any, alpha: Any, beta: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Numbers of a gamma distribution with the rate ``beta``."""
    return tensor(_drawing("gamma")(shape, alpha, dtype=dtype, seed=seed) / np.float32(beta))


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
Graph = get_default_graph = Inert
random = _Names("random", gamma=_gamma, set_seed=set_random_seed, uniform=_drawing("uniform"),
                normal=_drawing("normal"), truncated_normal=_drawing("truncated_normal"),
                shuffle=_drawing("shuffle"), categorical=_drawing("categorical"))  # fmt: skip
nn = _Names("nn", _NN | {"l2_normalize": "normalize"})
math = _Names("math", _MATH, confusion_matrix=confusion_matrix)
io = _Names("io", read_file=_read_file, **_DECODERS, **{
    name: _encode(name) for name in ("encode_jpeg", "encode_png")
})  # fmt: skip
framework = SimpleNamespace(
    ops=SimpleNamespace(EagerTensor=Tensor, Tensor=Tensor, reset_default_graph=_nothing)
)
strings = _Names("strings", split=_split)
version = SimpleNamespace(VERSION="2.21.0", GIT_VERSION="", COMPILER_VERSION="")
double, half = float64, float16
sysconfig = Inert()
numpy_function = py_function
as_dtype = np.dtype
TensorSpec = Inert
dtypes = _Names(
    "dtypes", as_dtype=np.dtype, cast=cast, float16=float16, float32=float32, float64=float64,
    int8=int8, int16=int16, int32=int32, int64=int64, uint8=uint8, uint16=uint16, uint32=uint32,
    bool=np.dtype("?"), string=string, DType=np.dtype,
)  # fmt: skip
DType = np.dtype
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
test = _Names(
    "test",
    is_built_with_gpu_support=_no,
    is_gpu_available=_no,
    is_built_with_cuda=_no,
    gpu_device_name=lambda: "",
)
distribute = _Names(
    "distribute", MirroredStrategy=_Strategy, OneDeviceStrategy=_Strategy, get_strategy=_Strategy
)
executing_eagerly = lambda: True  # noqa: E731
client = SimpleNamespace(device_lib=SimpleNamespace(list_local_devices=_list_devices))
global_variables_initializer = Inert
reset_default_graph = _nothing
compat = _Names("compat")

__all__ = ["Tensor", "TensorShape"]
