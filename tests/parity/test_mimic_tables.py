"""The FHIR route against the tables: each stay of the MIMIC demo, each value, exactly.

The right-hand side is worked out from `csv/` by code of its own (mimic_source.py and below).
Only T0 is FHIR's: some stays have an ED registration time in the table and no ED Encounter.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

import pytest

from tests.parity.mimic_routes import Route, differing
from tests.parity.mimic_source import Admission, Demo, local, new_york

pytestmark = pytest.mark.data

HAEMOGLOBIN, SODIUM = (51222, 50811, 51640), (50983, 52623, 50824, 52455)
ADMISSION_TYPES = {
    "EW EMER.": "emergency",
    "DIRECT EMER.": "emergency",
    "URGENT": "urgent",
    "ELECTIVE": "elective",
    "SURGICAL SAME DAY ADMISSION": "surgical_same_day",
    "OBSERVATION ADMIT": "observation",
    "EU OBSERVATION": "observation",
    "AMBULATORY OBSERVATION": "observation",
    "DIRECT OBSERVATION": "observation",
}
DISPOSITIONS: dict[str | None, str] = {
    None: "unknown",
    "HOME": "home",
    "HOME HEALTH CARE": "home_health",
    "SKILLED NURSING FACILITY": "snf",
    "REHAB": "rehab",
    "CHRONIC/LONG TERM ACUTE CARE": "ltac",
    "PSYCH FACILITY": "psych",
    "AGAINST ADVICE": "ama",
    "HOSPICE": "hospice",
    "ACUTE HOSPITAL": "acute_hospital",
    "DIED": "died",
}
NO_ED_ENCOUNTER = {22380825, 23688993, 25177949, 26275841, 27672872}
"""Registered in the ED by the table; the export has no ED Encounter for them."""
TWO_ED_VISITS = {29079034}
"""Two ED Encounters that touch, taken as one; the table has the registration of the second."""
NOT_ELIGIBLE = {
    "HOSPICE": "hospice",
    "ACUTE HOSPITAL": "transferred",
    "AGAINST ADVICE": "against_advice",
}


def test_all_176_stays_come_by_both_routes(demo: Demo, routes: Mapping[int, Route]) -> None:
    assert set(routes) == set(demo.admissions)
    assert len(routes) == 176


def test_admission_and_discharge_are_the_same_instants(
    demo: Demo, routes: Mapping[int, Route]
) -> None:
    def got(hadm: int) -> object:
        return routes[hadm].stay.admission, routes[hadm].stay.prediction_time

    assert differing(demo, got, lambda a: (a.start, a.end)) == {}


def test_t0_is_the_start_of_the_ed_visit(demo: Demo, routes: Mapping[int, Route]) -> None:
    assert differing(demo, lambda hadm: routes[hadm].stay.t0, demo.t0) == {}


def test_t0_is_the_table_s_ed_registration_but_for_six_stays(
    demo: Demo, routes: Mapping[int, Route]
) -> None:
    def registered(admission: Admission) -> datetime:
        at = admission.row["edregtime"]
        return local(at) if at else admission.start

    found = differing(demo, lambda hadm: routes[hadm].stay.t0, registered)
    assert set(found) == NO_ED_ENCOUNTER | TWO_ED_VISITS
    for hadm in NO_ED_ENCOUNTER:
        assert found[hadm][0] == demo.admissions[hadm].start


@pytest.mark.parametrize("days", [30, 90, 365])
def test_earlier_admissions(demo: Demo, routes: Mapping[int, Route], days: int) -> None:
    def expected(admission: Admission) -> float:
        t0 = demo.t0(admission)
        since = t0 - timedelta(days=days)
        others = (a for a in demo.of_patient(admission.subject_id) if a is not admission)
        return float(sum(since <= a.start < t0 for a in others))

    assert differing(demo, lambda hadm: routes[hadm].vector[f"n_hosp_{days}d"], expected) == {}


def test_length_of_stay(demo: Demo, routes: Mapping[int, Route]) -> None:
    def expected(admission: Admission) -> float:
        return (admission.end - admission.start).total_seconds() / 86400

    assert differing(demo, lambda hadm: routes[hadm].vector["hosp_los_days"], expected) == {}


@pytest.mark.parametrize(
    ("name", "items"), [("hemoglobin_last", HAEMOGLOBIN), ("sodium_last", SODIUM)]
)
def test_last_result_before_discharge(
    demo: Demo, routes: Mapping[int, Route], name: str, items: tuple[int, ...]
) -> None:
    def expected(admission: Admission) -> float | None:
        t0 = demo.t0(admission)
        known = [
            row
            for row in demo.labs.get(admission.subject_id, ())
            if row["itemid"] in items
            and row["valuenum"] is not None
            and t0 <= row["charttime"] <= admission.end
            and row["storetime"] <= admission.end
        ]
        newest = max(known, key=_age_of_result, default=None)
        return None if newest is None else float(newest["valuenum"])

    assert differing(demo, lambda hadm: routes[hadm].vector[name], expected) == {}


def _age_of_result(row: dict[str, object]) -> tuple[object, ...]:
    """By the time taken, then stored; of two equal in both the id that FHIR gave decides."""
    space = uuid5(uuid5(NAMESPACE_OID, "MIMIC-IV"), "ObservationLabevents")
    return row["charttime"], row["storetime"], str(uuid5(space, str(row["labevent_id"])))


def test_type_of_admission(demo: Demo, routes: Mapping[int, Route]) -> None:
    def expected(admission: Admission) -> str:
        return ADMISSION_TYPES[admission.row["admission_type"]]

    assert differing(demo, lambda hadm: routes[hadm].vector["admission_type"], expected) == {}


def test_discharge_location(demo: Demo, routes: Mapping[int, Route]) -> None:
    def expected(admission: Admission) -> str:
        return DISPOSITIONS[admission.row["discharge_location"]]

    assert differing(demo, lambda hadm: routes[hadm].vector["discharge_location"], expected) == {}


def test_sex(demo: Demo, routes: Mapping[int, Route]) -> None:
    def expected(admission: Admission) -> str:
        return str(demo.patients[admission.subject_id]["gender"])

    assert differing(demo, lambda hadm: routes[hadm].vector["gender"], expected) == {}


def test_age_within_a_year(demo: Demo, routes: Mapping[int, Route]) -> None:
    """The export makes a birth date up; the table has the age of one year only."""
    for admission in demo.admissions.values():
        person = demo.patients[admission.subject_id]
        year = new_york(demo.t0(admission)).year
        age = routes[admission.hadm_id].vector["age"]
        assert isinstance(age, float)
        assert abs(age - (person["anchor_age"] + year - person["anchor_year"])) <= 1


def test_who_is_not_eligible_and_why(demo: Demo, routes: Mapping[int, Route]) -> None:
    def expected(admission: Admission) -> str | None:
        died = demo.patients[admission.subject_id]["dod"]
        if died and died <= new_york(admission.end).date().isoformat():
            return "deceased"
        if ADMISSION_TYPES[admission.row["admission_type"]] == "observation":
            return "observation_stay"
        return NOT_ELIGIBLE.get(admission.row["discharge_location"])

    assert differing(demo, lambda hadm: routes[hadm].excluded, expected) == {}


def test_every_death_in_hospital_is_seen(demo: Demo, routes: Mapping[int, Route]) -> None:
    died = {a.hadm_id for a in demo.admissions.values() if a.row["hospital_expire_flag"]}
    assert len(died) == 12
    assert {routes[hadm].excluded for hadm in died} == {"deceased"}
