"""pytorch_tabnet's own classifier and its own fit, as a baseline only; slow, so it is optional."""

import warnings

import numpy

from training.rivals.learning import BaselineSettings, Learning
from training.rivals.optional import needed
from training.tables import Floats

_LARGEST_BATCH = 1024


def tabnet_values(learning: Learning, settings: BaselineSettings) -> Floats:
    """Probabilities of the asked rows (rows,). The library knows no missing values: medians of
    train stand in, and a missing category is a level of its own."""
    columns = learning.schema.columns
    batch = min(_LARGEST_BATCH, len(learning.train))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces its device and its early stop as warnings
        model = needed("pytorch_tabnet.tab_model").TabNetClassifier(
            seed=settings.seed,
            verbose=0,
            cat_idxs=learning.categorical,
            cat_dims=[len(columns[i].levels) + 2 for i in learning.categorical],
            cat_emb_dim=2,
        )
        model.fit(
            _filled(learning.train, learning),
            learning.train_outcomes.astype(int),
            eval_set=[(_filled(learning.tuning, learning), learning.tuning_outcomes.astype(int))],
            eval_metric=["logloss"],
            max_epochs=settings.epochs,
            patience=settings.epoch_patience,
            batch_size=batch,
            virtual_batch_size=min(128, batch),
        )
        answered = model.predict_proba(_filled(learning.asked, learning))
    return numpy.asarray(answered[:, 1], dtype=float)


def _filled(values: Floats, learning: Learning) -> Floats:
    filled = values.copy()
    for place in learning.categorical:
        missing = len(learning.schema.columns[place].levels) + 1
        filled[:, place] = numpy.where(numpy.isnan(values[:, place]), missing, values[:, place])
    for place in learning.measured:
        seen = learning.train[:, place]
        seen = seen[~numpy.isnan(seen)]
        middle, spread = (numpy.median(seen), seen.std()) if len(seen) else (0.0, 1.0)
        known = numpy.where(numpy.isnan(values[:, place]), middle, values[:, place])
        filled[:, place] = (known - middle) / (spread or 1.0)
    return filled
