"""What was measured, as tables that can stand in a README, as CSV and as a chart."""

import csv
from typing import NamedTuple

from frameworks import FRAMEWORKS, OURS

STEP, INFERENCE = "training step", "inference batch"
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
    """All tables, each with its title."""
    return "\n\n".join(
        [
            _table(figures, f"ms per {STEP}", [(STEP, name) for name in networks]),
            _table(figures, f"ms per {INFERENCE}", [(INFERENCE, name) for name in networks]),
            _table(figures, "MB, peak of a training process", [(PEAK, name) for name in networks]),
            _table(figures, "seconds", [(IMPORT, ""), (TRAINED, "signs")]),
        ]
    )


def _table(figures, title, columns):
    """Frameworks by columns, each a (quantity, network), and how minicnn compares."""
    found = {(f.framework, f.quantity, f.network): f for f in figures}
    columns = [column for column in columns if any(key[1:] == column for key in found)]
    keys = [
        key for key in (NUMPY, *FRAMEWORKS) if any((key, *column) in found for column in columns)
    ]
    rows = [[title, *(network or quantity for quantity, network in columns)]]
    if (TRAINED, "signs") in columns:
        rows[0][-1] = TRAINED
    for key in keys:
        cells = [_cell(found.get((key, *column)), found) for column in columns]
        rows.append([name(key), *cells])
    for ours in OURS:
        ratios = [_ratio(found, ours, column) for column in columns]
        if any(ratios):
            rows.append(
                [f"best peer / {name(ours)}", *(f"**{r:.1f}x**" if r else "" for r in ratios)]
            )
    return _markdown(rows)


def name(key):
    return "NumPy alone" if key == NUMPY else FRAMEWORKS[key].title


def _cell(figure, found):
    if figure is None:
        return ""
    text = number(figure.median)
    if figure.quantity in (STEP, INFERENCE):
        text += f" ({number(figure.low)} - {number(figure.high)}), {figure.threads}"
    if figure.quantity == IMPORT and figure.framework in OURS:
        beyond = figure.median - found[NUMPY, IMPORT, ""].median
        text += f" ({number(beyond)} beyond NumPy)"
    return text


def number(value):
    """Three digits or so, which is more than a shared machine repeats."""
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def _ratio(found, ours, column):
    peers = [
        found[key, *column].median
        for key in FRAMEWORKS
        if key not in OURS and (key, *column) in found
    ]
    if not peers or (ours, *column) not in found:
        return None
    return min(peers) / found[ours, *column].median


def _markdown(rows):
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(map(str.ljust, row, widths)) + " |"
        for row in [rows[0], ["-" * width for width in widths], *rows[1:]]
    ]
    return "\n".join(lines)


def write_csv(figures, path):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(Figure._fields)
        writer.writerows(figures)


def write_chart(figures, networks, path):
    """Bars for a training step and an inference batch, a panel for each network."""
    # The figure alone, without pyplot: no window and no display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Drawing

    drawing = Drawing(figsize=(1.5 + 3.5 * len(networks), 6), layout="constrained")
    FigureCanvasAgg(drawing)
    panels = drawing.subplots(2, len(networks), squeeze=False, sharey=True)
    keys = [key for key in FRAMEWORKS if any(f.framework == key for f in figures)]
    for row, quantity in zip(panels, (STEP, INFERENCE), strict=True):
        for axes, network in zip(row, networks, strict=True):
            bars = {
                f.framework: f
                for f in figures
                if (f.quantity, f.network) == (quantity, network) and f.framework in keys
            }
            medians = [bars[key].median for key in keys]
            spread = [
                [bars[key].median - bars[key].low for key in keys],
                [bars[key].high - bars[key].median for key in keys],
            ]
            colours = ["#7a1f1f" if key in OURS else "#8aa4c8" for key in keys]
            drawn = axes.barh(
                [name(key) for key in keys], medians, xerr=spread, color=colours, ecolor="#444444"
            )
            axes.bar_label(drawn, [number(value) for value in medians], padding=4)
            axes.margins(x=0.2)
            axes.set_title(network)
            axes.set_xlabel(f"ms per {quantity}")
            axes.spines[["top", "right"]].set_visible(False)
    panels[0, 0].invert_yaxis()  # the first at the top, as in the tables
    drawing.savefig(path, dpi=120)
