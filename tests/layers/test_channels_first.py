"""Scripts whose images have their channels first, on layers that have them last."""

import numpy as np
import pytest

import channels_first_networks as networks
import minicnn
from minicnn import (
    Add,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Input,
    Lambda,
    MaxPooling2D,
    Model,
    Permute,
    Rescaling,
    Residual,
    Sequential,
    applications,
    backend,
    models,
    preprocessing,
)
from minicnn._core import console
from minicnn.errors import ConfigError, ShapeError
from minicnn.layers import Layer, Softmax, ZeroPadding2D, concatenate

FIRST, LAST = "channels_first", "channels_last"
X = np.random.default_rng(0).random((12, 3, 10, 8), np.float32)
Y = np.arange(12) % 3


@pytest.fixture(autouse=True)
def setting(monkeypatch):
    """Each test says its own format, and leaves none behind; nothing has been said before."""
    monkeypatch.setattr(console, "_said", set())
    yield
    backend.set_image_data_format(LAST)


def small_vgg(first, **given):
    """The same network, as a script of either order writes it."""
    return Sequential(
        [
            Conv2D(4, 3, input_shape=(3, 10, 8) if first else (10, 8, 3), **given),
            BatchNormalization(axis=1 if first else -1),
            MaxPooling2D(2, **given),
            ZeroPadding2D((1, 2), **given),
            Conv2D(3, (2, 3), activation="relu", **given),
            Dropout(0.25),
            Flatten(),
            Dense(3, activation="softmax"),
        ],
        seed=1,
    )


def trained(model, x):
    """(history, outputs) after a little training."""
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    run = model.fit(x, Y, epochs=2, batch_size=4, validation_split=0.25, verbose=0)
    return run.history, model.predict(x), model.evaluate(x, Y)


def same(a, b):
    """Whether two runs are the same to the bit."""
    return a[0] == b[0] and np.array_equal(a[1], b[1]) and a[2] == b[2]


def test_a_network_with_channels_first_is_the_one_with_channels_last_to_the_bit():
    """By the setting, or by what each layer is given: losses, outputs and arrays are the same."""
    last = small_vgg(first=False)
    expected = trained(last, X.transpose(0, 2, 3, 1))
    by_layer = small_vgg(first=True, data_format=FIRST)
    assert same(trained(by_layer, X), expected)
    backend.set_image_data_format(FIRST)
    by_setting = small_vgg(first=True)
    assert same(trained(by_setting, X), expected)
    for a, b, c in zip(*(m.get_weights() for m in (last, by_layer, by_setting)), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


def test_an_input_before_a_layer_that_says_so_has_channels_first_too():
    """Where the setting is channels_last, in a row and in a functional model."""
    row = Sequential([Input((3, 10, 8)), Conv2D(4, 3, data_format=FIRST), Flatten(), Dense(2)])
    assert row.predict(X).shape == (12, 2)
    image = Input((3, 10, 8))
    y = Conv2D(4, 3, data_format=FIRST)(image)
    assert Model(image, y).predict(X).shape == (12, 4, 8, 6)
    with pytest.raises(ConfigError, match="expected images with channels last"):
        Conv2D(4, 3)(image)


def test_a_script_of_keras_1_with_theanos_order_runs():
    """Reshaped to (N, 1, 28, 28), with dim_ordering and the old names of all arguments."""
    backend.set_image_dim_ordering("th")
    x = np.random.default_rng(0).random((8, 784)).reshape(8, 1, 28, 28).astype("float32")
    y = minicnn.utils.to_categorical(np.arange(8) % 2, 2)
    model = Sequential()
    with pytest.warns(UserWarning, match="today"):
        model.add(
            Conv2D(4, (5, 5), border_mode="valid", input_shape=(1, 28, 28), dim_ordering="th")
        )
    model.add(MaxPooling2D(pool_size=(2, 2)))
    model.add(Flatten())
    model.add(Dense(2, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
    assert model.layers[2].input_shape == (12, 12, 4)
    assert len(model.fit(x, y, epochs=1, verbose=0).history["loss"]) == 1
    assert model.train_on_batch(x, y)[0] > 0
    assert model.predict_on_batch(x).shape == (8, 2)


def test_symbolic_tensors_show_the_shapes_of_the_script():
    """What a script reads off them to count channels or pixels is in its order."""
    backend.set_image_data_format(FIRST)
    x = Input((3, 10, 8))
    y = Conv2D(5, 3)(x)
    assert backend.int_shape(y) == y.shape == (None, 5, 8, 6)
    assert concatenate([y, y], axis=1).shape == (None, 10, 8, 6)
    with pytest.warns(UserWarning, match="the width"):
        assert Concatenate(axis=-1)([y, y]).shape == (None, 5, 8, 12)
    assert Flatten()(y).shape == (None, 240)
    assert Input((4,)).shape == (None, 4)
    assert Model(x, y).output_shape == (8, 6, 5)


@pytest.mark.filterwarnings("ignore:BatchNorm")
@pytest.mark.parametrize("network", networks.NETWORKS, ids=lambda network: network.__name__)
def test_networks_are_rebuilt_saved_and_loaded_with_channels_last_inside(network, tmp_path):
    """A file has channels last; where the setting is still on, what is loaded takes the same."""
    backend.set_image_data_format(FIRST)
    model, (x, y) = network(minicnn), networks.data(network)
    model.compile("sgd", networks.loss(network))
    model.fit(x, y, epochs=1, verbose=0)
    expected = model.predict(x)
    with pytest.warns(UserWarning, match="save: the model has channels last inside and in files"):
        model.save(tmp_path / "model.keras")
    loaded = models.load_model(tmp_path / "model.keras")
    clone = models.clone_model(model)
    clone.set_weights(model.get_weights())
    for other in (loaded, clone):
        np.testing.assert_array_equal(other.predict(x), expected)
    backend.set_image_data_format(LAST)
    inside = models.load_model(tmp_path / "model.keras")
    last = [np.moveaxis(a, 1, -1) if a.ndim == 4 else a for a in (x, expected)]
    np.testing.assert_array_equal(inside.predict(last[0]), last[1])


def test_a_function_of_each_number_is_taken_in_a_lambda(tmp_path):
    """As cars were taught to steer: scaled in a Lambda, with channels first."""
    backend.set_image_data_format(FIRST)
    scale = Lambda(lambda x: x / 127.5 - 1.0, input_shape=(3, 10, 8))
    model = Sequential([scale, Conv2D(2, 3), Lambda(lambda x: backend.concatenate([x, x], 1))])
    assert model.output.shape == (None, 4, 8, 6)
    twice = model.predict(X)
    np.testing.assert_array_equal(twice[:, :2], twice[:, 2:])
    with pytest.warns(UserWarning, match="channels last inside"):
        model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(models.load_model(tmp_path / "model.keras").predict(X), twice)


def test_images_go_in_and_come_out_in_the_order_of_the_script():
    """Of labels, outputs, gradients and inner outputs, and also batch by batch."""
    backend.set_image_data_format(FIRST)
    model = networks.unet(minicnn)
    x, y = networks.data(networks.unet)
    model.compile("sgd", "mse")
    assert model.predict(x).shape == y.shape
    whole = model.evaluate(x, y)
    assert whole == pytest.approx(model.evaluate(iter([(x, y)]), steps=1))
    assert whole == pytest.approx(float(((model.predict(x) - y) ** 2).mean()), rel=1e-5)
    ys, caches = model.forward(x)
    assert ys.shape == y.shape
    assert model.backward(np.ones_like(ys), caches)[0].shape == x.shape
    inner = Model(model.input, model.layers[1].output).predict(x)
    assert inner.shape == (8, 4, 12, 16)


def test_models_within_models_are_in_one_order():
    """A model of images with channels first is a layer of others of that order."""
    backend.set_image_data_format(FIRST)
    inner = Sequential([Conv2D(4, 3, input_shape=(3, 10, 8))])
    image = Input((3, 10, 8))
    outer = Model(image, GlobalAvgPool()(inner(image)))
    row = Sequential([inner, Flatten(), Dense(2)])
    assert outer.predict(X).shape == (12, 4)
    assert row.predict(X).shape == (12, 2)
    backend.set_image_data_format(LAST)
    with pytest.raises(ConfigError, match="images in one order"):
        inner(Input((10, 8, 3)))


def test_a_model_without_a_shape_takes_that_of_the_first_images():
    """Also where the setting says that these have their channels first."""
    backend.set_image_data_format(FIRST)
    model = Sequential([Conv2D(4, 3), Flatten(), Dense(2)])
    assert model.predict(X).shape == (12, 2)
    assert model.input_shape == (10, 8, 3)


class Halved(Layer):
    """A custom layer."""

    def forward(self, x, *, training=False, rng=None):
        return x / 2, None


REFUSED = {
    "Dense": lambda x: Dense(3)(x),
    "Permute": lambda x: Permute((2, 3, 1))(x),
    "Lambda": lambda x: Lambda(lambda t: t[:, :2])(x),
    "Halved": lambda x: Halved()(x),
    "Slice": lambda x: x[:, :2],
    "Residual": lambda x: Residual([Conv2D(3, 3, padding="same")])(x),
    "Rescaling": lambda x: Rescaling([1, 2, 3, 4, 5, 6, 7, 8])(x),
    "Dropout": lambda x: Dropout(0.5, noise_shape=(None, 1, 1, 8))(x),
    "Add": lambda x: Add()([x, Input((8,))]),
    "Conv2D": lambda x: Conv2D(3, 1, activation="softmax")(x),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_another_order_would_change_is_refused(name):
    """In one line, with who it is and the remedy."""
    backend.set_image_data_format(FIRST)
    with pytest.raises(ConfigError, match="give images channels last") as error:
        REFUSED[name](Input((3, 10, 8)))
    assert str(error.value).startswith(f"{name}: ")
    assert "x.transpose(0, 2, 3, 1)" in str(error.value)
    assert "\n" not in str(error.value)


def test_an_axis_that_was_not_turned_is_warned_of():
    """Keras' BatchNormalization() of channels first is one of columns; so it is here."""
    backend.set_image_data_format(FIRST)
    with pytest.warns(UserWarning, match="write axis=1"):
        model = Sequential([Input((3, 10, 8)), BatchNormalization()])
    assert model.layers[0].params["gamma"].shape == (8,)


@pytest.mark.parametrize(
    "layers",
    [
        [Conv2D(2, 3, input_shape=(3, 10, 8), data_format=FIRST), MaxPooling2D(2)],
        [Input((10, 8, 3)), MaxPooling2D(2), Conv2D(2, 3, data_format=FIRST)],
        [Conv2D(2, 3, input_shape=(3, 9, 9), data_format=FIRST), Conv2D(2, 3, data_format=LAST)],
    ],
)
def test_two_orders_in_one_network_are_refused(layers):
    """Where data_format of one layer contradicts that of another, or the setting."""
    with pytest.raises(ConfigError, match="as data_format says") as error:
        Sequential(layers)
    assert "set_image_data_format('channels_first')" in str(error.value)


def test_images_in_the_other_order_are_told_the_scripts():
    """The shape that is expected is the script's, with the remedy for those that are turned."""
    backend.set_image_data_format(FIRST)
    model = small_vgg(first=True)
    with pytest.raises(ShapeError, match=r"\(N, 3, 10, 8\), with channels first as the script"):
        model.predict(np.zeros((4, 10, 8, 3)))
    with pytest.raises(ShapeError, match=r"try x.transpose\(0, 3, 1, 2\)"):
        model.predict(np.zeros((4, 10, 8, 3)))


def test_a_loss_along_the_last_axis_of_images_is_refused():
    """Categorical crossentropy would run along the width."""
    backend.set_image_data_format(FIRST)
    model = Sequential([Conv2D(3, 1, input_shape=(3, 10, 8)), Softmax(axis=1)])
    model.compile("sgd", "categorical_crossentropy")
    with pytest.raises(ConfigError, match="the last axis, the width"):
        model.fit(X, X, verbose=0)


def test_pictures_and_generators_follow_the_setting():
    """As Keras': arrays of pictures have channels first, and so do the batches."""
    image = preprocessing.image
    backend.set_image_data_format(FIRST)
    picture = image.array_to_img(np.zeros((3, 10, 8)))
    assert picture.size == (8, 10)
    assert image.img_to_array(picture).shape == (3, 10, 8)
    flow = image.ImageDataGenerator(horizontal_flip=True).flow(X, Y, batch_size=4)
    assert next(flow)[0].shape == (4, 3, 10, 8)
    model = small_vgg(first=True)
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert len(model.fit(flow, epochs=1, verbose=0).history["loss"]) == 1


@pytest.mark.parametrize("name", ["VGG16", "MobileNetV2", "EfficientNetB0"])
def test_applications_take_images_as_the_script_has_them(name):
    """Of (3, H, W) come the network of (H, W, 3), and outputs with channels first."""
    make = getattr(applications, name)
    last = make(include_top=False, weights=None, input_shape=(32, 48, 3))
    backend.set_image_data_format(FIRST)
    with pytest.warns(UserWarning, match="channels last inside"):
        first = make(include_top=False, weights=None, input_shape=(3, 32, 48))
    first.set_weights(last.get_weights())
    x = np.random.default_rng(0).random((2, 3, 32, 48), np.float32)
    expected = last.predict(x.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(first.predict(x), expected.transpose(0, 3, 1, 2))
    top = Model(first.input, Dense(2)(Flatten()(first.output)))
    assert top.predict(x).shape == (2, 2)
