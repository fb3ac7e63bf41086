"""Statistics of layers on a batch and over a run: against plain loops and the optimizer itself."""

import copy

import numpy as np
import pytest

from minicnn import (
    SGD,
    Adam,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    MaxPool,
    ReLU,
    Rescaling,
    Sequential,
    explain,
    plots,
)
from minicnn.data.fitting import Data
from minicnn.errors import ConfigError
from minicnn.explain.statistics import layer_statistics
from minicnn.initializers import Constant
from minicnn.regularizers import L2

rng = np.random.default_rng(0)
X = rng.integers(0, 256, (16, 8, 8, 1), np.uint8)
Y = np.arange(16) % 4


def network(optimizer=None, **dense):
    layers = [
        *(Conv2D(4, 3, use_bias=False), BatchNorm(), ReLU(), MaxPool(2), Flatten()),
        *(Dense(6, activation="relu", **dense), Dropout(0.5), Dense(4, activation="softmax")),
    ]
    model = Sequential([Input((8, 8, 1)), Rescaling(1 / 255), *layers], seed=0)
    model.compile(optimizer or Adam(1e-2), "sparse_categorical_crossentropy")
    return model


def rows_of(model, optimizer=None):
    found = layer_statistics(model, Data.of(X, Y[:, None]), optimizer)
    return found, {row.layer: row for row in found.rows}


def test_activations_are_those_of_the_layers():
    """Mean, deviation, zeros and dead units of what each layer gives, with nothing dropped."""
    model = network()
    _, rows = rows_of(model)
    x = X
    for layer in model.layers:
        x = layer.forward(x, training=not isinstance(layer, Dropout))[0]
        row = rows[layer.name]
        if layer is model.layers[-1]:
            continue  # the loss takes its softmax
        assert (row.mean, row.std) == pytest.approx((x.mean(), x.std()), rel=1e-5)
        assert row.zeros == pytest.approx((x == 0).mean())
    dead = (
        model.layers[3].forward(model.layers[2].forward(np.zeros((1, 6, 6, 4)))[0])[0] == 0
    ).all()
    assert dead
    assert rows["re_lu"].dead == 0
    assert np.isnan(rows["conv2d"].dead)


def test_units_that_are_never_above_0_are_dead():
    """All of them with biases far below 0."""
    _, rows = rows_of(network(bias_initializer=Constant(-99.0)))
    assert rows["dense"].dead == rows["dense"].zeros == 1
    assert rows["dense"].gradient == 0


def test_gradients_are_those_of_differences():
    """The gradient of the last kernel, and of what comes to it, against central differences."""
    model = network()
    found, rows = rows_of(model)
    kernel, step = model.get_layer("dense_1").kernel, 1e-2
    grads = np.zeros(kernel.shape)
    for at in np.ndindex(*kernel.shape):
        losses = []
        for sign in (1, -1):
            kernel[at] += sign * step
            losses.append(rows_of(model)[0].loss)
            kernel[at] -= sign * step
        grads[at] = (losses[0] - losses[1]) / (2 * step)
    assert rows["dense_1"].gradient == pytest.approx(np.linalg.norm(grads), rel=1e-2)
    assert rows["dense_1"].weight == pytest.approx(np.linalg.norm(kernel), rel=1e-5)
    assert rows["conv2d"].flow == rows["batch_normalization"].flow, "behind the normalization"
    assert found.loss == pytest.approx(np.log(4), abs=1)


@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, momentum=0.9), Adam(1e-2)], ids=repr)
def test_updates_are_those_of_the_next_step(optimizer):
    """With penalties, from the optimizer's own state; the model and its optimizer stay."""
    optimizer = copy.deepcopy(optimizer)
    model = network(optimizer, kernel_regularizer=L2(0.1))
    model.fit(X, Y, epochs=2, verbose=0)
    model.get_layer("dropout").rate = 0.0
    before = {name: array.copy() for name, array in model.params.items()}
    _, rows = rows_of(model, optimizer)
    assert all((before[name] == array).all() for name, array in model.params.items())
    assert optimizer.iterations == 2
    model.train_on_batch(X, Y)
    for name in ("conv2d", "dense", "dense_1"):
        key = f"{name}.kernel"
        moved = np.linalg.norm(model.params[key] - before[key]) / np.linalg.norm(before[key])
        assert rows[name].update == pytest.approx(moved, rel=1e-3), name


def test_a_run_is_recorded_and_resumed(tmp_path):
    """Before the first step, after 1, 2, 4, ... and at the end; a checkpoint keeps the records."""
    watch = explain.LayerStatistics(images=8)
    model = network()
    model.fit(X, Y, batch_size=4, epochs=3, callbacks=[watch], checkpoint=tmp_path, verbose=0)
    assert watch.steps[:4] == [0, 1, 2, 4]
    assert watch.steps[-1] == 12
    assert watch.table("std").shape == (len(watch.steps), len(watch.layers))
    assert (watch.table("weight")[0] != watch.table("weight")[-1]).any()
    again = explain.LayerStatistics(images=8)
    network().fit(
        X, Y, batch_size=4, epochs=4, callbacks=[again], checkpoint=tmp_path, resume=True, verbose=0
    )
    assert again.steps[:4] == watch.steps[:4], "kept"
    assert again.steps[-1] == 16
    assert np.array_equal(again.table("std")[:4], watch.table("std")[:4])


def test_a_record_that_fails_is_one_warning():
    """It never costs the run."""
    watch = explain.LayerStatistics()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minicnn.explain.watching.layer_statistics", lambda *arguments: 1 / 0)
        with pytest.warns(RuntimeWarning, match="nothing more is recorded: ZeroDivisionError"):
            network().fit(X, Y, epochs=2, callbacks=[watch], verbose=0)
    assert watch.records == []


def test_the_picture_has_lines_or_maps():
    """Four panels: a line for each layer that learns, with the band; maps for many layers."""
    watch = explain.LayerStatistics()
    network().fit(X, Y, epochs=2, callbacks=[watch], verbose=0)
    figure = plots.plot_layer_statistics(watch)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[-1] == "update-to-weight ratio"
    assert [line.get_label() for line in figure.axes[0].get_lines()] == [
        "conv2d",
        "dense",
        "dense_1",
    ]
    assert figure.axes[3].patches, "the band"
    zeros = figure.axes[1].get_lines()
    assert np.allclose(zeros[0].get_ydata(), watch.table("zeros")[:, watch.layers.index("re_lu")])
    assert np.isnan(zeros[2].get_ydata()).all()
    layers = [Input((8, 8, 1)), Flatten(), *(Dense(4, activation="tanh") for _ in range(9))]
    deep = Sequential([*layers, Dense(4, activation="softmax")], seed=0)
    deep.compile("sgd", "sparse_categorical_crossentropy")
    watch = explain.LayerStatistics()
    deep.fit(X / 255, Y, epochs=1, callbacks=[watch], verbose=0)
    figure = plots.plot_layer_statistics(watch)
    assert [len(axes.images) for axes in figure.axes[:4]] == [1] * 4


def test_mistakes_are_said():
    """A callback before its run, another thing, a statistic that is not there."""
    with pytest.raises(ConfigError, match="at least one step"):
        plots.plot_layer_statistics(explain.LayerStatistics())
    with pytest.raises(ConfigError, match=r"explain\.LayerStatistics"):
        plots.plot_layer_statistics({"loss": [1.0]})
    with pytest.raises(ConfigError, match="expected one of mean, std"):
        explain.LayerStatistics().table("loss")
