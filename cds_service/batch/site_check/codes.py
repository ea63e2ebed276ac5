"""Which codes a resource carries: those behind a feature, and those that nothing maps."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from cds_service.batch.site_check.tallies import shown
from fhir_mapping.catalogue import Feature
from fhir_mapping.codelists import SNOMED, snomed_to_icd10
from fhir_mapping.elements import Coding, Component, Concept, Hospitalization
from fhir_mapping.payers import payer_of
from fhir_mapping.profiles import Profile
from fhir_mapping.resources import (
    AnyResource,
    Condition,
    Coverage,
    Encounter,
    MedicationUse,
    Observation,
    Procedure,
)

_STANDARD = (
    "http://loinc.org",
    "http://snomed.info/",
    "http://hl7.org/",
    "http://terminology.hl7.org/",
    "https://terminology.hl7.org/",
    "http://unitsofmeasure.org",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
    "http://www.ama-assn.org/",
    "http://www.cms.gov/",
    "https://www.cms.gov/",
    "https://www.nubc.org/",
    "http://www.nubc.org/",
    "https://nahdo.org/",
    "urn:oid:2.16.840.1.113883.",
)
_OUTSIDE = frozenset(("AMB", "HH", "VR", "FLD", "PRENC"))
"""HL7 classes of visits outside the hospital: understood, and no stay."""

DISPOSITION = "Encounter.hospitalization.dischargeDisposition"
SOURCE = "Encounter.hospitalization.admitSource"
ED_SOURCE = f"{SOURCE} (ED visit)"
PRIORITY = "Encounter.priority"


class Code(NamedTuple):
    """A code at an element of a type (`Observation.code`), as received."""

    element: str
    system: str
    code: str
    display: str


class Unmapped(NamedTuple):
    """What nothing maps at an element: a coding, or None where there are only words."""

    element: str
    coding: Coding | None


def is_local(system: str) -> bool:
    """True for a code system that is no published standard."""
    return not system.startswith(_STANDARD)


def code_of(element: str, coding: Coding) -> Code:
    """The coding as it is counted; empty where it could not be written down."""
    return Code(element, shown(coding.system), shown(coding.code), shown(coding.display))


def parts_of(observation: Observation) -> Iterator[tuple[str, Observation | Component]]:
    """The observation itself and its components, by where their code stands."""
    yield "Observation.code", observation
    for component in observation.component or ():
        yield "Observation.component.code", component


def measures_of(part: Observation | Component, profile: Profile) -> frozenset[str]:
    """The measures that the codes of a part are mapped to."""
    codings = part.code.codings if part.code else ()
    found = (profile.measures.get((each.system or "", each.code or "")) for each in codings)
    return frozenset(measure for measure in found if measure)


def behind(
    feature: Feature, resource: AnyResource, received: str, profile: Profile
) -> Iterator[Code]:
    """The codes for which a resource became the evidence of a feature."""
    match resource:
        case Observation():
            yield from _of_measure(feature, resource, profile)
        case Condition() | Procedure():
            element = f"{resource.type}.code"
            for each in resource.code.codings if resource.code else ():
                if each.code == received:
                    yield code_of(element, each)
        case Encounter():
            yield from _of_visit(feature, resource)
        case Coverage():
            yield from _of("Coverage.type", resource.coverage_type)
        case _:
            if isinstance(resource, MedicationUse):
                yield from _of(f"{resource.type}.medication", resource.medication_codeable_concept)


def units_behind(feature: Feature, observation: Observation, profile: Profile) -> Iterator[str]:
    """The units, as spelled, of the parts that are the feature's measure."""
    for _, part in parts_of(observation):
        if measures_of(part, profile) & set(feature.reads):
            yield from unit_of(part)


def unit_of(part: Observation | Component) -> Iterator[str]:
    """The unit of a part that has a number, as the mapping sees it: its code, else its words."""
    quantity = part.value_quantity
    if quantity and quantity.value is not None:
        yield quantity.code or quantity.unit or ""


def unmapped(resource: AnyResource, profile: Profile, role: str) -> Iterator[Unmapped]:
    """What a resource says in codes that nothing maps. `role`: of an encounter, its visit's."""
    match resource:
        case Observation():
            return _unmapped_measures(resource, profile)
        case Condition():
            known = any(_diagnosis_known(each, profile) for each in _codings(resource.code))
            return iter(()) if known else _all("Condition.code", resource.code)
        case Procedure():
            known = any(_procedure_known(each, profile) for each in _codings(resource.code))
            return iter(()) if known else _all("Procedure.code", resource.code)
        case Encounter():
            return _unmapped_visit(resource, profile, role)
        case Coverage() if payer_of(resource) is None:
            return _all("Coverage.type", resource.coverage_type)
    return iter(())


def _of_measure(feature: Feature, observation: Observation, profile: Profile) -> Iterator[Code]:
    wanted = set(feature.reads)
    for element, part in parts_of(observation):
        for each in _codings(part.code):
            if profile.measures.get((each.system or "", each.code or "")) in wanted:
                yield code_of(element, each)


def _of_visit(feature: Feature, encounter: Encounter) -> Iterator[Code]:
    stated = encounter.hospitalization or Hospitalization()
    by_reducer: Mapping[str, tuple[str, Concept | None]] = {
        "discharge_location": (DISPOSITION, stated.discharge_disposition),
        "arrival_transport": (ED_SOURCE, stated.admit_source),
        "admission_type": (PRIORITY, encounter.priority),
        "oncology_service": ("Encounter.serviceType", encounter.service_type),
    }
    if feature.reduce in by_reducer:
        yield from _of(*by_reducer[feature.reduce])
    elif encounter.class_:
        yield code_of("Encounter.class", encounter.class_)


def _of(element: str, concept: Concept | None) -> Iterator[Code]:
    for each in _codings(concept):
        yield code_of(element, each)


def _codings(concept: Concept | None) -> tuple[Coding, ...]:
    return concept.codings if concept else ()


def _all(element: str, concept: Concept | None) -> Iterator[Unmapped]:
    codings = [each for each in _codings(concept) if each.code]
    yield from (Unmapped(element, each) for each in codings)
    if not codings and concept:
        yield Unmapped(element, None)


def _unmapped_measures(observation: Observation, profile: Profile) -> Iterator[Unmapped]:
    """A panel whose parts are mapped need not be mapped itself."""
    parts = list(parts_of(observation))
    if any(measures_of(part, profile) for _, part in parts):
        parts = parts[1:]
    for element, part in parts:
        if not measures_of(part, profile):
            yield from _all(element, part.code)


def _diagnosis_known(coding: Coding, profile: Profile) -> bool:
    """An ICD code is understood also where it carries no comorbidity."""
    if coding.system == SNOMED:
        return coding.code in snomed_to_icd10()
    return coding.system in profile.icd_version


def _procedure_known(coding: Coding, profile: Profile) -> bool:
    token = (coding.system or "", coding.code or "")
    return profile.lists_procedures(token[0]) or token in profile.row_procedures


def _unmapped_visit(encounter: Encounter, profile: Profile, role: str) -> Iterator[Unmapped]:
    stated = encounter.hospitalization or Hospitalization()
    of_class = encounter.class_
    if role == "other" and of_class and of_class.code not in _OUTSIDE:
        yield Unmapped("Encounter.class", of_class if of_class.code else None)
    asked: Iterable[tuple[str, Concept | None, str]] = ()
    if role == "hospital":
        asked = (
            (DISPOSITION, stated.discharge_disposition, "disposition"),
            (SOURCE, stated.admit_source, "admit_source"),
            (PRIORITY, encounter.priority, "admission_type"),
        )
    elif role == "ed":
        asked = ((ED_SOURCE, stated.admit_source, "arrival"),)
    for element, concept, table in asked:
        if not any(_leveled(profile, table)(each) for each in _codings(concept)):
            yield from _all(element, concept)


def _leveled(profile: Profile, table: str) -> Callable[[Coding], str | None]:
    return lambda coding: profile.level(table, coding.system or "", coding.code or "")
