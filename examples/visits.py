"""Person, coverage and encounters of one case as FHIR resources. Findings are in findings.py."""

from __future__ import annotations

from chart import Chart
from vocabulary import (
    ADMIT_SOURCES,
    CLASSES,
    CORE,
    DISPOSITIONS,
    ENCOUNTER_TYPES,
    OMB,
    PLACES,
    PRIORITIES,
    RACES,
    SERVICES,
    SNOMED,
    SOPT,
    TERMINOLOGY,
    Json,
    at,
    concept,
)

UNKNOWN = {"system": TERMINOLOGY + "v3-NullFlavor", "code": "UNK", "display": "unknown"}


def add_patient(chart: Chart) -> None:
    person = chart.case["person"]
    mrn = {"coding": [{"system": TERMINOLOGY + "v2-0203", "code": "MR"}]}
    body = {
        "extension": _race_ethnicity_birthsex(person),
        "identifier": [
            {
                "type": mrn,
                "system": "https://ehr.example.org/mrn",
                "value": f"EX{100000 + chart.case['order']}",
            }
        ],
        "active": True,
        "name": [{"use": "official", "family": person["family"], "given": [person["given"]]}],
        "gender": person["gender"],
        "birthDate": person["birth"],
        "address": [{"city": person["city"], "state": "MA", "country": "US"}],
    }
    admitted = chart.case["stay"]["period"][0]
    chart.add("Patient", "patient", admitted, body, profile="patient")


def _race_ethnicity_birthsex(person: Json) -> list[Json]:
    race = RACES.get(person["race"])
    coding = {"system": OMB, "code": race[0], "display": race[1]} if race else UNKNOWN
    hispanic = person.get("ethnicity") == "hispanic"
    code, words = (
        ("2135-2", "Hispanic or Latino") if hispanic else ("2186-5", "Not Hispanic or Latino")
    )
    sex = {"female": "F", "male": "M"}.get(person["gender"], "UNK")
    return [
        _omb("race", coding),
        _omb("ethnicity", {"system": OMB, "code": code, "display": words}),
        {"url": CORE + "birthsex", "valueCode": sex},
    ]


def _omb(which: str, coding: Json) -> Json:
    parts = [
        {"url": "ombCategory", "valueCoding": coding},
        {"url": "text", "valueString": coding["display"]},
    ]
    return {"url": CORE + which, "extension": parts}


def add_coverage(chart: Chart) -> None:
    for row in chart.case["coverage"]:
        body = {
            "status": "active",
            "type": concept(SOPT, *row["type"]),
            "subscriberId": f"EX{900000 + chart.case['order']}",
            "beneficiary": chart.patient,
            "relationship": concept(TERMINOLOGY + "subscriber-relationship", "self", "Self"),
            "period": {"start": row["from"]},
            "payor": [{"display": row["payor"]}],
        }
        chart.add("Coverage", "coverage", row["from"], body, profile="coverage")


def add_index_stay(chart: Chart) -> None:
    stay = chart.case["stay"]
    hospitalization = {
        "admitSource": concept(
            TERMINOLOGY + "admit-source", stay["source"], ADMIT_SOURCES[stay["source"]]
        )
    }
    if "disposition" in stay:
        hospitalization |= _left_for(stay["disposition"])
    more: Json = {
        "serviceType": concept(SNOMED, SERVICES[stay["service"]], stay["service"].capitalize()),
        "reasonCode": [{"text": stay["reason"]}],
        "hospitalization": hospitalization,
        "location": _segments(chart, stay["wards"]),
    }
    if "priority" in stay:
        more["priority"] = _priority(stay["priority"])
    hospital = _add_visit(chart, "IMP", stay["period"], **more)
    if "ed" in stay:
        complaint = [{"text": chart.case["complaint"]}]
        _add_emergency(chart, stay["ed"], hospital, reasonCode=complaint)


def add_earlier_visit(chart: Chart, visit: Json) -> str:
    """The hospital stay and the emergency visit, whichever there were; the one that has the diagnoses."""
    hospital = _add_earlier_stay(chart, visit) if "stay" in visit else ""
    emergency = _add_emergency(chart, visit["ed"], hospital) if "ed" in visit else ""
    return hospital or emergency


def _add_earlier_stay(chart: Chart, visit: Json) -> str:
    more: Json = {
        "priority": _priority(visit.get("priority", "EM")),
        "hospitalization": _left_for(visit.get("disposition", "home")),
    }
    if "icu" in visit:
        more["location"] = _segments(chart, [["ICU", "Medical intensive care unit", *visit["icu"]]])
    return _add_visit(chart, "IMP", visit["stay"], **more)


def _add_emergency(chart: Chart, period: list[str], hospital: str, **more: object) -> str:
    wards = [["ER", "Emergency department", *period]]
    body: Json = {"priority": _priority("EM"), "location": _segments(chart, wards), **more}
    led_to = {"partOf": {"reference": hospital}} if hospital else {}
    sent_home = {} if hospital else {"hospitalization": _left_for("home")}
    return _add_visit(chart, "EMER", period, **body, **led_to, **sent_home)


def _add_visit(chart: Chart, code: str, period: list[str], **more: object) -> str:
    body = {
        "status": "finished" if len(period) == 2 else "in-progress",
        "class": {"system": TERMINOLOGY + "v3-ActCode", "code": code, "display": CLASSES[code]},
        "type": [concept(SNOMED, *ENCOUNTER_TYPES[code])],
        "subject": chart.patient,
        "period": _period(period),
        "serviceProvider": {"display": "Examplebury General Hospital (invented)"},
    }
    short = "stay" if code == "IMP" else "ed"
    return chart.add("Encounter", short, period[-1], {**body, **more}, profile="encounter")


def _segments(chart: Chart, wards: list[list[str]]) -> list[Json]:
    """Where the patient lay and when: kind and name of the place, its start, and its end once left."""
    return [
        {
            "location": _place(chart, kind, name, times[0]),
            "status": "completed" if len(times) == 2 else "active",
            "period": _period(times),
        }
        for kind, name, *times in wards
    ]


def _place(chart: Chart, kind: str, name: str, when: str) -> Json:
    known = [place["id"] for place in chart.of_type("Location") if place["name"] == name]
    if known:
        return {"reference": f"Location/{known[0]}", "display": name}
    kinds = concept(TERMINOLOGY + "v3-RoleCode", kind, PLACES[kind])
    body = {"status": "active", "name": name, "mode": "instance", "type": [kinds]}
    reference = chart.add("Location", "location", when, body, profile="location")
    return {"reference": reference, "display": name}


def _period(times: list[str]) -> Json:
    return dict(zip(("start", "end"), map(at, times), strict=False))


def _priority(code: str) -> Json:
    return concept(TERMINOLOGY + "v3-ActPriority", code, PRIORITIES[code])


def _left_for(disposition: str) -> Json:
    return {"dischargeDisposition": concept(*DISPOSITIONS[disposition])}
