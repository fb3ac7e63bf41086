"""The table in docs/keras_scripts.md: what public Keras scripts use, and whether it is here.

    python docs/keras_scripts.py TABLE.csv            prints it
    python docs/keras_scripts.py TABLE.csv --write    puts it into docs/keras_scripts.md

TABLE.csv has a row for each name that scripts use, with how many of 186 public scripts and notebooks
do, and the arguments that they give it. Each row is tried here, name and arguments: it is here, here
with a word said of it, or answered in one line with the nearest thing. Anything else is a fault, and
the exit status 1.
"""

import argparse
import csv
import re
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import minicnn.as_keras
from minicnn import layers
from minicnn._core import console
from minicnn._core.signatures import modern_arguments
from minicnn._keras.arguments import inert
from minicnn.as_keras.checking import ANY, _parameters
from minicnn.as_keras.unused import at
from minicnn.errors import MiniCNNError

PAGE = Path(__file__).parent / "keras_scripts.md"
BEGIN, END = "<!-- written by docs/keras_scripts.py -->", "<!-- end of the table -->"

HERE, WORD, ANSWERED, FAULT = "here", "here, with a word", "answered", "FAULT"

X, Y = np.zeros((8, 8, 8, 3), np.float32), np.arange(8) % 2


def model() -> Any:
    """A trained model with a layer of each kind that scripts look into."""
    net = minicnn.Sequential([
        layers.Input((8, 8, 3)), layers.Conv2D(2, 3, activation="relu"), layers.MaxPool(2),
        layers.RandomFlip(), layers.RandomRotation(0.1), layers.Dropout(0.5), layers.Flatten(),
        layers.Normalization(), layers.Dense(2, activation="softmax"),
    ])  # fmt: skip
    net.layers[-2].adapt(np.zeros((4, 18)))
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    net.fit(X, Y, verbose=0)
    return net


def function_as_metric() -> None:
    """A function of one's own, given to compile."""
    net = model()
    net.compile("adam", "mse", metrics=[lambda y_true, y_pred: np.abs(y_true - y_pred)])


def function_as_loss() -> None:
    """A function of one's own as a loss."""
    one = model()
    one.compile("adam", lambda y_true, y_pred: (y_true - y_pred) ** 2)
    one.fit(X, one.predict(X), verbose=0)


def called() -> None:
    """A model, called on arrays."""
    model()(X)


def from_dataset() -> None:
    """What tf.data.Dataset gives."""
    model().fit(at("tensorflow.data.Dataset").from_tensor_slices((X, Y)).batch(4), verbose=0)


def from_generator() -> None:
    """A generator of batches."""
    model().fit(((X, Y) for _ in range(2)), verbose=0)


def functional() -> None:
    """Layers called on Input, and Model of both ends."""
    x = layers.Input((8, 8, 3))
    minicnn.Model(x, layers.Flatten()(x))


def activation_of_tensorflow() -> None:
    """A function of tf.nn as an activation."""
    layers.Dense(2, activation=at("tensorflow.nn.relu"))


def subclassed(base: Any, name: str) -> None:
    """A class of one's own on Keras' base class, made once."""
    if name == "Loss":
        one = model()
        one.compile("adam", type("Own", (base,), {"call": lambda self, y, p: (y - p) ** 2})())
        one.fit(X, one.predict(X), verbose=0)
        return
    if name in ("Model", "Layer"):  # whose call puts layers together
        type("Own", (base,), {"call": lambda self, x: layers.ReLU()(x)})()(X)
        return
    made = type("Own", (base,), {"__len__": lambda self: 1, "__getitem__": lambda self, i: (X, Y)})
    if name == "RMSprop":
        made(0.1)
    else:
        made()


OWN = ("adversarial_compile", "decoder", "encoder", "preprocessor", "save_spec")
"""Attributes of models that scripts give to subclasses of their own."""

PROBES: dict[str, Any] = {
    "functional API": functional,
    "model called": called,
    "data from a tf.data Dataset": from_dataset,
    "data from a generator": from_generator,
    "function as loss": function_as_loss,
    "function as metric": function_as_metric,
    "tf function as activation": activation_of_tensorflow,
}

OBJECTS = (
    "Model",
    "Layer",
    "Optimizer",
    "History",
    "KerasTensor",
    "ImageDataGenerator",
    "iterator",
)


def objects(kind: str) -> list[Any]:
    """The things that a name such as Layer.padding may be an attribute of."""
    generator = at("keras.preprocessing.image.ImageDataGenerator")()
    net = model()
    return {
        "Model": [net],
        "Layer": [*net.layers, minicnn.Sequential([layers.Input((2,)), layers.Dense(1)])],
        "Optimizer": [net.optimizer],
        "History": [net.history],
        "KerasTensor": [layers.Input((2,))],
        "ImageDataGenerator": [generator],
        "iterator": [generator.flow(X, Y)],
    }[kind]


def looked_up(name: str) -> Any:
    """What a name of the table is; raises what a script would meet."""
    if name in PROBES:
        return PROBES[name]()
    kind, quoted = re.fullmatch(r"(\w+):'(.+)'", name), None
    if kind:
        quoted = kind[2]
        family = {"activation": "activations", "initializer": "initializers"}.get(
            kind[1], {"loss": "losses", "metric": "metrics", "optimizer": "optimizers"}.get(kind[1])
        )
        get = at(f"minicnn.{family}.get")
        return get("script", "given", quoted) if kind[1] == "initializer" else get("script", quoted)
    if name.startswith("subclass:"):
        name = name.removeprefix("subclass:")
        places = ("layers", "models", "losses", "callbacks", "optimizers", "utils")
        found = [p for p in places if hasattr(at(f"minicnn.{p}"), name)]
        return subclassed(at(f"minicnn.{found[0]}.{name}"), name)
    first, _, rest = name.partition(".")
    if first in OBJECTS:
        if rest in OWN:
            raise MiniCNNError(f"{rest} is of the script's own subclass: see subclass:Model.")
        things = objects(first)
        for thing in things[:-1]:
            if hasattr(thing, rest):
                return getattr(thing, rest)
        return getattr(things[-1], rest)
    return at(f"keras.{name}")


def taken(found: Any, argument: str) -> None:
    """Raise unless what was found takes the argument, under that name or today's."""
    known = _parameters(found)
    if known is None or argument in known or inert(argument, None):
        return
    kinds = [
        names for kind, names in ANY.items() if isinstance(found, type) and issubclass(found, kind)
    ]
    if any(argument in names.split() for names in kinds):
        return
    who = getattr(found, "__name__", "it")
    now = modern_arguments(who, known, {argument: 1})
    if not all(new in known for new in now):
        raise MiniCNNError(f"{who}: argument {argument!r} is not supported.")


def status_of(try_it: Any) -> tuple[str, str, Any]:
    """How a trial ends: what it is called, what was said, and what was found."""
    console._said.clear()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            found = try_it()
        except MiniCNNError as error:
            return ANSWERED, str(error), None
        except Exception as error:
            return FAULT, f"{type(error).__name__}: {error}", None
    words = [str(w.message) for w in said if "today" in str(w.message)]
    return (WORD, words[0], found) if words else (HERE, "", found)


def rows(path: Path) -> list[dict[str, Any]]:
    """The table, each row with what became of its name and of its arguments."""
    made = []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = row["name"]
            status, text, found = status_of(lambda name=name: looked_up(name))
            arguments = []
            given = re.findall(r"(\S+?):(\d+)", row["arguments_used (scripts)"] or "")
            for argument, count in given if status in (HERE, WORD) and callable(found) else []:
                if argument.endswith("_") or not re.fullmatch(r"\w+", argument):
                    continue
                state, words, _ = status_of(lambda f=found, a=argument: taken(f, a))
                arguments.append((argument, int(count), state, words))
            scripts = int(row["scripts_of_186"]) + int(row["more_scripts_of_56_with_tf_data"])
            made.append(
                {
                    "name": name,
                    "scripts": scripts,
                    "status": status,
                    "text": text,
                    "arguments": arguments,
                }
            )
    return made


def table(found: list[dict[str, Any]]) -> str:
    """The page's table, and the sums over it."""
    names, arguments = Counter[str](), Counter[str]()
    for row in found:
        names[row["status"]] += row["scripts"]
        for _, count, state, _ in row["arguments"]:
            arguments[state] += count
    lines = []
    for what, counts in (("names", names), ("arguments", arguments)):
        total = sum(counts.values())
        shares = ", ".join(
            f"{counts[k] / total:.1%} {k}" for k in (HERE, WORD, ANSWERED) if counts[k]
        )
        lines.append(f"Of {total:,} uses of {what}: {shares}.")
    lines += ["", "| name | scripts | | |", "|---|---|---|---|"]
    for row in found:
        others = [f"`{a}`: {state}" for a, _, state, _ in row["arguments"] if state != HERE]
        text = row["text"].replace("|", "\\|").replace("\n", " ")
        lines.append(
            f"| `{row['name']}` | {row['scripts']} | {row['status']} | {'; '.join([*filter(None, [text]), *others])} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Print the table, or write it."""
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=about, usage=argparse.SUPPRESS)
    parser.add_argument("table", type=Path, metavar="TABLE.csv")
    parser.add_argument("--write", action="store_true", help=f"put it into {PAGE.name}")
    arguments = parser.parse_args()
    found = rows(arguments.table)
    text = table(found)
    faults = [
        row
        for row in found
        if row["status"] == FAULT or any(a[2] == FAULT for a in row["arguments"])
    ]
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
    else:
        print(text)
    for row in faults:
        print(
            f"FAULT {row['name']}: {row['text']} {[a for a in row['arguments'] if a[2] == FAULT]}",
            file=sys.stderr,
        )
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
