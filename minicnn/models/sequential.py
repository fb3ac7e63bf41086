"""The model: layers in a row, with the verbs of Keras."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from minicnn import losses, optimizers
from minicnn import metrics as metric_table
from minicnn._core.console import say
from minicnn._core.shapes import Array
from minicnn._core.signatures import checked
from minicnn._keras.public_names import raise_absent
from minicnn._training import evaluation, loop
from minicnn._training.options import FitOptions
from minicnn._training.program import Program
from minicnn.callbacks import TimeBudget
from minicnn.callbacks.history import History
from minicnn.data.arrays import Dataset, check_batch_size, images
from minicnn.data.fitting import Data, check_validation, data_of, training_data
from minicnn.errors import ConfigError, shown
from minicnn.kernels import DEFAULT
from minicnn.layers import Layer
from minicnn.layers.registry import described, with_layers
from minicnn.losses import Loss
from minicnn.metrics import Metric
from minicnn.models import saving
from minicnn.models.base import BaseModel
from minicnn.models.memory import check_memory, memory_use
from minicnn.models.summary import memory_line, table
from minicnn.optimizers import Optimizer


class Sequential(BaseModel):
    """Layers that run one after another.

    ``seed`` starts the model's one generator, from which come the first weights, the
    order of the batches and what dropout drops; without it every model differs.
    ``dtype`` is "float32" or "float64"; ``kernels`` is "vectorized", or "reference" for
    plain loops. ``fit``, ``evaluate`` and ``predict`` compute a convolution together with the
    ReLU and the pooling after it; ``fuse=False`` runs them one by one.

    >>> model = Sequential([Input((4,)), Dense(3, activation="softmax")], seed=0)
    >>> model.predict(np.ones((2, 4))).shape
    (2, 3)
    """

    @checked
    def __init__(
        self,
        layers: "Sequence[Layer | BaseModel] | None" = None,
        *,
        seed: int | None = None,
        name: str = "sequential",
        dtype: str = "float32",
        kernels: str = DEFAULT,
        fuse: bool = True,
    ) -> None:
        self._identity = object()
        self.optimizer: Optimizer | None = None
        self.loss: Loss | None = None
        self.metrics: Sequence[str | Metric] = ()
        self.class_names: tuple[str, ...] = ()
        self.history: History | None = None
        self.stop_training = False
        """Set to True by a callback, it ends ``fit`` after the batch at hand."""
        super().__init__(layers, seed=seed, name=name, dtype=dtype, kernels=kernels, fuse=fuse)

    def __getattr__(self, name: str) -> Any:
        """Say what to use instead of a verb of Keras' that is not here."""
        raise_absent("Sequential", name)

    def __setattr__(self, name: str, value: Any) -> None:
        """As for anything; names of optimizers, losses and metrics are for ``compile`` alone."""
        if name == "class_names":
            if isinstance(value, str) or not isinstance(value, Sequence):
                raise ConfigError(
                    f"Sequential: expected class_names as a list of texts, got {shown(value)}."
                )
            value = tuple(map(str, value))
        kind = {"optimizer": Optimizer, "loss": Loss}.get(name)
        metrics = name == "metrics" and not (isinstance(value, list | tuple))
        if metrics or (kind and not isinstance(value, kind | None)):
            raise ConfigError(
                f"Sequential: expected {name} as {'a list' if metrics else f'a {name} object'}, "
                f"got {value!r}. Call compile({name}=...), which takes names too."
            )
        if isinstance(value, Optimizer):
            if value.owner not in (None, self._identity):
                raise ConfigError(
                    f"Sequential: expected an optimizer of its own, got the {value!r} of another "
                    "model. Make a new one."
                )
            value.owner = self._identity
        super().__setattr__(name, value)

    # Keras' verbs --------------------------------------------------------------------

    @checked
    def compile(
        self,
        optimizer: str | Optimizer = "rmsprop",
        loss: str | Loss | None = None,
        metrics: str | Metric | Sequence[str | Metric] | None = None,
    ) -> None:
        """Say how to train: an optimizer, a loss and metrics, as objects or by Keras' names.

        A metric is copied for each run and each evaluation: an object that was given stays as it
        is, and its values come in what ``fit`` and ``evaluate`` return and in callbacks' logs.
        Raises ``ConfigError`` for an optimizer that trains another model: what it remembers
        is of that one's parameters.
        """
        found = optimizers.get("Sequential", optimizer)
        wanted = [metrics] if isinstance(metrics, str | Metric) else metrics
        wanted = () if wanted is None else wanted
        if not isinstance(wanted, Sequence):
            raise ConfigError(f"Sequential: expected metrics as a list, got {metrics!r}.")
        chosen = [metric_table.get("Sequential", metric) for metric in wanted]
        goal = None if loss is None else losses.get("Sequential", loss)
        chosen = metric_table.named_apart("Sequential", chosen)
        self.optimizer, self.loss, self.metrics = found, goal, chosen

    @checked
    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
        time_budget: str | float | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
    ) -> History:
        """Train on arrays x and y, or on a dataset, and return the metrics of each epoch.

        * ``batch_size``: None is 32. ``epochs``: the number of the last one; ``initial_epoch``
          of them are done. ``steps_per_epoch``: batches in one; the next goes on from there.
        * ``verbose``: "auto" or 1 for a bar, or a line an epoch in a file; 2 for the line; 0.
        * ``validation_data``: a dataset, (x, y) or (x, y, sample_weight), evaluated after every
          ``validation_freq``-th epoch, or those listed; else ``validation_split``, the last images.
        * ``sample_weight``, ``class_weight``: what counts in the loss, sum(weight * loss) / N.
        * ``time_budget``: seconds or "5min": no epoch begins that would end later.
        * ``checkpoint``: a folder; ``resume=True`` goes on from there to the same bits.

        Raises ``DataError``, ``ShapeError``, ``ConfigError``, ``DivergenceError``; ``FitOptions``
        and docs/resuming.md say more. Ctrl-C ends the run after a batch and keeps what was learned.
        """
        size = 32 if batch_size is None else batch_size
        arguments = (sample_weight, class_weight, validation_split, validation_data)
        data, validation = training_data("fit", x, y, *arguments)
        self._ready(data.x)
        if validation is not None:
            check_validation("fit", data.x, validation.x)
        options = FitOptions(
            batch_size=size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks if time_budget is None else [callbacks, TimeBudget(time_budget)],
            shuffle=shuffle,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=size if validation_batch_size is None else validation_batch_size,
            validation_freq=validation_freq,
            checkpoint=checkpoint,
            resume=resume,
        )
        return self._fit(data, validation, options, x)

    def _fit(self, data: Data, validation: Data | None, options: FitOptions, given: Any) -> History:
        program = Program(self)
        if self.optimizer is not None:
            at_once = min(options.batch_size, len(data.x))
            check_memory("fit", self.stack, program.all_nodes, self.optimizer, at_once)
        names = given.class_names if isinstance(given, Dataset) else ()
        self.class_names = tuple(names) or self.class_names
        return loop.fit(self, program, data, validation, options)

    @checked
    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = 0,
        sample_weight: Any = None,
        *,
        return_dict: bool = False,
    ) -> float | list[float] | dict[str, float]:
        """The loss and the metrics on arrays or a dataset, outside training.

        A list in the order of ``compile`` (just the loss if there are no metrics), or
        with ``return_dict`` a dictionary by name. ``sample_weight`` is as in ``fit``.
        """
        data = data_of("evaluate", x, y, sample_weight)
        self._ready(data.x)
        size = 32 if batch_size is None else batch_size
        logs = evaluation.evaluate(self, data, size, verbose)
        if return_dict:
            return logs
        return list(logs.values()) if len(logs) > 1 else logs["loss"]

    @checked
    def predict(self, x: Any, batch_size: int | None = None, verbose: str | int = 0) -> Array:
        """The output for every image of an array or a dataset."""
        x = images("predict", x)
        self._ready(x)
        return evaluation.predict(self, x, 32 if batch_size is None else batch_size, verbose)

    # Weights and files ---------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Name, dtype and layers with their arguments, as values that JSON can hold."""
        layers = [described(layer) for layer in self.stack]
        return {"name": self.name, "dtype": self.dtype.name, "layers": layers}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Sequential":
        """A new model from what ``get_config`` returned, with new weights."""
        config = with_layers(config)
        return cls(config["layers"], name=config["name"], dtype=config["dtype"])

    @checked
    def save(self, filepath: str | os.PathLike[str]) -> None:
        """Write layers, weights, optimizer and generator, whole or not at all.

        The file is one of Keras': ``.keras``, or the legacy ``.h5`` if ``filepath`` ends so. With
        Residual it is a functional model there.
        """
        self._require_built()
        saving.save(self, filepath)

    @checked
    def save_weights(self, filepath: str | os.PathLike[str]) -> None:
        """Write weights and optimizer as Keras' ``.weights.h5`` file, whole or not at all."""
        self._require_built()
        saving.save_weights(self, filepath)

    @checked
    def load_weights(self, filepath: str | os.PathLike[str]) -> None:
        """Take over what ``save_weights``, here or in Keras, wrote for a model of these layers.

        The optimizer's state and its rate are taken too, if the model is compiled and the file has
        them; those of another optimizer are left aside with a warning, as in Keras. Raises
        ``ModelFileError``, and changes nothing, when the file is of another model.
        """
        self._require_built()
        saving.load_weights(self, filepath)

    @checked
    def summary(self, batch_size: int | None = None) -> None:
        """Print a table: each layer's output, parameters, multiply-adds and memory an image.

        With ``batch_size`` a line more says how much memory training and predicting on such
        batches take at most, in all processes and besides the data and Python with minicnn
        imported: within 25%, or 8 MB where that is more. The optimizer counts; before ``compile``
        Adam is assumed.
        """
        self._require_built()
        lines = [f"Model {self.name!r}", table(self.stack)]
        if batch_size is not None:
            check_batch_size(batch_size)
            optimizer = self.optimizer or optimizers.Adam()
            use = memory_use(self.stack, self.nodes, optimizer, int(batch_size))
            lines.append(memory_line(use, batch_size, optimizer))
        say(*"\n".join(lines).split("\n"))
