"""Calls of kernels that are made again at once give what the layers give, one by one."""

import numpy as np
import pytest

from minicnn import (
    Add,
    BatchNorm,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    Input,
    MaxPool,
    Model,
    ReLU,
    Rescaling,
    Sequential,
    set_threads,
)
from minicnn._training.program import Inference
from minicnn.kernels.compiled.library import loaded


@pytest.fixture(autouse=True)
def _compiled():
    """Skip where there are no compiled kernels, which are looked for only now."""
    if loaded() is None:
        pytest.skip("there is no C compiler")


RNG = np.random.default_rng(4)
SHAPE = (16, 16, 3)


def network(dtype="float32"):
    x = given = Input(SHAPE)
    x = Conv2D(8, 3, padding="same", use_bias=False)(Rescaling(1 / 255)(x))
    x = ReLU()(BatchNorm()(x))
    x = between = MaxPool(2)(x)
    x = BatchNorm()(DepthwiseConv2D(3, padding="same")(x))
    x = ReLU(6.0)(Add()([x, between]))
    x = Dropout(0.5)(Flatten()(x))
    y = Dense(4)(x)
    model = Model(given, y, seed=0, dtype=dtype, kernels="compiled")
    for array in model.arrays().values():
        array[...] = RNG.random(array.shape)
    return model


def images(count=1):
    return RNG.integers(0, 256, (count, *SHAPE)).astype(np.uint8)


def one_by_one(model, x):
    return Inference(model).outputs([x])[0].copy()


def replayed(model, x):
    """What a prediction gives that is replayed, which is made sure of."""
    for _ in range(3):
        found = model.predict(x)
    assert model.kept.inference.plan.recorded.count == 6
    return found


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_replay_gives_the_same_bits_for_other_images(dtype, threads):
    set_threads(threads)
    try:
        model = network(dtype)
        replayed(model, images())
        for x in (images(), images().astype(dtype), images(3), images(3)):
            assert np.array_equal(replayed(model, x), one_by_one(model, x))
            assert np.array_equal(model.predict(x[::-1]), one_by_one(model, x[::-1].copy()))
    finally:
        set_threads(None)


def test_a_replay_sees_numbers_that_have_changed():
    model, x = network(), images()
    before = replayed(model, x)
    for layer in model.layers:
        for array in layer.arrays().values():
            array += RNG.random(array.shape, np.float32)
    found = model.predict(x)
    assert np.array_equal(found, one_by_one(model, x))
    assert not np.allclose(found, before)


def test_what_was_predicted_is_left_alone():
    model, x = network(), images()
    found = [replayed(model, x)]
    kept = [y.copy() for y in found]
    model.predict(images())
    assert np.array_equal(found, kept)


def test_arrays_in_another_order_are_computed_one_by_one():
    model, x = network(), images()
    params = model.get_layer("depthwise_conv2d").params
    params["kernel"] = np.asfortranarray(params["kernel"])
    for _ in range(3):
        params["kernel"] += 0.1
        found = model.predict(x)
        assert np.array_equal(found, one_by_one(model, x))


def test_a_layer_of_another_class_ends_what_is_replayed():
    class Louder(Flatten):
        def forward(self, x, *, training=False, rng=None):
            y, cache = super().forward(x)
            return 2 * y, cache

    layers = [Input(SHAPE), Conv2D(4, 3), Louder(), Dense(2)]
    model = Sequential(layers, seed=0, kernels="compiled")
    program = Inference(model)
    for _ in range(4):
        x = images().astype(np.float32)
        assert np.array_equal(program.answer([x])[0], one_by_one(model, x))
    assert program.recorded.count == 1


def test_the_threads_may_change_in_between():
    model, x = network(), images(4)
    try:
        for threads in (1, 3, 2):
            set_threads(threads)
            assert np.array_equal(replayed(model, x), one_by_one(model, x))
    finally:
        set_threads(None)


def test_large_batches_are_not_recorded():
    model, x = network(), images(400)
    program = Inference(model)
    for _ in range(3):
        program.answer([x])
    assert program.recorded is None


def test_what_would_be_missing_from_a_replay_is_found_out():
    """A layer that says that it replays and computes in NumPy: it is computed one by one."""

    class Doubled(Flatten):
        replays = True

        def forward(self, x, *, training=False, rng=None):
            y, cache = super().forward(x)
            return 2 * y, cache

    model = Sequential(
        [Input(SHAPE), Conv2D(4, 3), Doubled(), Dense(2)], seed=0, kernels="compiled"
    )
    program = Inference(model)
    for _ in range(4):
        x = images().astype(np.float32)
        assert np.array_equal(program.answer([x])[0], one_by_one(model, x))
    assert program.recorded is None
