"""image_dataset_from_directory beside Keras': pixels of every kind of file, and the order of files.

Arguments one by one are in test_preprocessing.py.
"""

import numpy as np
import pytest
from PIL import Image

from minicnn.utils import image_dataset_from_directory

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]

NOT_IN_KERAS = {
    "rgb": {"palette.bmp"},
    "grayscale": {"cmyk.jpg", "grey.bmp", "palette.bmp", "palette.gif", "animated.gif", "rgb.bmp",
                  "rgba.bmp"},
    "rgba": {"rgb.jpg", "sharp.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "palette.bmp",
             "palette.gif", "animated.gif", "bits.png", "rgba.bmp"},
}  # fmt: skip
"""Files of which Keras makes an error, or other pixels: a palette's places, bits, an alpha."""


@pytest.fixture(scope="module")
def theirs():
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    return keras.utils.image_dataset_from_directory


@pytest.fixture
def accurate(theirs, monkeypatch):
    """TensorFlow decodes JPEG files by an approximation: here as its other method does."""
    import tensorflow as tf

    original = tf.image.decode_image

    def decode_image(contents, channels, expand_animations):
        return tf.cond(
            tf.io.is_jpeg(contents),
            lambda: tf.io.decode_jpeg(contents, channels=channels, dct_method="INTEGER_ACCURATE"),
            lambda: original(contents, channels=channels, expand_animations=expand_animations),
        )

    monkeypatch.setattr(tf.image, "decode_image", decode_image)


@pytest.fixture(scope="module")
def kinds():
    """A picture in each kind of file, and how it is written."""
    rng = np.random.default_rng(0)
    forms = Image.fromarray(rng.integers(0, 256, (6, 7, 3), np.uint8)).resize((61, 47), 3)
    alpha = Image.fromarray(rng.integers(0, 256, (47, 61), np.uint8))
    grey, few = forms.convert("L"), forms.convert("P", palette=Image.Palette.ADAPTIVE, colors=32)
    rgba, both = forms.copy(), grey.copy()
    rgba.putalpha(alpha)
    both.putalpha(alpha)
    wide = Image.fromarray(rng.integers(0, 65536, (47, 61)).astype(np.uint16))
    return {
        "rgb.jpg": (forms, {"quality": 90}),
        "sharp.jpg": (forms, {"quality": 95, "subsampling": 0}),
        "progressive.jpg": (forms, {"progressive": True}),
        "grey.jpg": (grey, {}),
        "cmyk.jpg": (forms.convert("CMYK"), {"quality": 95}),
        "rgb.png": (forms, {}), "grey.png": (grey, {}), "rgba.png": (rgba, {}),
        "both.png": (both, {}), "bits.png": (forms.convert("1"), {}), "wide.png": (wide, {}),
        "palette.png": (few, {}), "one.png": (few, {"transparency": 3}),
        "some.png": (few, {"transparency": bytes([0, 128, 255] * 10)}),
        "rgb.bmp": (forms, {}), "grey.bmp": (grey, {}), "rgba.bmp": (rgba, {}),
        "palette.bmp": (few, {}), "palette.gif": (few, {}),
        "animated.gif": (few, {"save_all": True, "append_images": [few.rotate(90)]}),
    }  # fmt: skip


def write(kinds, folder, leave_out=frozenset()):
    inside = folder / "a"
    inside.mkdir()
    for name, (picture, options) in kinds.items():
        if name not in leave_out:
            picture.save(inside / name, **options)


@pytest.mark.parametrize("mode", NOT_IN_KERAS)
def test_every_kind_of_file(mode, kinds, accurate, theirs, tmp_path):
    """Pixels within 1 of 255, in each colour mode and with each way to resize, crop and pad."""
    write(kinds, tmp_path, NOT_IN_KERAS[mode])
    common = {"color_mode": mode, "label_mode": None, "shuffle": False, "verbose": False}
    ways = [{"interpolation": how} for how in ("bilinear", "nearest", "bicubic", "lanczos3")]
    ways += [{f"{one}_to_aspect_ratio": True} for one in ("crop", "pad")]
    for way in ways:
        for size in ((30, 40), (80, 50)):
            mine, wanted = (
                function(tmp_path, image_size=size, **common, **way)
                for function in (image_dataset_from_directory, theirs)
            )
            names = [path.rpartition("/")[2] for path in mine.file_paths]
            (x,), (expected,) = mine, wanted.as_numpy_iterator()
            assert (x.shape, x.dtype) == (expected.shape, expected.dtype)
            # TensorFlow cuts off a grey's parts, which "bicubic" and "lanczos" make more of.
            most = 1.5 if mode == "grayscale" else 1.01
            apart = np.abs(x.astype(float) - expected).max((1, 2, 3))
            far = {name: gap for name, gap in zip(names, apart, strict=True) if gap > most}
            assert not far, (way, size)


def test_jpeg_files_as_tensorflow_approximates_them(kinds, theirs, tmp_path):
    """Without the other method, pixels are a few of 255 apart, and hardly on the whole."""
    write(kinds, tmp_path, {name for name in kinds if not name.endswith("jpg")})
    common = {"label_mode": None, "shuffle": False, "verbose": False, "image_size": (47, 61)}
    (x,), (expected,) = (
        image_dataset_from_directory(tmp_path, **common),
        theirs(tmp_path, **common).as_numpy_iterator(),
    )
    apart = np.abs(x - expected)
    assert apart.mean() < 1.5
    assert apart.max() < 16


def test_the_order_of_nested_and_odd_names(theirs, tmp_path):
    """Capitals, digits, spaces, dots, folders within, other letters; with links and without."""
    for name in ("b/2.png", "b/10.png", "B/a b.PNG", "b/in/1.jpg", "b/In/1.JPEG", "b/in.x/3.gif",
                 "c.d/ü.png", "c.d/Ü.png", ".e/1.png", "b/4.tiff", "b/.5.png"):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2)).save(path, {"PNG": "png", "png": "png"}.get(path.suffix[1:]))
    (tmp_path / "b" / "link").symlink_to(tmp_path / "c.d")
    for follow_links in (False, True):
        for more in ({"shuffle": False}, {"seed": 3}, {"seed": 4, "labels": None},
                     {"validation_split": 0.4, "subset": "validation", "seed": 5}):  # fmt: skip
            mine, wanted = (
                function(tmp_path, follow_links=follow_links, verbose=False, **more)
                for function in (image_dataset_from_directory, theirs)
            )
            assert mine.file_paths == wanted.file_paths
            assert mine.class_names == wanted.class_names
