"""Observations, conditions, procedures and coverages into events. Medications are in drugs.py.

What cannot be an event becomes a DataIssue; what no feature reads is passed over in silence.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from fhir_mapping.codelists import (
    ESI_ANSWERS,
    SNOMED,
    comorbidities,
    renal_severe,
    snomed_to_icd10,
)
from fhir_mapping.elements import Component, Concept, Quantity, ends, starts
from fhir_mapping.encounters import origin_of
from fhir_mapping.history import DataIssue, Event
from fhir_mapping.payers import payer_of
from fhir_mapping.profiles import Profile
from fhir_mapping.resources import Condition, Coverage, Observation, Procedure, id_of
from fhir_mapping.when import When

_USABLE = frozenset(("final", "amended", "corrected"))
_DROPPED_DIAGNOSIS = frozenset(("refuted", "entered-in-error"))
_CURRENT = frozenset(("active", "recurrence", "relapse"))

Row = Literal["", "triage", "serial", "unknown"]
Rows = Mapping[str, Row]
Found = Iterator[Event | DataIssue]


def rows_of(procedures: Iterable[Procedure], profile: Profile) -> Rows:
    """Procedure id -> the kind of ED row that hangs on it, for sites that mark them so."""
    kinds: dict[str, Row] = {}
    for procedure in procedures:
        for coding in procedure.code.codings if procedure.code else ():
            kind = profile.row_procedures.get((coding.system or "", coding.code or ""))
            if kind:
                kinds[procedure.id] = "triage" if kind == "triage" else "serial"
    return kinds


def observation_events(observation: Observation, rows: Rows, profile: Profile) -> Found:
    """One event for each measure: of the observation itself and of its components."""
    parts: tuple[Observation | Component, ...] = (observation, *(observation.component or ()))
    measured = [(name, part) for part in parts for name in _measures(part.code, profile)]
    if not measured:
        return
    if observation.status not in _USABLE:
        yield DataIssue("status_not_usable", "Observation")
        return
    effective, issued = _effective(observation, profile), profile.when(observation.issued)
    if effective is None:
        yield DataIssue("time_missing", "Observation")
        return
    if effective.zoneless:
        yield DataIssue("zone_assumed", "Observation")
    for measure, part in measured:
        value, unit, comparator = _value(part, profile)
        if value is not None:
            yield Event(
                kind=measure,
                origin=origin_of(observation),
                time=effective,
                issued=issued,
                value=value,
                unit=unit,
                visit=id_of(observation.encounter),
                row=_row(observation, rows, profile),
                comparator=comparator,
            )


def condition_events(condition: Condition, profile: Profile) -> Found:
    """A coded diagnosis or problem that some comorbidity feature knows."""
    features, code = _comorbidities(condition.code, profile)
    if not features or _codes(condition.verification_status) & _DROPPED_DIAGNOSIS:
        return
    kind = _diagnosis_kind(condition, profile)
    if kind is None:
        return
    onset = condition.onset_date_time or starts(condition.onset_period)
    clinical = _codes(condition.clinical_status)
    yield Event(
        kind=kind,
        origin=origin_of(condition),
        time=profile.when(condition.recorded_date or onset),
        ended=profile.when(condition.abatement_date_time or ends(condition.abatement_period)),
        value=code,
        features=features,
        visit=id_of(condition.encounter),
        current=not clinical or bool(clinical & _CURRENT),
    )


def procedure_events(procedure: Procedure, profile: Profile) -> Found:
    """A completed procedure; `features` says whether it is on the site's list: `procedure_any`,
    `procedure_none`, or nothing where its code system is unknown."""
    if procedure.status != "completed":
        return
    codings = procedure.code.codings if procedure.code else ()
    listed = [c for c in codings if profile.is_procedure(c.system or "", c.code or "")]
    told = any(profile.lists_procedures(c.system or "") for c in codings)
    if any(
        (coding.system or "", coding.code or "") in profile.row_procedures for coding in codings
    ):
        return
    yield Event(
        kind="procedure",
        origin=origin_of(procedure),
        time=profile.when(procedure.performed_date_time or starts(procedure.performed_period)),
        value=listed[0].code if listed else None,
        features=frozenset(("procedure_any",) if listed else ("procedure_none",) if told else ()),
        visit=id_of(procedure.encounter),
    )


def coverage_events(coverage: Coverage, profile: Profile) -> Found:
    """An active payer with the time it covers."""
    payer = payer_of(coverage)
    if coverage.status in ("cancelled", "draft", "entered-in-error") or payer is None:
        return
    yield Event(
        kind="payer",
        origin=origin_of(coverage),
        time=profile.when(starts(coverage.period)),
        ended=profile.when(ends(coverage.period)),
        value=payer,
    )


def icd_features(version: str, code: str) -> frozenset[str]:
    """The comorbidity features that a code of `icd9` or `icd10` proves; none for most codes."""
    return comorbidities(version)(code) | renal_severe(version)(code)


def _measures(code: Concept | None, profile: Profile) -> set[str]:
    known = profile.measures
    return {
        measure
        for coding in (code and code.coding) or ()
        if (measure := known.get((coding.system or "", coding.code or "")))
    }


def _value(
    part: Observation | Component, profile: Profile
) -> tuple[float | str | None, str | None, str]:
    """Value and unit as received; the unit as a UCUM code where the profile knows the spelling."""
    quantity = part.value_quantity
    if quantity is not None:
        return quantity.value, _unit(quantity, profile), quantity.comparator or ""
    if part.value_integer is not None:
        return part.value_integer, None, ""
    if isinstance(part, Observation):
        concept = part.value_codeable_concept
        return part.value_string or (concept and _words(concept)) or None, None, ""
    return None, None, ""


def _unit(quantity: Quantity, profile: Profile) -> str | None:
    spelling = quantity.code or quantity.unit
    return profile.unit(spelling) if spelling else None


def _words(concept: Concept) -> str:
    codes = [coding.code for coding in concept.codings if coding.code in ESI_ANSWERS]
    if codes:
        return str(codes[0])
    return concept.text or "; ".join(c.display or c.code or "" for c in concept.codings)


def _effective(observation: Observation, profile: Profile) -> When | None:
    """A value over a period is known at its end."""
    return profile.when(
        observation.effective_date_time
        or observation.effective_instant
        or ends(observation.effective_period)
        or starts(observation.effective_period),
    )


def _row(observation: Observation, rows: Rows, profile: Profile) -> Row:
    if not profile.row_procedures:
        return ""
    kinds = [rows.get(id_of(reference)) for reference in observation.part_of or ()]
    return next((kind for kind in kinds if kind), "unknown")


def _comorbidities(code: Concept | None, profile: Profile) -> tuple[frozenset[str], str]:
    """The features a diagnosis proves, and the code that proves them."""
    features: set[str] = set()
    proof = ""
    for coding in code.codings if code else ():
        found = _features(coding.system or "", coding.code or "", profile)
        proof = proof or (found and coding.code) or ""
        features |= found
    return frozenset(features), proof


def _features(system: str, code: str, profile: Profile) -> frozenset[str]:
    version = profile.icd_version.get(system)
    if system == SNOMED:
        version, code = "icd10", snomed_to_icd10().get(code, "")
    return icd_features(version, code) if version and code else frozenset()


def _diagnosis_kind(condition: Condition, profile: Profile) -> str | None:
    categories = {c for concept in condition.category or () for c in _codes(concept)}
    if "problem-list-item" in categories:
        return "problem"
    if "encounter-diagnosis" in categories:
        return "diagnosis"
    if categories:
        return None
    uncategorised_is_problem = profile.diagnosis["uncategorised_is_problem"]
    return "diagnosis" if condition.encounter and not uncategorised_is_problem else "problem"


def _codes(concept: Concept | None) -> set[str]:
    return {coding.code for coding in concept.codings if coding.code} if concept else set()
