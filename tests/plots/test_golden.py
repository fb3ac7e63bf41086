"""Every picture looks as it did: small grey copies in golden/ are compared with a tolerance.

    python tests/plots/test_golden.py --write

writes them anew, after one has looked at the pictures that changed. The numbers are made by hand,
and nothing is trained. Letters and layout differ a little from one Matplotlib to another.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib import style
from PIL import Image, ImageFilter

from minicnn import (
    Conv2D,
    Dense,
    GlobalAvgPool,
    Input,
    MaxPool,
    RandomFlip,
    Residual,
    Sequential,
    plots,
)
from minicnn.data import Dataset
from minicnn.evaluation import worst_mistakes
from minicnn.explain.statistics import LayerRow
from minicnn.lr_finder import RateSweep
from minicnn.plots.networks import Shown, boxes_of, drawn

GOLDEN = Path(__file__).parent / "golden"
WIDTH = 160
"""Pixels of a small copy."""
DRAWN = 4
"""How many times as wide it is drawn."""
BLOCK = 8
"""Pixels of the blocks whose mean differences count."""
MEAN, WORST = 0.8, 10.0
"""The most that may differ of 255: over all pixels, and in any block."""
LETTERS = dict.fromkeys(("confusion-40", "explanation-window", "learning-rates"), 16.0)
"""The same for pictures of small letters, which differ most from one Matplotlib to another."""


# Numbers made by hand ----------------------------------------------------------------------


def labels(classes, n=200):
    """Labels, and probabilities that are right more often than not."""
    i = np.arange(n)
    y = i * i * 7 // 3 % classes
    scores = 2 * np.sin(1.0 + i[:, None] * 1.7 + np.arange(classes) * 2.3)
    scores[i, y] += 1.5
    p = np.exp(scores)
    return y, p / p.sum(axis=1, keepdims=True)


def names(classes):
    return [f"breed {i}" if i % 3 else f"a longer name {i}" for i in range(classes)]


def pictures(n, size=24):
    """A bright square on a slope of colours, elsewhere in each."""
    x = np.zeros((n, size, size, 3), np.uint8)
    x[..., 0] = np.arange(size) * 160 // size
    x[..., 1] = (np.arange(size) * 160 // size)[:, None]
    for i, image in enumerate(x):
        top, left = i * 5 % 14, i * 3 % 15
        image[top : top + 8, left : left + 6] = (250, 220, 40 * (i % 6))
    return x


def network():
    """Weights that are small fractions, so that there is nothing to round."""
    layers = [Conv2D(6, 3, activation="relu", padding="same", name="conv"), MaxPool(2, name="pool")]
    layers += [GlobalAvgPool(), Dense(3, activation="softmax", name="dense")]
    model = Sequential([Input((24, 24, 3)), *layers], seed=0)
    for layer in model.layers:
        for name, array in layer.params.items():
            i = np.arange(array.size).reshape(array.shape)
            array[...] = (i * 37 % 65 - 32) / 64 if name == "kernel" else (i % 3) / 16
    return model


def kernels():
    """A convolution of two channels."""
    layer = Conv2D(4, 3)
    layer.build((8, 8, 2), np.random.default_rng(0), np.dtype("f4"))
    layer.params["kernel"][...] = np.arange(72).reshape(3, 3, 2, 4) * 37 % 65 - 32
    return layer


def statistics(layers):
    """What the callback LayerStatistics has after a run, of layers that all end in ReLU."""
    steps = [0, 1, 2, 4, 8, 16]
    rows = [LayerRow(f"conv_{i}", 0, 1, 0.5, 0, 1, 1, 1, 1, True) for i in range(layers)]
    falls = np.exp(-np.arange(6)[:, None] / 3 - np.arange(layers) / 4)
    tables = {"std": falls + 0.5, "zeros": falls / 2 + 0.3, "gradient": falls, "update": falls / 50}
    return SimpleNamespace(
        steps=steps,
        records=[SimpleNamespace(layers=SimpleNamespace(rows=rows))],
        table=lambda name: tables[name],
    )


def curves(rate, noise=0.05):
    i = np.arange(12)
    wave = noise * np.sin(i * 2.9 + 10 * rate)
    loss, far = np.exp(-rate * i) + wave, np.exp(-0.7 * rate * i) + 0.15 - wave
    made = {"loss": loss, "accuracy": 1 - loss / 2, "val_loss": far, "val_accuracy": 1 - far / 2}
    return {name: values.tolist() for name, values in made.items()}


LOSS = {name: values for name, values in curves(0.3).items() if name.endswith("loss")}
RUNS = {"Adam": curves(0.4), "SGD": curves(0.2), "RMSprop": curves(0.3)}
IMAGE = pictures(3)[2] / 255
RATES = np.geomspace(1e-6, 1, 60)
LOSSES = 2 - 1.5 * np.exp(-((np.log10(RATES) + 2) ** 2)) + 3 * RATES


def of_classes(plot, classes):
    y, p = labels(classes)
    return plot(y, p, names(classes) if classes > 6 else ())


def mistakes():
    y, p = labels(4, 30)
    data = Dataset(pictures(30), y, names(4))
    return plots.plot_mistakes(worst_mistakes(p, data, most=6))


def explained(name, position):
    return plots.plot_explanation(network().explain(IMAGE, name, position))


def model():
    block = Residual([Conv2D(3, 3, padding="same", name="conv")], name="block")
    says = Shown(True, False, False, False, False)
    return drawn(boxes_of("", Sequential([Input((8, 8, 3)), block]), says, expand=True), "TB")


CASES = {
    "history": lambda: plots.plot_history(LOSS),
    "history-smoothed": lambda: plots.plot_history(
        {"loss": curves(0.3, 0.35)["loss"], "learning_rate": [0.1 / 2**i for i in range(12)]},
        smoothing=0.6,
    ),
    "history-runs": lambda: plots.plot_history(RUNS),
    "history-band": lambda: plots.plot_history(RUNS, band=True),
    "history-classes": lambda: plots.plot_history({"f1": np.stack([labels(40, 5)[1]] * 2)[0]}),
    "confusion-2": lambda: of_classes(plots.plot_confusion, 2),
    "confusion-6": lambda: of_classes(plots.plot_confusion, 6),
    "confusion-40": lambda: of_classes(plots.plot_confusion, 40),
    "roc-2": lambda: of_classes(plots.plot_roc, 2),
    "roc-6": lambda: of_classes(plots.plot_roc, 6),
    "roc-40": lambda: of_classes(plots.plot_roc, 40),
    "precision-recall-6": lambda: of_classes(plots.plot_precision_recall, 6),
    "calibration": lambda: plots.plot_calibration(*labels(6)),
    "mistakes": mistakes,
    "images": lambda: plots.plot_images(pictures(8), np.arange(8), names(8)),
    "images-of-a-class": lambda: plots.plot_images(pictures(9), np.arange(9) % 3, names(3), of=1),
    "augmentation": lambda: plots.plot_augmentation(RandomFlip("horizontal"), pictures(2), times=3),
    "filters": lambda: plots.plot_filters(network().get_layer("conv")),
    "filters-signed": lambda: plots.plot_filters(kernels()),
    "feature-maps": lambda: plots.plot_feature_maps(network(), IMAGE, "conv"),
    "grad-cam": lambda: plots.plot_grad_cam(network(), IMAGE, of=1),
    "saliency": lambda: plots.plot_saliency(network(), IMAGE, of=1, samples=1),
    "occlusion": lambda: plots.plot_occlusion(network(), IMAGE, of=1, size=6),
    "explanation-window": lambda: explained("conv", (0, 5, 1)),
    "explanation-pool": lambda: explained("pool", (4, 4, 1)),
    "explanation-bars": lambda: explained("dense", 1),
    "layer-statistics": lambda: plots.plot_layer_statistics(statistics(4)),
    "layer-statistics-12": lambda: plots.plot_layer_statistics(statistics(12)),
    "model": model,
    "network": lambda: plots.plot_network(network()),
    "learning-rates": lambda: plots.plot_learning_rates(RateSweep(RATES, LOSSES, 8e-3)),
}
DARK = ("history", "roc-40", "explanation-bars")
"""Those that are drawn on a dark page as well."""


# Comparing ---------------------------------------------------------------------------------


def small(name):
    """The small grey copy of a picture."""
    case, _, page = name.partition("@")
    with style.context(["default", *(["dark_background"] if page else [])]):
        figure = CASES[case]()
        figure.set_dpi(DRAWN * WIDTH / figure.get_figwidth())
        figure.canvas.draw()
        whole = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3]).convert("L")
    return whole.resize((WIDTH, round(whole.height * WIDTH / whole.width)), Image.Resampling.BOX)


def differences(one, other):
    """How far two pictures differ in all, and in the worst block.

    A pixel that is as dark as some within two pixels of it in the other picture is the same:
    another font moves things by so much.
    """
    apart = np.maximum(_beyond(one, other), _beyond(other, one))
    h, w = (n // BLOCK for n in apart.shape)
    blocks = apart[: h * BLOCK, : w * BLOCK].reshape(h, BLOCK, w, BLOCK).mean(axis=(1, 3))
    return apart.mean(), blocks.max()


def _beyond(one, other):
    """How far the pixels of a picture are outside of what is near them in another."""
    least, most = (
        np.asarray(other.filter(near(5)), float)
        for near in (ImageFilter.MinFilter, ImageFilter.MaxFilter)
    )
    pixels = np.asarray(one, float)
    return np.maximum(0, np.maximum(least - pixels, pixels - most))


NAMES = [*CASES, *(f"{name}@dark" for name in DARK)]


@pytest.mark.parametrize("name", NAMES)
def test_it_looks_as_it_did(name):
    """The picture and its golden copy differ less than two releases of Matplotlib do."""
    found = small(name)
    with Image.open(GOLDEN / f"{name}.png") as golden:
        # Boxes around texts are as wide as the fonts of a Matplotlib.
        assert found.height == pytest.approx(golden.height, rel=0.02)
        mean, worst = differences(found.resize(golden.size), golden)
    assert mean < MEAN, f"mean difference {mean:.1f}"
    assert worst < LETTERS.get(name, WORST), f"difference {worst:.1f} in a block"


def test_every_plot_has_a_golden_picture():
    """All of minicnn.plots is drawn here, but what is tested by its parts; no copy is left over."""
    told = Path(__file__).read_text(encoding="utf-8")
    for name in vars(plots):
        assert not name.startswith("plot_") or name == "plot_model" or f"plots.{name}" in told, name
    assert {path.stem for path in GOLDEN.iterdir()} == set(NAMES)


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    matplotlib.use("agg")
    GOLDEN.mkdir(exist_ok=True)
    for path in GOLDEN.glob("*.png"):
        path.unlink()
    for name in NAMES:
        small(name).save(GOLDEN / f"{name}.png", optimize=True)
