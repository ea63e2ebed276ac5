"""Resampling patients, never stays: a patient's stays come and go together."""

from collections.abc import Iterator

import numpy

from training.tables import Floats, Strings

_CELLS = 2**19  # weights held at once: a few MB, so that a chunk stays in the processor's cache
_SETTLED_SHARE = 0.95


def patient_weights(subjects: Strings, resamples: int, seed: int) -> Iterator[Floats]:
    """Chunks (some resamples, rows) of how often each row is drawn; each patient's rows together.

    As many patients are drawn as there are, with replacement. The same seed gives the same
    resamples whatever the chunk, which is what makes differences paired.
    """
    patients, place = numpy.unique(subjects, return_inverse=True)
    draw = numpy.random.default_rng(seed)
    size = max(1, _CELLS // max(1, len(subjects)))
    for first in range(0, resamples, size):
        chunk = numpy.empty((min(size, resamples - first), len(subjects)))
        for each in chunk:
            drawn = draw.integers(0, len(patients), len(patients))
            each[:] = numpy.bincount(drawn, minlength=len(patients))[place]
        yield chunk


def percentile_interval(drawn: Floats, level: float) -> tuple[float, float] | None:
    """The middle `level` of the resamples (resamples,); None where too few of them have a number."""
    known = drawn[numpy.isfinite(drawn)]
    if not len(known) or len(known) < _SETTLED_SHARE * len(drawn):
        return None
    low, high = numpy.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
