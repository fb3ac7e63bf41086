"""How the time of a training step and of inference grows with the batch and with the images.

    python benchmarks/scaling.py

takes about six minutes on two cores, and writes ``scaling.csv`` into benchmarks/ and the picture
docs/scaling.png. The network is ``small``, which takes images of any size; minicnn's kernel sets
and PyTorch compute it with one thread and with all. A point that would take more than 20 s or 4 GB
is left out, and so are those beyond it.
"""

import argparse
import csv
import statistics
import sys
import time
from pathlib import Path
from typing import NamedTuple

from framework import INFERENCE, STEP
from frameworks import FRAMEWORKS, cores
from workers import BenchmarkError, Worker

NETWORK = "small"
CONTESTANTS = ("minicnn", "minicnn-vectorized", "torch", "torch-channels-last")
SIDE, BATCH = 64, 16
SWEEPS = {
    "batch": [(2**i, SIDE) for i in range(10)],
    "side": [(BATCH, 2**i) for i in range(4, 10)],
}
"""(images in a batch, pixels of a side) of each point, from the least work to the most."""
TITLES = {
    "batch": f"images in a batch, of {SIDE}x{SIDE} pixels",
    "side": f"pixels of a side, {BATCH} images in a batch",
}
REQUESTS = {STEP: {"do": "train", "epochs": 1}, INFERENCE: {"do": "predict"}}
MOST_SECONDS, MOST_BYTES = 20, 4e9
COLOURS = {"compiled": "#0072B2", "vectorized": "#D55E00", "PyTorch": "#333333"}
"""Of Okabe and Ito's palette, which all eyes tell apart."""


class Point(NamedTuple):
    """A row of the CSV file."""

    framework: str
    threads: int
    sweep: str
    batch: int
    side: int
    quantity: str
    milliseconds: float
    version: str


def main(arguments=None):
    about = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(description=about, usage=argparse.SUPPRESS)
    parser.add_argument("--csv", type=Path, default=Path("benchmarks/scaling.csv"))
    parser.add_argument("--picture", type=Path, default=Path("docs/scaling.png"))
    parser.add_argument("--draw", action="store_true", help="draw the CSV file that is there")
    options = parser.parse_args(arguments)
    try:
        if not options.draw:
            write(measure(), options.csv)
        draw(read(options.csv), options.picture)
    except (BenchmarkError, OSError) as error:
        print(f"scaling: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("scaling: stopped.", file=sys.stderr)
        return 130
    return 0


def measure():
    """All points."""
    started, points = time.perf_counter(), []
    for sweep in SWEEPS:
        for threads in sorted({1, cores()}):
            for key in CONTESTANTS:
                found = measure_sweep(key, threads, sweep)
                points += found
                seconds = time.perf_counter() - started
                done = f"{sweep}, {FRAMEWORKS[key].title}, {threads} threads"
                print(f"{seconds:4.0f} s  {done}: {len(found)} points", file=sys.stderr)
    return points


def measure_sweep(key, threads, sweep):
    """The points of a framework, in a process of its own, until one would be too large."""
    points = []
    with Worker(key, threads) as process:
        following = [*SWEEPS[sweep][1:], None]
        for (batch, side), after in zip(SWEEPS[sweep], following, strict=True):
            steps = max(2, min(32, 2**20 // (batch * side**2)))
            process.ask("build", network=NETWORK, side=side)
            process.ask("load", images=batch * steps, batch=batch)
            slowest = 0
            for quantity, request in REQUESTS.items():
                seconds = repeated(process, request) / steps
                slowest = max(slowest, seconds)
                measured = (key, threads, sweep, batch, side, quantity)
                points.append(Point(*measured, 1000 * seconds, process.version))
            growth = after and after[0] * after[1] ** 2 / (batch * side**2)
            peak = process.ask("memory")["above imports"]
            if after and (slowest * growth > MOST_SECONDS or peak * growth > MOST_BYTES):
                break
    return points


def repeated(process, request):
    """The median of up to five times, after one to warm up; of one that takes long, itself."""
    process.ask(**request)
    times = []
    while not times or (len(times) < 5 and sum(times) < 0.5):
        times.append(process.ask(**request))
    return statistics.median(times)


def write(points, path):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(Point._fields)
        writer.writerows(points)


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Point(**row)._replace(
                threads=int(row["threads"]),
                batch=int(row["batch"]),
                side=int(row["side"]),
                milliseconds=float(row["milliseconds"]),
            )
            for row in csv.DictReader(file)
        ]


def name(point):
    """Who computed: a kernel set of minicnn, or PyTorch, of which the faster layout counts."""
    if point.framework.startswith("torch"):
        return "PyTorch"
    return point.version.split(", ")[1].partition(" by ")[0]


def lines(points):
    """{(name, threads): {size: milliseconds}}."""
    found = {}
    for point in points:
        line = found.setdefault((name(point), point.threads), {})
        size = getattr(point, point.sweep)
        line[size] = min(point.milliseconds, line.get(size, float("inf")))
    return found


def draw(points, path):
    """A panel for training and for inference over each size, both axes logarithmic."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 8), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(REQUESTS), len(SWEEPS), sharex="col", sharey="row")
    for row, quantity in zip(panels, REQUESTS, strict=True):
        for axes, sweep in zip(row, SWEEPS, strict=True):
            ours = [p for p in points if (p.quantity, p.sweep) == (quantity, sweep)]
            draw_panel(axes, lines(ours))
            axes.set_xticks(sizes := sorted({getattr(p, sweep) for p in ours}), map(str, sizes))
            axes.minorticks_off()
        row[0].set_ylabel(f"ms per {quantity}")
        label(row[-1])
    for axes, sweep in zip(panels[-1], SWEEPS, strict=True):
        axes.set_xlabel(TITLES[sweep])
    figure.savefig(path, dpi=100)


def draw_panel(axes, found):
    for (who, threads), line in found.items():
        style = "--" if threads == 1 else "-"
        title = f"{who}, {threads} thread{'' if threads == 1 else 's'}"
        sizes = sorted(line)
        values = [line[size] for size in sizes]
        axes.plot(sizes, values, style, color=COLOURS[who], label=title, lw=1.8)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(color="#dddddd", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def label(axes, apart=0.055):
    """The name of each line behind its end, some way from the one below."""
    low, high = axes.get_ylim()
    scale = axes.yaxis.get_transform().transform

    def height(line):
        return (scale(line.get_ydata()[-1]) - scale(low)) / (scale(high) - scale(low))

    ends = sorted(axes.get_lines(), key=height)
    places = []
    for line in ends:
        places.append(max(height(line), places[-1] + apart) if places else height(line))
    surplus = (places[-1] - height(ends[-1])) / 2
    for line, place in zip(ends, places, strict=True):
        axes.annotate(
            line.get_label(),
            (line.get_xdata()[-1], line.get_ydata()[-1]),
            (1.06, place - surplus),
            textcoords="axes fraction",
            va="center",
            color=line.get_color(),
            arrowprops={
                "arrowstyle": "-",
                "color": line.get_color(),
                "lw": 0.6,
                "relpos": (0, 0.5),
                "shrinkB": 0,
            },
        )


if __name__ == "__main__":
    sys.exit(main())
