"""The memory that ``summary(batch_size=...)`` names is what a process then takes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minicnn import (
    SGD,
    Adam,
    AvgPool,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Input,
    MaxPool,
    ReLU,
    Rescaling,
    Sequential,
    applications,
    set_threads,
)
from minicnn.losses import SparseCategoricalCrossentropy
from minicnn.models.memory import memory_use, of_an_image

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
OWN = {
    "course": lambda: applications.course((64, 64, 3), 6, seed=0),
    "small": lambda: applications.small((64, 64, 3), 6, seed=0),
    "dense": lambda: classifier(
        Input((784,)), Dense(2048, activation="relu"), Dense(2048, activation="tanh")
    ),
    "wide kernels": lambda: classifier(
        *(Input((32, 32, 3)), Conv2D(256, 3, strides=4), ReLU()),
        *(Conv2D(512, 3, padding="same"), ReLU(), GlobalAvgPool()),
    ),
    "one by one": lambda: classifier(
        *(Input((48, 48, 3)), Conv2D(16, 3), BatchNorm(), ReLU(), Dropout(0.2)),
        *(MaxPool(3, strides=2, padding="same"), Conv2D(32, 3, activation="sigmoid")),
        *(AvgPool(3, strides=2), Flatten()),
    ),
}
COMPARED = ("signs", "lenet", "vgg")


def classifier(*layers):
    return Sequential([*layers, Dense(6)], seed=0)


def network(name):
    """One of ``OWN``, or of the networks that the benchmarks compare."""
    if name in OWN:
        return OWN[name]()
    import networks

    stack = [Input(networks.NETWORKS[name].shape)]
    for layer in networks.NETWORKS[name].layers:
        match layer:
            case networks.Conv(filters, kernel, padding):
                stack.append(Conv2D(filters, kernel, padding=padding))
            case networks.MaxPool(size):
                stack.append(MaxPool(size))
            case networks.AvgPool(size):
                stack.append(AvgPool(size))
            case networks.Dense(units):
                stack.append(Dense(units))
            case networks.ReLU():
                stack.append(ReLU())
            case networks.Flatten():
                stack.append(Flatten())
    return Sequential(stack, seed=0)


def status(entry):
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(entry))


def run(name, verb, batch):
    """(figure, measured): the peak while ``fit`` or ``predict`` runs, above that before the model
    was made, without the data; what it took to draw the first weights does not count."""
    set_threads(2)
    rng = np.random.default_rng(0)
    before = status("VmRSS")
    model = network(name)
    n = 4 * batch
    if isinstance(model.stack[1], Rescaling):
        x = rng.integers(0, 256, (n, *model.input_shape), dtype=np.uint8)
    else:
        x = rng.random((n, *model.input_shape), dtype=np.float32)
    y = rng.integers(0, 6, n)
    logits = getattr(model.stack[-1], "activation", None) is None
    model.compile(Adam(), SparseCategoricalCrossentropy(from_logits=logits))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    if verb == "fit":
        model.fit(x, y, batch_size=batch, epochs=2, verbose=0)
    else:
        model.predict(x, batch_size=batch)
    measured = status("VmHWM") - before - x.nbytes - y.nbytes
    use = memory_use(model, model.fused(), model.optimizer, batch)
    return use.training if verb == "fit" else use.predicting, measured


def in_a_new_process(name, verb, batch, kernels):
    """(figure, measured) in MB."""
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("only Linux tells the peak from a moment on")
    command = [sys.executable, __file__, name, verb, str(batch)]
    env = os.environ | {"MINICNN_KERNELS": kernels}
    answer = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
    figure, measured = (size / 1e6 for size in json.loads(answer))
    case = f"{name}, {verb}, batches of {batch}, {kernels}"
    print(f"{case}: said {figure:.1f} MB, measured {measured:.1f} MB")
    return figure, measured


def agree(figure, measured):
    return abs(figure - measured) <= max(0.25 * measured, 8)


@pytest.mark.parametrize("kernels", ["compiled", "vectorized"])
def test_memory_is_as_said(kernels):
    """The default network, with BatchNorm and Dropout; predicting, which keeps no caches, takes
    less than training."""
    trained, predicted = (
        in_a_new_process("small", verb, 128, kernels) for verb in ("fit", "predict")
    )
    assert agree(*trained), trained
    assert agree(*predicted), predicted
    assert predicted[1] < trained[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*COMPARED, *OWN])
@pytest.mark.parametrize("verb", ["fit", "predict"])
@pytest.mark.parametrize("batch", [32, 128])
@pytest.mark.parametrize("kernels", ["compiled", "vectorized"])
def test_memory_of_many_networks_is_as_said(name, verb, batch, kernels):
    """Within a quarter, or 8 MB, for training and predicting with small and large batches."""
    figure, measured = in_a_new_process(name, verb, batch, kernels)
    assert agree(figure, measured), (figure, measured)


def test_an_image_by_hand():
    """What one image adds is what the arrays of its way through the steps add up to."""
    model = Sequential([Input((4,)), Dense(3), Dense(2)])
    x, y1, y2 = 4 * 4, 3 * 4, 2 * 4
    image, kernels = np.zeros((1, 4), np.float32), model.stack[0].kernels
    assert (
        of_an_image(model.fused(), kernels, [image], training=True) == x + y1 + y2 + y2 + y1
    )  # dy2, dy1
    assert of_an_image(model.fused(), kernels, [image], training=False) == x + y1 + y2

    model = Sequential(
        [
            *(Input((4, 4, 1)), Rescaling(1 / 255), Conv2D(2, 3, padding="same"), ReLU()),
            *(MaxPool(2), Flatten(), Dense(3)),
        ]
    )
    x, y1, winners, y2 = 4 * 4, 2 * 2 * 2 * 4, 2 * 2 * 2, 3 * 4
    image, kernels = np.zeros((1, 4, 4, 1), np.uint8), model.stack[0].kernels
    assert (
        of_an_image(model.fused(), kernels, [image], training=True)
        == x + y1 + winners + y2 + y2 + y1
    )
    assert of_an_image(model.fused(), kernels, [image], training=False) == y1 + y2


def test_weights_gradients_and_slots_are_counted():
    """Adam has two slots for every learned number; what is frozen has neither these nor a
    gradient."""
    model = Sequential([Input((1000,)), Dense(1000, use_bias=False)])
    megabytes = 4
    with_adam = memory_use(model, model.fused(), Adam(), 1)
    with_sgd = memory_use(model, model.fused(), SGD(), 1)
    assert with_adam.training - with_sgd.training == 2 * megabytes * 1_000_000
    model.layers[0].trainable = False
    frozen = memory_use(model, model.fused(), Adam(), 1)
    assert with_adam.training - frozen.training == 3 * megabytes * 1_000_000
    assert frozen.predicting == with_adam.predicting


def test_asking_changes_nothing():
    """The figure is found without touching weights, moving statistics or the generator."""
    model = OWN["small"]()
    before, generator = model.get_weights(), model.rng.bit_generator.state
    model.summary(batch_size=32)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert model.rng.bit_generator.state == generator


if __name__ == "__main__":
    sys.path.insert(0, str(BENCHMARKS))
    print(json.dumps(run(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
