"""The codes and spellings that the example patients use. Not a terminology: only what the examples need."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

Json = dict[str, Any]

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
CPT = "http://www.ama-assn.org/go/cpt"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM = "http://unitsofmeasure.org"
SOPT = "https://nahdo.org/sopt"
NUBC = "https://www.nubc.org/CodeSystem/PatDischargeStatus"
OMB = "urn:oid:2.16.840.1.113883.6.238"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"

LABS = {  # name: LOINC code, display, usual unit
    "hemoglobin": ("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL"),
    "sodium": ("2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L"),
    "potassium": ("2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L"),
    "creatinine": ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL"),
    "nt_probnp": ("33762-6", "Natriuretic peptide.B prohormone N-Terminal", "pg/mL"),
    "leukocytes": ("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*3/uL"),
    "platelets": ("777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL"),
    "lactate": ("2524-7", "Lactate [Moles/volume] in Serum or Plasma", "mmol/L"),
    "bilirubin": ("1975-2", "Bilirubin.total [Mass/volume] in Serum or Plasma", "mg/dL"),
}
MOLAR_CREATININE = ("14682-9", "Creatinine [Moles/volume] in Serum or Plasma", "umol/L")

VITALS = {  # name: LOINC code, display, usual unit, US Core profile
    "temperature": ("8310-5", "Body temperature", "Cel", "body-temperature"),
    "heart_rate": ("8867-4", "Heart rate", "/min", "heart-rate"),
    "respirations": ("9279-1", "Respiratory rate", "/min", "respiratory-rate"),
    "saturation": (
        "59408-5",
        "Oxygen saturation in Arterial blood by Pulse oximetry",
        "%",
        "pulse-oximetry",
    ),
    "pain": ("72514-3", "Pain severity - 0-10 verbal numeric rating", "{score}", ""),
}
BLOOD_PRESSURE = ("85354-9", "Blood pressure panel with all children optional")
SYSTOLIC = ("8480-6", "Systolic blood pressure")
DIASTOLIC = ("8462-4", "Diastolic blood pressure")

RACES = {
    "white": ("2106-3", "White"),
    "black": ("2054-5", "Black or African American"),
    "asian": ("2028-9", "Asian"),
    "native_american": ("1002-5", "American Indian or Alaska Native"),
    "pacific_islander": ("2076-8", "Native Hawaiian or Other Pacific Islander"),
}
SERVICES = {
    "cardiology": "394579002",
    "orthopaedics": "394801008",
    "general medicine": "394802001",
    "medical oncology": "394593009",
    "gastroenterology": "394584008",
    "paediatrics": "394537008",
    "palliative medicine": "394806003",
}
DISPOSITIONS = {  # both code systems that US hospitals write are used on purpose
    "home": (TERMINOLOGY + "discharge-disposition", "home", "Home"),
    "snf": (TERMINOLOGY + "discharge-disposition", "snf", "Skilled nursing facility"),
    "hospice": (TERMINOLOGY + "discharge-disposition", "hosp", "Hospice"),
    "home-health": (NUBC, "06", "Home under care of an organized home health service"),
    "transfer": (NUBC, "02", "Transferred to a short-term general hospital for inpatient care"),
}
ADMIT_SOURCES = {
    "emd": "From accident/emergency department",
    "outp": "From outpatient department",
    "born": "Born in hospital",
    "nursing": "From nursing home",
}
CLASSES = {"IMP": "inpatient encounter", "EMER": "emergency"}
ENCOUNTER_TYPES = {
    "IMP": ("32485007", "Hospital admission"),
    "EMER": ("50849002", "Emergency room admission"),
}
PLACES = {"ICU": "Intensive care unit", "HU": "Hospital unit", "ER": "Emergency room"}
PRIORITIES = {"EM": "emergency", "UR": "urgent", "EL": "elective"}


def concept(system: str, code: str, display: str) -> Json:
    """A CodeableConcept of one coding; without a code, of its words only."""
    if not code:
        return {"text": display}
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def quantity(value: float | str, unit: str) -> Json:
    """A UCUM quantity; a unit that starts with "?" is free text as a device might send it."""
    if unit.startswith("?"):
        return {"value": value, "unit": unit.removeprefix("?")}
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def at(local: str) -> str:
    """A local time of the US east coast, as FHIR writes it; dates stay dates."""
    if len(local) == len("2026-10-19"):
        return local
    moment = datetime.fromisoformat(local)
    offset = "-04:00" if _summer(moment) else "-05:00"
    return moment.isoformat() + offset


def later(local: str, minutes: int) -> str:
    return at((datetime.fromisoformat(local) + timedelta(minutes=minutes)).isoformat(" "))


def _summer(moment: datetime) -> bool:
    march, november = datetime(moment.year, 3, 8, 2), datetime(moment.year, 11, 1, 2)  # noqa: DTZ001
    return _sunday_from(march) <= moment < _sunday_from(november)


def _sunday_from(day: datetime) -> datetime:
    return day + timedelta(days=(6 - day.weekday()) % 7)
