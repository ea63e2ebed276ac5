"""Baselines: what each may learn from, what it may read, and that it is the same twice."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy
import polars
import pytest

from model.schema import Column, Schema
from training import baselines
from training.baselines import TITLES, BaselineSettings, available, fit_predict
from training.errors import CohortError, InputError, SettingError
from training.metrics import auroc, rank
from training.tables import Floats, Table

LABEL = "readmission_30d"
QUICK = BaselineSettings(trials=2, rounds=60, patience=10, epochs=3, epoch_patience=3)
FITTED = ("logistic", "xgboost", "lightgbm")
SCHEMA = Schema(
    (
        Column("n_hosp_365d", "numeric", "admissions"),
        Column("sodium", "numeric", "sodium"),
        Column("never_seen", "numeric", "never_seen"),
        Column("frail", "binary", "frail"),
        Column("ward", "categorical", "ward", ("a", "b", "c")),
    )
)


def generated(rows: int = 1500, seed: int = 1) -> Table:
    """Risk follows earlier admissions, frailty and one ward; a third of sodium is missing."""
    draw = numpy.random.default_rng(seed)
    admissions = draw.poisson(1.0, rows).astype(float)
    frail = draw.integers(0, 2, rows).astype(float)
    ward = draw.integers(0, 4, rows).astype(float)  # 3 is the unknown level
    sodium = numpy.where(draw.random(rows) < 0.33, numpy.nan, draw.normal(138, 4, rows))
    logit = -2.2 + 0.8 * admissions + 0.7 * frail + 1.2 * (ward == 2)
    outcome = (draw.random(rows) < 1 / (1 + numpy.exp(-logit))).astype(float)
    ward[draw.random(rows) < 0.1] = numpy.nan
    splits = numpy.array(["train", "train", "train", "tuning", "held_out"])[numpy.arange(rows) % 5]
    places = numpy.arange(rows).astype(str)
    values = numpy.stack([admissions, sodium, numpy.full(rows, numpy.nan), frail, ward], axis=1)
    lace = numpy.where(draw.random(rows) < 0.1, numpy.nan, admissions * 3)
    return Table(SCHEMA, values, {LABEL: outcome}, places, places, splits, {"lace": lace})


def diabetes130(data_dir: Path) -> Table:
    """Real stays of another schema: every fifth patient is held out, every fifth tunes."""
    levels = ("race", "gender", "age", "payer_code", "A1Cresult", "insulin")
    counts = ("time_in_hospital", "num_medications", "number_emergency", "number_inpatient")
    read = polars.read_csv(data_dir / "diabetes130" / "diabetic_data.csv.gz", null_values="?")
    named = {name: sorted(read[name].drop_nulls().unique().to_list()) for name in levels}
    schema = Schema(
        (
            *(Column(name, "numeric", name) for name in counts),
            *(Column(name, "categorical", name, tuple(named[name])) for name in levels),
        )
    )
    places = [
        read[name].replace_strict(named[name], range(len(named[name])), default=None)
        for name in levels
    ]
    columns = [
        each.cast(polars.Float64).to_numpy() for each in (*(read[n] for n in counts), *places)
    ]
    patients = read["patient_nbr"].to_numpy()
    split = numpy.array(["train", "train", "train", "tuning", "held_out"])
    outcome = (read["readmitted"] == "<30").to_numpy().astype(float)
    stays = read["encounter_id"].to_numpy().astype(str)
    drawn = split[(patients // 5) % 5]
    return Table(schema, numpy.stack(columns, axis=1), {LABEL: outcome}, patients.astype(str),
                 stays, drawn, {})  # fmt: skip


def ranked(values: Floats, table: Table) -> float:
    return float(auroc(rank(values, table.labels[LABEL]).once())[0])


@pytest.mark.parametrize("name", FITTED)
def test_a_fitted_baseline_finds_what_there_is_to_find(name: str) -> None:
    table = generated()
    asked = table.split("held_out")
    found = fit_predict(name, table, LABEL, rows=asked, settings=QUICK)
    assert found.kind == "probability"
    assert found.values.shape == (len(asked),)
    assert ((found.values > 0) & (found.values < 1)).all()
    assert ranked(found.values, asked) > 0.68


@pytest.mark.parametrize("name", FITTED)
def test_a_fitted_baseline_is_the_same_twice(name: str) -> None:
    table = generated(600)
    first, second = (
        fit_predict(name, table, LABEL, rows=table.split("held_out"), settings=QUICK).values
        for _ in range(2)
    )
    numpy.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", FITTED)
def test_labels_of_held_out_rows_change_nothing(name: str) -> None:
    table = generated(600)
    held_out = table.splits == "held_out"
    turned = numpy.where(held_out, 1 - table.labels[LABEL], table.labels[LABEL])
    other = replace(table, labels={LABEL: turned})
    first, second = (
        fit_predict(name, each, LABEL, rows=each.rows(held_out), settings=QUICK).values
        for each in (table, other)
    )
    numpy.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", FITTED)
def test_rows_without_the_label_are_not_learnt_from(name: str) -> None:
    table = generated(600)
    unlabelled = numpy.arange(len(table)) % 7 == 0
    without = replace(
        table, labels={LABEL: numpy.where(unlabelled, numpy.nan, table.labels[LABEL])}
    )
    asked = table.split("held_out")
    first = fit_predict(name, without, LABEL, rows=asked, settings=QUICK).values
    second = fit_predict(name, table.rows(~unlabelled), LABEL, rows=asked, settings=QUICK).values
    numpy.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", FITTED)
def test_missing_and_never_seen_values_can_be_asked_about(name: str) -> None:
    table = generated(600)
    asked = table.split("held_out")
    blank = replace(asked, values=numpy.full_like(asked.values, numpy.nan))
    found = fit_predict(name, table, LABEL, rows=blank, settings=QUICK).values
    assert numpy.isfinite(found).all()
    assert len(numpy.unique(found)) == 1


@pytest.mark.parametrize("name", FITTED)
def test_a_table_without_categories_or_numbers_can_be_learnt(name: str) -> None:
    table = generated(600)
    for kept in ([0, 3], [4]):
        part = replace(
            table,
            schema=Schema(tuple(SCHEMA.columns[i] for i in kept)),
            values=table.values[:, kept],
        )
        found = fit_predict(name, part, LABEL, rows=part.split("held_out"), settings=QUICK)
        assert numpy.isfinite(found.values).all()


def test_the_flag_is_two_admissions_and_missing_where_they_are() -> None:
    table = generated(6)
    table.values[:4, 0] = [1, 2, 7, numpy.nan]
    found = fit_predict(
        "two_admissions", table, LABEL, rows=table.rows(numpy.arange(4)), settings=QUICK
    )
    assert found.kind == "score"
    numpy.testing.assert_array_equal(found.values, [0, 1, 1, numpy.nan])


def test_a_score_is_read_and_never_made_a_probability() -> None:
    table = generated(50)
    found = fit_predict("lace", table, LABEL, rows=table, settings=QUICK)
    assert found.kind == "score"
    numpy.testing.assert_array_equal(found.values, table.extras["lace"])


def test_what_is_available_follows_the_columns() -> None:
    table = generated(20)
    assert available(table) == ("two_admissions", "lace", *FITTED)
    assert available(replace(table, extras={}), tabnet=True) == (
        "two_admissions",
        *FITTED,
        "tabnet",
    )
    bare = replace(table, schema=Schema(SCHEMA.columns[1:]), values=table.values[:, 1:])
    assert available(replace(bare, extras={})) == FITTED


def test_another_name_for_earlier_admissions_is_known() -> None:
    table = generated(20)
    renamed = (Column("number_inpatient", "numeric", "admissions"), *SCHEMA.columns[1:])
    assert available(replace(table, schema=Schema(renamed)))[0] == "two_admissions"


@pytest.mark.parametrize("name", ["hospital", "no such baseline"])
def test_what_cannot_be_had_is_refused_by_name(name: str) -> None:
    table = generated(20)
    with pytest.raises(SettingError, match=name):
        fit_predict(name, table, LABEL, rows=table, settings=QUICK)


def test_the_flag_needs_a_count() -> None:
    table = generated(20)
    bare = replace(table, schema=Schema(SCHEMA.columns[1:]), values=table.values[:, 1:])
    with pytest.raises(SettingError, match="no column counts earlier admissions"):
        fit_predict("two_admissions", bare, LABEL, rows=bare, settings=QUICK)


def test_rows_of_another_schema_are_refused() -> None:
    table = generated(20)
    other = replace(table, schema=Schema(SCHEMA.columns[1:]), values=table.values[:, 1:])
    with pytest.raises(InputError, match="other columns"):
        fit_predict("xgboost", table, LABEL, rows=other, settings=QUICK)


def test_a_split_with_one_outcome_cannot_be_learnt_from() -> None:
    table = generated(200)
    quiet = numpy.where(table.splits == "tuning", 0.0, table.labels[LABEL])
    with pytest.raises(CohortError, match="tuning"):
        fit_predict(
            "xgboost", replace(table, labels={LABEL: quiet}), LABEL, rows=table, settings=QUICK
        )


def test_a_count_below_one_is_refused() -> None:
    with pytest.raises(SettingError, match="below 1"):
        BaselineSettings(trials=0)


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", None)
    table = generated(100)
    with pytest.raises(SettingError, match=r"readmit-cds\[train\]"):
        fit_predict("xgboost", table, LABEL, rows=table, settings=QUICK)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", FITTED)
def test_real_stays_of_another_schema_give_a_believable_auroc(name: str, data_dir: Path) -> None:
    table = diabetes130(data_dir)
    asked = table.split("held_out")
    found = fit_predict(name, table, LABEL, rows=asked, settings=QUICK).values
    assert 0.60 < ranked(found, asked) < 0.70
    assert found.mean() == pytest.approx(asked.labels[LABEL].mean(), abs=0.01)


@pytest.mark.slow
@pytest.mark.data
def test_two_admissions_is_a_weak_but_real_predictor(data_dir: Path) -> None:
    table = diabetes130(data_dir)
    found = fit_predict("two_admissions", table, LABEL, rows=table, settings=QUICK).values
    assert 0.54 < ranked(found, table) < 0.65


@pytest.mark.slow
def test_tabnets_own_fit_predicts_probabilities() -> None:
    pytest.importorskip("pandas", reason="pytorch_tabnet's classifier imports it")
    table = generated(800)
    asked = table.split("held_out")
    found = fit_predict("tabnet", table, LABEL, rows=asked, settings=QUICK)
    assert ((found.values >= 0) & (found.values <= 1)).all()
    assert numpy.isfinite(found.values).all()


def test_every_fitted_baseline_is_in_the_registry_and_every_name_has_a_title() -> None:
    assert set(baselines.FITTED) == {*FITTED, "tabnet"}
    assert {*baselines.FITTED, *baselines.SCORES, "two_admissions"} == set(TITLES)
