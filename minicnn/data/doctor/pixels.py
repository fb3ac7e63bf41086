"""Findings about pixels: their range, and images with nothing, or little, on them."""

from collections.abc import Iterator

import numpy as np

from minicnn._core.shapes import Array
from minicnn.data.doctor.finding import ADVICE, ERROR, WARNING, Finding, number_of
from minicnn.data.doctor.measuring import FLAT
from minicnn.data.doctor.models import unit
from minicnn.data.doctor.part import Part

FAINT = 0.01
FAINTER = 0.1
"""A blank image's pixels differ by less than the first part of the range, and by less than the
second part of what is usual: a noisy white frame, but no dim photograph of a dim set."""

BLUR = 3.0
ODD = 4.0
"""A blurred image has a Laplacian of e^3 = 20 times less variance than the median, and lies that
many robust deviations below it. On photographs of cats and hands and on drawn pictures no image is
below e^2.4; a Gaussian of 2 pixels brings 64 x 64 images to e^3.5 and lower."""

DARK = 0.13
"""The part of the range, 32 of 255, that images of bytes should exceed somewhere."""

GROUND, OPPOSITE = 0.15, 0.5
"""Images have one background when the median of the outermost pixels is the same within the first
part of the range; another is its negative, if the two are at least the second part apart."""


def ranges(part: Part) -> Iterator[Finding]:
    """Numbers that are none, of a kind that is not read, or of a range that is not usual."""
    m, n = part.measures, len(part.measures)
    if (bad := m.broken > 0).any():
        where = part.place(bad)
        yield Finding(
            "pixels not finite",
            f"{number_of(len(where), part.noun, 'has')} NaN or infinity among the pixels: "
            f"{part.called(where)}.",
            "Leave these images out, or mend them: np.nan_to_num(x).",
            ERROR,
            {part.what: where},
        )
    if part.dtype.kind in "iub" and part.dtype != np.uint8:
        divided = "(x // 257).astype('uint8')" if m.high.max() > 255 else "x.astype('uint8')"
        yield Finding(
            "kind of pixels",
            f"The {part.noun}s are {part.dtype} from {m.low.min():,.0f} to {m.high.max():,.0f}; "
            "load_hdf5 reads uint8 and floating point.",
            f"Store {divided}.",
            ERROR,
        )
    low, high = float(m.low.min()), float(m.high.max())
    if part.dtype.kind in "iub" and 0 < high <= DARK * 255:
        cut = " Scaled images that were stored as whole numbers lose all between 0 and 1."
        yield Finding(
            "dark images" if high > 1 else "images of 0 and 1",
            f"The {part.noun}s are whole numbers from {low:.0f} to {high:.0f}, of 255 that there "
            f"could be.{cut * (high <= 1)}",
            "Make them anew from the originals, as uint8 from 0 to 255.",
        )
    if part.dtype.kind == "f":
        yield from _floats(part, low, high, n)


def _floats(part: Part, low: float, high: float, n: int) -> Iterator[Finding]:
    m = part.measures
    size = np.maximum(np.abs(m.low), np.abs(m.high))
    if 0 < high <= 1.01 / 255 and low >= 0:
        yield Finding(
            "images scaled twice",
            f"The {part.noun}s reach {high:.2g}, as after being divided by 255 twice.",
            "Store them as uint8, and let the model's Rescaling(1 / 255) divide once.",
            ERROR,
        )
    elif high > 1e4 or low < -1e4:
        where = part.place(size > 1e4)
        yield Finding(
            "huge values",
            f"{number_of(len(where), part.noun, 'has')} pixels as large as {max(high, -low):.3g}: "
            f"{part.called(where)}.",
            "Look at how they were read; pixels are from 0 to 255, or from 0 to 1.",
            ERROR,
            {part.what: where},
        )
    else:
        unit_ = (size > 0) & (size <= 1.5)
        bytes_ = size > 10
        if unit_.any() and bytes_.any() and unit_.sum() + bytes_.sum() > 0.9 * n:
            few = unit_ if unit_.sum() <= n / 2 else bytes_
            where = part.place(few)
            yield Finding(
                "two ranges",
                f"{number_of(len(where), part.noun, 'is')} from 0 to "
                f"{size[few].max():.3g}, the others from 0 to {size[~few].max():.3g}: "
                f"{part.called(where)}.",
                "Scale all alike, best not at all: store uint8, and start the model with "
                "Rescaling(1 / 255).",
                ERROR,
                {part.what: where},
            )


def nothing(part: Part) -> Iterator[Finding]:
    """Images of one colour, or nearly so, and blurred ones."""
    m = part.measures
    same = m.high - m.low <= FLAT * part.top
    if same.any():
        where = part.place(same)
        white = int((same & (m.low >= 0.98 * part.top)).sum())
        black = int((same & (m.high <= 0.02 * part.top)).sum())
        kinds = [(black, "black"), (white, "white"), (len(where) - black - white, "of one grey")]
        which = ", ".join(f"{k:,} {kind}" for k, kind in kinds if k)
        yield Finding(
            "constant images",
            f"{number_of(len(where), part.noun, 'has')} the same number everywhere ({which}): "
            f"{part.called(where)}.",
            "Look at them, and take out what was not read.",
            ERROR if same.all() else WARNING,
            {part.what: where},
        )
    usual = float(np.median(m.spread[~same])) if not same.all() else 0.0
    blank = ~same & (m.spread < FAINT * part.top) & (m.spread < FAINTER * usual)
    if blank.any():
        where = part.place(blank)
        yield Finding(
            "blank images",
            f"{number_of(len(where), part.noun, 'is')} nearly of one colour: {part.called(where)}.",
            "Look at them, and take out those that show nothing.",
            WARNING,
            {part.what: where},
        )
    yield from _blurred(part, ~same & ~blank)


def _blurred(part: Part, there: Array) -> Iterator[Finding]:
    detail = part.measures.detail
    there = there & (detail > 0)
    if there.sum() < 10:
        return
    logs = np.log(np.where(there, detail, 1.0))
    middle = float(np.median(logs[there]))
    deviation = 1.4826 * float(np.median(np.abs(logs[there] - middle)))
    blurred = there & (logs < middle - max(BLUR, ODD * deviation))
    if blurred.any():
        where = part.place(blurred)
        times = float(np.exp(middle - np.median(logs[blurred])))
        yield Finding(
            "blurred images",
            f"{number_of(len(where), part.noun, 'is')} blurred, with {times:,.0f} times less "
            f"detail than is usual here: {part.called(where)}.",
            "Look at them, and take out those on which you would not know the class.",
            ADVICE,
            {part.what: where},
        )


def colours(part: Part) -> Iterator[Finding]:
    """Grey images among images in colour, or the other way round."""
    grey = part.measures.grey & (part.measures.high > part.measures.low)
    channels = part.measures.small.shape[-1]
    if channels == 1 or grey.all() or not grey.any():
        return
    few, what, others = (
        (grey, "grey", "in colour") if grey.mean() <= 0.5 else (~grey, "in colour", "grey")
    )
    where, classes = part.place(few), part.classes
    told = ""
    if classes is not None and len(where) >= 5:
        counts = np.bincount(classes[few])
        most = int(counts.argmax())
        if counts[most] == len(where) and (classes[~few] == most).mean() < 0.5:
            told = f" All of them are of class {part.name(most)}, which that gives away."
    yield Finding(
        f"{what} images among others",
        f"{number_of(len(where), part.noun, 'is')} {what}, the others {others}: "
        f"{part.called(where)}.{told}",
        "Make all grey, or leave these out, if colour should not tell.",
        WARNING if told else ADVICE,
        {part.what: where},
    )


def inverted(part: Part) -> Iterator[Finding]:
    """Some images of a set with one background, that are negatives of the others."""
    m = part.measures
    if len(m) < 10:
        return
    small = m.small.mean(axis=3)
    ring = np.concatenate([small[:, 0], small[:, -1], small[:, :, 0], small[:, :, -1]], axis=1)
    ground = np.median(ring, axis=1) / part.top
    usual = float(np.median(ground))
    against = np.abs(ground - (1 - usual)) < GROUND
    same = np.abs(ground - usual) < GROUND
    few = 0 < against.sum() < 0.5 * len(m)
    if few and abs(1 - 2 * usual) > OPPOSITE and (same | against).mean() > 0.95:
        where = part.place(against & (m.high - m.low > FLAT * part.top))
        if not where:
            return
        yield Finding(
            "inverted images",
            f"{number_of(len(where), part.noun, 'looks')} like negatives of the others, "
            f"{'bright' if usual < 0.5 else 'dark'} where these are "
            f"{'dark' if usual < 0.5 else 'bright'}: {part.called(where)}.",
            "Turn them round: 255 - x, or 1 - x where pixels are from 0 to 1.",
            WARNING,
            {part.what: where},
        )


def apart(train: Part, test: Part) -> Iterator[Finding]:
    """Sizes, ranges and lights that differ between the training and the test images."""
    if train.shape and test.shape and train.shape != test.shape:
        a, b = (" x ".join(map(str, part.shape or ())) for part in (train, test))
        turned = train.shape[:2] == test.shape[1::-1]
        hint = " Height and width are exchanged: x.transpose(0, 2, 1, 3)." if turned else ""
        yield Finding(
            "other sizes",
            f"The training images are {a}, the test images {b}.",
            f"Prepare both in the same way.{hint}",
            ERROR,
        )
    high = [float(part.measures.high.max()) for part in (train, test)]
    if min(high) > 0 and max(high) > 10 * min(high):
        yield Finding(
            "other ranges",
            f"The training images reach {high[0]:.3g}, the test images {high[1]:.3g}.",
            "Scale both alike: a network that learned from one does not know the other.",
            ERROR,
        )
        return
    pictures = [part.measures.small.mean(axis=(0, 3)).reshape(1, -1) for part in (train, test)]
    alike = float((unit(pictures[0]) * unit(pictures[1])).sum())
    noise = [_noise(part) for part in (train, test)]
    if alike < -0.5 and max(noise) < 0.5:
        yield Finding(
            "inverted test images",
            "The mean test image is bright where the mean training image is dark "
            f"(correlation {alike:.2f}).",
            "Turn one of them round: 255 - x, or 1 - x where pixels are from 0 to 1.",
            ERROR,
        )


def _noise(part: Part) -> float:
    """How far the mean pictures of two halves are from each other: 0 the same, 1 unrelated."""
    small = part.measures.small.mean(axis=3).reshape(len(part.measures), -1)
    if len(small) < 20:
        return 1.0
    halves = unit(small[::2].mean(axis=0)[None]), unit(small[1::2].mean(axis=0)[None])
    return 1 - float((halves[0] * halves[1]).sum())
