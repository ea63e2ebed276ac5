"""Drugs given in the ED, counted by distinct name."""

from typing import Any

import pytest

from tests.spec.record import (
    Resource,
    at,
    concept,
    drug,
    ed_visit,
    issue_codes,
    read_all_but,
    refer,
    stay,
    value,
    vector,
)

ED = ed_visit()  # 03-10 08:00 to 12:00


def given(name: str, time: str | None, context: str | None = "ed", **more: Any) -> Resource:
    own: Resource = {"status": "completed", "effectiveDateTime": at(time)}
    own["context"] = refer(context and f"Encounter/{context}")
    return drug("MedicationAdministration", name, **own | more)


def dispensed(name: str, time: str | None, context: str | None = "ed", **more: Any) -> Resource:
    own: Resource = {"status": "completed", "whenHandedOver": at(time)}
    own["context"] = refer(context and f"Encounter/{context}")
    return drug("MedicationDispense", name, **own | more)


@pytest.mark.parametrize(
    ("rows", "answer"),
    [
        pytest.param([], 0, id="none"),
        pytest.param([given("aspirin", "03-10 09:00")], 1, id="one given"),
        pytest.param([dispensed("aspirin", "03-10 09:00")], 1, id="one dispensed"),
        pytest.param(
            [given("aspirin", "03-10 09:00"), dispensed("heparin", "03-10 10:00")], 2, id="two"
        ),
        pytest.param(
            [
                given("Aspirin  81 mg", "03-10 09:00", id_="a"),
                given("aspirin 81 MG ", "03-10 10:00", id_="b"),
                dispensed("aspirin 81 mg", "03-10 10:00", id_="c"),
            ],
            1,
            id="one name, however often and written",
        ),
        pytest.param([given("aspirin", "03-10 09:00", "stay")], 0, id="of the ward"),
        pytest.param([given("aspirin", "03-10 09:00", "other")], 0, id="of another visit"),
        pytest.param([given("aspirin", "03-10 08:00", None)], 1, id="no visit, at arrival"),
        pytest.param([given("aspirin", "03-10 12:00", None)], 1, id="no visit, at departure"),
        pytest.param([given("aspirin", "03-10 12:01", None)], 0, id="no visit, after departure"),
        pytest.param([given("aspirin", "03-10 07:59", None)], 0, id="no visit, before arrival"),
        pytest.param([given("aspirin", None)], 1, id="of the ED visit, no time"),
        pytest.param([given("aspirin", "03-10 12:01")], 0, id="of the ED visit, after departure"),
        pytest.param([given("aspirin", "03-10 07:59")], 0, id="of the ED visit, before arrival"),
        pytest.param([given("aspirin", None, None)], 0, id="neither visit nor time"),
        pytest.param([given("aspirin", "03-15 13:00")], 0, id="after the prediction time"),
        pytest.param([given("aspirin", "03-10 09:00", status="not-done")], 0, id="not done"),
        pytest.param(
            [given("aspirin", "03-10 09:00", status="entered-in-error")], 0, id="in error"
        ),
        pytest.param([given("aspirin", "03-10 09:00", status="in-progress")], 1, id="running"),
        pytest.param([dispensed("aspirin", "03-10 09:00", status="cancelled")], 0, id="cancelled"),
        pytest.param([dispensed("aspirin", "03-10 09:00", status="declined")], 0, id="declined"),
        pytest.param(
            [dispensed("aspirin", "03-10 09:00", status="preparation")], 0, id="in preparation"
        ),
        pytest.param([dispensed("aspirin", "03-10 09:00", status="unknown")], 1, id="as in MIMIC"),
        pytest.param(
            [given("aspirin", None, None, effectivePeriod={"start": at("03-10 09:00")})],
            1,
            id="over a period",
        ),
    ],
)
def test_drugs_in_the_ed(rows: list[Resource], answer: float) -> None:
    assert value("n_med", ED, *rows) == answer


def test_without_an_ed_visit_there_were_none_whatever_else_was_read() -> None:
    (row,) = vector().evidence_for("n_med")
    assert (row.value, row.reason) == (0, "no ED visit; Encounter read")
    assert value("n_med", given("aspirin", "03-10 13:00", None)) == 0
    assert value("n_med", sources={"Encounter": "read"}) == 0
    assert value("n_med", sources=read_all_but(Encounter="partial")) is None


def test_in_the_mimic_profile_only_drugs_of_the_ed_visit_were_given_in_it() -> None:
    kind = "http://mimic.mit.edu/fhir/mimic/identifier/encounter-"
    rows = (
        ed_visit(part_of="stay", identifier=[{"system": f"{kind}ed"}]),
        stay(identifier=[{"system": f"{kind}hosp"}]),
        given("aspirin", "03-10 09:00", None),
        given("heparin", "03-10 09:00"),
    )
    assert value("n_med", *rows, profile="mimic") == 1
    assert value("n_med", *rows) == 2


def test_far_too_many_are_clipped() -> None:
    answer = vector(ED, (given(f"drug {n}", "03-10 09:00") for n in range(101)))
    assert answer["n_med"] == 100
    assert "clipped" in issue_codes(answer, "n_med")


ASPIRIN = concept(text="Aspirin 81 mg")


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (
            [
                given(
                    "#m",
                    "03-10 09:00",
                    contained=[{"resourceType": "Medication", "id": "m", "code": ASPIRIN}],
                )
            ],
            "aspirin 81 mg",
        ),
        (
            [
                given("Medication/m", "03-10 09:00"),
                {"resourceType": "Medication", "id": "m", "code": ASPIRIN},
            ],
            "aspirin 81 mg",
        ),
        (
            [
                given("Medication/m", "03-10 09:00"),
                {
                    "resourceType": "Medication",
                    "id": "m",
                    "identifier": [{"system": "urn:x/medication-name", "value": "Aspirin"}],
                    "code": concept("urn:ndc|00045", text="ndc"),
                },
            ],
            "aspirin",
        ),
        (
            [
                given("Medication/mix", "03-10 09:00"),
                {
                    "resourceType": "Medication",
                    "id": "mix",
                    "ingredient": [
                        {"itemCodeableConcept": concept(text="Sodium chloride")},
                        {"itemReference": refer("Medication/m")},
                    ],
                },
                {"resourceType": "Medication", "id": "m", "code": ASPIRIN},
            ],
            "aspirin 81 mg + sodium chloride",
        ),
        ([given("Medication/gone", "03-10 09:00")], "gone"),
        (
            [given("x", "03-10 09:00", medicationCodeableConcept=concept("s|1191|Aspirin"))],
            "aspirin",
        ),
        ([given("x", "03-10 09:00", medicationCodeableConcept=concept("s|1191"))], "1191"),
    ],
    ids=[
        "contained",
        "referenced",
        "named by an identifier",
        "a mix",
        "referenced and not there",
        "coded with a display",
        "coded",
    ],
)
def test_the_name_of_a_drug(rows: list[Resource], name: str) -> None:
    answer = vector(ED, *rows)
    assert answer["n_med"] == 1
    assert [row.received for row in answer.evidence_for("n_med")] == [name]


@pytest.mark.parametrize(
    "name",
    [
        {"medicationCodeableConcept": {}},
        {"medicationReference": {"reference": "#m"}},
    ],
    ids=["no words", "contained and not there"],
)
def test_a_drug_without_a_name_is_counted_as_an_issue(name: Resource) -> None:
    row = given("x", "03-10 09:00")
    del row["medicationCodeableConcept"]
    row |= name
    answer = vector(ED, row)
    assert answer["n_med"] == 0
    assert "drug_without_name" in issue_codes(answer)
