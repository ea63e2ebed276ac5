"""Typed resources into one patient's history: person, visits, events, issues.

The order, the repetition and the paging of the resources make no difference.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from fhir_mapping.drugs import by_id, drug_events
from fhir_mapping.elements import Extension
from fhir_mapping.encounters import origin_of, visits_of
from fhir_mapping.errors import PatientError
from fhir_mapping.events import (
    condition_events,
    coverage_events,
    observation_events,
    procedure_events,
    rows_of,
)
from fhir_mapping.history import DataIssue, Event, PatientHistory, Person, tally
from fhir_mapping.profiles import Profile, detect_profile
from fhir_mapping.resources import (
    AnyResource,
    Condition,
    Coverage,
    Encounter,
    Location,
    Medication,
    MedicationUse,
    Observation,
    Patient,
    Procedure,
    latest_versions,
)

_RACE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"
_ETHNICITY = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity"
_BIRTH_SEX = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"
_RACES = {
    "2106-3": "white",
    "2054-5": "black",
    "2028-9": "asian",
    "1002-5": "native_american",
    "2076-8": "pacific_islander",
    "2131-1": "other",
    "OTH": "other",
}
_HISPANIC = "2135-2"
_SEXES = {"male": "M", "female": "F", "other": "other", "M": "M", "F": "F"}
_FULL_DATE = 10


def history_of(
    resources: Iterable[AnyResource],
    *,
    profile: Profile | None = None,
    issues: Iterable[DataIssue] = (),
) -> PatientHistory:
    """One patient's history of decoded resources, all of that patient.

    `profile` None: detected from identifier systems and meta.profile. `issues`: what was already
    noticed while decoding. Raises PatientError.
    """
    kept = _sorted(latest_versions(resources))
    patients: list[Patient] = kept[Patient]
    if len(patients) != 1:
        raise PatientError(f"{len(patients)} Patient resources: send the one patient's own")
    site = profile or profile_of(patients[0], kept[Encounter])
    found = list(chain(issues, _events(kept, site)))
    return PatientHistory(
        person=_person(patients[0], site),
        visits=visits_of(kept[Encounter], kept[Location], site),
        events=_grouped(each for each in found if isinstance(each, Event)),
        issues=tally(each for each in found if isinstance(each, DataIssue)),
        profile=site.name,
        profile_detected=profile is None,
        zone=site.zone,
        plain_complaint_match=site.plain_complaint_match,
        ed_drugs_by_visit=site.ed_drugs_by_visit,
        outpatient_diagnoses=bool(site.diagnosis["outpatient_diagnoses"]),
    )


def profile_of(patient: Patient, encounters: Iterable[Encounter]) -> Profile:
    """The profile of the site that a patient's record is from, detected."""
    return detect_profile(_uris(patient, encounters))


def _sorted(resources: Iterable[AnyResource]) -> dict[type, list[Any]]:
    kept: dict[type, list[Any]] = defaultdict(list)
    for resource in resources:
        kept[type(resource)].append(resource)
    return kept


def _events(kept: dict[type, list[Any]], site: Profile) -> Iterator[Event | DataIssue]:
    rows = rows_of(kept[Procedure], site)
    medications = by_id(kept[Medication])
    readers: dict[type, Callable[[Any], Iterator[Event | DataIssue]]] = {
        Observation: lambda each: observation_events(each, rows, site),
        Condition: lambda each: condition_events(each, site),
        Procedure: lambda each: procedure_events(each, site),
        Coverage: lambda each: coverage_events(each, site),
    }
    readers |= {
        kind: lambda each: drug_events(each, medications, site) for kind in MedicationUse.__args__
    }
    for kind, read in readers.items():
        for resource in kept[kind]:
            yield from read(resource)


def _grouped(events: Iterable[Event]) -> dict[str, tuple[Event, ...]]:
    grouped: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        grouped[event.kind].append(event)
    return {kind: tuple(each) for kind, each in grouped.items()}


def _uris(patient: Patient, encounters: Iterable[Encounter]) -> Iterator[str]:
    resources: tuple[Patient | Encounter, ...] = (patient, *encounters)
    for resource in resources:
        yield from (each.system or "" for each in resource.identifier or ())
        yield from (resource.meta and resource.meta.profile) or ()


def _person(patient: Patient, site: Profile) -> Person:
    text = patient.birth_date or ""
    birth = site.when(text)
    deceased = patient.deceased_date_time
    return Person(
        id=patient.id,
        origin=origin_of(patient),
        birth=birth.latest.astimezone(site.zone).date() if birth else None,
        birth_partial=0 < len(text) < _FULL_DATE,
        sex=_sex(patient),
        ethnicity=_ethnicity(patient),
        deceased=bool(deceased or patient.deceased_boolean),
        deceased_on=site.when(deceased),
    )


def _sex(patient: Patient) -> str:
    stated = _SEXES.get(patient.gender or "")
    return stated or _SEXES.get(_extension_code(patient, _BIRTH_SEX), "unknown")


def _ethnicity(patient: Patient) -> str:
    """Hispanic takes precedence over race; several races are `other` (our choice)."""
    if _HISPANIC in _extension_codes(patient, _ETHNICITY):
        return "hispanic"
    stated = _extension_codes(patient, _RACE)
    levels = [level for code, level in _RACES.items() if code in stated]
    return levels[0] if len(levels) == 1 else "other" if levels else "unknown"


def _extension_code(resource: Patient, url: str) -> str:
    found = [each.value_code for each in resource.extension or () if each.url == url]
    return next(filter(None, found), "")


def _extension_codes(resource: Patient, url: str) -> set[str]:
    parts: list[Extension] = [
        part
        for each in resource.extension or ()
        if each.url == url
        for part in each.extension or ()
        if part.url == "ombCategory"
    ]
    return {part.value_coding.code or "" for part in parts if part.value_coding}
