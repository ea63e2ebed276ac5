"""The table reader against the FHIR route, stay by stay: every difference is known, with its cause.

Twice: on the demo's own csv, as far as it goes, and on all tables written from the export.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.history import Visit
from fhir_mapping.outcomes import eligible, readmitted
from fhir_mapping.scores import hospital, lace
from tests.parity.mimic_parity import CSV, NO_ED, NO_TABLE, PAGE, WRITTEN, Differences, page
from tests.parity.mimic_reads import Reads, read_all
from tests.parity.mimic_routes import AFTER_ALL, Route
from tests.parity.mimic_source import Demo, new_york
from tests.parity.mimic_writer import summary_of, write_tables
from training.mimic import MimicReader

pytestmark = pytest.mark.data

NOT_IN_THE_CSV = frozenset(("hosp.services", "hosp.procedures_icd", "icu.icustays"))
OTHER_T0 = {22380825, 23688993, 25177949, 26275841, 27672872, 28301173, 29079034}
MORE_BY_REGISTRATION = {20611640, 29163082}
"""Stays after one of the five registrations that have no ED Encounter in the export."""


@pytest.fixture(scope="module")
def tables(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mimic")
    write_tables(data_dir / "mimic-iv-demo" / "fhir", root)
    return root


@pytest.fixture(scope="module")
def from_csv(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Reads:
    reader = MimicReader(data_dir / "mimic-iv-demo" / "csv", without=NOT_IN_THE_CSV)
    return read_all(reader, tmp_path_factory.mktemp("csv"))


@pytest.fixture(scope="module")
def from_tables(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Reads:
    return read_all(MimicReader(tables), tmp_path_factory.mktemp("work"))


def differing(reads: Reads, routes: Mapping[int, Route]) -> dict[str, set[int]]:
    """Feature -> the stays where the two ways differ at all."""
    found: dict[str, set[int]] = {}
    for hadm, read in reads.items():
        pairs = zip(read.vector.values, routes[hadm].vector.values, strict=True)
        for name, (one, other) in zip(CATALOGUE.names, pairs, strict=True):
            if one != other:
                found.setdefault(name, set()).add(hadm)
    return found


def counted(differences: Differences) -> dict[str, int]:
    return {name: count for name, (count, _) in differences.items()}


def test_the_csv_of_the_demo_differs_from_its_fhir_in_these_features_and_no_other(
    from_csv: Reads, routes: Mapping[int, Route]
) -> None:
    assert set(from_csv) == set(routes)
    found = differing(from_csv, routes)
    assert {name: len(stays) for name, stays in found.items()} == counted(CSV)


@pytest.mark.slow
def test_all_tables_differ_from_the_fhir_they_were_written_from_in_these_and_no_other(
    from_tables: Reads, routes: Mapping[int, Route]
) -> None:
    assert set(from_tables) == set(routes)
    found = differing(from_tables, routes)
    assert {name: len(stays) for name, stays in found.items()} == counted(WRITTEN)


def test_the_page_says_what_is_asserted_here(update_goldens: bool) -> None:
    if update_goldens:
        PAGE.write_text(page(), "utf-8")
    assert PAGE.read_text("utf-8") == page(), "run this test with --update-goldens"


def test_what_is_put_down_to_absent_tables_is_missing_there(
    from_csv: Reads, routes: Mapping[int, Route]
) -> None:
    found = differing(from_csv, routes)
    absent = [name for name, (_, cause) in CSV.items() if cause in (NO_ED, NO_TABLE)]
    assert len(absent) > 30
    assert all(from_csv[hadm].vector[name] is None for name in absent for hadm in found[name])


def test_ed_visits_known_by_registration_are_a_lower_bound_but_where_fhir_has_none_for_them(
    from_csv: Reads, routes: Mapping[int, Route]
) -> None:
    names = ("n_ed_30d", "n_ed_90d", "n_ed_365d")
    pairs = {
        (hadm, name): (read.vector[name], routes[hadm].vector[name])
        for hadm, read in from_csv.items()
        for name in names
        if read.vector[name] is not None
    }
    more = {hadm for (hadm, _), (ours, theirs) in pairs.items() if float(ours) > float(theirs)}
    assert all(float(ours) >= 1 for ours, _ in pairs.values())
    assert more == MORE_BY_REGISTRATION


def test_t0_differs_only_without_the_ed_module(
    from_csv: Reads, from_tables: Reads, routes: Mapping[int, Route]
) -> None:
    def other(reads: Reads) -> set[int]:
        return {hadm for hadm, read in reads.items() if read.stay.t0 != routes[hadm].stay.t0}

    assert other(from_tables) == set()
    assert other(from_csv) == OTHER_T0


def test_what_is_put_down_to_t0_differs_only_where_t0_does(
    from_csv: Reads, routes: Mapping[int, Route]
) -> None:
    moved = {name for name, (_, cause) in CSV.items() if cause.startswith("T0")}
    found = differing(from_csv, routes)
    assert moved
    assert all(found[name] <= OTHER_T0 for name in moved)


def test_age_is_the_benchmark_s_and_at_most_a_year_from_the_export_s(
    from_csv: Reads, routes: Mapping[int, Route], demo: Demo
) -> None:
    for hadm, read in from_csv.items():
        person = demo.patients[demo.admissions[hadm].subject_id]
        year = new_york(read.stay.t0).year
        age, theirs = read.vector["age"], routes[hadm].vector["age"]
        assert age == person["anchor_age"] + year - person["anchor_year"]
        assert isinstance(theirs, float)
        assert 0 <= age - theirs <= 1


def test_what_is_put_down_to_age_differs_only_where_age_does(
    from_tables: Reads, routes: Mapping[int, Route]
) -> None:
    found = differing(from_tables, routes)
    for name in ("score_cci", "score_cart", "score_rems_partial"):
        assert found[name] <= found["age"]


def test_race_differs_only_where_it_was_not_told_at_first_or_is_other(
    from_csv: Reads, routes: Mapping[int, Route]
) -> None:
    pairs = Counter(
        (read.vector["ethnicity"], routes[hadm].vector["ethnicity"])
        for hadm, read in from_csv.items()
        if read.vector["ethnicity"] != routes[hadm].vector["ethnicity"]
    )
    assert pairs == {("unknown", "white"): 11, ("other", "unknown"): 3}


def test_the_payer_is_the_admission_s_own(from_csv: Reads, demo: Demo) -> None:
    for hadm, read in from_csv.items():
        assert read.vector["insurance"] == demo.admissions[hadm].row["insurance"].lower()


@pytest.mark.parametrize("way", ["from_csv", "from_tables"])
def test_who_is_scored_and_who_came_back_are_the_same(
    way: str, request: pytest.FixtureRequest, routes: Mapping[int, Route]
) -> None:
    reads: Reads = request.getfixturevalue(way)
    for hadm, read in reads.items():
        route, history = routes[hadm], read.subject.history
        ours = readmitted(history.visits, read.stay.visit, MimicReader.follow_up_until)
        theirs = readmitted(route.history.visits, route.stay.visit, AFTER_ALL)
        assert eligible(history, read.stay) == route.excluded
        assert (ours is None) == (theirs is None)
        if ours and theirs:
            assert (ours.unplanned, ours.all_cause) == (theirs.unplanned, theirs.all_cause)


def test_lace_and_hospital_have_the_same_points(
    from_tables: Reads, routes: Mapping[int, Route]
) -> None:
    """LACE counts the diagnoses of the index ED visit too."""
    for hadm, read in from_tables.items():
        route, sources = routes[hadm], read.subject.sources
        for score in (lace, hospital):
            ours = score(read.subject.history, read.stay, sources)
            theirs = score(route.history, route.stay, sources)
            assert (ours.points, ours.at_least) == (theirs.points, theirs.at_least)


def test_history_s_switches_are_those_of_the_mimic_profile(
    from_tables: Reads, routes: Mapping[int, Route]
) -> None:
    names = [
        "profile",
        "zone",
        "plain_complaint_match",
        "outpatient_diagnoses",
        "ed_drugs_by_visit",
    ]
    for hadm, read in from_tables.items():
        ours, theirs = read.subject.history, routes[hadm].history
        assert [getattr(ours, name) for name in names] == [getattr(theirs, name) for name in names]


def test_visits_are_the_same_but_for_their_ids(
    from_tables: Reads, routes: Mapping[int, Route]
) -> None:
    def known(visits: Iterable[Visit]) -> Counter[tuple[object, ...]]:
        return Counter(
            (v.role, v.status, v.start and v.start.earliest, v.end and v.end.latest, v.admission_type, v.arrival,
             v.disposition, v.oncology, v.transferred_in, v.disposition_uncoded, len(v.segments))
            for v in visits
        )  # fmt: skip

    for hadm, read in from_tables.items():
        assert known(read.subject.history.visits) == known(routes[hadm].history.visits)


def test_notes_come_back_by_the_id_of_their_stay(from_tables: Reads, from_csv: Reads) -> None:
    for hadm, read in from_tables.items():
        assert read.subject.notes[read.stay.visit.id] == summary_of(hadm)
        assert not from_csv[hadm].subject.notes


def test_era_is_the_anchor_year_group_and_follow_up_has_no_end(from_csv: Reads, demo: Demo) -> None:
    for hadm, read in from_csv.items():
        person = demo.patients[demo.admissions[hadm].subject_id]
        assert read.subject.era == person["anchor_year_group"]
    assert datetime.max.replace(tzinfo=UTC) == MimicReader.follow_up_until


def test_without_the_ed_module_no_visit_seen_is_no_zero_but_other_zeros_stay(
    from_csv: Reads,
) -> None:
    for read in from_csv.values():
        assert all(read.vector[f"n_ed_{days}d"] != 0 for days in (30, 90, 365))
        assert all(read.vector[f"n_hosp_{days}d"] is not None for days in (30, 90, 365))
        assert read.vector["cci_mi"] is not None
        score = lace(read.subject.history, read.stay, read.subject.sources)
        emergency = score.components[-1]
        assert emergency.points is None or emergency.points >= 4
