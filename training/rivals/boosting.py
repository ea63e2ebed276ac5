"""XGBoost and LightGBM as baselines: a small random search, stopped early, both on tuning.

Missing values stay missing and categories stay categories in both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy

from training.rivals.learning import BaselineSettings, Learning
from training.rivals.optional import needed
from training.tables import Floats


@dataclass(frozen=True)
class Trial:
    """One draw of the search, in words that both libraries can be told."""

    depth: int
    rate: float
    leaf: float
    row_share: float
    column_share: float
    ridge: float


@dataclass(frozen=True)
class Tried:
    """A fitted trial: its log loss on tuning, and how it predicts."""

    loss: float
    predict: Callable[[], Floats]


def xgboost_values(learning: Learning, settings: BaselineSettings) -> Floats:
    """Probabilities of the asked rows (rows,)."""
    library = needed("xgboost")
    kinds = ["c" if column.kind == "categorical" else "q" for column in learning.schema]

    def matrix(values: Floats, outcomes: Floats | None = None) -> Any:
        return library.DMatrix(
            values,
            label=outcomes,
            feature_types=kinds,
            enable_categorical=True,
            nthread=settings.threads,
        )

    train = matrix(learning.train, learning.train_outcomes)
    tuning = matrix(learning.tuning, learning.tuning_outcomes)

    def fit(trial: Trial) -> Tried:
        booster = library.train(
            _for_xgboost(trial, settings),
            train,
            num_boost_round=settings.rounds,
            evals=[(tuning, "tuning")],
            early_stopping_rounds=settings.patience,
            verbose_eval=False,
        )
        until = (0, booster.best_iteration + 1)
        return Tried(
            float(booster.best_score),
            lambda: booster.predict(matrix(learning.asked), iteration_range=until),
        )

    return _searched(fit, settings)


def lightgbm_values(learning: Learning, settings: BaselineSettings) -> Floats:
    """Probabilities of the asked rows (rows,)."""
    library = needed("lightgbm")

    def fit(trial: Trial) -> Tried:
        asked = _for_lightgbm(trial, settings)
        train = library.Dataset(
            learning.train,
            learning.train_outcomes,
            categorical_feature=learning.categorical,
            params=asked,
        )
        tuning = library.Dataset(learning.tuning, learning.tuning_outcomes, reference=train)
        booster = library.train(
            asked,
            train,
            num_boost_round=settings.rounds,
            valid_sets=[tuning],
            valid_names=["tuning"],
            callbacks=[library.early_stopping(settings.patience, verbose=False)],
        )
        return Tried(
            float(booster.best_score["tuning"]["binary_logloss"]),
            lambda: booster.predict(learning.asked, num_iteration=booster.best_iteration),
        )

    return _searched(fit, settings)


def _searched(fit: Callable[[Trial], Tried], settings: BaselineSettings) -> Floats:
    draw = numpy.random.default_rng(settings.seed)
    best = min((fit(_trial(draw)) for _ in range(settings.trials)), key=lambda tried: tried.loss)
    return numpy.asarray(best.predict(), dtype=float)


def _trial(draw: numpy.random.Generator) -> Trial:
    def between(low: float, high: float) -> float:
        return float(numpy.exp(draw.uniform(numpy.log(low), numpy.log(high))))

    return Trial(
        depth=int(draw.integers(2, 8)),
        rate=between(0.02, 0.2),
        leaf=between(1, 50),
        row_share=float(draw.uniform(0.6, 1)),
        column_share=float(draw.uniform(0.4, 1)),
        ridge=between(0.1, 20),
    )


def _for_xgboost(trial: Trial, settings: BaselineSettings) -> dict[str, object]:
    return {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "device": "cpu",
        "seed": settings.seed,
        "nthread": settings.threads,
        "max_depth": trial.depth,
        "learning_rate": trial.rate,
        "min_child_weight": trial.leaf,
        "subsample": trial.row_share,
        "colsample_bytree": trial.column_share,
        "lambda": trial.ridge,
    }


def _for_lightgbm(trial: Trial, settings: BaselineSettings) -> dict[str, object]:
    return {
        "objective": "binary",
        "metric": "binary_logloss",
        "verbose": -1,
        "seed": settings.seed,
        "num_threads": settings.threads,
        "deterministic": True,
        "force_row_wise": True,
        "max_depth": trial.depth,
        "num_leaves": 2**trial.depth,
        "learning_rate": trial.rate,
        "min_sum_hessian_in_leaf": trial.leaf,
        "bagging_fraction": trial.row_share,
        "bagging_freq": 1,
        "feature_fraction": trial.column_share,
        "lambda_l2": trial.ridge,
    }
