"""The doctor for runs: each ailment is found first, and nothing is said when all is well."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from minicnn import (
    SGD,
    Adam,
    BatchNorm,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    Layer,
    LayerNorm,
    MaxPool,
    Model,
    RandomRotation,
    RandomTranslation,
    ReLU,
    Rescaling,
    Sequential,
    explain,
)
from minicnn.applications import NETWORKS
from minicnn.callbacks import TerminateOnNaN
from minicnn.data import load_hdf5
from minicnn.data.fitting import Data
from minicnn.data.synthetic import fingers
from minicnn.errors import ConfigError, DivergenceError
from minicnn.explain.diagnosis.examined import Examined
from minicnn.explain.diagnosis.given import Agreement, independent
from minicnn.explain.diagnosis.learning import by_heart
from minicnn.explain.diagnosis.trials import Trial
from minicnn.initializers import Constant, RandomNormal
from minicnn.optimizers import RMSprop
from minicnn.optimizers.schedules import CosineDecay
from minicnn.regularizers import L2

DATASETS = Path(__file__).parents[2] / "datasets"
SPARSE = "sparse_categorical_crossentropy"


def quadrants(n, seed, brighter=55):
    """Pictures of noise with one brighter quadrant, which is the class."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 4
    x = rng.integers(0, 200, (n, 8, 8, 1))
    for i, k in enumerate(y):
        x[i, 4 * (k // 2) : 4 * (k // 2) + 4, 4 * (k % 2) : 4 * (k % 2) + 4] += brighter
    return x.astype(np.uint8), y


X, Y = quadrants(96, seed=1)
VX, VY = quadrants(96, seed=2)


def halves(n, seed):
    """Pictures of which one half is bright, or both or none: class 1 is one, class 0 the others."""
    rng = np.random.default_rng(seed)
    left, right = np.arange(n) % 2, np.arange(n) // 2 % 2
    x = rng.integers(0, 106, (n, 8, 8, 1))
    x[:, :, :4] += 150 * left[:, None, None, None]
    x[:, :, 4:] += 150 * right[:, None, None, None]
    return x.astype(np.uint8), left ^ right


FAINT = *quadrants(48, seed=1, brighter=20), quadrants(96, seed=2, brighter=20)
ONE_HOT, V_ONE_HOT = np.eye(4)[Y], np.eye(4)[VY]


def network(*layers, last="softmax", loss=SPARSE, optimizer=None, scaled=True, **output):
    """A compiled network for the quadrants."""
    before = [Input((8, 8, 1)), *([Rescaling(1 / 255)] if scaled else [])]
    after = [Dense(4, activation=last, **output)]
    model = Sequential([*before, *(layers or conv()), *after], seed=0)
    model.compile(optimizer or Adam(5e-3), loss, metrics=["accuracy"])
    return model


def conv(**arguments):
    return [Conv2D(8, 3, activation="relu", **arguments), MaxPool(2), Flatten()]


def deep(layers, activation, stddev=None):
    """A row of dense layers."""
    weights = {} if stddev is None else {"kernel_initializer": RandomNormal(stddev=stddev)}
    return [Flatten(), *(Dense(16, activation=activation, **weights) for _ in range(layers))]


class Nothing(Layer):
    """A layer that lets nothing through."""

    def forward(self, x, *, training=False, rng=None):
        return np.zeros_like(x), None

    def backward(self, dy, cache):
        return np.zeros_like(dy), {}


def shuffled(y, seed=3):
    return np.random.default_rng(seed).permutation(y)


def data(y=Y, vy=VY, scale=None):
    """What is learned from, and what is evaluated."""
    x, vx = (X, VX) if scale is None else (X * np.float32(scale), VX * np.float32(scale))
    return x, y, (vx, vy)


class Batches:
    """Data that come batch by batch."""

    def __init__(self, batches):
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, i):
        return self.batches[i]


LAST = "softmax or sigmoid with the wrong loss"
FAR = "BatchNorm in training and outside far apart"


def strong():
    """Dense layers, the first with weights that no step can move."""
    first = Dense(16, kernel_initializer=RandomNormal(stddev=3000.0))
    return [Flatten(), first, LayerNorm(), Dense(16, activation="relu")]


def normed():
    return [Conv2D(8, 3), BatchNorm(momentum=0.999), ReLU(), MaxPool(2), Flatten()]


SICK = {
    "a network too small": (
        "loss not falling",
        lambda: network(Flatten(), optimizer=Adam(2e-3)),
        (*halves(192, seed=1), halves(64, seed=2)),
        20,
    ),
    "images not scaled": ("images not scaled", partial(network, scaled=False), data(), 3),
    "images scaled twice": ("images scaled twice", network, data(scale=1 / 255), 3),
    "labels constant": ("labels constant", network, data(np.full(96, 3), np.full(96, 3)), 3),
    "labels shuffled": ("labels shuffled", network, data(shuffled(Y), shuffled(VY)), 40),
    "mse of a softmax": (LAST, partial(network, loss="mse"), data(ONE_HOT, V_ONE_HOT), 3),
    "sigmoid of classes": (
        LAST,
        partial(network, last="sigmoid", loss="binary_crossentropy"),
        data(ONE_HOT, V_ONE_HOT),
        3,
    ),
    "no softmax": (LAST, partial(network, last=None, optimizer=SGD(1e-3)), data(), 2),
    "first loss": (
        "first loss too large",
        partial(network, kernel_initializer=RandomNormal(stddev=8.0)),
        data(),
        3,
    ),
    "exploding": ("exploding gradients", lambda: network(*deep(10, "relu", 1.0)), data(), 3),
    "vanishing": ("vanishing gradients", lambda: network(*deep(9, "sigmoid")), data(), 3),
    "dead": (
        "dead ReLUs",
        lambda: network(*conv(bias_initializer=Constant(-5.0))),
        data(),
        3,
    ),
    "rate too high": ("learning rate too high", lambda: network(optimizer=Adam(1.0)), data(), 6),
    "rate too low": ("learning rate too low", lambda: network(optimizer=Adam(1e-6)), data(), 6),
    "penalties": (
        "penalties too large",
        lambda: network(Flatten(), Dense(32, activation="relu", kernel_regularizer=L2(30.0))),
        data(),
        6,
    ),
    "one layer stands still": (
        "update-to-weight ratio",
        lambda: network(*strong(), optimizer=SGD(0.05)),
        data(),
        6,
    ),
    "moving means": (FAR, lambda: network(*normed(), optimizer=Adam(1e-2)), data(), 20),
    "nothing comes through": (
        "cannot learn a batch by heart",
        lambda: network(*conv(), Nothing()),
        data(),
        6,
    ),
    "overfitting": ("overfitting", lambda: network(*deep(2, "relu")), FAINT, 150),
    "noise": (
        "too much dropout or noise",
        lambda: network(Flatten(), Dropout(0.99)),
        data(),
        40,
    ),
}


@pytest.mark.parametrize("name", SICK)
def test_an_ailment_is_the_first_finding(name):
    """A run of three epochs or more that has it; the numbers of its sentence are finite."""
    ailment, build, (x, y, validation), epochs = SICK[name]
    model = build()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minicnn._training.loop.advise", lambda *arguments: None)
        history = model.fit(x, y, epochs=epochs, validation_data=validation, verbose=0)
    found = explain.diagnose(model, x, y, history, validation)
    assert [one.name for one in found][:1] == [ailment], found
    assert found[0].sentence.endswith(".")
    assert found[0].remedy.endswith((".", ")."))


HEALTHY = {
    "conv": lambda: network(),
    "conv, SGD": lambda: network(optimizer=SGD(0.1, momentum=0.9)),
    "dense": lambda: network(*deep(2, "relu"), optimizer=Adam(3e-3)),
    "tanh, a falling rate": lambda: network(
        Conv2D(8, 3, activation="tanh"), Flatten(), optimizer=Adam(CosineDecay(1e-2, 90))
    ),
    "batchnorm and dropout": lambda: network(
        Conv2D(8, 3), BatchNorm(momentum=0.9), ReLU(), MaxPool(2), Flatten(), Dropout(0.3)
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_said_when_all_is_well(name, capsys):
    """Before a run, beside it and after it."""
    model, validation = HEALTHY[name](), (VX, VY)
    doctor = explain.Doctor()
    assert explain.diagnose(model, X, Y, validation_data=validation) == []
    history = model.fit(X, Y, epochs=15, validation_data=validation, callbacks=[doctor], verbose=0)
    assert history.history["accuracy"][-1] > 0.8
    assert explain.diagnose(model, X, Y, history, validation) == doctor.findings == []
    assert capsys.readouterr() == ("", "")


def test_a_loss_that_rises_again_is_a_rate_too_high():
    """It had fallen, and the last epochs are worse than chance, or no number at all."""
    model = network()
    for last in (5.0, float("nan")):
        history = {"loss": [1.3, 0.5, last, last, last], "accuracy": [0.3, 0.9, 0.3, 0.3, 0.3]}
        found = explain.diagnose(model, X, Y, history)
        assert found[0].name == "learning rate too high"
        assert "had come to 0.5 after epoch 2" in found[0].sentence


def test_binary_and_one_hot_labels_are_understood():
    """Two classes by one output, and one-hot labels; a regression has no labels to speak of."""
    y = (Y > 1).astype(int)
    two = Sequential(
        [Input((8, 8, 1)), Rescaling(1 / 255), *conv(), Dense(1, activation="sigmoid")]
    )
    two.compile(Adam(5e-3), "binary_crossentropy", metrics=["accuracy"])
    history = two.fit(X, y, epochs=20, verbose=0)
    assert explain.diagnose(two, X, y, history) == []
    assert explain.diagnose(two, X, np.ones(96), history)[0].name == "labels constant"
    several = network(loss="categorical_crossentropy")
    assert (
        explain.diagnose(several, X, ONE_HOT, several.fit(X, ONE_HOT, epochs=20, verbose=0)) == []
    )
    numbers = network(last=None, loss="mse")
    assert explain.diagnose(numbers, X, ONE_HOT) == []
    tags = network(last="sigmoid", loss="binary_crossentropy")
    some = np.random.default_rng(0).integers(0, 2, (96, 4)).astype(float)
    assert explain.diagnose(tags, X, some, tags.fit(X, some, epochs=3, verbose=0)) == []


def test_a_batch_of_one_class_says_nothing_of_the_others():
    """Of data that come in batches only the first is looked at."""
    model, doctor = network(), explain.Doctor()
    batches = [(X[k == Y], Y[k == Y]) for k in range(4)]
    history = model.fit(Batches(batches), epochs=2, callbacks=[doctor], verbose=0)
    assert explain.diagnose(model, Batches(batches), history=history) == doctor.findings == []


def test_what_is_found_is_a_list_that_can_be_read():
    """Each finding has name, sentence and remedy; printed, they are a line each."""
    found = explain.diagnose(network(scaled=False), X, Y)
    assert found[0].name == "images not scaled"
    assert found[0].remedy == "Put Rescaling(1 / 255) after Input."
    assert repr(found).splitlines()[0] == f"{found[0].name}: {found[0].sentence} {found[0].remedy}"
    assert "Rescaling" in found._repr_html_()
    assert repr(explain.Findings()) == "Nothing found."


def test_the_model_stays_as_it_is():
    """Weights, optimizer, generator and history are afterwards what they were before."""
    model = network(optimizer=Adam(1e-6))  # a sick one, of which copies are trained
    history = model.fit(X, Y, epochs=2, verbose=0)
    before = [*model.get_weights(), *model.optimizer.get_state(model.params)]
    generator = model.rng.bit_generator.state
    assert explain.diagnose(model, X, Y)
    after = [*model.get_weights(), *model.optimizer.get_state(model.params)]
    assert all((one == other).all() for one, other in zip(before, after, strict=True))
    assert model.rng.bit_generator.state == generator
    assert model.history is history


def test_a_run_is_the_same_with_and_without_the_doctor():
    """To the bit, though it trains copies."""
    ends = []
    for callbacks in ([], [explain.Doctor(), explain.LayerStatistics()]):
        model = network(Flatten(), Dropout(0.5), optimizer=Adam(1e-6))
        model.fit(X, Y, epochs=8, batch_size=8, callbacks=callbacks, verbose=0)
        ends.append(model.get_weights())
    assert callbacks[0].findings[0].name == "learning rate too low"
    assert all((one == other).all() for one, other in zip(*ends, strict=True))


def test_the_doctor_says_each_finding_once_in_a_line(capsys):
    """Before the first step what can be known then, and no finding a second time."""
    model, doctor = network(optimizer=Adam(1.0)), explain.Doctor()
    model.fit(X, Y, epochs=40, callbacks=[doctor], verbose=0)
    lines = capsys.readouterr().out.splitlines()
    assert lines == list(map(str, doctor.findings))
    assert lines[0].startswith("learning rate too high: With a rate of 1 the first step changes")
    assert len({line.partition(":")[0] for line in lines}) == len(lines)


def test_the_doctor_says_why_the_loss_broke(capsys):
    """The loss is no number in the first epoch, which raises; and nothing with TerminateOnNaN."""
    doctor = explain.Doctor()
    with pytest.raises(DivergenceError):
        network(*deep(3, "relu"), optimizer=SGD(1e30)).fit(X, Y, callbacks=[doctor], verbose=0)
    assert "learning rate too high" in [one.name for one in doctor.findings]
    callbacks = [doctor, TerminateOnNaN()]
    network(*deep(3, "relu"), optimizer=SGD(1e30)).fit(X, Y, callbacks=callbacks, verbose=0)
    assert "learning rate too high" in [one.name for one in doctor.findings]


def test_the_doctor_never_costs_the_run():
    """What goes wrong in a check is one warning."""
    doctor = explain.Doctor()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minicnn.explain.diagnosis.doctor.examine", lambda run: 1 / 0)
        with pytest.warns(RuntimeWarning, match="nothing more is looked at: ZeroDivisionError"):
            history = network().fit(X, Y, epochs=2, callbacks=[doctor], verbose=0)
    assert len(history.epoch) == 2


def test_what_fit_has_warned_of_is_not_said_again(capsys):
    """Images that are not scaled are a warning of fit's; the doctor keeps it, and is silent."""
    doctor = explain.Doctor()
    with pytest.warns(RuntimeWarning, match="unscaled"):
        network(scaled=False).fit(X, Y, callbacks=[doctor], verbose=0)
    assert doctor.findings[0].name == "images not scaled"
    assert "images not scaled" not in capsys.readouterr().out


def test_frozen_layers_begin_as_they_are():
    """The fresh copy of a trained model has its frozen weights, and new ones in the others."""
    model = network(*deep(1, "relu"))
    model.fit(X, Y, epochs=1, verbose=0)
    model.get_layer("dense").trainable = False
    fresh = explain.diagnosis.trials.fresh_copy(model, seed=0)
    assert (fresh.get_layer("dense").kernel == model.get_layer("dense").kernel).all()
    assert (fresh.get_layer("dense_1").kernel != model.get_layer("dense_1").kernel).any()
    assert fresh.optimizer.iterations == 0


def test_weights_that_are_no_numbers_are_the_cause():
    """They are named, and what follows from them is not."""
    model = network()
    model.layers[1].params["kernel"][0] = np.nan
    (found,) = explain.diagnose(model, X, Y)
    assert found.name == "weights that are no numbers"
    assert "24 of the 72 numbers of kernel in conv2d" in found.sentence


def test_a_short_run_with_dropout_has_had_no_time():
    """Of a few steps nobody can say that the dropout is too much."""
    model = network(Flatten(), Dropout(0.99))
    history = model.fit(X, Y, epochs=3, verbose=0)
    names = [one.name for one in explain.diagnose(model, X, Y, history)]
    assert "too much dropout or noise" not in names


def test_strong_augmentation_is_too_much_noise():
    """After more than 100 steps nothing is learned, and without it something is, if not all."""
    layers = [RandomTranslation(0.9, 0.9), RandomRotation(0.5), *conv()]
    model = network(*layers, optimizer=Adam(2e-3))
    history = model.fit(X, Y, epochs=40, verbose=0)
    assert explain.diagnose(model, X, Y, history)[0].name == "too much dropout or noise"


def test_all_layers_that_stand_still_are_the_rates_fault():
    """It is not said of a single layer, even before the run has shown what the rate brings."""
    doctor = explain.Doctor()
    network(optimizer=Adam(1e-7)).fit(X, Y, epochs=4, callbacks=[doctor], verbose=0)
    assert [one.name for one in doctor.findings] == ["learning rate too low"]


def test_pairs_of_images_have_no_neighbours():
    """A label of two images is not expected to be that of images like the first."""
    one, other = Input((8, 8, 1)), Input((8, 8, 1))
    encoder = Sequential([Input((8, 8, 1)), Rescaling(1 / 255), Flatten(), Dense(4)], seed=0)
    both = Concatenate()([encoder(one), encoder(other)])
    model = Model([one, other], Dense(1, activation="sigmoid")(both), seed=0)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    pairs, same = [X, X[::-1]], (shuffled(Y) == shuffled(Y)[::-1]).astype(float)
    history = model.fit(pairs, same, epochs=15, verbose=0)
    names = [one.name for one in explain.diagnose(model, pairs, same, history)]
    assert "labels shuffled" not in names


def test_what_is_no_model_or_no_number_is_refused():
    """In one line, whatever is asked."""
    image = X[0]
    for call in (
        lambda: explain.diagnose("model.keras", X, Y),
        lambda: explain.grad_cam("model.keras", image),
        lambda: explain.feature_maps(None, image, 0),
        lambda: explain.receptive_field(None, 0),
    ):
        with pytest.raises(ConfigError, match="expected a model"):
            call()
    for bad in ({"loss": 3}, {"loss": ["a"]}):
        with pytest.raises(ConfigError, match="expected loss in the history as a list of numbers"):
            explain.diagnose(network(), X, Y, bad)
    with pytest.raises(ConfigError, match="expected batch_size as a whole number"):
        explain.diagnose(network(), X, Y, batch_size=0)


def test_a_history_of_another_kind_is_refused():
    """It is what fit returns, or its dictionary."""
    with pytest.raises(ConfigError, match="expected history as what fit returns"):
        explain.diagnose(network(), X, Y, history=[1.0])


def test_rows_that_agree_by_chance():
    """Cohen's kappa as scikit-learn has it, its error as drawn rows scatter, and what is enough."""
    rng = np.random.default_rng(0)
    one, other = [0, 2, 1, 1, 2, 0, 2, 2], [0, 1, 1, 1, 2, 2, 2, 0]
    assert Agreement.of(np.array(one), np.array(other)).kappa == pytest.approx(0.4285714)
    drawn = [Agreement.of(*rng.choice(3, (2, 60), p=[0.6, 0.3, 0.1])) for _ in range(400)]
    assert np.std([one.kappa for one in drawn]) == pytest.approx(drawn[0].error, rel=0.2)
    assert Agreement.of(Y, Y).kappa == 1
    assert not independent([Agreement.of(Y, Y)])
    large, small = Agreement.of(*rng.integers(0, 4, (2, 400))), Agreement(0.0, 0.2)
    assert independent([large])
    assert independent([large, small])
    assert not independent([small])  # of so few nobody knows
    assert not independent([large, Agreement(0.5, 0.2)])
    assert not independent([Agreement.of(0 * Y, 0 * Y)])


def rare(n):
    """Hands, of which those with five fingers are class 1."""
    x, y = fingers(n, seed=0)
    return x[:, ::2, ::2], (y == 5).astype(float)


def names_of(layers, x, y, rate, epochs):
    """What is found after a run with a single output."""
    before = [Input(x.shape[1:]), Rescaling(1 / 255), Conv2D(8, 3, strides=2, activation="relu")]
    model = Sequential([*before, *layers, Dense(1, activation="sigmoid")], seed=0)
    model.compile(Adam(rate), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, batch_size=8, epochs=epochs, verbose=0)
    assert history.history["accuracy"][-1] < 0.9
    return [one.name for one in explain.diagnose(model, x, y, history)]


@pytest.mark.parametrize("n", [60, 120])
def test_few_or_rare_images_are_not_called_shuffled(n):
    """Of runs that only name the frequent class: neighbours that disagree prove nothing yet."""
    assert "labels shuffled" not in names_of([MaxPool(2), Flatten()], *rare(n), 3e-4, 15)


def test_rare_classes_are_learned_by_heart_as_others_are(monkeypatch):
    """The few images are as many of each class: a loss of 0.4 is something, however rare one is."""
    y = (np.arange(96) % 12 == 0).astype(float)
    layers = [Rescaling(1 / 255), Flatten(), Dense(1, activation="sigmoid")]
    model = Sequential([Input((8, 8, 1)), *layers], seed=0)
    model.compile(Adam(1e-3), "binary_crossentropy", metrics=["accuracy"])
    history = {"loss": [0.29] * 3, "accuracy": [0.92] * 3}
    for lowest, count in ((0.4, 0), (0.6, 1)):
        monkeypatch.setattr(Examined, "heart", Trial((0.69, lowest), 0.69))
        run = Examined(model, Data.of(X, y), history=history)
        assert len(list(by_heart(run))) == count


def reduced(data, step):
    """Every so many-th pixel of its images."""
    return data[0][:, ::step, ::step], data[1]


def dense(shape, classes, seed):
    layers = [Dense(64, activation="relu"), Dense(32, activation="relu")]
    return Sequential(
        [Input(shape), Rescaling(1 / 255), Flatten(), *layers, Dense(classes, "softmax")], seed=seed
    )


def plain(shape, classes, seed):
    """The network of many a tutorial."""
    layers = [Input(shape), Rescaling(1 / 255)]
    for filters in (32, 64):
        layers += [Conv2D(filters, 3, activation="relu"), MaxPool(2)]
    return Sequential(
        [*layers, Flatten(), Dense(64, activation="relu"), Dropout(0.3), Dense(classes, "softmax")],
        seed=seed,
    )


MADE = {"dense": dense, "plain": plain}

RUNS = [
    ("course", "digits", 1, Adam, 2e-3, 20),
    ("course", "digits", 1, Adam, 9e-3, 15),
    ("course", "fingers", 1, Adam, 4e-3, 20),
    ("course", "cats", 1, Adam, 2e-3, 15),
    ("lenet5", "digits", 2, Adam, 3e-4, 15),
    ("lenet5", "digits", 2, Adam, 3e-3, 12),
    ("lenet5", "fingers", 2, Adam, 1e-3, 15),
    ("lenet5", "signs", 2, RMSprop, 1e-3, 25),
    ("small", "digits", 2, Adam, 1e-3, 8),
    ("small", "digits", 2, Adam, 4e-3, 8),
    ("small", "fingers", 2, Adam, 4e-3, 12),
    ("small", "cats", 1, Adam, 1e-3, 8),
    ("vgg", "digits", 2, Adam, 1e-3, 6),
    ("vgg", "fingers", 2, Adam, 5e-4, 8),
    ("resnet20", "digits", 2, Adam, 1e-3, 4),
    ("mobilenet", "digits", 2, Adam, 4e-3, 8),
    ("dense", "digits", 2, Adam, 1e-3, 15),
    ("dense", "fingers", 2, partial(SGD, momentum=0.9), 1e-2, 30),
    ("plain", "digits", 2, Adam, 1e-3, 10),
    ("plain", "digits", 2, partial(SGD, momentum=0.9), 1e-2, 10),
]


@pytest.fixture(scope="module")
def pictures():
    """Each data set: what is learned from, and what is evaluated."""
    files = ("test_signs.h5", "train_signdigits.h5", "test_signdigits.h5")
    files += ("train_catvnoncat.h5", "test_catvnoncat.h5")
    if missing := [name for name in files if not (DATASETS / name).exists()]:
        pytest.skip(f"not in datasets/: {', '.join(missing)}")
    x, y = fingers(720, seed=5)
    signs = load_hdf5(DATASETS / "test_signs.h5")
    found = {
        "fingers": ((x[:600], y[:600]), (x[600:], y[600:])),
        "signs": ((signs.x[:90], signs.y[:90]), (signs.x[90:], signs.y[90:])),
    }
    for name, file in (("digits", "signdigits"), ("cats", "catvnoncat")):
        pair = [load_hdf5(DATASETS / f"{part}_{file}.h5") for part in ("train", "test")]
        found[name] = tuple((one.x, one.y) for one in pair)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("run", RUNS, ids=lambda run: "-".join(map(str, (*run[:2], run[4]))))
def test_twenty_healthy_runs_are_silent(run, pictures, capsys):
    """Networks of applications and others, data sets and rates: before, beside and after them."""
    network, data, step, optimizer, rate, epochs = run
    (x, y), validation = (reduced(one, step) for one in pictures[data])
    model = (NETWORKS | MADE)[network](x.shape[1:], int(y.max()) + 1, seed=0)
    steps = epochs * -(-len(x) // 32)
    model.compile(optimizer(CosineDecay(rate, steps)), SPARSE, metrics=["accuracy"])
    assert explain.diagnose(model, x, y, validation_data=validation) == []
    history = model.fit(
        *(x, y),
        epochs=epochs,
        validation_data=validation,
        callbacks=[explain.Doctor()],
        verbose=0,
    )
    assert explain.diagnose(model, x, y, history, validation) == []
    assert capsys.readouterr() == ("", "")
