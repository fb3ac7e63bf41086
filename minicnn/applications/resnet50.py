"""``ResNet50``, where Keras has it too; the network is in ``resnet``.

Called, the module is the small network of that name: ``resnet50((64, 64, 3), 6)``.
"""

import sys

from minicnn.applications.both import NetworkModule
from minicnn.applications.resnet import ResNet50, decode_predictions, preprocess_input

__all__ = ["ResNet50", "decode_predictions", "preprocess_input"]

sys.modules[__name__].__class__ = NetworkModule
