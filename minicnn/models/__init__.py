"""Model, Sequential and ``load_model``, where Keras has them."""

from minicnn._core.config import exported
from minicnn._keras.public_names import asked
from minicnn.models.configs import MODELS
from minicnn.models.loading import clone_model as clone_model
from minicnn.models.loading import load_model as load_model
from minicnn.models.loading import model_from_config as model_from_config
from minicnn.models.loading import model_from_json as model_from_json
from minicnn.models.loading import save_model as save_model
from minicnn.models.model import Model as Model
from minicnn.models.sequential import Sequential as Sequential

__getattr__ = asked("models")

MODELS.update(Model=Model, Sequential=Sequential)
exported(
    Model, globals(), "clone_model", "load_model", "model_from_config", "model_from_json",
    "save_model",
)  # fmt: skip
