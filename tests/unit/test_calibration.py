import msgspec
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.calibration import Calibrator, expit
from tests.networks import CALIBRATOR

PLAIN = Calibrator(
    slope=2.0,
    intercept=-1.0,
    covariance=(0.0, 0.0, 0.0),
    spread=1.0,
    rows=100,
    positives=20,
    interval_holds=True,
)
LOGITS = numpy.array([[0.0], [1.0]])  # mean 0.5, deviation 0.70711: the scaled mean is 0
_LOGIT = st.floats(-50.0, 50.0)


def altered(**fields: object) -> Calibrator:
    return msgspec.structs.replace(PLAIN, **fields)


def ends(calibrator: Calibrator, logits: list[float]) -> tuple[float, float, float]:
    """Lower end, probability, upper end of one row."""
    column = numpy.array(logits).reshape(-1, 1)
    low, high = calibrator.interval(column)
    return float(low[0]), float(calibrator.probability(column)[0]), float(high[0])


@pytest.mark.parametrize(
    ("logits", "probability"),
    [
        ([0.5], 0.5),
        ([0.0, 1.0], 0.5),
        ([-2.0, 0.0, 3.5], 0.5),  # averaged as logits, not as probabilities
        ([1.0], 0.7310586),
        ([1.5, 1.5], 0.8807971),
        ([0.0], 0.2689414),
    ],
    ids=str,
)
def test_probability_by_hand(logits: list[float], probability: float) -> None:
    assert ends(PLAIN, logits)[1] == pytest.approx(probability, abs=1e-7)


@pytest.mark.parametrize(
    ("calibrator", "low", "high"),
    [
        # half widths 1.644854 x: sqrt(2); 2 sqrt(2); sqrt(2 + 0.25 * 4 + 2 * 0.5 * 0.5 + 0.5) = 2
        (PLAIN, 0.0889783, 0.9110217),
        (altered(spread=2.0), 0.0094490, 0.9905510),
        (altered(covariance=(4.0, 0.5, 0.5)), 0.0359260, 0.9640740),
        (altered(spread=0.0), 0.5, 0.5),
    ],
    ids=["spread", "twice", "uncertain", "certain"],
)
def test_interval_by_hand(calibrator: Calibrator, low: float, high: float) -> None:
    found = calibrator.interval(LOGITS)
    assert (found[0][0], found[1][0]) == pytest.approx((low, high), abs=1e-6)


def test_one_member_has_no_spread_but_what_the_calibrator_does_not_know() -> None:
    assert ends(PLAIN, [0.5]) == (0.5, 0.5, 0.5)
    low, _, high = ends(altered(covariance=(0.0, 0.0, 1.0)), [0.5])
    assert (low, high) == pytest.approx((0.1618057, 0.8381943), abs=1e-6)  # expit(1.644854)


@given(one=_LOGIT, other=_LOGIT)
def test_more_is_never_less(one: float, other: float) -> None:
    low, high = sorted((one, other))
    found = CALIBRATOR.probability(numpy.array([[low, high]]))
    assert 0.0 <= found[0] <= found[1] <= 1.0


@given(logits=st.lists(_LOGIT, min_size=1, max_size=8))
def test_the_interval_holds_the_probability(logits: list[float]) -> None:
    low, probability, high = ends(CALIBRATOR, logits)
    assert 0.0 <= low <= probability <= high <= 1.0


@given(mean=st.floats(-5.0, 5.0), apart=st.floats(0.01, 3.0), more=st.floats(1.01, 3.0))
def test_members_that_disagree_more_have_a_wider_interval(
    mean: float, apart: float, more: float
) -> None:
    low, middle, high = ends(CALIBRATOR, [mean - apart, mean + apart])
    lower, same, higher = ends(CALIBRATOR, [mean - apart * more, mean + apart * more])
    assert same == pytest.approx(middle)
    assert lower < low
    assert high < higher


@pytest.mark.parametrize("field", [{"spread": 2.0}, {"covariance": (0.0, 0.0, 0.5)}], ids=str)
def test_less_certainty_is_a_wider_interval(field: dict[str, object]) -> None:
    low, _, high = ends(PLAIN, [0.0, 1.0])
    lower, _, higher = ends(altered(**field), [0.0, 1.0])
    assert lower < low < high < higher


def test_rows_are_calibrated_by_themselves() -> None:
    logits = numpy.random.default_rng(0).normal(size=(3, 20))
    low, high = CALIBRATOR.interval(logits)
    for index in range(20):
        alone = ends(CALIBRATOR, list(logits[:, index]))
        together = (low[index], CALIBRATOR.probability(logits)[index], high[index])
        assert alone == pytest.approx(together, abs=1e-15)


@pytest.mark.parametrize(
    ("logit", "share"), [(0.0, 0.5), (1000.0, 1.0), (-1000.0, 0.0), (-2.0, 0.1192029)]
)
def test_the_logistic_function_does_not_overflow(logit: float, share: float) -> None:
    assert expit(numpy.array([logit]))[0] == pytest.approx(share, abs=1e-7)


@pytest.mark.parametrize(
    "fields",
    [
        {"slope": 0.0},
        {"slope": -1.0},
        {"spread": -0.1},
        {"covariance": [-0.1, 0.0, 0.1]},
        {"covariance": [0.1, 0.0, -0.1]},
        {"covariance": [0.1, 0.2, 0.1]},
    ],
    ids=str,
)
def test_no_calibrator_turns_the_order_round_or_has_no_interval(fields: dict[str, object]) -> None:
    stored = msgspec.to_builtins(PLAIN) | fields
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(stored, Calibrator)


def test_rounding_of_a_singular_covariance_is_no_fault() -> None:
    variance = 0.1 + 0.2
    shared = (0.3 * 0.1) ** 0.5 * (1 + 1e-12)
    singular = altered(covariance=(variance, -shared, 0.1))
    low, probability, high = ends(singular, [0.1**0.5 / variance**0.5])  # where it is certain
    assert low <= probability <= high
    assert high - low < 1e-4
