"""What our model must beat: a flag, two published scores, regression, boosting, TabNet's own fit.

Every fitted baseline learns from `train`, is tuned on `tuning` and sees no other labels. None is
recalibrated: how well each is calibrated as it comes is part of the comparison.
"""

from collections.abc import Callable, Mapping

import numpy

from training.appraisal.predictors import Predictions
from training.errors import InputError, SettingError
from training.rivals.boosting import lightgbm_values, xgboost_values
from training.rivals.learning import BaselineSettings, Learning, learning_of
from training.rivals.regression import logistic_values
from training.rivals.tabnet import tabnet_values
from training.tables import Floats, Table

__all__ = ["TITLES", "BaselineSettings", "available", "fit_predict"]

TITLES: Mapping[str, str] = {
    "two_admissions": "2 or more admissions in 12 months",
    "lace": "LACE",
    "hospital": "HOSPITAL",
    "logistic": "Logistic regression",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "tabnet": "TabNet (its own fit)",
}
ADMISSIONS = ("n_hosp_365d", "number_inpatient")  # the catalogue's column, diabetes130's
SCORES = ("lace", "hospital")  # columns beside the features
FITTED: Mapping[str, Callable[[Learning, BaselineSettings], Floats]] = {
    "logistic": logistic_values,
    "xgboost": xgboost_values,
    "lightgbm": lightgbm_values,
    "tabnet": tabnet_values,
}


def available(table: Table, *, tabnet: bool = False) -> tuple[str, ...]:
    """Baselines that the columns of `table` allow, in the order of a report."""
    flag = ("two_admissions",) if _admissions(table) else ()
    scores = tuple(name for name in SCORES if name in table.extras)
    return (*flag, *scores, *(name for name in FITTED if tabnet or name != "tabnet"))


def fit_predict(
    name: str, table: Table, label: str, *, rows: Table, settings: BaselineSettings
) -> Predictions:
    """Fit baseline `name` on `table`'s train and tuning rows; predict for each of `rows`.

    The flag and the scores are not fitted: read from `rows`, NaN where missing. Raises
    SettingError for an unknown name or a missing library or column, CohortError where a split
    lacks an outcome, InputError where `rows` has other columns.
    """
    if name not in TITLES:
        raise SettingError("baselines", f"there is no {name!r}", f"Choose from {', '.join(TITLES)}")
    if rows.schema != table.schema:
        raise InputError(name, "the rows have other columns than the table", "Use one cohort")
    if name == "two_admissions":
        return Predictions(TITLES[name], "score", _flags(rows))
    if name in SCORES:
        return Predictions(TITLES[name], "score", _points(name, rows))
    values = FITTED[name](learning_of(table, label, rows), settings)
    return Predictions(TITLES[name], "probability", values)


def _admissions(table: Table) -> str:
    return next((name for name in ADMISSIONS if name in table.schema.names), "")


def _flags(rows: Table) -> Floats:
    column = _admissions(rows)
    if not column:
        raise SettingError(
            "two_admissions", "no column counts earlier admissions", "Leave this baseline out"
        )
    counts = rows.column(column)
    return numpy.where(numpy.isnan(counts), numpy.nan, counts >= 2)


def _points(name: str, rows: Table) -> Floats:
    if name not in rows.extras:
        raise SettingError(name, f"the table has no column {name}", "Leave this baseline out")
    return rows.extras[name].astype(numpy.float64)
