"""How each framework is asked to build, train and predict, as its users would ask it.

A framework is imported, and told its number of threads, when its class is called; before
that nothing here imports one. ``environment`` says what must be set before its process starts.
"""

import os
import platform
from pathlib import Path

import networks
from networks import BATCH

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


class Framework:
    """One line of the tables."""

    title: str
    modules: tuple[str, ...]
    """What must be installed. Importing the first imports all."""
    counts_threads = True
    """Whether the number of its threads can be set."""

    @classmethod
    def applies(cls):
        """Whether this machine has a use for the line."""
        return True

    @classmethod
    def environment(cls, threads):
        """What must be set before its process starts; None is for what must not be."""
        return {}

    @property
    def version(self):
        raise NotImplementedError

    def build(self, network):
        """Make the model with the weights that all have, ready to train with Adam."""
        raise NotImplementedError

    def load(self, x, y):
        """Take images and labels, in the layout that suits."""
        raise NotImplementedError

    def loss(self):
        raise NotImplementedError

    def train(self, epochs):
        raise NotImplementedError

    def predict(self):
        raise NotImplementedError


class KerasLike(Framework):
    """Keras' verbs, which are minicnn's too."""

    def use(self, sequential, layers, adam, crossentropy):
        self.sequential, self.layers = sequential, layers
        self.adam, self.crossentropy = adam, crossentropy

    def build(self, network):
        stack = [self.layers.Input(network.shape)]
        for layer in network.layers:
            match layer:
                case networks.Conv(filters, kernel, padding):
                    stack.append(self.layers.Conv2D(filters, kernel, padding=padding))
                case networks.MaxPool(size):
                    stack.append(self.layers.MaxPooling2D(size))
                case networks.AvgPool(size):
                    stack.append(self.layers.AveragePooling2D(size))
                case networks.Dense(units):
                    stack.append(self.layers.Dense(units))
                case networks.ReLU():
                    stack.append(self.layers.ReLU())
                case networks.Flatten():
                    stack.append(self.layers.Flatten())
        self.model = self.sequential(stack)
        self.model.compile(self.adam(1e-3), self.crossentropy(from_logits=True))
        self.model.set_weights(networks.weights(network))

    def load(self, x, y):
        self.x, self.y = x, y

    def loss(self):
        return float(self.model.evaluate(self.x, self.y, batch_size=BATCH, verbose=0))

    def train(self, epochs):
        self.model.fit(self.x, self.y, batch_size=BATCH, epochs=epochs, shuffle=True, verbose=0)

    def predict(self):
        self.model.predict(self.x, batch_size=BATCH, verbose=0)


class MiniCNN(KerasLike):
    """minicnn with the OpenBLAS kernels that it advises, also against the user's own setting."""

    title = "minicnn"
    modules = ("minicnn",)

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
        self.use(minicnn.Sequential, minicnn, minicnn.Adam, SparseCategoricalCrossentropy)

    @property
    def version(self):
        from threadpoolctl import threadpool_info

        import minicnn

        kernels = {pool.get("architecture") for pool in threadpool_info()} - {None}
        return f"minicnn {minicnn.__version__} on {', '.join(sorted(kernels)) or 'unknown'} BLAS"


class MiniCNNAsFound(MiniCNN):
    """minicnn in the environment as it is, where that gives it slower kernels."""

    title = "minicnn, OpenBLAS as found"

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
        self.use(keras.Sequential, keras.layers, keras.optimizers.Adam, crossentropy)

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


class Torch(Framework):
    """A plain training script."""

    title = "PyTorch, NCHW"
    modules = ("torch",)

    def __init__(self, threads):
        import torch

        torch.set_num_threads(threads)
        self.torch = torch
        self.memory_format = torch.contiguous_format

    @property
    def version(self):
        return f"PyTorch {self.torch.__version__}"

    def build(self, network):
        nn = self.torch.nn
        stack = []
        for layer, (_, _, c) in networks.with_shapes(network):
            match layer:
                case networks.Conv(filters, kernel, padding):
                    total = kernel - 1 if padding == "same" else 0
                    if total % 2:  # Keras puts the odd pixel at the bottom and right
                        before, after = total // 2, total - total // 2
                        stack.append(nn.ZeroPad2d((before, after, before, after)))
                        total = 0
                    stack.append(nn.Conv2d(c, filters, kernel, padding=total // 2))
                case networks.MaxPool(size):
                    stack.append(nn.MaxPool2d(size))
                case networks.AvgPool(size):
                    stack.append(nn.AvgPool2d(size))
                case networks.Dense(units):
                    stack.append(nn.Linear(c, units))
                case networks.ReLU():
                    stack.append(nn.ReLU())
                case networks.Flatten():
                    stack.append(nn.Flatten())
        self.model = nn.Sequential(*stack).to(memory_format=self.memory_format)
        with self.torch.no_grad():
            for parameter, array in zip(
                self.model.parameters(), in_torch_layouts(network), strict=True
            ):
                parameter.copy_(self.torch.from_numpy(array))
        self.crossentropy = nn.CrossEntropyLoss()
        # Fused is the fastest Adam that PyTorch has on a processor; the epsilon is Keras'.
        self.optimizer = self.torch.optim.Adam(
            self.model.parameters(), lr=1e-3, eps=1e-7, fused=True
        )

    def load(self, x, y):
        x = self.torch.from_numpy(x).permute(0, 3, 1, 2)
        self.x = x.contiguous(memory_format=self.memory_format)
        self.y = self.torch.from_numpy(y)

    def loss(self):
        with self.torch.inference_mode():
            return self.crossentropy(self.model(self.x), self.y).item()

    def train(self, epochs):
        self.model.train()
        for _ in range(epochs):
            for batch in self.torch.randperm(len(self.x)).split(BATCH):
                self.optimizer.zero_grad()
                self.crossentropy(self.model(self.x[batch]), self.y[batch]).backward()
                self.optimizer.step()

    def predict(self):
        self.model.eval()
        with self.torch.inference_mode():
            self.torch.cat([self.model(batch) for batch in self.x.split(BATCH)])


class TorchChannelsLast(Torch):
    title = "PyTorch, channels_last"

    def __init__(self, threads):
        super().__init__(threads)
        self.memory_format = self.torch.channels_last


def in_torch_layouts(network):
    """The common weights as PyTorch has them: outputs first, and images channels first."""
    arrays = iter(networks.weights(network))
    flattened = None
    for layer, shape in networks.with_shapes(network):
        match layer:
            case networks.Conv():
                yield next(arrays).transpose(3, 2, 0, 1)
                yield next(arrays)
            case networks.Flatten():
                flattened = shape
            case networks.Dense(units):
                kernel = next(arrays)
                if flattened:  # its inputs come channel by channel in PyTorch
                    kernel = kernel.reshape(*flattened, units).transpose(2, 0, 1, 3)
                    flattened = None
                yield kernel.reshape(-1, units).T
                yield next(arrays)


FRAMEWORKS = {
    "minicnn": MiniCNN,
    "minicnn-as-found": MiniCNNAsFound,
    "torch": Torch,
    "torch-channels-last": TorchChannelsLast,
    "keras-tensorflow": KerasTensorFlow,
    "keras-jax": KerasJAX,
}
OURS = ("minicnn", "minicnn-as-found")


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
