"""Objects that are nothing but their constructor's arguments, and finding them by name.

Layers, initializers, losses, metrics and optimizers store their arguments as
given, under the arguments' own names. Their repr, their config (what a model
file holds) and their copies are read off the constructor's signature.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache, wraps
from typing import Any, ClassVar, ParamSpec, Self, TypeVar

import numpy as np

from minicnn.arguments import boolean, check_array
from minicnn.errors import ConfigError, NameUnknownError, shown


class _Checked(type):
    """A class that answers a call with arguments it does not take in one line, by name."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        settable: Mapping[str, str] = cls.settable  # type: ignore[attr-defined]
        if not users_own(cls):
            args, kwargs = without_arrays(cls.__name__, args, kwargs)
        common = {settable[key]: kwargs.pop(key) for key in settable.keys() & kwargs.keys()}
        signature = inspect.signature(cls)
        kwargs = _taken(cls.__name__, signature, args, kwargs)
        if not users_own(cls):
            _check_booleans(cls.__name__, signature, args, kwargs)
        made = super().__call__(*args, **kwargs)
        for key, value in common.items():
            setattr(made, key, value)
        if not users_own(cls):
            close(made)
        return made

    @property
    def __signature__(cls) -> inspect.Signature:
        """That of the constructor, for ``help`` and ``inspect``."""
        return inspect.Signature(list(_arguments(cls).values()))


class Guarded:
    """The parent of objects whose attributes can be set, but no others.

    ``optimizer.lr = 0.1`` would else be taken and ignored. What is an argument of the constructor
    is checked as there, and what is derived from it follows. Classes that derive from those of the
    library are free, and so are names that begin with an underscore.

    >>> import minicnn
    >>> optimizer = minicnn.SGD(0.1)
    >>> optimizer.lr = 0.2
    Traceback (most recent call last):
    minicnn.errors.NameUnknownError: SGD: there is no 'lr' to set. Did you mean 'learning_rate'?
    """

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; raises ``NameUnknownError`` for one that is not there."""
        cls: type = type(self)
        if name.startswith("_") or users_own(cls) or _CLOSED not in vars(self):
            object.__setattr__(self, name, value)
            return
        known, who = getattr(cls, name, None), cls.__name__
        if isinstance(known, property) and known.fset is None:
            raise NameUnknownError(f"{who}: {name} cannot be set.{self.instead_of_setting(name)}")
        if name not in vars(self) and not hasattr(cls, name):
            raise NameUnknownError(f"{who}: there is no {name!r} to set.{self._near(name)}")
        if name in vars(self) and name in _arguments(cls):
            vars(self).update(self.changed(name, value))
        else:
            object.__setattr__(self, name, value)

    def changed(self, argument: str, value: Any) -> dict[str, Any]:
        """The attributes that are others where an argument of the constructor is.

        Raises ``ConfigError`` for a value that the constructor does not take.
        """
        cls: Any = type(self)
        given = {name: self.argument(name) for name in _arguments(cls)}
        before, after = cls(**given), cls(**given | {argument: value})
        return {
            name: now
            for name, now in vars(after).items()
            if name == argument or not _same(now, vars(before).get(name))
        }

    def argument(self, name: str) -> Any:
        """What was given, or set, for an argument of the constructor."""
        return getattr(self, name)

    def instead_of_setting(self, name: str) -> str:
        """What to do instead of setting an attribute that is there and cannot be set."""
        return ""

    def _near(self, name: str) -> str:
        cls = type(self)
        public = (key for key in (*vars(self), *dir(cls)) if not key.startswith("_"))
        settable = {key: None for key in public if not callable(getattr(cls, key, None))}
        now = RENAMED.get(name, name)
        near = f" Did you mean {now!r}?" if now in settable else did_you_mean(name, settable)
        return near or " A custom attribute begins with an underscore, or belongs to a subclass."


_CLOSED = "_closed"


def close(made: Guarded) -> None:
    """From now on it has the attributes that it has."""
    vars(made)[_CLOSED] = True


def attributes(value: Any) -> dict[str, Any]:
    """All that it has, without the mark of ``close``."""
    return {name: held for name, held in vars(value).items() if name != _CLOSED}


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return bool(np.array_equal(a, b))
    return a is b or bool(type(a) is type(b) and a == b)


class Configurable(Guarded, metaclass=_Checked):
    """The parent of everything that is described by its constructor's arguments."""

    keras_module: ClassVar[str] = ""
    """The module in which Keras has the class of this name."""

    settable: ClassVar[Mapping[str, str]] = {}
    """Arguments that any constructor of the family takes, and the attributes that they set."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as values that JSON can hold."""
        return {name: _plain(self.argument(name)) for name in _arguments(type(self))}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make an object from what ``get_config`` returned; JSON's lists become tuples."""
        return cls(**{name: _tuples(value) for name, value in config.items()})

    def __repr__(self) -> str:
        """The call that makes this object, without the arguments left at their defaults."""
        shown = []
        for name, argument in _arguments(type(self)).items():
            try:
                value = self.argument(name)
            except AttributeError:  # a user's class that does not keep it
                shown.append("...")
                continue
            if argument.default is inspect.Parameter.empty:
                shown.append(repr(value))
            elif isinstance(value, np.ndarray) or value != argument.default:
                shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


_OFF = """
    activity_regularizer auto_scale_loss batch_shape batch_size beta_constraint bias_constraint
    callbacks data_bounds data_format depthwise_constraint double_checkpoint
    expand_nested export_path from_sorted_ids gamma_constraint
    gradient_accumulation_steps input_axes input_dtype jit_compile kernel_constraint
    label_weights layer_range line_length lora_alpha lora_rank loss_scale_factor loss_weights
    max_shard_size multi_label num_labels optional options output_axes pointwise_constraint
    positions print_fn quantization_config ragged raise_error renorm renorm_clipping rms_scaling
    run_eagerly show_trainable skip_mismatch sparse steps synchronized tensor thresholds use_ema
    weighted_metrics weights zipped
"""
OFF = frozenset(_OFF.split())
"""Arguments of Keras' that minicnn has not, and that say nothing when they are None or False."""

INERT: dict[str, tuple[Any, ...]] = {
    "auto_scale_loss": (True,),
    "autocast": (True,),
    "axis": (-1,),
    "data_format": ("channels_last",),
    "dilation_rate": (1, (1, 1), [1, 1]),
    "dtype": (None, "float32"),
    "groups": (1,),
    "jit_compile": ("auto",),
    "loss_scale_factor": (1.0,),
    "moving_mean_initializer": ("zeros",),
    "moving_variance_initializer": ("ones",),
    "overwrite": (True,),
    "reduction": ("sum_over_batch_size",),
    "safe_mode": (True, False, None),
    "steps_per_execution": (1,),
    "trainable": (True,),
}
"""Others, and the values at which they change nothing."""

IGNORED = {
    "ema_momentum",
    "ema_overwrite_frequency",
    "name",
    "renorm_momentum",
    "seed",
}
"""Arguments of Keras' that say nothing, or only matter beside others that are refused."""

RENAMED = {
    "lr": "learning_rate",
    "nb_epoch": "epochs",
    "alpha": "negative_slope",
    **dict.fromkeys(("validation", "validation_set", "val"), "validation_data"),
}
"""Arguments that Keras has renamed since the scripts of old, and names that come to mind."""

AS_ONE = {
    "layers": " Give all layers in one list: [Input((64, 64, 3)), ...].",
    "shape": " Give the sizes in one tuple: (64, 64, 3).",
}
"""What to do about several values where one was expected."""

IN_FILES = {"dtype", "moving_mean_initializer", "moving_variance_initializer", "trainable"}
"""Arguments in saved configs that are read elsewhere, or whose arrays the file holds."""


TELLING = {"bias"}
"""Arguments of releases of old that change the meaning when they are False."""


def accepted(cls: type, config: Mapping[str, Any]) -> dict[str, Any]:
    """What the constructor of ``cls`` takes of a saved config.

    Raises ``ConfigError`` for an argument that it does not take and that would change
    the meaning. One of a later Keras that is None or False is thought not to.

    >>> accepted(Configurable, {"groups": 1, "seed": 7})
    {}
    """
    known = _arguments(cls)
    given = {
        key: value
        for key, value in config.items()
        if key in known
        or not (key in IN_FILES or value is None or (value is False and key not in TELLING))
    }
    return _known(cls.__name__, known, given)


def _known(
    who: str, known: Mapping[str, inspect.Parameter], given: Mapping[str, Any]
) -> dict[str, Any]:
    """What is known of the arguments given; raises ``ConfigError`` for others that would matter."""
    for key, value in given.items():
        if key not in known and not _inert(key, value):
            takes = ", ".join(known) or "none"
            now = RENAMED.get(key, key)
            near = f" Did you mean {now!r}?" if now in known else did_you_mean(key, known)
            remedy = near or f" Its arguments are: {takes}."
            if key == "data_format":
                remedy = " minicnn is channels-last: leave it out, and x.transpose(0, 2, 3, 1)."
            came = shown(value)
            raise ConfigError(f"{who}: argument {key!r} = {came} is not supported.{remedy}")
    return {key: value for key, value in given.items() if key in known}


def _inert(key: str, value: Any) -> bool:
    """Whether an argument of Keras' changes nothing."""
    off = (value is None or value is False) and key in OFF
    same = not isinstance(value, np.ndarray) and any(value == x for x in INERT.get(key, ()))
    return off or same or key in IGNORED


def _taken(
    who: str, signature: inspect.Signature, args: Sequence[Any], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """``kwargs`` without what changes nothing; raises ``ConfigError`` for a call that cannot be."""
    parameters = signature.parameters
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        kwargs = _known(who, parameters, kwargs)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        first = next(iter(parameters), "")
        remedy = AS_ONE.get(first, "") if "too many" in str(error) else ""
        raise ConfigError(f"{who}: {error}; expected {who}{_brief(signature)}.{remedy}") from None
    return kwargs


def _check_booleans(
    who: str, signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> None:
    """Raise ``ConfigError`` for anything but True or False where the default is one of these."""
    for key, value in signature.bind(*args, **kwargs).arguments.items():
        if isinstance(signature.parameters[key].default, bool):
            boolean(who, key, value)


LARGEST_LIST = 16
"""Numbers in an array of several axes that may be an argument: ((top, bottom), (left, right))."""


def without_arrays(
    who: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments with lists and numbers in the place of NumPy's, which compare in another way."""

    def plain(value: Any) -> Any:
        check_array(who, value)
        if isinstance(value, np.ndarray) and value.ndim > 1 and value.size > LARGEST_LIST:
            raise ConfigError(f"{who}: expected numbers, texts or lists, got {shown(value)}.")
        return value.tolist() if isinstance(value, np.ndarray | np.generic) else value

    return tuple(map(plain, args)), {key: plain(value) for key, value in kwargs.items()}


def _brief(signature: inspect.Signature) -> str:
    plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(inspect.Signature(plain))


P = ParamSpec("P")
R = TypeVar("R")


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """A function, or a method, that answers arguments it does not take as constructors here do.

    >>> @checked
    ... def fit(x, epochs=1): ...
    >>> fit(0, epoch=3)
    Traceback (most recent call last):
    minicnn.errors.ConfigError: fit: argument 'epoch' = 3 is not supported. Did you mean 'epochs'?
    """
    owner, _, who = function.__qualname__.rpartition(".")
    who = owner if who == "__init__" else who
    signature = inspect.signature(function)
    methods = list(signature.parameters)[:1] == ["self"]
    shown = signature.replace(parameters=list(signature.parameters.values())[methods:])

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        taken = _taken(who, shown, args[methods:], kwargs)
        _check_booleans(who, shown, args[methods:], taken)
        return function(*args, **taken)

    return call


Kind = TypeVar("Kind", bound=Configurable)

LONG = 120
"""Characters of a list of names, where a hint follows it."""


def find(who: str, kind: str, value: Any, parent: type[Kind], table: Mapping[str, Any]) -> Kind:
    """The object that ``value`` stands for: itself, a name in ``table``, or a saved config.

    Raises ``ConfigError`` that lists the names when there is no such object.
    """
    if isinstance(value, parent):
        return value
    name, config = value, {}
    if isinstance(value, Mapping) and isinstance(value.get("config"), Mapping):
        name, config = value.get("class_name"), value["config"]
    if isinstance(name, str) and name in table:
        found: Kind = table[name](**accepted(table[name], config))
        return found
    known = [n for n in table if n.islower()] or list(table)
    remedy = did_you_mean(name, table)
    names = f"one of {', '.join(known)};"
    if remedy and len(names) > LONG:  # before the hint nobody would read them all
        names = f"{names[:LONG].rpartition(',')[0]}, ...;"
    if isinstance(value, type) and issubclass(value, parent):
        names, remedy = "a name,", f" Make an object: {value.__name__}(...)."
    elif callable(value):
        names, remedy = "a name,", f" A custom one is a class with the parent {parent.__name__}."
    raise ConfigError(
        f"{who}: expected {kind} as {parent.__name__} or {names} got {shown(name)}.{remedy}"
    )


def snake_case(name: str) -> str:
    """A class's name as Keras writes it in the names of layers and in files.

    >>> [snake_case(name) for name in ("Conv2D", "MaxPooling2D", "ReLU", "GlorotUniform")]
    ['conv2d', 'max_pooling2d', 're_lu', 'glorot_uniform']
    """
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


LONGEST_NAME = 100
"""Characters of a name that is compared with others, which takes the square of their number."""


def did_you_mean(name: Any, names: Iterable[str]) -> str:
    """A remedy naming the nearest of ``names``, or nothing when none is near.

    >>> did_you_mean("rleu", {"relu": 0, "tanh": 1}), did_you_mean("TANH", ["relu", "tanh"])
    (" Did you mean 'relu'?", " Did you mean 'tanh'?")
    """
    if not isinstance(name, str) or len(name) > LONGEST_NAME:
        return ""
    near = get_close_matches(name, names, n=1)
    if not near:
        plain = {_plainly(known): known for known in reversed(list(names))}
        near = [plain[found] for found in get_close_matches(_plainly(name), plain, n=1)]
    return f" Did you mean {near[0]!r}?" if near else ""


def _plainly(name: str) -> str:
    """A name as it sounds: in small letters alone."""
    return re.sub("[^a-z0-9]", "", name.lower())


def save_config(value: Configurable) -> dict[str, Any]:
    """``value`` as Keras' files describe an object inside another."""
    own = users_own(type(value))
    return {
        "module": None if own else value.keras_module,
        "class_name": type(value).__name__,
        "config": value.get_config(),
        "registered_name": type(value).__name__ if own else None,
    }


def users_own(cls: type) -> bool:
    """Whether a class is not minicnn's."""
    return not cls.__module__.startswith("minicnn.")


@cache
def _arguments(cls: type) -> Mapping[str, inspect.Parameter]:
    """The constructor's arguments; those it hands on with ``**kwargs`` are its parents' ones."""
    found: dict[str, inspect.Parameter] = {}
    for parent in cls.__mro__:
        if "__init__" not in vars(parent) or parent is object:
            continue
        own = list(inspect.signature(vars(parent)["__init__"]).parameters.values())[1:]
        named = [p for p in own if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        if found:
            named = [p.replace(kind=p.KEYWORD_ONLY) for p in named if p.name not in found]
        found |= {p.name: p for p in named}
        if not any(p.kind is p.VAR_KEYWORD for p in own):
            break
    return found


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def by_name(classes: Sequence[type], **aliases: type) -> dict[str, Any]:
    """A table of classes by their names in Keras: ``HeNormal`` and ``he_normal``."""
    table = {name: c for c in classes for name in (snake_case(c.__name__), c.__name__)}
    return table | aliases


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Configurable):
        return save_config(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
