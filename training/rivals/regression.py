"""Ridge logistic regression as a baseline: scikit-learn's, nothing of ours but the columns."""

from typing import Any

import numpy

from training.rivals.learning import BaselineSettings, Learning
from training.rivals.optional import needed
from training.tables import Floats

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
_STEPS = 5000


def logistic_values(learning: Learning, settings: BaselineSettings) -> Floats:
    """Probabilities of the asked rows (rows,). Medians and missing indicators, one-hot levels,
    unit variance; C by log loss on tuning."""
    prepared = _inputs(learning)
    train = prepared.fit_transform(learning.train)
    tuning = prepared.transform(learning.tuning)
    fitted = [_fitted(train, learning, strength, settings.seed) for strength in STRENGTHS]
    loss = needed("sklearn.metrics").log_loss
    lost = [
        loss(learning.tuning_outcomes, each.predict_proba(tuning)[:, 1], labels=[0, 1])
        for each in fitted
    ]
    best = fitted[int(numpy.argmin(lost))]
    return numpy.asarray(best.predict_proba(prepared.transform(learning.asked))[:, 1])


def _fitted(train: Floats, learning: Learning, strength: float, seed: int) -> Any:
    linear = needed("sklearn.linear_model")
    model = linear.LogisticRegression(C=strength, max_iter=_STEPS, random_state=seed)
    return model.fit(train, learning.train_outcomes)


def _inputs(learning: Learning) -> Any:
    impute, prepare = needed("sklearn.impute"), needed("sklearn.preprocessing")
    imputer = impute.SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    scaled = needed("sklearn.pipeline").make_pipeline(imputer, prepare.StandardScaler())
    levels = prepare.OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    parts = [("measured", scaled, learning.measured), ("levels", levels, learning.categorical)]
    return needed("sklearn.compose").ColumnTransformer([part for part in parts if part[2]])
