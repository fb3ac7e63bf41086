"""What the TensorBoard callback writes, read by TensorFlow and by TensorBoard."""

import numpy as np
import pytest

from minicnn import Conv2D, Dense, Flatten, Input, Sequential
from minicnn.callbacks import TensorBoard

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
rng = np.random.default_rng(0)
X, Y = rng.standard_normal((16, 6, 6, 3)), rng.integers(0, 2, 16)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    model = Sequential([Input((6, 6, 3)), Conv2D(4, 3), Flatten(), Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    board = TensorBoard(folder, histogram_freq=1, write_images=True)
    history = model.fit(X, Y, epochs=3, validation_split=0.25, verbose=0, callbacks=[board])
    return folder, model, history.history


def test_tensorflow_reads_it(written):
    """Its own parser and its own checksums: the numbers of the history, pictures, the graph."""
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    folder, model, history = written
    numbers, pictures, rows, graph = {}, {}, {}, None
    for path in (folder / "train").iterdir():
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            if event.graph_def:
                graph = tf.compat.v1.GraphDef.FromString(event.graph_def)
            for value in event.summary.value:
                array = tf.make_ndarray(value.tensor)
                plugin = value.metadata.plugin_data.plugin_name
                if plugin == "scalars":
                    numbers.setdefault(value.tag, []).append(float(array))
                elif plugin == "images":
                    pictures[value.tag] = [tf.io.decode_png(png).shape for png in array[2:]]
                else:
                    rows[value.tag] = array
    np.testing.assert_allclose(numbers["epoch_loss"], history["loss"], rtol=1e-6)
    assert pictures["conv2d/kernel/image"] == [(3, 3, 3)] * 3
    assert rows["dense/kernel/histogram"].shape == (30, 3)
    assert rows["dense/kernel/histogram"][:, 2].sum() == model.layers[-1].params["kernel"].size
    assert [node.name for node in graph.node] == ["input_layer", "conv2d", "flatten", "dense"]


def test_tensorboard_reads_it(written):
    """The reader behind its pages knows scalars, tensors of histograms, and the graph."""
    name = "tensorboard.backend.event_processing.event_accumulator"
    accumulator = pytest.importorskip(name, reason="TensorBoard is not installed")
    folder, _, history = written
    found = accumulator.EventAccumulator(str(folder / "train"), {accumulator.TENSORS: 0})
    found.Reload()
    tags = found.Tags()
    assert {"epoch_loss", "epoch_accuracy", "epoch_learning_rate"} <= set(tags["tensors"])
    assert tags["graph"]
    assert "conv2d/kernel/histogram" in found.PluginTagToContent("histograms")
    assert [event.step for event in found.Tensors("epoch_loss")] == [0, 1, 2]
    values = [
        float(np.frombuffer(e.tensor_proto.tensor_content, "<f4")[0])
        for e in found.Tensors("epoch_loss")
    ]
    np.testing.assert_allclose(values, history["loss"], rtol=1e-6)
