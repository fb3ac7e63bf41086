"""The checkpoint's file: a tree comes back, and a hostile one is refused."""

import json
import os
import signal

import h5py
import numpy as np
import pytest

from checkpoint_helpers import Y, fit, network
from minicnn import Adam, Dropout
from minicnn._files import checkpoint
from minicnn.callbacks import EarlyStopping, LambdaCallback
from minicnn.errors import ConfigError, ModelFileError
from minicnn.metrics import AUC

TREE = {
    "numbers": [1, 2.5, float("inf"), -0.0, 2**127, True, None, "text"],
    "of numpy": [np.float64(0.1), np.int32(7)],
    "arrays": {"a b/c.": np.arange(6.0).reshape(2, 3), "bits": np.array([True, False])},
    "more": [np.zeros((0, 3), np.float32), np.array(5, np.int64), np.arange(6).reshape(2, 3).T],
}


def test_a_tree_comes_back(tmp_path):
    """Numbers to the last bit, texts, lists, dictionaries, arrays with their dtypes."""
    checkpoint.write(tmp_path / "a.h5", TREE, None)
    again = checkpoint.read(tmp_path / "a.h5")
    assert again["numbers"] == TREE["numbers"]
    assert str(again["numbers"][3]) == "-0.0"
    assert again["of numpy"] == [0.1, 7]
    arrays = [*TREE["arrays"].values(), *TREE["more"]]
    found = [*again["arrays"].values(), *again["more"]]
    for array, other in zip(arrays, found, strict=True):
        assert array.dtype == other.dtype
        np.testing.assert_array_equal(array, other)
    assert list(again["arrays"]) == list(TREE["arrays"])


@pytest.mark.parametrize("value", [{1, 2}, {1: 2}, {"$array": 1}, object(), np.array(["a"]), 1j])
def test_what_a_tree_cannot_hold(value, tmp_path):
    """It is named with its place, and nothing is written."""
    with pytest.raises(ConfigError, match=r"^checkpoint: expected .* at callbacks/Mine/0\.$"):
        checkpoint.write(tmp_path / "a.h5", {"callbacks": {"Mine": [value]}}, None)
    assert not list(tmp_path.iterdir())


def test_the_one_before_is_kept(tmp_path):
    """Each file that is written makes the last one the previous one."""
    newest, previous = tmp_path / "a.h5", tmp_path / "b.h5"
    for i in range(3):
        checkpoint.write(newest, {"i": i}, previous)
    assert [checkpoint.read(path)["i"] for path in (newest, previous)] == [2, 1]


def rewritten(path, change):
    """The checkpoint with its tree changed, and a checksum that is right."""
    with h5py.File(path, "r+") as file:
        tree = json.loads(bytes(file["tree"][()]))
        change(tree, file)
        text = json.dumps(tree).encode()
        del file["tree"], file["checksum"]
        file["tree"] = np.frombuffer(text, np.uint8)
        file["checksum"] = np.uint32(checkpoint.zlib.crc32(text))


def claim(*what):
    def change(tree, file):
        tree["model"]["weights"]["dense"]["kernel"] = {"$array": list(what)}

    return change


def compressed(tree, file):
    zeros = np.zeros(1_000_000)
    file.create_dataset("zeros", data=zeros, compression="gzip")
    checksum = checkpoint.checksum(zeros)
    tree["callbacks"] = {"Nobody": {"$array": ["zeros", [1_000_000], "float64", checksum]}}


def external(tree, file):
    file.create_dataset("there", (4, 3), np.float32, external=[("/etc/passwd", 0, 48)])
    claim("there", [4, 3], "float32", 0)(tree, file)


def deep(tree, file):
    for _ in range(150):
        tree["deep"] = [tree.get("deep")]


KERNEL = "model/weights/dense/kernel"


@pytest.mark.parametrize(
    "change",
    [
        claim(KERNEL, [4, 3], "float32", 0),
        claim(KERNEL, [3, 4], "float32", 0),
        claim(KERNEL, [4, 3], "float64", 0),
        claim("model/weights/nowhere", [4, 3], "float32", 0),
        claim("model", [4, 3], "float32", 0),
        claim(KERNEL, [2**40, 2**40], "float32", 0),
        claim(KERNEL, [-1, 3], "float32", 0),
        claim(KERNEL, "ab", "float32", 0),
        claim(KERNEL, [4, 3], "O", 0),
        claim([KERNEL], [4, 3], "float32", 0),
        claim(KERNEL),
        claim(),
        compressed,
        external,
        deep,
    ],
)
def test_hostile_trees(change, tmp_path):
    """Claims that are not so get one line, before anything large is read."""
    fit(network(), tmp_path, 1)
    rewritten(tmp_path / "checkpoint.h5", change)
    (tmp_path / "checkpoint.previous.h5").unlink()
    model = network(seed=1)
    before = model.get_weights()
    with pytest.raises(ModelFileError, match=r"checkpoint\.h5") as caught:
        fit(model, tmp_path, resume=True)
    assert "\n" not in str(caught.value)
    assert all(map(np.array_equal, before, model.get_weights()))


def test_a_tree_with_a_bit_flipped(tmp_path):
    """What reads well but is not what was written is damaged."""
    fit(network(), tmp_path, 1)
    with h5py.File(tmp_path / "checkpoint.h5", "r+") as file:
        text = bytes(file["tree"][()])
        file["tree"][...] = np.frombuffer(text.replace(b'"epoch": 1', b'"epoch": 0'), np.uint8)
    with pytest.raises(ModelFileError, match="expected a checkpoint, got a damaged one"):
        checkpoint.read(tmp_path / "checkpoint.h5")


def put(path, value):
    """Put a value at a path into the tree."""

    def change(tree, file):
        *parents, last = path.split("/")
        for key in parents:
            tree = tree[int(key) if isinstance(tree, list) else key]
        tree[int(last) if isinstance(tree, list) else last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        put("epoch", "one"),
        put("epoch", -1),
        put("epoch", None),
        put("step", 99),
        put("step", 1.5),
        put("generator", {"bit_generator": "PCG64"}),
        put("generator/state/state", -1),
        put("generator", None),
        put("stream/taken", 10**12),
        put("stream/taken", "all"),
        put("stream/generator", 3),
        put("model/weights", {}),
        put("model/weights/dense/kernel", 0.5),
        put("model/trainable", 3),
        put("model", None),
        put("optimizer/learning_rate", float("nan")),
        put("optimizer/learning_rate", None),
        put("optimizer/counters", [0]),
        put("optimizer/slots", {"dense.kernel": {}}),
        put("optimizer/slots", {"nothing": {"momentum": 1}}),
        put("optimizer/slots", []),
        put("running", None),
        put("running/metrics", []),
        put("running/metrics/0", None),
        put("running/metrics/0/right", [1]),
        put("running/metrics/1/true_positives", 1),
        put("running/metrics/1/num_thresholds", 7),
        put("running/total", "much"),
        put("history/epoch", 1),
        put("history/figures", [["loss", [1], [2]]]),
        put("history/figures", 1),
        put("callbacks", None),
        put("callbacks/EarlyStopping", None),
        put("callbacks/EarlyStopping/wait", "long"),
        put("callbacks/EarlyStopping/monitor", "loss"),
        put("callbacks/EarlyStopping/best_weights", [1]),
        put("callbacks/EarlyStopping/best_weights", 1),
    ],
    ids=lambda change: change.__closure__[0].cell_contents,
)
def test_hostile_states(change, tmp_path):
    """A state that no training can have gets one line and changes nothing."""

    def stop(batch, logs):
        os.kill(os.getpid(), signal.SIGINT)

    def trained():
        model = network(Dropout(0.1))
        model.compile(Adam(), "categorical_crossentropy", ["accuracy", AUC(4)])
        return model

    early = EarlyStopping("loss", restore_best_weights=True)
    fit(
        trained(),
        tmp_path,
        y=np.eye(2)[Y],
        callbacks=[early, LambdaCallback(on_train_batch_end=stop)],
    )
    rewritten(tmp_path / "checkpoint.h5", change)
    model = trained()
    before = model.get_weights(), model.rng.bit_generator.state, model.optimizer.iterations
    with pytest.raises(ModelFileError, match="expected a checkpoint of this training, got a dam"):
        fit(model, tmp_path, y=np.eye(2)[Y], resume=True, callbacks=early)
    assert all(map(np.array_equal, before[0], model.get_weights()))
    assert (model.rng.bit_generator.state, model.optimizer.iterations) == before[1:]
