"""The page that shows a network at work: every map, every number, on any picture."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn._files.atomic import replacing
from minicnn._files.paths import path_of
from minicnn.errors import ConfigError, DataError, printable, shown
from minicnn.models.model import Model
from minicnn.pages.document import as_json, document, filled, source
from minicnn.pages.network import Network, Step, network_of
from minicnn.pages.packing import Described, Packer

LARGEST = 5_000_000
"""Bytes of a page."""

MOST_NUMBERS = 3 * LARGEST // 8
"""Half precision numbers of which base64 fills a page."""

SCRIPTS = [
    *("activations.js", "windows.js", "layers.js", "network.js"),
    *("drawing.js", "numbers.js", "panel.js", "explain.js"),
]


def explain_page(model: Model, pictures: Any, path: str | os.PathLike[str]) -> None:
    """Write one HTML file that shows how the model computes its answer for each picture.

    ``pictures`` is an array (N, H, W, C) as the model takes it, or a dictionary of names and images
    (H, W, C). The page carries the weights and computes the network itself, also for pictures that
    are dropped on it: every layer with its maps, every number as the products and the sum that it
    is, and Grad-CAM for each class (Selvaraju et al., 2017). Nothing is loaded from elsewhere.

    A page has at most 5 MB. Kernels that do not fit in float32 are rounded to float16; of a network
    that does not fit even so, the page has maps that NumPy computed for these pictures, and says
    so. Raises ``ConfigError`` for a model of several inputs or outputs or not of images,
    ``DataError`` for pictures that make no sense.

    >>> import tempfile
    >>> model = Sequential([Input((8, 8, 1)), Conv2D(2, 3), Flatten(), Dense(2)], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "page.html")
    ...     explain_page(model, np.zeros((1, 8, 8, 1), np.uint8), path)
    ...     with open(path, encoding="utf-8") as page:
    ...         page.read(15)
    '<!DOCTYPE html>'
    """
    path = path_of("explain_page", "path", path)
    names, batch = _batch(model, pictures)
    script = "\n".join(map(source, SCRIPTS))
    for data in _versions(model, names, batch):
        title = f"{data['name']}: how it computes"
        body = filled(source("explain.html"), data=as_json(data), script=script)
        page = document(title, body, ("page.css", "explain.css"), script).encode()
        if len(page) <= LARGEST:
            break
    else:
        raise ConfigError(
            f"explain_page: expected a page of at most {LARGEST:,} bytes, got {len(page):,} of "
            f"{len(names)} pictures. Give it fewer, or a part of the network: "
            "Model(model.input, layer.output)."
        )
    with replacing(path) as unfinished:
        unfinished.write_bytes(page)


def _batch(model: Model, pictures: Any) -> tuple[list[str], Array]:
    """The pictures' names, and all of them as the network takes them; raises unless it does."""
    if not isinstance(model, Model):
        raise ConfigError(f"explain_page: expected a model, got {shown(model)}.")
    model.require_built()
    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.input_shape) != 3:
        raise ConfigError(
            f"explain_page: expected a model of one image (H, W, C) with one output, got "
            f"{len(model.inputs)} inputs {model.input_shapes} and {len(model.outputs)} outputs. "
            "Make one of its tensors: Model(one_input, one_output)."
        )
    if not isinstance(pictures, Mapping):
        batch = model.arrays_of("explain_page", pictures)[0]
        return [f"picture {i}" for i in range(len(batch))], batch
    if not pictures:
        raise DataError("explain_page: expected at least one picture, got none.")
    found = [
        model.arrays_of(f"explain_page, {name}", np.asarray(one)[None])[0]
        for name, one in pictures.items()
    ]
    return [printable(str(name)) for name in pictures], np.concatenate(found)


def _versions(model: Model, names: Sequence[str], batch: Array) -> Iterator[dict[str, Any]]:
    """What the page may carry, the most exact first: float32, float16, maps alone."""
    network = network_of(model.graph())
    arrays = {id(array): array for step in network.steps for array in step.part.arrays.values()}
    numbers = sum(array.size for array in arrays.values())
    if 2 * numbers <= MOST_NUMBERS:
        yield _data(model, network, names, batch, "float32")
    if numbers <= MOST_NUMBERS:
        yield _data(model, network, names, batch, "float16")
    most = max(step.part.shape[-1] for step in network.steps)
    while most >= 1:
        if most == 1 or network.numbers(most) * len(batch) <= MOST_NUMBERS:
            yield _data(model, network, names, batch, "maps", most)
        most //= 2


def _data(
    model: Model,
    network: Network,
    names: Sequence[str],
    batch: Array,
    precision: str,
    most: int | None = None,
) -> dict[str, Any]:
    """All that the page's scripts read."""
    packer, maps = Packer(), precision == "maps"
    shared: dict[int, Described] = {}
    return {
        "name": printable(model.name or "model"),
        "parameters": model.count_params(),
        "precision": precision,
        "input": batch.shape[1:],
        "classes": [printable(name) for name in model.class_names],
        "softmax": _missing_activation(model),
        "own": None if maps else _own(batch),
        "output": network.output,
        "nodes": [_node(step, packer, precision, shared) for step in network.steps],
        "pictures": [
            {
                "name": name,
                "picture": packer.add(image),
                "given": {
                    str(number): packer.add(value[..., :most] if value.ndim == 3 else value, maps)
                    | {"partly": value.ndim == 3 and value.shape[-1] > (most or value.shape[-1])}
                    for number, value in network.computed(image, model.dtype, maps)
                },
            }
            for name, image in zip(names, batch, strict=True)
        ],
        "bytes": packer.text(),
    }


def _node(
    step: Step, packer: Packer, precision: str, shared: dict[int, Described]
) -> dict[str, Any]:
    """A step with its arrays, those of a layer that is used twice once, unless maps are alone."""
    head = {"name": printable(step.name), "kind": step.kind, "reads": step.reads}
    head["shape"] = step.part.shape
    if precision == "maps":
        return head | {"op": "unknown", "arrays": {}}
    for array in step.part.arrays.values():
        if id(array) not in shared:
            shared[id(array)] = packer.add(array, precision == "float16" and array.ndim > 1)
    arrays = {name: shared[id(array)] for name, array in step.part.arrays.items()}
    return head | {"op": step.part.op, "arrays": arrays} | step.part.more


def _own(batch: Array) -> float | None:
    """What the bytes of one's own picture are multiplied by; None: they cannot be taken."""
    low, high = float(batch.min()), float(batch.max())
    if batch.shape[-1] not in (1, 3) or low < 0 or high > 255:
        return None
    return 1 / 255 if batch.dtype.kind == "f" and high <= 1 else 1.0


def _missing_activation(model: Model) -> str | None:
    """The activation that the loss applies to logits, if the model ends in them."""
    loss: Any = model.loss
    found = getattr(loss, "activation", None) if getattr(loss, "from_logits", False) else None
    return found if found in ("softmax", "sigmoid") else None
