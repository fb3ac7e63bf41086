"""TensorBoard's files, read by hand: curves, histograms, pictures, the graph."""

import io

import numpy as np
import pytest
from PIL import Image

from event_helpers import events, fields, scalars, summaries
from minicnn import Conv2D, Dense, Flatten, Input, Residual, Sequential
from minicnn._files.event_file import crc32c
from minicnn.callbacks import Callback, TensorBoard
from minicnn.errors import ConfigError

rng = np.random.default_rng(0)
X, Y = rng.standard_normal((16, 6, 6, 3)), rng.integers(0, 2, 16)


def network():
    layers = [Conv2D(4, 3, name="conv"), Conv2D(2, 3), Flatten(), Dense(2, activation="softmax")]
    model = Sequential([Input((6, 6, 3)), *layers], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fit(model, board, epochs=3, **options):
    options = {"validation_data": (X, Y), "batch_size": 4, "verbose": 0} | options
    return model.fit(X, Y, epochs=epochs, callbacks=[board], **options)


def test_checksum():
    """The number that is published for it."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA


def test_curves(tmp_path):
    """Each epoch's logs under Keras' names, those of the validation in a folder of its own."""
    model = network()
    history = fit(model, TensorBoard(tmp_path)).history
    train, validation = scalars(tmp_path / "train"), scalars(tmp_path / "validation")
    assert train.keys() == {"epoch_loss", "epoch_accuracy", "epoch_learning_rate"}
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose([v for _, v in train[f"epoch_{name}"]], history[name], rtol=1e-6)
        here = validation[f"epoch_{name}"]
        np.testing.assert_allclose([v for _, v in here], history[f"val_{name}"], rtol=1e-6)
        assert [step for step, _ in here] == [0, 1, 2]
        over_steps = validation[f"evaluation_{name}_vs_iterations"]
        assert [step for step, _ in over_steps] == [4, 8, 12]
    first = next(events(next((tmp_path / "train").iterdir())))
    assert first[3] == [b"brain.Event:2"]


def test_batches(tmp_path):
    """``update_freq`` counts batches."""
    fit(network(), TensorBoard(tmp_path / "2", update_freq=2))
    assert [step for step, _ in scalars(tmp_path / "2/train")["batch_loss"]] == [2, 4, 6, 8, 10, 12]
    fit(network(), TensorBoard(tmp_path / "1", update_freq="batch"), epochs=1)
    assert [step for step, _ in scalars(tmp_path / "1/train")["batch_loss"]] == [1, 2, 3, 4]


def test_histograms_and_pictures(tmp_path):
    """Of every weight at every second epoch: all numbers are counted, kernels can be seen."""
    model = network()
    fit(model, TensorBoard(tmp_path, histogram_freq=2, write_images=True))
    found = [one for one in summaries(tmp_path / "train") if one[2] != "scalars"]
    assert {step for step, *_ in found} == {0, 2}
    tensors = {tag: tensor for step, tag, _, tensor in found if step == 2}
    rows = np.frombuffer(tensors["conv/kernel/histogram"][4][0], "<f8").reshape(30, 3)
    kernel = model.get_layer("conv").params["kernel"]
    assert rows[:, 2].sum() == kernel.size
    assert (rows[0, 0], rows[-1, 1]) == (kernel.min(), kernel.max())
    counts, edges = np.histogram(kernel.astype("float64"), 30)
    np.testing.assert_array_equal(rows[:, 2], counts)
    np.testing.assert_allclose(rows[:, 0], edges[:-1])
    width, height, *pngs = tensors["conv/kernel/image"][8]
    assert (width, height, len(pngs)) == (b"3", b"3", 3)
    picture = np.asarray(Image.open(io.BytesIO(pngs[1])))
    wanted = (kernel[..., 1] - kernel.min()) * 255 / (kernel.max() - kernel.min())
    assert np.abs(picture - wanted).max() <= 0.51
    assert tensors["conv2d/kernel/image"][8][:2] == [b"12", b"3"]
    assert tensors["dense/kernel/image"][8][:2] == [b"8", b"2"]


def test_graph(tmp_path):
    """The layers, and what each reads; a Residual's too."""
    layers = [Input((6, 6, 3)), Residual([Conv2D(3, 3, padding="same")], name="block"), Flatten()]
    model = Sequential([*layers, Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    fit(model, TensorBoard(tmp_path), epochs=1)
    graphs = [event[4][0] for event in events(next((tmp_path / "train").iterdir())) if 4 in event]
    nodes = [fields(node) for node in fields(graphs[0])[1]]
    kinds = {node[1][0].decode(): (node[2][0], node.get(3, [])) for node in nodes}
    assert kinds["block/add"] == (b"Add", [b"block/conv2d", b"input_layer"])
    assert kinds["dense"] == (b"Dense", [b"flatten"])


def test_a_resumed_run_goes_on(tmp_path):
    """What was written after the checkpoint goes, and each step is there once."""

    class Break(Callback):
        def on_train_batch_end(self, batch, logs):
            if self.model.optimizer.iterations == 7:
                raise RuntimeError

    board = TensorBoard(tmp_path / "logs", update_freq="batch")
    options = {"validation_data": (X, Y), "batch_size": 4, "verbose": 0}
    model, callbacks = network(), [board, Break()]
    with pytest.raises(RuntimeError):
        model.fit(X, Y, epochs=3, callbacks=callbacks, checkpoint=tmp_path / "c", **options)
    assert scalars(tmp_path / "logs/train")["batch_loss"][-1][0] == 7
    board = TensorBoard(tmp_path / "logs", update_freq="batch")
    network().fit(
        X, Y, epochs=3, callbacks=[board], checkpoint=tmp_path / "c", resume=True, **options
    )
    train = scalars(tmp_path / "logs/train")
    assert [step for step, _ in train["batch_loss"]] == list(range(1, 13))
    assert [step for step, _ in train["epoch_loss"]] == [0, 1, 2]
    whole = TensorBoard(tmp_path / "whole", update_freq="batch")
    network().fit(X, Y, epochs=3, callbacks=[whole], **options)
    assert scalars(tmp_path / "whole/train") == train


def test_a_full_drive_costs_no_run(tmp_path):
    """One warning, and the run is whole."""
    (tmp_path / "logs").write_text("a file in the place of the folder")
    with pytest.warns(RuntimeWarning, match="TensorBoard: .*logs: .* The run goes on") as found:
        history = fit(network(), TensorBoard(tmp_path / "logs", histogram_freq=1))
    assert len(found) == 1
    assert len(history.epoch) == 3


def test_arguments(tmp_path):
    """Those of Keras 2 are taken, with a word where they do nothing; mistakes are one line."""
    TensorBoard(log_dir="./logs", histogram_freq=1, batch_size=32, write_graph=True)
    with pytest.warns(UserWarning, match="TensorBoard: write_grads writes nothing here"):
        TensorBoard("logs", write_grads=True)
    with pytest.raises(ConfigError, match="TensorBoard: expected update_freq as 'epoch', 'batch'"):
        TensorBoard("logs", update_freq="epochs")
    with pytest.raises(ConfigError, match="TensorBoard: expected histogram_freq"):
        TensorBoard("logs", histogram_freq=-1)
