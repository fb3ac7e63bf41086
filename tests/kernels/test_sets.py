"""Kernel sets: what each must have, custom sets, and that nobody asks for one by its name."""

import ast
from dataclasses import MISSING, fields, replace
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import (
    AvgPool,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Flatten,
    Input,
    MaxPool,
    ReLU,
    Sequential,
)
from minicnn.errors import ConfigError
from minicnn.kernels import DEFAULT, KERNELS, Convolution, KernelSet, Tail, Workspace
from minicnn.models.memory import memory_use

PACKAGE = Path(minicnn.__file__).parent
FUNCTIONS = [field.name for field in fields(KernelSet) if field.default is MISSING]
BUILT_IN = list(KERNELS)


@pytest.fixture
def added(monkeypatch):
    """Puts a kernel set into the table until the test ends."""
    return lambda name, made: monkeypatch.setitem(KERNELS, name, made)


def network(kernels, **options):
    layers = [Input((8, 8, 2)), Conv2D(4, 3, padding="same"), ReLU(), MaxPool(2)]
    layers += [DepthwiseConv2D(2), BatchNorm(), Conv2DTranspose(2, 2), AvgPool(2)]
    model = Sequential([*layers, Flatten(), Dense(3)], seed=0, kernels=kernels, **options)
    model.compile("adam", "mse")
    return model


def trained(kernels, **options):
    """The bits that a short run leaves."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((12, 8, 8, 2)), rng.standard_normal((12, 3))
    model = network(kernels, **options)
    history = model.fit(x, y, batch_size=6, epochs=2, verbose=0)
    return [*model.get_weights(), history.history["loss"], model.predict(x)]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def wrapped(made, calls):
    """The set, its functions noting in ``calls`` that they were called."""

    def noting(name):
        function = getattr(made, name)

        def called(*arguments, **options):
            calls.add(name)
            return function(*arguments, **options)

        return called

    return replace(made, **{name: noting(name) for name in FUNCTIONS})


@pytest.mark.parametrize("name", BUILT_IN)
def test_each_set_has_the_functions_and_keeps_what_it_promises(name):
    """All functions are there, and each capability that is claimed works."""
    kernels = KERNELS[name]
    assert all(callable(getattr(kernels, function)) for function in FUNCTIONS)
    workspace = kernels.workspace()
    assert isinstance(workspace, Workspace)
    with workspace as opened:
        assert opened is workspace
    how = (1, 1), ((1, 1), (1, 1))
    if kernels.fusion is not None:
        rng = np.random.default_rng(0)
        x, kernel = rng.standard_normal((2, 6, 6, 3)), rng.standard_normal((3, 3, 3, 4))
        tail = Tail(relu=True, pool="max", size=(2, 2))
        y, trace = kernels.fusion.convolve(x, kernel, None, *how, tail, None, training=True)
        z = KERNELS["reference"].conv2d(x, kernel, None, *how)
        wanted = KERNELS["reference"].max_pool(np.maximum(z, 0), (2, 2), (2, 2), ((0, 0), (0, 0)))
        np.testing.assert_allclose(y, wanted, rtol=1e-9, atol=1e-9)
        dx, dkernel, dbias = kernels.fusion.convolve_backward(y, x, trace, kernel, *how, tail)
        assert (dx.shape, dkernel.shape, dbias.shape) == (x.shape, kernel.shape, (4,))
    if kernels.work_of is not None:
        convolution = Convolution((64, 64, 3), (3, 3, 3, 8), *how, (1, 1), 1, np.dtype("f"))
        assert min(kernels.work_of(convolution, 64, 2)) > 0


def test_the_vectorized_set_is_capable_of_all_and_the_loops_of_nothing():
    """The definition has plain functions alone; the fast set has what makes it fast."""
    assert KERNELS["reference"] == KernelSet(
        **{name: getattr(KERNELS["reference"], name) for name in FUNCTIONS}
    )
    fast = KERNELS["vectorized"]
    assert None not in (fast.fusion, fast.work_of)
    assert fast.workspace is not Workspace
    assert DEFAULT in KERNELS


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_set_that_wraps_another_trains_to_the_same_bits(name, added):
    """A custom set is used in training and prediction, every function of it."""
    calls = set()
    added("mine", wrapped(KERNELS[name], calls))
    assert same(trained("mine", fuse=False), trained(name, fuse=False))
    assert calls == set(FUNCTIONS) - {"image_sums"}
    assert same(trained("mine"), trained(name))


def test_a_set_without_capabilities_is_neither_fused_nor_given_a_workspace(added):
    """The fast functions alone: every layer runs by itself, in memory that nobody keeps."""
    fast = KERNELS["vectorized"]
    added("plain", KernelSet(**{name: getattr(fast, name) for name in FUNCTIONS}))
    model = network("plain", fuse=True)
    assert not model.fuse
    assert [node.layer for node in model.fused().nodes] == model.stack
    model.fuse = True
    assert not model.fuse
    assert type(KERNELS["plain"].workspace()) is Workspace
    assert same(trained("plain"), trained("vectorized", fuse=False))
    plain, whole = (
        memory_use(model, model.fused(), model.optimizer, 8)
        for model in (model, network("vectorized", fuse=False))
    )
    assert 0 < plain.training < whole.training  # what it takes for a moment is not known


def test_what_is_no_set_is_refused(added):
    """A function that is missing or none, when the set is made; another thing, when it is used."""
    with pytest.raises(TypeError, match="conv2d_backward"):
        KernelSet(conv2d=print)
    with pytest.raises(
        ConfigError, match="KernelSet: expected max_pool to be a function, got None"
    ):
        replace(KERNELS["reference"], max_pool=None)
    added("module", minicnn.kernels.reference)
    with pytest.raises(ConfigError, match=r"expected KERNELS\['module'\] to be a KernelSet, got"):
        Sequential(kernels="module")


def files_outside():
    """The package's files, but for those of the kernels."""
    kernels = PACKAGE / "kernels"
    return [path for path in PACKAGE.rglob("*.py") if kernels not in path.parents]


@pytest.mark.parametrize("path", files_outside(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nobody_outside_asks_for_a_set_by_its_name(path):
    """No module imports a set or holds its name; the default's stands in ``kernels`` alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            names = []
        for name in names:
            assert not name.startswith(tuple(f"minicnn.kernels.{one}" for one in BUILT_IN)), name
        if isinstance(node, ast.Constant):
            assert node.value not in BUILT_IN, f"line {node.lineno}"
        if isinstance(node, ast.Attribute) and node.attr in BUILT_IN:
            assert getattr(node.value, "attr", getattr(node.value, "id", "")) != "kernels"


def test_the_names_stand_in_one_place():
    """No module of ``kernels`` holds the name of a set but the one with the table."""
    for path in (PACKAGE / "kernels").rglob("*.py"):
        if path.name != "__init__.py" or path.parent.name != "kernels":
            values = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            held = {node.value for node in values if isinstance(node, ast.Constant)}
            assert not held.intersection(BUILT_IN)
