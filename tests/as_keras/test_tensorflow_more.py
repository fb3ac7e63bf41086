"""More of TensorFlow's functions, against numbers worked out by hand and files read back."""

import colorsys

import numpy as np
import pytest

from minicnn.errors import ConfigError, ShapeError

pytestmark = pytest.mark.usefixtures("as_keras")

X = np.random.default_rng(0).random((2, 4, 6, 3)).astype(np.float32)


@pytest.fixture
def tf(as_keras):
    """The module."""
    import tensorflow

    return tensorflow


def test_functions_of_numpy_are_found_by_tensorflows_names(tf):
    """At the top, in math and in linalg; what they give has ``.numpy()``."""
    assert tf.reverse(np.array([1, 2, 3]), [0]).numpy().tolist() == [3, 2, 1]
    assert tf.fill([2], 3).numpy().tolist() == [3, 3]
    assert tf.add_n([1, 2, 3]).numpy() == 6
    assert tf.math.floordiv(np.array([-7]), 2).numpy().tolist() == [-4]
    assert tf.math.divide_no_nan([1.0, 2.0], [0.0, 4.0]).numpy().tolist() == [0, 0.5]
    values, places = tf.math.top_k([3, 9, 5], 2)
    assert (values.numpy().tolist(), places.numpy().tolist()) == ([9, 5], [1, 2])
    assert tf.clip_by_norm(np.array([3.0, 4.0]), 1.0).numpy() == pytest.approx([0.6, 0.8])
    assert tf.nest.map_structure(lambda x: x + 1, {"a": [1, (2,)]}) == {"a": [2, (3,)]}
    assert tf.nest.flatten({"b": 1, "a": [2, 3]}) == [2, 3, 1]


def test_hue_and_saturation_are_pythons(tf):
    """rgb_to_hsv and hsv_to_rgb agree with colorsys, pixel by pixel; adjusting goes by them."""
    hsv = tf.image.rgb_to_hsv(X).numpy()
    expected = [colorsys.rgb_to_hsv(*map(float, pixel)) for pixel in X.reshape(-1, 3)]
    np.testing.assert_allclose(hsv.reshape(-1, 3), expected, atol=1e-5)
    np.testing.assert_allclose(tf.image.hsv_to_rgb(hsv), X, atol=1e-5)
    turned = tf.image.rgb_to_hsv(tf.image.adjust_hue(X, 0.25)).numpy()[..., 0]
    np.testing.assert_allclose(turned, (hsv[..., 0] + 0.25) % 1, atol=1e-4)
    grey = tf.image.adjust_saturation(X, 0.0).numpy()
    np.testing.assert_allclose(np.ptp(grey, axis=-1), 0, atol=1e-6)
    assert tf.image.adjust_saturation((X * 255).astype(np.uint8), 0.5).numpy().dtype == np.uint8


def test_pictures_are_padded(tf):
    """In the middle, or from a corner on; a picture that has no room is refused."""
    padded = tf.image.pad_to_bounding_box(X, 1, 2, 6, 9).numpy()
    np.testing.assert_array_equal(padded[:, 1:5, 2:8], X)
    assert padded.sum() == pytest.approx(X.sum(), rel=1e-5)
    assert tf.image.resize_with_pad(X, 8, 8).shape == (2, 8, 8, 3)
    with pytest.raises(ShapeError, match="expected room for an image"):
        tf.image.pad_to_bounding_box(X, 1, 2, 4, 9)


def test_the_seed_alone_decides_what_is_stateless(tf):
    """So that a picture and its mask are turned alike; what else is drawn is as it was."""
    draw = tf.image.stateless_random_flip_left_right
    flips = [np.array_equal(draw(X[0], seed=(i, 1)), X[0]) for i in range(20)]
    assert flips == [np.array_equal(draw(X[0], (i, 1)), X[0]) for i in range(20)]
    assert len(set(flips)) == 2
    assert tf.random.stateless_uniform((2,), (1, 2)).numpy().tolist() == (
        tf.random.stateless_uniform((2,), seed=(1, 2)).numpy().tolist()
    )


def test_checks_raise_with_their_message(tf):
    """tf.debugging's assertions are made, and named; settings for it do nothing."""
    tf.debugging.assert_less(X, 1.0)
    tf.debugging.assert_rank(X, 4)
    tf.debugging.set_log_device_placement(True)
    with pytest.raises(ConfigError, match=r"assert_equal: must be alike\."):
        tf.debugging.assert_equal(1, 2, message="must be alike")
    with pytest.raises(ConfigError, match="check_numerics: in the loss"):
        tf.debugging.check_numerics(np.array([np.nan]), "in the loss")


def test_texts_and_files(tf, tmp_path):
    """Texts one by one; pictures written and read; folders."""
    assert tf.strings.regex_replace(["a/b", "b"], "b", "c").numpy().tolist() == ["a/c", "c"]
    assert str(tf.strings.join(["a", "b"], "-")) == "a-b"
    assert tf.strings.to_number(["1.5"]).numpy().tolist() == [1.5]
    picture = (X[0] * 255).astype(np.uint8)
    path = str(tmp_path / "new" / "a.png")
    tf.io.write_file(path, tf.io.encode_png(picture))
    np.testing.assert_array_equal(tf.io.decode_png(tf.io.read_file(path)), picture)
    assert tf.io.gfile.exists(path)
    assert tf.io.gfile.glob(str(tmp_path / "new" / "*")) == [path]


def test_summaries_are_event_files(tf, tmp_path):
    """Within a writer's block they are written, elsewhere not."""
    writer = tf.summary.create_file_writer(str(tmp_path))
    assert not tf.summary.scalar("before", 1.0, step=0)
    with writer.as_default():
        assert tf.summary.scalar("loss_here", 0.5, step=3)
        assert tf.summary.image("pictures", X, step=3)
        assert tf.summary.histogram("weights", X, step=3)
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()
    assert all(word in data for word in (b"loss_here", b"pictures", b"weights", b"PNG"))
    assert b"before" not in data


def test_what_is_only_of_tensorflows_machine_does_nothing(tf):
    """Errors to be caught, options, optimizers of TensorFlow 1."""
    from minicnn.optimizers import Adam

    assert issubclass(tf.errors.OutOfRangeError, Exception)
    assert tf.train.AdamOptimizer is Adam
    assert tf.autograph.experimental.do_not_convert(len) is len
    assert tf.data.experimental.cardinality(tf.data.Dataset.range(3)).numpy() == 3
    with tf.Graph().as_default():
        assert tf.get_default_graph() is not None
