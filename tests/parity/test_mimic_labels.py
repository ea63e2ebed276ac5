"""Our 30-day label against the data set's own, which follows simpler rules: same by switches.

labels/readmission_30d.csv counts observation stays on both sides, takes no two stays for one, and
knows elective and same-day surgical admissions as planned (PROVENANCE.md). Nobody is lost to
follow-up: the demo says nothing of when it ended, so it is put after all of its dates.
"""

import csv
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fhir_mapping.outcomes import DEFAULT, Rules, readmitted
from tests.parity.mimic_routes import AFTER_ALL, Route

pytestmark = pytest.mark.data

THEIRS = Rules(
    observation_is_stay=True,
    planned=frozenset(("elective", "surgical_same_day")),
    same_stay=None,
    same_stay_transfer=None,
)
Labels = dict[int, tuple[bool, bool] | None]

NEXT_IS_OBSERVATION = {
    20297618, 21599196, 21636229, 22429197, 25933959, 26134779, 27876215, 28157142, 28301173,
    28506150, 29281842,
}  # fmt: skip
"""Back within 30 days, but for observation only: no readmission by our rules."""
SAME_STAY = {22380825, 25922998, 28477649}
"""The next stay begins within an hour of the discharge: by our rules it is the same stay."""
SAME_DAY_SURGERY = {28166872}
"""Back for same-day surgery: planned by theirs; by our rules only what is called elective is."""


@pytest.fixture(scope="module")
def theirs(data_dir: Path) -> Mapping[int, dict[str, str]]:
    path = data_dir / "mimic-iv-demo" / "labels" / "readmission_30d.csv"
    with path.open(encoding="utf-8") as lines:
        return {int(row["hadm_id"]): row for row in csv.DictReader(lines)}


def label(row: Mapping[str, str]) -> tuple[bool, bool] | None:
    """(any, unplanned) as the data set has them; None where both are empty."""
    if not row["readmitted_30d_any"]:
        return None
    return row["readmitted_30d_any"] == "1", row["readmitted_30d_unplanned"] == "1"


def ours(routes: Mapping[int, Route], rules: Rules) -> Labels:
    def of(route: Route) -> tuple[bool, bool] | None:
        found = readmitted(route.history.visits, route.stay.visit, AFTER_ALL, rules)
        return (found.all_cause, found.unplanned) if found else None

    return {hadm: of(route) for hadm, route in routes.items()}


def test_by_switches_both_labels_are_theirs_on_every_stay(
    routes: Mapping[int, Route], theirs: Mapping[int, dict[str, str]]
) -> None:
    assert ours(routes, THEIRS) == {hadm: label(row) for hadm, row in theirs.items()}


def test_the_counts_are_those_of_the_provenance(routes: Mapping[int, Route]) -> None:
    known = [pair for pair in ours(routes, THEIRS).values() if pair]
    assert len(known) == 164
    assert sum(pair[0] for pair in known) == 35
    assert sum(pair[1] for pair in known) == 31


def test_our_rules_differ_on_these_stays_and_no_other(
    routes: Mapping[int, Route], theirs: Mapping[int, dict[str, str]]
) -> None:
    found = ours(routes, DEFAULT)
    differing = {hadm for hadm, row in theirs.items() if found[hadm] != label(row)}
    assert differing == NEXT_IS_OBSERVATION | SAME_STAY | SAME_DAY_SURGERY
    assert {found[hadm] for hadm in NEXT_IS_OBSERVATION | SAME_STAY} == {(False, False)}
    assert {found[hadm] for hadm in SAME_DAY_SURGERY} == {(True, True)}


def test_they_differ_for_the_reason_given(theirs: Mapping[int, dict[str, str]]) -> None:
    assert all("OBSERVATION" in theirs[h]["next_admission_type"] for h in NEXT_IS_OBSERVATION)
    assert {theirs[h]["next_admission_type"] for h in SAME_DAY_SURGERY} == {
        "SURGICAL SAME DAY ADMISSION"
    }
    gaps = {hadm: gap for hadm, gap in _gaps(theirs) if gap <= timedelta(hours=1)}
    assert set(gaps) == SAME_STAY
    assert sum(gap == timedelta(0) for gap in gaps.values()) == 1


def _gaps(theirs: Mapping[int, dict[str, str]]) -> Iterator[tuple[int, timedelta]]:
    for hadm, row in theirs.items():
        if row["next_admittime"]:
            start, end = (datetime.fromisoformat(row[n]) for n in ("next_admittime", "dischtime"))
            yield hadm, start - end


def test_the_observation_switch_alone_brings_those_back(
    routes: Mapping[int, Route], theirs: Mapping[int, dict[str, str]]
) -> None:
    with_observation = ours(routes, Rules(observation_is_stay=True))
    wanted = {hadm: label(theirs[hadm]) for hadm in NEXT_IS_OBSERVATION}
    assert {hadm: with_observation[hadm] for hadm in NEXT_IS_OBSERVATION} == wanted


def test_an_early_end_of_follow_up_leaves_no_label(routes: Mapping[int, Route]) -> None:
    for route in routes.values():
        end = route.stay.prediction_time + timedelta(days=29)
        assert readmitted(route.history.visits, route.stay.visit, end) is None
