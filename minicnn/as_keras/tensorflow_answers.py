"""What to use instead of names of TensorFlow's that are not here."""

__all__ = ["NOTHING_NEAR", "nearest"]

_FIT = "train with model.fit, or with forward, backward and optimizer.step: examples/custom_loop.py"
_NO_GRAPH = "minicnn has no sessions and no graphs of operations: call the model"
ABSENT = {
    **dict.fromkeys(("GradientTape", "gradients", "Module", "train"), _FIT),
    **dict.fromkeys(("placeholder", "layers", "contrib"), _NO_GRAPH),
    **dict.fromkeys(
        (
            "data.TFRecordDataset",
            "io.TFRecordWriter",
            "io.parse_single_example",
            "io.parse_example",
            "io.FixedLenFeature",
            "io.VarLenFeature",
            "python_io",
            "train.Example",
            "train.Features",
            "train.Feature",
            "train.BytesList",
            "train.Int64List",
            "train.FloatList",
            "TFRecordReader",
        ),
        "minicnn reads no TFRecord files: write .npz, .h5 or pictures where TensorFlow is",
    ),
    **dict.fromkeys(
        ("data.TextLineDataset", "data.make_csv_dataset", "data.CsvDataset", "io.decode_csv"),
        "read the table with numpy.loadtxt or pandas, then Dataset.from_tensor_slices",
    ),
    **dict.fromkeys(
        ("train.Checkpoint", "train.CheckpointManager", "train.latest_checkpoint", "train.Saver"),
        "use callbacks.ModelCheckpoint, or fit(checkpoint=...)",
    ),
    "estimator": "train with model.fit",
    "examples": "use keras.datasets.mnist.load_data()",
    "feature_column": "minicnn is for images: give the model arrays",
    "lookup": "use a dictionary, before the data set is made",
    "profiler": "use Python's cProfile",
    "tpu": "minicnn uses the processor: leave it out",
    "distribute": "minicnn uses the processor: leave it out, or use MirroredStrategy",
    **dict.fromkeys(("RaggedTensor", "SparseTensor", "ragged", "sparse"), "use arrays"),
    **dict.fromkeys(
        ("cond", "case", "while_loop", "map_fn", "scan", "foldl"),
        "use Python's if and for on arrays",
    ),
    "lite": "export_onnx writes a file that other runtimes take",
    "saved_model": "save the model as .keras, .h5 or .onnx",
    "nn": "use keras.layers, keras.activations and keras.losses",
    "hub": "use keras.applications",
    "summary": "use callbacks.TensorBoard, or summary.scalar, image and histogram",
}
"""Names of TensorFlow's that are not here, and the nearest thing."""


NOTHING_NEAR = "use NumPy, or what Keras has"


def nearest(path: str) -> str:
    """What to use instead of a path within TensorFlow.

    >>> nearest("estimator.DNNClassifier")
    'train with model.fit'
    """
    parts = path.split(".")
    above = (".".join(parts[:i]) for i in range(len(parts), 0, -1))
    return next((ABSENT[one] for one in above if one in ABSENT), NOTHING_NEAR)
