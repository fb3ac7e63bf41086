"""The explain page: what it carries, and that its JavaScript computes what NumPy does."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from minicnn import (
    Add,
    Conv2D,
    Dense,
    Flatten,
    GlobalAvgPool,
    Input,
    Model,
    ReLU,
    Sequential,
)
from minicnn.applications import NETWORKS, unet
from minicnn.errors import ConfigError, DataError, ShapeError
from minicnn.layers.graph import Node
from minicnn.pages import explain_page, explaining
from minicnn.pages.describing import parts_of
from minicnn.pages.network import network_of
from minicnn.pages.packing import Packer
from minicnn.testing.cases import LAYERS, MERGING
from page_helpers import Twice, array_of, data_of, far, needs_node, run_in_node, with_statistics

CASES = [*LAYERS, *MERGING]
UNKNOWN = {"Dot", "Elementwise", "Lambda", "Power", "Clip", "Reduce", "Slice", "Resizing"}
UNKNOWN |= {"CenterCrop", "RandomCrop", "UnitNormalization"}
OTHER_AXES = {"Softmax", "GroupNormalization", "LayerNorm", "Normalization"}
"""Those that the page leaves to NumPy, always or along axes that do not lie side by side."""


def tiny(classes=("cat", "dog", "<b>")):
    made = Sequential(
        [Input((8, 8, 3)), Conv2D(4, 3, activation="relu"), Flatten(), Dense(3, "softmax")], seed=0
    )
    made.class_names = classes
    return made


def pictures(n=2, shape=(8, 8, 3)):
    return np.random.default_rng(0).integers(0, 256, (n, *shape), dtype=np.uint8)


def layers_of(data):
    return {node["name"]: node for node in data["nodes"]}


def test_the_page_carries_weights_graph_and_pictures(tmp_path):
    """The arrays in its bytes are the model's to the bit, and the nodes read what they read."""
    model, x = tiny(), pictures()
    explain_page(model, x, tmp_path / "page.html")
    data = data_of(tmp_path / "page.html")
    assert data["precision"] == "float32"
    assert data["classes"] == ["cat", "dog", "<b>"]
    assert [node["op"] for node in data["nodes"]] == ["conv2d", "same", "dense"]
    assert [node["reads"] for node in data["nodes"]] == [[0], [1], [2]]
    for name, layer in model.leaves():
        for key, array in layer.params.items():
            assert np.array_equal(array_of(data, layers_of(data)[name]["arrays"][key]), array)
    for one, image in zip(data["pictures"], x, strict=True):
        assert np.array_equal(array_of(data, one["picture"]), image)


def test_branches_merges_and_models_within_are_nodes(tmp_path):
    """A nested model stands for its nodes, and Add reads both branches."""
    inner = Sequential([Input((8, 8, 3)), Conv2D(3, 3, padding="same"), ReLU()], name="inner")
    image = Input((8, 8, 3))
    y = Dense(2)(GlobalAvgPool()(Add(name="sum")([inner(image), image])))
    explain_page(Model(image, y, seed=0), pictures(1), tmp_path / "page.html")
    nodes = layers_of(data_of(tmp_path / "page.html"))
    assert nodes["sum"]["reads"] == [2, 0]
    assert next(iter(nodes)).startswith("inner.")


def test_a_shared_layer_is_carried_once(tmp_path):
    """Two uses of a layer read the same place of the page's bytes."""
    image, shared = Input((8, 8, 3)), Conv2D(3, 3, padding="same", use_bias=False)
    model = Model(image, Flatten()(shared(shared(image))), seed=0)
    explain_page(model, pictures(1), tmp_path / "page.html")
    first, second, _ = data_of(tmp_path / "page.html")["nodes"]
    assert first["arrays"] == second["arrays"]


class Strict(HTMLParser):
    """Collects the tags and attributes of a page."""

    def __init__(self):
        super().__init__()
        self.attributes, self.texts, self.within = [], {}, ""

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.within = tag

    def handle_data(self, data):
        self.texts.setdefault(self.within, []).append(data)


def test_nothing_can_be_loaded_or_smuggled_in(tmp_path):
    """Names from users cannot end the data, and the policy allows this very script and style."""
    evil = "</script><img src=x onerror=alert(1)><!--"
    model = tiny((evil, "b", "c"))
    model.name = "evil"
    explain_page(model, {evil: pictures(1)[0]}, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    found = Strict()
    found.feed(text)
    assert data_of(tmp_path / "page.html")["pictures"][0]["name"] == evil
    inside = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert not set("<>&") & set(inside)
    names = {name for _, name, _ in found.attributes}
    assert not {"src", "href", "action", "style"} & names
    assert not [name for name in names if name.startswith("on")]
    assert not re.search(
        r"https?://|\beval\(|new Function|innerHTML|fetch\(|XMLHttp|import\(", text
    )
    policy = next(v for t, n, v in found.attributes if n == "content" and "default-src" in v)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    style = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    for (content,) in (script, style):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_a_custom_layer_is_shown_with_numpys_values(tmp_path):
    """Its numbers are carried for the given pictures; what follows is computed from them."""
    image = Input((8, 8, 3))
    model = Model(image, Dense(2)(Flatten()(Twice(name="twice")(image))), seed=0)
    x = pictures()
    explain_page(model, x, tmp_path / "page.html")
    data = data_of(tmp_path / "page.html")
    assert [node["op"] for node in data["nodes"]] == ["unknown", "same", "dense"]
    for one, image in zip(data["pictures"], x, strict=True):
        assert np.array_equal(array_of(data, one["given"]["1"]), 2.0 * image)


def test_large_networks_are_rounded_or_carry_maps_alone(tmp_path, monkeypatch):
    """Where float32 does not fit, kernels are float16; then there are maps, as many as fit."""
    model, x = tiny(), pictures(1)
    explain_page(model, x, tmp_path / "page.html")
    size = (tmp_path / "page.html").stat().st_size
    numbers = sum(a.size for a in model.arrays().values())
    seen = []
    for room in (2 * numbers, numbers, numbers - 1, 40):
        monkeypatch.setattr(explaining, "MOST_NUMBERS", room)
        explain_page(model, x, tmp_path / "page.html")
        data = data_of(tmp_path / "page.html")
        seen.append(data["precision"])
    assert seen == ["float32", "float16", "maps", "maps"]
    given = data["pictures"][0]["given"]
    assert [one["shape"] for one in given.values()] == [[6, 6, 1], [144], [3]]
    assert [one["partly"] for one in given.values()] == [True, False, False]
    monkeypatch.setattr(explaining, "LARGEST", size // 2)
    with pytest.raises(ConfigError, match=r"at most .* bytes, got .* of 1 pictures. Give it fewer"):
        explain_page(model, x, tmp_path / "page.html")


def test_mistakes_are_said_in_one_line(tmp_path):
    """What is no model, no picture, or no model of one picture."""
    a, b = Input((8, 8, 3)), Input((8, 8, 3))
    two = Model([a, b], Flatten()(Add()([a, b])), seed=0)
    for model, given, error, says in (
        ("small", pictures(), ConfigError, "expected a model, got 'small'"),
        (two, pictures(), ConfigError, "one image .* got 2 inputs"),
        (tiny(), {}, DataError, "at least one picture"),
        (tiny(), {"a": np.zeros((4, 4, 3))}, ShapeError, "8, 8, 3"),
        (tiny(), {"a": None}, DataError, "a"),
        (tiny(), np.full((1, 8, 8, 3), np.nan), DataError, "finite"),
    ):
        with pytest.raises(error, match=says):
            explain_page(model, given, tmp_path / "page.html")
    with pytest.raises(ConfigError, match="Make the folder"):
        explain_page(tiny(), pictures(), tmp_path / "none" / "page.html")


def test_every_layer_of_the_applications_is_known():
    """The page computes all of our networks itself."""
    for make in (*NETWORKS.values(), unet):
        shape = (32, 32, 3)
        steps = network_of(make(shape, 3, seed=0).graph()).steps
        assert all(step.part.op != "unknown" for step in steps), make.__name__


COMPUTE = """
const net = loaded(given), one = net.pictures[0];
const values = forward(net, one.picture, one.given);
const cam = gradCam(net, values, given.classNumber, given.target);
return { values: values.map((v) => Array.from(v.data)), cam: Array.from(cam.data) };
"""


def grad_cam(model, x, chosen, number):
    """Grad-CAM of a graph's number by hand, and all values."""
    graph = model.graph()
    values, made = [x], []
    for step in graph.steps(list(values), False, None):
        made.append(step)
    end = made[-1].node
    head, _ = end.layer.split_activation()
    z, cache = head.forward(made[-1].taken)
    dz = np.zeros_like(z)
    dz[..., chosen] = 1 / (z.size / z.shape[-1])
    dvalues = [None] * (1 + len(graph.nodes))
    dvalues[end.reads[0]] = head.backward(dz, cache)[0]
    dvalues[-1] = None
    for step in graph.steps_back(dvalues, [s.cache for s in made], True, True):
        if graph.nodes.index(step.node) + 1 == number:
            dy = step.taken
    weights = dy.mean(axis=(0, 1, 2))
    return np.maximum((made[number - 1].made[0] * weights).sum(-1), 0), made


@needs_node
@pytest.mark.parametrize("name", ["lenet5", "course", "small", "resnet20", "mobilenet", "unet"])
def test_its_numbers_and_grad_cam_are_numpys(name, tmp_path):
    """Every number of every layer, and Grad-CAM of the first convolution, within 1e-4."""
    make = {**NETWORKS, "unet": unet}[name]
    model, x = with_statistics(make((32, 32, 3), 3, seed=0)), pictures(1, (32, 32, 3))
    explain_page(model, x, tmp_path / "page.html")
    data = data_of(tmp_path / "page.html")
    graph, network = model.graph(), network_of(model.graph())
    number = next(
        i for i, node in enumerate(graph.nodes, 1) if type(node.layer).__name__ == "Conv2D"
    )
    wanted, made = grad_cam(model, model.batch(x)[0], 1, number)
    data |= {"target": network.made[number], "classNumber": 1}
    got = run_in_node(tmp_path, COMPUTE, data)
    for place, step in enumerate(made, 1):
        if place in network.made:
            values = np.reshape(got["values"][network.made[place]], step.made.shape)
            assert far(values, step.made) < 1e-4, step.node.name
    assert far(np.reshape(got["cam"], wanted.shape), wanted) < 1e-4


ONE_LAYER = """
return given.map((data) => {
  const net = loaded(data), one = net.pictures[0];
  const values = forward(net, one.picture, one.given), number = net.output;
  const start = Float64Array.from(one.given.dy.data);
  const found = gradients(net, values, { number, before: false }, start, 0);
  const arrays = (all) => all.map((a) => a && Array.from(a));
  return { y: Array.from(values[number].data), dxs: arrays(found.slice(1, 1 + data.inputs)) };
});
"""


def described(case, layer, xs, dy):
    """The data of a page whose network is one layer, of inputs that are given."""
    packer, k = Packer(), len(xs)
    parts = parts_of(Node(layer, tuple(range(k)), "it", case.input_shape))
    if parts[0].op == "unknown":
        return None
    nodes = [{"op": "same", "reads": [0], "shape": x.shape[1:], "arrays": {}} for x in xs]
    reads = list(range(1, k + 1))
    for part in parts:
        arrays = {name: packer.add(array) for name, array in part.arrays.items()}
        head = {"op": part.op, "reads": reads, "shape": part.shape, "arrays": arrays}
        nodes.append(head | part.more)
        reads = [len(nodes)]
    given = {str(i): packer.add(x[0]) for i, x in enumerate(xs, 1)} | {"dy": packer.add(dy[0])}
    picture = packer.add(np.zeros((1, 1, 1), np.uint8))
    pictures = [{"name": "", "picture": picture, "given": given}]
    head = {"nodes": nodes, "pictures": pictures, "output": len(nodes), "inputs": k}
    return head | {"bytes": packer.text()}


@needs_node
def test_every_layer_of_the_case_table_computes_and_carries_gradients_back(tmp_path):
    """The JavaScript's y is the layer's, and so is dx, by the terms that explain the sum."""
    entries, wanted, left, known = [], [], set(), set()
    for one in CASES:
        case = one.case if hasattr(one, "case") else one
        layer = case.built("float32")
        x = case.x("float32")
        if any(x.ndim < 2 for x in (x if case.merges else (x,))) or layer.is_graph:
            continue
        y, cache = layer.forward(x)
        dy = case.dy(y)
        dx, _ = layer.backward(dy, cache)
        xs, dxs = (x, dx) if case.merges else ((x,), (dx,))
        data = described(case, layer, xs, dy)
        if data is None:
            left.add(type(layer).__name__)
            continue
        known.add(type(layer).__name__)
        entries.append(data)
        wanted.append((layer, y[0], [d[0] for d in dxs]))
    assert len(entries) > 100
    assert left <= UNKNOWN | OTHER_AXES, "these are left to NumPy"
    assert known >= OTHER_AXES
    for got, (layer, y, dxs) in zip(run_in_node(tmp_path, ONE_LAYER, entries), wanted, strict=True):
        assert far(np.reshape(got["y"], y.shape), y) < 1e-4, layer
        for dx, right in zip(got["dxs"], dxs, strict=True):
            back = np.zeros(right.size) if dx is None else np.asarray(dx)
            assert np.max(np.abs(back.reshape(right.shape) - right)) < 1e-3, layer


@needs_node
def test_ones_own_picture_is_resized_as_load_image_does(tmp_path):
    """Box means of a picture's bytes are Pillow's, up to one step of rounding, in grey as well."""
    from PIL import Image

    rgba = np.full((37, 53, 4), 255, np.uint8)
    rgba[..., :3] = pictures(1, (37, 53, 3))[0]
    code = "return Array.from(resized(given.rgba, 53, 37, given.shape, 1).data);"
    for shape, mode in (((16, 20, 3), "RGB"), ((16, 20, 1), "L"), ((64, 64, 3), "RGB")):
        image = Image.fromarray(rgba[..., :3]).convert(mode)
        small = np.asarray(image.resize(shape[1::-1], Image.Resampling.BOX), float).reshape(shape)
        given = {"rgba": rgba.ravel().tolist(), "shape": shape}
        got = np.reshape(run_in_node(tmp_path, code, given), shape)
        assert np.max(np.abs(got - small)) <= 1
        assert np.mean(got != small) < 0.05
