"""Explain pages in tests: their data, and their JavaScript run by node."""

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from minicnn.layers import Layer
from minicnn.pages import explaining

FOLDER = Path(explaining.__file__).parent
COMPUTING = ("activations.js", "windows.js", "layers.js", "network.js")

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def data_of(page):
    """What a page's scripts read."""
    text = page.read_text(encoding="utf-8")
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', text)[1]
    )


def array_of(data, described):
    """An array of a page's bytes."""
    content, shape = base64.b64decode(data["bytes"]), described["shape"]
    dtype, n = np.dtype(described["dtype"]), int(np.prod(shape))
    return np.frombuffer(content, dtype, n, described["at"]).reshape(shape)


def run_in_node(folder, code, given):
    """What a function body of ``given``, behind the page's functions, returns."""
    source = "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in COMPUTING)
    (folder / "given.json").write_text(json.dumps(given))
    (folder / "run.js").write_text(
        f"{source}\nconst run = (given) => {{ {code} }};\n"
        "const text = require('fs').readFileSync(process.argv[2], 'utf8');\n"
        "process.stdout.write(JSON.stringify(run(JSON.parse(text))));\n"
    )
    command = ["node", str(folder / "run.js"), str(folder / "given.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def with_statistics(model, seed=0):
    """The model with other numbers than 0 and 1 in its statistics, scales and biases."""
    rng = np.random.default_rng(seed)
    for _, layer in model.leaves():
        for array in layer.arrays().values():
            if array.ndim == 1:
                array[...] = array + rng.uniform(-0.3, 0.3, array.shape)
    return model


def far(got, wanted):
    """The largest difference, relative to the largest number."""
    return float(np.max(np.abs(got - wanted)) / max(np.max(np.abs(wanted)), 1e-30))


class Twice(Layer):
    """A custom layer, which the page does not know."""

    additive = True

    def forward(self, x, *, training=False, rng=None):
        return 2 * x, ()

    def backward(self, dy, cache):
        return 2 * dy, {}
