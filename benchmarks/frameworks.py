"""How each framework is asked to build, train and predict, as its users would ask it.

A framework is imported, and told its number of threads, when its class is called; before
that nothing here imports one. ``environment`` says what must be set before its process starts.
"""

import os
import platform
import tempfile
from pathlib import Path

import networks
import numpy as np
from framework import INFERENCE, LATENCY, STEP, Framework
from pytorch import Torch, TorchChannelsLast

THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
)


def better_coretype():
    """The OPENBLAS_CORETYPE that ``minicnn doctor`` advises here, or None."""
    from minicnn._parallel import blas

    return blas.better_coretype()


class KerasLike(Framework):
    """Keras' verbs, which are minicnn's too."""

    def use(self, model, layers, adam, crossentropy):
        self.make, self.layers = model, layers
        self.adam, self.crossentropy = adam, crossentropy

    def build(self, network):
        made = []
        image = self.layers.Input(network.shape)
        self.model = self.make(image, self._through(networks.parts(network), image, made))
        self.model.compile(self.adam(1e-3), self.crossentropy(from_logits=True))
        for layer, arrays in made:
            layer.set_weights(arrays)

    def _through(self, parts, x, made):
        """What the layers make of a tensor; ``made`` gets each with its first weights."""
        for part in parts:
            if isinstance(part.layer, networks.Residual):
                ways = [self._through(way, x, made) for way in (part.body, part.shortcut)]
                x = self.layers.Add()(ways)
                continue
            layer = self._layer(part.layer)
            x = layer(x)
            if part.arrays:
                made.append((layer, part.arrays))
        return x

    def _layer(self, layer):
        match layer:
            case networks.Conv(filters, kernel, padding, strides, bias):
                return self.layers.Conv2D(filters, kernel, strides, padding, use_bias=bias)
            case networks.Depthwise(kernel, strides):
                return self.layers.DepthwiseConv2D(kernel, strides, "same", use_bias=False)
            case networks.BatchNorm():
                return self.layers.BatchNormalization(
                    momentum=networks.MOMENTUM, epsilon=networks.EPSILON
                )
            case networks.MaxPool(size, padding):
                return self.layers.MaxPooling2D(size, padding=padding)
            case networks.AvgPool(size):
                return self.layers.AveragePooling2D(size)
            case networks.GlobalAvgPool():
                return self.layers.GlobalAveragePooling2D()
            case networks.Dense(units):
                return self.layers.Dense(units)
            case networks.ReLU(most):
                return self.layers.ReLU(max_value=most)
            case networks.Dropout(rate):
                return self.layers.Dropout(rate)
            case networks.Flatten():
                return self.layers.Flatten()

    def load(self, x, y):
        self.x, self.y = x, y

    def losses(self):
        x, y = self.x[: self.batch], self.y[: self.batch]
        outside = self.model.evaluate(x, y, batch_size=self.batch, verbose=0)
        return [float(outside), float(self.model.train_on_batch(x, y))]

    def train(self, epochs):
        self.model.fit(
            self.x, self.y, batch_size=self.batch, epochs=epochs, shuffle=True, verbose=0
        )

    def predict(self):
        self.model.predict(self.x, batch_size=self.batch, verbose=0)

    def predict_one(self, i):
        self.model.predict_on_batch(self.x[i : i + 1])


class MiniCNN(KerasLike):
    """minicnn with the OpenBLAS kernels that it advises, also against the user's own setting."""

    title = "minicnn"
    modules = ("minicnn",)
    kernels = None
    """The name of a kernel set, or None for the one that minicnn chooses."""

    @classmethod
    def environment(cls, threads):
        better = better_coretype()
        if better is None:
            return {}
        # A size of the cache goes with the kernels that it was set for.
        return {"OPENBLAS_CORETYPE": better, "OPENBLAS_L2_SIZE": None}

    def __init__(self, threads):
        import minicnn
        from minicnn.losses import SparseCategoricalCrossentropy

        minicnn.set_threads(threads)
        self.use(self._model, minicnn, minicnn.Adam, SparseCategoricalCrossentropy)

    def _model(self, *ends):
        import minicnn

        chosen = {} if self.kernels is None else {"kernels": self.kernels}
        return minicnn.Model(*ends, **chosen)

    def _kernel_set(self):
        import minicnn

        return self.kernels or minicnn.Sequential().kernels

    @property
    def version(self):
        from threadpoolctl import threadpool_info

        import minicnn

        kernels = self._kernel_set()
        if kernels == "compiled":
            from minicnn.kernels.compiled import library

            kernels += f" by {library.compiler_version()}"
        blas = {pool.get("architecture") for pool in threadpool_info()} - {None}
        return (
            f"minicnn {minicnn.__version__}, {kernels}, "
            f"on {', '.join(sorted(blas)) or 'unknown'} BLAS"
        )


class MiniCNNVectorized(MiniCNN):
    title = "minicnn, vectorized"
    kernels = "vectorized"


class MiniCNNInNotebook(MiniCNN):
    """The same in a notebook's kernel, which has threads of its own."""

    title = "minicnn, in a notebook"
    modules = ("minicnn", "nbclient", "ipykernel")
    quantities = (STEP,)
    networks = ("signs", "small")
    in_notebook = True


class MiniCNNAsFound(MiniCNN):
    """minicnn in the environment as it is, where that gives it slower kernels."""

    title = "minicnn, BLAS as found"

    @classmethod
    def applies(cls):
        return better_coretype() is not None

    @classmethod
    def environment(cls, threads):
        return {}


class Keras(KerasLike):
    backend: str

    @classmethod
    def environment(cls, threads):
        return {"KERAS_BACKEND": cls.backend}

    def __init__(self, threads):
        import keras

        crossentropy = keras.losses.SparseCategoricalCrossentropy
        self.use(keras.Model, keras.layers, keras.optimizers.Adam, crossentropy)

    @property
    def version(self):
        import keras

        return f"Keras {keras.__version__}"


class KerasTensorFlow(Keras):
    title = "Keras on TensorFlow"
    modules = ("keras", "tensorflow")
    backend = "tensorflow"

    def __init__(self, threads):
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
        super().__init__(threads)

    @property
    def version(self):
        import tensorflow

        return f"{super().version} on TensorFlow {tensorflow.__version__}"


class KerasJAX(Keras):
    title = "Keras on JAX"
    modules = ("keras", "jax")
    backend = "jax"
    counts_threads = False  # it takes all cores

    @property
    def version(self):
        import jax

        return f"{super().version} on JAX {jax.__version__}"


class OnnxRuntime(Framework):
    """The network as minicnn exports it; it only predicts."""

    title = "onnxruntime"
    modules = ("onnxruntime", "onnx")
    quantities = (INFERENCE, LATENCY)

    def __init__(self, threads):
        import onnxruntime

        self.onnxruntime, self.threads = onnxruntime, threads

    @property
    def version(self):
        return f"onnxruntime {self.onnxruntime.__version__}"

    def build(self, network):
        from minicnn.onnx import export_onnx

        source = MiniCNN(self.threads)
        source.build(network)
        options = self.onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.onnx")
            export_onnx(source.model, path, layout="NCHW")
            self.session = self.onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )

    def load(self, x, y):
        self.x, self.y = np.ascontiguousarray(x.transpose(0, 3, 1, 2)), y

    def losses(self):
        (logits,) = self._run(slice(self.batch))
        logits = logits.astype(float)
        picked = logits[np.arange(len(logits)), self.y[: self.batch]]
        return [float(np.mean(np.log(np.exp(logits).sum(axis=1)) - picked))]

    def predict(self):
        starts = range(0, len(self.x), self.batch)
        np.concatenate([self._run(slice(i, i + self.batch))[0] for i in starts])

    def predict_one(self, i):
        self._run(slice(i, i + 1))

    def _run(self, images):
        return self.session.run(None, {"input": self.x[images]})


FRAMEWORKS = {
    "minicnn": MiniCNN,
    "minicnn-vectorized": MiniCNNVectorized,
    "minicnn-in-notebook": MiniCNNInNotebook,
    "minicnn-as-found": MiniCNNAsFound,
    "torch": Torch,
    "torch-channels-last": TorchChannelsLast,
    "keras-tensorflow": KerasTensorFlow,
    "keras-jax": KerasJAX,
    "onnxruntime": OnnxRuntime,
}
OURS = tuple(key for key, framework in FRAMEWORKS.items() if issubclass(framework, MiniCNN))
LEFT_OUT = ("keras-jax",)
"""What is measured only when it is asked for: with it a comparison takes an hour."""


def cores():
    """How many threads can run at once."""
    if hasattr(os, "sched_getaffinity"):  # a container or taskset may leave us fewer than exist
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor():
    """The processor's name, as far as the system tells."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
