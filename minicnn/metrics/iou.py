"""Intersection over union: how well the pixels of classes are found."""

from collections.abc import Sequence

import numpy as np

from minicnn._core.arguments import number, whole_number
from minicnn._core.shapes import Array
from minicnn.errors import ConfigError, DataError
from minicnn.metrics.base import Metric, predictions
from minicnn.metrics.confusion import weights_of
from minicnn.metrics.positives import ratio


class _Overlap(Metric):
    """Counts of true and predicted classes; the result is the mean IoU of some of the classes."""

    num_classes: int
    ignore_class: int | None = None
    sparse_y_true: bool = True
    sparse_y_pred: bool = True
    axis: int = -1

    def reset_state(self) -> None:
        self.confusion = np.zeros((self.num_classes, self.num_classes))

    def update_state(
        self, y_true: Array, y_pred: Array, sample_weight: Array | None = None
    ) -> None:
        """Add one batch; pixels of classes that are not there do not count."""
        true = self._classes("labels", y_true, self.sparse_y_true)
        found = self._classes("predictions", y_pred, self.sparse_y_pred)
        if true.size != found.size:
            raise DataError(
                f"{type(self).__name__}: expected labels and predictions of as many pixels, got "
                f"shapes {true.shape} and {found.shape}. Of one-hot rows say sparse_y_true=False, "
                "of probabilities of classes sparse_y_pred=False."
            )
        weights = weights_of(self, sample_weight, true).ravel()
        true, found = true.ravel(), found.ravel()
        counted = (true >= 0) & (true < self.num_classes) & (found >= 0)
        counted &= (found < self.num_classes) & (true != self.ignore_class)
        pairs = true[counted] * self.num_classes + found[counted]
        counts = np.bincount(pairs, weights[counted], self.num_classes**2)
        self.confusion += counts.reshape(self.confusion.shape)

    def _classes(self, what: str, values: Array, sparse: bool) -> Array:
        values = predictions(self, values)
        if values.dtype.kind not in "buif":
            raise DataError(
                f"{type(self).__name__}: expected {what} as numbers, got {values.dtype}."
            )
        if not sparse:
            return np.asarray(values.argmax(axis=self.axis))
        with np.errstate(invalid="ignore"):
            return values.astype(np.intp)

    def targets(self) -> Sequence[int]:
        """The classes whose mean it is."""
        return range(self.num_classes)

    def result(self) -> float:
        """The mean over the classes that occur among the labels or the predictions."""
        both = np.diag(self.confusion)
        either = self.confusion.sum(axis=0) + self.confusion.sum(axis=1) - both
        chosen = list(self.targets())
        return float(ratio(ratio(both, either)[chosen].sum(), np.sum(either[chosen] > 0)))


class MeanIoU(_Overlap):
    """The mean over the classes of TP / (TP + FP + FN), of class numbers (N, ...).

    Classes that neither labels nor predictions have do not count; nor do labels of
    ``ignore_class``. With ``sparse_y_true=False`` labels are one-hot rows, with
    ``sparse_y_pred=False`` predictions are probabilities of the classes, along ``axis``. Of numbers
    that are not whole the part before the point is the class, as in Keras.

    >>> metric = MeanIoU(num_classes=2)
    >>> metric.update_state(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    >>> round(metric.result(), 3)
    0.333
    """

    def __init__(
        self,
        num_classes: int,
        name: str = "mean_io_u",
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        who = type(self).__name__
        self.num_classes = whole_number(who, "num_classes", num_classes)
        self.axis = _whole(who, "axis", axis)
        self.ignore_class = None if ignore_class is None else _whole(who, "class", ignore_class)
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        super().__init__(name)


class IoU(MeanIoU):
    """The mean of TP / (TP + FP + FN) over the classes in ``target_class_ids``, as ``MeanIoU``.

    >>> metric = IoU(num_classes=2, target_class_ids=[0])
    >>> metric.update_state(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    >>> round(metric.result(), 3)
    0.333
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str = "io_u",
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, ignore_class, sparse_y_true, sparse_y_pred, axis)
        self.target_class_ids = _ids(type(self).__name__, target_class_ids, self.num_classes)

    def targets(self) -> Sequence[int]:
        """``target_class_ids``."""
        return self.target_class_ids


class BinaryIoU(_Overlap):
    """The mean IoU of no (below ``threshold``) and yes (not below), or of one of them.

    >>> metric = BinaryIoU(target_class_ids=[1], threshold=0.3)
    >>> metric.update_state(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.4, 0.7]))
    >>> metric.result()
    1.0
    """

    num_classes = 2

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str = "binary_io_u",
    ) -> None:
        self.target_class_ids = _ids("BinaryIoU", target_class_ids, 2)
        number("BinaryIoU", "threshold", threshold)
        self.threshold = threshold
        super().__init__(name)

    def update_state(
        self, y_true: Array, y_pred: Array, sample_weight: Array | None = None
    ) -> None:
        """Add one batch."""
        super().update_state(y_true, predictions(self, y_pred) >= self.threshold, sample_weight)

    def targets(self) -> Sequence[int]:
        """``target_class_ids``."""
        return self.target_class_ids


class OneHotIoU(IoU):
    """``IoU`` of one-hot labels and of probabilities of the classes, along ``axis``.

    >>> metric = OneHotIoU(num_classes=2, target_class_ids=[0])
    >>> metric.update_state(np.eye(2)[[0, 1]], np.array([[0.7, 0.3], [0.6, 0.4]]))
    >>> metric.result()
    0.5
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str = "one_hot_io_u",
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes, target_class_ids, name, ignore_class, False, sparse_y_pred, axis
        )


class OneHotMeanIoU(MeanIoU):
    """``MeanIoU`` of one-hot labels and of probabilities of the classes, along ``axis``.

    >>> metric = OneHotMeanIoU(num_classes=2)
    >>> metric.update_state(np.eye(2)[[0, 1]], np.array([[0.7, 0.3], [0.4, 0.6]]))
    >>> metric.result()
    1.0
    """

    def __init__(
        self,
        num_classes: int,
        name: str = "one_hot_mean_io_u",
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, ignore_class, False, sparse_y_pred, axis)


def _whole(who: str, argument: str, value: int) -> int:
    return whole_number(who, argument, value, least=-(2**31))


def _ids(who: str, value: Sequence[int], classes: int) -> Sequence[int]:
    if not isinstance(value, list | tuple) or not value:
        raise ConfigError(
            f"{who}: expected target_class_ids as a list of class numbers, got {value!r}."
        )
    for one in value:
        whole_number(who, "target_class_ids", one, least=0, most=classes - 1)
    return value
