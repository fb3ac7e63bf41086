"""Thirty networks drawn at random, such that Keras and minicnn can both make them.

A network is a list of descriptions of objects that have one name and the same arguments in both
libraries. Whatever there is to choose is dealt like cards: no option comes a second time before
every other has come, so that all of them occur in ``COUNT`` networks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import minicnn
from minicnn._core.config import Configurable
from minicnn._core.shapes import Shape
from minicnn._core.signatures import arguments_of
from minicnn.errors import MiniCNNError
from minicnn.testing import cases

COUNT = 33


@dataclass(frozen=True)
class Part:
    """An object of either library: where its class is, and the arguments."""

    module: str
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def made(self, library: Any) -> Any:
        """The object of ``library``, which is ``keras`` or ``minicnn``."""
        home = library
        for name in self.module.split("."):
            home = getattr(home, name)
        return getattr(home, self.name)(**_made(self.arguments, library))


def _made(value: Any, library: Any) -> Any:
    if isinstance(value, Part):
        return value.made(library)
    if isinstance(value, dict):
        return {key: _made(part, library) for key, part in value.items()}
    return [_made(part, library) for part in value] if isinstance(value, list) else value


def some(module: str, class_name: str, /, **arguments: Any) -> Part:
    return Part(module, class_name, arguments)


def layer(class_name: str, /, **arguments: Any) -> Part:
    return Part("layers", class_name, arguments)


@dataclass(frozen=True)
class Network:
    """What to make, and what to train it with."""

    input_shape: Shape
    layers: list[Part]
    optimizer: Part
    loss: Part
    metrics: list[Part]
    labels: str
    has_chance: bool

    def compile(self, model: Any, library: Any) -> Any:
        optimizer, loss = self.optimizer.made(library), self.loss.made(library)
        model.compile(optimizer, loss, metrics=_made(self.metrics, library))
        return model

    def in_minicnn(self, seed: int) -> minicnn.Sequential:
        layers = [minicnn.Input(self.input_shape), *_made(self.layers, minicnn)]
        return self.compile(minicnn.Sequential(layers, seed=seed), minicnn)

    def in_keras(self, keras: Any) -> Any:
        """A Sequential, or a functional model if there is a way around layers."""
        if all(part.name != "Residual" for part in self.layers):
            parts = [part.made(keras) for part in self.layers]
            return self.compile(keras.Sequential([keras.Input(self.input_shape), *parts]), keras)
        x = keras.Input(self.input_shape)
        return self.compile(keras.Model(x, _applied(self.layers, x, keras)), keras)

    def data(self, seed: int, n: int = 6) -> tuple[Any, Any]:
        """Images and labels such as the loss takes."""
        rng = np.random.default_rng(seed)
        x = rng.random((n, *self.input_shape), dtype=np.float32)
        units = self.layers[-1].arguments["units"]
        classes = rng.integers(0, units, n)
        labels = {
            "classes": classes,
            "one-hot": np.eye(units, dtype=np.float32)[classes],
            "binary": rng.integers(0, 2, (n, units)).astype(np.float32),
            "signs": rng.choice(np.float32([-1, 1]), (n, units)),
            "numbers": rng.standard_normal((n, units), dtype=np.float32),
        }
        return x, labels[self.labels]


def _applied(parts: Iterable[Part], x: Any, keras: Any) -> Any:
    for part in parts:
        if part.name == "Residual":
            around = _applied(part.arguments.get("shortcut") or (), x, keras)
            x = keras.layers.Add()([_applied(part.arguments["layers"], x, keras), around])
        else:
            x = part.made(keras)(x)
    return x


class Dealer:
    """Deals out each list of options in random order, the whole of it before any comes again."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.hands: dict[str, list[int]] = {}

    def __call__(self, what: str, options: Sequence[Any]) -> Any:
        hand = self.hands.setdefault(what, [])
        if not hand:
            hand.extend(self.rng.permutation(len(options)))
        return options[hand.pop()]

    def arguments(self, who: str, options: dict[str, Sequence[Any]]) -> dict[str, Any]:
        """One option for each argument; ``...`` stands for leaving it at its default."""
        dealt = {name: self(f"{who}.{name}", values) for name, values in options.items()}
        dealt |= dealt.pop("case", {})
        return {name: value for name, value in dealt.items() if value is not ...}


KERNELS = [
    "orthogonal",
    some("initializers", "GlorotNormal"),
    some("initializers", "GlorotUniform"),
    some("initializers", "HeNormal"),
    some("initializers", "HeUniform", seed=3),
    some("initializers", "LecunNormal"),
    some("initializers", "LecunUniform"),
    some("initializers", "RandomNormal", stddev=0.2),
    some("initializers", "RandomUniform", minval=-0.3, maxval=0.2),
    some("initializers", "TruncatedNormal", mean=0.01, stddev=0.2),
    some("initializers", "VarianceScaling", scale=2.0, mode="fan_avg", distribution="uniform"),
    some("initializers", "Orthogonal", gain=1.2),
]
FLAT = [
    "zeros",
    some("initializers", "Constant", value=0.1),
    some("initializers", "Ones"),
    some("initializers", "Zeros"),
]
PENALTIES = [
    ...,
    "l2",
    some("regularizers", "L1", l1=0.002),
    some("regularizers", "L2", l2=0.003),
    some("regularizers", "L1L2", l1=0.001, l2=0.002),
]
BIAS = {
    "use_bias": [..., True, False],
    "bias_initializer": [..., *FLAT],
    "bias_regularizer": [..., ..., "l1", some("regularizers", "L2", l2=0.01)],
}
KERNEL = {"kernel_initializer": KERNELS, "kernel_regularizer": PENALTIES}
DEPTHWISE = {"depthwise_initializer": KERNELS, "depthwise_regularizer": PENALTIES}
POINTWISE = {"pointwise_initializer": KERNELS, "pointwise_regularizer": PENALTIES}
SIZES = {"kernel_size": [3, (2, 3), 1, (4, 2)], "padding": ["valid", "same"]}
STEPS = {"steps": [{}, {"strides": 2}, {"dilation_rate": 2}]}  # Keras takes one or the other
POOLING = {
    "pool_size": [2, (2, 1), 3],
    "strides": [..., 1, (1, 2)],
    "padding": ["valid", "same"],
}
NORM = {"epsilon": [..., 0.01], "center": [True, False, True], "scale": [True, True, False]}
NORM |= {"beta_initializer": [..., *FLAT], "gamma_initializer": [..., "ones"]}
NORM |= {"beta_regularizer": [..., "l2", ...], "gamma_regularizer": [..., ..., "l2"]}
FILL = {
    "fill_mode": [..., "constant", "nearest", "wrap"],
    "interpolation": ["bilinear", "nearest"],
    "fill_value": [..., 0.5],
    "seed": [..., 7],
}

OF_IMAGES: dict[str, dict[str, Sequence[Any]]] = {
    "Conv2D": {"filters": [2, 4, 6], **SIZES, **STEPS, "groups": [..., 2, ...], **KERNEL, **BIAS},
    "DepthwiseConv2D": {**SIZES, **STEPS, "depth_multiplier": [1, 2], **DEPTHWISE, **BIAS},
    "SeparableConv2D": {
        "filters": [2, 4],
        "depth_multiplier": [..., 2],
        **SIZES,
        **STEPS,
        **DEPTHWISE,
        **POINTWISE,
        **BIAS,
    },
    "Conv2DTranspose": {
        "filters": [3, 4],
        "kernel_size": [3, (2, 3), (5, 3)],
        "padding": ["valid", "same"],
        "output_padding": [..., ..., 1],
        **STEPS,
        **KERNEL,
        **BIAS,
    },
    "MaxPooling2D": POOLING,
    "AveragePooling2D": POOLING,
    "BatchNormalization": {"axis": [..., 1, -1], "momentum": [..., 0.7], **NORM},
    "LayerNormalization": {"axis": [..., (2, 3), 2], **NORM},
    "ReLU": {"max_value": [..., 1.5], "negative_slope": [..., 0.2], "threshold": [..., 0.1]},
    "LeakyReLU": {"negative_slope": [..., 0.1]},
    "ELU": {"alpha": [..., 0.5]},
    "Softmax": {"axis": [..., -1, 2]},
    "Rescaling": {"scale": [0.5, 1 / 3], "offset": [..., -0.5]},
    "ZeroPadding2D": {"padding": [..., 2, (0, 2), ((1, 0), (2, 1))]},
    "Cropping2D": {"cropping": [..., 1, (1, 0), ((1, 0), (0, 2))]},
    "UpSampling2D": {"size": [..., (1, 2)], "interpolation": ["nearest", "bilinear"]},
    "Permute": {"dims": [(2, 1, 3), (1, 3, 2), (3, 1, 2)]},
    "Reshape": {},
    "Activation": {},
}
NOISE: dict[str, dict[str, Sequence[Any]]] = {
    "Dropout": {"rate": [0.2, 0.5], "noise_shape": [..., (None, 1, 1, None)], "seed": [..., 5]},
    "SpatialDropout2D": {"rate": [0.2, 0.4], "seed": [..., 5]},
    "GaussianNoise": {"stddev": [0.1, 0.3], "seed": [..., 5]},
}
AUGMENTATION: dict[str, dict[str, Sequence[Any]]] = {
    "RandomFlip": {"mode": [..., "horizontal", "vertical"], "seed": [..., 5]},
    "RandomRotation": {"factor": [0.1, (-0.2, 0.1)], **FILL},
    "RandomTranslation": {
        "height_factor": [0.1, (-0.2, 0.1)],
        "width_factor": [0.2, (0.0, 0.1)],
        **FILL,
    },
    "RandomZoom": {"height_factor": [0.1, (-0.2, 0.1)], "width_factor": [..., 0.2], **FILL},
    "RandomContrast": {"factor": [0.2, (0.1, 0.3)], "value_range": [..., (0, 1)], "seed": [..., 5]},
    "RandomBrightness": {"factor": [0.2, (-0.1, 0.3)], "value_range": [(0, 1)], "seed": [..., 5]},
}
NOT_IN_THE_FIRST = {
    ("Conv2DTranspose", "output_padding"),
    ("RandomContrast", "value_range"),
    ("ELU", "alpha"),  # not in its files
    *(
        ("Resizing", name)
        for name in ("pad_to_aspect_ratio", "fill_mode", "fill_value", "antialias")
    ),
    "AlphaDropout",
    "Nadam",  # whose memory later ones write in another order
}
"""Layers' arguments that Keras 3.0 has not, a layer, and an optimizer."""

NOT_ON_TORCH = {("LayerNormalization", "axis")}
"""And that Keras has not on PyTorch, but for the default."""

BRIDGES: dict[str, dict[str, Sequence[Any]]] = {
    "Flatten": {},
    "GlobalAveragePooling2D": {"keepdims": [..., True]},
    "GlobalMaxPooling2D": {"keepdims": [..., True]},
}
OF_ROWS: dict[str, dict[str, Sequence[Any]]] = {
    "Dense": {"units": [5, 7], **KERNEL, **BIAS},
    "BatchNormalization": {"momentum": [..., 0.7], **NORM},
    "LayerNormalization": NORM,
    "Activation": {},
}
NORMALIZING = ("BatchNormalization", "LayerNormalization")

CLIPS = [{}, {"clipnorm": 0.5}, {"clipvalue": 0.1}, {"global_clipnorm": 1.0}]
SCHEDULES = [
    some("optimizers.schedules", "ExponentialDecay", decay_steps=2, decay_rate=0.9, staircase=True),
    some("optimizers.schedules", "CosineDecay", decay_steps=9, warmup_target=0.02, warmup_steps=4),
    some("optimizers.schedules", "PolynomialDecay", decay_steps=5, power=2.0, cycle=True),
    some("optimizers.schedules", "InverseTimeDecay", decay_steps=3, decay_rate=0.5),
    some("optimizers.schedules", "CosineDecayRestarts", first_decay_steps=4, m_mul=0.9),
    some("optimizers.schedules", "PiecewiseConstantDecay", boundaries=[2, 4]),
]
# A gradient that is nothing but rounding, such as that of a bias before a normalization, is no
# step only where it is small beside epsilon.
EPSILON = {"epsilon": [0.001, 0.01]}
OPTIMIZERS: dict[str, dict[str, Sequence[Any]]] = {
    "SGD": {"momentum": [0.9, ..., 0.5, 0.9], "nesterov": [..., ..., ..., ...]},
    "Adam": {"beta_1": [..., 0.8], "amsgrad": [False, True], **EPSILON},
    "AdamW": {"weight_decay": [..., 0.02], "beta_2": [..., 0.99], **EPSILON},
    "RMSprop": {"rho": [..., 0.8], "momentum": [..., 0.9], "centered": [True, False], **EPSILON},
    "Nadam": {"beta_1": [..., 0.8], **EPSILON},
    "Adagrad": {"initial_accumulator_value": [..., 0.2], "epsilon": [0.001]},
    "Lion": {"beta_1": [..., 0.8], "beta_2": [..., 0.9]},
}
"""All of Keras' that minicnn has, each with arguments of its own."""

LOGITS = {"from_logits": [False, True]}
SMOOTHING = {"label_smoothing": [..., 0.1]}
LOSSES: dict[str, tuple[str, str, dict[str, Sequence[Any]]]] = {
    "SparseCategoricalCrossentropy": ("classes", "softmax", LOGITS),
    "CategoricalCrossentropy": ("one-hot", "softmax", LOGITS | SMOOTHING),
    "BinaryCrossentropy": ("binary", "sigmoid", LOGITS | SMOOTHING),
    "CategoricalFocalCrossentropy": ("one-hot", "softmax", {"alpha": [..., 0.4], **SMOOTHING}),
    "BinaryFocalCrossentropy": ("binary", "sigmoid", {"gamma": [..., 1.5], **LOGITS}),
    "MeanSquaredError": ("numbers", "linear", {}),
    "MeanAbsoluteError": ("numbers", "linear", {}),
    "Huber": ("numbers", "tanh", {}),  # Keras' own files lose delta
    "CategoricalHinge": ("one-hot", "linear", {}),
    "Hinge": ("signs", "tanh", {}),
    "SquaredHinge": ("signs", "linear", {}),
}
"""Loss -> the kind of labels, what makes predictions for it, and its arguments."""

POSITIVES = [
    some("metrics", "Precision", thresholds=0.4, name="p"),
    some("metrics", "Recall", class_id=1, name="r"),
    some("metrics", "AUC", num_thresholds=50, curve="PR", name="auc"),
]
METRICS: dict[str, list[Any]] = {
    "classes": [
        "accuracy",
        some("metrics", "SparseTopKCategoricalAccuracy", k=2),
        some("metrics", "SparseCategoricalAccuracy"),
    ],
    "one-hot": [
        "accuracy",
        some("metrics", "CategoricalAccuracy", name="right"),
        some("metrics", "TopKCategoricalAccuracy", k=2),
        some("metrics", "F1Score", average="macro", threshold=0.5),
        *POSITIVES,
    ],
    "binary": [some("metrics", "BinaryAccuracy", threshold=0.4), *POSITIVES],
    "numbers": ["mse", some("metrics", "MeanAbsoluteError"), some("metrics", "MeanSquaredError")],
    "signs": ["mae"],
}


NOT_DRAWN = [
    "Adadelta",
    "Adamax",
    "Ftrl",
    "Identity",
    "CosineSimilarity",
    "Dice",
    "KLDivergence",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "Tversky",
]
"""What is compared by itself, as in test_optimizers and test_losses_metrics, and not here: most of
these divide by what may be small, where rounding decides of a step."""


def part(made: Configurable) -> Part:
    """What makes an object like this one, with all of its arguments."""
    cls = type(made)
    name = getattr(cls, "keras_name", "") or cls.__name__
    given = {key: made.argument(key) for key in arguments_of(cls) if key != "name"}
    arguments = {k: part(v) if isinstance(v, Configurable) else v for k, v in given.items()}
    return Part(made.keras_module.removeprefix("keras."), name, arguments)


def others(objects: Iterable[Configurable], known: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Classes that have no line above, with the arguments of their cases."""
    found: dict[str, dict[str, Any]] = {}
    for made in map(part, objects):
        if made.name not in known:
            found.setdefault(made.name, {"case": []})["case"].append(made.arguments)
    return found


def complete() -> None:
    """Put what has no line above, but a case, into the tables."""
    made = [case.make() for case in cases.LAYERS if not case.not_in_keras]
    known = {*OF_IMAGES, *NOISE, *AUGMENTATION, *BRIDGES, *OF_ROWS, "InputLayer", "Residual"}
    NOISE.update(others([one for one in made if one.random], known))
    OF_IMAGES.update(others([one for one in made if not one.random], known))
    known_optimizers = {*OPTIMIZERS, *NOT_DRAWN}
    for name, options in others(cases.OPTIMIZERS, known_optimizers).items():
        own = [{k: v for k, v in case.items() if k not in COMMON} for case in options["case"]]
        OPTIMIZERS[name] = {"case": own}
    for loss, y_true, y_pred in cases.LOSSES:
        (name, options), kind = others([loss], ()).popitem(), LABELS.get(id(y_true))
        if kind and y_pred is cases.others.LOGITS and name not in (*LOSSES, *NOT_DRAWN):
            LOSSES[name] = (kind, "linear", options)
    drawn = {one.name for one in (*KERNELS, *FLAT) if isinstance(one, Part)} | {*NOT_DRAWN}
    KERNELS.extend(one for one in map(part, cases.INITIALIZERS) if one.name not in drawn)
    drawn = {one.name for one in PENALTIES if isinstance(one, Part)}
    PENALTIES.extend(one for one in map(part, cases.REGULARIZERS) if one.name not in drawn)


COMMON = ("learning_rate", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm")
LABELS = {
    id(cases.others.CLASSES): "classes",
    id(cases.others.ONE_HOT): "one-hot",
    id(cases.others.BITS): "binary",
    id(cases.others.NUMBERS): "numbers",
}
complete()


class Drawing:
    """Networks, one after the other, from one dealer."""

    def __init__(self, keras: Any, seed: int = 0) -> None:
        self.deal = Dealer(seed)
        names = [
            name for name in minicnn.activations.ACTIVATIONS if hasattr(keras.activations, name)
        ]
        self.activations = names
        first = keras.__version__.startswith("3.0.")
        on_torch = keras.backend.backend() == "torch"
        absent: set[Any] = set()
        self.absent = absent.union(
            NOT_IN_THE_FIRST if first else (), NOT_ON_TORCH if on_torch else ()
        )

    def network(self, with_chance: bool, with_ways: bool) -> Network:
        deal = self.deal
        optimizer = self.optimizer()
        self.shape: Shape = deal("shape", [(10, 9, 2), (9, 12, 4), (11, 8, 3)])
        begin = self.shape
        self.layers: list[Part] = []
        # Lion follows the sign even of a gradient that is nothing but rounding.
        self.left_out = NORMALIZING if optimizer.name == "Lion" else ()
        if with_chance:
            self.add("augmentation", AUGMENTATION)
            self.add("augmentation", AUGMENTATION)
        kinds = ["ways"] * with_ways + ["noise"] * 2 * with_chance
        for kind in deal.rng.permutation(kinds + ["image"] * (6 - len(kinds))):
            if kind == "ways":
                self.ways()
            else:
                self.add(kind, NOISE if kind == "noise" else OF_IMAGES)
        self.add("bridge", BRIDGES)
        if len(self.shape) > 1:
            self.put(layer("Flatten"))
        for _ in range(2):
            self.add("rows", OF_ROWS)
        labels, activation, table = LOSSES[loss := deal("loss", list(LOSSES))]
        arguments = deal.arguments(loss, table)
        if arguments.get("from_logits"):
            activation = "linear"
        small = some("initializers", "RandomUniform", minval=-0.1, maxval=0.1)  # none is too sure
        units = deal("classes", [3, 4])
        self.put(layer("Dense", units=units, activation=activation, kernel_initializer=small))
        metrics = []
        for _ in range(min(2, len(METRICS[labels]))):
            if (metric := deal(f"metric of {labels}", METRICS[labels])) not in metrics:
                metrics.append(metric)
        made = Part("losses", loss, arguments)
        return Network(begin, self.layers, optimizer, made, metrics, labels, with_chance)

    def put(self, part: Part) -> None:
        self.shape = part.made(minicnn).output_shape(self.shape)
        self.layers.append(part)

    def add(self, who: str, table: dict[str, dict[str, Sequence[Any]]]) -> None:
        """The next layer of a table, with the next arguments with which it fits."""
        while True:
            name = self.deal(who, [name for name in table if name not in self.absent])
            for _ in range(20 if name not in self.left_out else 0):
                part = self.layer(name, table[name])
                try:
                    shape = part.made(minicnn).output_shape(self.shape)
                except MiniCNNError:
                    continue
                if np.prod(shape) <= 2500 and min(shape) > 0:
                    return self.put(part)

    def layer(self, name: str, options: dict[str, Sequence[Any]]) -> Part:
        arguments = self.deal.arguments(name, options)
        arguments = {k: v for k, v in arguments.items() if (name, k) not in self.absent}
        arguments |= arguments.pop("steps", {})
        if name == "Reshape":
            _, w, c = self.shape
            arguments["target_shape"] = (w, -1, c)
        if name == "Activation" or "use_bias" in options:
            arguments["activation"] = self.deal("activation", self.activations)
        return layer(name, **arguments)

    def ways(self) -> None:
        """Layers with a way around them, which may have another within."""
        *_, c = self.shape
        norm = [] if self.left_out else [layer("BatchNormalization", momentum=0.9)]
        smaller = self.deal("smaller", [False, True])
        conv = {"filters": c + 1, "strides": 2} if smaller else {"filters": c}
        kernel = {"kernel_size": 3, "padding": "same"}
        layers = [layer("Conv2D", **kernel, **conv), *norm]
        layers.append(layer("Activation", activation=self.deal("activation", self.activations)))
        more = [layer("Conv2D", filters=conv["filters"], **kernel), *norm]
        nested = self.deal("nested", [True, False, False])
        layers += [layer("Residual", layers=more)] if nested else more
        shortcut = {"shortcut": [layer("Conv2D", kernel_size=1, **conv), *norm]} if smaller else {}
        self.put(layer("Residual", layers=layers, **shortcut))

    def optimizer(self) -> Part:
        deal = self.deal
        name = deal("optimizer", [name for name in OPTIMIZERS if name not in self.absent])
        rate: Any = deal("schedule", [None, *SCHEDULES, None])
        if rate is None:
            rate = deal("rate", [0.01, 0.003])
        elif rate.name == "PiecewiseConstantDecay":
            rate = some(rate.module, rate.name, **rate.arguments, values=[0.01, 0.02, 0.005])
        else:
            rate = some(rate.module, rate.name, initial_learning_rate=0.01, **rate.arguments)
        own = deal.arguments(name, OPTIMIZERS[name])
        if name == "SGD" and "momentum" in own:
            own["nesterov"] = deal("nesterov", [True, False])
        return Part("optimizers", name, {"learning_rate": rate, **own, **deal("clip", CLIPS)})


def networks(keras: Any) -> list[Network]:
    """All of them: in every third chance has a part, and every third has ways around layers."""
    drawing = Drawing(keras)
    return [drawing.network(i % 3 == 2, i % 3 == 1) for i in range(COUNT)]
