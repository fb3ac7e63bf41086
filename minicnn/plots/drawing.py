"""The common parts of all pictures: Matplotlib without a display, files, notebooks, colours."""

import base64
import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn._core import console
from minicnn._files.atomic import replacing
from minicnn.errors import ConfigError, printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIGHT, DARK = "#8aa4c8", "#7a1f1f"
"""Training and validation, which differ in grey as well."""

RUNS = ("#4477aa", "#cc3311", "#228833", "#aa3377", "#ccaa22", "#33aacc", "#777777", "#222222")
"""Tol's colours, which the colour-blind can tell apart, for several runs or classes."""

STYLES, MARKERS = ("-", "--", ":", "-."), "osD^vPX*"
"""What tells runs or classes apart in grey."""

SIGNED = "cividis"
"""Colours of numbers on both sides of 0, which is grey; they rise in grey too."""


@contextmanager
def matplotlib_ready() -> Iterator[None]:
    """A context in which Matplotlib can be used, whatever its backend, and is quiet.

    It is imported alone, without pyplot: no window, no global state, nothing to close. Raises
    ``ConfigError`` if it cannot be.
    """
    log = logging.getLogger("matplotlib")  # of folders for its cache, and of fonts
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        if "matplotlib" not in sys.modules:
            # The import fails for a backend that is unknown; it is set afterwards.
            told = os.environ.pop("MPLBACKEND", None)
            try:
                import matplotlib
            finally:
                if told is not None:
                    os.environ["MPLBACKEND"] = told
            with suppress(ValueError):
                matplotlib.rcParams.update({"backend": told} if told else {})
        yield
    except ImportError as error:
        raise ConfigError(f"plots: Matplotlib cannot be loaded: {error}.") from None
    finally:
        log.setLevel(level)


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of so many inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def on_page(colour: Any) -> str:
    """A colour of lines and bars, or a lighter one where the page is dark, as its texts tell."""
    import colorsys

    from matplotlib import rcParams
    from matplotlib.colors import to_hex, to_rgb

    if sum(to_rgb(rcParams["text.color"])) < 1.5:
        return str(to_hex(colour))
    hue, lightness, saturation = colorsys.rgb_to_hls(*to_rgb(colour))
    return str(to_hex(colorsys.hls_to_rgb(hue, 1 - 0.6 * lightness, saturation)))


def legend_below(figure: "Figure") -> None:
    """One legend of what all panels have, below them, where no curve is; the figure grows by it."""
    lines = {
        str(line.get_label()): line
        for axes in figure.axes
        for line in axes.get_lines()
        if not str(line.get_label()).startswith("_")
    }
    width, height = figure.get_size_inches()
    columns = max(1, int(width / (0.7 + 0.08 * max(map(len, lines), default=1))))
    figure.set_size_inches(width, height + 0.21 * -(-len(lines) // columns) + 0.1)
    figure.legend(
        handles=list(lines.values()),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=9,
        handlelength=3,
    )


def finished(figure: "Figure", path: str | os.PathLike[str] | None) -> "Figure":
    """Write it if there is a path, and show it if there is a notebook."""
    if path is not None:
        save(figure, path)
    shell = console.notebook()
    if shell is not None:
        _show(figure)
        # As the value of its cell it is not shown a second time.
        again = partial(_show_in_other_cell, figure, shell.execution_count)
        figure._ipython_display_ = again  # type: ignore[attr-defined]
    return figure


def _show_in_other_cell(figure: "Figure", cell: int) -> None:
    if console.notebook().execution_count != cell:
        _show(figure)


def _show(figure: "Figure") -> None:
    from IPython.display import display

    picture = io.BytesIO()
    write(lambda: figure.savefig(picture, format="png"))
    content = base64.b64encode(picture.getvalue()).decode()
    display({"image/png": content, "text/plain": repr(figure)}, raw=True)


def save(figure: "Figure", path: str | os.PathLike[str], dpi: float = 120) -> None:
    """Write a picture whole or not at all; raises ``ConfigError`` for a path of another kind."""
    kind = Path(path).suffix[1:].lower() if isinstance(path, str | os.PathLike) else ""
    if kind not in ("png", "jpg", "jpeg", "pdf", "svg"):
        shown = repr(os.fspath(path)) if isinstance(path, str | os.PathLike) else repr(path)
        raise ConfigError(
            f"plots: expected a path that ends in .png, .jpg, .pdf or .svg, got {shown}."
        )
    with replacing(path) as unfinished:
        write(lambda: figure.savefig(unfinished, dpi=dpi, format=kind))


def write(act: Callable[[], None]) -> None:
    """Write a picture, with one warning for all characters that no font here has."""
    with matplotlib_ready(), warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", "Glyph .* missing from")
        act()
    missing = [one for one in caught if str(one.message).startswith("Glyph ")]
    for one in caught:
        if one not in missing:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    if missing:
        console.warn("plots: no font here has all characters of the names; boxes stand for them.")


def literal(text: str) -> str:
    """A text as it is, where Matplotlib would read a formula or hide text that begins with "_"."""
    text = "\n".join(map(printable, text.split("\n"))).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
