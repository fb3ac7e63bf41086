"""Optimizers against steps worked out by hand, in Keras' order of operations."""

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
    Ftrl,
    Input,
    Lion,
    Nadam,
    RMSprop,
    Sequential,
    load_model,
)
from minicnn._core import console
from minicnn.callbacks import ReduceLROnPlateau
from minicnn.errors import ConfigError, ShapeError
from minicnn.optimizers import base, get
from minicnn.optimizers.schedules import CosineDecay, ExponentialDecay
from minicnn.testing.cases import OPTIMIZERS, TO_THE_BOTTOM


def run(optimizer, gradients, start=1.0):
    params = {"w": np.array([start])}
    for gradient in gradients:
        optimizer.step(params, {"w": np.array([gradient])})
    return params["w"][0]


def test_sgd():
    """Plain descent takes lr * g each time."""
    assert run(SGD(0.1), [2.0, -1.0]) == pytest.approx(1 - 0.2 + 0.1)


def test_sgd_momentum():
    """v = mu v - lr g, w += v."""
    v1 = -0.1 * 2.0
    v2 = 0.9 * v1 - 0.1 * 3.0
    assert run(SGD(0.1, momentum=0.9), [2.0, 3.0]) == pytest.approx(1 + v1 + v2)


def test_sgd_nesterov():
    """Nesterov adds mu v - lr g with the new v."""
    v1 = -0.1 * 2.0
    v2 = 0.9 * v1 - 0.1 * 3.0
    expected = 1 + (0.9 * v1 - 0.2) + (0.9 * v2 - 0.3)
    optimizer = SGD(0.1, momentum=0.9, nesterov=True)
    assert run(optimizer, [2.0, 3.0]) == pytest.approx(expected)


def test_adam():
    """Two steps of Adam, epsilon added to the uncorrected root."""
    w, m, v = 1.0, 0.0, 0.0
    for t, g in ((1, 2.0), (2, -0.5)):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        alpha = 0.01 * math.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        w -= alpha * m / (math.sqrt(v) + 0.5)
    assert run(Adam(0.01, epsilon=0.5), [2.0, -0.5]) == pytest.approx(w, rel=1e-12)


def test_amsgrad():
    """AMSGrad divides by the root of the largest v so far."""
    w, m, v, largest = 1.0, 0.0, 0.0, 0.0
    for t, g in ((1, 2.0), (2, 0.0), (3, 0.1)):
        m = 0.9 * m + 0.1 * g
        v = 0.5 * v + 0.5 * g * g
        largest = max(largest, v)
        w -= 0.01 * math.sqrt(1 - 0.5**t) / (1 - 0.9**t) * m / (math.sqrt(largest) + 0.5)
    assert largest > v
    optimizer = Adam(0.01, beta_2=0.5, epsilon=0.5, amsgrad=True)
    assert run(optimizer, [2.0, 0.0, 0.1]) == pytest.approx(w, rel=1e-12)


def test_adamw():
    """AdamW takes w * 0.004 * lr away before a first step of Adam, which is lr itself."""
    assert run(AdamW(0.1, epsilon=0.0), [2.0]) == pytest.approx(1 - 0.1 * 0.004 - 0.1, rel=1e-12)


def test_rmsprop():
    """Two steps with momentum, epsilon inside the root."""
    v1, v2 = 0.1 * 4.0, 0.9 * 0.4 + 0.1 * 9.0
    m1 = 0.01 * 2.0 / math.sqrt(v1 + 0.5)
    m2 = 0.8 * m1 + 0.01 * 3.0 / math.sqrt(v2 + 0.5)
    assert run(RMSprop(0.01, epsilon=0.5), [2.0]) == pytest.approx(1 - m1, rel=1e-12)
    optimizer = RMSprop(0.01, momentum=0.8, epsilon=0.5)
    assert run(optimizer, [2.0, 3.0]) == pytest.approx(1 - m1 - m2, rel=1e-12)


def test_rmsprop_centered():
    """Centered, the square of the mean gradient is taken from the mean square."""
    expected = 1 - 0.01 * 2.0 / math.sqrt(0.1 * 4.0 - 0.2**2 + 0.5)
    assert run(RMSprop(0.01, epsilon=0.5, centered=True), [2.0]) == pytest.approx(expected)


def test_nadam():
    """Two steps of Nadam, with the momentum schedule of Keras."""
    w, m, v, product = 1.0, 0.0, 0.0, 1.0
    for t, g in ((1, 2.0), (2, -0.5)):
        u, u_next = (0.9 * (1 - 0.5 * 0.96**i) for i in (t, t + 1))
        product *= u
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        ahead = u_next * m / (1 - product * u_next) + (1 - u) * g / (1 - product)
        w -= 0.01 * ahead / (math.sqrt(v / (1 - 0.999**t)) + 0.5)
    assert run(Nadam(0.01, epsilon=0.5), [2.0, -0.5]) == pytest.approx(w, rel=1e-12)


def test_lion():
    """A step goes by the sign of beta_1 m + (1 - beta_1) g, and m is kept with beta_2."""
    assert run(Lion(0.1), [2.0]) == pytest.approx(0.9)
    assert run(Lion(0.1, beta_2=0.5), [2.0, -8.0]) == pytest.approx(0.8)  # 0.9 * 1 > 0.1 * 8
    assert run(Lion(0.1, beta_2=0.5), [2.0, -10.0]) == pytest.approx(1.0)  # 0.9 * 1 < 0.1 * 10
    # m is 1, then -3.5, and 0.9 * 3.5 > 0.1 * 30
    assert run(Lion(0.1, beta_2=0.5), [2.0, -8.0, 30.0]) == pytest.approx(0.9)


def test_adagrad():
    """The sum of squares starts at 0.1, and epsilon is inside the root."""
    expected = 1 - 0.1 * 2 / math.sqrt(4.1 + 0.5) + 0.1 * 1 / math.sqrt(5.1 + 0.5)
    assert run(Adagrad(0.1, epsilon=0.5), [2.0, -1.0]) == pytest.approx(expected, rel=1e-12)


def test_decay_comes_before_the_update():
    """The decay is of the weight before its step, at the rate of that step."""
    optimizer = SGD(CosineDecay(1.0, decay_steps=2), weight_decay=0.25)
    assert run(optimizer, [1.0, 2.0], start=4.0) == pytest.approx(
        (4 - 4 * 0.25 - 1) - 2 * 0.25 * 0.5 - 0.5 * 2
    )


def test_decay_can_be_excluded():
    """Parameters whose name contains one of the strings do not decay."""
    optimizer = SGD(0.5, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias", "norm"])
    params = {name: np.ones(1) for name in ("dense.kernel", "dense.bias", "norm_1.gamma")}
    optimizer.step(params, {name: np.zeros(1) for name in params})
    assert [float(value[0]) for value in params.values()] == [0.75, 1, 1]
    with pytest.raises(ConfigError, match="SGD: expected var_names as a list of names, got 'bias'"):
        optimizer.exclude_from_weight_decay(var_names="bias")


@pytest.mark.parametrize(
    ("arguments", "a", "b"),
    [
        ({}, [3, 4], [0, -12]),
        ({"clipnorm": 1.0}, [0.6, 0.8], [0, -1]),
        ({"clipnorm": 5.0}, [3, 4], [0, -5]),
        ({"clipvalue": 3.5}, [3, 3.5], [0, -3.5]),
        ({"global_clipnorm": 1.3}, [0.3, 0.4], [0, -1.2]),
        ({"global_clipnorm": 13.0}, [3, 4], [0, -12]),
    ],
)
def test_clipping(arguments, a, b):
    """Norms of 5, 12 and together 13 are cut to the limit, and the gradients given stay."""
    grads = {"a": np.array([3.0, 4.0]), "b": np.array([0.0, -12.0])}
    params = {name: np.zeros(2) for name in grads}
    SGD(1.0, **arguments).step(params, grads)
    np.testing.assert_allclose(params["a"], -np.array(a), rtol=1e-15)
    np.testing.assert_allclose(params["b"], -np.array(b), rtol=1e-15)
    assert (grads["a"].tolist(), grads["b"].tolist()) == ([3, 4], [0, -12])


def test_clipping_leaves_a_gradient_of_zero():
    """A gradient of norm 0 is no division by it."""
    for arguments in ({"clipnorm": 1.0}, {"global_clipnorm": 1.0}):
        assert run(SGD(1.0, **arguments), [0.0]) == 1


def made(optimizer, **others):
    """A new one like it, with other arguments."""
    return type(optimizer).from_config(optimizer.get_config() | others)


@pytest.mark.parametrize("optimizer", TO_THE_BOTTOM, ids=repr)
def test_quadratic_bowl(optimizer):
    """Each finds the bottom of a bowl, without changing the gradients or the dtype."""
    optimizer = made(optimizer)
    params = {"a": np.full((2, 2), 3.0, np.float32), "b": np.full(1, -2.0, np.float32)}
    for _ in range(500):
        grads = {name: 2 * value for name, value in params.items()}
        kept = {name: grad.copy() for name, grad in grads.items()}
        optimizer.step(params, grads)
        for name in grads:
            np.testing.assert_array_equal(grads[name], kept[name])
    for value in params.values():
        assert value.dtype == np.float32
        assert np.abs(value).max() < 0.02


def test_learning_rate_can_be_set():
    """A new learning rate counts from the next step."""
    optimizer = SGD(0.1)
    params = {"w": np.array([0.0])}
    optimizer.step(params, {"w": np.array([1.0])})
    optimizer.learning_rate = 0.01
    optimizer.step(params, {"w": np.array([1.0])})
    assert params["w"][0] == pytest.approx(-0.11)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_state_round_trip(optimizer):
    """An optimizer with another's state continues with the same numbers."""
    first, second, rng = made(optimizer), made(optimizer), np.random.default_rng(0)
    params = {"a": rng.standard_normal(3), "b": rng.standard_normal((2, 2))}
    for _ in range(2):
        first.step(params, {name: value + 1 for name, value in params.items()})
    second.set_state(params, [value.copy() for value in first.get_state(params)])
    twin = {name: value.copy() for name, value in params.items()}
    first.step(params, {name: np.ones_like(value) for name, value in params.items()})
    second.step(twin, {name: np.ones_like(value) for name, value in twin.items()})
    for name in params:
        np.testing.assert_array_equal(params[name], twin[name])
    for one, other in zip(first.get_state(params), second.get_state(twin), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_a_saved_model_trains_on_to_the_same_bits(optimizer, tmp_path):
    """A model read back has the optimizer's arguments and state, and trains on alike."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 3)), rng.integers(0, 2, 8)
    model = Sequential([Input((3,)), Dense(2, activation="softmax")], seed=0)
    model.compile(made(optimizer, global_clipnorm=0.5), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=4, epochs=2, verbose=0)
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    assert again.optimizer.get_config() == model.optimizer.get_config()
    for one in (model, again):
        one.fit(x, y, batch_size=4, epochs=2, verbose=0)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("optimizer", "order"),
    [
        (Adam(), "am av bm bv"),
        (Adam(amsgrad=True), "am av bm bv ah bh"),
        (RMSprop(momentum=0.9, centered=True), "av bv am bm ag bg"),
        (RMSprop(centered=True), "av bv ag bg"),
    ],
)
def test_the_order_of_keras_files(optimizer, order):
    """Slots stand as in Keras' files: side by side, or each kind for all parameters."""
    letters = {"m": "momentum", "v": "velocity", "h": "velocity_hat", "g": "average_gradient"}
    params = {"a": np.zeros(1), "b": np.zeros(1)}
    optimizer.step(params, {"a": np.ones(1), "b": np.ones(1)})
    expected = [optimizer.slots[slot[0]][letters[slot[1]]] for slot in order.split()]
    for slot, other in zip(optimizer.get_state(params)[2:], expected, strict=True):
        assert slot is other


def test_the_learning_rate_is_a_number_also_with_a_schedule():
    """As in Keras the attribute is the rate of the next step; the config has the schedule."""
    schedule = ExponentialDecay(0.1, 1, 0.5)
    optimizer = SGD(schedule)
    assert float(optimizer.learning_rate) == 0.1
    optimizer.step({"w": np.ones(1)}, {"w": np.ones(1)})
    assert optimizer.learning_rate == 0.05
    assert repr(optimizer) == f"SGD(learning_rate={schedule!r})"
    assert SGD.from_config(optimizer.get_config()).schedule(3) == schedule(3)
    with pytest.raises(ConfigError, match="learning_rate"):
        optimizer.learning_rate = -1
    assert optimizer.schedule is schedule
    optimizer.learning_rate = np.array(0.3, np.float64)
    assert (optimizer.schedule, optimizer.learning_rate) == (None, 0.3)


def test_mistakes_are_explained():
    """Arguments and gradients that make no sense say so; nothing is updated then."""
    for call in (
        lambda: SGD(-1),
        lambda: SGD("fast"),
        lambda: SGD(float("nan")),
        lambda: SGD(momentum=1.0),
        lambda: SGD(nesterov=True),
        lambda: SGD(weight_decay=-0.1),
        lambda: SGD(clipnorm=0),
        lambda: SGD(clipvalue="a"),
        lambda: SGD(global_clipnorm=-1),
        lambda: SGD(clipnorm=1.0, clipvalue=1.0),
        lambda: Adam(beta_1=1.0),
        lambda: Adam(epsilon=-1),
        lambda: AdamW(weight_decay=None),
        lambda: RMSprop(rho=1.0),
        lambda: RMSprop(momentum=-0.1),
        lambda: Nadam(beta_2=1.0),
        lambda: Lion(beta_1=0.0),
        lambda: Adagrad(initial_accumulator_value=-1),
        lambda: Adadelta(rho=1.0),
        lambda: Adamax(beta_2=1.0),
        lambda: Ftrl(learning_rate_power=0.5),
        lambda: Ftrl(l1_regularization_strength=-1),
    ):
        with pytest.raises(ConfigError, match=r"^[A-Z]\w+: expected .* got"):
            call()
    with pytest.raises(ConfigError, match=r"one of clipnorm.*got clipvalue and global_clipnorm"):
        Adam(clipvalue=1.0, global_clipnorm=1.0)
    params = {"w": np.ones(2), "v": np.ones(2)}
    with pytest.raises(ConfigError, match="known parameters, got 'u'"):
        SGD(0.1).step(params, {"w": np.ones(2), "u": np.ones(2)})
    with pytest.raises(ShapeError, match=r"shape \(2,\) for 'v', got \(3,\)"):
        SGD(0.1).step(params, {"w": np.ones(2), "v": np.ones(3)})
    optimizer = SGD(0.1)
    with pytest.raises(ConfigError, match="SGD: expected learning_rate as a number"):
        optimizer.learning_rate = None
    assert (optimizer.iterations, optimizer.learning_rate) == (0, 0.1)
    assert params["w"].tolist() == [1, 1]


OPTIMIZER_NAMES = "adadelta, adagrad, adam, adamw, adamax, ftrl, lion, nadam, rmsprop, sgd"


def test_optimizers_have_keras_names():
    """Keras' names in small letters stand for the classes, and another lists them."""
    for name in OPTIMIZER_NAMES.split(", "):
        assert type(get("Sequential", name)).__name__.lower() == name
    with pytest.raises(
        ConfigError,
        match=rf"one of {OPTIMIZER_NAMES}; got 'rmspop'.*'rmsprop'",
    ):
        get("Sequential", "rmspop")


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("clip", [{"clipnorm": 3.0}, {"clipvalue": 0.5}, {"global_clipnorm": 4.0}])
def test_pieces_make_the_same_bits_as_the_whole(optimizer, clip, monkeypatch):
    """Cut into pieces of 7, a parameter is updated as at once, clipped by its whole norm."""
    rng = np.random.default_rng(0)
    start = {"w": rng.standard_normal((10, 10)), "b": rng.standard_normal(10)}
    gradients = [{n: rng.standard_normal(p.shape) for n, p in start.items()} for _ in range(3)]
    results = []
    for piece in (base.PIECE, 7):
        monkeypatch.setattr(base, "PIECE", piece)
        params = {name: value.copy() for name, value in start.items()}
        optimizer = made(optimizer, **clip)
        optimizer.weight_decay = 0.1
        for grads in gradients:
            optimizer.step(params, grads)
        results.append([*params.values(), *optimizer.get_state(params)])
    for whole, pieces in zip(*results, strict=True):
        np.testing.assert_array_equal(whole, pieces)


def test_large_parameters_are_updated_in_pieces_to_the_same_bits():
    """An Adam step on 100,000 numbers is that of each number by itself."""
    rng = np.random.default_rng(0)
    start, grad = rng.standard_normal((2, 100_000))
    whole, parts = {"w": start.copy()}, {f"w{i}": start[i::4].copy() for i in range(4)}
    for params, grads in (
        (whole, {"w": grad}),
        (parts, {f"w{i}": grad[i::4].copy() for i in range(4)}),
    ):
        optimizer = Adam(0.1)
        for _ in range(3):
            optimizer.step(params, grads)
    for i in range(4):
        np.testing.assert_array_equal(whole["w"][i::4], parts[f"w{i}"])


def test_ftrl_leaves_small_weights_at_zero():
    """With l1 a weight whose gradients are small is 0, and a rate of 0 changes nothing."""
    optimizer = Ftrl(0.1, l1_regularization_strength=1.0)
    params = {"w": np.zeros(2)}
    optimizer.step(params, {"w": np.array([0.5, 3.0])})
    assert params["w"][0] == 0 > params["w"][1]
    optimizer.learning_rate = 0
    before = params["w"].copy()
    optimizer.step(params, {"w": np.ones(2)})
    np.testing.assert_array_equal(params["w"], before)


@pytest.fixture
def told(monkeypatch):
    """All old spellings have been spoken of."""
    monkeypatch.setattr(console, "_said", {"lr", "decay"})


def test_decay_of_older_scripts(told):
    """The rate of step t is lr / (1 + decay * t), and lr itself stays and may be set."""
    optimizer, params, w, lr = SGD(lr=0.5, decay=0.1), {"w": np.array([3.0])}, 3.0, 0.5
    for t in range(5):
        optimizer.step(params, {"w": 2 * params["w"]})
        w -= lr / (1 + 0.1 * t) * 2 * w
        assert params["w"][0] == pytest.approx(w, rel=1e-14)
        if t == 2:
            optimizer.lr = lr = 0.25
    assert (optimizer.lr, optimizer.learning_rate, optimizer.decay) == (0.25, 0.25, 0.1)
    assert repr(optimizer) == "SGD(learning_rate=InverseTimeDecay(0.25, 1, 0.1))"
    optimizer.learning_rate = ExponentialDecay(0.1, 1, 0.5)
    assert optimizer.decay == 0
    with pytest.raises(ConfigError, match="SGD: expected a schedule or decay"):
        SGD(ExponentialDecay(0.1, 1, 0.5), decay=0.1)
    with pytest.raises(ConfigError, match="SGD: expected decay as a number, 0 or more"):
        SGD(0.1, decay=-1)


def trained(optimizer, epochs, **options):
    """The model after so many epochs of six images."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 6, 3))
    model = Sequential([Input((3,)), Dense(3)], seed=0)
    model.compile(optimizer, "mse")
    options = {"validation_data": (x, y)} | options
    model.fit(x, y, batch_size=2, epochs=epochs, verbose=0, **options)
    return model


def test_decay_is_resumed_to_the_same_bits(told, tmp_path):
    """From a checkpoint with the rate that a callback has set, and from a file."""

    def make():
        return Adam(lr=0.5, decay=0.1)

    def callbacks():
        return [ReduceLROnPlateau("val_loss", 0.5, patience=0, min_delta=100.0)]

    whole = trained(make(), 6, callbacks=callbacks())
    assert whole.optimizer.learning_rate < 0.1
    trained(make(), 3, checkpoint=tmp_path, callbacks=callbacks())
    resumed = trained(make(), 6, checkpoint=tmp_path, resume=True, callbacks=callbacks())
    assert resumed.optimizer.learning_rate == whole.optimizer.learning_rate
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ConfigError, match="another"):
        trained(Adam(lr=0.5), 6, checkpoint=tmp_path, resume=True, callbacks=callbacks())
    whole.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    x = np.ones((4, 3))
    for model in (whole, again):
        model.fit(x, x, epochs=2, verbose=0)
    for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_state_before_the_first_step():
    """``build`` makes the slots, and ``variables`` are iterations, rate and slots, as in Keras."""
    optimizer = Adagrad(0.5)
    assert [float(x) for x in optimizer.variables] == [0, 0.5]
    optimizer.build({"w": np.zeros(2)})
    assert [np.shape(x) for x in optimizer.variables] == [(), (), (2,)]
    assert optimizer.variables[2].tolist() == [0.1, 0.1]
    with pytest.raises(ConfigError, match=r"expected parameters by their names, got \[.*params"):
        optimizer.build([np.zeros(2)])


def test_an_optimizer_of_one_s_own_sees_whole_parameters():
    """A class that replaces ``update`` gets each parameter whole, whatever it derives from."""

    class Normed(SGD):
        def update(self, param, grad, slots):
            super().update(param, grad / np.linalg.norm(grad), slots)

    params = {"w": np.zeros(100_000)}
    Normed(1.0).step(params, {"w": np.ones(100_000)})
    assert np.linalg.norm(params["w"]) == pytest.approx(1)


def test_an_optimizer_of_one_s_own_is_clipped_and_decays():
    """Clipping and decay come with the base class, to an optimizer that has only ``update``."""

    class Plain(base.Optimizer):
        def update(self, param, grad, slots):
            param -= self.rate * grad

    optimizer = Plain(0.5, weight_decay=0.5, clipvalue=1.0)
    assert run(optimizer, [3.0]) == 1 - 0.25 - 0.5
