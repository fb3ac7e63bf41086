"""How one number came about, as a picture for a slide."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn.errors import ConfigError, shown
from minicnn.explain.number import Explanation
from minicnn.explain.telling import grid, spot
from minicnn.explain.telling import shown as digits
from minicnn.plots.drawing import SIGNED, finished, literal, matplotlib_ready, new_figure, on_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ABOVE, BELOW = "#b35806", "#2166ac"
"""Terms that add, and terms that take away."""

MOST_NUMBERS = 7
"""Pixels of a window, down and across, that have their numbers written on them."""

TIMES = "\N{MULTIPLICATION SIGN}"

BARS = 12


def plot_explanation(
    explanation: Explanation,
    path: str | os.PathLike[str] | None = None,
    channel: int | None = None,
) -> "Figure":
    """Draw how a number came about: what ``model.explain`` or ``explain_gradient`` returned.

    Of a layer with a window: where it lies in its input, the pixels, the kernel and the products,
    of one ``channel`` (by default that which contributes most). Of any other the largest terms, as
    bars. Below, the sum, the bias and the activation. ``path`` and the result are as in
    ``plot_history``. Raises ``ConfigError`` for anything else, or a channel that is not seen.

    >>> model = Sequential([Input((8, 8, 1)), Conv2D(2, 3, name="conv")], seed=0)
    >>> figure = plot_explanation(model.explain(np.ones((8, 8, 1)), "conv", (2, 2, 0)))
    >>> [axes.get_title() for axes in figure.axes[1:]]
    ['pixels', 'kernel', 'products']
    """
    if not isinstance(explanation, Explanation):
        raise ConfigError(
            "plot_explanation: expected what model.explain or explain_gradient returns, got "
            f"{shown(explanation)}."
        )
    one = explanation
    channels = sorted({at[-1] for at in one.terms.positions}) if one.window else []
    if channel is not None and channel not in channels:
        raise ConfigError(
            f"plot_explanation: expected channel as one that {one.name} sees, of {len(channels)}, "
            f"got {channel!r}."
        )
    with matplotlib_ready():
        if channels:
            sums = [abs(float(grid(one, c)[2].sum())) for c in channels]
            figure = _window(one, channels[int(np.argmax(sums))] if channel is None else channel,
                             len(channels))  # fmt: skip
        else:
            figure = _bars(one)
        of = f"d({one.of}) / d " if one.what == "gradient" else ""
        title = f"{of}{one.name} = {digits(one.value)}   ({one.kind})"
        figure.suptitle(literal(title), fontsize=13)
        figure.supxlabel(literal(_sum(one)), fontsize=12)
    return finished(figure, path)


def _sum(one: Explanation) -> str:
    """The sum, the bias, the activation in one line."""
    words = {"maximum": "the largest:", "minimum": "the smallest:", "mean": "mean"}
    text = f"{words.get(one.rule, 'sum')} {digits(float(one.terms.products.sum()))}"
    channels = {at[-1] for at in one.terms.positions} if one.window else ()
    text += f" of {len(channels)} channels" if len(channels) > 1 else ""
    for name, value in one.constants.items():
        text += f" {'-' if value < 0 else '+'} {name.lstrip('- ')} {digits(abs(value))}"
    text += f" = {digits(one.total)}" if one.constants else ""
    return text + (f"   then {one.activation}: {digits(one.result)}" if one.activation else "")


def _window(one: Explanation, channel: int, channels: int) -> "Figure":
    from matplotlib.patches import Rectangle

    window = one.window
    assert window is not None
    pixels, weights, products = grid(one, channel)
    products = np.where(np.isnan(pixels), np.nan, products)
    kernel = one.rule == "sum"
    panels = 4 if one.rule != "maximum" else 2
    figure = new_figure(2.9 * panels + 0.4 if panels > 2 else 5.6, 3.9)
    axes = figure.subplots(1, panels, width_ratios=[1.15] + [1.0] * (panels - 1))
    image = one.image_of()[..., channel]
    axes[0].imshow(image, cmap="gray")
    top, left = window.rows[0] - 0.5, window.columns[0] - 0.5
    high, wide = window.rows[-1] + 0.5 - top, window.columns[-1] + 0.5 - left
    for colour, width in (("white", 4), (ABOVE, 2)):
        axes[0].add_patch(
            Rectangle((left, top), wide, high, fill=False, edgecolor=colour, linewidth=width)
        )
    axes[0].set_xlim(min(-0.5, left), max(image.shape[1] - 0.5, left + wide))
    axes[0].set_ylim(max(image.shape[0] - 0.5, top + high), min(-0.5, top))
    axes[0].set_title(
        literal(one.sources[0] + (f", channel {channel}" if one.image_of().shape[-1] > 1 else ""))
    )
    _numbers(axes[1], pixels, "pixels", "gray")
    if one.rule == "maximum":
        _mark(axes[1], np.argwhere(np.nan_to_num(weights) > 0))
    else:
        _numbers(axes[2], weights, "kernel" if kernel else "weights", SIGNED)
        part = "" if channels == 1 else f", sum {digits(float(np.nansum(products)))}"
        _numbers(axes[3], products, f"products{part}", SIGNED)
        for left_of, sign in ((axes[2], TIMES), (axes[3], "=")):
            left_of.text(-0.1, 0.5, sign, transform=left_of.transAxes, ha="center", fontsize=18)
    return figure


def _mark(axes: Any, winners: Array) -> None:
    from matplotlib.patches import Rectangle

    for i, j in winners:
        axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, edgecolor=ABOVE, lw=4))
    axes.set_title("pixels: the largest is marked")


def _numbers(axes: Any, values: Array, title: str, colours: str) -> None:
    """A small array with its numbers on it; hatched where it lies in the padding."""
    largest = float(np.nanmax(np.abs(values), initial=0)) or 1.0
    low = -largest if colours == SIGNED else float(np.nanmin(values, initial=largest))
    drawn = axes.imshow(np.ma.masked_invalid(values), cmap=colours, vmin=low, vmax=largest)
    axes.patch.set(hatch="///", edgecolor="0.7", facecolor="white")
    axes.set_title(title)
    axes.set_xticks([])
    axes.set_yticks([])
    h, w = values.shape
    if max(h, w) > MOST_NUMBERS:
        return
    write = digits if w < 6 else "{:.2f}".format
    texts = {at: write(v) for at, v in np.ndenumerate(values) if not np.isnan(v)}
    longest = max(map(len, texts.values()), default=1)
    for (i, j), text in texts.items():
        red, green, blue, _ = drawn.cmap(drawn.norm(values[i, j]))
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
        axes.text(
                j, i, text, ha="center", va="center",
                fontsize=min(12, 270 / (w * longest)), color="white" if dark else "black",
            )  # fmt: skip


def _bars(one: Explanation) -> "Figure":
    """The largest terms, those of the constants, and what is left."""
    terms, products, order = one.terms, one.terms.products, one.order()
    few = order if len(order) <= BARS + 1 else order[:BARS]
    bars = []
    for i in few:
        source = one.sources[terms.reads[i]]
        name = source if source == one.of else spot(source, terms.positions[i])
        bars.append((f"{name}: {digits(terms.x[i])} {TIMES} {digits(terms.weights[i])}",
                     float(products[i])))  # fmt: skip
    if len(few) < len(order):
        rest = float(products[order[len(few) :]].sum())
        bars.append((f"{len(order) - len(few):,} smaller ones", rest))
    bars += list(one.constants.items())
    figure = new_figure(9, 1.6 + 0.32 * max(len(bars), 1))
    axes = figure.subplots()
    values = [value for _, value in bars]
    colours = [on_page(ABOVE if value >= 0 else BELOW) for value in values]
    drawn = axes.barh(range(len(bars)), values, color=colours)
    axes.bar_label(drawn, [digits(v) for v in values], padding=3)
    axes.set_yticks(range(len(bars)), [literal(name) for name, _ in bars])
    axes.axvline(0, color="0.3", linewidth=1)
    axes.margins(x=0.15)
    axes.invert_yaxis()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    return figure
