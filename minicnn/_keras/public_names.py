"""Keras' public names that are not here, with the nearest thing that is.

The modules that carry Keras' names ask for a missing name here: ``from minicnn.layers import LSTM``
says in one line what to use instead. A name that is added moves to ``signatures``.
"""

import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from minicnn.errors import AbsentError

__all__ = ["ABSENT", "asked", "raise_absent"]

_TABLE = """\
-: Function KerasTensor Operation
  -> use Model(inputs, outputs), with layers called on Input(shape)
-: Variable InputSpec device name_scope tree StatelessScope SymbolicScope
  RematScope remat export legacy wrappers visualization
  -> minicnn has no tensors or graphs: use NumPy
config: dtype_policy set_dtype_policy
  -> use set_floatx, or Sequential(dtype='float64')
config: set_backend is_nnx_enabled is_flash_attention_enabled enable_flash_attention
  disable_flash_attention
  -> minicnn computes with NumPy and its own kernels
config: max_epochs max_steps_per_epoch set_max_epochs set_max_steps_per_epoch
  -> use epochs and steps_per_epoch of fit
config: enable_unsafe_deserialization
  -> give load_model custom_objects={name: class}
config: disable_interactive_logging enable_interactive_logging is_interactive_logging_enabled
  -> use verbose of fit
backend: gradients
  -> use model.forward and model.backward, or layer.backward; see docs/open_a_layer.md
backend: tensorflow_backend theano_backend tf common get_session set_session Session
  get_graph placeholder is_placeholder is_sparse to_dense manual_variable_initialization result
  -> there is no graph to run: arrays are NumPy's, and model(x) gives numbers
backend: update update_add update_sub moving_average_update
  -> change arrays in place: x[...] = value
backend: switch in_train_phase in_test_phase foldl foldr map_fn rnn
  -> use NumPy, or a custom layer: docs/write_your_own.md
backend: conv1d conv2d conv2d_transpose conv3d depthwise_conv2d separable_conv2d pool2d pool3d
  bias_add batch_normalization normalize_batch_in_training local_conv1d local_conv2d dropout
  binary_focal_crossentropy categorical_focal_crossentropy
  -> use the layer, or the loss, of that name
backend: ctc_batch_cost ctc_decode ctc_label_dense_to_sparse temporal_padding resize_volumes
  spatial_3d_padding
  -> minicnn is for images, and has nothing for sequences and volumes
backend: batch_dot
  -> use layers.Dot, or minicnn.ops.einsum
random: binomial
  -> use numpy.random.default_rng
ops: conv conv_transpose depthwise_conv separable_conv max_pool average_pool adaptive_average_pool
  adaptive_max_pool batch_normalization layer_normalization rms_normalization
  dot_product_attention moments
  -> use the layer of that name
ops: cond switch map scan while_loop fori_loop vectorized_map associative_scan custom_gradient
  -> use Python's if and for on arrays, or a custom layer: docs/write_your_own.md
ops: linalg nanmean histogram percentile quantile searchsorted unravel_index meshgrid bincount
  isclose hstack vstack diff allclose nonzero angle append argpartition array array_split bartlett
  bitwise_and bitwise_invert bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift
  bitwise_xor blackman cbrt conjugate copy corrcoef correlate count_nonzero deg2rad diagflat
  diagonal digitize dsplit dstack dtype empty empty_like exp2 fabs fft fliplr flipud fmax fmin
  fmod full_like gcd geomspace hamming hanning heaviside hsplit hypot i0 inner isin isneginf
  isposinf isreal kaiser kron lcm ldexp left_shift logaddexp logaddexp2 logspace nan_to_num
  nanargmax nanargmin nancumprod nancumsum nanmax nanmedian nanmin nanpercentile nanprod
  nanquantile nanstd nansum nanvar nextafter ptp rad2deg right_shift rot90 select signbit sinc
  trapezoid tri unique vander vdot vectorize vsplit cholesky cholesky_inverse det eig eigh fft2
  ifft2 inv irfft istft logdet lstsq matrix_rank numpy pinv qr rfft slogdet solve solve_triangular
  stft svd lu_factor get_item view view_as_complex view_as_real
  -> use NumPy's function of that name
ops: scatter scatter_update slice_update erf cdist celu ctc_decode ctc_loss depth_to_space erfc
  erfinv extract_sequences fold glu hard_shrink hard_tanh jvp log_sigmoid multi_hot polar psnr
  rearrange saturate_cast segment_max segment_min segment_prod segment_sum soft_shrink
  space_to_depth sparse_plus sparse_sigmoid sparsemax squareplus tanh_shrink threshold unfold
  -> write it with the functions there are, or with NumPy
ops.image: affine_transform perspective_transform gaussian_blur elastic_transform crop_images
  pad_images extract_patches map_coordinates hsv_to_rgb rgb_to_hsv
  extract_patches_3d scale_and_translate sobel_edges ssim
  -> use the Random... layers, Cropping2D and ZeroPadding2D
-: Loss
  -> use minicnn.losses.Loss
-: Metric
  -> use minicnn.metrics.Metric
-: Optimizer
  -> use minicnn.optimizers.Optimizer
-: Initializer
  -> use minicnn.initializers.Initializer
-: Regularizer
  -> use minicnn.regularizers.Regularizer
-: Constraint
  -> use minicnn.constraints.Constraint
datasets: boston_housing california_housing imdb reuters
  -> minicnn is for images: use mnist, fashion_mnist, cifar10 or cifar100
-: DTypePolicy FloatDTypePolicy dtype_policies mixed_precision Quantizer quantizers
  -> use Sequential(dtype='float32') or 'float64'
-: distribution distillation
  -> minicnn uses the cores of one machine; see set_threads
layers: LSTM GRU SimpleRNN RNN LSTMCell GRUCell SimpleRNNCell StackedRNNCells Bidirectional
  ConvLSTM1D ConvLSTM2D ConvLSTM3D TimeDistributed Embedding ReversibleEmbedding Masking
  RepeatVector Attention AdditiveAttention MultiHeadAttention GroupQueryAttention
  TextVectorization StringLookup IntegerLookup Hashing HashedCrossing CategoryEncoding
  Discretization MelSpectrogram STFTSpectrogram EinsumDense
  -> minicnn is for images and has no layers for sequences or text
layers: Conv1D Conv3D Convolution1D Convolution3D Conv1DTranspose Conv3DTranspose
  Convolution1DTranspose Convolution3DTranspose DepthwiseConv1D SeparableConv1D
  SeparableConvolution1D MaxPooling1D MaxPooling3D MaxPool1D MaxPool3D AveragePooling1D
  AveragePooling3D AvgPool1D AvgPool3D GlobalMaxPooling1D GlobalMaxPooling3D GlobalMaxPool1D
  GlobalMaxPool3D GlobalAveragePooling1D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool3D
  ZeroPadding1D ZeroPadding3D Cropping1D Cropping3D UpSampling1D UpSampling3D SpatialDropout1D
  SpatialDropout3D
  -> use the layer of the same name with 2D in it, for images (N, H, W, C)
layers: ThresholdedReLU
  -> use ReLU(threshold=theta)
layers: AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D
  AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D
  -> use AvgPool or MaxPool with a pool_size, or GlobalAvgPool and GlobalMaxPool
layers: RMSNormalization SpectralNormalization
  -> use BatchNorm, LayerNorm or Rescaling
layers: GaussianDropout
  -> use Dropout or GaussianNoise
layers: ActivityRegularization
  -> use kernel_regularizer and bias_regularizer
layers: AugMix AutoContrast ContrastLimitedAdaptiveHistogramEqualization CutMix
  Equalization MaxNumBoundingBoxes MixUp Pipeline RandAugment RandomColorDegeneration
  RandomColorJitter RandomElasticTransform RandomErasing RandomGaussianBlur
  RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomSaturation
  RandomSharpness RandomShear Solarization
  -> use RandomFlip, RandomTranslation, RandomRotation, RandomZoom, RandomContrast, or
     RandomBrightness
layers: FlaxLayer JaxLayer TFSMLayer TorchModuleWrapper Wrapper InputSpec deserialize serialize
  -> write it with the layers there are; a custom layer is in examples/custom_layer.py
models: model_from_yaml
  -> Keras 2.6 took it out: use to_json and model_from_json
losses: CTC CategoricalGeneralizedCrossEntropy Circle categorical_generalized_cross_entropy circle
  ctc deserialize serialize
  -> derive from minicnn.losses.Loss, with per_sample and slope
metrics: Accuracy ConcordanceCorrelation MeanMetricWrapper PearsonCorrelation R2Score
  binary_focal_crossentropy categorical_focal_crossentropy concordance_correlation huber log_cosh
  pearson_correlation deserialize serialize
  -> derive from minicnn.metrics.Metric, with reset_state, update_state and result, or give compile
     a function of y_true and y_pred
optimizers: Adafactor Lamb LossScaleOptimizer MultiOptimizer Muon
  OptimizerMap ScheduleFreeAdamW deserialize serialize
  -> use SGD, Adam, AdamW, RMSprop, Nadam or another
optimizers.schedules: deserialize serialize
  -> use the class
callbacks: RemoteMonitor ProgbarLogger
  -> use CSVLogger, fit's verbose and minicnn.plots.plot_history
callbacks: SwapEMAWeights OrbaxCheckpoint
  -> use ModelCheckpoint or BackupAndRestore
callbacks: CallbackList
  -> give fit a list of callbacks
constraints: deserialize serialize
  -> use the class
regularizers: OrthogonalRegularizer orthogonal_regularizer deserialize serialize
  -> use L1, L2 or L1L2
initializers: STFT STFTInitializer stft deserialize serialize
  -> use another one, or set the weights with set_weights
activations: celu glu hard_shrink hard_tanh log_sigmoid soft_shrink sparse_plus sparse_sigmoid
  sparsemax squareplus tanh_shrink threshold deserialize serialize
  -> use another activation, or a custom layer
saving: load_weights save_weights
  -> use the model's method of that name
saving: deserialize_keras_object serialize_keras_object KerasFileEditor
  -> give load_model custom_objects={name: class}
utils: deserialize_keras_object serialize_keras_object
  -> give load_model custom_objects={name: class}
preprocessing: sequence text text_dataset_from_directory timeseries_dataset_from_array
  -> minicnn is for images: use preprocessing.image
utils: audio_dataset_from_directory text_dataset_from_directory
  timeseries_dataset_from_array split_dataset pack_x_y_sample_weight unpack_x_y_sample_weight
  pad_sequences
  FeatureSpace
  -> use minicnn.data: arrays, load_hdf5 and load_images
utils: Progbar
  -> use tqdm, which minicnn uses too
utils: disable_interactive_logging enable_interactive_logging is_interactive_logging_enabled
  -> use verbose of fit
utils: bounding_boxes
  -> minicnn has no boxes: use NumPy
utils: Config get_source_inputs is_keras_tensor legacy standardize_dtype
  -> use Model(inputs, outputs), and NumPy's arrays and dtypes
applications: MobileNetV3Large MobileNetV3Small mobilenet_v3
  -> use MobileNetV2, or save it in Keras and open the file with load_model
applications: ConvNeXtBase ConvNeXtLarge ConvNeXtSmall ConvNeXtTiny ConvNeXtXLarge convnext
  EfficientNetV2B0 EfficientNetV2B1 EfficientNetV2B2 EfficientNetV2B3 EfficientNetV2L
  EfficientNetV2M EfficientNetV2S efficientnet_v2 NASNetLarge NASNetMobile nasnet
  -> use EfficientNetB0, or save it in Keras and open the file with load_model
applications: InceptionResNetV2 inception_resnet_v2
  -> use InceptionV3, or save it in Keras and open the file with load_model
"""

ABSENT: dict[str, dict[str, str]] = {}
"""Module ("" is minicnn itself) -> name -> what to use instead."""
for _module, _names, _nearest in re.findall(r"^(\S+):(.*?)->(.*?)(?=^\S|\Z)", _TABLE, re.M | re.S):
    nearest = " ".join(_nearest.split())
    ABSENT.setdefault(_module.strip("-"), {}).update(dict.fromkeys(_names.split(), nearest))


def asked(
    module: str, later: tuple[str, ...] = (), elsewhere: Mapping[str, str] | None = None
) -> Callable[[str], Any]:
    """The ``__getattr__`` of the module of that name, whose modules ``later`` it imports.

    ``elsewhere`` has names that are in other modules, which are imported when they are asked for.
    It raises ``AbsentError``, which is an ``ImportError`` too, for a name that Keras has, as an
    ``AttributeError`` would be made one without the words; for any other name ``AttributeError``.

    >>> asked("layers")("LSTM")
    Traceback (most recent call last):
    minicnn.errors.AbsentError: minicnn.layers has no LSTM, which Keras has: minicnn is for \
images and has no layers for sequences or text.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807
        if name in later:
            return importlib.import_module(f"minicnn.{module}.{name}".replace("..", "."))
        if elsewhere and name in elsewhere:
            return getattr(importlib.import_module(elsewhere[name]), name)
        raise_absent(module, name)

    return __getattr__


def raise_absent(module: str, name: str) -> NoReturn:
    """Raise what ``asked`` says, for a name that a module has not."""
    full = f"minicnn.{module}" if module else "minicnn"
    if name in ABSENT.get(module, {}):
        nearest = ABSENT[module][name]
        has = "" if nearest.startswith("Keras ") else ", which Keras has"
        raise AbsentError(f"{full} has no {name}{has}: {nearest}.")
    raise AttributeError(f"{full!r} has no attribute {name!r}")
