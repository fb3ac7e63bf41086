"""Networks with channels first, against Keras' own in that order."""

import os
import subprocess
import sys

import numpy as np
import pytest

import channels_first_networks as networks
import minicnn
from minicnn import backend

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """What Keras makes of the networks, with PyTorch, whose convolutions have this order."""
    pytest.importorskip("keras", reason="Keras is not installed")
    pytest.importorskip("torch", reason="PyTorch is not installed")
    path = tmp_path_factory.mktemp("theirs") / "results.npz"
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    command = [sys.executable, networks.__file__, str(path)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return np.load(path)


@pytest.fixture(autouse=True)
def channels_first():
    backend.set_image_data_format("channels_first")
    yield
    backend.set_image_data_format("channels_last")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("network", networks.NETWORKS, ids=lambda network: network.__name__)
def test_a_network_with_channels_first_computes_and_learns_as_in_keras(theirs, network):
    """Of the same weights come the same outputs, losses of two epochs, and outputs after them."""
    name = network.__name__
    count = sum(key.startswith(f"{name}.weight") for key in theirs)
    weights = [theirs[f"{name}.weight{i}"] for i in range(count)]
    shapes = [w.shape for w in network(minicnn).get_weights()]
    weights = [w.reshape(s) for w, s in zip(weights, shapes, strict=True)]
    _, *ours = networks.results(minicnn, network, weights)
    for i, array in enumerate(ours):
        np.testing.assert_allclose(array, theirs[f"{name}.{i}"], rtol=2e-4, atol=2e-5)
