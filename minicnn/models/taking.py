"""What ``fit`` and ``evaluate`` are given, as the batches that a model takes."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, Protocol

from minicnn._core.arguments import number
from minicnn._core.shapes import Array
from minicnn.data.arrays import check_batch_size, gives_batches, labels
from minicnn.data.fitting import (
    Data,
    Take,
    check_validation,
    data_of,
    outputs_of,
    split_tail,
    validation_of,
    weighted_by_class,
    weights_of,
)
from minicnn.data.loaders import (
    ArrayLoader,
    Loader,
    batch_loader,
    check_alone,
    check_end,
    inputs_from,
    length,
)
from minicnn.data.streaming import Source, SourceLoader, drawn, order_of
from minicnn.errors import ConfigError, DataError
from minicnn.models import door
from minicnn.models.base import BaseModel


def taken(model: BaseModel, who: str, x: Any, y: Any = None, sample_weight: Any = None) -> Data:
    """The data that were given, checked: one array for each input and each output."""
    model.meet(x)
    single = len(model.inputs) < 2 and len(model.outputs) < 2
    if single and not any(isinstance(one, Mapping) for one in (x, y)):
        if len(model.inputs) == 1 and isinstance(x, list | tuple) and len(x) == 1:
            x = x[0]
        data = door.data_in(who, model, data_of(who, x, y, sample_weight))
        return data._replace(xs=tuple(model.ranked(data.xs)))
    xs = model.arrays_of(who, x)
    if y is None:
        raise DataError(f"{who}: expected x and y; y is missing.")
    samples = len(xs[0])
    names = model.output_names
    ys = [labels(who, one) for one in outputs_of(who, "labels", y, names, samples)]
    for name, one in zip(names, ys, strict=True):
        if len(one) != samples:
            raise DataError(
                f"{who}: expected as many labels as samples, got {samples} samples and "
                f"{len(one)} labels of {name!r}."
            )
    door.check_losses(who, model)
    ys = door.labels_in(model, ys)
    weights: list[Array | None] = [None] * len(names)
    if sample_weight is not None:
        given = outputs_of(who, "sample_weight", sample_weight, names, samples)
        weights = [None if one is None else weights_of(who, one, samples) for one in given]
    return Data(tuple(xs), tuple(ys), tuple(weights))


def taker(model: BaseModel, class_weight: Mapping[int, float] | None = None) -> Take:
    """What takes batches for a model, with the weights of their classes."""

    def take(who: str, x: Any, y: Any = None, sample_weight: Any = None) -> Data:
        data = taken(model, who, x, y, sample_weight)
        model.ready(data.xs)
        return data if class_weight is None else weighted_by_class(who, data, class_weight)

    return take


def to_evaluate(
    model: BaseModel, who: str, x: Any, y: Any, sample_weight: Any, batch_size: int
) -> Loader:
    """The batches of arrays, a dataset, or an object that gives batches."""
    if isinstance(x, Source):
        return of_source(model, who, x, y, sample_weight, batch_size)
    if gives_batches(x):
        check_alone(who, x, y=y, sample_weight=sample_weight)
        return batch_loader(who, x, taker(model))
    data = taken(model, who, x, y, sample_weight)
    model.ready(data.xs)
    return ArrayLoader(data, batch_size)


def of_source(
    model: BaseModel,
    who: str,
    source: Source,
    y: Any,
    sample_weight: Any,
    batch_size: int,
    class_weight: Mapping[int, float] | None = None,
) -> SourceLoader:
    """The batches of images that are read while they are needed."""
    if y is not None:
        raise DataError(f"{who}: expected no y beside {source!r}, which has labels.")
    return SourceLoader(who, source, taker(model, class_weight), batch_size, sample_weight)


def to_fit(
    model: BaseModel,
    x: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Mapping[int, float] | None,
    validation_split: float,
    validation_data: Any,
    sizes: tuple[int, int],
) -> tuple[Loader, Loader | None]:
    """(the batches to learn from, those to evaluate, if any), from the arguments of ``fit``.

    ``sizes`` are those of the batches of either.
    """
    if validation_split is not None:
        number("fit", "validation_split", validation_split, least=0, below=1)
    validation: Loader | None = None
    loader: Loader
    if isinstance(x, Source):
        if validation_split:
            raise ConfigError(
                f"fit: expected no validation_split beside {x!r}, which is not split. Give "
                "validation_data=, an HDF5Dataset too."
            )
        loader = of_source(model, "fit", x, y, sample_weight, sizes[0], class_weight)
    elif gives_batches(x):
        others = {"y": y, "sample_weight": sample_weight, "validation_split": validation_split}
        check_alone("fit", x, **others)
        loader = batch_loader("fit", x, taker(model, class_weight))
    else:
        data = taken(model, "fit", x, y, sample_weight)
        if validation_data is None and validation_split:
            data, held_out = split_tail("fit", data, validation_split)
            validation = ArrayLoader(held_out, sizes[1])
        if class_weight is not None:
            data = weighted_by_class("fit", data, class_weight)
        loader = ArrayLoader(data, sizes[0])
        model.ready(data.xs)
    held_out_who = "fit, validation_data"
    if isinstance(validation_data, Source):
        validation = of_source(model, held_out_who, validation_data, None, None, sizes[1])
        check_validation("fit", loader.sample.x, validation.sample.x)
    elif gives_batches(validation_data):
        validation = batch_loader(held_out_who, validation_data, taker(model))
    elif validation_data is not None:
        data = validation_of(held_out_who, partial(taken, model), validation_data)
        for one, other in zip(loader.sample.xs, data.xs, strict=True):
            check_validation("fit", one, other)
        validation = ArrayLoader(data, sizes[1])
    return loader, validation


def as_in_run(
    model: BaseModel,
    run: "Ran",
    x: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Mapping[int, float] | None,
    validation_data: Any,
) -> tuple[Loader, Loader | None]:
    """The same for a run of the past; what it held out of the data is held out again."""
    given = model, x, y, sample_weight, class_weight
    loader, validation = to_fit(*given, 0.0, validation_data, run.sizes)
    samples = loader.sample.samples
    if isinstance(loader, ArrayLoader) and run.validated and run.samples < samples:
        split = 1 - (run.samples + 0.5) / samples
        loader, held_out = to_fit(*given, split, None, run.sizes)
        validation = validation or held_out
    return loader, validation


def to_predict(
    model: BaseModel, x: Any, batch_size: int, steps: int | None
) -> tuple[Iterator[list[Array]], int | None]:
    """(the inputs of so many batches, or of all, their number if known) of what gives batches."""
    if isinstance(x, Source):
        check_batch_size(batch_size)
        given: Iterator[Any] = (
            one.x[one.places] for one in drawn(x, batch_size, order_of(x, None))
        )
        known: int | None = -(-len(x) // batch_size)
    else:
        check_end("predict", "steps", x, steps)
        given, known = inputs_from("predict", x), length(x)
    batches = (model.arrays_of("predict", one) for one in islice(given, steps))
    return batches, known if steps is None else steps


class Ran(Protocol):
    """What is known of a run of the past."""

    @property
    def sizes(self) -> tuple[int, int]: ...  # noqa: D102
    @property
    def samples(self) -> int: ...  # noqa: D102
    @property
    def validated(self) -> bool: ...  # noqa: D102
