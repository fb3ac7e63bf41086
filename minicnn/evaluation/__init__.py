"""How good a classifier is, how sure that is, and where it is wrong.

    probabilities(model, x)              what it gives each class
    compare(a, b, data)                  is the second better, or lucky?
    repeat(build, data, seeds=5)         how much is the seed?
    cross_validate(build, data, folds=5)
    worst_mistakes(model, data)
    roc_curve, precision_recall_curve, calibration_curve

An accuracy never stands without its interval. ``minicnn.metrics`` has ``confusion_matrix``,
``classification_report`` and ``wilson_interval``; ``minicnn.plots`` draws them all.
"""

from minicnn.evaluation.comparing import Comparison as Comparison
from minicnn.evaluation.comparing import compare as compare
from minicnn.evaluation.comparing import mcnemar as mcnemar
from minicnn.evaluation.curves import CalibrationCurve as CalibrationCurve
from minicnn.evaluation.curves import Curve as Curve
from minicnn.evaluation.curves import calibration_curve as calibration_curve
from minicnn.evaluation.curves import precision_recall_curve as precision_recall_curve
from minicnn.evaluation.curves import roc_curve as roc_curve
from minicnn.evaluation.intervals import bootstrap_interval as bootstrap_interval
from minicnn.evaluation.intervals import mean_interval as mean_interval
from minicnn.evaluation.mistakes import Mistake as Mistake
from minicnn.evaluation.mistakes import Mistakes as Mistakes
from minicnn.evaluation.mistakes import worst_mistakes as worst_mistakes
from minicnn.evaluation.predicting import probabilities as probabilities
from minicnn.evaluation.repeating import Repeats as Repeats
from minicnn.evaluation.repeating import cross_validate as cross_validate
from minicnn.evaluation.repeating import repeat as repeat
from minicnn.evaluation.repeating import stratified_folds as stratified_folds
