"""Home list, hospital orders and emergency administrations of one case as FHIR resources."""

from __future__ import annotations

from chart import Chart
from findings import ED, STAY, encounter
from vocabulary import RXNORM, TERMINOLOGY, Json, at, concept

HOME = ("community", "Community")
INPATIENT = ("inpatient", "Inpatient")


def add_drugs(chart: Chart) -> None:
    record = chart.case["record"]
    for code, words, when, written in record.get("home", []):
        if written == "statement":
            _add_statement(chart, code, words, when)
        else:
            _add_request(chart, HOME, when, _drug(chart, code, words, when, written))
    for code, words, when in record.get("orders", []):
        drug = {"medicationCodeableConcept": concept(RXNORM, code, words)}
        _add_request(chart, INPATIENT, when, drug | {"encounter": encounter(chart, STAY)})
    for code, words, when in record.get("ed_drugs", []):
        _add_administration(chart, code, words, when)


def _drug(chart: Chart, code: str, words: str, when: str, written: str) -> Json:
    """The three ways in which R4 servers say which drug: in place, contained, or by reference."""
    coded = concept(RXNORM, code, words)
    if written == "coded":
        return {"medicationCodeableConcept": coded}
    if written == "contained":
        inside = {"resourceType": "Medication", "id": "drug", "code": coded}
        return {"contained": [inside], "medicationReference": {"reference": "#drug"}}
    body = {"code": coded, "status": "active"}
    reference = chart.add("Medication", "medication", when, body, profile="medication")
    return {"medicationReference": {"reference": reference, "display": words}}


def _add_request(chart: Chart, setting: tuple[str, str], when: str, drug: Json) -> None:
    category = concept(TERMINOLOGY + "medicationrequest-category", *setting)
    body = {
        "status": "active" if setting is HOME else "completed",
        "intent": "order",
        "category": [category],
        "reportedBoolean": setting is HOME,
        "subject": chart.patient,
        "authoredOn": at(when),
        "requester": {"display": "Dr. Jordan Placebo (invented)"},
    }
    chart.add("MedicationRequest", "request", when, drug | body, profile="medicationrequest")


def _add_statement(chart: Chart, code: str, words: str, when: str) -> None:
    body = {
        "status": "active",
        "medicationCodeableConcept": concept(RXNORM, code, words),
        "subject": chart.patient,
        "effectivePeriod": {"start": at(when)},
        "dateAsserted": at(chart.case["stay"]["period"][0]),
    }
    chart.add("MedicationStatement", "statement", when, body)


def _add_administration(chart: Chart, code: str, words: str, when: str) -> None:
    body = {
        "status": "completed",
        "medicationCodeableConcept": concept(RXNORM, code, words),
        "subject": chart.patient,
        "context": encounter(chart, ED),
        "effectiveDateTime": at(when),
    }
    chart.add("MedicationAdministration", "administration", when, body)
