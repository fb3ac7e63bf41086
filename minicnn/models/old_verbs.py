"""Methods that Keras 1 and 2 had, as what stands for them today; each is said once."""

from itertools import zip_longest
from typing import Any

import numpy as np

from minicnn._core.console import warn_once
from minicnn._core.shapes import Array

PASSED_BY = ("max_queue_size", "max_q_size", "workers", "use_multiprocessing", "pickle_safe")
"""Arguments that said how a generator is to be run."""


class OldVerbs:
    """``fit_generator`` and its like."""

    fit: Any
    evaluate: Any
    predict: Any
    loss: Any
    metrics: Any
    weighted_metrics: Any
    outputs: Any
    output_names: list[str]

    def fit_generator(
        self,
        generator: Any,
        steps_per_epoch: int | None = None,
        epochs: int = 1,
        verbose: str | int = 1,
        callbacks: Any = None,
        validation_data: Any = None,
        validation_steps: int | None = None,
        **options: Any,
    ) -> Any:
        """``fit`` on what gives batches, as Keras 2 spells it, and Keras 1 with its own names."""
        warn_once("fit_generator", "fit_generator is fit today.")
        samples, of_validation = (
            options.pop(name, None) for name in ("samples_per_epoch", "nb_val_samples")
        )
        epochs = options.pop("nb_epoch", epochs)
        size = getattr(generator, "batch_size", None)
        # Keras 1 counted samples; whoever gives them by position gives steps.
        if samples is not None:
            steps_per_epoch = -(-samples // size) if size else samples
        if of_validation is not None:
            size = getattr(validation_data, "batch_size", None)
            validation_steps = -(-of_validation // size) if size else of_validation
        return self.fit(
            generator,
            steps_per_epoch=_whole(steps_per_epoch),
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_data=validation_data,
            validation_steps=_whole(validation_steps),
            **_without_workers(options),
        )

    def evaluate_generator(
        self, generator: Any, steps: int | None = None, verbose: str | int = 0, **options: Any
    ) -> Any:
        """``evaluate`` on what gives batches."""
        warn_once("evaluate_generator", "evaluate_generator is evaluate today.")
        steps = options.pop("val_samples", steps)
        return self.evaluate(
            generator, steps=_whole(steps), verbose=verbose, **_without_workers(options)
        )

    def predict_generator(
        self, generator: Any, steps: int | None = None, verbose: str | int = 0, **options: Any
    ) -> Any:
        """``predict`` on what gives batches."""
        warn_once("predict_generator", "predict_generator is predict today.")
        steps = options.pop("val_samples", steps)
        return self.predict(
            generator, steps=_whole(steps), verbose=verbose, **_without_workers(options)
        )

    def predict_classes(
        self, x: Any, batch_size: int | None = None, verbose: str | int = 0
    ) -> Array:
        """The class of each image: the largest of several outputs, or whether one is above 0.5."""
        warn_once("predict_classes", "predict_classes(x) is predict(x).argmax(axis=-1) today.")
        y = self.predict(x, batch_size=batch_size, verbose=verbose)
        return np.asarray(y.argmax(axis=-1) if y.shape[-1] > 1 else (y > 0.5).astype("int32"))

    def predict_proba(self, x: Any, batch_size: int | None = None, verbose: str | int = 0) -> Any:
        """``predict``."""
        warn_once("predict_proba", "predict_proba is predict today.")
        return self.predict(x, batch_size=batch_size, verbose=verbose)

    def reset_metrics(self) -> None:
        """Nothing: each run, and each batch that is trained alone, has metrics of its own."""

    @property
    def metrics_names(self) -> list[str]:
        """What the numbers are that ``evaluate`` returns, as in Keras 2."""
        of = [[self.metrics, self.weighted_metrics]]
        if len(self.outputs) > 1:
            of = [list(pair) for pair in zip_longest(self.metrics, self.weighted_metrics or [])]
        names = [
            [one if isinstance(one, str) else one.name for part in parts for one in part or ()]
            for parts in of
        ]
        if len(of) == 1:
            return ["loss", *names[0]]
        trained = zip(self.output_names, self.loss or (), strict=False)
        outputs = zip(self.output_names, names, strict=True)
        return [
            "loss",
            *(f"{name}_loss" for name, loss in trained if loss is not None),
            *sorted(f"{output}_{name}" for output, several in outputs for name in several),
        ]


def _whole(steps: Any) -> Any:
    """Steps as ``len(x) / batch_size`` gives them, rounded up."""
    return int(np.ceil(steps)) if isinstance(steps, float) else steps


def _without_workers(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in PASSED_BY}
