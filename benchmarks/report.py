"""What was measured, as tables that can stand in a README, as CSV and as a chart."""

import csv
from typing import NamedTuple

from framework import INFERENCE, LATENCY, STEP
from frameworks import FRAMEWORKS, OURS

PEAK, ABOVE_IMPORTS = "peak memory", "peak memory above imports"
IMPORT, TRAINED = "import", "start to trained signs"
NUMPY = "numpy"


class Figure(NamedTuple):
    """A row of the CSV file: the median of some measurements and their spread."""

    framework: str
    network: str
    quantity: str
    threads: int | None
    median: float
    low: float
    high: float
    unit: str


def tables(figures, networks):
    """All tables, each with its title; none is wider than 100 characters."""
    made = []
    for quantity in (STEP, INFERENCE, LATENCY):
        for few in (networks[i : i + 3] for i in range(0, len(networks), 3)):
            columns = [(quantity, name) for name in few]
            made.append(_table(figures, f"ms per {quantity}", columns))
    made.append(_table(figures, "MB, peak of training", [(PEAK, name) for name in networks]))
    made.append(_table(figures, "seconds", [(IMPORT, ""), (TRAINED, "signs")]))
    return "\n\n".join(table for table in made if table)


def _table(figures, title, columns):
    """Frameworks by columns, each a (quantity, network), and how minicnn compares."""
    found = {(f.framework, f.quantity, f.network): f for f in figures}
    columns = [column for column in columns if any(key[1:] == column for key in found)]
    keys = [
        key for key in (NUMPY, *FRAMEWORKS) if any((key, *column) in found for column in columns)
    ]
    if not keys:
        return ""
    rows = [[title, *(network or quantity for quantity, network in columns)]]
    if (TRAINED, "signs") in columns:
        rows[0][-1] = TRAINED
    for key in keys:
        cells = [_cell(found.get((key, *column)), found) for column in columns]
        rows.append([name(key), *cells])
    for ours in OURS:
        rows += _ratios(found, f"best peer / {_short(ours)}", PEERS, ours, columns)
    predicted = [column for column in columns if column[0] in (INFERENCE, LATENCY)]
    rows += _ratios(found, "onnxruntime / minicnn", ("onnxruntime",), "minicnn", predicted)
    rows += _ratios(found, "notebook / script", ("minicnn-in-notebook",), "minicnn", columns)
    return _markdown(rows)


PEERS = tuple(key for key in FRAMEWORKS if key not in (*OURS, "onnxruntime"))
"""What minicnn is compared with: those that train."""


def _short(ours):
    return name(ours).removeprefix("minicnn, ")


def _ratios(found, title, peers, ours, columns):
    """A row, or none if there is nothing in it."""
    cells = []
    for column in columns:
        theirs = [found[key, *column].median for key in peers if (key, *column) in found]
        mine = found.get((ours, *column))
        cells.append(f"**{min(theirs) / mine.median:.2f}x**" if theirs and mine else "")
    return [[title, *cells]] if any(cells) else []


def name(key):
    return "NumPy alone" if key == NUMPY else FRAMEWORKS[key].title


def _cell(figure, found):
    if figure is None:
        return ""
    text = number(figure.median)
    if figure.quantity in (STEP, INFERENCE, LATENCY):
        text += f" ({number(figure.low)}-{number(figure.high)}), {figure.threads}"
    if figure.quantity == IMPORT and figure.framework in OURS:
        beyond = figure.median - found[NUMPY, IMPORT, ""].median
        text += f" ({number(beyond)} beyond NumPy)"
    return text


def number(value):
    """Three digits or so, which is more than a shared machine repeats."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 else 3
    return f"{value:.{digits}f}"


def _markdown(rows):
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(map(str.ljust, row, widths)) + " |"
        for row in [rows[0], ["-" * width for width in widths], *rows[1:]]
    ]
    return "\n".join(lines)


def write_csv(figures, versions, path):
    """A row for each figure; the last column says what ran, minicnn's kernel set for example."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*Figure._fields, "version"])
        writer.writerows([*figure, versions.get(figure.framework, "")] for figure in figures)


def write_chart(figures, networks, path):
    """Bars for steps, batches and single images, a panel for each network."""
    # The figure alone, without pyplot: no window and no display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Drawing

    quantities = (STEP, INFERENCE, LATENCY)
    height = (1 + 0.3 * len({f.framework for f in figures})) * len(quantities)
    drawing = Drawing(figsize=(1.5 + 2.6 * len(networks), height), layout="constrained")
    FigureCanvasAgg(drawing)
    panels = drawing.subplots(len(quantities), len(networks), squeeze=False, sharey="row")
    for row, quantity in zip(panels, quantities, strict=True):
        measured = {f.framework for f in figures if f.quantity == quantity}
        keys = [key for key in FRAMEWORKS if key in measured]
        for axes, network in zip(row, networks, strict=True):
            bars = {
                f.framework: f for f in figures if (f.quantity, f.network) == (quantity, network)
            }
            _draw_bars(axes, keys, bars)
            axes.set_title(network)
            axes.set_xlabel(f"ms per {quantity}")
        row[0].invert_yaxis()  # the first at the top, as in the tables
    drawing.savefig(path, dpi=120)


def _draw_bars(axes, keys, bars):
    for at, key in enumerate(keys):
        if key not in bars:
            continue
        bar = bars[key]
        spread = [[bar.median - bar.low], [bar.high - bar.median]]
        colour = "#7a1f1f" if key in OURS else "#8aa4c8"
        drawn = axes.barh([at], [bar.median], xerr=spread, color=colour, ecolor="#444444")
        axes.bar_label(drawn, [number(bar.median)], padding=4)
    axes.set_yticks(range(len(keys)), [name(key) for key in keys])
    axes.margins(x=0.25)
    axes.spines[["top", "right"]].set_visible(False)
