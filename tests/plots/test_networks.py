"""The picture of a network: which boxes and arrows, where they lie, and into which files."""

import sys
import types

import numpy as np
import pytest
from PIL import Image

from minicnn import Add, Conv2D, Dense, Flatten, Input, Model, Residual, Sequential
from minicnn.errors import ConfigError
from minicnn.plots.layered import laid_out
from minicnn.plots.networks import Shown, boxes_of, drawn
from minicnn.utils import model_to_dot, plot_model

PLAIN = Shown(False, False, True, False, False)


def size_of(path):
    with Image.open(path) as picture:
        return picture.size


def two_inputs():
    a, b = Input((6, 6, 1), name="a"), Input((6, 6, 1), name="b")
    shared = Conv2D(2, 3, name="shared", activation="relu")
    x = Add(name="sum")([Flatten()(shared(a)), Flatten()(shared(b))])
    return Model([a, b], Dense(3, name="classes")(x))


def random_graph(rng, boxes=14):
    sizes = [(float(rng.uniform(0.5, 3)), float(rng.uniform(0.3, 1))) for _ in range(boxes)]
    arrows = [(int(rng.integers(b)), b) for b in range(1, boxes)]
    arrows += [tuple(sorted(rng.choice(boxes, 2, replace=False).tolist())) for _ in range(8)]
    return sizes, arrows


@pytest.mark.parametrize("seed", range(20))
def test_boxes_do_not_overlap_and_arrows_pass_between_them(seed):
    """Arrows lead downwards, and their ways go through no box."""
    sizes, arrows = random_graph(np.random.default_rng(seed))
    layout = laid_out(sizes, arrows)
    sides = [
        (x - w / 2, x + w / 2, y - h / 2, y + h / 2)
        for (x, y), (w, h) in zip(layout.centres, sizes, strict=True)
    ]
    for i, (left, right, top, bottom) in enumerate(sides):
        assert left > -1e-9
        assert right < layout.width + 1e-9
        assert bottom < layout.height + 1e-9
        for other in sides[i + 1 :]:
            apart = (right < other[0], left > other[1], bottom < other[2], top > other[3])
            assert any(apart)
    for (a, b), way in zip(arrows, layout.ways, strict=True):
        assert layout.centres[a][1] < layout.centres[b][1]
        for x, y in way[1:-1]:
            assert not any(left < x < right and t < y < d for left, right, t, d in sides)


def test_a_row_is_straight_and_a_shortcut_goes_around():
    """The main way of a residual network stays where it is; the arrow around it does not."""
    sizes = [(1.0, 0.3), (2.0, 0.3), (1.0, 0.3), (1.5, 0.3)]
    layout = laid_out(sizes, [(0, 1), (1, 2), (2, 3), (0, 3)])
    middle = layout.centres[0][0]
    np.testing.assert_allclose([x for x, _ in layout.centres], middle, atol=1e-4)
    around = [abs(x - middle) for x, _ in layout.ways[3][1:-1]]
    assert min(around[:2]) > 1.0  # beside the box that is 2 wide
    assert min(around[2:]) > 0.5


def test_boxes_and_arrows_are_the_model_s():
    """A shared layer is one box with two arrows; what is within a model is drawn when asked for."""
    boxes, arrows = boxes_of("", two_inputs(), PLAIN, expand=False)
    names = [box.name for box in boxes]
    assert names.count("shared") == 1
    pairs = {(names[a], names[b]) for a, b in arrows}
    assert {("a", "shared"), ("b", "shared"), ("sum", "classes")} <= pairs
    inner = Sequential([Input((6, 6, 1)), Residual([Conv2D(1, 3, padding="same")], name="block")])
    boxes, arrows = boxes_of("", inner, PLAIN, expand=True)
    assert [box.name for box in boxes] == ["input_layer", "block.conv2d", "block.add"]
    assert arrows == [(0, 1), (1, 2), (0, 2)]


def test_boxes_say_what_is_asked_for():
    """Names, shapes, precision, activation and whether the layer learns."""
    model = two_inputs()
    model.get_layer("shared").trainable = False
    says = Shown(True, True, True, True, True)
    found = {box.name: box for box in boxes_of("", model, says, expand=False).boxes}
    assert found["shared"].heading == "shared (Conv2D)"
    assert found["shared"].lines == (
        "activation relu", "in (None, 6, 6, 1)", "out (None, 4, 4, 2)", "float32", "frozen",
    )  # fmt: skip
    figure = drawn(boxes_of("", model, says, expand=False), "TB")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {"shared (Conv2D)", "activation relu", "out (None, 4, 4, 2)", "frozen"} <= set(texts)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf", "jpg"])
def test_files(ending, tmp_path):
    """By their endings; dpi says how many pixels there are."""
    path = tmp_path / f"m.{ending}"
    plot_model(two_inputs(), to_file=path, show_shapes=True, dpi=50)
    begin = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "jpg": b"\xff\xd8"}[ending]
    assert path.read_bytes().startswith(begin)
    if ending == "png":
        small = size_of(path)
        plot_model(two_inputs(), path, show_shapes=True, dpi=100)
        assert abs(size_of(path)[1] - 2 * small[1]) <= 2
        plot_model(two_inputs(), path, show_shapes=True, dpi=50, rankdir="LR")
        width, height = size_of(path)
        assert width > height


def test_where_nothing_is_said_it_is_a_png(tmp_path, monkeypatch):
    """In the folder where the script runs."""
    monkeypatch.chdir(tmp_path)
    plot_model(two_inputs())
    plot_model(two_inputs(), "other")
    assert (tmp_path / "model.png").exists()
    assert (tmp_path / "other.png").exists()


def test_a_long_network_is_drawn(tmp_path):
    """With fewer dots an inch, where the picture would be larger than can be drawn."""
    model = Sequential([Input((4,)), *(Dense(4) for _ in range(300))])
    plot_model(model, tmp_path / "m.png", dpi=2000)
    assert 60_000 < size_of(tmp_path / "m.png")[1] <= 65_000


def test_dot():
    """What scripts show with SVG(model_to_dot(model).create(prog="dot", format="svg"))."""
    dot = model_to_dot(two_inputs(), show_shapes=True)
    assert dot.create(prog="dot", format="svg").startswith(b"<?xml")
    assert dot.create_png().startswith(b"\x89PNG")
    text = dot.to_string()
    assert "shared (Conv2D)|in (None, 6, 6, 1)|out (None, 4, 4, 2)" in text
    assert text.count("->") == 7
    with pytest.raises(
        ConfigError, match="Dot: expected format as svg, png, jpg or pdf, got 'gif'"
    ):
        dot.create(format="gif")


def test_a_notebook_gets_the_picture(tmp_path, monkeypatch):
    """As Keras gives it, where IPython runs."""
    made = types.SimpleNamespace(Image=lambda filename: ("image", filename), SVG=None)
    monkeypatch.setitem(sys.modules, "IPython.display", made)
    path = str(tmp_path / "m.png")
    assert plot_model(two_inputs(), path) == ("image", path)


def test_mistakes_are_one_line(tmp_path):
    """Another kind of file, a direction that there is not, no model, one without shapes."""
    with pytest.raises(ConfigError, match=r"expected a path that ends in .png, .jpg, .pdf or .svg"):
        plot_model(two_inputs(), tmp_path / "m.gif")
    with pytest.raises(ConfigError, match="expected rankdir as TB, LR, BT or RL, got 'UP'"):
        plot_model(two_inputs(), tmp_path / "m.png", rankdir="UP")
    with pytest.raises(ConfigError, match=r"plot_model: expected a model, got 'model.png'"):
        plot_model("model.png")
    with pytest.raises(ConfigError):
        plot_model(Sequential([Dense(3)]), tmp_path / "m.png")
