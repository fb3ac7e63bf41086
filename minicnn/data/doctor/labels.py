"""Findings about labels: their shape and kind, which classes there are, and in what order."""

from collections.abc import Iterator, Sequence

import numpy as np

from minicnn._core.shapes import Array
from minicnn.data.doctor.finding import ADVICE, ERROR, WARNING, Finding, listed, number_of
from minicnn.data.doctor.part import Part

UNEVEN = 4.0
"""How many times the images of the rarest class the commonest may have. Of two classes, always
answering the commonest is then right in 4 of 5 cases, and a network that says nothing else looks
good; what is less uneven, classifiers learn without help."""

RARE = 3
"""Fewer images of a class cannot be split into some to learn from and some to test on."""

SORTED = 0.5
UNLIKELY = 6.0
"""Labels are sorted when neighbours differ less than this part of how often they would in random
order, and by this many standard errors, which chance reaches once in a thousand million files."""


def classes_of(
    y: Array, images: int, names: Sequence[str], noun: str, file: bool
) -> tuple[Array | None, list[Finding]]:
    """(class numbers, or None where there are none, what is wrong with labels as they came)."""
    found: list[Finding] = []
    if y.dtype.kind in "USO":
        texts, numbers = np.unique(y.astype(str).ravel(), return_inverse=True)
        what = f"The labels are texts, such as {texts[0]!r:.40}."
        found.append(Finding("labels are texts", what, TEXTS, ERROR))
        y = numbers.reshape(y.shape)
    row = y.ndim == 2 and (y.shape == (1, images) or y.shape[1] == 1) and images > 1
    if row:
        shape = "one row, (1, m)" if y.shape[0] == 1 else "a column, (m, 1)"
        what = f"The labels are {shape}, here {y.shape}, where (m,) is plain."
        remedy = "load_hdf5 and fit take them; other programs may need y.ravel()."
        found.append(Finding("label shape", what, remedy, ADVICE))
        y = y.ravel()
    if len(y) != images or y.ndim not in (1, 2):
        what = f"There are {number_of(images, noun)} and labels of shape {y.shape}."
        remedy = "Store one label for each image, in the same order; find out which are missing."
        return None, [*found, Finding("number of labels", what, remedy, ERROR)]
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        bad = np.flatnonzero(~np.isfinite(y.reshape(images, -1)).all(axis=1))
        what = f"{number_of(len(bad), 'label', 'is')} NaN or infinite: of {noun} {listed(bad)}."
        remedy = "Leave these images out, or look up their labels."
        return None, [*found, Finding("labels not finite", what, remedy, ERROR)]
    if y.ndim == 2:
        return _of_rows(y, noun, found)
    if y.dtype.kind == "f":
        if (y != np.floor(y)).any():
            if file:
                what = f"The labels are no whole numbers, such as {y[y != np.floor(y)][0]:.4g}."
                remedy = "Store class numbers from 0; what is to be estimated is given as arrays."
                found.append(Finding("labels are no classes", what, remedy, ERROR))
            return None, found
        what = f"The labels are whole numbers stored as {y.dtype}."
        remedy = "Store y.astype('int64'): a class is a number, not a measurement."
        found.append(Finding("labels as floats", what, remedy, ADVICE))
    y = y.astype(np.int64)
    found += _numbering(y, names, noun)
    shift = int(bool(names) and y.min() == 1 and y.max() == len(names))
    y = y - shift
    limit = len(names) or max(1000, images)
    return (y if y.min() >= 0 and y.max() < limit else None), found


TEXTS = "Classes are numbers: names, y = np.unique(y, return_inverse=True)."


def _of_rows(y: Array, noun: str, found: list[Finding]) -> tuple[Array, list[Finding]]:
    """The labels of one-hot rows."""
    bad = ~(((y == 0) | (y == 1)).all(axis=1) & (y.sum(axis=1) == 1))
    if bad.any():
        rows = np.flatnonzero(bad)
        what = (
            f"{number_of(len(rows), 'one-hot row', 'has')} not a single 1 among zeros: of {noun} "
            f"{listed(rows)}."
        )
        remedy = "Give each image one class; mend these rows, or leave the images out."
        found.append(Finding("labels not one-hot", what, remedy, ERROR))
    return np.asarray(y.argmax(axis=1)), found


def _numbering(y: Array, names: Sequence[str], noun: str) -> Iterator[Finding]:
    """Class numbers that do not count from 0, or have no name."""
    low, high = int(y.min()), int(y.max())
    if low < 0:
        where = np.flatnonzero(y < 0)
        what = f"{number_of(len(where), 'label', 'is')} negative, such as {low}: of {noun} "
        remedy = "Count classes from 0; leave out images whose class is not known."
        yield Finding("labels negative", f"{what}{listed(where)}.", remedy, ERROR)
    elif low == 1 and high == len(names or np.unique(y)):
        what = f"The labels count from 1 to {high}, and there is none of class 0."
        remedy = "Store y - 1: classes are counted from 0."
        yield Finding("labels from 1", what, remedy, ERROR if names else WARNING)
    elif names and high >= len(names):
        where = np.flatnonzero(y >= len(names))
        what = (
            f"{number_of(len(where), 'label', 'is')} outside list_classes, which names "
            f"{number_of(len(names), 'class')}: label {high} of {noun} {listed(where)}."
        )
        remedy = "Correct these labels, or add the names that are missing."
        yield Finding("labels outside list_classes", what, remedy, ERROR)
    elif not names and high >= max(1000, len(y)):
        what = f"There are {number_of(len(y), 'label')}, and the largest is {high:,}."
        remedy = "Are these classes? Number them: names, y = np.unique(y, return_inverse=True)."
        yield Finding("labels far apart", what, remedy, ERROR)


def balance(part: Part, other: Part | None) -> Iterator[Finding]:
    """Classes without images, or with far fewer than others; ``other`` has the training images."""
    y = part.y
    if y is None:
        return
    known = max(len(part.names), int(y.max()) + 1)
    counts = np.bincount(y, minlength=known)
    there = np.flatnonzero(counts)
    if len(there) == 1 and other is None:
        what = f"All {number_of(len(y), part.noun)} are of class {part.name(there[0])}."
        remedy = "Add images of the other classes: there is nothing to tell apart."
        yield Finding("one class", what, remedy, ERROR)
        return
    if len(there) > 20 and len(there) > len(y) / 2:
        what = f"{number_of(len(y), part.noun)} have {len(there):,} different labels."
        remedy = "Are these classes? Numbers to be estimated need a Dense(1) and 'mse'."
        yield Finding("as many classes as images", what, remedy, WARNING)
        return
    yield from _missing(part, other, counts)
    low, high = counts[there].min(), counts.max()
    if len(there) > 1 and high > UNEVEN * low:
        least, most = int(there[counts[there].argmin()]), int(counts.argmax())
        what = (
            f"Of the {part.noun}s {high:,} are of {part.name(most)} ({high / len(y):.0%}), and "
            f"{low:,} of {part.name(least)}."
        )
        remedy = (
            "Look at each class' recall rather than at the accuracy; collect more of the rare "
            "class, or give fit class_weight=."
        )
        yield Finding("imbalance", what, remedy, WARNING)
    if part.what == "training" and low < RARE:
        few = [part.name(k) for k in there if counts[k] < RARE]
        what = f"Of {listed(few)} there {'is' if low == 1 else 'are'} {number_of(low, part.noun)}."
        remedy = "Collect more, or leave the class out: so few cannot be learned and tested."
        yield Finding("rare class", what, remedy, WARNING)


def _missing(part: Part, other: Part | None, counts: Array) -> Iterator[Finding]:
    if other is None:
        none = np.flatnonzero(counts == 0)
        if counts[0] == 0 and len(none) == 1 and not part.names:
            return  # they count from 1, which is said
        if len(none):
            what = f"There is no {part.noun} of class {listed(map(part.name, none))}"
            if not part.names:
                what += f", though the labels reach {len(counts) - 1}"
            remedy = "Add images of it, or number the classes anew without it."
            yield Finding("missing classes", f"{what}.", remedy, WARNING)
        return
    if other.y is None or part.y is None:
        return
    learned, tested = set(other.y.tolist()), set(part.y.tolist())
    if unknown := sorted(tested - learned):
        n = int(np.isin(part.y, unknown).sum())
        what = (
            f"{number_of(n, 'test image', 'is')} of class {listed(map(part.name, unknown))}, of "
            "which there is no training image."
        )
        remedy = "Split the data anew, so that each class is in both parts."
        yield Finding("classes only in the test", what, remedy, ERROR)
    if untested := sorted(learned - tested):
        what = f"There is no test image of class {listed(map(other.name, untested))}."
        remedy = "Split the data anew, so that each class is in both parts: nothing is known of it."
        yield Finding("classes not in the test", what, remedy, WARNING)


def order(part: Part) -> Iterator[Finding]:
    """Labels that are sorted; the order of a folder's pictures is that of the names."""
    y = part.y
    if y is None or part.files is not None or len(y) < 2:
        return
    n, shares = len(y), np.bincount(y) / len(y)
    expected = 1 - float((shares**2).sum())
    changes = float((y[1:] != y[:-1]).mean())
    error = np.sqrt(expected * (1 - expected) / (n - 1)) + 1e-12
    if expected and changes < SORTED * expected and expected - changes > UNLIKELY * error:
        runs = int((y[1:] != y[:-1]).sum()) + 1
        what = (
            f"The {part.noun}s lie sorted by class: {n:,} labels in {runs:,} runs, where a random "
            f"order has {expected * (n - 1) + 1:,.0f} or so."
        )
        remedy = (
            "Shuffle both with one permutation before storing them: validation_split takes the "
            "tail, and what reads in order learns one class at a time."
        )
        yield Finding("labels sorted", what, remedy, WARNING)


def kinds(train: Part, test: Part) -> Iterator[Finding]:
    """Labels or names that are of one kind here and of another there."""
    a, b = train.raw_labels, test.raw_labels
    if a is not None and b is not None:
        rows = [one.ndim == 2 and 1 not in one.shape for one in (a, b)]
        if rows[0] != rows[1]:
            what = (
                f"The {'training' if rows[0] else 'test'} labels are one-hot rows, the "
                f"{'test' if rows[0] else 'training'} labels are class numbers."
            )
            remedy = "Store both as class numbers: y.argmax(axis=1)."
            yield Finding("labels of two kinds", what, remedy, WARNING)
    if train.names and test.names and train.names != test.names:
        same = sorted(train.names) == sorted(test.names)
        what = (
            f"The training classes are {listed(train.names)}; the test classes are "
            f"{listed(test.names)}{', in another order' * same}."
        )
        remedy = "Number the classes of both parts alike: the same number must be the same class."
        yield Finding("other classes", what, remedy, ERROR)
