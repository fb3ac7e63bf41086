"""``minicnn convert``: models from one kind of file to another, and one line on each mistake."""

import numpy as np
import pytest

from minicnn import BatchNorm, Conv2D, Dense, Flatten, Input, MaxPool, ReLU, Residual, Sequential
from minicnn._cli.main import main
from minicnn.errors import ConfigError, ModelFileError
from minicnn.onnx import import_onnx
from minicnn.saving import load_model

pytest.importorskip("onnx")

X = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)


@pytest.fixture
def model():
    """A small network that has been trained for a step."""
    made = Sequential(
        [
            *(Input((8, 8, 3)), Conv2D(4, 3, padding="same"), BatchNorm(), ReLU(), MaxPool()),
            *(Residual([Conv2D(4, 3, padding="same"), ReLU()]), Flatten(), Dense(3)),
        ],
        seed=0,
    )
    made.compile("adam", "mse")
    made.fit(X, np.eye(3)[[0, 1, 2, 0]], verbose=0)
    return made


def write(model, path):
    """The model in a file of that kind."""
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    elif path.suffix == ".onnx":
        from minicnn.onnx import export_onnx

        export_onnx(model, path)
    else:
        model.save(path)


def read(path, model):
    """The model that is in a file of that kind."""
    if path.name.endswith(".weights.h5"):
        again = Sequential.from_config(model.get_config())
        again.load_weights(path)
        return again
    return import_onnx(path) if path.suffix == ".onnx" else load_model(path)


KINDS = ("m.keras", "m.weights.h5", "m.h5", "m.onnx")


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_every_kind_becomes_every_other(source, target, model, tmp_path, capsys):
    """A model converted from any kind of file to any other predicts the same, within 1e-5."""
    (tmp_path / "in").mkdir()
    source, target = tmp_path / "in" / source, tmp_path / target
    write(model, source)
    options = []
    if source.name.endswith(".weights.h5"):
        write(model, tmp_path / "in" / "layers.keras")
        options = ["--model", str(tmp_path / "in" / "layers.keras")]
    assert main(["convert", str(source), str(target), *options]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert str(target) in out
    found = read(target, model)
    np.testing.assert_allclose(found.predict(X), model.predict(X), atol=1e-5)


@pytest.mark.parametrize(("source", "target"), [("m.keras", "m.h5"), ("m.h5", "m.keras")])
def test_the_optimizer_goes_along(source, target, model, tmp_path):
    """The optimizer's state survives .keras to .h5 and back: training continues the same."""
    write(model, tmp_path / source)
    assert main(["convert", str(tmp_path / source), str(tmp_path / target)]) == 0
    again = load_model(tmp_path / target)
    for one in (model, again):
        one.fit(X, np.eye(3)[[0, 1, 2, 0]], shuffle=False, verbose=0)
    for before, after in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


MISTAKES = {
    "no ending": (["m.keras", "m"], r"expected a name that ends in \.keras, \.weights\.h5"),
    "no such ending": (["m.pt", "m.keras"], "m.pt: expected a name that ends in"),
    "no such file": (["none.keras", "m.h5"], "none.keras: cannot be read: no such file"),
    "another kind": (["m.onnx", "m.h5"], "m.onnx: "),
    "weights without a model": (["m.weights.h5", "a.keras"], "the layers to these weights"),
    "a model without weights": (["m.keras", "a.h5", "--model", "m.keras"], "already has layers"),
    "a file that is there": (["m.keras", "m.weights.h5"], "expected a new file, got one"),
    "a layout of none": (["m.keras", "a.h5", "--layout", "NCHW"], "beside an .onnx file alone"),
    "no folder": (["m.keras", "nowhere/a.h5"], "nowhere/a.h5: cannot be written: no such file"),
    "weights of another model": (
        ["other.weights.h5", "a.keras", "--model", "m.keras"],
        "other.weights.h5: expected",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_line(mistake, model, tmp_path, monkeypatch, capsys):
    """A mistake is one line, with status 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    model.save("m.keras")
    model.save_weights("m.weights.h5")
    Sequential([Input((2,)), Dense(1)]).save_weights("other.weights.h5")
    (tmp_path / "m.onnx").write_bytes(b"\x08\x08hello")
    before = sorted(tmp_path.rglob("*"))
    arguments, message = MISTAKES[mistake]
    assert main(["convert", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    with pytest.raises(ConfigError, match=message):
        raise ConfigError(error)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_that_is_there_is_replaced_by_force(model, tmp_path):
    """With --force the target is replaced."""
    model.save(tmp_path / "m.keras")
    (tmp_path / "m.h5").write_text("old")
    assert main(["convert", str(tmp_path / "m.keras"), str(tmp_path / "m.h5"), "--force"]) == 0
    np.testing.assert_array_equal(load_model(tmp_path / "m.h5").predict(X), model.predict(X))


def test_an_onnx_file_can_be_looked_into(model, tmp_path, capsys):
    """``minicnn summary`` reads .onnx files too, and load_model says who does."""
    write(model, tmp_path / "m.onnx")
    assert main(["summary", str(tmp_path / "m.onnx")]) == 0
    assert "connected to" in capsys.readouterr().out
    with pytest.raises(ModelFileError, match="is read by import_onnx"):
        load_model(tmp_path / "m.onnx")
    with pytest.raises(ConfigError, match="export_onnx writes"):
        model.save(tmp_path / "m.onnx")


@pytest.mark.parametrize(("right", "wrong"), [(".h5", ".keras"), (".keras", ".h5")])
def test_a_wrong_name_is_told(right, wrong, model, tmp_path):
    """A .keras file called .h5, and the reverse, is refused with the ending that it should have."""
    model.save(tmp_path / f"m{right}")
    (tmp_path / f"m{right}").rename(tmp_path / f"m{wrong}")
    with pytest.raises(ModelFileError, match=f"name end in {right}"):
        load_model(tmp_path / f"m{wrong}")


def test_what_is_there_stays_when_a_conversion_fails(model, tmp_path, capsys):
    """A target that cannot be made leaves the file that has its name as it was."""
    (tmp_path / "m.keras").write_bytes(b"damaged")
    model.save(tmp_path / "old.h5")
    before = (tmp_path / "old.h5").read_bytes()
    arguments = ["convert", str(tmp_path / "m.keras"), str(tmp_path / "old.h5"), "--force"]
    assert main(arguments) == 2
    assert (tmp_path / "old.h5").read_bytes() == before
    assert capsys.readouterr().err.count("\n") == 1
