"""Pictures a second from a folder of files, beside Keras' and PyTorch's loaders if they are there.

    python benchmarks/folders.py [--peers keras torch] [--rounds 3] [--train] [--epochs 5]

Photographs (JPEG, 500 x 375) brought to 180 x 180, and small PNG files as they are, in shuffled
batches of 32: a first pass over all of them, and later ones, for which minicnn keeps what fits into
its memory for that. With ``--train`` a small convolutional network learns from the same batches, in
each framework on its own layers: its first epoch, which reads the files, the later ones, and
all together. They take turns, each in a process of its own (TensorFlow and PyTorch in one may
crash), and of each the quickest round counts. PyTorch's is a Dataset that opens files with Pillow,
and a DataLoader with as many workers as there are cores; torchvision is not used.
"""

import argparse
import os
import select
import subprocess
import sys
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

BATCH = 32
CLASSES = 4
KINDS = {"jpg": ((375, 500), (180, 180)), "png": ((64, 64), (64, 64))}
"""The pixels of the files, and of the images that are made of them."""


def write_pictures(folder, ending, shape, n):
    """Write n pictures with large forms and a little noise, in the folders of four classes."""
    rng = np.random.default_rng(0)
    for i in range(n):
        height, width = shape
        forms = rng.integers(0, 256, (height // 24 + 2, width // 24 + 2, 3), np.uint8)
        pixels = np.asarray(Image.fromarray(forms).resize((width, height), Image.BICUBIC))
        pixels = (pixels + rng.normal(0, 4, pixels.shape)).clip(0, 255).astype(np.uint8)
        path = Path(folder) / f"class {i % CLASSES}" / f"{i:05}.{ending}"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path, quality=90)


class MiniCNN:
    """minicnn's data set and layers."""

    def __init__(self, folder, size):
        from minicnn.utils import image_dataset_from_directory

        with redirect_stdout(StringIO()):  # it says how many it found
            self.data = image_dataset_from_directory(
                folder, image_size=size, batch_size=BATCH, seed=0
            )
        self.model = None
        self.size = size

    def read(self):
        """A pass over the pictures; how many there were."""
        return sum(len(x) for x, y in self.data)

    def train(self):
        """An epoch."""
        if self.model is None:
            import minicnn

            self.model = network(minicnn, minicnn, self.size)
        self.model.fit(self.data, epochs=1, verbose=0)
        return len(self.data.file_paths)


class Keras(MiniCNN):
    """The same of Keras, with TensorFlow."""

    def __init__(self, folder, size):
        import keras

        with redirect_stdout(StringIO()):
            self.data = keras.utils.image_dataset_from_directory(
                folder, image_size=size, batch_size=BATCH, seed=0
            )
        self.n = len(self.data.file_paths)
        self.model = network(keras, keras.layers, size)

    def train(self):
        """An epoch."""
        self.model.fit(self.data, epochs=1, verbose=0)
        return self.n


def network(models, layers, size):
    """A small convolutional network in the words that Keras and minicnn share."""
    model = models.Sequential(
        [
            layers.Input((*size, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


class Torch:
    """PyTorch's DataLoader over files that Pillow reads, and its layers."""

    def __init__(self, folder, size):
        import torch
        from torch import nn

        class Files(torch.utils.data.Dataset):
            """A folder's pictures."""

            def __init__(self):
                self.paths = sorted(Path(folder).glob("*/*"))
                names = sorted({path.parent.name for path in self.paths})
                self.labels = [names.index(path.parent.name) for path in self.paths]

            def __len__(self):
                return len(self.paths)

            def __getitem__(self, i):
                with Image.open(self.paths[i]) as picture:
                    resized = picture.convert("RGB").resize(size[::-1], Image.Resampling.BILINEAR)
                return torch.from_numpy(np.asarray(resized).transpose(2, 0, 1) / np.float32(255)), (
                    self.labels[i]
                )

        self.torch = torch
        self.data = torch.utils.data.DataLoader(
            Files(), BATCH, shuffle=True, num_workers=os.cpu_count(), persistent_workers=True
        )
        self.model = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2), nn.ReLU(), nn.Conv2d(16, 32, 3, 2), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, CLASSES),
        )  # fmt: skip
        self.optimizer = torch.optim.Adam(self.model.parameters())
        self.loss = nn.CrossEntropyLoss()

    def read(self):
        """A pass over the pictures; how many there were."""
        return sum(len(x) for x, y in self.data)

    def train(self):
        """An epoch."""
        n = 0
        for x, y in self.data:
            self.optimizer.zero_grad()
            self.loss(self.model(x), y).backward()
            self.optimizer.step()
            n += len(x)
        return n


LOADERS = {"minicnn": MiniCNN, "keras": Keras, "torch": Torch}


PATIENCE = 120
"""Seconds for one round of one framework, after which it is left out."""


class Peer:
    """A framework in a process of its own."""

    def __init__(self, name, folder, size):
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", name, folder, *map(str, size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def seconds(self, what, epochs):
        """The seconds of one round: of a pass, or of each of the epochs; none if it is left out."""
        if self.process is None:
            return []
        print(what, epochs, file=self.process.stdin, flush=True)
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        answer = self.process.stdout.readline() if ready else ""
        if not answer:
            how = "has ended" if ready else f"takes more than {PATIENCE} seconds"
            print(f"{self.name} {how} and is left out", file=sys.stderr)
            self.end()
        return [float(part) for part in answer.split()]

    def end(self):
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
        self.process = None


def serve(name, folder, size):
    """Answer in a process: do what each line says, and print how many seconds it took."""
    answers, sys.stdout = sys.stdout, sys.stderr
    make, loader = LOADERS[name], None
    make(folder, size)  # imports are not counted
    for line in sys.stdin:
        what, epochs = line.split()
        if what != "later":
            del loader  # and all that it kept
            loader = make(folder, size)
        took = []
        for _ in range(int(epochs)):
            started = time.perf_counter()
            loader.train() if what == "train" else loader.read()
            took.append(time.perf_counter() - started)
        print(*took, file=answers, flush=True)


def main(arguments=None):
    """Print a row for each kind of files."""
    about = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(description=about, usage=argparse.SUPPRESS)
    parser.add_argument("--peers", nargs="*", choices=["keras", "torch"], default=[])
    parser.add_argument("--rounds", type=int, default=3, help="the quickest of them counts")
    parser.add_argument("--pictures", type=int, default=2000, help="of each kind")
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--train", action="store_true", help="train a small network as well")
    parser.add_argument("--epochs", type=int, default=5, help="of such a training")
    parser.add_argument("--serve", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        name, folder, *size = options.serve
        serve(name, folder, tuple(map(int, size)))
        return
    names = ["minicnn", *options.peers]
    print(f"| pictures a second | {' | '.join(names)} | times |")
    print(f"|---|{'--:|' * (len(names) + 1)}")
    for ending in options.kinds:
        shape, size = KINDS[ending]
        title = f"{ending}, {shape[1]} x {shape[0]} to {size[1]} x {size[0]}"
        with TemporaryDirectory() as folder:
            write_pictures(folder, ending, shape, options.pictures)
            peers = [Peer(name, folder, size) for name in names]
            try:
                for what, rates in measured(peers, options):
                    best = max(rates[1:], default=rates[0])
                    figures = " | ".join(f"{rate:,.0f}" if rate else "-" for rate in rates)
                    times = f"{rates[0] / best:.2f}" if best else "-"
                    print(f"| {title}, {what} | {figures} | {times} |", flush=True)
            finally:
                for peer in peers:
                    peer.end()


def measured(peers, options):
    """The rows: of what, and the pictures a second of each framework in its quickest round."""
    kinds = {"first": 1, "later": 1} | ({"train": options.epochs} if options.train else {})
    for kind, epochs in kinds.items():
        took = {peer: [] for peer in peers}
        for _ in range(options.rounds):
            for peer in peers:
                took[peer].append(peer.seconds(kind, epochs) or [float("inf")] * epochs)
        parts = {f"{kind} pass": slice(0, 1)}
        if kind == "train":
            parts = {
                "first epoch": slice(0, 1),
                "later epochs": slice(1, None),
                f"{epochs} epochs": slice(None),
            }
        for title, part in parts.items():
            n = options.pictures * len(range(epochs)[part])
            yield title, [n / min(sum(one[part]) for one in took[peer]) for peer in peers]


if __name__ == "__main__":
    main()
