"""More losses as metrics: errors in percent, of logarithms, of directions, and margins."""

import math

from minicnn import losses
from minicnn.metrics.means import _MeanLoss


class RootMeanSquaredError(_MeanLoss):
    """The root of the mean of (y_pred - y_true)^2.

    >>> metric = RootMeanSquaredError()
    >>> metric.update_state(np.array([0.0, 1.0]), np.array([[4.0], [1.0]]))
    >>> round(metric.result(), 4)
    2.8284
    """

    def __init__(self, name: str = "root_mean_squared_error") -> None:
        super().__init__(losses.MeanSquaredError(), name)

    def result(self) -> float:
        """The root."""
        return math.sqrt(super().result())


class MeanAbsolutePercentageError(_MeanLoss):
    """The mean of 100 |y_pred - y_true| / |y_true|.

    >>> metric = MeanAbsolutePercentageError()
    >>> metric.update_state(np.array([2.0, 4.0]), np.array([[3.0], [4.0]]))
    >>> metric.result()
    25.0
    """

    aliases = ("mape", "MAPE")

    def __init__(self, name: str = "mean_absolute_percentage_error") -> None:
        super().__init__(losses.MeanAbsolutePercentageError(), name)


class MeanSquaredLogarithmicError(_MeanLoss):
    """The mean of (log(1 + y_pred) - log(1 + y_true))^2.

    >>> metric = MeanSquaredLogarithmicError()
    >>> metric.update_state(np.array([1.0]), np.array([[3.0]]))
    >>> round(metric.result(), 4)
    0.4805
    """

    aliases = ("msle", "MSLE")

    def __init__(self, name: str = "mean_squared_logarithmic_error") -> None:
        super().__init__(losses.MeanSquaredLogarithmicError(), name)


class LogCoshError(_MeanLoss):
    """The mean of log(cosh(y_pred - y_true)).

    >>> metric = LogCoshError()
    >>> metric.update_state(np.array([0.0]), np.array([[1.0]]))
    >>> round(metric.result(), 4)
    0.4338
    """

    aliases = ("logcosh",)

    def __init__(self, name: str = "logcosh") -> None:
        super().__init__(losses.LogCosh(), name)


class CosineSimilarity(_MeanLoss):
    """The mean of (y / |y|) . (p / |p|) along the last axis: 1 where both point the same way.

    >>> metric = CosineSimilarity()
    >>> metric.update_state(np.array([[3.0, 4.0]]), np.array([[4.0, 3.0]]))
    >>> round(metric.result(), 4)
    0.96
    """

    def __init__(self, name: str = "cosine_similarity") -> None:
        super().__init__(losses.CosineSimilarity(), name)

    def result(self) -> float:
        """The loss of that name is its negative."""
        return -super().result()


class KLDivergence(_MeanLoss):
    """The mean of the sums of y log(y / p), as the loss of that name.

    >>> metric = KLDivergence()
    >>> metric.update_state(np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]]))
    >>> round(metric.result(), 4)
    0.1438
    """

    aliases = ("kld", "KLD")

    def __init__(self, name: str = "kl_divergence") -> None:
        super().__init__(losses.KLDivergence(), name)


class Poisson(_MeanLoss):
    """The mean of p - y log(p), as the loss of that name.

    >>> metric = Poisson()
    >>> metric.update_state(np.array([2.0]), np.array([[1.5]]))
    >>> round(metric.result(), 4)
    0.6891
    """

    def __init__(self, name: str = "poisson") -> None:
        super().__init__(losses.Poisson(), name)


class Hinge(_MeanLoss):
    """The mean of max(1 - y y_pred, 0), as the loss of that name.

    >>> metric = Hinge()
    >>> metric.update_state(np.array([0, 1]), np.array([[-2.0], [0.5]]))
    >>> metric.result()
    0.25
    """

    def __init__(self, name: str = "hinge") -> None:
        super().__init__(losses.Hinge(), name)


class SquaredHinge(_MeanLoss):
    """The mean of max(1 - y y_pred, 0)^2, as the loss of that name.

    >>> metric = SquaredHinge()
    >>> metric.update_state(np.array([0, 1]), np.array([[-2.0], [0.5]]))
    >>> metric.result()
    0.125
    """

    def __init__(self, name: str = "squared_hinge") -> None:
        super().__init__(losses.SquaredHinge(), name)


class CategoricalHinge(_MeanLoss):
    """The mean of max(neg - pos + 1, 0), as the loss of that name.

    >>> metric = CategoricalHinge()
    >>> metric.update_state(np.array([[1, 0, 0]]), np.array([[0.5, 1.0, 0.1]]))
    >>> metric.result()
    1.5
    """

    def __init__(self, name: str = "categorical_hinge") -> None:
        super().__init__(losses.CategoricalHinge(), name)
