"""What tests try of all families but the layers."""

from typing import NamedTuple

import numpy as np

from minicnn import callbacks, constraints, initializers, losses, metrics, regularizers
from minicnn._core.shapes import Array
from minicnn.activations import sigmoid, softmax
from minicnn.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Ftrl,
    Lion,
    Nadam,
    Optimizer,
    RMSprop,
)
from minicnn.optimizers.schedules import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

_rng = np.random.default_rng(0)
LOGITS = 2 * _rng.standard_normal((9, 4))
CLASSES = _rng.integers(0, 4, 9)
ONE_HOT = np.eye(4)[CLASSES]
BITS = _rng.integers(0, 2, (9, 4))
NUMBERS = _rng.standard_normal((9, 4))
PIXEL_CLASSES = _rng.integers(-1, 3, (2, 3, 3))
PIXEL_CLASSES[0, :2] = -1
PIXEL_LOGITS = _rng.standard_normal((2, 3, 3, 3))


class LossCase(NamedTuple):
    """A loss, and labels and predictions for it."""

    loss: losses.Loss
    y_true: Array
    y_pred: Array


LOSSES = [
    LossCase(losses.MeanSquaredError(), NUMBERS, LOGITS),
    LossCase(losses.MeanAbsoluteError(), NUMBERS, LOGITS),
    LossCase(losses.Huber(), NUMBERS, LOGITS),
    LossCase(losses.Huber(2.5), NUMBERS, LOGITS),
    LossCase(losses.Huber(0.7), ONE_HOT, LOGITS),
    LossCase(losses.LogCosh(), NUMBERS, LOGITS),
    LossCase(losses.MeanAbsolutePercentageError(), NUMBERS, LOGITS),
    LossCase(losses.MeanSquaredLogarithmicError(), NUMBERS, LOGITS),
    LossCase(losses.MeanSquaredLogarithmicError(), np.abs(NUMBERS), np.abs(LOGITS)),
    LossCase(losses.CosineSimilarity(), NUMBERS, LOGITS),
    LossCase(losses.KLDivergence(), softmax(NUMBERS), softmax(LOGITS)),
    LossCase(losses.KLDivergence(), ONE_HOT, 1.3 * softmax(LOGITS)),
    LossCase(losses.Dice(), BITS, sigmoid(LOGITS)),
    LossCase(losses.Dice(axis=(1,)), BITS, sigmoid(LOGITS)),
    LossCase(losses.Tversky(0.3, 0.6), BITS, sigmoid(LOGITS)),
    LossCase(losses.Tversky(0.3, 0.6, axis=-1), BITS, sigmoid(LOGITS)),
    LossCase(losses.Poisson(), CLASSES[:, None], np.exp(LOGITS[:, :1])),
    LossCase(losses.Hinge(), BITS, LOGITS),
    LossCase(losses.Hinge(), 2 * BITS - 1, LOGITS),
    LossCase(losses.SquaredHinge(), BITS, LOGITS),
    LossCase(losses.CategoricalHinge(), ONE_HOT, LOGITS),
    LossCase(losses.BinaryCrossentropy(), BITS, sigmoid(LOGITS)),
    LossCase(losses.BinaryCrossentropy(), BITS[:, 0], sigmoid(LOGITS[:, :1])),
    LossCase(losses.BinaryCrossentropy(label_smoothing=0.2), BITS, sigmoid(LOGITS)),
    LossCase(losses.BinaryCrossentropy(from_logits=True), BITS, LOGITS),
    LossCase(losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2), BITS, LOGITS),
    LossCase(losses.BinaryFocalCrossentropy(), BITS, sigmoid(LOGITS)),
    LossCase(
        losses.BinaryFocalCrossentropy(True, 0.4, 1.5, label_smoothing=0.1), BITS, sigmoid(LOGITS)
    ),
    LossCase(losses.BinaryFocalCrossentropy(from_logits=True), BITS, LOGITS),
    LossCase(losses.BinaryFocalCrossentropy(True, 0.3, 0.5, True, 0.1), BITS, LOGITS),
    LossCase(losses.CategoricalCrossentropy(), ONE_HOT, 0.7 * softmax(LOGITS)),
    LossCase(losses.CategoricalCrossentropy(label_smoothing=0.2), ONE_HOT, 1.7 * softmax(LOGITS)),
    LossCase(losses.CategoricalCrossentropy(True), ONE_HOT, LOGITS),
    LossCase(losses.CategoricalCrossentropy(True, label_smoothing=0.2), ONE_HOT, LOGITS),
    LossCase(losses.CategoricalFocalCrossentropy(), ONE_HOT, 1.2 * softmax(LOGITS)),
    LossCase(
        losses.CategoricalFocalCrossentropy([0.1, 0.2, 0.3, 0.4], 1.5), ONE_HOT, softmax(LOGITS)
    ),
    LossCase(losses.CategoricalFocalCrossentropy(0.5, 1.0, True, 0.1), ONE_HOT, LOGITS),
    LossCase(
        losses.CategoricalFocalCrossentropy((0.1, 0.2, 0.3, 0.4), 1.5, True, 0.1), ONE_HOT, LOGITS
    ),
    LossCase(losses.SparseCategoricalCrossentropy(), CLASSES, 0.7 * softmax(LOGITS)),
    LossCase(losses.SparseCategoricalCrossentropy(from_logits=True), CLASSES, LOGITS),
    LossCase(losses.SparseCategoricalCrossentropy(ignore_class=2), CLASSES, softmax(LOGITS)),
    LossCase(losses.SparseCategoricalCrossentropy(True), np.abs(PIXEL_CLASSES), PIXEL_LOGITS),
    LossCase(losses.SparseCategoricalCrossentropy(True, -1), PIXEL_CLASSES, PIXEL_LOGITS),
    LossCase(losses.SparseCategoricalCrossentropy(False, -1), PIXEL_CLASSES, softmax(PIXEL_LOGITS)),
]

SCORES = _rng.random((30, 6))
ROWS = softmax(2 * _rng.standard_normal((30, 6)))
SIX_CLASSES = _rng.integers(0, 6, 30)
SIX = np.eye(6)[SIX_CLASSES]
MANY_BITS = _rng.integers(0, 2, (30, 6))


class MetricCase(NamedTuple):
    """A metric, and labels and predictions for it."""

    metric: metrics.Metric
    y_true: Array
    y_pred: Array


METRICS = [
    MetricCase(metrics.BinaryAccuracy(threshold=0.3), MANY_BITS, SCORES),
    MetricCase(metrics.CategoricalAccuracy(), SIX, ROWS),
    MetricCase(metrics.SparseCategoricalAccuracy(), SIX_CLASSES, ROWS),
    MetricCase(metrics.TopKCategoricalAccuracy(), SIX, ROWS),
    MetricCase(metrics.TopKCategoricalAccuracy(2), SIX, ROWS.round(1)),
    MetricCase(metrics.SparseTopKCategoricalAccuracy(3), SIX_CLASSES, ROWS.round(1)),
    MetricCase(metrics.Precision(), MANY_BITS, SCORES),
    MetricCase(metrics.Precision([0.1, 0.5, 0.8]), MANY_BITS, SCORES.round(1)),
    MetricCase(metrics.Precision([0.25, 0.5, 0.75]), MANY_BITS, SCORES),
    MetricCase(metrics.Precision(top_k=2), SIX, ROWS.round(1)),
    MetricCase(metrics.Precision(0.4, top_k=2, class_id=3), SIX, ROWS),
    MetricCase(metrics.Recall(), MANY_BITS, SCORES),
    MetricCase(metrics.Recall([0.9, 0.2]), MANY_BITS, SCORES),
    MetricCase(metrics.Recall(top_k=3), SIX, ROWS),
    MetricCase(metrics.Recall(class_id=1), MANY_BITS, SCORES),
    MetricCase(metrics.AUC(), MANY_BITS, SCORES),
    MetricCase(metrics.AUC(), MANY_BITS[:, 0], SCORES[:, :1]),
    MetricCase(metrics.AUC(from_logits=True), MANY_BITS, 5 * (SCORES - 0.5)),
    MetricCase(metrics.AUC(37, "ROC", "minoring"), MANY_BITS, SCORES),
    MetricCase(metrics.AUC(37, "ROC", "majoring"), MANY_BITS, SCORES),
    MetricCase(metrics.AUC(37, "PR"), MANY_BITS, SCORES),
    MetricCase(metrics.AUC(37, "PR", "minoring"), MANY_BITS, SCORES),
    MetricCase(metrics.AUC(37, "PR", "majoring"), MANY_BITS, SCORES),
    MetricCase(metrics.AUC(5, "PR"), MANY_BITS, np.minimum(1, SCORES * 1.5)),
    *(
        MetricCase(metrics.F1Score(average, threshold), MANY_BITS, SCORES)
        for average in (None, "micro", "macro", "weighted")
        for threshold in (None, 0.7)
    ),
    MetricCase(metrics.FBetaScore("macro", 2.0, 0.7), MANY_BITS, SCORES),
    MetricCase(metrics.FBetaScore("weighted", 0.5), MANY_BITS, SCORES),
    MetricCase(metrics.FBetaScore("micro", 0.5), MANY_BITS, SCORES),
    MetricCase(metrics.MeanSquaredError(), SCORES[::-1], SCORES),
    MetricCase(metrics.MeanAbsoluteError(), SCORES[::-1], SCORES),
    MetricCase(metrics.RootMeanSquaredError(), SCORES[::-1], SCORES),
    MetricCase(metrics.MeanAbsolutePercentageError(), SCORES[::-1], SCORES),
    MetricCase(metrics.MeanSquaredLogarithmicError(), SCORES[::-1], SCORES),
    MetricCase(metrics.LogCoshError(), SCORES[::-1], SCORES),
    MetricCase(metrics.CosineSimilarity(), SCORES[::-1], SCORES),
    MetricCase(metrics.KLDivergence(), ROWS[::-1], ROWS),
    MetricCase(metrics.Poisson(), MANY_BITS, SCORES),
    MetricCase(metrics.Hinge(), MANY_BITS, SCORES),
    MetricCase(metrics.SquaredHinge(), MANY_BITS, SCORES),
    MetricCase(metrics.CategoricalHinge(), SIX, ROWS),
    MetricCase(metrics.TruePositives(), MANY_BITS, SCORES),
    MetricCase(metrics.TruePositives([0.9, 0.2]), MANY_BITS, SCORES),
    MetricCase(metrics.FalsePositives([0.1, 0.5, 0.7]), MANY_BITS, SCORES.round(1)),
    MetricCase(metrics.TrueNegatives(0.3), MANY_BITS, SCORES),
    MetricCase(metrics.FalseNegatives([0.4, 0.6]), MANY_BITS, SCORES),
    MetricCase(metrics.SensitivityAtSpecificity(0.6), MANY_BITS, SCORES),
    MetricCase(metrics.SensitivityAtSpecificity(0.6, class_id=2), MANY_BITS, SCORES),
    MetricCase(metrics.SpecificityAtSensitivity(0.6, 50), MANY_BITS, SCORES),
    MetricCase(metrics.PrecisionAtRecall(0.6), MANY_BITS, SCORES),
    MetricCase(metrics.RecallAtPrecision(0.6), MANY_BITS, SCORES),
    MetricCase(metrics.MeanIoU(6), SIX_CLASSES, SIX_CLASSES[::-1]),
    MetricCase(metrics.MeanIoU(7, ignore_class=2), SIX_CLASSES, SIX_CLASSES[::-1]),
    MetricCase(metrics.MeanIoU(6, sparse_y_true=False, sparse_y_pred=False), SIX, ROWS),
    MetricCase(metrics.IoU(6, [1, 4]), SIX_CLASSES, SIX_CLASSES[::-1]),
    MetricCase(metrics.BinaryIoU([1], 0.4), MANY_BITS[:, 0], SCORES[:, 0]),
    MetricCase(metrics.OneHotIoU(6, [0, 5]), SIX, ROWS),
    MetricCase(metrics.OneHotMeanIoU(6), SIX, ROWS),
    MetricCase(metrics.Mean(), SCORES, SCORES[:, 0]),
    MetricCase(metrics.Sum(), SCORES, SCORES),
    MetricCase(metrics.BinaryCrossentropy(label_smoothing=0.1), MANY_BITS, SCORES),
    MetricCase(metrics.BinaryCrossentropy(from_logits=True), MANY_BITS, SCORES),
    MetricCase(metrics.CategoricalCrossentropy(label_smoothing=0.1), SIX, ROWS),
    MetricCase(metrics.CategoricalCrossentropy(from_logits=True), SIX, ROWS),
    MetricCase(metrics.SparseCategoricalCrossentropy(), SIX_CLASSES, ROWS),
    MetricCase(metrics.SparseCategoricalCrossentropy(ignore_class=2), SIX_CLASSES, ROWS),
]

TO_THE_BOTTOM = [
    SGD(0.1),
    SGD(0.1, momentum=0.5),
    SGD(0.1, momentum=0.5, nesterov=True),
    Adam(0.1),
    Adam(0.1, amsgrad=True),
    AdamW(0.1),
    RMSprop(0.01),
    RMSprop(0.01, momentum=0.5),
    RMSprop(0.01, momentum=0.5, centered=True),
    Nadam(0.1),
    Lion(CosineDecay(0.05, 500)),
    Adagrad(0.5),
    Adadelta(1.0, epsilon=0.1),
    Adamax(0.1),
    Ftrl(0.5),
]
"""Optimizers whose rates lead in 500 steps to the bottom of a bowl, from a few units away."""

OPTIMIZERS: list[Optimizer] = [
    *TO_THE_BOTTOM,
    SGD(),
    SGD(0.05, momentum=0.9),
    SGD(0.05, momentum=0.9, nesterov=True),
    Adam(),
    Adam(0.01, beta_1=0.8, beta_2=0.99, epsilon=1e-3),
    Adam(0.01, beta_2=0.9, amsgrad=True),
    AdamW(0.01),
    AdamW(0.01, weight_decay=0.2, amsgrad=True),
    RMSprop(),
    RMSprop(0.01, rho=0.8, momentum=0.9),
    RMSprop(0.01, centered=True),
    RMSprop(0.01, rho=0.8, momentum=0.9, epsilon=1e-3, centered=True),
    Nadam(),
    Nadam(0.01, beta_1=0.8, beta_2=0.99, epsilon=1e-3),
    Lion(),
    Lion(0.01, beta_1=0.8, beta_2=0.9),
    Adagrad(),
    Adagrad(0.1, initial_accumulator_value=0.5, epsilon=1e-3),
    Adadelta(),
    Adadelta(1.0, rho=0.8, epsilon=1e-3),
    Adamax(),
    Adamax(0.01, beta_1=0.8, beta_2=0.9, epsilon=1e-3),
    Ftrl(),
    Ftrl(0.1, -0.7, 0.5, 0.05, 0.1, 0.02, beta=0.3),
]

SCHEDULES = [
    CosineDecay(0.3, 70, alpha=0.1),
    CosineDecay(0.01, 70, alpha=0.1, warmup_target=0.3, warmup_steps=20),
    CosineDecayRestarts(0.3, 16),
    CosineDecayRestarts(0.3, 16, t_mul=1.0, m_mul=0.8, alpha=0.1),
    CosineDecayRestarts(0.3, 16, t_mul=1.5, m_mul=0.5),
    CosineDecayRestarts(0.1, 10, m_mul=0.9),
    ExponentialDecay(0.3, 30, 0.5),
    ExponentialDecay(0.3, 30, 0.5, staircase=True),
    InverseTimeDecay(0.3, 30, 0.5),
    InverseTimeDecay(0.3, 30, 0.5, staircase=True),
    PiecewiseConstantDecay([10, 70, 71], [0.3, 0.2, 0.1, 0.01]),
    PolynomialDecay(0.3, 70),
    PolynomialDecay(0.1, 10, cycle=True),
    PolynomialDecay(0.3, 70, end_learning_rate=0.01, power=2.0),
    PolynomialDecay(0.3, 70, end_learning_rate=0.01, power=0.5, cycle=True),
]

INITIALIZERS = [
    initializers.RandomNormal(seed=1),
    initializers.RandomNormal(1.0, 2.0, seed=1),
    initializers.TruncatedNormal(0.5, 2.0, seed=1),
    initializers.RandomUniform(-1.0, 3.0, seed=1),
    initializers.VarianceScaling(seed=1),
    initializers.VarianceScaling(3.0, "fan_out", "untruncated_normal", seed=1),
    initializers.VarianceScaling(0.5, "fan_avg", "uniform", seed=1),
    initializers.GlorotUniform(seed=1),
    initializers.GlorotNormal(seed=1),
    initializers.HeUniform(seed=1),
    initializers.HeNormal(seed=1),
    initializers.LecunUniform(seed=1),
    initializers.LecunNormal(seed=1),
    initializers.Orthogonal(1.5),
    initializers.Identity(),
    initializers.Identity(0.5),
    initializers.Zeros(),
    initializers.Ones(),
    initializers.Constant(),
    initializers.Constant(3),
]

REGULARIZERS = [
    regularizers.L1(),
    regularizers.L1(0.3),
    regularizers.L2(),
    regularizers.L2(0.3),
    regularizers.L1L2(),
    regularizers.L1L2(0.2, 0.1),
    regularizers.L1L2(0.3, 0.2),
    regularizers.L1L2(l2=2),
]

CONSTRAINTS = [
    constraints.NonNeg(),
    constraints.MaxNorm(),
    constraints.MaxNorm(0.5, axis=1),
    constraints.UnitNorm(),
    constraints.UnitNorm([0, 1]),
    constraints.MinMaxNorm(),
    constraints.MinMaxNorm(0.5, 0.8, 0.3, axis=1),
]

CALLBACKS = [
    callbacks.BackupAndRestore("backup"),
    callbacks.CSVLogger("log.csv"),
    callbacks.EarlyStopping("loss", patience=2),
    callbacks.History(),
    callbacks.LambdaCallback(),
    callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2),
    callbacks.ModelCheckpoint("best.keras", "loss"),
    callbacks.ReduceLROnPlateau("loss", patience=2),
    callbacks.TensorBoard("logs"),
    callbacks.TerminateOnNaN(),
    callbacks.TimeBudget(60),
]
