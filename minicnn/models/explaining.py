"""The verbs of a model that say what it did: how a number came about, what a step of a run was.

What they need is imported when they are called.
"""

import copy
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn._core.arguments import number, whole_number
from minicnn._core.shapes import Array
from minicnn._files.paths import path_of
from minicnn.callbacks.callback_list import flat
from minicnn.models import taking
from minicnn.models.base import BaseModel

if TYPE_CHECKING:
    from minicnn.explain.diagnosis import Findings
    from minicnn.explain.gradient_check import GradientCheck
    from minicnn.explain.number import Explanation
    from minicnn.explain.replay import Replay


class Explaining(BaseModel):
    """``explain``, ``explain_gradient``, ``check_gradients`` and ``replay``, for ``Model``."""

    def explain(self: Any, x: Any, layer: Any, position: Any) -> "Explanation":
        """How one activation came about: window, kernel, products, sum, bias, activation.

        ``x`` is one picture, or a batch of one, as ``predict`` takes it. ``layer`` is a name (also
        of a layer within: "base.conv2d"), an index in ``layers`` or the layer; ``position`` an
        index into its output, without the batch axis: (row, column, channel) or (unit,). The
        network computes as in ``predict``, not as in training. The terms that are shown add up to
        the number; ``step`` of what comes back goes on to a number that it came from. Raises
        ``ConfigError`` for a layer that is not there, ``ShapeError`` for a position outside.

        >>> model = Sequential([Input((2,)), Dense(3, kernel_initializer="ones")])
        >>> explanation = model.explain(np.array([1.0, 2.0]), "dense", 0)
        >>> explanation.terms.products.tolist(), explanation.value
        ([1.0, 2.0], 3.0)
        """
        from minicnn.explain import number

        return number.explain(self, _one(self, "explain", x), layer, position)

    def explain_gradient(
        self: Any, x: Any, layer: Any, position: Any, output: Any = None, label: Any = None
    ) -> "Explanation":
        """Where the gradient at one activation came from: dy * weight of all that used it.

        With ``output``, an index, it is the gradient of that output, before its softmax or sigmoid
        (by default of the largest; of a model with several outputs ``{name: index}``), with
        ``label`` that of the loss that ``compile`` was given. Both are as outside training:
        nothing is dropped, and BatchNorm uses its moving statistics. ``x``, ``layer`` and
        ``position`` are as in ``explain``; the input layer's gradients are those of the pixels.
        Raises what ``explain`` raises.

        >>> model = Sequential([Input((2,)), Dense(3, kernel_initializer="ones"), ReLU(), Dense(1)])
        >>> model.explain_gradient(np.ones(2), "input_layer", 1, output=0).sources
        ['dense']
        """
        from minicnn.explain import number

        xs = _one(self, "explain_gradient", x)
        return number.explain_gradient(self, xs, layer, position, output, label)

    def check_gradients(
        self: Any, x: Any, y: Any, entries: int = 4, step: float = 1e-5, seed: int = 0
    ) -> "GradientCheck":
        """Compare the gradients of the loss with central differences, in double precision.

            (loss(w + step) - loss(w - step)) / (2 * step)

        ``x`` and ``y`` are a small batch as ``fit`` takes it, for a compiled model, which stays as
        it is. In each array of parameters, and behind each layer in what flows on, so many
        ``entries`` are moved. What is random (dropout, noise) is drawn alike each time; an entry
        that lies at a corner (of a ReLU or of a pool, where there is no gradient) is told by
        one-sided differences and left out. Raises what ``fit`` raises for such data.

        >>> model = Sequential([Input((4,)), Dense(3, activation="softmax")], seed=0)
        >>> model.compile("sgd", "sparse_categorical_crossentropy")
        >>> model.check_gradients(np.ones((2, 4)), np.array([0, 2])).right
        True
        """
        from minicnn.explain import gradient_check

        whole_number("check_gradients", "entries", entries)
        number("check_gradients", "step", step, above=0)
        whole_number("check_gradients", "seed", seed, least=0)
        data = taking.taker(self)("check_gradients", x, y)
        return gradient_check.check_gradients(self, data, entries, step, seed)

    def diagnose(
        self: Any,
        x: Any,
        y: Any = None,
        history: Any = None,
        validation_data: Any = None,
        batch_size: int | None = None,
    ) -> "Findings":
        """What ails the training on such data, causes first: see ``explain.diagnose``.

        Raises what ``fit`` raises for such data.
        """
        from minicnn.explain import diagnosis

        loader, validation = taking.to_fit(self, x, y, None, None, 0.0, validation_data, (32, 32))
        found = diagnosis.Examined(
            self,
            loader.sample,
            None if validation is None else validation.sample,
            self.history if history is None else history,
            batch_size,
        )
        found.whole = loader.in_memory
        return diagnosis.examine(found)

    def replay(
        self: Any,
        folder: str | os.PathLike[str],
        step: int,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        callbacks: Any = None,
        verbose: str | int = 0,
    ) -> "Replay":
        """A step of a run, done again from its checkpoints to the bit, to look into.

        ``folder`` is what ``fit(..., checkpoint=folder)`` of a model like this one was given; this
        one stays as it is. ``step`` is the optimizer's ``iterations`` after it: 312 is the 312th
        batch of a run. ``x``, ``y`` and weights are those of ``fit``, all of them in their order,
        with those that ``validation_split`` held out; ``callbacks`` those that change what is
        learned. The run is trained on from the last checkpoint before the step, or from its start.

        What comes back has the batch, each node's input, output, caches and gradients, each
        parameter before and after; its ``branch`` trains on from there, if you like at another
        rate. Raises ``ConfigError`` for other data, another model or a step that the run has not.

        >>> x, y = np.ones((8, 4)), np.arange(8) % 2
        >>> model = Sequential([Input((4,)), Dense(2, activation="softmax")], seed=0)
        >>> model.compile("sgd", "sparse_categorical_crossentropy")
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> history = model.fit(x, y, 4, epochs=3, checkpoint=folder, verbose=0)
        >>> replay = model.replay(folder, 5, x, y)
        >>> replay.epoch, replay.batch, replay.x.shape, replay["dense"].y.shape
        (3, 1, (4, 4), (4, 2))
        >>> bool((replay.branch().get_weights()[0] == model.get_weights()[0]).all())
        True
        """
        from minicnn.explain import replay

        whole_number("replay", "step", step)

        def loaders(run: Any, validation_data: Any = None) -> Any:
            given = x, y, sample_weight, class_weight, validation_data
            return taking.as_in_run(self, run, *given)

        path = path_of("replay", "folder", folder)
        return replay.replay(copy.deepcopy(self), path, step, loaders, flat(callbacks), verbose)


def _one(model: Any, who: str, x: Any) -> list[Array]:
    """One picture as a batch of one, for each input."""
    ranks = [len(shape) for shape in model.input_shapes] if model.built else []
    if len(ranks) == 1 and np.ndim(x) == ranks[0]:
        x = np.asarray(x)[None]
    elif len(ranks) > 1 and isinstance(x, list | tuple) and len(x) == len(ranks):
        x = [
            np.asarray(one)[None] if np.ndim(one) == rank else one
            for one, rank in zip(x, ranks, strict=True)
        ]
    arrays: list[Array] = model.arrays_of(who, x)
    return arrays
