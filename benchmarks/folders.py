"""Pictures a second from a folder of files, beside Keras' and PyTorch's loaders if they are there.

    python benchmarks/folders.py [--peers keras torch] [--rounds 5] [--train]

Photographs (JPEG, 500 x 375) brought to 180 x 180, and small PNG files as they are, in shuffled
batches of 32: a first pass over all of them, and later ones, for which minicnn keeps what fits into
its memory for that. With ``--train`` a small convolutional network learns from the same batches in
later epochs, in each framework on its own layers. They take turns, and of each the quickest round
counts. PyTorch's is a Dataset that opens files with Pillow, and a DataLoader with as many
workers as there are cores; torchvision is not used.
"""

import argparse
import os
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


def main(arguments=None):
    """Print a row for each kind of files."""
    about = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(description=about, usage=argparse.SUPPRESS)
    parser.add_argument("--peers", nargs="*", choices=["keras", "torch"], default=[])
    parser.add_argument("--rounds", type=int, default=5, help="the quickest of them counts")
    parser.add_argument("--pictures", type=int, default=2000, help="of each kind")
    parser.add_argument("--train", action="store_true", help="train a small network as well")
    options = parser.parse_args(arguments)
    names = ["minicnn", *options.peers]
    print(f"| pictures a second | {' | '.join(names)} | times |")
    print(f"|---|{'--:|' * (len(names) + 1)}")
    for ending, (shape, size) in KINDS.items():
        with TemporaryDirectory() as folder:
            write_pictures(folder, ending, shape, options.pictures)
            loaders = {name: LOADERS[name](folder, size) for name in names}
            passes = {
                "first": "read",
                "later": "read",
                **({"train": "train"} if options.train else {}),
            }
            for what, method in passes.items():
                fresh = what == "first"
                rates = rates_of(loaders, method, options.rounds, (folder, size) if fresh else ())
                best = max([rates[name] for name in options.peers], default=rates["minicnn"])
                figures = " | ".join(f"{rates[name]:,.0f}" for name in names)
                title = f"{ending}, {shape[1]} x {shape[0]} to {size[1]} x {size[0]}, {what}"
                print(f"| {title} | {figures} | {rates['minicnn'] / best:.2f} |", flush=True)


def rates_of(loaders, method, rounds, anew=()):
    """Pictures a second of each, in its quickest round but for one before; or ``anew`` in each."""
    rates = dict.fromkeys(loaders, 0.0)
    for number in range(rounds + (not anew)):
        for name in loaders:
            if anew and number:
                loaders[name] = LOADERS[name](*anew)
            started = time.perf_counter()
            n = getattr(loaders[name], method)()
            rate = n / (time.perf_counter() - started)
            rates[name] = max(rates[name], rate) if number or anew else rates[name]
    return rates


if __name__ == "__main__":
    main()
