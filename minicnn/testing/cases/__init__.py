"""The cases that tests take their objects from: one table for each family of classes.

A class that is exported has at least one line in its family's table. With that line it goes
through the contract checks, all kernel sets, model files, ONNX and the comparison with Keras.
"""

from minicnn.testing.cases.layers import LAYERS, Case
from minicnn.testing.cases.merging import MERGING
from minicnn.testing.cases.others import (
    CALLBACKS,
    CONSTRAINTS,
    INITIALIZERS,
    LOSSES,
    METRICS,
    OPTIMIZERS,
    REGULARIZERS,
    SCHEDULES,
    TO_THE_BOTTOM,
)

__all__ = [
    "CALLBACKS",
    "CONSTRAINTS",
    "INITIALIZERS",
    "LAYERS",
    "LOSSES",
    "MERGING",
    "METRICS",
    "OPTIMIZERS",
    "REGULARIZERS",
    "SCHEDULES",
    "TO_THE_BOTTOM",
    "Case",
]
