import msgspec
import numpy
import pytest

from model.preprocessing import Preprocessing, fit_preprocessing, parts_of
from model.schema import Column, Schema
from tests.networks import SMALL, table

NAN = numpy.nan
ONE = Schema((Column("x", "numeric", "x"),))
MIXED = Schema(
    (
        Column("x", "numeric", "x"),
        Column("flag", "binary", "flag"),
        Column("level", "categorical", "level", ("a", "b")),
    )
)
FITTED = fit_preprocessing(MIXED, numpy.array([[2.0, 0.0, 0.0], [6.0, 1.0, 1.0]]), 0)


def column_of(*cells: float) -> numpy.ndarray[tuple[int, int], numpy.dtype[numpy.float64]]:
    return numpy.array(cells).reshape(-1, 1)


def edges_of(cells: list[float], bins: int) -> tuple[float, ...]:
    return fit_preprocessing(ONE, column_of(*cells), bins).numeric["x"].edges


def test_mean_and_deviation_are_of_what_was_observed() -> None:
    standard = fit_preprocessing(ONE, column_of(2.0, NAN, 6.0, NAN), 0).numeric["x"]
    assert (standard.mean, standard.deviation) == (4.0, 2.0)


@pytest.mark.parametrize(
    ("raw", "prepared"),
    [(4.0, 0.0), (6.0, 1.0), (2.0, -1.0), (24.0, 10.0), (1e9, 10.0), (-1e9, -10.0)],
)
def test_a_number_is_standardised_and_an_extreme_one_is_only_extreme(
    raw: float, prepared: float
) -> None:
    assert FITTED.apply(MIXED, numpy.array([[raw, 0.0, 0.0]]))[0, 0] == prepared


@pytest.mark.parametrize(
    ("raw", "prepared"),
    [(0.0, 0), (1.0, 1), (2.0, 2), (3.0, 2), (-1.0, 2), (1e9, 2), (numpy.inf, 2)],
)
def test_a_level_outside_the_list_is_unknown(raw: float, prepared: int) -> None:
    assert FITTED.apply(MIXED, numpy.array([[4.0, 0.0, raw]]))[0, 2] == prepared


@pytest.mark.parametrize("raw", [2.0, -1.0, 0.5, numpy.inf])
def test_a_flag_that_is_neither_no_nor_yes_is_missing(raw: float) -> None:
    assert numpy.isnan(FITTED.apply(MIXED, numpy.array([[4.0, raw, 0.0]]))[0, 1])


def test_nothing_is_imputed() -> None:
    raw = table()
    prepared = fit_preprocessing(SMALL, raw, 4).apply(SMALL, raw)
    assert numpy.array_equal(numpy.isnan(prepared), numpy.isnan(raw))
    assert prepared.dtype == numpy.float32


def test_the_table_itself_is_left_alone() -> None:
    raw = table()
    kept = raw.copy()
    fit_preprocessing(SMALL, raw, 4).apply(SMALL, raw)
    assert numpy.array_equal(raw, kept, equal_nan=True)


def test_each_row_is_prepared_by_itself() -> None:
    raw = table()
    fitted = fit_preprocessing(SMALL, raw, 4)
    together = fitted.apply(SMALL, raw)
    alone = [fitted.apply(SMALL, row[None])[0] for row in raw]
    assert numpy.array_equal(together, numpy.stack(alone), equal_nan=True)


def test_bins_lie_at_quantiles_in_standard_deviations() -> None:
    cells = [0.0, 2.0, 4.0, 6.0, 8.0]  # mean 4, deviation 2.828427
    shares = (0.0, 0.5, 0.95, 0.975, 0.9875, 0.995, 0.998)  # two bins, and the tail cut finer
    by_hand = (0.0, 4.0, 7.6, 7.8, 7.9, 7.96, 7.984)
    expected = [(each - 4.0) / 2.828427 for each in by_hand]
    assert edges_of(cells, 2) == pytest.approx(expected, abs=2e-6)
    assert len(shares) == parts_of(2) + 1
    assert edges_of(cells, 0) == ()


@pytest.mark.parametrize(
    ("cells", "edges"),
    [([0.0] * 999 + [1.0], 1), ([0.0] * 5 + [1.0] * 5, 3), ([3.0] * 3, 1), ([NAN, NAN], 0)],
    ids=["nearly all nought", "halves", "constant", "never observed"],
)
def test_equal_quantiles_are_one_edge(cells: list[float], edges: int) -> None:
    assert len(edges_of(cells, 4)) == edges


@pytest.mark.parametrize(
    ("cells", "bins"),
    [
        # rounding to nine places splits what is one number in single precision
        ([-2.0, 1.0 - 1e-10, 1.0 + 5e-10, 1.0 + 15e-10, 2.0], 4),
        # twenty deviations out, single precision has less than six places
        ([0.0] * 4987 + [1.0] * 4 + [1.0 + 5e-8] * 9, 1000),
    ],
    ids=["near", "far out"],
)
def test_two_edges_are_never_the_same_number_to_the_network(cells: list[float], bins: int) -> None:
    narrow = numpy.array(edges_of(cells, bins), dtype=numpy.float32)
    assert (numpy.diff(narrow) > 0).all()


@pytest.mark.parametrize("cells", [[3.0, 3.0], [NAN, NAN]], ids=["constant", "never observed"])
def test_a_column_that_says_nothing_is_still_prepared(cells: list[float]) -> None:
    fitted = fit_preprocessing(ONE, column_of(*cells), 4)
    assert numpy.isfinite(fitted.apply(ONE, column_of(5.0))).all()


def test_edges_not_needed_lie_beyond_every_value() -> None:
    fitted = fit_preprocessing(ONE, column_of(3.0, 3.0), 3)
    edges = fitted.bin_edges(ONE, 3)
    assert edges.shape == (1, parts_of(3) + 1)
    assert edges[0, 0] == 0.0
    assert (edges[0, 1:] > 1e8).all()
    assert (numpy.diff(edges) > 0).all()


def test_what_was_fitted_survives_the_bundle_to_the_last_bit() -> None:
    fitted = fit_preprocessing(SMALL, table(), 5)
    read = msgspec.json.decode(msgspec.json.encode(fitted), type=Preprocessing)
    assert read == fitted
