"""ONNX files that are damaged: read, or refused in one line."""

import time
import tracemalloc

import numpy as np
import pytest

from minicnn import (
    Activation,
    AvgPool,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAvgPool,
    Input,
    LayerNorm,
    MaxPool,
    ReLU,
    Residual,
    Sequential,
    UpSampling2D,
    ZeroPadding2D,
    export_onnx,
    import_onnx,
)
from minicnn.errors import ModelFileError


def mutant(data, rng):
    """The file with some bytes changed, put in, left out or repeated."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(len(data)))
        kind = rng.integers(5)
        if kind == 0:
            data[at] = int(rng.integers(256))
        elif kind == 1:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            data[at:at] = rng.bytes(int(rng.integers(1, 9)))
        elif kind == 3:
            del data[at : at + int(rng.integers(1, 20))]
        else:
            data[at:at] = data[at : at + int(rng.integers(1, 60))]
    return bytes(data)


def check_mutants(tmp_path, count):
    """Whether each mutant is a model or one line, in time and within memory; how many are models"""
    networks = [
        [Input((6, 6, 2)), Conv2D(2, 3, padding="same"), BatchNorm(), ReLU(), MaxPool(2),
         Flatten(), Dense(3, activation="softmax")],
        [Input((6, 6, 2)), Residual([DepthwiseConv2D(3, padding="same"), Activation("gelu")]),
         LayerNorm(), AvgPool(2, padding="same"), UpSampling2D(2), Cropping2D(1),
         ZeroPadding2D(1), Conv2DTranspose(2, 2, 2), GlobalAvgPool(), Dense(2)],
    ]  # fmt: skip
    files = []
    for i, layers in enumerate(networks):
        export_onnx(Sequential(layers, seed=0), tmp_path / f"{i}.onnx")
        files.append((tmp_path / f"{i}.onnx").read_bytes())
    rng = np.random.default_rng(0)
    path, models = tmp_path / "mutant.onnx", 0
    tracemalloc.start()
    try:
        for i in range(count):
            path.write_bytes(mutant(files[i % 2], rng))
            tracemalloc.reset_peak()
            begun = time.monotonic()
            try:
                import_onnx(path)
                models, lines = models + 1, ["a model"]
            except ModelFileError as error:
                lines = str(error).splitlines()
            assert len(lines) == 1, i
            assert time.monotonic() - begun < 5, i
            assert tracemalloc.get_traced_memory()[1] < 256 << 20, i
    finally:
        tracemalloc.stop()
    return models


def test_mutants(tmp_path):
    """Of 300 damaged files each is a model or one line."""
    assert 0 < check_mutants(tmp_path, 300) < 300


@pytest.mark.slow
def test_ten_thousand_mutants(tmp_path):
    """Of 10,000 damaged files each is a model or one line, in 5 seconds and 256 MiB."""
    resource = pytest.importorskip("resource", reason="no measure of memory on this system")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check_mutants(tmp_path, 10_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 << 10
