"""Optimizers, schedules and initializers beside those of Keras and PyTorch."""

import math

import numpy as np
import pytest

from minicnn import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Dense,
    Input,
    Nadam,
    RMSprop,
    Sequential,
    initializers,
    load_model,
)
from minicnn._core.config import save_config
from minicnn.optimizers.schedules import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from minicnn.testing.cases import INITIALIZERS, OPTIMIZERS, SCHEDULES

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # that of NAdam's product of momenta
    yield torch
    torch.set_default_dtype(usual)


def problem(dtype):
    """The start of two variables and 50 gradients of both, of very different sizes."""
    rng = np.random.default_rng(0)
    start = {"kernel": rng.standard_normal((5, 4)), "bias": rng.standard_normal(4)}
    gradients = [
        {name: rng.standard_normal(p.shape) * 10 ** rng.uniform(-2, 1) for name, p in start.items()}
        for _ in range(50)
    ]
    return (
        {name: value.astype(dtype) for name, value in start.items()},
        [{name: value.astype(dtype) for name, value in grads.items()} for grads in gradients],
    )


def moved(optimizer, dtype):
    params, gradients = problem(dtype)
    for grads in gradients:
        optimizer.step(params, grads)
    return params


ALL = [
    *OPTIMIZERS,
    *(
        cls(learning_rate=rate, weight_decay=decay, **clip)
        for cls in dict.fromkeys(map(type, OPTIMIZERS))
        for rate, decay, clip in (
            (0.01, 0.3, {"clipnorm": 1.5}),
            (CosineDecay(0.1, 40, alpha=0.01), 0.1, {"clipvalue": 0.3}),
            (ExponentialDecay(0.1, 10, 0.7), 0.0, {"global_clipnorm": 2.0}),
        )
    ),
]


def in_keras(keras, optimizer):
    """Keras' optimizer from the config that our files would hold, and variables to move."""
    start, _ = problem(np.float32)
    variables = [keras.Variable(value, name=name) for name, value in start.items()]
    return keras.optimizers.get(save_config(optimizer)), variables


def assert_same_walk(params, variables):
    """Both came to the same place, within 2e-5 of how far they went and float32's grain."""
    start, _ = problem(np.float32)
    far = max(np.abs(params[name] - start[name]).max() for name in start)
    for value, variable in zip(params.values(), variables, strict=True):
        np.testing.assert_allclose(value, np.asarray(variable), rtol=3e-7, atol=2e-5 * far + 3e-7)


@pytest.mark.parametrize("optimizer", ALL, ids=repr)
def test_fifty_steps_in_keras(optimizer, keras):
    """After 50 steps the variables are Keras', within 2e-5 of the way they went."""
    theirs, variables = in_keras(keras, optimizer)
    for grads in problem(np.float32)[1]:
        theirs.apply(list(grads.values()), variables)
    ours = type(optimizer).from_config(optimizer.get_config())
    assert_same_walk(moved(ours, np.float32), variables)


@pytest.mark.parametrize("optimizer", ALL, ids=repr)
def test_state_in_keras(optimizer, keras):
    """``get_state`` has the arrays of Keras' ``variables``, in that order and of those values."""
    theirs, variables = in_keras(keras, optimizer)
    params, gradients = problem(np.float32)
    ours = type(optimizer).from_config(optimizer.get_config())
    for grads in gradients[:5]:
        theirs.apply(list(grads.values()), variables)
        ours.step(params, grads)
    for value, variable in zip(ours.get_state(params), theirs.variables, strict=True):
        assert value.shape == tuple(variable.shape)
        np.testing.assert_allclose(value, np.asarray(variable), rtol=3e-5, atol=1e-6)


def test_excluded_from_decay_in_keras(keras):
    """A bias that is excluded by name stays out of the decay in both."""
    ours = AdamW(0.01, weight_decay=0.5)
    theirs, variables = in_keras(keras, ours)
    for optimizer in (ours, theirs):
        optimizer.exclude_from_weight_decay(var_names=["bias"])
    for grads in problem(np.float32)[1]:
        theirs.apply(list(grads.values()), variables)
    assert_same_walk(moved(ours, np.float32), variables)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_keras_trains_on_where_our_file_ends(optimizer, keras, tmp_path):
    """A saved model is trained on by Keras, and read back from Keras, with the same numbers."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 16, 3)).astype(np.float32)
    ours = Sequential([Input((3,)), Dense(3)], seed=0)
    ours.compile(type(optimizer).from_config(optimizer.get_config()), "mse")
    ours.fit(x, y, epochs=3, shuffle=False, verbose=0)
    ours.save(tmp_path / "ours.keras")
    theirs = keras.models.load_model(tmp_path / "ours.keras")
    for model in (ours, theirs):
        model.fit(x, y, epochs=3, shuffle=False, verbose=0)
    theirs.save(tmp_path / "theirs.keras")
    again = load_model(tmp_path / "theirs.keras")
    assert type(again.optimizer) is type(optimizer)
    for model in (ours, again):
        model.fit(x, y, epochs=3, shuffle=False, verbose=0)
    for one, other in zip(ours.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_schedules_in_keras(schedule, keras):
    """At 300 steps the rate is Keras', within 1e-6."""
    theirs = keras.optimizers.schedules.deserialize(save_config(schedule))
    steps = range(300)
    np.testing.assert_allclose(
        [schedule(step) for step in steps], [float(theirs(step)) for step in steps], atol=1e-6
    )


IN_TORCH = [
    (SGD(0.05), "SGD", {}),
    (SGD(0.05, momentum=0.9), "SGD", {"momentum": 0.9}),
    (SGD(0.05, momentum=0.9, nesterov=True), "SGD", {"momentum": 0.9, "nesterov": True}),
    (Adam(0.05, epsilon=0), "Adam", {"eps": 0}),
    (Adam(0.05, beta_2=0.9, epsilon=0, amsgrad=True), "Adam",
     {"betas": (0.9, 0.9), "eps": 0, "amsgrad": True}),
    (AdamW(0.05, weight_decay=0.3, epsilon=0), "AdamW", {"weight_decay": 0.3, "eps": 0}),
    (RMSprop(0.05, epsilon=0), "RMSprop", {"alpha": 0.9, "eps": 0}),
    (RMSprop(0.05, rho=0.8, momentum=0.9, epsilon=0), "RMSprop",
     {"alpha": 0.8, "momentum": 0.9, "eps": 0}),
    (Nadam(0.05, epsilon=0), "NAdam", {"momentum_decay": 1.0, "eps": 0}),
    (Adagrad(0.05, epsilon=0), "Adagrad", {"initial_accumulator_value": 0.1, "eps": 0}),
    (Adadelta(0.5, rho=0.8, epsilon=1e-3), "Adadelta", {"rho": 0.8, "eps": 1e-3}),
    (Adamax(0.05, epsilon=0), "Adamax", {"eps": 0}),
]  # fmt: skip
"""Rules that PyTorch has too: but for Adadelta its epsilon lies elsewhere, so it is 0 here."""


@pytest.mark.parametrize(("optimizer", "name", "arguments"), IN_TORCH, ids=repr)
def test_fifty_steps_in_torch(optimizer, name, arguments, torch):
    """In double precision 50 steps are PyTorch's, within 1e-9."""
    params, gradients = problem(np.float64)
    tensors = [torch.nn.Parameter(torch.tensor(value)) for value in params.values()]
    theirs = getattr(torch.optim, name)(tensors, lr=optimizer.learning_rate, **arguments)
    for grads in gradients:
        for tensor, grad in zip(tensors, grads.values(), strict=True):
            tensor.grad = torch.tensor(grad)
        theirs.step()
    for value, tensor in zip(moved(optimizer, np.float64).values(), tensors, strict=True):
        np.testing.assert_allclose(value, tensor.detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("schedule", "name", "arguments"),
    [
        (ExponentialDecay(0.3, 1, 0.97), "ExponentialLR", {"gamma": 0.97}),
        (ExponentialDecay(0.3, 9, 0.5, staircase=True), "StepLR", {"step_size": 9, "gamma": 0.5}),
        (CosineDecay(0.3, 60, alpha=0.1), "CosineAnnealingLR", {"T_max": 60, "eta_min": 0.03}),
        (CosineDecayRestarts(0.3, 8), "CosineAnnealingWarmRestarts", {"T_0": 8, "T_mult": 2}),
        (
            PiecewiseConstantDecay([9, 39], [0.3, 0.03, 0.003]),
            "MultiStepLR",
            {"milestones": [10, 40], "gamma": 0.1},
        ),
        (PolynomialDecay(0.3, 60, 0.0, power=2.0), "PolynomialLR",
         {"total_iters": 60, "power": 2.0}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_schedules_in_torch(schedule, name, arguments, torch):
    """The rates of 60 steps are those of PyTorch's scheduler of another name, within 1e-9."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.3)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **arguments)
    for step in range(60):
        assert schedule(step) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        scheduler.step()


DRAWING = [one for one in INITIALIZERS if "seed" in one.get_config()]
ALONE = [one for one in DRAWING if not isinstance(one, initializers.Orthogonal)]
"""Those whose numbers are drawn each by itself."""


@pytest.mark.parametrize(
    "initializer",
    [one for one in DRAWING if not isinstance(one, initializers.Orthogonal)],
    ids=repr,
)
def test_initializers_draw_from_keras_distributions(initializer, keras):
    """200,000 draws of both have one mean, deviation, limits and distribution (Kolmogorov)."""
    shape = (2, 5, 100, 200)
    theirs = keras.initializers.get(save_config(initializer))
    a = np.sort(initializer(shape, np.random.default_rng(), "float64").ravel())
    b = np.sort(np.asarray(theirs(shape)).astype(np.float64).ravel())
    n, deviation = a.size, b.std()
    assert abs(a.mean() - b.mean()) < 4 * deviation * math.sqrt(2 / n)
    assert a.std() == pytest.approx(deviation, rel=4 * math.sqrt(1.5 / n))
    if "normal" not in repr(initializer).lower() or "Truncated" in repr(initializer):
        np.testing.assert_allclose([a[0], a[-1]], [b[0], b[-1]], atol=2e-3 * deviation)
    both = np.concatenate([a, b])
    apart = np.searchsorted(a, both, "right") - np.searchsorted(b, both, "right")
    assert np.abs(apart).max() / n < 1.95 * math.sqrt(2 / n)  # one in a thousand by chance


@pytest.mark.parametrize(
    "initializer", [one for one in INITIALIZERS if one not in DRAWING], ids=repr
)
def test_constants_in_keras(initializer, keras):
    """Initializers that draw nothing give Keras' arrays."""
    theirs = keras.initializers.get(save_config(initializer))
    ours = initializer((2, 3), np.random.default_rng(0), "float32")
    np.testing.assert_array_equal(ours, np.asarray(theirs((2, 3))))


@pytest.mark.parametrize("shape", [(4, 4), (2, 3, 4), (2, 9)])
@pytest.mark.parametrize("initializer", [initializers.Orthogonal(1.5)], ids=repr)
def test_orthogonal_draws_from_keras_distribution(initializer, shape, keras):
    """Of 600 orthogonal draws every number has Keras' mean and deviation, and so have traces."""
    generator = np.random.default_rng(0)
    a = np.array([initializer(shape, generator, "float64") for _ in range(600)])
    theirs = keras.initializers.Orthogonal
    b = np.array([np.asarray(theirs(1.5, seed=i)(shape)) for i in range(600)])
    np.testing.assert_allclose(a.mean(0), b.mean(0), atol=5 * 1.5 / math.sqrt(600))
    np.testing.assert_allclose((a**2).mean(0), (b**2).mean(0), atol=5 * 1.5**2 / math.sqrt(600))
    traces = [m.reshape(600, -1, shape[-1]).trace(axis1=1, axis2=2) for m in (a, b)]
    assert traces[0].mean() == pytest.approx(traces[1].mean(), abs=5 * 1.5 / math.sqrt(300))
