"""Networks: small ones ready to train, and those of Keras' ``applications``.

The small ones, ``networks``, are functions of the images' shape and the number of classes. Those of
Keras are in modules of Keras' names, and here as well; they are loaded when asked for. Three names
are both: ``mobilenet``, ``resnet50`` and ``densenet`` are Keras' modules, and calling one makes the
small network.

>>> from minicnn.applications import mobilenet
>>> mobilenet((32, 32, 3), 10).output_shape
(10,)
>>> mobilenet.MobileNet(include_top=False, weights=None, input_shape=(32, 32, 3)).output_shape
(1, 1, 1024)
"""

from importlib import import_module
from typing import Any

from minicnn._keras.public_names import asked
from minicnn.applications.networks import NETWORKS as NETWORKS
from minicnn.applications.networks import RATES as RATES
from minicnn.applications.networks import course as course
from minicnn.applications.networks import efficientnet_b0 as efficientnet_b0
from minicnn.applications.networks import lenet5 as lenet5
from minicnn.applications.networks import resnet20 as resnet20
from minicnn.applications.networks import small as small
from minicnn.applications.networks import unet as unet
from minicnn.applications.networks import vgg as vgg

_MODULES = {
    "vgg16": ["VGG16"],
    "vgg19": ["VGG19"],
    "resnet": ["ResNet50", "ResNet101", "ResNet152"],
    "resnet50": [],
    "resnet_v2": ["ResNet50V2", "ResNet101V2", "ResNet152V2"],
    "mobilenet": ["MobileNet"],
    "mobilenet_v2": ["MobileNetV2"],
    "xception": ["Xception"],
    "inception_v3": ["InceptionV3"],
    "densenet": ["DenseNet121", "DenseNet169", "DenseNet201"],
    "efficientnet": [f"EfficientNetB{i}" for i in range(8)],
    "imagenet_utils": [],
}
"""Keras' modules, and which of their functions are here too."""

_WHERE = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    *("NETWORKS", "course", "efficientnet_b0", "lenet5", "resnet20", "small", "unet", "vgg"),
    *_MODULES,
    *_WHERE,
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _WHERE:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    return asked("applications")(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
