"""Fit the calibrator: logistic regression of the label on the mean logit (Platt 1999).

The covariance of the two parameters is the inverse information, and goes into the interval.
"""

import numpy
from scipy.optimize import minimize

from model.calibration import Calibrator, expit
from training.tables import Floats

_FIRST = numpy.array([1.0, 0.0])
_RIDGE = 0.01  # far below one stay's weight: keeps a separable slice from running off
_LEAST_SLOPE = 0.05


def fit_calibrator(logits: Floats, labels: Floats, *, spread: float) -> Calibrator:
    """logits (members, rows), labels (rows,) of 0 and 1.

    A slope that would not be positive says that the model ranks this slice no better than chance:
    it is held just above zero, so that a probability is near the base rate for everybody.
    """
    mean = logits.mean(0)
    design = numpy.stack((mean, numpy.ones_like(mean)), axis=1)
    found, covariance = _fitted(design, labels)
    if found[0] < _LEAST_SLOPE:
        base = numpy.clip(labels.mean(), 1e-6, 1 - 1e-6)
        offset = _LEAST_SLOPE * mean.mean()
        found = numpy.array([_LEAST_SLOPE, numpy.log(base / (1 - base)) - offset])
    return Calibrator(
        slope=float(found[0]),
        intercept=float(found[1]),
        covariance=(float(covariance[0, 0]), float(covariance[0, 1]), float(covariance[1, 1])),
        spread=spread,
        rows=len(labels),
        positives=int(labels.sum()),
        interval_holds=False,
    )


def _fitted(design: Floats, labels: Floats) -> tuple[Floats, Floats]:
    def loss(found: Floats) -> float:
        logits = design @ found
        misfit = numpy.logaddexp(0.0, logits) - labels * logits
        return float(misfit.sum() + 0.5 * _RIDGE * ((found - _FIRST) ** 2).sum())

    def slope(found: Floats) -> Floats:
        step: Floats = design.T @ (expit(design @ found) - labels) + _RIDGE * (found - _FIRST)
        return step

    found: Floats = minimize(loss, _FIRST, jac=slope, method="BFGS").x
    probability = expit(design @ found)
    weight = (probability * (1.0 - probability))[:, None]
    information = (design * weight).T @ design + _RIDGE * numpy.eye(2)
    return found, numpy.asarray(numpy.linalg.inv(information), dtype=numpy.float64)
