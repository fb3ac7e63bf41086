"""``tensorflow.image`` in Keras scripts has TensorFlow's numbers."""

import importlib
import io
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import minicnn

# The module without its package, which would answer for the Keras that other tests import.
PACKAGE = ModuleType("minicnn.as_keras")
PACKAGE.__path__ = [str(Path(minicnn.__file__).parent / "as_keras")]
KNOWN = {name for name in sys.modules if name.startswith("minicnn.as_keras")}
sys.modules.setdefault("minicnn.as_keras", PACKAGE)
ours = importlib.import_module("minicnn.as_keras.tensorflow_image")
for name in [name for name in sys.modules if name.startswith("minicnn.as_keras")]:
    if name not in KNOWN:
        del sys.modules[name]

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]

CALLS = {
    "resize": ([(7, 5)], {}),
    "flip_left_right": ([], {}),
    "flip_up_down": ([], {}),
    "rot90": ([3], {}),
    "adjust_brightness": ([0.2], {}),
    "adjust_contrast": ([1.7], {}),
    "rgb_to_grayscale": ([], {}),
    "per_image_standardization": ([], {}),
    "crop_to_bounding_box": ([1, 2, 4, 3], {}),
    "central_crop": ([0.5], {}),
    "resize_with_crop_or_pad": ([5, 13], {}),
    "convert_image_dtype": (["float32"], {}),
}
"""Functions of an image, and their other arguments."""


@pytest.mark.parametrize("batch", [False, True], ids=["an image", "a batch"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("name", CALLS)
def test_numbers_of(name, dtype, batch):
    """Each function gives the same dtype and pixels, within 1 of 255 for whole numbers."""
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (2, 8, 9, 3)) if dtype == "uint8" else rng.random((2, 8, 9, 3))
    x = x.astype(dtype) if batch else x[0].astype(dtype)
    arguments, options = CALLS[name]
    expected = getattr(tf.image, name)(x, *arguments, **options).numpy()
    found = getattr(ours, name)(x, *arguments, **options).numpy()
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    error = np.abs(found.astype(float) - expected.astype(float)).max()
    assert error <= (1 if found.dtype == np.uint8 else 1e-4 * max(1, np.abs(expected).max()))


def test_decoded_pictures():
    """A PNG has the same pixels, with as many channels as are asked for."""
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    for channels in (0, 1, 3):
        expected = tf.image.decode_png(buffer.getvalue(), channels=channels).numpy()
        found = ours.decode_png(buffer.getvalue(), channels=channels).numpy()
        assert np.abs(found.astype(int) - expected).max() <= 1
