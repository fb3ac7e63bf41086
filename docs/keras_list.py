"""The list of Keras' names in docs/from_keras.md: what is the same here, and what differs and why.

    python docs/keras_list.py            prints it
    python docs/keras_list.py --write    puts it into docs/from_keras.md

Signatures are compared with those of the classes and functions themselves. A difference in them
must be given a reason below, and so must every one of another kind. Keras' signatures are in
``minicnn._keras.signatures``.
"""

import argparse
import inspect
from pathlib import Path

import minicnn
from minicnn._keras.signatures import signatures

PAGE = Path(__file__).parent / "from_keras.md"
BEGIN = "<!-- written by docs/keras_list.py -->"
END = "<!-- end of the list -->"

SEED = "`seed` changes nothing: all layers draw from the model's one generator"
BYTES = f"images that are bytes stay bytes, rounded; {SEED}"
SEAM = "`fill_mode='wrap'` interpolates across the seam, as Keras does on JAX, not on TensorFlow"
BITS = "labels must be 0 or 1, where Keras takes what is not 0 for 1"
PIXELS = "`padding` may also be a number of pixels, which Keras cannot read back"
UNCLIPPED = "on logits nothing is clipped, so a sure wrong answer keeps its gradient"
SIGNS = "labels are all of -1 and 1, or all of 0 and 1"
FILES = "reads `.keras` and `.h5` files; all that minicnn has, in any network"
DRAWN = "drawn by NumPy's generators: the same distributions, other numbers"
ONE = "`name` is there from the start, not given later"

DIFFERENCES = {
    "layers.Conv2D": PIXELS,
    "layers.DepthwiseConv2D": PIXELS,
    "layers.SeparableConv2D": PIXELS,
    "layers.Conv2DTranspose": "`padding='same'`, an even kernel and `output_padding=0` together are an error, where Keras on TensorFlow aborts",
    "layers.MaxPooling2D": PIXELS,
    "layers.AveragePooling2D": f"{PIXELS}; `pool_size` may be left out",
    "layers.GlobalMaxPooling2D": "of equal maxima the first takes the whole gradient, as in MaxPooling2D and PyTorch; TensorFlow shares it",
    "layers.Activation": "takes the names below and these functions; a custom function is a custom layer",
    "layers.ELU": "`alpha` must not be negative, as the gradient is found from the output",
    "layers.Dropout": SEED,
    "layers.SpatialDropout2D": SEED,
    "layers.AlphaDropout": SEED,
    "layers.GaussianNoise": SEED,
    "layers.UpSampling2D": "`interpolation` is nearest or bilinear",
    "layers.Resizing": "bytes become numbers that are not rounded; `interpolation='area'` is not there",
    "layers.RandomCrop": f"outside training images are resized, as Keras' documentation has it; its code (3.15) leaves them as they are; {SEED}",
    "layers.RandomFlip": BYTES,
    "layers.RandomRotation": f"{BYTES}; {SEAM}",
    "layers.RandomTranslation": f"{BYTES}; {SEAM}",
    "layers.RandomZoom": f"{BYTES}; {SEAM}",
    "layers.RandomContrast": f"{BYTES}; draws from 1 - factor to 1 + factor, as Keras' documentation has it; its code (3.15) draws from 1",
    "layers.RandomBrightness": BYTES,
    "layers.Lambda": "the function is called once, and must do what has a gradient here: arithmetic, slicing, `ops` and `backend`; files hold what it does and no Python",
    "Sequential.compile": "each run and each evaluation counts with copies of the metrics: a metric object that was given stays empty, and its values are in what `fit` and `evaluate` return",
    "Sequential.fit": "takes a data set instead of x and y; also `time_budget`, `checkpoint` and `resume`; the shuffle goes on from one `fit` to the next; with `steps_per_epoch` no epoch is cut short where the data end; a loss that is no number raises `DivergenceError`",
    "Sequential.evaluate": "takes a data set; silent unless told",
    "Sequential.predict": "silent unless told",
    "Sequential.summary": "prints multiply-adds and memory as well; `positions` changes nothing; also `batch_size`",
    "Sequential.save": "`.keras` and `.h5` files; a Residual is its layers and an `Add` there",
    "Sequential.get_config": "the layers' classes and arguments, without Keras' bookkeeping",
    "optimizers.SGD": "`nesterov=True` without momentum is an error, as it would do nothing",
    "optimizers.Ftrl": "at a rate of 0, to which a schedule may fall, nothing is changed, where Keras divides by it",
    "optimizers.schedules.CosineDecayRestarts": "restarts where the formula does; Keras, in single precision, misses some restarts",
    "losses.CategoricalFocalCrossentropy": UNCLIPPED,
    "losses.BinaryFocalCrossentropy": UNCLIPPED,
    "losses.Hinge": SIGNS,
    "losses.SquaredHinge": SIGNS,
    "metrics.Precision": f"{BITS}; {ONE}",
    "metrics.Recall": f"{BITS}; {ONE}",
    "metrics.AUC": f"{BITS}; {ONE}; no `thresholds`, `multi_label`",
    **dict.fromkeys(
        [
            f"metrics.{kind}{sign}s"
            for kind in ("True", "False")
            for sign in ("Positive", "Negative")
        ],
        f"{BITS}; {ONE}",
    ),
    **dict.fromkeys(
        [
            f"metrics.{name}"
            for name in [
                "SensitivityAtSpecificity",
                "SpecificityAtSensitivity",
                "PrecisionAtRecall",
                "RecallAtPrecision",
            ]
        ],
        f"{BITS}; {ONE}",
    ),
    **dict.fromkeys(
        [f"metrics.{name}IoU" for name in ("", "Mean", "Binary", "OneHot", "OneHotMean")],
        f"{ONE}; weights are not rounded to whole numbers",
    ),
    "metrics.F1Score": f"{BITS}; exact, where Keras adds 1e-7",
    "metrics.FBetaScore": f"{BITS}; exact, where Keras adds 1e-7",
    "callbacks.EarlyStopping": "the best weights are put back after Ctrl-C and errors as well",
    "callbacks.TerminateOnNaN": "weights that are no numbers end the training too; the step that shows it is not taken",
    "callbacks.BackupAndRestore": "keeps all that a checkpoint does: what follows is equal to the bit; refuses other data and batches",
    "callbacks.TensorBoard": "written without TensorFlow; no profiles and embeddings; also pictures of kernels that read more than one channel",
    "callbacks.Callback": "any class with the methods it wants will do; there are no `on_predict` ones",
    "activations.gelu": "the exact one, without `approximate`",
    "activations.relu": "without further arguments; they are ReLU's",
    "models.Sequential": "takes `seed=`, `dtype=` and `kernels=`; shapes leave out the batch axis",
    "models.load_model": FILES,
    "saving.load_model": FILES,
    "utils.get_file": "where the cache cannot be written to it says so, instead of using another; `untar=True` unpacks as in Keras 2, and links stand where Keras 2 would unpack with `extract=True`",
    "utils.normalize": "`axis=0` is the first axis, where Keras (3.15) divides along the last",
    "config.backend": "tensorflow, whose layouts are minicnn's",
    "random.categorical": DRAWN,
    "random.dropout": DRAWN,
    "random.normal": DRAWN,
    "random.randint": DRAWN,
    "random.shuffle": DRAWN,
    "random.truncated_normal": DRAWN,
    "random.uniform": DRAWN,
    "applications.imagenet_utils.preprocess_input": "x is not overwritten",
}
"""Name -> what is not the same, and why."""


def main() -> None:
    about = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(description=about, usage=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="put the list into docs/from_keras.md")
    options = parser.parse_args()
    text = markdown()
    if not options.write:
        print(text)
        return
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def markdown() -> str:
    """What is the same in each module, and a row for each difference."""
    same, reasons = [], dict(DIFFERENCES)
    other: dict[str, list[str]] = {}
    for module, names in signatures().items():
        equal = []
        for name, signature in names.items():
            full = f"{module}.{name}"
            reason, difference = reasons.pop(full, ""), compared(module, name, signature)
            if difference and not reason:
                raise SystemExit(f"{full} is not Keras' ({difference}), and no reason is given.")
            if reason:
                other.setdefault(reason, []).append(f"`{full}`")
            else:
                equal.append(f"`{name}`")
        same.append(f"| `{module}` | {', '.join(equal)} |")
    if reasons:
        raise SystemExit(f"Reasons for names that are not on the list: {', '.join(reasons)}.")
    rows = [f"| {', '.join(names)} | {reason} |" for reason, names in other.items()]
    return "\n".join(
        ["| | same |", "|---|---|", *same, "", "| | the difference, and why |", "|---|---|", *rows]
    )


def here(module: str, name: str) -> object:
    """What minicnn has under that name; None if nothing."""
    thing = minicnn
    for part in (*module.split("."), name):
        found = inspect.getattr_static if inspect.isclass(thing) else getattr
        thing = found(thing, part, None)
        if thing is None:
            return None
    return thing


def compared(module: str, name: str, wanted: dict[str, object] | None) -> str:
    """How the signature here differs from Keras'; empty if it does not."""
    thing = here(module, name)
    if thing is None:
        return "not here"
    parameters = inspect.signature(thing).parameters
    if wanted is None or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return ""
    ours = {key: ... if p.default is p.empty else p.default for key, p in parameters.items()}
    missing = [key for key in wanted if key not in ours]
    changed = [f"{k}={ours[k]!r}" for k, value in wanted.items() if k in ours and ours[k] != value]
    order = [key for key in ours if key in wanted] != [key for key in wanted if key in ours]
    return ", ".join([*(f"no {key}" for key in missing), *changed, *["the order"] * order])


if __name__ == "__main__":
    main()
