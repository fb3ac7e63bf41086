"""Pictures within a page: Matplotlib's figures as SVG, arrays as PNG."""

import base64
import io
import itertools
import re
import struct
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn._core.resampling import resized, taps
from minicnn._core.shapes import Array
from minicnn.pages.markup import Markup
from minicnn.plots.classifying import shown_as
from minicnn.plots.drawing import DARK, LIGHT, matplotlib_ready, write
from minicnn.plots.maps import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INKS = {"#000000": "currentColor", LIGHT: "var(--first)", DARK: "var(--second)"}
"""The page's colours, light or dark, for Matplotlib's."""

LARGEST = 112
"""Pixels of a picture along its longer side."""

LEFT_OUT = ("metadata", "style")


def svg(figure: "Figure", label: str, number: int) -> Markup:
    """A figure as an element of a page, of which it is the ``number``-th, in the page's colours.

    Names within it are the page's own, and it has attributes in the place of styles, which the
    page's policy forbids.
    """
    content = io.StringIO()
    with matplotlib_ready():
        import matplotlib

        with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "page"}):
            write(lambda: figure.savefig(content, format="svg", transparent=True))
    root = ET.fromstring(content.getvalue())
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', content.getvalue()))
    names = {name: f"figure{number}-{i}" for i, name in enumerate(sorted(used))}
    inside = "".join(itertools.chain.from_iterable(_written(one, names) for one in root))
    box, line = escape(root.attrib["viewBox"]), 'stroke-linejoin="round" stroke-linecap="butt"'
    return Markup(
        f'<svg viewBox="{box}" role="img" aria-label="{escape(label)}" fill="currentColor" '
        f"{line}>{inside}</svg>"
    )


def _written(element: Any, names: dict[str, str]) -> Iterator[str]:
    kind = element.tag.rpartition("}")[2]
    if kind in LEFT_OUT:
        return
    given = "".join(f' {key}="{escape(value)}"' for key, value in _attributes(element, names))
    yield f"<{kind}{given}>{escape((element.text or '').strip())}"
    for one in element:
        yield from _written(one, names)
    yield f"</{kind}>"


def _attributes(element: Any, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    for key, value in element.attrib.items():
        key = key.rpartition("}")[2]
        if key == "style":
            for part in filter(None, value.split(";")):
                name, _, content = (text.strip() for text in part.partition(":"))
                if name != "font-family":
                    yield name, INKS.get(content, content)
        elif key == "id":
            if value in names:
                yield key, names[value]
        elif key == "d":
            yield key, " ".join(value.split())
        else:
            yield key, re.sub(r"#([\w-]+)", lambda m: f"#{names.get(m[1], m[1])}", value)


def picture(image: Any, label: str) -> Markup:
    """An image (H, W, C) of any range, small, as an element of a page."""
    return image_of(fitted(shown_as("report_page", image)), label)


def covered(image: Any, found: Array, label: str) -> Markup:
    """An image in grey, and over it a map of where something is, bright where it is much."""
    import matplotlib

    grey = fitted(shown_as("report_page", image))
    grey = grey.mean(axis=-1) if grey.ndim == 3 else grey
    values = _resized(found.astype(float), grey.shape)
    with matplotlib_ready():
        colours = matplotlib.colormaps[COLOURS](values / (float(found.max()) or 1.0))[..., :3]
    return image_of(0.4 * grey[..., None] + 0.6 * colours, label)


def fitted(image: Array, largest: int = LARGEST) -> Array:
    """An image of at most so many pixels along its longer side."""
    height, width = image.shape[:2]
    part = min(1.0, largest / max(height, width))
    return _resized(image, (max(1, round(part * height)), max(1, round(part * width))))


def _resized(image: Array, size: tuple[int, ...]) -> Array:
    for axis in (0, 1):
        if image.shape[axis] != size[axis]:
            image = resized(image, axis, taps(image.shape[axis], size[axis], "bilinear", True))
    return image


def image_of(image: Array, label: str) -> Markup:
    """An image (H, W) or (H, W, 3) of numbers from 0 to 1 as an element of a page."""
    content = base64.b64encode(png(image)).decode()
    height, width = image.shape[:2]
    return Markup(
        f'<img src="data:image/png;base64,{content}" alt="{escape(label)}" width="{width}" '
        f'height="{height}">'
    )


def png(image: Array) -> bytes:
    """The PNG file of an image (H, W) or (H, W, 3) of numbers from 0 to 1.

    >>> png(np.zeros((2, 3)))[:4]
    b'\\x89PNG'
    """
    pixels = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)  # 0: no filter
    colour = 2 if pixels.ndim == 3 else 0
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )
