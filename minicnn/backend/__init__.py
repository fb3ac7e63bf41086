"""Keras 2's ``keras.backend``: its settings, and its functions of tensors on NumPy's arrays.

They take and give arrays; of symbolic tensors, as in a ``Lambda``, they make layers where there are
such. What Keras 3 calls the same is in ``minicnn.ops``; this has the arguments of Keras 2.
"""

from minicnn._core.settings import epsilon as epsilon
from minicnn._core.settings import floatx as floatx
from minicnn._core.settings import image_data_format as image_data_format
from minicnn._core.settings import set_epsilon as set_epsilon
from minicnn._core.settings import set_floatx as set_floatx
from minicnn._core.settings import set_image_data_format as set_image_data_format
from minicnn._keras.public_names import asked
from minicnn.backend.session import clear_session as clear_session
from minicnn.backend.session import function as function
from minicnn.backend.session import get_uid as get_uid
from minicnn.backend.session import image_dim_ordering as image_dim_ordering
from minicnn.backend.session import learning_phase as learning_phase
from minicnn.backend.session import name_scope as name_scope
from minicnn.backend.session import set_image_dim_ordering as set_image_dim_ordering
from minicnn.backend.session import set_learning_phase as set_learning_phase
from minicnn.backend.tensors import argmax as argmax
from minicnn.backend.tensors import argmin as argmin
from minicnn.backend.tensors import batch_flatten as batch_flatten
from minicnn.backend.tensors import batch_get_value as batch_get_value
from minicnn.backend.tensors import batch_set_value as batch_set_value
from minicnn.backend.tensors import cast_to_floatx as cast_to_floatx
from minicnn.backend.tensors import clip as clip
from minicnn.backend.tensors import concatenate as concatenate
from minicnn.backend.tensors import constant as constant
from minicnn.backend.tensors import count_params as count_params
from minicnn.backend.tensors import dtype as dtype
from minicnn.backend.tensors import eval as eval
from minicnn.backend.tensors import expand_dims as expand_dims
from minicnn.backend.tensors import flatten as flatten
from minicnn.backend.tensors import gather as gather
from minicnn.backend.tensors import is_keras_tensor as is_keras_tensor
from minicnn.backend.tensors import ones as ones
from minicnn.backend.tensors import random_normal as random_normal
from minicnn.backend.tensors import random_uniform as random_uniform
from minicnn.backend.tensors import relu as relu
from minicnn.backend.tensors import repeat as repeat
from minicnn.backend.tensors import repeat_elements as repeat_elements
from minicnn.backend.tensors import reshape as reshape
from minicnn.backend.tensors import resize_images as resize_images
from minicnn.backend.tensors import reverse as reverse
from minicnn.backend.tensors import set_value as set_value
from minicnn.backend.tensors import spatial_2d_padding as spatial_2d_padding
from minicnn.backend.tensors import sqrt as sqrt
from minicnn.backend.tensors import truncated_normal as truncated_normal
from minicnn.backend.tensors import variable as variable
from minicnn.backend.tensors import zeros as zeros
from minicnn.config import backend as backend
from minicnn.ops import abs as abs
from minicnn.ops import all as all
from minicnn.ops import any as any
from minicnn.ops import arange as arange
from minicnn.ops import binary_crossentropy as binary_crossentropy
from minicnn.ops import cast as cast
from minicnn.ops import categorical_crossentropy as categorical_crossentropy
from minicnn.ops import cos as cos
from minicnn.ops import cumprod as cumprod
from minicnn.ops import cumsum as cumsum
from minicnn.ops import dot as dot
from minicnn.ops import elu as elu
from minicnn.ops import equal as equal
from minicnn.ops import exp as exp
from minicnn.ops import eye as eye
from minicnn.ops import greater as greater
from minicnn.ops import greater_equal as greater_equal
from minicnn.ops import hard_sigmoid as hard_sigmoid
from minicnn.ops import in_top_k as in_top_k
from minicnn.ops import is_tensor as is_tensor
from minicnn.ops import less as less
from minicnn.ops import less_equal as less_equal
from minicnn.ops import log as log
from minicnn.ops import logsumexp as logsumexp
from minicnn.ops import max as max
from minicnn.ops import maximum as maximum
from minicnn.ops import mean as mean
from minicnn.ops import min as min
from minicnn.ops import minimum as minimum
from minicnn.ops import ndim as ndim
from minicnn.ops import not_equal as not_equal
from minicnn.ops import one_hot as one_hot
from minicnn.ops import ones_like as ones_like
from minicnn.ops import power as power
from minicnn.ops import prod as prod
from minicnn.ops import round as round
from minicnn.ops import shape as shape
from minicnn.ops import sigmoid as sigmoid
from minicnn.ops import sign as sign
from minicnn.ops import sin as sin
from minicnn.ops import softmax as softmax
from minicnn.ops import softplus as softplus
from minicnn.ops import softsign as softsign
from minicnn.ops import sparse_categorical_crossentropy as sparse_categorical_crossentropy
from minicnn.ops import square as square
from minicnn.ops import squeeze as squeeze
from minicnn.ops import stack as stack
from minicnn.ops import std as std
from minicnn.ops import stop_gradient as stop_gradient
from minicnn.ops import sum as sum
from minicnn.ops import tanh as tanh
from minicnn.ops import tile as tile
from minicnn.ops import transpose as transpose
from minicnn.ops import var as var
from minicnn.ops import zeros_like as zeros_like
from minicnn.ops.nn import l2_normalize as l2_normalize

__getattr__ = asked("backend")

get_value = eval
int_shape = shape
permute_dimensions = transpose
pow = power
reset_uids = clear_session
