"""The model: a network with the verbs of Keras."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn import losses, optimizers
from minicnn import metrics as metric_table
from minicnn._core.arguments import number, whole_number
from minicnn._core.config import close
from minicnn._core.console import Logs
from minicnn._core.settings import channels_last
from minicnn._core.signatures import checked
from minicnn._training import evaluation, loop, step
from minicnn._training.distributed import together
from minicnn._training.objective import by_output
from minicnn._training.options import FitOptions
from minicnn._training.program import Program
from minicnn.callbacks import TimeBudget
from minicnn.callbacks.history import History
from minicnn.data.arrays import gives_batches
from minicnn.data.loaders import ArrayLoader, Loader, check_end, check_steps
from minicnn.data.pixels import Pixels, compare, pixels_of
from minicnn.data.streaming import Source
from minicnn.errors import ConfigError, shown
from minicnn.losses import Loss
from minicnn.metrics import Metric
from minicnn.models import door, saving, taking
from minicnn.models.base import BaseModel
from minicnn.models.configs import custom_classes, from_config, model_config
from minicnn.models.explaining import Explaining
from minicnn.models.functional import put_together
from minicnn.models.memory import check_memory
from minicnn.models.old_verbs import OldVerbs
from minicnn.models.packing import packed
from minicnn.optimizers import Optimizer

if TYPE_CHECKING:
    from minicnn.models.summary_data import Summary


class Model(OldVerbs, Explaining, BaseModel):
    """The layers between symbolic tensors: a network of any form, with the verbs of Keras.

    ``inputs`` and ``outputs`` are tensors, lists of them, or dictionaries of names. ``seed``,
    ``dtype``, ``kernels`` and ``fuse`` are as in ``Sequential``. Layers that another model has are
    shared with it. Raises ``ConfigError`` for outputs that depend on other inputs,
    ``ShapeError`` for a network that does not fit in memory.

    >>> x = Input((8, 8, 3))
    >>> y = Conv2D(4, 3, padding="same", activation="relu")(x)
    >>> y = Concatenate()([x, y])
    >>> model = Model(x, Dense(2, activation="softmax")(GlobalAvgPool()(y)), seed=0)
    >>> model.predict(np.zeros((5, 8, 8, 3))).shape
    (5, 2)
    """

    @checked
    def __init__(
        self,
        inputs: Any,
        outputs: Any,
        *,
        name: str | None = None,
        seed: int | None = None,
        dtype: str | None = None,
        kernels: str | None = None,
        fuse: bool = True,
    ) -> None:
        self._begin(seed=seed, name=name, dtype=dtype, kernels=kernels, fuse=fuse)
        put_together(self, inputs, outputs)
        close(self)

    def _begin(self, **arguments: Any) -> None:
        self._identity = object()
        self.optimizer: Optimizer | None = None
        self.loss: Loss | Sequence[Loss | None] | None = None
        self.loss_weights: Sequence[float] | None = None
        self.metrics: Sequence[Any] = ()
        self.weighted_metrics: Sequence[Any] = ()
        self.class_names: tuple[str, ...] = ()
        self.pixels: Pixels | None = None
        """Between which numbers the images lay that ``fit`` was given."""
        self.history: History | None = None
        self.stop_training = False
        """Set to True by a callback, it ends ``fit`` after the batch at hand."""
        BaseModel.__init__(self, **arguments)

    def __setattr__(self, name: str, value: Any) -> None:
        """As for anything; names of optimizers, losses and metrics are for ``compile`` alone."""
        if name == "class_names":
            if isinstance(value, str) or not isinstance(value, Sequence):
                raise ConfigError(
                    f"{self.who}: expected class_names as a list of texts, got {shown(value)}."
                )
            value = tuple(map(str, value))
        kind = {"optimizer": Optimizer, "loss": Loss}.get(name)
        metrics = name in ("metrics", "weighted_metrics") and not isinstance(value, list | tuple)
        several = kind is Loss and isinstance(value, list | tuple)
        if metrics or (kind and not several and not isinstance(value, kind | None)):
            raise ConfigError(
                f"{self.who}: expected {name} as {'a list' if metrics else f'a {name} object'}, "
                f"got {value!r}. Call compile({name}=...), which takes names too."
            )
        if isinstance(value, Optimizer):
            if value.owner not in (None, self._identity):
                raise ConfigError(
                    f"{self.who}: expected an optimizer of its own, got the {value!r} of another "
                    "model. Make a new one."
                )
            value.owner = self._identity
        super().__setattr__(name, value)

    # Keras' verbs --------------------------------------------------------------------

    @checked
    def compile(
        self,
        optimizer: str | Optimizer = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        weighted_metrics: Any = None,
    ) -> None:
        """Say how to train: an optimizer, a loss and metrics, as objects or by Keras' names.

        A model of several outputs takes a loss, metrics and ``loss_weights`` for each, in a list or
        in a dictionary by the outputs' names; a single loss is for all. The loss that is trained is
        the sum of the outputs' losses times their weights. ``weighted_metrics`` are means in which
        samples count as in the loss (``sample_weight``, ``class_weight``): sum(w v) / sum(w).

        A metric is copied for each run and each evaluation: an object that was given stays as it
        is, and its values come in what ``fit`` and ``evaluate`` return and in callbacks' logs.
        Raises ``ConfigError`` for an optimizer that trains another model: what it remembers
        is of that one's parameters.
        """
        found = optimizers.get(self.who, optimizer)
        names = self.output_names if self.built else [""]
        goals = [
            None if one is None else losses.get(self.who, one)
            for one in by_output(self.who, "loss", loss, names)
        ]
        plain, weighted = (self._metrics(one, names) for one in (metrics, weighted_metrics))
        metric_table.check_weighted(self.who, weighted)
        weights = None
        if loss_weights is not None:
            weights = by_output(self.who, "loss_weights", loss_weights, names)
            weights = [1.0 if one is None else one for one in weights]
            for one in weights:
                number(self.who, "loss_weights", one, least=0)
        single = len(names) == 1
        self.optimizer, self.loss_weights = found, weights
        self.loss = goals[0] if single else goals if any(goals) else None
        self.metrics = plain[0] if single else plain
        self.weighted_metrics = (weighted[0] if single else weighted) if any(weighted) else []

    def _metrics(self, given: Any, names: Sequence[str]) -> list[list[Metric | str]]:
        """The metrics of each output."""
        alone = len(names) == 1 and not isinstance(given, Mapping)
        return [
            metric_table.of_output(self.who, wanted)
            for wanted in ([given] if alone else by_output(self.who, "metrics", given, names))
        ]

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
        distributed: bool = False,
    ) -> History:
        """Train on arrays x and y, a dataset or batches, and return the metrics of each epoch.

        * ``x``: besides arrays, what gives batches (x, y) or (x, y, sample_weight): a ``PyDataset``
          or any object with ``__len__`` and ``__getitem__``, a generator, a loader.
        * ``batch_size``: None is 32. ``epochs``: the number of the last one; ``initial_epoch``
          of them are done. ``steps_per_epoch``: batches in one; the next goes on from there.
        * ``verbose``: "auto" or 1 for a bar, or a line an epoch in a file; 2 for the line; 0.
        * ``validation_data``: a dataset, (x, y) or (x, y, sample_weight), evaluated after every
          ``validation_freq``-th epoch, or those listed; else ``validation_split``, the last images.
        * ``sample_weight``, ``class_weight``: what counts in the loss, sum(weight * loss) / N.
        * ``time_budget``: seconds or "5min": no epoch begins that would end later.
        * ``checkpoint``: a folder; ``resume=True`` goes on from there to the same bits.
        * ``distributed``: each process that mpiexec started computes its part of every batch.

        Raises ``DataError``, ``ShapeError``, ``ConfigError``, ``DivergenceError``; ``FitOptions``
        and docs/resuming.md say more. Ctrl-C ends the run after a batch and keeps what was learned.
        """
        with together(distributed):
            size = 32 if batch_size is None else batch_size
            sizes = size, size if validation_batch_size is None else validation_batch_size
            if time_budget is not None:
                callbacks = [callbacks, TimeBudget(time_budget)]
            arguments = (sample_weight, class_weight, validation_split, validation_data, sizes)
            loader, validation = taking.to_fit(self, x, y, *arguments)
            options = FitOptions(
                batch_size=loader.batch_size,
                epochs=epochs,
                verbose=verbose,
                callbacks=callbacks,
                shuffle=shuffle,
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
                validation_steps=validation_steps,
                validation_batch_size=sizes[1],
                validation_freq=validation_freq,
                checkpoint=checkpoint,
                resume=resume,
                distributed=distributed,
            )
            return self._fit(loader, validation, options, x)

    def _fit(
        self, loader: Loader, validation: Loader | None, options: FitOptions, given: Any
    ) -> History:
        check_steps("fit", "steps_per_epoch", loader, options.steps_per_epoch, options.left)
        if validation is not None:
            steps = options.validation_steps
            check_steps("fit", "validation_steps", validation, steps, options.left)
        program = Program(self)
        if self.optimizer is not None:
            at_once = min(loader.batch_size, loader.sample.samples)
            check_memory("fit", self, program.whole, self.optimizer, at_once)
        if not isinstance(given, np.ndarray):
            self.class_names = tuple(getattr(given, "class_names", None) or ()) or self.class_names
        compare("fit", self.pixels, loader.sample.x)
        self.pixels = pixels_of(loader.sample.x) or self.pixels
        if validation is not None:
            compare("fit, validation_data", self.pixels, validation.sample.x)
        return loop.fit(self, program, loader, validation, options)

    @checked
    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = 0,
        sample_weight: Any = None,
        steps: int | None = None,
        *,
        return_dict: bool = False,
    ) -> float | list[float] | dict[str, float]:
        """The loss and the metrics on what ``fit`` takes, outside training; ``steps``: batches.

        A list in the order of ``compile`` (just the loss if there are no metrics), or
        with ``return_dict`` a dictionary by name. ``sample_weight`` is as in ``fit``.
        """
        if steps is not None:
            whole_number("evaluate", "steps", steps)
        size = 32 if batch_size is None else batch_size
        check_end("evaluate", "steps", x, steps)
        loader = taking.to_evaluate(self, "evaluate", x, y, sample_weight, size)
        compare("evaluate", self.pixels, loader.sample.x)
        return self._listed(evaluation.evaluate(self, loader, verbose, steps), return_dict)

    @checked
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: str | int = 0,
        steps: int | None = None,
    ) -> Any:
        """The output for every image of an array, a dataset or of batches; ``steps``: batches.

        Several outputs are a list, or a dictionary where the model was made with one.
        """
        if steps is not None:
            whole_number("predict", "steps", steps)
        size = 32 if batch_size is None else batch_size
        if isinstance(x, Source) or gives_batches(x):
            batches, steps = taking.to_predict(self, x, size, steps)
            made = evaluation.predict_batches(self, batches, verbose, steps)
            return packed(door.images_out(self, made), self.output_keys)
        xs = self.arrays_of("predict", x)
        compare("predict", self.pixels, xs[0])
        if steps is not None:
            xs = [array[: steps * size] for array in xs]
        made = evaluation.predict(self, xs, size, verbose)
        return packed(door.images_out(self, made), self.output_keys)

    # One batch -------------------------------------------------------------------------

    @checked
    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> float | list[float] | dict[str, float]:
        """One step of training on one batch; returns what ``evaluate`` does, of before the step.

        Metrics are of this batch alone: Keras goes on counting from call to call.
        """
        data = taking.taker(self, class_weight)("train_on_batch", x, y, sample_weight)
        return self._listed(step.train(self, data), return_dict)

    @checked
    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> float | list[float] | dict[str, float]:
        """The loss and the metrics of one batch, as ``evaluate`` gives them."""
        data = taking.taker(self)("test_on_batch", x, y, sample_weight)
        logs = evaluation.evaluate(self, ArrayLoader(data, data.samples))
        return self._listed(logs, return_dict)

    @checked
    def predict_on_batch(self, x: Any) -> Any:
        """The output for one batch."""
        xs = self.arrays_of("predict_on_batch", x)
        made = evaluation.predict(self, xs, len(xs[0]))
        return packed(door.images_out(self, made), self.output_keys)

    def _listed(self, logs: Logs, as_dict: bool) -> float | list[float] | dict[str, float]:
        """Logs as Keras returns them."""
        if as_dict:
            return logs
        if len(self.outputs) > 1:  # in Keras' order
            losses = ("loss", *(f"{name}_loss" for name in self.output_names))
            first = [name for name in losses if name in logs]
            return [logs[name] for name in (*first, *sorted(logs.keys() - set(first)))]
        return list(logs.values()) if len(logs) > 1 else logs["loss"]

    # Weights and files ---------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Name, dtype, layers with their arguments, and what each is called on, as JSON has it."""
        return model_config(self)

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> "Model":
        """A new model from what ``get_config`` returned, with new weights.

        ``custom_objects`` has the custom classes by their names.
        """
        with channels_last():
            made: Model = from_config(cls, config, custom_classes("from_config", custom_objects))
        door.as_the_script(made, "from_config")
        return made

    def to_json(self, **kwargs: Any) -> str:
        """The layers, and how the model was compiled, as a text that Keras 3 reads too.

        ``kwargs`` are those of ``json.dumps``, such as ``indent=2``. Weights are not in it: see
        ``save`` and ``save_weights``. ``minicnn.models.model_from_json`` reads it.

        >>> text = Sequential([Input((4,)), Dense(3)]).to_json()
        >>> models.model_from_json(text).output_shape
        (3,)
        """
        self.require_built()
        return saving.to_json(self, **kwargs)

    @checked
    def save(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        include_optimizer: bool = True,
        save_format: str | None = None,
    ) -> None:
        """Write layers, weights, optimizer and generator, whole or not at all.

        The file is one of Keras': ``.keras``, or for any other ending, or with
        ``save_format="h5"``, the legacy ``.h5``. With ``overwrite=False`` a file that is there is
        an error.
        """
        self.require_built()
        door.check_saved(self)
        saving.save(self, filepath, overwrite, include_optimizer, save_format)

    @checked
    def save_weights(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        save_format: str | None = None,
    ) -> None:
        """Write weights and optimizer as Keras' ``.weights.h5`` file, whole or not at all.

        For any other ending it is the file that Keras 2 wrote, of the weights alone.
        """
        self.require_built()
        saving.save_weights(self, filepath, overwrite, save_format)

    @checked
    def load_weights(
        self,
        filepath: str | os.PathLike[str],
        by_name: bool = False,
        skip_mismatch: bool = False,
    ) -> None:
        """Take over what ``save_weights``, here or in Keras, wrote for a model of these layers.

        ``by_name``: only layers whose names the file has, for a file of Keras 2's kind.
        ``skip_mismatch``: layers whose arrays have other shapes stay as they are, with a warning.

        The optimizer's state and its rate are taken too, if the model is compiled and the file has
        them; those of another optimizer are left aside with a warning, as in Keras. Raises
        ``ModelFileError``, and changes nothing, when the file is of another model.
        """
        self.require_built()
        saving.load_weights(self, filepath, by_name, skip_mismatch)

    @checked
    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
        batch_size: int | None = None,
    ) -> "Summary":
        """Print a table: each layer's output, kernel, receptive field, parameters and work.

        A kernel of 3x3/2 moves by 2, one of 3x3*2 is dilated; the receptive field is that of
        ``explain.receptive_field``. In a narrow table numbers are short. What comes back has
        the ``text``, and the same as data: ``layers`` and ``totals``.

        * ``line_length``: the columns of a line; else as many as are needed, up to 80 if that can
          be. ``positions`` is taken and left aside: a column is as wide as what is in it.
        * ``print_fn``: what is called with each line, instead of printing it.
        * ``expand_nested``: the layers of models within as well. ``show_trainable``: whether a
          layer is trained. ``layer_range``: the first and the last layer, by name or pattern.
        * ``batch_size``: a line more says how much memory training and predicting on such batches
          take at most, in all processes and besides the data and Python with minicnn imported:
          within 25%, or 8 MB where that is more. The optimizer counts; before ``compile``, Adam.
        """
        from minicnn.models import summary

        options = summary.Options(line_length, expand_nested, show_trainable, layer_range)
        found = summary.summary(self, options, self.optimizer, batch_size)
        summary.show(found.lines, print_fn)
        return found
