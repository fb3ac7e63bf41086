"""Functions of tensors: the numbers and the precisions of ``keras.ops``."""

import numpy as np
import pytest

from minicnn import backend, ops

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
rng = np.random.default_rng(0)
X = rng.uniform(0.1, 0.9, (3, 4)).astype("float32")
Y = rng.uniform(0.1, 0.9, (3, 4)).astype("float32")
WHOLE = rng.integers(1, 5, (3, 4)).astype("int32")
IMAGES = rng.uniform(0, 1, (2, 5, 6, 3)).astype("float32")

WHOLE_TOO = """
    abs absolute arcsinh arctan cos cosh exp expm1 isfinite isinf isnan log log10 log1p log2
    logical_not negative sign sin sinh sqrt square tan relu relu6 leaky_relu mean sum max min std
    var prod all any argmax argmin amax amin median zeros_like ones_like transpose squeeze ravel
    sort argsort flip cumsum cumprod norm shape size ndim diag trace tril triu convert_to_numpy
    convert_to_tensor average round trunc
""".split()  # noqa: SIM905 - they are read at a glance
UNARY = """
    arccos arcsin arctanh ceil floor reciprocal rsqrt tanh hard_sigmoid hard_silu selu sigmoid
    silu softplus softsign swish softmax log_softmax elu normalize logsumexp
""".split()  # noqa: SIM905
BINARY = """
    add arctan2 divide equal floor_divide greater greater_equal less less_equal logical_and
    logical_or logical_xor maximum minimum mod multiply not_equal power subtract true_divide
    divide_no_nan
""".split()  # noqa: SIM905
CALLS = [
    *((name, (x,), {}) for name in WHOLE_TOO for x in (X, WHOLE)),
    *((name, (X,), {}) for name in UNARY),
    *((name, pair, {}) for name in BINARY for pair in ((X, Y), (X, 0.5), (WHOLE, 2))),
    *((name, (X,), {"axis": 1, "keepdims": True}) for name in ("mean", "sum", "max", "std", "any")),
    *((name, (X,), {"axis": (0, 1)}) for name in ("mean", "sum", "max", "var")),
    ("argmax", (X,), {"axis": 1}),
    ("average", (X,), {"axis": 1, "weights": Y}),
    ("softmax", (X,), {"axis": 0}),
    ("clip", (X, 0.3, 0.6), {}),
    ("cast", (X, "int32"), {}),
    ("reshape", (X, (2, -1)), {}),
    ("expand_dims", (X, 1), {}),
    ("transpose", (IMAGES, (0, 3, 1, 2)), {}),
    ("concatenate", ([X, Y],), {"axis": 1}),
    ("stack", ([X, Y],), {"axis": 1}),
    ("split", (X, 2), {"axis": 1}),
    ("tile", (X, (2, 1)), {}),
    ("repeat", (X, 2), {"axis": 0}),
    ("pad", (X, ((1, 0), (0, 2))), {}),
    ("take", (X, [2, 0]), {"axis": 1}),
    ("roll", (X, 1), {"axis": 1}),
    ("slice", (X, (1, 0), (2, 3)), {}),
    ("where", (X > 0.5, X, Y), {}),
    ("zeros", ((2, 3),), {}),
    ("ones", ((2, 3),), {}),
    ("full", ((2, 3), 0.5), {}),
    ("eye", (3,), {}),
    ("arange", (5,), {}),
    ("arange", (1.0, 3.0, 0.5), {}),
    ("linspace", (0, 1, 5), {}),
    ("matmul", (X, Y.T), {}),
    ("dot", (X, Y.T), {}),
    ("outer", (X[0], Y[0]), {}),
    ("tensordot", (X, Y), {"axes": 2}),
    ("einsum", ("ij,kj->ik", X, Y), {}),
    ("one_hot", (WHOLE, 5), {}),
    ("top_k", (X,), {"k": 2}),
    ("in_top_k", (WHOLE[0, :3] - 1, X, 2), {}),
    ("binary_crossentropy", (np.round(Y), X), {}),
    ("binary_crossentropy", (np.round(Y), X), {"from_logits": True}),
    ("categorical_crossentropy", (np.eye(4, dtype="f")[:3], X), {}),
    ("categorical_crossentropy", (np.eye(4, dtype="f")[:3], X), {"from_logits": True}),
    ("sparse_categorical_crossentropy", (WHOLE[0, :3] - 1, X), {}),
    ("mean", ([1, 2, 4],), {}),
    ("sum", ([1.5, 2.0],), {}),
]
LEGACY = [
    *((name, (X,), {}) for name in ("abs", "square", "sqrt", "exp", "log", "sign", "round")),
    *((name, (X,), {"axis": 1}) for name in ("mean", "sum", "max", "min", "std", "l2_normalize")),
    *((name, (X,), {}) for name in ("argmax", "argmin", "flatten", "transpose", "expand_dims")),
    *((name, (X, Y), {}) for name in ("equal", "greater", "maximum", "minimum")),
    ("batch_flatten", (IMAGES,), {}),
    ("permute_dimensions", (X, (1, 0)), {}),
    ("concatenate", ([X, Y],), {}),
    ("clip", (X, 0.2, 0.4), {}),
    ("dot", (X, Y.T), {}),
    ("relu", (X - 0.5,), {"alpha": 0.1, "max_value": 0.2}),
    ("repeat", (X, 3), {}),
    ("repeat_elements", (X, 2, 1), {}),
    ("reverse", (X, 1), {}),
    ("resize_images", (IMAGES, 2, 3, "channels_last"), {}),
    ("spatial_2d_padding", (IMAGES,), {}),
    ("gather", (X, [2, 0]), {}),
    ("one_hot", (WHOLE, 5), {}),
    ("binary_crossentropy", (np.round(Y), X), {}),
    ("categorical_crossentropy", (np.eye(4, dtype="f")[:3], X), {}),
]


def named(call):
    return f"{call[0]} {call[2] or ''}"


def agree(ours, theirs):
    many = isinstance(theirs, list | tuple) and not isinstance(ours, tuple | int)
    if many or (isinstance(ours, tuple) and hasattr(theirs[0], "dtype")):
        assert len(ours) == len(theirs)
        for pair in zip(ours, theirs, strict=True):
            agree(*pair)
        return
    theirs = np.asarray(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-6)
    if theirs.dtype.kind == "f":
        assert np.asarray(ours).dtype == theirs.dtype


@pytest.mark.parametrize("call", CALLS, ids=named)
def test_ops(call):
    """``keras.ops`` gives the same numbers, in the same precision."""
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    name, args, options = call
    agree(getattr(ops, name)(*args, **options), getattr(keras.ops, name)(*args, **options))


@pytest.mark.parametrize("call", LEGACY, ids=named)
def test_backend(call):
    """``keras.backend``, as Keras 3 still has it, gives the same numbers."""
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    legacy = pytest.importorskip("keras._tf_keras.keras.backend")
    name, args, options = call
    tensors = tf.nest.map_structure(lambda x: tf.constant(x) if hasattr(x, "dtype") else x, args)
    agree(getattr(backend, name)(*args, **options), getattr(legacy, name)(*tensors, **options))
