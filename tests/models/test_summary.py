"""What ``summary`` prints: all that Keras' arguments say, in 80 columns."""

import json
import re

import pytest

from minicnn import (
    BatchNorm,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    GlobalAvgPool,
    Input,
    MaxPool,
    Model,
    ReLU,
    Residual,
    Sequential,
    applications,
)
from minicnn._core.console import width_of
from minicnn.errors import ConfigError


def small():
    """A graph whose table fits as it is."""
    x = Input((6, 6, 3), name="i")
    return Model(x, Concatenate(name="c")([x, Conv2D(3, 1, name="a")(x)]), name="small")


def middle():
    """One whose last column takes several lines."""
    x = Input((6, 6, 3), name="image")
    ways = [Conv2D(3, 1, name=f"way_{i}")(x) for i in range(6)]
    return Model(x, Concatenate(name="all")(ways))


def large():
    """One with long names, a model within and a Residual."""
    x = Input((96, 96, 3))
    y = Conv2D(64, 3, padding="same", name="block1_convolution_with_a_long_name")(x)
    z = BatchNorm()(Conv2D(64, 3, padding="same")(y))
    inner = Sequential([Input((96, 96, 3)), Conv2D(4, 3), Dropout(0.5), GlobalAvgPool()])
    inner.name = "base"
    z = Residual([Conv2D(128, 3, padding="same"), ReLU()], [Conv2D(128, 1)])(
        Concatenate()([x, y, z])
    )
    return Model(x, Dense(10)(Concatenate()([GlobalAvgPool()(z), inner(x)])))


def printed(model, **arguments):
    lines = []
    model.summary(print_fn=lines.append, **arguments)
    return lines


@pytest.mark.parametrize(
    "make",
    [small, middle, large, lambda: applications.resnet20((32, 32, 3), 10)],
    ids=["small", "middle", "large", "resnet20"],
)
@pytest.mark.parametrize("batch_size", [None, 32])
@pytest.mark.parametrize("show_trainable", [False, True])
def test_every_line_fits_a_terminal(make, batch_size, show_trainable):
    """Of eighty columns; each layer's name and class is whole, and what it takes."""
    model = make()
    lines = printed(model, batch_size=batch_size, show_trainable=show_trainable, expand_nested=True)
    assert max(map(width_of, lines)) <= 80
    text = " ".join(lines)
    for layer in model.layers if not show_trainable else ():
        assert re.search(rf"\b{layer.name} +.*?\({type(layer).__name__}\)", text)


def test_a_small_graph_is_a_line_a_layer():
    """In columns, with the layers that each takes in the last one."""
    lines = printed(small())
    assert lines[1].split("  ")[0] == "layer"
    assert lines[1].endswith("connected to")
    assert re.fullmatch(r"c \(Concatenate\) +6x6x6 +1x1 +0 +0 +0\.8 KiB +i, a", lines[-4])


def test_what_a_layer_takes_goes_on_below():
    """In its column, on as many lines as it needs, broken between names."""
    lines = printed(middle())
    start = next(i for i, line in enumerate(lines) if line.startswith("all (Concatenate)"))
    at = lines[start].index("way_0")
    end = next(i for i in range(start, len(lines)) if lines[i].startswith("---"))
    found = [line[at:] for line in lines[start:end]]
    assert end - start == 6
    assert " ".join(found).split(", ") == [f"way_{i}" for i in range(6)]


def test_what_a_layer_takes_stands_under_it_where_nothing_else_fits():
    """As "<- names", which the header says; the numbers stay in their columns."""
    lines = printed(large())
    assert lines[2].startswith("  <- connected to")
    at = next(i for i, line in enumerate(lines) if line.startswith("concatenate "))
    assert lines[at + 1 :][:2] == [
        "  <- input_layer, block1_convolution_with_a_long_name,",
        "  <- batch_normalization",
    ]


def test_line_length_is_how_long_lines_are():
    """The table is as wide as was said, narrower or wider; titles are whole where there is room."""
    for length in (100, 120, 150):
        lines = printed(large(), line_length=length)
        assert max(map(width_of, lines)) == length
    lines = printed(small(), line_length=120)
    assert "receptive field  params  multiply-adds  activations" in lines[1]
    assert "(N, 6, 6, 3)" in lines[3]
    assert {len(line) for line in lines if "---" in line} == {120}
    for wrong in (0, 3.5, "wide"):
        with pytest.raises(ConfigError, match="summary: expected line_length as a whole number"):
            small().summary(line_length=wrong)


def test_print_fn_gets_every_line(capsys):
    """And nothing is printed then; a file's write will do."""
    lines = printed(small())
    assert capsys.readouterr().out == ""
    small().summary()
    assert capsys.readouterr().out.splitlines() == lines
    with pytest.raises(ConfigError, match="expected print_fn as a function, got 'x'"):
        small().summary(print_fn="x")


def test_models_within_are_a_line_unless_expanded():
    """As in Keras; a Residual shows its layers, as it is one here alone."""
    text = "\n".join(printed(large()))
    assert "base (Sequential)" in text
    assert "dropout (Dropout)" not in text
    assert "  re_lu (ReLU)" in text
    assert "  dropout (Dropout)" in "\n".join(printed(large(), expand_nested=True))
    assert "dropout (Dropout)" in large()._repr_html_()


def test_show_trainable_says_what_learns():
    """Yes or no for what has weights; a dash for what has none."""
    model = Sequential([Input((4,)), Dense(3), ReLU(), Dense(2)])
    model.layers[0].trainable = False
    lines = printed(model, show_trainable=True)
    assert [line.split()[-1] for line in lines[-7:-3]] == ["-", "no", "-", "yes"]


def test_layer_range_shows_some():
    """From the first to the last that names or patterns stand for, in either order."""
    model = Sequential([Input((4,)), *(Dense(3, name=f"d{i}") for i in range(5))])

    def names(*ends):
        return [line.split()[0] for line in printed(model, layer_range=ends) if "(N," in line]

    assert names("d1", "d3") == names("d3", "d1") == ["d1", "d2", "d3"]
    assert names("d", "d") == ["d0", "d1", "d2", "d3", "d4"]
    assert "75 parameters" not in printed(model, layer_range=["d1", "d1"])[-2]
    for ends, said in (
        (("e", "d1"), "expected layer_range as names of layers, got 'e'"),
        (("d1",), "expected layer_range as two names of layers"),
        (("(", "d1"), r"layer_range '\(' is no pattern"),
    ):
        with pytest.raises(ConfigError, match=said):
            model.summary(layer_range=ends)


def test_a_model_without_shapes_is_printed_too():
    """With question marks, and with what to do."""
    lines = printed(Sequential([Conv2D(3, 3), Dense(4)]))
    assert [line.split() for line in lines if "Dense" in line] == [["dense", "(Dense)", *"????"]]
    assert lines[-1].startswith("Not built: call build(input_shape)")
    assert printed(Sequential())[-1].startswith("Not built")
    printed(Sequential([Dense(3)]), show_trainable=True, line_length=90)


def test_keras_arguments_are_taken_by_place():
    """``line_length`` and ``positions`` first."""
    lines = []
    small().summary(90, [0.3, 0.6, 0.7, 1.0], lines.append)
    assert max(map(len, lines)) == 90


def test_kernels_and_receptive_fields_are_columns():
    """With strides and dilation; of what sees all of the image too, but not where there is none."""
    x = Input((32, 32, 3))
    y = Conv2D(4, (3, 5), strides=(2, 1), name="wide")(x)
    y = Conv2D(4, 3, dilation_rate=2, name="far")(MaxPool(2, name="pool")(y))
    model = Model(x, Dense(2, name="end")(GlobalAvgPool(name="mean")(y)))
    cells = {line.split()[0]: line.split()[3:5] for line in printed(model) if " (" in line}
    assert cells["wide"] == ["3x5/2x1", "3x5"]
    assert cells["pool"] == ["2x2/2", "5x6"]
    assert cells["far"] == ["3x3*2", "21x14"]
    assert cells["mean"][0] == cells["end"][0] == "all"
    assert "<td>21x14</td>" in model._repr_html_()
    assert "field" not in " ".join(printed(Sequential([Input((4,)), Dense(3)])))


def test_what_is_printed_comes_back_as_data(capsys):
    """The text is what was printed; the numbers are those of the layers."""
    found = large().summary(batch_size=4)
    assert capsys.readouterr().out == f"{found.text}\n"
    assert repr(found) == "Summary('model', 9 layers, 208,354 parameters)"
    assert [layer.depth for layer in found.layers].count(1) == 3
    conv = found.layers[1]
    assert (conv.output_shape, conv.kernel_size, conv.strides) == ((96, 96, 64), (3, 3), (1, 1))
    assert (conv.receptive_field, conv.params, conv.trainable) == ((3, 3), 1792, True)
    assert conv.connected_to == ("input_layer",)
    assert found.totals["parameters"] == sum(f.params for f in found.layers if not f.depth)
    assert found.totals["training_bytes"] > found.totals["predicting_bytes"]
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["layers"][1]["receptive_field"] == [3, 3]
    empty = Sequential([Dense(3)]).summary(print_fn=[].append)
    assert (empty.totals, empty.layers[0].output_shape) == ({}, None)
    assert repr(empty) == "Summary('sequential', 1 layer, not built)"
