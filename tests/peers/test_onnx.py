"""ONNX files: onnxruntime computes what minicnn does, and minicnn what PyTorch does."""

import logging

import numpy as np
import pytest

from minicnn import (
    ELU,
    GELU,
    Activation,
    AvgPool,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAvgPool,
    GlobalMaxPool,
    Input,
    LayerNorm,
    LeakyReLU,
    MaxPool,
    Permute,
    RandomBrightness,
    RandomContrast,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    ReLU,
    Rescaling,
    Reshape,
    Residual,
    SeparableConv2D,
    Sequential,
    Softmax,
    SpatialDropout2D,
    UpSampling2D,
    ZeroPadding2D,
    applications,
    export_onnx,
    import_onnx,
)
from minicnn._core.shapes import windows
from minicnn.activations import ACTIVATIONS
from minicnn.errors import ShapeError
from minicnn.layers import LAYERS, Elementwise, Lambda, Power, Reduce, Slice
from minicnn.testing.cases import LAYERS as CASES

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def run():
    """A function that runs a file on x with onnxruntime."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

    def result(path, x):
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        session = runtime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
        return session.run(None, {"input": x})[0]

    return result


def turned(x):
    """Images (N, H, W, C) as (N, C, H, W); anything else as it is."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x


# Random networks ---------------------------------------------------------------------------


def number_by_number(rng):
    """A layer that leaves the shape as it is, whatever that is."""
    slope, most = (round(float(rng.uniform(0.1, 2)), 2) for _ in range(2))
    layers = [
        lambda: Activation(str(rng.choice(list(ACTIVATIONS)))),
        lambda: GELU(),
        lambda: ELU(slope),
        lambda: LeakyReLU(slope),
        lambda: ReLU(),
        lambda: ReLU(most),
        lambda: ReLU(most, slope),
        lambda: ReLU(threshold=slope),
        lambda: ReLU(most + slope, slope, slope),
        lambda: Rescaling(slope, -most),
        lambda: Softmax(),
        lambda: Dropout(0.5),
        lambda: GaussianNoise(0.5),
        lambda: BatchNorm(center=bool(rng.integers(2)), scale=bool(rng.integers(2))),
        lambda: LayerNorm(center=bool(rng.integers(2)), scale=bool(rng.integers(2))),
    ]
    return layers[rng.integers(len(layers))]()


def on_images(rng, shape):
    """A layer for images of that shape; it may change it."""
    h, w, c = shape
    size = int(rng.integers(1, min(h, w, 4) + 1)), int(rng.integers(1, min(h, w, 4) + 1))
    strides = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    dilation = (1, 1) if max(strides) > 1 else (int(rng.integers(1, 3)), 1)
    padding = ["valid", "same", ((0, 1), (1, 0))][rng.integers(3)]
    if padding != "same":
        dilation = (1, 1)
    filters, activation = 2 * int(rng.integers(1, 4)), str(rng.choice(list(ACTIVATIONS)))
    bias = bool(rng.integers(2))
    groups = 2 if c % 2 == 0 and rng.integers(2) else 1
    inner = windows("pool", (h, w), size, strides, "same").pads
    pool_padding = "same" if max(map(max, inner)) < min(size) else "valid"
    layers = [
        lambda: Conv2D(filters, size, strides, padding, dilation, groups, activation, bias),
        lambda: Conv2D(filters, size, strides, padding, use_bias=bias),
        lambda: DepthwiseConv2D(size, strides, padding, int(rng.integers(1, 3)), dilation),
        lambda: SeparableConv2D(filters, size, strides, padding, activation=activation),
        lambda: Conv2DTranspose(filters, size, strides, "valid", use_bias=bias),
        lambda: Conv2DTranspose(filters, 3, strides, "same", activation=activation),
        lambda: MaxPool(size, strides, pool_padding),
        lambda: AvgPool(size, strides, pool_padding),
        lambda: MaxPool(2, 1, 1),
        lambda: AvgPool(2, 1, ((0, 1), (1, 1))),
        lambda: ZeroPadding2D(((0, 1), (2, 1))),
        lambda: Cropping2D(((0, 1), (1, 0))) if min(h, w) > 2 else Dropout(0.1),
        lambda: UpSampling2D((1, 2)) if h * w < 200 else Dropout(0.1),
        lambda: UpSampling2D(2, interpolation="bilinear") if h * w < 200 else Dropout(0.1),
        lambda: SpatialDropout2D(0.5),
        lambda: RandomFlip(),
        lambda: RandomRotation(0.1),
        lambda: RandomTranslation(0.1, 0.1),
        lambda: RandomZoom(0.1),
        lambda: RandomContrast(0.1),
        lambda: RandomBrightness(0.1),
        lambda: BatchNorm(axis=int(rng.integers(1, 4))),
        lambda: LayerNorm(axis=[(1, 2, 3), (1, 2), (3,), (1, 3)][rng.integers(4)]),
        lambda: Dense(filters, activation=activation),
        lambda: Permute([(2, 1, 3), (3, 1, 2), (1, 3, 2)][rng.integers(3)]),
        lambda: Reshape((w, h, c)),
        lambda: Softmax(axis=int(rng.integers(1, 4))),
        lambda: block(rng, shape),
        lambda: block(rng, shape),
        lambda: number_by_number(rng),
        lambda: number_by_number(rng),
    ]
    return layers[rng.integers(len(layers))]()


def block(rng, shape):
    """A residual block, perhaps with another inside, or with a shortcut."""
    c = shape[-1]
    if rng.integers(2):
        same = {"strides": int(rng.integers(1, 3)), "padding": "same"}
        return Residual([Conv2D(4, 3, **same), number_by_number(rng)], [Conv2D(4, 1, **same)])
    inside = Residual([DepthwiseConv2D(3, padding="same"), number_by_number(rng)])
    return Residual([Conv2D(c, 3, padding="same"), inside, number_by_number(rng)])


def from_cases(cls, shape):
    """The first layer of that class in the table of cases that makes images of such images."""
    for layer in (case.make() for case in CASES):
        try:
            if type(layer) is cls and len(layer.output_shape(shape)) == 3:
                return [layer]
        except ShapeError:
            pass
    return []


def drawn(rng, seed):
    """A network of about ten layers for small images, with arrays that are all different."""
    model = Sequential([Input((*rng.integers(5, 12, 2), int(rng.integers(1, 5))))], seed=0)
    for _ in range(rng.integers(4, 9)):
        if min(model.output_shape[:2]) < 2 or np.prod(model.output_shape) > 5000:
            break
        model.add(on_images(rng, model.output_shape))
    classes = [cls for name, cls in sorted(LAYERS.items()) if name != "InputLayer"]
    for i in (2 * seed, 2 * seed + 1):  # thirty seeds go through all of them
        for layer in from_cases(classes[i % len(classes)], model.output_shape):
            model.add(layer)
    end = rng.integers(4)
    if end < 2:
        model.add([GlobalAvgPool, GlobalMaxPool][rng.integers(2)](keepdims=bool(end)))
    if end < 3:
        for layer in (Flatten(), number_by_number(rng), Dense(4), number_by_number(rng)):
            model.add(layer)
    moved = []
    for array in model.get_weights():
        by = rng.uniform(0.05, 0.3, array.shape)
        moved.append(array + (by if array.min() >= 0 else by * rng.choice([-1, 1], array.shape)))
    model.set_weights(moved)
    return model


def random_network(seed):
    """The first of several whose output depends on what goes in, and has no huge number in it."""
    rng = np.random.default_rng(seed)
    while True:
        model = drawn(rng, seed)
        y = model.predict(rng.standard_normal((3, *model.input_shape)).astype("f4"))
        if y.std(axis=0).mean() > 0.02 * y.std() > 1e-3 and np.abs(y).max() < 100:
            return model


def kinds(layers):
    found = {type(layer) for layer in layers}
    return found.union(*(kinds(layer.sublayers) for layer in layers if layer.sublayers))


WRITTEN_ONLY = {Elementwise, Lambda, Power, Reduce, Slice}
"""Layers whose operators are written and not read."""


def test_random_networks_have_every_layer():
    """The thirty networks below are made of every layer that a model file may name."""
    found = set().union(*(kinds(random_network(seed).stack) for seed in range(30)))
    assert found >= {cls for cls in LAYERS.values() if not cls.merges}


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("seed", range(30))
def test_random_network_in_onnxruntime(seed, layout, run, tmp_path):
    """A random network gives the same in onnxruntime, and read back, to 1e-5 of what is largest."""
    model = random_network(seed)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, *model.input_shape)).astype("f4")
    y = model.predict(x)
    assert np.isfinite(y).all()
    export_onnx(model, tmp_path / "a.onnx", layout=layout)
    found = run(tmp_path / "a.onnx", turned(x) if layout == "NCHW" else x)
    expected = turned(y) if layout == "NCHW" else y
    atol = 1e-5 * max(1, np.abs(y).max())
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=atol)
    if kinds(model.stack).isdisjoint(WRITTEN_ONLY):
        again = import_onnx(tmp_path / "a.onnx")
        np.testing.assert_allclose(again.predict(x), y, rtol=1e-5, atol=atol)


@pytest.mark.parametrize("name", ["lenet5", "vgg", "resnet20", "mobilenet"])
def test_application_in_onnxruntime(name, run, tmp_path):
    """The networks that minicnn comes with do so too."""
    model = getattr(applications, name)(input_shape=(32, 32, 3), classes=5)
    x = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("f4")
    export_onnx(model, tmp_path / "a.onnx")
    y = model.predict(x)
    np.testing.assert_allclose(run(tmp_path / "a.onnx", x), y, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(import_onnx(tmp_path / "a.onnx").predict(x), y, rtol=1e-5, atol=1e-5)


# PyTorch -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch():
    pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    logging.disable(logging.WARNING)
    yield torch
    logging.disable(logging.NOTSET)


def lenet(nn):
    return (1, 28, 28), nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 10),
        nn.LogSoftmax(1),
    )  # fmt: skip


def vgg(nn):
    class View(nn.Module):
        def forward(self, x):
            return x.view(x.size(0), -1)

    return (3, 32, 24), nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(True),
        nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(True), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(True), nn.MaxPool2d(2),
        View(), nn.Linear(16 * 8 * 6, 32), nn.BatchNorm1d(32), nn.ReLU(True), nn.Dropout(),
        nn.Linear(32, 10),
    )  # fmt: skip


def resnet(nn):
    class Block(nn.Module):
        def __init__(self, c_in, c_out, stride):
            super().__init__()
            self.main = nn.Sequential(
                nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(),
                nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False), nn.BatchNorm2d(c_out),
            )  # fmt: skip
            self.around = nn.Sequential()
            if stride > 1:
                self.around = nn.Sequential(
                    nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)
                )

        def forward(self, x):
            return (self.main(x) + self.around(x)).relu()

    return (3, 32, 32), nn.Sequential(
        nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        Block(8, 8, 1), Block(8, 16, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5),
    )  # fmt: skip


def mobilenet(nn):
    class Inverted(nn.Module):
        def __init__(self, c_in, c_out, stride):
            super().__init__()
            self.same = stride == 1 and c_in == c_out
            self.main = nn.Sequential(
                nn.Conv2d(c_in, 2 * c_in, 1, bias=False), nn.BatchNorm2d(2 * c_in), nn.ReLU6(),
                nn.Conv2d(2 * c_in, 2 * c_in, 3, stride, 1, groups=2 * c_in, bias=False),
                nn.BatchNorm2d(2 * c_in), nn.Hardswish(),
                nn.Conv2d(2 * c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out),
            )  # fmt: skip

        def forward(self, x):
            return x + self.main(x) if self.same else self.main(x)

    class Scaled(nn.Module):
        def forward(self, x):
            return (x / 255 - 0.5) * 2

    class Mean(nn.Module):
        def forward(self, x):
            return x.mean((2, 3))

    return (3, 24, 20), nn.Sequential(
        Scaled(), nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.SiLU(),
        Inverted(8, 8, 1), Inverted(8, 12, 2), Mean(), nn.Linear(12, 5), nn.Softmax(-1),
    )  # fmt: skip


def odds_and_ends(nn):
    return (4, 9, 8), nn.Sequential(
        nn.ZeroPad2d((1, 2, 0, 1)), nn.Conv2d(4, 8, 3, dilation=2, groups=2), nn.GELU(),
        nn.ConvTranspose2d(8, 4, 3, 2, 1, output_padding=1), nn.Mish(), nn.Upsample(scale_factor=2),
        nn.LeakyReLU(0.1), nn.Upsample(scale_factor=2, mode="bilinear"), nn.ELU(0.5),
        nn.Hardtanh(), nn.Hardsigmoid(), nn.SELU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(),
        nn.LayerNorm(4), nn.Linear(4, 4), nn.Sigmoid(),
    )  # fmt: skip


def autoencoder(nn):
    return (3, 12, 16), nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Sigmoid()
    )


def lively(torch, net):
    """The network with moving statistics and scales as after training."""
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
    return net.eval()


@pytest.mark.parametrize("open_batch", [False, True])
@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize(
    "make", [lenet, vgg, resnet, mobilenet, odds_and_ends, autoencoder], ids=lambda f: f.__name__
)
def test_torch_network_is_read(make, dynamo, open_batch, torch, tmp_path, capsys):
    """What either of PyTorch's exporters writes gives PyTorch's output within 1e-5."""
    torch.manual_seed(0)
    shape, net = make(torch.nn)
    net = lively(torch, net)
    x = torch.randn(2, *shape)
    options = {"external_data": False} if dynamo else {"input_names": ["x"]}
    if open_batch and dynamo:
        options["dynamic_shapes"] = ({0: torch.export.Dim("n")},)
    elif open_batch:
        options["dynamic_axes"] = {"x": {0: "n"}}
    torch.onnx.export(net, (x,), str(tmp_path / "a.onnx"), dynamo=dynamo, **options)
    model = import_onnx(tmp_path / "a.onnx")
    more = torch.randn(3, *shape)
    y = model.predict(more.numpy().transpose(0, 2, 3, 1))
    np.testing.assert_allclose(turned(y), net(more).detach().numpy(), rtol=1e-5, atol=1e-5)


def test_torch_file_beside_is_refused(torch, tmp_path, capsys):
    """PyTorch's arrays in a second file are not read; the line says how to write one file."""
    from minicnn.errors import ModelFileError

    shape, net = lenet(torch.nn)
    path = tmp_path / "a.onnx"
    torch.onnx.export(net, (torch.randn(2, *shape),), str(path), dynamo=True, external_data=True)
    with pytest.raises(ModelFileError, match="external_data=False"):
        import_onnx(path)
