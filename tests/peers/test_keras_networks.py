"""Thirty random networks go to Keras and back through its files, and train on there.

With whichever Keras is installed: ``.ci/run`` runs this with the newest, and with the first
release of Keras 3, of which the extra ``oldest-keras`` makes an environment.
"""

import inspect
import os

import numpy as np
import pytest

import minicnn
import random_networks
from minicnn._keras.signatures import signatures
from minicnn.layers import LAYERS
from minicnn.models.saved import saved_model
from minicnn.testing.cases import LAYERS as CASES

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]


KERAS_LIST = signatures()
NUMBERS = range(random_networks.COUNT)


@pytest.fixture(scope="module")
def keras(tmp_path_factory):
    # Networks this small take longer to compile than to run.
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("compiled")))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    if keras.backend.backend() != "tensorflow":
        yield keras
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield keras
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def networks(keras):
    return random_networks.networks(keras)


@pytest.fixture
def through_file(tmp_path):
    """A function: the model that a library reads from the file of another one."""
    count = iter(range(100))

    def through_file(model, library, ending=".keras"):
        path = tmp_path / f"{next(count)}{ending}"
        model.save(path)
        return library.models.load_model(path)

    return through_file


def train(keras, network, model, x, y):
    """Two steps; the losses, where both libraries can be expected to follow the same gradients.

    They do not where chance has a part, and Keras 3.0 forgets penalties when it trains on JAX.
    The optimizer then follows gradients that depend on the weights alone.
    """
    if not network.has_chance and not keras.__version__.startswith("3.0."):
        fit = model.fit(x, y, batch_size=len(x), epochs=2, shuffle=False, verbose=0)
        return fit.history["loss"]
    for _ in range(2):
        if isinstance(model, minicnn.Model):
            params = model.params
            model.optimizer.step(params, {name: slope(w) for name, w in params.items()})
        else:
            variables = model.trainable_variables
            values = [slope(numbers(keras, v)) for v in variables]
            model.optimizer.apply([keras.ops.convert_to_tensor(v) for v in values], variables)
    return []


def slope(w):
    """The gradient of sum(sin(5 w)) / 50."""
    return np.float32(0.1) * np.cos(5 * w)


def numbers(keras, variable):
    return np.asarray(keras.ops.convert_to_numpy(variable))


def same_bits(ours, theirs):
    """Whether both are the same arrays, in any order: that has to be right for equal outputs."""
    sides = [
        sorted((a.shape, np.float32(a).tobytes()) for a in map(np.asarray, arrays))
        for arrays in (ours, theirs)
    ]
    return sides[0] == sides[1]


def check_same(keras, ours, theirs, x):
    """Weights and the optimizer's memory are equal to the bit, outputs within 1e-4."""
    check_same_weights(ours, theirs, x)
    state = [numbers(keras, variable) for variable in theirs.optimizer.variables]
    assert same_bits(ours.optimizer.get_state(ours.params), state)


def check_same_weights(ours, theirs, x):
    assert same_bits(ours.get_weights(), theirs.get_weights())
    expected = np.asarray(theirs.predict(x, verbose=0))
    # Keras 3.0 takes variances as a difference of squares, which costs it digits.
    np.testing.assert_allclose(ours.predict(x), expected, rtol=1e-5, atol=1e-4)


def in_order_of_keras(model):
    """A model's arrays; the layers of a Residual stand where Keras has them."""
    return [array for layer in saved_model(model).order for array in layer.weights.values()]


def check_trained_alike(ours, others, losses):
    """Weights and losses after two steps more, as near as single precision has them.

    Beside 1e-5 of the largest number of an array, an optimizer that divides by the root of what
    may be no more than rounding may be off by 1e-4 of what is of the order of one.
    """
    for other, other_losses in zip(others, losses[1:], strict=True):
        np.testing.assert_allclose(other_losses, losses[0], rtol=1e-5, atol=1e-6)
        for a, b in zip(in_order_of_keras(ours), in_order_of_keras(other), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * max(np.abs(b).max(), 1.0))


@pytest.mark.parametrize("number", NUMBERS)
def test_from_here_to_keras_and_back(number, keras, networks, through_file):
    """minicnn -> file -> Keras -> file -> minicnn: equal to the bit, and all three train alike."""
    network = networks[number]
    x, y = network.data(number)
    ours = network.in_minicnn(number)
    train(keras, network, ours, x, y)
    theirs = through_file(ours, keras)
    check_same(keras, ours, theirs, x)
    again = through_file(theirs, minicnn)
    check_same(keras, again, theirs, x)
    for a, b in zip(in_order_of_keras(ours), in_order_of_keras(again), strict=True):
        np.testing.assert_array_equal(a, b)
    losses = [train(keras, network, model, x, y) for model in (ours, theirs, again)]
    check_trained_alike(ours, [through_file(theirs, minicnn), again], losses)


@pytest.mark.parametrize("number", NUMBERS)
def test_from_keras_to_here_and_back(number, keras, networks, through_file):
    """Keras -> file -> minicnn -> file -> Keras: equal to the bit, and the last two train alike."""
    network = networks[number]
    x, y = network.data(number)
    theirs = network.in_keras(keras)
    train(keras, network, theirs, x, y)
    ours = through_file(theirs, minicnn)
    check_same(keras, ours, theirs, x)
    again = through_file(ours, keras)
    check_same(keras, ours, again, x)
    for a, b in zip(theirs.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    losses = [train(keras, network, model, x, y) for model in (ours, again)]
    check_trained_alike(ours, [through_file(again, minicnn)], losses)


@pytest.mark.parametrize("number", NUMBERS[::2])
def test_weights_alone(number, keras, networks, tmp_path):
    """Weights and the optimizer's memory go through .weights.h5 to Keras' model and back."""
    network = networks[number]
    x, y = network.data(number)
    ours, theirs, again = network.in_minicnn(1), network.in_keras(keras), network.in_minicnn(2)
    train(keras, network, ours, x, y)
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs.optimizer.build(theirs.trainable_variables)
    theirs.load_weights(tmp_path / "ours.weights.h5")
    check_same(keras, ours, theirs, x)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    again.load_weights(tmp_path / "theirs.weights.h5")
    check_same(keras, again, theirs, x)


@pytest.mark.parametrize("number", NUMBERS[::2])
def test_legacy_files(number, keras, networks, tmp_path):
    """Keras' .h5 is read, the optimizer's memory included, and Keras reads its like, to the bit."""
    network = networks[number]
    x, y = network.data(number)
    theirs = network.in_keras(keras)
    train(keras, network, theirs, x, y)
    try:
        theirs.save(tmp_path / "theirs.h5")
        kept = keras.models.load_model(tmp_path / "theirs.h5", compile=False)
    except (KeyError, TypeError, ValueError) as error:
        pytest.skip(f"Keras cannot save this one, or read what it saved: {error}")
    ours = minicnn.models.load_model(tmp_path / "theirs.h5")
    check_same(keras, ours, theirs, x)
    ours.save(tmp_path / "ours.h5")
    if not np.allclose(kept.predict(x, verbose=0), theirs.predict(x, verbose=0), 1e-5, 1e-5):
        return  # Keras loses LayerNormalization's axis in its own files, too
    # Keras itself does not find its way back to all that is compiled, nor to the memory.
    again = keras.models.load_model(tmp_path / "ours.h5", compile=False)
    check_same_weights(ours, again, x)


@pytest.fixture
def used(networks):
    """Class -> the arguments with which it is in one of the networks."""
    used = {}

    def look(value):
        if isinstance(value, random_networks.Part):
            used.setdefault(value.name, set()).update(value.arguments)
            value = value.arguments
        if isinstance(value, dict | list):
            for part in value.values() if isinstance(value, dict) else value:
                look(part)

    for network in networks:
        look([*network.layers, network.optimizer, network.loss, *network.metrics])
    return used


def test_every_layer_is_in_a_network(keras, networks, used):
    """Every layer that a file may name, with each of its arguments that this Keras has."""
    absent = random_networks.Drawing(keras).absent
    drawn = {type(case.make()) for case in CASES if not case.not_in_keras}
    for name, cls in LAYERS.items():
        if name in ("InputLayer", *absent) or cls not in drawn:
            continue
        wanted = {(name, argument) for argument in inspect.signature(cls).parameters}
        wanted -= {(name, "name"), *absent}
        wanted = {one for one in wanted if not one[1].endswith("_constraint")}
        assert wanted <= {(name, argument) for argument in used[name]}


def test_every_other_class_is_in_a_network(keras, networks, used):
    """Optimizers, schedules, losses, initializers, regularizers and the activations.

    But for those of NOT_DRAWN; what Keras saves of metrics is read in test_losses_metrics.
    """
    absent = {"LearningRateSchedule", *random_networks.NOT_DRAWN}
    absent |= random_networks.Drawing(keras).absent
    for module in ("optimizers", "optimizers.schedules", "losses", "initializers", "regularizers"):
        classes = {name for name in KERAS_LIST[module] if name[0].isupper()}
        assert classes - absent <= used.keys(), module
    layers = [layer.arguments.get("activation") for n in networks for layer in n.layers]
    assert {name for name in KERAS_LIST["activations"] if hasattr(keras.activations, name)} <= {
        *layers
    }


def test_nadam_of_the_first_release(keras, through_file):
    """Keras 3.0 keeps Nadam's product of momenta in another place: it is read, to the bit."""
    theirs = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    theirs.compile(keras.optimizers.Nadam(0.01), "mse")
    theirs.fit(np.ones((4, 4)), np.ones((4, 3)), epochs=3, verbose=0)
    ours = through_file(theirs, minicnn)
    check_same(keras, ours, theirs, np.ones((4, 4)))
