"""An explanation in words: lines of at most 80 columns, and HTML of them."""

import html as markup
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minicnn._core.shapes import Array

Explanation = Any
"""``number.Explanation``, which tells itself by these lines."""

WIDTH = 80
SHOWN = 10
"""The terms of a long sum that are shown one by one."""

LARGEST_WINDOW = 11
"""Pixels of a window, down and across, that are shown as they lie."""

CELL = 8

WORDS = {
    "sum": "a sum of products",
    "mean": "the mean of its window",
    "maximum": "the largest of these numbers",
    "minimum": "the smallest of these numbers",
    "product": "a product",
    "copy": "one number, taken over as it is",
    "normalized": "a number, normalized",
    "function": "a function of one number",
    "given": "what the network was given",
    "slopes": "no sum: shown are the slopes, and what they leave over",
}


def spot(layer: str, position: Sequence[int]) -> str:
    """A number as one writes it."""
    return f"{layer}[{', '.join(map(str, position))}]"


def shown(value: float) -> str:
    """A number in few digits."""
    if value == 0:
        return "0"
    if 1e-2 <= abs(value) < 1e5:
        text = f"{value:.4f}"
        return text if len(text) < CELL else f"{value:.5g}"[: CELL - 1].rstrip(".")
    text = f"{value:.3g}"
    if len(text) < CELL and "e" not in text:
        return text
    if abs(value) >= 1e-3 and abs(value) < 1:
        return f"{value:.4f}"
    digits, _, power = f"{value:.1e}".partition("e")
    return f"{digits}e{int(power)}" if power else text


def lines(one: Explanation) -> list[str]:
    """What ``str`` gives."""
    said = [_title(one), f"  {_word(one)}", ""]
    said += _window(one) if one.window is not None else []
    said += _list(one) if not _as_grid(one) else []
    said += _sum(one)
    return [line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..." for line in said]


def _title(one: Explanation) -> str:
    name = spot(one.layer, one.position)
    if one.what == "gradient":
        return f"d({one.of}) / d {name} = {shown(one.value)}   ({one.kind})"
    return f"{name} = {shown(one.value)}   ({one.kind})"


def _word(one: Explanation) -> str:
    if one.what == "gradient":
        if not one.terms.positions:
            return f"nothing came back: {one.of} does not depend on it here"
        return "what came back from each number that used it, times its weight there"
    if one.rule == "function":
        return f"{one.activation} of one number"
    return WORDS[one.rule] + (f", then {one.activation}" if one.activation else "")


def _window(one: Explanation) -> list[str]:
    window = one.window
    assert window is not None
    rows, columns = window.rows, window.columns
    source = one.sources[0]
    channels = sorted({at[-1] for at in one.terms.positions})
    of = f"channel {channels[0]}" if len(channels) == 1 else f"{len(channels)} channels"
    said = [f"  window of {source}: rows {_range(rows)}, columns {_range(columns)}, {of}"]
    if window.padded:
        said.append(f"  {window.padded} of its pixels lie in the padding: they are shown as .")
    if not _as_grid(one):
        return [*said, ""]
    by_channel = [(float(grid(one, c)[2].sum()), c) for c in channels]
    largest = sorted(by_channel, key=lambda pair: (-abs(pair[0]), pair[1]))
    fits = (CELL * len(columns) + 3) * 3 - 1 <= WIDTH
    few = [c for _, c in largest[: (3 if len(channels) <= 3 else 2) if fits else 1]]
    for c in sorted(few):
        said += ["", *_table(one, c, len(channels) > 1)]
    if len(channels) > len(few):
        rest = sum(total for total, c in by_channel if c not in few)
        said.append(f"  the other {len(channels) - len(few)} channels{shown(rest):>20}")
    return [*said, ""]


def _range(places: list[int]) -> str:
    if len(places) == 1:
        return str(places[0])
    step = places[1] - places[0]
    return f"{places[0]} to {places[-1]}" + (f" by {step}" if step > 1 else "")


def _as_grid(one: Explanation) -> bool:
    window = one.window
    return window is not None and max(len(window.rows), len(window.columns)) <= LARGEST_WINDOW


def grid(one: Explanation, channel: int) -> tuple[Array, Array, Array]:
    """(pixels, weights, products) of a window's channel as they lie; NaN in the padding."""
    window = one.window
    assert window is not None
    shape = len(window.rows), len(window.columns)
    found = np.full((3, *shape), np.nan)
    rows = {row: i for i, row in enumerate(window.rows)}
    columns = {column: j for j, column in enumerate(window.columns)}
    products = one.terms.products
    for k, (i, j, c) in enumerate(one.terms.positions):
        if c == channel:
            place = rows[i], columns[j]
            found[(slice(None), *place)] = one.terms.x[k], one.terms.weights[k], products[k]
    pixels, weights, parts = found
    return pixels, weights, np.nan_to_num(parts)


def _table(one: Explanation, channel: int, several: bool) -> list[str]:
    """Pixels, kernel and products side by side, as many of them as there is room for."""
    pixels, weights, products = grid(one, channel)
    named = [
        ("input", pixels),
        ("weight", weights),
        ("product", np.where(np.isnan(pixels), np.nan, products)),
    ]
    if one.rule in ("maximum", "mean"):
        named = named[:1]
    width = CELL * pixels.shape[1]
    rows = [named] if (width + 3) * len(named) - 1 <= WIDTH else [[each] for each in named]
    said = [f"  channel {channel}, sum {shown(float(products.sum()))}"] if several else []
    for beside in rows:
        said.append("  " + "   ".join(f"{name:>{width}}" for name, _ in beside))
        for i in range(len(pixels)):
            cells = ("".join(f"{_cell(v):>{CELL}}" for v in array[i]) for _, array in beside)
            said.append("  " + " | ".join(cells))
    return said


def _cell(value: float) -> str:
    return "." if np.isnan(value) else shown(value)


def _list(one: Explanation) -> list[str]:
    """The largest terms, one a line, and the sum of the others."""
    terms, products = one.terms, one.terms.products
    if not terms.positions:
        return []
    order = one.order()
    some = order if len(order) == SHOWN + 1 else order[:SHOWN]
    head = "gradient there" if one.what == "gradient" else "number"
    said = [f"  {'from':<34}{head:>14}     weight    product"]
    for i in some:
        source = one.sources[terms.reads[i]]
        name = spot(source, terms.positions[i]) if one._numbers[terms.reads[i]] >= 0 else source
        name = name if len(name) <= 34 else f"...{name[-31:]}"
        said.append(
            f"  {name:<34}{shown(terms.x[i]):>14} x {shown(terms.weights[i]):>8} ="
            f"{shown(products[i]):>9}"
        )
    if len(order) > len(some):
        rest = float(products[order[len(some) :]].sum())
        said.append(f"  {f'{len(order) - len(some):,} more, smaller ones':<61}{shown(rest):>9}")
    if one.rule == "product" and one.also is not None:
        for read, at, x in zip(one.also.reads, one.also.positions, one.also.x, strict=True):
            said.append(f"    the weight is of {spot(one.sources[read], at)}: {shown(x)}")
    return [*_region(one), *said, ""]


def _region(one: Explanation) -> list[str]:
    """Where in an image many terms are from."""
    positions = one.terms.positions
    if len(positions) < 2 or {len(at) for at in positions} != {3} or len(set(one.sources)) > 1:
        return []
    rows, columns, channels = (sorted({at[i] for at in positions}) for i in range(3))
    return [
        f"  in {one.sources[0]}: rows {rows[0]} to {rows[-1]}, columns {columns[0]} to "
        f"{columns[-1]}, {len(channels)} channel{'s' * (len(channels) != 1)}"
    ]


def _sum(one: Explanation) -> list[str]:
    said = [f"  {name:<40}{shown(value):>30}" for name, value in _numbers(one.numbers)]
    said += _logits(one)
    if one.rule == "given":
        return said
    count = len(one.terms.positions)
    products = float(one.terms.products.sum())
    if one.rule in ("maximum", "minimum"):
        said.append(f"  {'= the ' + WORDS[one.rule].split()[1]:<40}{shown(one.total):>30}")
        return said
    if count != 1 or one.constants:
        text = f"sum of {count:,} product{'s' * (count != 1)}"
        each = f", each x {shown(one.terms.weights[0])}" if one.rule == "mean" else ""
        said.append(f"  {text + each:<40}{shown(products):>30}")
    for name, value in one.constants.items():
        said.append(f"  {'+ ' + name:<40}{shown(value):>30}")
    said.append(f"  {'= total':<40}{shown(one.total):>30}")
    if one.activation:
        text = f"{one.activation} of it"
        said.append(f"  {text:<40}{shown(one.result):>30}")
    if f"{one.value:.9g}" != f"{one.result:.9g}":
        said.append(f"  {'the network has, rounded to its dtype':<40}{one.value:>30.9g}")
        said.append(f"  {'these terms give':<40}{one.result:>30.9g}")
    return said


def _numbers(numbers: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in numbers.items():
        if isinstance(value, float):
            yield name, value


def _logits(one: Explanation) -> list[str]:
    """All numbers that a softmax compares, the largest ten and its own."""
    logits = one.numbers.get("logits")
    if logits is None:
        return []
    row = np.array(logits)
    powers = np.exp(row - row.max())
    own = one.numbers["which"]
    order = np.argsort(-row, kind="stable")[:SHOWN].tolist()
    order += [own] if own not in order else []
    said = [f"  {'of':>6}{'logit':>12}{'exp(logit - max)':>20}{'share':>12}"]
    for k in sorted(order):
        share = powers[k] / powers.sum()
        said.append(
            f"  {k:>6}{shown(row[k]):>12}{shown(powers[k]):>20}{shown(share):>12}"
            + ("  <- this one" if k == own else "")
        )
    if len(row) > len(order):
        said.append(f"  and {len(row) - len(order):,} more; the powers add up to "
                    f"{shown(float(powers.sum()))}")  # fmt: skip
    return [*said, ""]


def html(one: Explanation) -> str:
    """The lines for a notebook, in one column width."""
    text = markup.escape("\n".join(lines(one)))
    return f"<pre style='line-height: 1.3; font-family: monospace'>{text}</pre>"
