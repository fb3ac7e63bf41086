"""A mini deep-learning framework on NumPy that reads like Keras, and can be read."""

from minicnn import activations as activations
from minicnn import callbacks as callbacks
from minicnn import constraints as constraints
from minicnn import initializers as initializers
from minicnn import layers as layers
from minicnn import losses as losses
from minicnn import metrics as metrics
from minicnn import models as models
from minicnn import optimizers as optimizers
from minicnn import regularizers as regularizers
from minicnn import saving as saving
from minicnn import utils as utils
from minicnn._core.config import Guarded as _Guarded
from minicnn._core.config import exported as _exported
from minicnn._keras.modules import find_old_paths as _find_old_paths
from minicnn._keras.public_names import asked as _asked
from minicnn._parallel.threads import get_threads as get_threads
from minicnn._parallel.threads import set_threads as set_threads
from minicnn.callbacks.history import History as History
from minicnn.layers import *
from minicnn.models.model import Model as Model
from minicnn.models.sequential import Sequential as Sequential
from minicnn.onnx import export_onnx as export_onnx
from minicnn.onnx import import_onnx as import_onnx
from minicnn.optimizers import *
from minicnn.saving import load_model as load_model

__version__ = "0.1.0"

_LATER = (
    "applications",
    "backend",
    "config",
    "datasets",
    "evaluation",
    "explain",
    "ops",
    "plots",
    "preprocessing",
    "random",
    "runs",
)
"""Modules that are loaded when they are asked for."""

__getattr__ = _asked("", _LATER, {"HDF5Dataset": "minicnn.data.hdf5_dataset"})

_find_old_paths()

del Optimizer, get  # noqa: F821 - found in minicnn.optimizers alone
_exported(
    _Guarded, globals(), "History", "Input", "activations", "applications", "callbacks",
    "constraints", "datasets", "export_onnx", "get_threads", "import_onnx", "initializers",
    "layers", "load_model", "losses", "metrics", "models", "optimizers", "preprocessing",
    "regularizers", "saving",
    "set_threads", "utils",
)  # fmt: skip
