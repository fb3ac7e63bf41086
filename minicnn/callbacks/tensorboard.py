"""The callback that writes what TensorBoard shows; neither it nor TensorFlow need be there."""

import io
import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.console import warn
from minicnn._core.shapes import Array
from minicnn._files import event_file
from minicnn._files.atomic import reason
from minicnn._files.event_file import EventFile
from minicnn._files.paths import path_of
from minicnn.callbacks.base import Callback, Logs
from minicnn.errors import ConfigError, shown

MOST_IMAGES = 3
"""Pictures of a weight that TensorBoard is given, as by Keras."""


class TensorBoard(Callback):
    """Write event files for ``tensorboard --logdir log_dir``: curves, histograms, pictures.

    Into ``log_dir/train`` and ``log_dir/validation`` go the logs of each epoch, and of every
    ``update_freq``-th batch where that is a number ("batch" is 1). With ``histogram_freq`` the
    weights' distributions are written after every so many epochs, with ``write_images`` pictures of
    them too; ``write_graph`` writes the layers and what they take. A resumed run goes on where the
    checkpoint was. If nothing can be written, as on a full drive, one warning says so. There are no
    profiles and no embeddings. The viewer is not needed here: ``pip install tensorboard``.

    >>> TensorBoard("runs/first", histogram_freq=1).log_dir
    PosixPath('runs/first')
    """

    first_rank_only = True

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
        batch_size: int | None = None,
        write_grads: bool = False,
    ) -> None:
        self.log_dir = path_of("TensorBoard", "log_dir", log_dir)
        whole = partial(whole_number, "TensorBoard")
        self.histogram_freq = whole("histogram_freq", histogram_freq, least=0)
        whole("embeddings_freq", embeddings_freq, least=0)
        for batch in profile_batch if isinstance(profile_batch, tuple | list) else [profile_batch]:
            whole("profile_batch", batch, least=0)
        if batch_size is not None:
            whole("batch_size", batch_size)
        if embeddings_metadata is not None:
            raise ConfigError(
                f"TensorBoard: expected no embeddings_metadata, got {shown(embeddings_metadata)}: "
                "minicnn has no embeddings."
            )
        if update_freq not in ("epoch", "batch"):
            if isinstance(update_freq, str):
                raise ConfigError(
                    "TensorBoard: expected update_freq as 'epoch', 'batch' or a number of batches, "
                    f"got {shown(update_freq)}."
                )
            whole("update_freq", update_freq)
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = update_freq
        self.profile_batch = profile_batch
        self.embeddings_freq = embeddings_freq
        self.embeddings_metadata = embeddings_metadata
        self.batch_size = batch_size
        self.write_grads = write_grads
        self.files: dict[str, EventFile] = {}
        self.batches = 0
        self.begun = (0.0, 0)
        """When the epoch began, and after how many batches."""
        self.failed = False
        missing = [name for name in ("profile_batch", "embeddings_freq") if getattr(self, name)]
        missing += ["write_grads"] * self.write_grads
        if missing:
            warn(f"TensorBoard: {', '.join(missing)} writes nothing here.", UserWarning)

    def on_train_begin(self, logs: Logs) -> None:
        """New files, made when there is something to write."""
        self.files, self.batches, self.failed = {}, 0, False
        if self.write_graph and not self.params.get("resumed", False):
            self._write("train", lambda file: file.add_graph(event_file.graph(_nodes(self.model))))

    def get_state(self) -> Logs:
        """The batches so far, and how long the files are."""
        files = {str(file.path): _size(file.path) for file in self.files.values()}
        return {"batches": self.batches, "files": list(files), "sizes": list(files.values())}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Cut off what was written after the checkpoint; what follows goes into new files."""
        self.batches = int(state["batches"])
        for name, size in zip(state["files"], state["sizes"], strict=True):
            path = Path(str(name))
            if path.parent.parent == self.log_dir and _size(path) > int(size):
                self._try(partial(os.truncate, path, int(size)))

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Look at the clock."""
        self.begun = time.perf_counter(), self.batches

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """Write the means so far, if it is one of the batches to be written."""
        self.batches += 1
        every = 1 if self.update_freq == "batch" else self.update_freq
        if isinstance(every, int | np.integer) and self.batches % every == 0:
            self._scalars("train", self.batches, "batch_{}", logs)

    def on_test_end(self, logs: Logs) -> None:
        """Write the validation's logs over the steps of the optimizer."""
        steps = self.model.optimizer.iterations
        self._scalars("validation", steps, "evaluation_{}_vs_iterations", logs)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write the logs of the epoch, its learning rate, and the weights if it is their turn."""
        training = {name: x for name, x in logs.items() if not name.startswith("val_")}
        training["learning_rate"] = self.model.optimizer.learning_rate
        if self.write_steps_per_second:
            seconds = time.perf_counter() - self.begun[0]
            training["steps_per_second"] = (self.batches - self.begun[1]) / max(seconds, 1e-9)
        validation = {name[4:]: x for name, x in logs.items() if name.startswith("val_")}
        self._scalars("train", epoch, "epoch_{}", training)
        self._scalars("validation", epoch, "epoch_{}", validation)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write("train", lambda file: file.add(epoch, *self._weights()))

    def _weights(self) -> Iterator[bytes]:
        for name, layer in self.model.leaves():
            for key, array in layer.arrays().items():
                tag = f"{name.replace('.', '/')}/{key}"
                yield event_file.histogram(f"{tag}/histogram", array)
                if self.write_images and (pictures := weight_images(array)) is not None:
                    height, width = pictures.shape[1:3]
                    pngs = [_png(picture) for picture in pictures[:MOST_IMAGES]]
                    yield event_file.images(f"{tag}/image", width, height, pngs)

    def _scalars(self, part: str, step: int, tag: str, logs: Logs) -> None:
        values = [
            event_file.scalar(tag.format(name), float(value))
            for name, value in logs.items()
            if np.ndim(value) == 0 and np.asarray(value).dtype.kind in "fiub"
        ]
        if values:
            self._write(part, lambda file: file.add(int(step), *values))

    def _write(self, part: str, write: Callable[[EventFile], None]) -> None:
        def whole() -> None:
            if part not in self.files:
                self.files[part] = EventFile(self.log_dir / part)
            write(self.files[part])

        self._try(whole)

    def _try(self, act: Callable[[], None]) -> None:
        """Do it, or warn once: what is written here is never worth the run."""
        if self.failed:
            return
        try:
            act()
        except Exception as error:
            self.failed = True
            why = reason(error) if isinstance(error, OSError) else str(error)
            warn(f"TensorBoard: {self.log_dir}: {why}. The run goes on without its events.")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _nodes(model: Any) -> list[tuple[str, str, list[str]]]:
    """The nodes of a model as a graph shows them: a layer used twice has two names."""
    graph, names = model.graph(), list[str]()
    for i, node in enumerate(graph.nodes):
        name = node.name.replace(".", "/")
        names.append(f"{name}_call{i}" if name in names else name)
    found = []
    for name, node in zip(names, graph.nodes, strict=True):
        reads = [names[i - graph.given] for i in node.reads if i >= graph.given]
        found.append((name, type(node.layer).__name__, reads))
    return found


def weight_images(array: Array) -> Array | None:
    """A weight as pictures (N, H, W, 1 or 3) of numbers from 0 to 255; None if it is none.

    A vector is a row and a matrix one picture, lying on its side; of a convolution's kernel each
    filter is one, in colour where it reads three channels, else with its channels side by side.

    >>> weight_images(np.zeros((3, 3, 3, 8))).shape, weight_images(np.zeros((3, 3, 4, 8))).shape
    ((8, 3, 3, 3), (8, 3, 12, 1))
    """
    if array.ndim == 4:
        kh, kw, c, n = array.shape
        each = array.transpose(3, 0, 2, 1).reshape(n, kh, c * kw, 1)
        found = array.transpose(3, 0, 1, 2) if c == 3 else each
    elif array.ndim == 2:
        found = (array if array.shape[0] <= array.shape[1] else array.T)[None, ..., None]
    elif array.ndim == 1:
        found = array[None, None, :, None]
    else:
        return None
    if not found.size or not np.isfinite(found).all():
        return None
    low, high = float(found.min()), float(found.max())
    return np.asarray((found - low) * (255 / (high - low or 1))).round().astype(np.uint8)


def _png(picture: Array) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture if picture.shape[-1] == 3 else picture[..., 0]).save(buffer, "png")
    return buffer.getvalue()
