"""The layers, and Keras' names for them.

A layer is exported by one line here, and by another under each further name that Keras has for it.
Tables and the names of ``minicnn`` itself are read off these.
"""

from minicnn._core.config import exported
from minicnn._keras.public_names import asked
from minicnn.layers.activation import ELU as ELU
from minicnn.layers.activation import GELU as GELU
from minicnn.layers.activation import Activation as Activation
from minicnn.layers.activation import LeakyReLU as LeakyReLU
from minicnn.layers.activation import PReLU as PReLU
from minicnn.layers.activation import ReLU as ReLU
from minicnn.layers.activation import Sigmoid as Sigmoid
from minicnn.layers.activation import SiLU as SiLU
from minicnn.layers.activation import Softmax as Softmax
from minicnn.layers.activation import Softplus as Softplus
from minicnn.layers.activation import Tanh as Tanh
from minicnn.layers.arithmetic import fill
from minicnn.layers.augmentation import RandomBrightness as RandomBrightness
from minicnn.layers.augmentation import RandomContrast as RandomContrast
from minicnn.layers.augmentation import RandomFlip as RandomFlip
from minicnn.layers.augmentation import RandomRotation as RandomRotation
from minicnn.layers.augmentation import RandomTranslation as RandomTranslation
from minicnn.layers.augmentation import RandomZoom as RandomZoom
from minicnn.layers.base import Layer as Layer
from minicnn.layers.batchnorm import BatchNorm as BatchNorm
from minicnn.layers.conv import Conv2D as Conv2D
from minicnn.layers.conv import Convolution2D as Convolution2D
from minicnn.layers.core import Flatten as Flatten
from minicnn.layers.core import Identity as Identity
from minicnn.layers.core import Input as Input
from minicnn.layers.core import InputLayer as InputLayer
from minicnn.layers.core import Permute as Permute
from minicnn.layers.core import Rescaling as Rescaling
from minicnn.layers.core import Reshape as Reshape
from minicnn.layers.dense import Dense as Dense
from minicnn.layers.depthwise import DepthwiseConv2D as DepthwiseConv2D
from minicnn.layers.depthwise import SeparableConv2D as SeparableConv2D
from minicnn.layers.dot import Dot as Dot
from minicnn.layers.dot import dot as dot
from minicnn.layers.dropout import AlphaDropout as AlphaDropout
from minicnn.layers.dropout import Dropout as Dropout
from minicnn.layers.dropout import SpatialDropout2D as SpatialDropout2D
from minicnn.layers.groupnorm import GroupNormalization as GroupNormalization
from minicnn.layers.groupnorm import UnitNormalization as UnitNormalization
from minicnn.layers.lambdas import Lambda as Lambda
from minicnn.layers.layernorm import LayerNorm as LayerNorm
from minicnn.layers.merging import Add as Add
from minicnn.layers.merging import Average as Average
from minicnn.layers.merging import Concatenate as Concatenate
from minicnn.layers.merging import CustomScaleLayer as CustomScaleLayer
from minicnn.layers.merging import Maximum as Maximum
from minicnn.layers.merging import Minimum as Minimum
from minicnn.layers.merging import Multiply as Multiply
from minicnn.layers.merging import Subtract as Subtract
from minicnn.layers.merging import add as add
from minicnn.layers.merging import average as average
from minicnn.layers.merging import concatenate as concatenate
from minicnn.layers.merging import maximum as maximum
from minicnn.layers.merging import minimum as minimum
from minicnn.layers.merging import multiply as multiply
from minicnn.layers.merging import subtract as subtract
from minicnn.layers.noise import GaussianNoise as GaussianNoise
from minicnn.layers.normalization import LayerScale as LayerScale
from minicnn.layers.normalization import Normalization as Normalization
from minicnn.layers.operations import Clip as Clip
from minicnn.layers.operations import Elementwise as Elementwise
from minicnn.layers.operations import Power as Power
from minicnn.layers.operations import Reduce as Reduce
from minicnn.layers.operations import Slice as Slice
from minicnn.layers.pooling import AvgPool as AvgPool
from minicnn.layers.pooling import GlobalAvgPool as GlobalAvgPool
from minicnn.layers.pooling import GlobalMaxPool as GlobalMaxPool
from minicnn.layers.pooling import MaxPool as MaxPool
from minicnn.layers.registry import LAYERS as LAYERS
from minicnn.layers.residual import Residual as Residual
from minicnn.layers.resizing import CenterCrop as CenterCrop
from minicnn.layers.resizing import RandomCrop as RandomCrop
from minicnn.layers.resizing import Resizing as Resizing
from minicnn.layers.spatial import Cropping2D as Cropping2D
from minicnn.layers.spatial import UpSampling2D as UpSampling2D
from minicnn.layers.spatial import ZeroPadding2D as ZeroPadding2D
from minicnn.layers.transpose import Conv2DTranspose as Conv2DTranspose

Convolution2DTranspose = Conv2DTranspose
SeparableConvolution2D = SeparableConv2D
MaxPooling2D = MaxPool2D = MaxPool
AveragePooling2D = AvgPool2D = AvgPool
GlobalAveragePooling2D = GlobalAvgPool2D = GlobalAvgPool
GlobalMaxPooling2D = GlobalMaxPool2D = GlobalMaxPool
BatchNormalization = BatchNorm
LayerNormalization = LayerNorm

__getattr__ = asked("layers")

fill()

_CLASSES = exported(
    Layer, globals(), "Convolution2D", "Input", "add", "average", "concatenate", "dot", "maximum",
    "minimum", "multiply", "subtract",
)  # fmt: skip
for _cls in _CLASSES.values():
    _name = _cls.keras_name or _cls.__name__
    if _CLASSES.get(_name) is _cls:  # GELU is written and read as an Activation
        LAYERS[_name] = _cls
