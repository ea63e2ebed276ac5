from pathlib import Path

import pytest

from model import PointClass, PublishedScore, load_bundle, scorer_for

SHIPPED = Path(__file__).resolve().parents[2] / "bundles" / "lace-hospital"


def score_of(*classes: PointClass, max_points: int) -> PublishedScore:
    return PublishedScore(
        name="x", title="X", citation="c", outcome="o", cohort="c", overall=None, source="s",
        max_points=max_points, classes=classes,
    )  # fmt: skip


@pytest.mark.parametrize("values", [[None] * 105, [0.0] * 105, []])
def test_published_scores_never_give_a_percent_of_our_own(
    values: list[float | str | None],
) -> None:
    score = scorer_for(load_bundle(SHIPPED)).score(values)
    assert (score.probability, score.interval, score.contributions) == (None, None, ())


@pytest.mark.parametrize(
    ("name", "points", "label", "percent"),
    [
        ("lace", 0, "low", 2.0),
        ("lace", 4, "low", 4.3),
        ("lace", 5, "moderate", 5.1),
        ("lace", 9, "moderate", 10.3),
        ("lace", 10, "high", 12.2),
        ("lace", 19, "high", 43.7),
        ("hospital", 4, "low", 5.8),
        ("hospital", 5, "intermediate", 11.9),
        ("hospital", 6, "intermediate", 11.9),
        ("hospital", 7, "high", 22.8),
        ("hospital", 13, "high", 22.8),
    ],
)
def test_points_read_as_published(name: str, points: int, label: str, percent: float) -> None:
    reading = load_bundle(SHIPPED).published[name].read(points)
    assert reading.label == label
    assert reading.figure == pytest.approx(percent / 100)


@pytest.mark.parametrize("points", [-1, 20])
def test_points_beyond_the_score_are_refused_without_repeating_them(points: int) -> None:
    with pytest.raises(ValueError, match="outside 0 to 19") as refused:
        load_bundle(SHIPPED).published["lace"].read(points)
    assert str(points) not in str(refused.value)


def test_a_figure_that_nobody_verified_stays_empty() -> None:
    classes = (PointClass(0, 2, "low", None, "published figure not verified here"),)
    assert score_of(*classes, max_points=2).read(1).figure is None


@pytest.mark.parametrize(
    "classes",
    [
        (),
        (PointClass(1, 4, "a", None, ""),),
        (PointClass(0, 3, "a", None, ""),),
        (PointClass(0, 5, "a", None, ""),),
        (PointClass(0, 1, "a", None, ""), PointClass(3, 4, "b", None, "")),
        (PointClass(0, 2, "a", None, ""), PointClass(2, 4, "b", None, "")),
    ],
    ids=["none", "starts late", "ends early", "ends late", "gap", "overlap"],
)
def test_every_total_has_exactly_one_class(classes: tuple[PointClass, ...]) -> None:
    with pytest.raises(ValueError, match="without gap"):
        score_of(*classes, max_points=4)


def test_more_points_never_mean_less_risk() -> None:
    with pytest.raises(ValueError, match="must not fall"):
        score_of(
            PointClass(0, 1, "a", 0.3, ""), PointClass(2, 4, "b", 0.2, ""), max_points=4
        )  # fmt: skip


def test_a_class_has_its_ends_in_order() -> None:
    with pytest.raises(ValueError, match="low is above high"):
        PointClass(3, 2, "a", None, "")
