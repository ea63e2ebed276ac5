"""Diagnoses, measurements, procedures, drugs and the summary of one case as FHIR resources."""

from __future__ import annotations

import base64
from html import escape

from chart import Chart
from vocabulary import (
    BLOOD_PRESSURE,
    CPT,
    DIASTOLIC,
    ICD10,
    LABS,
    LOINC,
    MOLAR_CREATININE,
    SYSTOLIC,
    TERMINOLOGY,
    VITALS,
    Json,
    at,
    concept,
    later,
    quantity,
)

ED = "ed-1"  # the index emergency visit is written before the earlier ones
STAY = "stay-1"
NOTE_CATEGORY = "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category"


def encounter(chart: Chart, which: str) -> Json:
    return {"reference": f"Encounter/{chart.name}-{which}"}


def add_problems(chart: Chart) -> None:
    for code, words, recorded in chart.case["record"].get("problems", []):
        _add_condition(chart, "problem-list-item", code, words, recorded)


def add_diagnoses(chart: Chart, rows: list[list[str]], when: str, visit: Json) -> None:
    for code, words in rows:
        _add_condition(chart, "encounter-diagnosis", code, words, when, encounter=visit)


def _add_condition(
    chart: Chart, category: str, code: str, words: str, when: str, **more: Json
) -> None:
    listed = category == "problem-list-item"
    body: Json = {
        "clinicalStatus": _status("condition-clinical", "active"),
        "verificationStatus": _status("condition-ver-status", "confirmed"),
        "category": [concept(TERMINOLOGY + "condition-category", category, category)],
        "code": concept(ICD10, code, words),
        "subject": chart.patient,
        "recordedDate": at(when),
    }
    if listed:
        body["onsetDateTime"] = at(when)
    profile = "condition-problems-health-concerns" if listed else "condition-encounter-diagnosis"
    chart.add("Condition", "condition", when, body | more, profile=profile)


def _status(system: str, code: str) -> Json:
    return {"coding": [{"system": TERMINOLOGY + system, "code": code}]}


def add_observations(chart: Chart) -> None:
    units = chart.case["record"].get("units", {})
    if "complaint" in chart.case:
        _add_triage(chart)
    for row in chart.case["record"]["vitals"]:
        _add_vitals(chart, *row, units=units)
    for row in chart.case["record"].get("labs", []):
        _add_lab(chart, *row)


def _add_triage(chart: Chart) -> None:
    arrival = chart.case["stay"]["ed"][0]
    complaint = ("8661-1", "Chief complaint - Reported")
    _add_observation(chart, complaint, arrival, {"valueString": chart.case["complaint"]})
    acuity = ("56839-4", "Acuity level")
    _add_observation(chart, acuity, arrival, {"valueInteger": chart.case["acuity"]})


def _add_vitals(chart: Chart, when: str, *values: float | str, units: Json) -> None:
    temperature, heart_rate, respirations, saturation, systolic, diastolic, pain = values
    single = (temperature, heart_rate, respirations, saturation, pain)
    for name, value in zip(VITALS, single, strict=True):
        code, words, unit, profile = VITALS[name]
        if value != "":
            measured = {"valueQuantity": quantity(value, units.get(name, unit))}
            _add_observation(chart, (code, words), when, measured, "vital-signs", profile)
    if systolic != "":
        unit = units.get("pressure", "mm[Hg]")
        parts = [
            {"code": concept(LOINC, *code), "valueQuantity": quantity(value, unit)}
            for code, value in ((SYSTOLIC, systolic), (DIASTOLIC, diastolic))
        ]
        panel = {"component": parts}
        _add_observation(chart, BLOOD_PRESSURE, when, panel, "vital-signs", "blood-pressure")


def _add_lab(chart: Chart, when: str, name: str, value: float, *more: str) -> None:
    unit, reported = [*more, "", ""][:2]
    code, words, usual = MOLAR_CREATININE if unit == "umol/L" else LABS[name]
    measured: Json = {"valueQuantity": quantity(value, unit or usual)}
    measured["issued"] = at(reported) if reported else later(when, 45)
    _add_observation(chart, (code, words), when, measured, "laboratory", "observation-lab")


def _add_observation(
    chart: Chart,
    code: tuple[str, str],
    when: str,
    value: Json,
    category: str = "survey",
    profile: str = "",
) -> None:
    body = {
        "status": "final",
        "category": [concept(TERMINOLOGY + "observation-category", category, category)],
        "code": concept(LOINC, *code),
        "subject": chart.patient,
        "encounter": _where(chart, when),
        "effectiveDateTime": at(when),
        "issued": later(when, 2),
    }
    chart.add("Observation", "observation", when, body | value, profile=profile)


def _where(chart: Chart, when: str) -> Json:
    ed = chart.case["stay"].get("ed")
    return encounter(chart, ED if ed and ed[0] <= when <= ed[1] else STAY)


def add_procedures(chart: Chart) -> None:
    for code, words, when in chart.case["record"].get("procedures", []):
        body = {
            "status": "completed",
            "code": concept(CPT, code, words),
            "subject": chart.patient,
            "encounter": encounter(chart, STAY),
            "performedDateTime": at(when),
        }
        chart.add("Procedure", "procedure", when, body, profile="procedure")


def add_summary(chart: Chart) -> None:
    case = chart.case
    final = len(case["stay"]["period"]) == 2
    when = case["stay"]["period"][1] if final else case["record"]["vitals"][-1][0]
    add = _add_composition if case["document"] == "Composition" else _add_document
    add(chart, when, final, case["summary"])


def _add_composition(chart: Chart, when: str, final: bool, sections: list[Json]) -> None:
    body = {
        "status": "final" if final else "preliminary",
        "type": concept(LOINC, "18842-5", "Discharge summary"),
        "subject": chart.patient,
        "encounter": encounter(chart, STAY),
        "date": at(when),
        "author": [{"display": "Dr. Avery Specimen (invented)"}],
        "title": "Discharge summary",
        "section": [{"title": s["title"], "text": _narrative(s["text"])} for s in sections],
    }
    chart.add("Composition", "summary", when, body)


def _narrative(text: str) -> Json:
    paragraphs = "".join(f"<p>{escape(part, quote=False)}</p>" for part in text.split("\n\n"))
    div = f'<div xmlns="http://www.w3.org/1999/xhtml">{paragraphs}</div>'
    return {"status": "generated", "div": div}


def _add_document(chart: Chart, when: str, final: bool, sections: list[Json]) -> None:
    text = "\n\n".join(f"{s['title'].upper()}\n{s['text']}" for s in sections)
    attachment = {
        "contentType": "text/plain; charset=utf-8",
        "data": base64.b64encode(text.encode()).decode(),
        "title": "Discharge summary",
    }
    body = {
        "status": "current",
        "docStatus": "final" if final else "preliminary",
        "type": concept(LOINC, "18842-5", "Discharge summary"),
        "category": [concept(NOTE_CATEGORY, "clinical-note", "Clinical Note")],
        "subject": chart.patient,
        "date": at(when),
        "author": [{"display": "Dr. Avery Specimen (invented)"}],
        "content": [{"attachment": attachment}],
        "context": {"encounter": [encounter(chart, STAY)]},
    }
    chart.add("DocumentReference", "summary", when, body, profile="documentreference")
