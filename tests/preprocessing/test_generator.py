"""ImageDataGenerator and its iterators, by hand."""

import os

import numpy as np
import pytest
from PIL import Image

from minicnn._core.settings import set_image_data_format
from minicnn.errors import ConfigError, DataError
from minicnn.preprocessing import from_files
from minicnn.preprocessing.image import ImageDataGenerator, Iterator
from minicnn.preprocessing.pictures import read_picture
from minicnn.utils import set_random_seed

rng = np.random.default_rng(0)
X, Y = rng.integers(0, 256, (10, 6, 7, 3), np.uint8), np.arange(10)


@pytest.fixture
def folder(tmp_path):
    """Ten pictures of two classes, whose first pixel is their number."""
    for i in range(10):
        name = tmp_path / "ba"[i % 2]
        name.mkdir(exist_ok=True)
        Image.fromarray(np.full((4, 5, 3), i, np.uint8)).save(name / f"{i}.png")
    return tmp_path


def test_nothing_asked_for_changes_nothing():
    """Batches in order, in float32, the last one shorter, and then from the front."""
    flow = ImageDataGenerator().flow(X, Y, batch_size=4, shuffle=False)
    assert len(flow) == 3
    for _ in range(2):
        for first in (0, 4, 8):
            x, y = next(flow)
            assert x.dtype == np.float32
            np.testing.assert_array_equal(x, X[first : first + 4])
            np.testing.assert_array_equal(y, Y[first : first + 4])
    np.testing.assert_array_equal(flow[1][0], X[4:8])
    np.testing.assert_array_equal(flow[-1][1], Y[8:])
    with pytest.raises(IndexError, match="there are 3 batches, no 3"):
        flow[3]


def test_flips_and_rescale_by_hand():
    """Half of the pictures are turned about, and all are scaled."""
    generator = ImageDataGenerator(horizontal_flip=True, vertical_flip=True, rescale=0.5)
    x, y = generator.flow(X, Y, batch_size=10, seed=0)[0]
    kinds = [X, X[:, :, ::-1], X[:, ::-1], X[:, ::-1, ::-1]]
    seen = [
        next(k for k, kind in enumerate(kinds) if np.array_equal(2 * a, kind[i]))
        for a, i in zip(x, y, strict=True)
    ]
    assert len(set(seen)) > 2


def test_the_same_seed_gives_the_same_batches():
    """Whatever NumPy's own generator does, which is left alone; without a seed they differ."""
    generator = ImageDataGenerator(rotation_range=30, zoom_range=0.2, brightness_range=(0.5, 1))
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one, two = (generator.flow(X, Y, batch_size=4, seed=3) for _ in range(2))
    for _ in range(4):
        for a, b in zip(next(one), next(two), strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert not np.array_equal(generator.flow(X)[0], generator.flow(X)[0])
    unseeded = []
    for _ in range(2):
        set_random_seed(5)
        unseeded.append(generator.flow(X)[0])
    np.testing.assert_array_equal(*unseeded)


def test_parameters_are_within_their_ranges():
    """Every number lies where its range says; whole shifts are below theirs."""
    generator = ImageDataGenerator(
        rotation_range=20, width_shift_range=0.5, height_shift_range=3, shear_range=5,
        zoom_range=(0.8, 1.1), channel_shift_range=9, brightness_range=(0.2, 0.4),
        horizontal_flip=True,
    )  # fmt: skip
    drawn = [generator.get_random_transform((10, 20, 3)) for _ in range(300)]
    limits = {"theta": 20, "ty": 10, "shear": 5, "channel_shift_intensity": 9}
    for name, most in limits.items():
        values = [numbers[name] for numbers in drawn]
        assert 0.9 * most < max(values) <= most
        assert -most <= min(values) < -0.9 * most
    assert {numbers["tx"] for numbers in drawn} == {-2, -1, 0, 1, 2}
    assert all(0.8 <= numbers[name] <= 1.1 for numbers in drawn for name in ("zx", "zy"))
    assert all(0.2 <= numbers["brightness"] <= 0.4 for numbers in drawn)
    assert {numbers["flip_horizontal"] for numbers in drawn} == {True, False}
    assert not any(numbers["flip_vertical"] for numbers in drawn)
    plain = ImageDataGenerator().get_random_transform((10, 20, 3))
    assert plain["brightness"] is plain["channel_shift_intensity"] is None


def test_standardizing_by_hand():
    """Each picture by itself, and all by the mean and deviation of the data."""
    generator = ImageDataGenerator(samplewise_std_normalization=True)
    x = generator.flow(X, shuffle=False)[0]
    np.testing.assert_allclose(x.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=(1, 2, 3)), 1, atol=1e-5)
    generator = ImageDataGenerator(featurewise_std_normalization=True)
    generator.fit(X)
    np.testing.assert_allclose(generator.mean.ravel(), X.mean(axis=(0, 1, 2)), rtol=1e-6)
    x = generator.flow(X, shuffle=False)[0]
    np.testing.assert_allclose(x.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=(0, 1, 2)), 1, atol=1e-5)


def test_whitening():
    """ZCA makes the features' covariance the identity, as far as there are enough pictures."""
    x = rng.normal(size=(300, 2, 2, 1))
    x[..., 1, 0] += x[..., 0, 0]
    generator = ImageDataGenerator(zca_whitening=True)
    generator.fit(x)
    white = generator.flow(x, batch_size=300)[0].reshape(300, -1)
    np.testing.assert_allclose(white.T @ white / 300, np.eye(4), atol=1e-3)


def test_it_says_that_it_must_see_the_data():
    """A generator that was not fitted warns, and does nothing."""
    generator = ImageDataGenerator(featurewise_center=True)
    with pytest.warns(UserWarning, match=r"featurewise_center does nothing .* call fit\(x\)"):
        np.testing.assert_array_equal(generator.flow(X, shuffle=False)[0], X)


def test_parts_of_the_data():
    """The first are for validation, and both parts must have the same classes."""
    generator = ImageDataGenerator(validation_split=0.3)
    labels = np.arange(10) % 2
    x, y = generator.flow(X, labels, subset="validation", shuffle=False)[0]
    np.testing.assert_array_equal(x, X[:3])
    x, y = generator.flow(X, labels, subset="training", shuffle=False)[0]
    np.testing.assert_array_equal(x, X[3:])
    with pytest.raises(DataError, match="expected the same classes in both parts"):
        generator.flow(X, Y, subset="training")
    x, y = generator.flow(X, Y, subset="training", ignore_class_split=True, shuffle=False)[0]
    np.testing.assert_array_equal(y, Y[3:])


def test_several_inputs_and_weights():
    """A pair of images and a further array gives a list of them; weights come third."""
    flow = ImageDataGenerator().flow((X, Y * 2), Y, sample_weight=Y / 10, shuffle=False)
    (x, double), y, weights = flow[0]
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(double, 2 * y)
    np.testing.assert_array_equal(weights, y / 10)


def test_a_derived_generator_does_it_its_own_way():
    """What a script overrides is asked for each picture."""

    class Inverted(ImageDataGenerator):
        def random_transform(self, x, seed=None):
            raise AssertionError

        def apply_transform(self, x, transform_parameters):
            return 255 - super().apply_transform(x, transform_parameters)

    x = Inverted(rescale=2).flow(X, shuffle=False)[0]
    np.testing.assert_array_equal(x, 2 * (255.0 - X))


@pytest.fixture
def channels_first():
    set_image_data_format("channels_first")
    yield
    set_image_data_format("channels_last")


def test_the_order_of_axes_is_that_of_the_process(channels_first, folder):
    """Where a script has set it, and says nothing else, arrays are (N, C, H, W)."""
    x = X.transpose(0, 3, 1, 2)
    numbers = {"vertical_flip": True, "rotation_range": 20, "brightness_range": (0.5, 1)}
    first = ImageDataGenerator(**numbers).flow(x, seed=1)[0]
    last = ImageDataGenerator(**numbers, data_format="channels_last").flow(X, seed=1)[0]
    np.testing.assert_array_equal(first, last.transpose(0, 3, 1, 2))
    flow = ImageDataGenerator().flow_from_directory(folder, (4, 5))
    assert flow.image_shape == flow[0][0].shape[1:] == (3, 4, 5)


def test_folders(folder, capsys):
    """Classes in alphanumeric order, files within them, labels in every form."""
    generator = ImageDataGenerator(validation_split=0.4)

    def flow(**arguments):
        return generator.flow_from_directory(folder, (4, 5), shuffle=False, **arguments)

    found = flow()
    assert capsys.readouterr().out == "Found 10 images belonging to 2 classes.\n"
    assert found.class_indices == {"a": 0, "b": 1}
    assert found.filenames[:2] == ["a/1.png", "a/3.png"]
    assert found.image_shape == (4, 5, 3)
    x, y = found[0]
    assert x[:, 0, 0, 0].tolist() == [1, 3, 5, 7, 9, 0, 2, 4, 6, 8]
    np.testing.assert_array_equal(y, np.eye(2)[[0] * 5 + [1] * 5])
    assert flow(class_mode="binary")[0][1].tolist() == [0.0] * 5 + [1.0] * 5
    assert flow(class_mode="sparse", classes=["b", "a"])[0][1].tolist() == [0.0] * 5 + [1.0] * 5
    assert flow(class_mode=None, color_mode="grayscale")[0].shape == (10, 4, 5, 1)
    same, again = flow(class_mode="input")[0]
    np.testing.assert_array_equal(same, again)
    assert flow(subset="validation").filenames == ["a/1.png", "a/3.png", "b/0.png", "b/2.png"]
    assert len(flow(subset="training").filenames) == 6


def test_pixels_are_kept_while_their_files_stay(folder, monkeypatch):
    """Later passes decode what was not kept or was written anew, and nothing else."""
    read = []

    def reading(path, *how):
        read.append(path)
        return read_picture(path, *how)

    monkeypatch.setattr(from_files, "read_picture", reading)
    flow = ImageDataGenerator().flow_from_directory(folder, (4, 5), shuffle=False)
    first = flow[0][0]
    assert len(read) == len(first)
    first[:] = -1
    second = flow[0][0]
    assert len(read) == len(first)
    Image.new("RGB", (5, 4), (1, 2, 3)).save(flow.filepaths[1], "png")
    os.utime(flow.filepaths[1], ns=(1, 1))
    third = flow[0][0]
    assert [str(path) for path in read[len(first) :]] == [flow.filepaths[1]]
    assert (third[1] == [1, 2, 3]).all()
    np.testing.assert_array_equal(np.delete(third, 1, 0), np.delete(second, 1, 0))
    os.remove(flow.filepaths[1])
    with pytest.raises(DataError, match=r"cannot|no such|No such"):
        flow[0]

    monkeypatch.setattr(from_files, "KEPT", 2 * second[0].size)
    flow = ImageDataGenerator().flow_from_directory(folder, (4, 5), shuffle=False)
    read.clear()
    np.testing.assert_array_equal(flow[0][0], flow[0][0])
    assert len(read) == 2 * flow.n - 2


def test_data_frames(folder, capsys):
    """Any table that gives columns by name: labels of one class, of several, and numbers."""
    table = {
        "filename": ["a/1.png", "b/0.png", "b/4.png", "no.png"],
        "class": ["x", "y", "x", "y"],
        "number": [1.5, 2.5, 3.5, 4.5],
        "both": [["x"], ["x", "y"], ["y"], ["x"]],
    }

    def flow(**arguments):
        with pytest.warns(UserWarning, match="left out 1 of 4 rows"):
            return ImageDataGenerator().flow_from_dataframe(
                table, folder, target_size=(4, 5), shuffle=False, **arguments
            )

    found = flow()
    said = "Found 3 validated image filenames belonging to 2 classes.\n"
    assert capsys.readouterr().out == said
    x, y = found[0]
    assert x[:, 0, 0, 0].tolist() == [1, 0, 4]
    np.testing.assert_array_equal(y, np.eye(2)[[0, 1, 0]])
    assert flow(y_col="both")[0][1].tolist() == [[1, 0], [1, 1], [0, 1]]
    assert flow(class_mode="sparse", classes=["y"])[0][1].tolist() == [0]
    assert flow(class_mode="raw", y_col="number")[0][1].tolist() == [1.5, 2.5, 3.5]
    several = flow(class_mode="multi_output", y_col=["number", "class"])[0][1]
    assert [list(column) for column in several] == [[1.5, 2.5, 3.5], ["x", "y", "x"]]
    weights = flow(class_mode="raw", y_col=["number", "number"], weight_col="number")[0][2]
    assert weights.tolist() == [1.5, 2.5, 3.5]


def test_pictures_are_kept(tmp_path):
    """Each that was given lies in the folder, by its number."""
    flow = ImageDataGenerator().flow(X, batch_size=5, save_to_dir=tmp_path, save_prefix="aug")
    next(flow)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 5
    assert all(name.startswith("aug_") and name.endswith(".png") for name in names)


def test_an_iterator_of_ones_own():
    """A derived class says what a batch is made of."""

    class Squares(Iterator):
        def _get_batches_of_transformed_samples(self, index_array):
            return index_array**2

    squares = Squares(5, 2, False, None)
    assert [batch.tolist() for batch in (squares[0], squares[2])] == [[0, 1], [16]]
    shuffled = Squares(50, 50, True, 1)
    first = next(shuffled)
    assert sorted(first) == [i**2 for i in range(50)]
    assert not np.array_equal(first, next(shuffled))


class Cutting(ImageDataGenerator):
    def apply_transform(self, x, transform_parameters):
        return x[:, 1:]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda p: ImageDataGenerator(rotation_range="much"),
            "expected rotation_range as a number",
        ),
        (lambda p: ImageDataGenerator(zoom_range=(1, 2, 3)), "expected zoom_range as two numbers"),
        (lambda p: ImageDataGenerator(fill_mode="mirror"), "expected fill_mode as one of"),
        (lambda p: ImageDataGenerator(width_shift_range="a"), "expected width_shift_range as"),
        (lambda p: ImageDataGenerator(brightness_range=0.2), "expected brightness_range as two"),
        (lambda p: ImageDataGenerator(validation_split=1.5), "expected validation_split as"),
        (lambda p: ImageDataGenerator(data_format="th"), "expected data_format as one of"),
        (lambda p: ImageDataGenerator().fit(X[0]), r"fit: expected images \(N, H, W, C\)"),
        (
            lambda p: ImageDataGenerator().flow(X[..., 0]),
            r"an axis for their channel: x\[..., None",
        ),
        (lambda p: ImageDataGenerator().flow(X, Y[:3]), "expected y as long as the 10 images"),
        (lambda p: ImageDataGenerator().flow(X, batch_size=0), "expected batch_size as a whole"),
        (lambda p: ImageDataGenerator().flow(X, subset="test"), "expected subset as one of"),
        (lambda p: ImageDataGenerator().flow_from_directory(p / "no"), "cannot read the folder"),
        (
            lambda p: ImageDataGenerator().flow_from_directory(p, classes=["z"]),
            "expected classes as names of folders",
        ),
        (
            lambda p: ImageDataGenerator().flow_from_directory(p, class_mode="onehot"),
            "expected class_mode as one of 'categorical', 'binary', 'sparse', 'input', None",
        ),
        (
            lambda p: ImageDataGenerator(preprocessing_function=lambda x: x[1:]).flow(X)[0],
            r"preprocessing_function to give an image \(6, 7, 3\), got array .*\(5, 7, 3\)",
        ),
        (
            lambda p: Cutting().flow(X)[0],
            r"Cutting: expected its methods to give an image \(6, 7, 3\)",
        ),
        (
            lambda p: next(ImageDataGenerator().flow_from_directory(p / "a")),
            "there are no pictures",
        ),
        (
            lambda p: ImageDataGenerator().flow_from_dataframe({"file": []}, p),
            r"expected x_col as one of the columns \['file'\], got 'filename'",
        ),
        (
            lambda p: ImageDataGenerator().flow_from_dataframe({}, p, size=3),
            "there is no argument 'size'",
        ),
    ],
)
def test_mistakes_are_one_line(call, message, folder):
    """Arguments that make no sense, and data that are no pictures, are refused by name."""
    with pytest.raises((ConfigError, DataError), match=message) as error:
        call(folder)
    assert "\n" not in str(error.value)


def test_numbers_are_drawn_in_keras_order():
    """By hand: one number after the other from NumPy's RandomState, which Keras draws from."""
    draw = np.random.RandomState(3)
    expected = {
        "theta": draw.uniform(-20, 20),
        "tx": draw.uniform(-0.3, 0.3) * 10,
        "ty": draw.uniform(-0.5, 0.5) * 20,
        "shear": draw.uniform(-5, 5),
        "zx": draw.uniform(0.8, 1.2),
        "zy": draw.uniform(0.8, 1.2),
        "flip_horizontal": draw.random_sample() < 0.5,
        "flip_vertical": draw.random_sample() < 0,
        "channel_shift_intensity": draw.uniform(-9, 9),
        "brightness": draw.uniform(0.2, 0.4),
    }
    arguments = {
        "rotation_range": 20, "width_shift_range": 0.5, "height_shift_range": 0.3,
        "shear_range": 5, "zoom_range": 0.2, "channel_shift_range": 9,
        "brightness_range": (0.2, 0.4), "horizontal_flip": True,
    }  # fmt: skip
    generator = ImageDataGenerator(**arguments)
    assert generator.get_random_transform((10, 20, 3), seed=3) == expected
    draw = np.random.RandomState(3)
    whole = ImageDataGenerator(height_shift_range=4, width_shift_range=[1, 5])
    numbers = whole.get_random_transform((10, 20, 3), seed=3)
    assert numbers["tx"] == draw.choice(4) * draw.choice([-1, 1])
    assert numbers["ty"] == draw.choice([1, 5]) * draw.choice([-1, 1])
