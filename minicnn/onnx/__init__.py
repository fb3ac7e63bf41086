"""Models into ONNX files, and from them; what does the work is imported when it is called."""

import os

from minicnn._core.signatures import checked
from minicnn.models.model import Model

__all__ = ["export_onnx", "import_onnx"]


@checked
def export_onnx(model: Model, filepath: str | os.PathLike[str], layout: str = "NHWC") -> None:
    """Write a model to an ONNX file (opset 17, IR version 8), whole or not at all.

    The graph's input is called ``input`` and its output ``output``, several of them
    ``input.<name>`` and ``output.<name>``; they are float32 (of a float64
    model too, as runtimes convolve in single precision), and any number of images goes in at once.
    ``layout`` is the order of the axes of input and output images: "NHWC", as ``predict`` takes and
    gives them, or "NCHW", as most other ONNX files do. Layers that act in training only are left
    out. Nodes and arrays are named after the layers and their parameters (``conv2d_1.kernel``), and
    the names of the classes, if the model has them, are the JSON list ``class_names`` in the file's
    metadata. ONNX' checker sees the file before it gets its name. Needs the package onnx: pip
    install onnx. Raises ``ConfigError`` for a custom layer, whose meaning ONNX cannot know, and for
    a path that does not end in .onnx.

    >>> import tempfile
    >>> model = Sequential([Input((4,)), Dense(3)], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_onnx(model, f"{folder}/model.onnx")
    ...     again = import_onnx(f"{folder}/model.onnx")
    >>> np.array_equal(model.predict(np.eye(4)), again.predict(np.eye(4)))
    True
    """
    from minicnn.onnx.exporting import export

    export(model, filepath, layout)


@checked
def import_onnx(filepath: str | os.PathLike[str]) -> Model:
    """Read a model from an ONNX file, as PyTorch's exporters and ``export_onnx`` write them.

    The model takes and gives images with the channels last, (N, H, W, C), whatever the file's
    do: its kernels are transposed, and where images are flattened, the rows of the next product
    are put in order. Of the file's inputs height, width and channels must be known. Read are
    the layers that minicnn has, in any network: pooling without ``ceil_mode``, activations,
    normalizations, sums, products and concatenations, arithmetic with constants. A row becomes a
    ``Sequential``, another network a ``Model``, which is not compiled.

    Nothing in the file is run and no other file is opened. Raises ``ModelFileError`` with one line,
    which names the node, for anything that minicnn cannot compute exactly, and for a damaged file.
    Needs the package onnx: pip install onnx.

    >>> import tempfile
    >>> model = Sequential([Input((8, 8, 3)), Conv2D(4, 3), Flatten(), Dense(2)], seed=0)
    >>> x = np.ones((1, 8, 8, 3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_onnx(model, f"{folder}/model.onnx", layout="NCHW")
    ...     again = import_onnx(f"{folder}/model.onnx")
    >>> np.allclose(model.predict(x), again.predict(x), atol=1e-5)
    True
    """
    from minicnn.onnx.importing import read_model

    return read_model(filepath)
