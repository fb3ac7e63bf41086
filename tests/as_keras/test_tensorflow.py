"""What Keras scripts use of TensorFlow."""

import os

import numpy as np
import pytest

from minicnn.errors import DataError
from script_helpers import draw

pytestmark = pytest.mark.usefixtures("as_keras")


def test_a_pipeline_of_files(tmp_path):
    """Paths become pictures and labels: list_files, strings.split, read_file, decode_jpeg."""
    import tensorflow as tf

    draw(tmp_path, train=3, validation=1)
    classes = np.array(["cats", "dogs"])

    def load(path):
        label = tf.strings.split(path, os.path.sep)[-2] == classes
        image = tf.image.decode_jpeg(tf.io.read_file(path), channels=3)
        image.set_shape([40, 40, 3])
        image = tf.image.convert_image_dtype(image, tf.float32)
        return tf.image.resize(image, [8, 8]), tf.argmax(tf.cast(label, tf.int32))

    files = tf.data.Dataset.list_files(str(tmp_path / "data/train/*/*"), shuffle=False)
    assert files.cardinality().numpy() == 6
    ((images, labels),) = files.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(6)
    assert images.get_shape().as_list() == [6, 8, 8, 3]
    assert labels.numpy().tolist() == [0, 0, 0, 1, 1, 1]
    means = images.numpy().mean((1, 2, 3))
    assert means[:3].min() > 0.5 > means[3:].max()
    with pytest.raises(DataError, match="expected files that match"):
        tf.data.Dataset.list_files(str(tmp_path / "nothing/*"))


def test_functions_of_tensors():
    """They give arrays with ``.numpy()``, of NumPy's numbers."""
    import tensorflow as tf

    counts = tf.math.confusion_matrix([0, 1, 1], [0, 1, 0])
    assert counts.numpy().tolist() == [[1, 0], [1, 1]]
    assert tf.gather([5, 6, 7], [2, 0]).numpy().tolist() == [7, 5]
    assert tf.boolean_mask(np.arange(3), [True, False, True]).numpy().tolist() == [0, 2]
    assert tf.py_function(lambda a, b: a + b, [1, 2], tf.int32) == 3
    assert tf.random.normal((2, 3), stddev=2.0).shape == (2, 3)
    assert tf.random.uniform([4], maxval=3, dtype=tf.int32).numpy().max() < 3
    assert tf.size(np.ones((2, 3))) == 6
    assert tf.rank(np.ones((2, 3))) == 2


def test_numpy_makes_arrays_of_tensors():
    """As it does of TensorFlow's: their values are numbers, which scikit-learn puts in sets."""
    import tensorflow as tf

    labels = tf.argmax(np.eye(3)[[2, 0, 2]], axis=1)
    values, counts = np.unique(labels, return_counts=True)
    assert type(values) is np.ndarray
    assert dict(zip(values, counts, strict=True)) == {0: 1, 2: 2}
    assert isinstance(np.max(labels), np.integer)
    assert hasattr(labels + 1, "numpy")


def test_random_pictures_are_drawn_from_the_seed():
    """Flips, crops and brightness come out the same after ``tf.random.set_seed``."""
    import tensorflow as tf

    x = np.random.default_rng(0).random((6, 5, 3)).astype(np.float32)

    def drawn():
        tf.random.set_seed(3)
        flips = [tf.image.random_flip_left_right(x).numpy() for _ in range(20)]
        cut = tf.image.random_crop(x, (3, 3, 3)).numpy()
        return [*flips, cut, tf.image.random_brightness(x, 0.3).numpy()]

    first = drawn()
    assert all(map(np.array_equal, first, drawn()))
    assert {np.array_equal(flip, x) for flip in first[:20]} == {True, False}


def test_functions_go_along_the_axis_that_tensorflow_has():
    """argmax, cumsum and gather go along the first axis unless told; split takes sizes."""
    import tensorflow as tf

    x = np.array([[0, 5, 2], [3, 4, 1]])
    assert tf.argmax(x).numpy().tolist() == [1, 0, 0]
    assert tf.math.argmin(x, 1).numpy().tolist() == [0, 2]
    assert tf.cumsum(x).numpy().tolist() == [[0, 5, 2], [3, 9, 3]]
    assert tf.gather(x, [1]).numpy().tolist() == [[3, 4, 1]]
    assert [part.shape for part in tf.split(x, [1, 2], axis=1)] == [(2, 1), (2, 2)]
    assert [part.shape for part in tf.split(x, num_or_size_splits=2)] == [(1, 3), (1, 3)]


def test_functions_take_their_arguments_under_tensorflow_s_names():
    """The first argument, whatever it is called, and others that minicnn.ops has renamed."""
    import tensorflow as tf

    x = np.array([[0.0, 5.0], [3.0, 4.0]])
    clipped = tf.clip_by_value(x, clip_value_min=1.0, clip_value_max=4.0)
    assert clipped.numpy().tolist() == [[1.0, 4.0], [3.0, 4.0]]
    assert tf.reduce_sum(input_tensor=x, axis=1, keepdims=True).numpy().tolist() == [[5.0], [7.0]]
    assert tf.one_hot(indices=[1], depth=3).numpy().tolist() == [[0.0, 1.0, 0.0]]
    assert tf.concat(values=[x, x], axis=0).shape == (4, 2)
    assert tf.transpose(tf.reshape(tensor=x, shape=(1, 4)), perm=[1, 0]).shape == (4, 1)
    assert tf.nn.leaky_relu(features=np.array([-1.0]), alpha=0.5).numpy().tolist() == [-0.5]
