"""What a framework is asked for, to be measured."""

import networks
from networks import BATCH

STEP, INFERENCE, LATENCY = "training step", "inference batch", "single image"
"""What is measured on each network: the last is inference in batches of 1."""


class Framework:
    """One line of the tables."""

    title: str
    modules: tuple[str, ...]
    """What must be installed. Importing the first imports all."""
    counts_threads = True
    """Whether the number of its threads can be set."""
    quantities = (STEP, INFERENCE, LATENCY)
    """What is measured of it."""
    networks: tuple[str, ...] = tuple(networks.NETWORKS)
    """On which networks."""
    in_notebook = False
    """Whether it works in a notebook's kernel."""
    batch = BATCH

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

    def losses(self):
        """The loss of the first batch outside training and, where it can train, in training."""
        raise NotImplementedError

    def train(self, epochs):
        raise NotImplementedError

    def predict(self):
        raise NotImplementedError

    def predict_one(self, i):
        """The network's answer to one image, by the quickest call there is."""
        raise NotImplementedError
