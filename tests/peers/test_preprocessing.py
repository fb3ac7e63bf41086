"""Keras' ImageDataGenerator and its relatives: the same pictures for the same seed."""

import inspect
import io

import numpy as np
import pytest
from PIL import Image

from minicnn.preprocessing import image as ours

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]


def halved(x):
    return x * 0.5 + 1


CHOICES = {
    "featurewise_center": [True],
    "samplewise_center": [True],
    "featurewise_std_normalization": [True],
    "samplewise_std_normalization": [True],
    "zca_whitening": [True],
    "zca_epsilon": [0.1],
    "rotation_range": [20, 90.0],
    "width_shift_range": [0.2, 3, [-2, 2, 1], 2.5, [0.1, 0.2], 1],
    "height_shift_range": [0.3, 4, (1, 3)],
    "brightness_range": [(0.5, 1.5), [0.1, 0.9]],
    "shear_range": [15, 0.2],
    "zoom_range": [0.3, (0.5, 1.5), [0.8, 0.9]],
    "channel_shift_range": [30.0],
    "fill_mode": ["nearest", "reflect", "wrap", "constant"],
    "cval": [7.0],
    "horizontal_flip": [True],
    "vertical_flip": [True],
    "rescale": [1 / 255, 2],
    "preprocessing_function": [halved],
    "data_format": ["channels_last", "channels_first"],
    "validation_split": [0.3],
    "interpolation_order": [0, 1, 3],
    "dtype": ["float32", "float64"],
}
rng = np.random.default_rng(0)


def combination():
    """A third of the arguments."""
    return {name: values[rng.integers(len(values))] for name, values in CHOICES.items()
            if rng.random() < 0.35}  # fmt: skip


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("scipy", reason="SciPy is not installed")
    return pytest.importorskip(
        "keras.src.legacy.preprocessing.image", reason="Keras is not installed"
    )


@pytest.fixture(scope="module")
def utils():
    return pytest.importorskip("keras", reason="Keras is not installed").utils


@pytest.fixture
def folder(tmp_path):
    """Pictures of several sizes and modes, and other files, in the folders of three classes."""
    for name, modes in {"b": ["RGB", "L", "RGBA"] * 2, "a": ["RGB"] * 4, "c 1": ["L"] * 2}.items():
        (tmp_path / name / "inner").mkdir(parents=True)
        for i, mode in enumerate(modes):
            channels = len(Image.new(mode, (1, 1)).getbands())
            pixels = rng.integers(0, 256, (9 + i, 14 - i, channels), np.uint8)
            picture = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
            picture.save(tmp_path / name / ("inner" if i % 3 == 2 else "") / f"{20 - i}.png")
        (tmp_path / name / "notes.txt").touch()
    return tmp_path


def assert_close(mine, theirs):
    """Within 1 of 255, or of what the largest number is; dtypes and shapes as well."""
    assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
    np.testing.assert_allclose(mine, theirs, atol=max(1, np.abs(theirs).max()) / 255, rtol=0)


def assert_same_flows(mine, theirs, batches=7):
    """By ``next``, by number, and after ``on_epoch_end``."""
    assert len(mine) == len(theirs)
    for k in range(batches):
        for one, other in (
            (next(mine), next(theirs)),
            (mine[k % len(mine)], theirs[k % len(mine)]),
        ):
            assert type(one) is type(other)
            pairs = zip(one, other, strict=True) if type(one) is tuple else [(one, other)]
            for a, b in pairs:
                assert_close(a, b)
        assert mine.total_batches_seen == theirs.total_batches_seen
        assert mine.batch_index == theirs.batch_index
        if k == 3:
            mine.on_epoch_end()
            theirs.on_epoch_end()
        if k == 5:
            mine.reset()
            theirs.reset()
    np.testing.assert_array_equal(mine.index_array, theirs.index_array)


def compare(keras, arguments, seed):
    """Images fitted and drawn, with labels and weights."""
    arguments = {"zca_epsilon": 0.1} | arguments  # with 1e-6 rounding decides
    first = arguments.get("data_format") == "channels_first"
    if first:
        arguments.pop("brightness_range", None)  # of which Keras takes the width for the channels
    x = rng.integers(0, 256, (13, 3, 9, 12) if first else (13, 9, 12, 3), np.uint8)
    y = np.arange(13.0)
    flows = []
    for module in (ours, keras):
        generator = module.ImageDataGenerator(**arguments)
        generator.fit(x, augment=bool(seed % 2), rounds=2, seed=5)
        flows.append(generator.flow(x, y, batch_size=4, sample_weight=2 * y, seed=seed))
    mine, theirs = (flow.image_data_generator for flow in flows)
    for name in ("mean", "std"):
        if getattr(theirs, name) is not None:
            assert_close(getattr(mine, name), getattr(theirs, name))
    assert_same_flows(*flows)
    shape = x.shape[1:]
    assert mine.get_random_transform(shape, 3) == theirs.get_random_transform(shape, 3)


@pytest.mark.parametrize(
    "arguments", [{name: value} for name, values in CHOICES.items() for value in values], ids=str
)
def test_each_argument_gives_the_pictures_of_keras(arguments, keras):
    """Each argument of ImageDataGenerator by itself."""
    compare(keras, arguments, seed=7)


def test_combinations_give_the_pictures_of_keras(keras):
    """A hundred combinations of all arguments."""
    for seed in range(100):
        compare(keras, combination(), seed)


def test_the_arguments_are_keras_own(keras):
    """Names, order and defaults of the generator, its methods and the functions."""
    for name in ours.__all__:
        if name in ("smart_resize", "load_img", "img_to_array", "array_to_img", "save_img"):
            continue
        theirs, mine = getattr(keras, name), getattr(ours, name)
        pairs = [(theirs, mine)]
        if inspect.isclass(theirs):
            public = [key for key in dir(theirs) if not key.startswith("_")]
            methods = [key for key in public if callable(getattr(theirs, key))]
            pairs += [
                (getattr(theirs, key), getattr(mine, key))
                for key in methods
                if key not in ("set_processing_attrs", "get_classes")
                and key not in ("on_epoch_begin",)
            ]
        for wanted, found in pairs:
            wanted, found = (inspect.signature(f).parameters for f in (wanted, found))
            names = [key for key, p in wanted.items() if p.kind is not p.VAR_KEYWORD]
            assert list(found)[: len(names)] == names, name
            for key in names:
                assert str(found[key].default) == str(wanted[key].default), (name, key)


@pytest.mark.parametrize("fill_mode", ["nearest", "reflect", "wrap", "constant"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_given_transforms_of_one_picture(fill_mode, order, keras):
    """Any axes, any dtype, places exactly between pixels, and far outside."""
    values = {"theta": [0, 90, 180, 33.3, -12], "tx": [0, 1, -2.5, 30], "ty": [0, 0.3, 4],
              "shear": [0, 20], "zx": [1, 0.5, 1.7], "zy": [1, 0.8]}  # fmt: skip
    for i in range(100):
        numbers = {name: rng.choice(some) for name, some in values.items()}
        axes = [(0, 1, 2), (1, 2, 0), (1, 0, 2), (2, 1, 0)][i % 4]
        x = rng.integers(0, 256, rng.integers(2, 20, 3)).astype(
            ["f4", "u1", "f8", "i2"][i // 4 % 4]
        )
        for name in ("theta", "shear"):
            numbers[name] = numbers[name] if x.dtype.kind == "f" or order < 2 else 0
        how = dict(zip(("row_axis", "col_axis", "channel_axis"), axes, strict=True))
        how |= {"fill_mode": fill_mode, "cval": 9.0, "order": order}
        mine = ours.apply_affine_transform(x, **numbers, **how)
        theirs = keras.apply_affine_transform(x, **numbers, **how)
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(mine.astype(float), theirs.astype(float), atol=1.001)


def test_brightness_and_channels_of_one_picture(keras):
    """Bytes, numbers from 0 to 1, and beyond 255 and below 0."""
    for i in range(40):
        scale, offset = [(1, 0), (255, 0), (300, 0), (2, -1)][i % 4]
        x = rng.random((5, 6, [1, 3, 4][i % 3])) * scale + offset
        for brightness in (0, 0.3, 1, 1.7, 5):
            for stretch in (False, True):
                mine = ours.apply_brightness_shift(x, brightness, stretch)
                theirs = keras.apply_brightness_shift(x, brightness, stretch)
                np.testing.assert_allclose(mine, theirs, atol=1e-4)
        mine, theirs = (f.apply_channel_shift(x, 0.2, 2) for f in (ours, keras))
        np.testing.assert_allclose(mine, theirs)


@pytest.mark.parametrize("class_mode", ["categorical", "binary", "sparse", "input", None])
@pytest.mark.parametrize("color_mode", ["rgb", "rgba", "grayscale"])
def test_folders_give_keras_batches(class_mode, color_mode, folder, keras, capsys):
    """Files and classes in the same order, the same parts of them, and the same pictures."""
    for subset in (None, "training", "validation"):
        flows, said = [], []
        for module in (ours, keras):
            generator = module.ImageDataGenerator(
                rotation_range=20, horizontal_flip=True, zoom_range=0.2, validation_split=0.4
            )
            flow = generator.flow_from_directory(
                folder, (8, 11), color_mode, class_mode=class_mode, batch_size=3, seed=1,
                subset=subset,
            )  # fmt: skip
            flows.append(flow)
            said.append(capsys.readouterr().out)
        mine, theirs = flows
        for name in ("filenames", "class_indices", "num_classes", "samples", "image_shape", "n"):
            assert getattr(mine, name) == getattr(theirs, name), name
        assert [str(path) for path in mine.filepaths] == [str(path) for path in theirs.filepaths]
        np.testing.assert_array_equal(mine.classes, theirs.classes)
        np.testing.assert_array_equal(mine.labels, theirs.labels)
        assert said[0] == said[1]
        assert said[0].startswith(f"Found {mine.n} images belonging to 3 classes.")
        assert_same_flows(mine, theirs)


@pytest.mark.parametrize(
    "arguments",
    [
        {"classes": ["c 1", "a"]},
        {"shuffle": False},
        {"seed": 3, "batch_size": 4},
        *({"interpolation": name} for name in ("bilinear", "bicubic", "lanczos", "box", "hamming")),
        {"keep_aspect_ratio": True, "target_size": (20, 7)},
        {"follow_links": True},
    ],
    ids=str,
)
def test_other_arguments_of_folders(arguments, folder, keras):
    """Each by itself, in the order of the files."""
    for wanted in ({"batch_size": 5}, {"shuffle": False}, {"seed": 0}):
        arguments = wanted | arguments
    flows = [
        module.ImageDataGenerator(data_format="channels_first").flow_from_directory(
            str(folder), **arguments
        )
        for module in (ours, keras)
    ]
    assert_same_flows(*flows, batches=3)


def test_pictures_that_are_kept(keras, tmp_path):
    """The same names, and the same pixels."""
    x = rng.integers(0, 256, (5, 6, 7, 3), np.uint8)
    for module, name in ((ours, "ours"), (keras, "theirs")):
        (tmp_path / name).mkdir()
        flow = module.ImageDataGenerator(zoom_range=0.3).flow(
            x, batch_size=2, seed=2, save_to_dir=str(tmp_path / name), save_prefix="p"
        )
        for _ in range(3):
            next(flow)
    mine, theirs = (sorted((tmp_path / name).iterdir()) for name in ("ours", "theirs"))
    assert [path.name for path in mine] == [path.name for path in theirs]
    for one, other in zip(mine, theirs, strict=True):
        a, b = (np.asarray(Image.open(path)).astype(int) for path in (one, other))
        assert np.abs(a - b).max() <= 1


def test_data_frames_give_keras_batches(folder, keras, capsys):
    """Every class mode, with weights and subsets, and what is said."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    frame = pandas.DataFrame(
        {"filename": [*names, "missing.png"], "weight": np.arange(len(names) + 1.0)}
    )
    frame["class"] = [name[0] for name in frame.filename]
    frame["number"], frame["other"] = frame.weight * 2, frame.weight * 3
    for class_mode, y_col in (
        ("categorical", "class"), ("sparse", "class"), ("raw", "number"), ("input", "class"),
        ("raw", ["number", "other"]), (None, "class"),
    ):  # fmt: skip
        for more in ({}, {"weight_col": "weight"}, {"subset": "training"}, {"classes": ["b", "c"]}):
            flows, said = [], []
            for module in (ours, keras):
                generator = module.ImageDataGenerator(rotation_range=30, validation_split=0.25)
                flow = generator.flow_from_dataframe(
                    frame, str(folder), y_col=y_col, class_mode=class_mode, target_size=(9, 8),
                    batch_size=5, seed=4, **more,
                )  # fmt: skip
                flows.append(flow)
                said.append(capsys.readouterr().out)
            assert said[0] == said[1]
            assert flows[0].filenames == flows[1].filenames
            assert_same_flows(*flows, batches=3)


def test_pictures_from_files(folder, utils):
    """load_img with each argument, and img_to_array in both formats."""
    for path in sorted(folder.rglob("*.png"))[:6]:
        for arguments in (
            {}, {"color_mode": "grayscale"}, {"color_mode": "rgba"}, {"target_size": (5, 6)},
            *({"target_size": (21, 4), "interpolation": name} for name in
              ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")),
            {"target_size": (5, 9), "keep_aspect_ratio": True},
            {"target_size": (9, 5), "keep_aspect_ratio": True, "interpolation": "bilinear"},
        ):  # fmt: skip
            mine, theirs = (f.load_img(path, **arguments) for f in (ours, utils))
            assert (mine.mode, mine.size) == (theirs.mode, theirs.size)
            for data_format in (None, "channels_last", "channels_first"):
                a, b = (f.img_to_array(mine, data_format) for f in (ours, utils))
                assert_close(a, b)
                np.testing.assert_array_equal(a, utils.img_to_array(theirs, data_format))
    with path.open("rb") as file:
        bytes_ = io.BytesIO(file.read())
    np.testing.assert_array_equal(ours.load_img(bytes_), utils.load_img(bytes_))


def test_arrays_as_pictures_and_files(utils, tmp_path):
    """array_to_img and save_img: channels, scales, formats, dtypes."""
    for i in range(24):
        channels = [1, 3, 4][i % 3]
        x = rng.random((5, 6, channels)) * [1, 255, 200][i // 3 % 3] - [0, 0, 20][i // 3 % 3]
        x = np.maximum(x, 0) if i % 2 else x
        for scale in (True, False) if x.min() >= 0 else (True,):
            mine, theirs = (f.array_to_img(x, scale=scale) for f in (ours, utils))
            assert mine.mode == theirs.mode
            np.testing.assert_array_equal(np.asarray(mine), np.asarray(theirs))
            for ending in ("png", "jpg", "bmp"):
                files = tmp_path / f"ours.{ending}", tmp_path / f"theirs.{ending}"
                for module, path in zip((ours, utils), files, strict=True):
                    module.save_img(path, x, scale=scale)
                assert files[0].read_bytes() == files[1].read_bytes()
        first = x.transpose(2, 0, 1)
        mine, theirs = (f.array_to_img(first, "channels_first") for f in (ours, utils))
        np.testing.assert_array_equal(np.asarray(mine), np.asarray(theirs))
    grey = np.arange(600.0).reshape(20, 30, 1)
    mine, theirs = (f.array_to_img(grey, scale=False) for f in (ours, utils))
    assert mine.mode == theirs.mode == "I"
    np.testing.assert_array_equal(np.asarray(mine), np.asarray(theirs))


def test_smart_resize():
    """Cut to the new ratio, and resized."""
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    for shape, size in (((7, 10, 3), (4, 4)), ((2, 9, 5, 1), (12, 3)), ((6, 6, 3), (3, 5))):
        x = rng.random(shape).astype("f4") * 255
        for interpolation in ("bilinear", "nearest", "bicubic", "lanczos3"):
            theirs = keras.preprocessing.image.smart_resize(x, size, interpolation)
            mine = ours.smart_resize(x, size, interpolation)
            np.testing.assert_allclose(mine, theirs, atol=1e-2)


@pytest.fixture
def tensorflow():
    return pytest.importorskip("tensorflow", reason="TensorFlow is not installed")


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"label_mode": "categorical"},
        {"label_mode": None},
        {"labels": None},
        {"labels": [i % 2 for i in range(12)], "label_mode": "binary"},
        {"labels": [i % 3 for i in range(12)], "label_mode": "categorical"},
        {"class_names": ["c 1", "a"]},
        {"class_names": ["b", "a"], "label_mode": "binary"},
        {"color_mode": "grayscale"},
        {"color_mode": "rgba"},
        {"image_size": 7},
        *({"interpolation": name} for name in ("nearest", "bicubic", "lanczos3", "lanczos5")),
        {"crop_to_aspect_ratio": True},
        {"pad_to_aspect_ratio": True},
        {"pad_to_aspect_ratio": True, "image_size": (13, 6)},
        {"crop_to_aspect_ratio": True, "data_format": "channels_first"},
        {"batch_size": None},
        {"validation_split": 0.3, "subset": "training"},
        {"validation_split": 0.3, "subset": "validation"},
    ],
    ids=str,
)
def test_data_sets_of_folders(arguments, folder, utils, tensorflow, capsys):
    """Each argument: the files, their labels and pixels, and what is said; shuffled by a seed."""
    from minicnn.utils import image_dataset_from_directory

    if arguments.get("color_mode") == "grayscale":
        for path in folder.rglob("*.png"):  # of colours TensorFlow makes another grey
            ours.save_img(path, ours.img_to_array(ours.load_img(path, "grayscale")), scale=False)
    arguments = {"image_size": (8, 11), "batch_size": 5} | arguments
    for shuffle in (False, True):
        made, said = [], []
        for function in (image_dataset_from_directory, utils.image_dataset_from_directory):
            made.append(function(folder, shuffle=shuffle, seed=3, **arguments))
            said.append(capsys.readouterr().out)
        mine, theirs = made
        assert said[0] == said[1]
        assert mine.class_names == theirs.class_names
        assert mine.file_paths == theirs.file_paths
        assert len(mine) == len(theirs)
    mine, theirs = (
        function(folder, shuffle=False, **arguments)
        for function in (image_dataset_from_directory, utils.image_dataset_from_directory)
    )
    for ours_, batch in zip(mine, theirs.as_numpy_iterator(), strict=True):
        pairs = zip(ours_, batch, strict=True) if isinstance(batch, tuple) else [(ours_, batch)]
        for one, other in pairs:
            assert_close(np.asarray(one), np.asarray(other))


def test_both_parts_of_a_folder(folder, utils, tensorflow):
    """The files of training and validation are Keras' own for the same seed."""
    from minicnn.utils import image_dataset_from_directory

    for seed in (0, 5):
        both = {"validation_split": 0.4, "subset": "both", "seed": seed}
        mine = image_dataset_from_directory(folder, **both)
        theirs = utils.image_dataset_from_directory(folder, **both)
        for one, other in zip(mine, theirs, strict=True):
            assert one.file_paths == other.file_paths
        x, y = zip(*mine[1], strict=True)
        wanted_x, wanted_y = zip(*theirs[1].as_numpy_iterator(), strict=True)
        assert_close(np.concatenate(x), np.concatenate(wanted_x))
        np.testing.assert_array_equal(np.concatenate(y), np.concatenate(wanted_y))


def test_chains_give_what_tensorflow_gives(tensorflow):
    """Every step but the shuffle, of arrays, tuples and dictionaries."""
    from minicnn.data.pipeline import Dataset

    theirs = tensorflow.data.Dataset
    x, y = rng.random((7, 2, 3)).astype("f4"), np.arange(7)
    chains = [
        lambda d: d.from_tensor_slices(x),
        lambda d: d.from_tensor_slices((x, y)).batch(3),
        lambda d: d.from_tensor_slices({"x": x, "y": (y, y)}).batch(3, drop_remainder=True),
        lambda d: d.from_tensor_slices((x, y)).map(lambda a, b: (a * 2, b)).skip(2).take(3),
        lambda d: d.from_tensor_slices({"x": x}).map(lambda e: e["x"] + 1).unbatch(),
        lambda d: d.range(10).filter(lambda i: i % 3 == 0).repeat(2).batch(3),
        lambda d: d.range(2, 9, 3).repeat().take(8),
        lambda d: d.zip((d.range(4), d.from_tensor_slices(x))).enumerate(2),
        lambda d: d.range(3).concatenate(d.range(2)).cache().prefetch(2).batch(2).unbatch(),
        lambda d: d.from_tensors((x, y)).repeat(2),
        lambda d: d.range(5).take(-1).skip(-1),
    ]
    for chain in chains:
        mine, wanted = chain(Dataset), chain(theirs)
        # TensorFlow knows the length of what is taken apart where batches are of one length.
        assert mine.cardinality() in (-2, wanted.cardinality().numpy())
        for one, other in zip(mine, wanted.as_numpy_iterator(), strict=True):
            tensorflow.nest.map_structure(np.testing.assert_array_equal, one, other)
            tensorflow.nest.map_structure(
                lambda a, b: np.testing.assert_equal(np.shape(a), np.shape(b)), one, other
            )
