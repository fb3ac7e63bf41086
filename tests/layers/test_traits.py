"""The traits of a class hold for its passes, wherever the class comes from."""

import numpy as np
import pytest

import minicnn.layers
import minicnn.losses
from minicnn import (
    Activation,
    AvgPool,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    Layer,
    MaxPool,
    RandomFlip,
    ReLU,
    Rescaling,
    Sequential,
    Softmax,
)
from minicnn._core.traits import computes_as, keeps
from minicnn.kernels import KERNELS
from minicnn.losses import BinaryCrossentropy, Huber, Loss, SparseCategoricalCrossentropy
from minicnn.models.fusing import FusedConv
from minicnn.testing import CHECKS, CheckError, LayerCase

X = np.random.default_rng(0).integers(0, 256, (24, 9, 9, 2), np.uint8)
Y = np.arange(24) % 3


class Named(ReLU):
    """Another name and another constructor: the passes are ReLU's."""

    def __init__(self, name=None):
        super().__init__(name=name)

    def __repr__(self):
        return "Named()"


class Noisy(ReLU):
    """Another forward pass."""

    def forward(self, x, *, training=False, rng=None):
        return super().forward(x + 1, training=training, rng=rng)


class Promised(Noisy):
    """It declares the trait, for the passes that it has from Noisy."""

    additive = True


class Mixin:
    """A pass from a mixin."""

    def backward(self, dy, cache):
        return super().backward(dy, cache)


class Mixed(Mixin, ReLU):
    """ReLU with the pass of another parent."""


@pytest.mark.parametrize(
    ("layer", "kept"), [(ReLU, 1), (Named, 1), (Noisy, 0), (Promised, 1), (Mixed, 0), (Layer, 0)]
)
def test_a_trait_belongs_to_the_passes_of_the_class(layer, kept):
    """A constructor or a repr changes nothing; an overridden pass must be declared."""
    assert keeps(layer(), "additive") == bool(kept)


@pytest.mark.parametrize("method", sorted(Dense.passes))
def test_each_pass_counts(method):
    """Whichever of them a class overrides, it no longer inherits its parent's traits."""
    changed = type("Changed", (Dense,), {method: lambda self, *arguments, **options: None})
    assert not keeps(changed(2), "additive")
    assert not keeps(changed(2), "ends_in_activation")
    assert not computes_as(changed(2), Dense)
    assert changed(2, "softmax").split_activation()[1] is None


def test_a_loss_promises_likewise():
    """A plain mean stays one in a class with other arguments, not with another slope."""

    class HalfHuber(Huber):
        def slope(self, y_true, y_pred):
            return super().slope(y_true, y_pred) / 2

    class Renamed(BinaryCrossentropy):
        def __init__(self):
            super().__init__(from_logits=True)

    class Other(BinaryCrossentropy):
        def each(self, y, y_pred):
            return y_pred

    class Custom(Loss):
        additive = True

        def per_sample(self, y_true, y_pred):
            return y_pred.mean(axis=-1)

    assert [keeps(made(), "additive") for made in (Renamed, HalfHuber, Other, Custom, Loss)] == [
        True, False, False, True, False,
    ]  # fmt: skip
    assert not keeps(SparseCategoricalCrossentropy(ignore_class=0), "additive")
    assert keeps(SparseCategoricalCrossentropy().on_logits(), "additive")


def test_all_of_the_library_is_additive_but_batch_normalization():
    """A layer or a loss that forgets to declare it would be slow, and nobody would notice."""
    for module, parent in ((minicnn.layers, Layer), (minicnn.losses, Loss)):
        classes = {getattr(module, name) for name in module.__all__}
        found = {
            cls
            for cls in classes
            if isinstance(cls, type) and issubclass(cls, parent) and cls is not parent
            if not keeps(object.__new__(cls), "additive")
        }
        assert found == ({BatchNorm} if parent is Layer else set())


def test_bytes_are_read_by_layers_that_keep_their_passes():
    """A class derived from an augmentation gets bytes; with another forward pass, numbers."""
    seen = []

    class Same(RandomFlip):
        def draw(self, n, rng):
            return super().draw(n, rng)

    class Looks(RandomFlip):
        def forward(self, x, *, training=False, rng=None):
            seen.append(x.dtype.name)
            return super().forward(x, training=training, rng=rng)

    assert keeps(Same(), "reads_bytes")
    assert not keeps(Looks(), "reads_bytes")
    Sequential([Input((9, 9, 2)), Looks(), Flatten(), Dense(2)]).predict(X)
    assert seen == ["float32"]


class Conv(Conv2D):
    """The library's convolution with an eye on its arguments."""

    def __init__(self, filters, name=None):
        super().__init__(filters, 3, padding="same", name=name)


class Pool(MaxPool):
    """The library's pooling, by another name."""


class Scaled(Rescaling):
    """The library's scaling, by another name."""


def trained(layers, **options):
    model = Sequential([Input((9, 9, 2)), *layers, Flatten(), Dense(3)], seed=0, **options)
    loss = SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, ["accuracy"])
    model.fit(X, Y, batch_size=8, epochs=3, verbose=0)
    return model, model.predict(X)


def test_derived_layers_are_fused_as_their_parents_are():
    """They are one step, and give to the bit what the library's layers give."""
    model, y = trained([Scaled(1 / 255), Conv(4), Named(), Pool(2), Conv(3), AvgPool(2)])
    parents = [Conv2D(4, 3, padding="same"), ReLU(), MaxPool(2), Conv2D(3, 3, padding="same")]
    _, wanted = trained([Rescaling(1 / 255), *parents, AvgPool(2)])
    planned = [node.layer for node in model.fused().nodes]
    assert [type(step) for step in planned[:2]] == [FusedConv, FusedConv]
    assert len(planned) == 4
    np.testing.assert_array_equal(y, wanted)
    layers = [Scaled(1 / 255), Conv(4), Named(), Pool(2), Conv(3), AvgPool(2)]
    np.testing.assert_allclose(trained(layers, fuse=False)[1], y, rtol=1e-3, atol=1e-4)


def test_layers_with_other_passes_are_run_by_themselves():
    """None of their steps is left out."""

    class Shifted(Conv2D):
        def forward(self, x, *, training=False, rng=None):
            y, cache = super().forward(x, training=training, rng=rng)
            return y + 1, cache

    class Squared(Conv2D):
        def activate(self, z):
            return z * z, z

        def back_through_activation(self, dy, kept):
            return 2 * dy * kept, {}

    class Loops(Conv2D):
        @property
        def kernels(self):
            return KERNELS["reference"]

    class Low(MaxPool):
        def forward(self, x, *, training=False, rng=None):
            y, cache = super().forward(x, training=training, rng=rng)
            return y - 1, cache

    def layers():
        return [Shifted(2, 1), Noisy(), Low(3), Squared(2, 1), Activation("relu"), Loops(2, 2)]

    model, y = trained(layers())
    assert not any(
        isinstance(step, FusedConv) for step in [node.layer for node in model.fused().nodes]
    )
    np.testing.assert_array_equal(trained(layers(), fuse=False)[1], y)


def test_the_last_activation_is_taken_off_what_ends_in_it():
    """A class derived from Dense or Softmax is split as its parent, unless its passes differ."""

    class Scores(Dense):
        pass

    class Probabilities(Softmax):
        pass

    class Doubled(Dense):
        def forward(self, x, *, training=False, rng=None):
            y, cache = super().forward(x, training=training, rng=rng)
            return 2 * y, cache

    rest, name = Scores(3, "softmax").split_activation()
    assert (type(rest), rest.activation, name) == (Scores, None, "softmax")
    assert Probabilities().split_activation() == (None, "softmax")
    doubled = Doubled(3, "softmax")
    assert doubled.split_activation() == (doubled, None)


class Centred(Layer):
    """It needs the whole batch, and says that it does not."""

    additive = True

    def forward(self, x, *, training=False, rng=None):
        return (x - x.mean(axis=0) if training else x), training

    def backward(self, dy, cache):
        return (dy - dy.mean(axis=0) if cache else dy), {}


class Secret(Dropout):
    """It draws, and says that it does not."""

    random = False


def test_a_promise_that_is_not_kept_is_found():
    """check_layer says which it is; a layer that promises nothing may look at the whole batch."""
    check = CHECKS["shards"]
    with pytest.raises(CheckError, match=r"Centred .* y differs .*additive = True promises"):
        check(LayerCase(Centred, (4,)))
    check(LayerCase(type("Honest", (Centred,), {"additive": False}), (4,)))
    with pytest.raises(CheckError, match=r"Secret .* draws from rng in training, and is not"):
        check(LayerCase(lambda: Secret(0.5), (4,)))
