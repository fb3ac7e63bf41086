"""What is read of each batch by one of several processes that compute it together."""

import threading

import h5py
import numpy as np
import pytest
from PIL import Image

from minicnn._files.hdf5_rows import Rows
from minicnn.data import HDF5Dataset, hdf5_dataset
from minicnn.data.passes import Part
from minicnn.data.streaming import drawn, order_of
from minicnn.preprocessing.picture_stream import Pictures
from minicnn.utils import image_dataset_from_directory

COUNT, SIZE = 3, 50
X = np.random.default_rng(0).integers(0, 256, (1100, 24, 30, 3), dtype=np.uint8)


def third(number, gather=lambda own: own[None]):
    return Part(lambda n: slice(n * number // COUNT, n * (number + 1) // COUNT), gather)


@pytest.mark.parametrize("shuffled", [True, False])
@pytest.mark.parametrize(
    ("layout", "most"),
    [
        ({}, 1 / 3),
        ({"chunks": (1, 24, 30, 3), "compression": "gzip"}, 1 / 3),
        ({"chunks": (3, 24, 30, 3)}, 19 / 27),  # of (2 / 3)^3 none is needed
    ],
)
def test_of_a_stream_the_chunks_that_are_needed_are_read(
    tmp_path, monkeypatch, layout, most, shuffled
):
    """A third of the rows, or of their chunks; each batch has its own images where they belong,
    in the order of one process, over the borders of windows and passes."""
    monkeypatch.setattr(hdf5_dataset, "GAP", 0)
    read, begin = [], Rows.begin

    def counted(self, half, runs, wanted):
        for (_, first, last), want in zip(runs, wanted, strict=True):
            read.extend([want] * (last - first))
        begin(self, half, runs, wanted)

    monkeypatch.setattr(Rows, "begin", counted)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file.create_dataset("x", data=X, **layout)
        file["y"] = np.arange(len(X)) % 4
    source = HDF5Dataset(tmp_path / "data.h5", "x", "y", buffer_mb=2)
    order, part = order_of(source, 5 if shuffled else None), third(1)
    batches = drawn(source, SIZE, order, endless=True, part=part)
    seen = []
    for _ in range(40):  # of two passes
        one = next(batches)
        rows, images = one.rows[one.places], one.x[one.places]
        own = part.rows(len(rows))
        np.testing.assert_array_equal(images[own], X[rows[own]])
        seen.append(rows)
    batches.close()
    assert np.mean(read) == pytest.approx(most if shuffled else 1 / 3, abs=0.06)
    whole = drawn(source, SIZE, order, endless=True)
    for rows in seen:
        one = next(whole)
        np.testing.assert_array_equal(rows, one.rows[one.places])
    whole.close()


def folder_of(tmp_path, broken=()):
    rng = np.random.default_rng(0)
    for i in range(24):
        inside = tmp_path / "ab"[i % 2]
        inside.mkdir(exist_ok=True)
        path = inside / f"{i:02}.png"
        Image.fromarray(rng.integers(1, 256, (9, 12, 3), np.uint8)).save(path)
        if i in broken:
            path.write_bytes(path.read_bytes()[:60])
    how = {"image_size": (9, 12), "batch_size": 10, "seed": 1, "verbose": False}
    return [image_dataset_from_directory(tmp_path, **how).passes for _ in range(COUNT + 1)]


def test_of_a_folder_the_own_pictures_are_decoded(tmp_path):
    """Those of the part, as in the whole batch; the others stay black, and the labels are there."""
    sources = folder_of(tmp_path)
    whole = list(sources[-1].beginning_at(2, 1))
    for number in range(COUNT):
        part = third(number)
        for found, wanted in zip(sources[number].beginning_at(2, 1, part), whole, strict=True):
            own = part.rows(len(wanted[0]))
            decoded = found[0].reshape(len(found[0]), -1).any(axis=1)
            assert np.flatnonzero(decoded).tolist() == list(range(own.start, own.stop))
            np.testing.assert_array_equal(found[0][own], wanted[0][own])
            np.testing.assert_array_equal(found[1], wanted[1])


def test_a_broken_picture_of_one_is_left_out_by_all(tmp_path, monkeypatch):
    """Whoever finds it: all have the batch of one process then, and all of its pictures, as it is
    cut elsewhere."""
    sources = folder_of(tmp_path, broken=(3, 20))
    monkeypatch.setattr(Pictures, "_report", lambda self: None)
    whole = list(sources[-1].beginning_at(0, 0))
    told, found = [None] * COUNT, [None] * COUNT
    meeting = threading.Barrier(COUNT, timeout=20)

    def run(number):
        def gather(own):
            told[number] = own.copy()
            meeting.wait()
            all_ = np.stack(told)
            meeting.wait()
            return all_

        found[number] = list(sources[number].beginning_at(0, 0, third(number, gather)))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(COUNT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, some in enumerate(found):
        for (images, labels), wanted in zip(some, whole, strict=True):
            np.testing.assert_array_equal(labels, wanted[1])
            whole_one = len(labels) in (10, 4)
            own = third(number).rows(len(labels)) if whole_one else slice(None)
            np.testing.assert_array_equal(images[own], wanted[0][own])
    assert sum(len(labels) for _, labels in whole) == 22
