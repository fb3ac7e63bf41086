"""Draw the embedded data set ``fingers``: pictures of a hand holding up 0 to 5 fingers.

A hand is a pile of strokes (rounded, tapering polylines) painted from back to front: forearm,
raised fingers, palm, folded fingers, thumb.  The signed distance of every pixel to a stroke gives
its smooth edge, its roundness under the light and the soft shadow it throws on what lies below.
Everything follows from a seed, so it needs neither a download nor a licence.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from minicnn._core.arguments import whole_number
from minicnn._files.atomic import make_folder, replacing
from minicnn.errors import ConfigError, shown

Floats = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]
Window = tuple[slice, slice]

SIZE = 64
CLASSES = 6
TRAIN_IMAGES = 1080
TEST_IMAGES = 120

# The hand's coordinates: half the palm's width is 1, y points to the fingertips, and the
# thumb is on the left.  Rows: index, middle, ring, little finger.
KNUCKLES = np.array([[-0.70, 0.78], [-0.24, 0.92], [0.24, 0.86], [0.68, 0.66]])
LENGTHS = np.array([1.62, 1.82, 1.66, 1.30])
WIDTHS = np.array([0.27, 0.28, 0.265, 0.235])
FAN = np.array([-11.0, -2.5, 5.5, 15.0])  # degrees from upright

# The combinations people show for each count, as T(humb) I(ndex) M(iddle) R(ing) L(ittle).
GESTURES = (("",), ("I",), ("IM", "TI"), ("IMR", "TIM"), ("IMRL",), ("TIMRL",))

# Red, green and blue of six skin tones from light to dark; hands fall anywhere between them.
SKIN = np.array(
    [
        [0.99, 0.95, 0.87, 0.76, 0.58, 0.40],
        [0.87, 0.78, 0.67, 0.54, 0.38, 0.26],
        [0.78, 0.65, 0.50, 0.38, 0.26, 0.19],
    ]
).T

ROWS, COLUMNS = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)


class Stroke(NamedTuple):
    """One painted part: points (k, 3) of x, y and radius, its colour (3,) and its opacity."""

    points: Floats
    colour: Floats
    opacity: float = 1.0


def _finger(base: Floats, angle: float, length: float, width: float, bend: float) -> Floats:
    """The three points of a raised finger whose upper half leans ``bend`` degrees further."""
    angles = np.radians([angle, angle + bend])
    steps = np.stack([np.sin(angles), np.cos(angles)], axis=1) * length / 2
    joints = np.vstack([base, base + np.cumsum(steps, axis=0)])
    return np.column_stack([joints, [width, width * 0.98, width * 0.86]])


def _creases(finger: Floats, colour: Floats) -> list[Stroke]:
    """The two lines across a raised finger where it bends."""
    base, joint, tip = finger[:, :2]
    along = joint - base
    across = np.array([along[1], -along[0]]) / np.hypot(*along) * finger[0, 2] * 0.7
    return [
        Stroke(np.column_stack([[at - across, at + across], [0.03, 0.03]]), colour, 0.3)
        for at in (joint, joint * 0.42 + tip * 0.58)
    ]


def _palm(skin: Floats, crease: Floats, rng: np.random.Generator) -> list[Stroke]:
    """The forearm and palm in one stroke, two lines of the palm, and perhaps a sleeve."""
    lean = rng.normal(0, 0.45)
    # Up the arm, out to the ball of the thumb, then to and fro between the wrist and each knuckle.
    x = [lean * 2, lean * 0.35, 0, -0.52, -0.25, -0.64, 0, -0.22, 0.1, 0.22, 0.25, 0.62]
    y = [-8, -2.2, -1, -0.3, -0.95, 0.62, -0.9, 0.72, -0.9, 0.68, -0.9, 0.5]
    radius = [1.05, 0.7, 0.66, 0.5, 0.45, 0.36, 0.45, 0.36, 0.45, 0.36, 0.45, 0.36]
    life = np.array([[-0.75, -0.2, 0, 0], [0.3, 0.1, -0.4, -0.9], [0.03] * 4]).T
    heart = np.array([[0.85, 0.3, -0.2], [0.35, 0.3, 0.6], [0.03] * 3]).T
    strokes = [Stroke(np.array([x, y, radius]).T, skin)]
    strokes += [Stroke(life, crease, 0.3), Stroke(heart, crease, 0.3)]
    if rng.random() < 0.5:
        sleeve = np.array([[lean * 0.45, -2.4, 0.88], [lean * 2, -8, 1.25]])
        strokes.append(Stroke(sleeve, rng.uniform(0.1, 0.9) + rng.uniform(-0.2, 0.2, 3)))
    return strokes


def _folded(knuckle: Floats, width: float, skin: Floats, nail: Floats, drop: float) -> list[Stroke]:
    """A finger folded onto the palm, its nail ``drop`` below its knuckle."""
    x, y = knuckle * [0.86, 1]
    finger = np.array([[knuckle[0], y + 0.12, width * 1.05], [x, y - drop, width * 0.95]])
    tip = np.array([[x, y - drop + 0.05, 0.13], [x, y - drop - 0.05, 0.13]])
    return [Stroke(finger, skin), Stroke(tip, nail, 0.7)]


def _folded_thumb(thickness: float, skin: Floats, nail: Floats, reach: float) -> list[Stroke]:
    """A thumb laid across the palm, its tip at ``reach`` from the middle."""
    x, y = [-0.8, -0.55, reach], [-0.45, -0.02, 0.02]
    thumb = np.array([x, y, np.multiply([0.36, 0.31, 0.27], thickness)]).T
    tip = np.array([[reach - 0.03, 0.04, 0.14], [reach + 0.07, 0.04, 0.13]])
    return [Stroke(thumb, skin), Stroke(tip, nail, 0.7)]


def _pose(fingers: Sequence[bool], skin: Floats, rng: np.random.Generator) -> list[Stroke]:
    """List the strokes of a hand from back to front, in the hand's coordinates."""
    thumb, *long_fingers = fingers
    crease, nail = skin * 0.55, np.clip(skin * 0.85 + 0.18, 0, 1)
    stretch, thickness = rng.uniform(0.95, 1.07), rng.uniform(0.95, 1.07)
    angles = FAN * rng.uniform(1.3, 1.6) + rng.normal(0, 1.2, 4)
    lengths = LENGTHS * stretch * rng.uniform(0.97, 1.03, 4)
    widths = WIDTHS * thickness

    strokes = []
    for i in np.flatnonzero(long_fingers):
        finger = _finger(KNUCKLES[i], angles[i], lengths[i], widths[i], rng.normal(0, 2.5))
        strokes += [Stroke(finger, skin), *_creases(finger, crease)]
    if thumb:
        angle, base = rng.uniform(-62, -52), np.array([-0.78, -0.2])
        strokes.append(Stroke(_finger(base, angle, 1.75 * stretch, 0.31 * thickness, 18), skin))
    strokes += _palm(skin, crease, rng)
    for i in np.flatnonzero(np.logical_not(long_fingers)):
        strokes += _folded(KNUCKLES[i], widths[i], skin, nail, drop=rng.normal(0.78, 0.05))
    if not thumb:
        strokes += _folded_thumb(thickness, skin, nail, reach=rng.uniform(0.05, 0.4))
    return strokes


def _place(strokes: list[Stroke], rng: np.random.Generator) -> list[Stroke]:
    """Mirror, turn, scale and move strokes from the hand's coordinates to pixels."""
    scale = rng.uniform(11.3, 12.3)
    turn = np.radians(rng.uniform(-12, 12))
    side = rng.choice([-1.0, 1.0])
    cosine, sine = np.cos(turn), np.sin(turn)
    matrix = scale * np.array([[side * cosine, -side * sine], [-sine, -cosine]])
    centre = np.array([SIZE / 2, SIZE / 2 + 1]) + rng.uniform(-3.3, 3.3, 2)
    middle = np.array([-0.1, 0.75])
    placed = []
    for stroke in strokes:
        x_y = (stroke.points[:, :2] - middle) @ matrix.T + centre
        points = np.column_stack([x_y, stroke.points[:, 2] * scale])
        placed.append(stroke._replace(points=points))
    return placed


def _window(stroke: Stroke) -> Window:
    """The rows and columns of the picture that a stroke or its shadow can touch."""
    reach = stroke.points[:, 2:].max() + 8
    low = np.clip(stroke.points[:, :2].min(axis=0) - reach, 0, SIZE - 2).astype(int)
    # At least two pixels each way, so that a slope exists even for a stroke outside the picture.
    high = np.clip(stroke.points[:, :2].max(axis=0) + reach, low + 2, SIZE).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _distance(stroke: Stroke, window: Window) -> Floats:
    """The signed distance of each pixel of the window to the stroke's edge."""
    points = stroke.points.astype(np.float32)
    x, y, radius = points[:-1].T[:, :, None, None]
    run_x, run_y, swell = np.diff(points, axis=0).T[:, :, None, None]
    across, down = COLUMNS[window] - x, ROWS[window] - y
    along = np.clip((across * run_x + down * run_y) / (run_x**2 + run_y**2), 0, 1)
    segments = np.hypot(across - along * run_x, down - along * run_y) - (radius + along * swell)
    nearest: Floats = segments.min(axis=0)
    return nearest


def _outline(windows: list[Window], distances: list[Floats]) -> Floats:
    """The signed distance of each pixel to the edge of the whole hand."""
    outline = np.full((SIZE, SIZE), 20, np.float32)
    for window, distance in zip(windows, distances, strict=True):
        np.minimum(outline[window], distance, out=outline[window])
    return outline


def _throw_shadow(picture: Floats, outline: Floats, light: Floats) -> None:
    """Darken the wall in place where the whole hand keeps the light from it."""
    reach = 4
    left, top = np.rint(reach * (1 + light[:2])).astype(int)
    moved = np.pad(outline, reach, mode="edge")[top : top + SIZE, left : left + SIZE]
    picture *= 1 - 0.35 / (1 + np.exp(moved / 1.5))


def _shade(distance: Floats, radius: float, light: Floats) -> Floats:
    """The brightness of a rounded part with a dark outline, from its signed distance."""
    slope_y, slope_x = np.gradient(distance)
    tilt = np.clip(1 + distance / radius, 0, 1)
    facing = tilt * (slope_x * light[0] + slope_y * light[1]) + np.sqrt(1 - tilt**2) * light[2]
    shade: Floats = 0.5 + 0.6 * np.clip(facing, 0, 1)
    shade *= 1 - 0.8 * np.exp(-((distance / 1.1) ** 2))
    return shade


def _paint(picture: Floats, strokes: list[Stroke], light: Floats) -> Mask:
    """Paint the strokes over a picture (3, SIZE, SIZE) in place, lit from ``light``.

    Returns which pixels they cover.
    """
    windows = [_window(stroke) for stroke in strokes]
    distances = [_distance(stroke, window) for stroke, window in zip(strokes, windows, strict=True)]
    outline = _outline(windows, distances)
    _throw_shadow(picture, outline, light)
    for stroke, window, distance in zip(strokes, windows, distances, strict=True):
        below = picture[:, *window]
        colour: Floats = stroke.colour.astype(np.float32)[:, None, None]
        cover = stroke.opacity * np.clip(0.5 - distance, 0, 1)
        if stroke.opacity == 1:
            below *= 1 - 0.6 * np.exp(-np.maximum(distance, 0) / 1.3)
            colour = colour * _shade(distance, float(stroke.points[:, 2].mean()), light)
        below += cover * (colour - below)
    covered: Mask = outline < 0
    return covered


def _wall_colour(skin: Floats, rng: np.random.Generator) -> Floats:
    """A muted colour (3, 1, 1) that stands out from the skin."""
    grey = rng.uniform(0.1, 0.95, (12, 1))
    colours = np.clip(grey + rng.normal(0, 0.10, (12, 3)), 0.03, 1)
    contrast = np.sqrt(((colours - skin * 0.95) ** 2).sum(axis=1))
    chosen: Floats = colours[np.argmax(contrast > 0.6)]
    return chosen.astype(np.float32)[:, None, None]


def _background(skin: Floats, rng: np.random.Generator) -> Floats:
    """Draw a wall (3, SIZE, SIZE): plain, a gradient, a pattern, or distracting shapes."""
    first, second = _wall_colour(skin, rng), _wall_colour(skin, rng)
    angle, wavelength = rng.uniform(0, 2 * np.pi), rng.uniform(5, 20)
    ramp = (np.cos(angle) * (COLUMNS - SIZE / 2) + np.sin(angle) * (ROWS - SIZE / 2)) / SIZE
    kind = rng.choice(["plain", "gradient", "stripes", "clouds", "shapes"])
    if kind == "gradient":
        mix = np.clip(ramp + 0.5, 0, 1)
    elif kind == "stripes":
        mix = 0.35 + 0.35 * np.sin(ramp * SIZE / wavelength * 2 * np.pi)
    elif kind == "clouds":
        cells = rng.random((9, 9)).astype(np.float32)
        spread = np.clip(1 - np.abs(np.arange(SIZE)[:, None] / 8 - np.arange(9)), 0, 1)
        mix = (spread @ cells @ spread.T).astype(np.float32) * 0.9
    else:
        mix = np.zeros_like(ramp)
        for _ in range(rng.integers(2, 6) if kind == "shapes" else 0):
            x, y, radius = rng.uniform([0, 0, 3], [SIZE, SIZE, 13])
            across, down = np.abs(COLUMNS - x), np.abs(ROWS - y)
            distance = np.maximum(across, down) if rng.random() < 0.5 else np.hypot(across, down)
            mix = np.maximum(mix, rng.uniform(0.3, 0.9) * np.clip(radius - distance, 0, 1))
    return np.asarray(first + mix * (second - first), dtype=np.float32)


def draw_hand(fingers: Sequence[bool], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw one picture of a hand, (64, 64, 3) uint8; all but its raised fingers are random.

    ``fingers`` says for each, thumb to little finger, whether it is raised. Raises
    ``ConfigError`` unless there are five.

    >>> draw_hand([False, True, True, False, False], np.random.default_rng(0)).shape
    (64, 64, 3)
    """
    if len(fingers) != 5:
        raise ConfigError(
            "draw_hand: expected whether each of five fingers, thumb to little finger, is raised, "
            f"got {len(fingers)} of them."
        )
    return _hand(fingers, rng)[0]


def _hand(fingers: Sequence[bool], rng: np.random.Generator) -> tuple[npt.NDArray[np.uint8], Mask]:
    """(a picture of a hand, which of its pixels are the hand's)."""
    tone = rng.uniform(0, len(SKIN) - 1)
    skin = SKIN[int(tone)] + tone % 1 * (SKIN[int(tone) + 1] - SKIN[int(tone)])
    skin = np.clip(skin * rng.normal(1, 0.03, 3), 0, 1)
    azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.55, 0.9)
    flat = np.sqrt(1 - height**2)
    light = np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), height], np.float32)

    picture = _background(skin, rng)
    mask = _paint(picture, _place(_pose(fingers, skin, rng), rng), light)

    falloff = 1 + 0.5 * ((COLUMNS - 32) * light[0] + (ROWS - 32) * light[1]) / SIZE
    warmth = rng.uniform(-0.07, 0.12)
    lamp = rng.uniform(0.85, 1.15) * np.array([1 + warmth, 1, 1 - warmth])
    picture *= falloff * lamp.astype(np.float32)[:, None, None]
    grain = rng.standard_normal(picture.shape, np.float32)
    picture += grain * np.float32(rng.uniform(0.006, 0.025))
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0), mask


def fingers(n: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Draw n pictures of hands, the six classes balanced to within one and in random order.

    Returns x, (n, 64, 64, 3) uint8, and y, (n,) int64: how many fingers are raised. The
    same n and seed give the same pictures. Raises ``ConfigError`` when n is negative.

    >>> x, y = fingers(6, seed=0)
    >>> x.shape, sorted(y.tolist())
    ((6, 64, 64, 3), [0, 1, 2, 3, 4, 5])
    """
    if not isinstance(n, int | np.integer) or n < 0:
        raise ConfigError(f"fingers: expected n of 0 or more, got {shown(n)}.")
    return _draw(n, np.random.default_rng(whole_number("fingers", "seed", seed, least=0)))[:2]


def hand_masks(n: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """The pictures of ``fingers``, and which of their pixels are the hand's.

    Returns x, (n, 64, 64, 3) uint8, and masks, (n, 64, 64) uint8: 1 on the hand, 0 on the wall.
    Raises ``ConfigError`` when n is negative.

    >>> x, masks = hand_masks(6, seed=0)
    >>> x.shape, masks.shape, bool((x == fingers(6, seed=0)[0]).all())
    ((6, 64, 64, 3), (6, 64, 64), True)
    """
    if not isinstance(n, int | np.integer) or n < 0:
        raise ConfigError(f"hand_masks: expected n of 0 or more, got {shown(n)}.")
    rng = np.random.default_rng(whole_number("hand_masks", "seed", seed, least=0))
    x, _, masks = _draw(n, rng)
    return x, masks


def write_fingers(
    folder: str | os.PathLike[str] = "datasets", *, seed: int = 0
) -> tuple[Path, Path]:
    """Write 1,080 pictures to ``train_fingers.h5``, 120 to ``test_fingers.h5``; return the paths.

    They have the course's layout: ``train_set_x`` (m, 64, 64, 3) uint8, ``train_set_y`` (m,)
    int64 (``test_set_...`` in the other) and ``list_classes``, 0 to 5. The folder is made
    if it is missing. Raises ``ConfigError`` if it cannot be written to.

    >>> train, test = write_fingers("datasets")  # doctest: +SKIP
    >>> train.name, test.name  # doctest: +SKIP
    ('train_fingers.h5', 'test_fingers.h5')
    """
    import h5py

    if not isinstance(folder, str | os.PathLike):
        raise ConfigError(f"write_fingers: expected folder as a path, got {shown(folder)}.")
    whole_number("write_fingers", "seed", seed, least=0)
    folder = Path(folder)
    make_folder(folder)
    paths = folder / "train_fingers.h5", folder / "test_fingers.h5"
    # Spawned streams are independent: no test picture can repeat a training picture.
    streams = np.random.SeedSequence(seed).spawn(2)
    for path, part, n, stream in zip(
        paths, ("train", "test"), (TRAIN_IMAGES, TEST_IMAGES), streams, strict=True
    ):
        x, y, _ = _draw(n, np.random.default_rng(stream))
        # Not every drive has locks, and no other process uses this file.
        with replacing(path) as unfinished, h5py.File(unfinished, "w", locking=False) as file:
            file[f"{part}_set_x"] = x
            file[f"{part}_set_y"] = y
            file["list_classes"] = np.arange(CLASSES, dtype=np.int64)
    return paths


def _draw(
    n: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """(pictures, labels, masks) of n hands, with balanced classes in random order."""
    y = rng.permutation(np.arange(n, dtype=np.int64) % CLASSES)
    x, masks = np.empty((n, SIZE, SIZE, 3), np.uint8), np.empty((n, SIZE, SIZE), np.uint8)
    for i, count in enumerate(y):
        gesture = rng.choice(GESTURES[count])
        x[i], masks[i] = _hand([finger in gesture for finger in "TIMRL"], rng)
    return x, y, masks
