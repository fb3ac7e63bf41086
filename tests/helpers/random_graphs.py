"""Networks of any form, drawn at random: branches, merges, shared layers, models within models."""

import numpy as np

from minicnn import (
    Add,
    Average,
    AvgPool,
    BatchNorm,
    Concatenate,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAvgPool,
    Input,
    LayerNorm,
    Maximum,
    Minimum,
    Model,
    Multiply,
    ReLU,
    Residual,
    Sequential,
    Subtract,
    Tanh,
    UpSampling2D,
)

GRAPHS = 40


def random_graph(seed, dtype="float32"):
    """A small network of one or two inputs and outputs, and a batch for it."""
    rng = np.random.default_rng(seed)
    images = [Input((4, 4, 2), name=f"image{i}") for i in range(1 + seed % 2)]
    rows = [Input((3,), name="row")] if seed % 3 == 0 else []
    tensors = [*images]
    shared = Conv2D(2, 3, padding="same", activation="tanh", name="shared")
    within = inner_model(rng, dtype)
    for _ in range(int(rng.integers(4, 9))):
        tensors.append(step(rng, tensors, shared, within))
    ends = [Flatten()(tensors[-1]), GlobalAvgPool()(pick(rng, tensors))]
    ends += [Dense(4, activation="tanh")(row) for row in rows]
    ends += [Flatten()(x) for x in images if not x.call.layer.calls[1:]]
    whole = Concatenate()(ends)
    outputs = [Dense(3, activation="softmax", name="classes")(whole)]
    if seed % 4 == 0:
        outputs.append(Dense(2, name="numbers")(whole * 0.5 + 1))
    model = Model([*images, *rows], outputs, seed=seed, dtype=dtype)
    for _, layer in model.leaves():
        for key, array in layer.arrays().items():
            low = 0.5 if key == "moving_variance" else -0.5
            array[...] = rng.uniform(low, 1, array.shape)
    xs = [rng.standard_normal((3, *shape)) for shape in model.input_shapes]
    return model, xs


def pick(rng, tensors):
    return tensors[int(rng.integers(len(tensors)))]


def inner_model(rng, dtype):
    """A row or a graph to be used as a layer, which gives images of the size that it takes."""
    if rng.random() < 0.5:
        return Sequential(
            [Input((4, 4, 2)), Conv2D(3, 3, padding="same"), BatchNorm(), ReLU(), Conv2D(2, 1)],
            name="within", dtype=dtype, seed=0,
        )  # fmt: skip
    x = Input((4, 4, 2))
    y = Conv2D(2, 3, padding="same", name="conv")(x)
    return Model(x, Add()([x, Tanh()(y)]), name="within", dtype=dtype, seed=0)


def step(rng, tensors, shared, within):
    """One more tensor of images, 4 x 4 with two channels."""
    x, y = pick(rng, tensors), pick(rng, tensors)
    merge = [Add, Subtract, Multiply, Average, Maximum, Minimum][int(rng.integers(6))]
    kind = int(rng.integers(10))
    if kind == 0:
        return shared(x)
    if kind == 1:
        return within(x)
    if kind == 2:
        return Conv2D(2, 1)(Concatenate()([x, y]))
    if kind == 3:
        return Residual([Conv2D(2, 3, padding="same"), ReLU()])(x)
    if kind == 4:
        return UpSampling2D(2)(AvgPool(2)(x))
    if kind == 5:
        return DepthwiseConv2D(3, padding="same")(LayerNorm()(x))
    if kind == 6:
        return x * 0.5 + y
    if kind == 7:
        return Multiply()([x, GlobalAvgPool(keepdims=True)(y)])
    if kind == 8:
        return ReLU()(Conv2D(2, 3, padding="same")(x))
    return merge()([x, BatchNorm()(y)])
