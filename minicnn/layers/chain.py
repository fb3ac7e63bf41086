"""Layers run one after another, forward and back."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from minicnn._core.shapes import Array
from minicnn.errors import ConfigError
from minicnn.layers.base import Grads


class Node(Protocol):
    """The interface of a layer, or of several that are computed together."""

    @property
    def who(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str | None: ...  # noqa: D102
    @property
    def params(self) -> dict[str, Array]: ...  # noqa: D102

    def learned(self) -> dict[str, Array]: ...  # noqa: D102

    state: dict[str, Array]

    def forward(  # noqa: D102
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, Any]: ...
    def backward(self, dy: Array, cache: Any) -> tuple[Array, Grads]: ...  # noqa: D102
    def param_grads(self, dy: Array, cache: Any) -> Grads: ...  # noqa: D102
    def next_state(self, cache: Any) -> dict[str, Array]: ...  # noqa: D102
    def split_activation(self) -> "tuple[Node | None, str | None]": ...  # noqa: D102


def forward(
    layers: Sequence[Node], x: Array, training: bool, rng: np.random.Generator | None
) -> tuple[Array, list[Any]]:
    """(y, caches): the output of the last layer, and the cache of each."""
    caches = []
    for layer in layers:
        x, cache = layer.forward(x, training=training, rng=rng)
        caches.append(cache)
    return x, caches


def infer(layers: Sequence[Node], x: Array) -> Array:
    """The output of the last layer outside training; no cache is kept."""
    for layer in layers:
        x = layer.forward(x)[0]
    return x


def backward(
    layers: Sequence[Node],
    dy: Array,
    caches: Sequence[Any],
    need_dx: bool = True,
    frozen: bool = False,
) -> tuple[Array, Grads]:
    """(dx, grads): the gradients of the loss, those of parameters as ``<layer>.<param>``.

    Arrays that are not trained give none, unless ``frozen``. Without ``need_dx`` the backward pass
    ends at the first layer that learns, and the dx that is returned means nothing.
    """
    if len(caches) != len(layers):
        raise ConfigError(
            f"backward: expected the {len(layers)} caches of one forward pass, got {len(caches)}."
        )
    grads: Grads = {}
    learning = [i for i, layer in enumerate(layers) if layer.learned()]
    last = 0 if need_dx else min(learning, default=len(layers))
    for i in reversed(range(last, len(layers))):
        layer = layers[i]
        if i == last and not need_dx:
            layer_grads = layer.param_grads(dy, caches[i])
        else:
            dy, layer_grads = layer.backward(dy, caches[i])
        left_out = set() if frozen else layer.params.keys() - layer.learned().keys()
        for key in layer_grads:
            if key not in left_out:
                grads[f"{layer.name}.{key}"] = layer_grads[key]
    return dy, grads


def apply_state(layers: Sequence[Node], caches: Sequence[Any]) -> None:
    """Update moving statistics with the batch that made ``caches``."""
    for layer, cache in zip(layers, caches, strict=True):
        if layer.state:
            # In place: copies of the layer share its arrays.
            for name, array in layer.next_state(cache).items():
                layer.state[name][...] = array
