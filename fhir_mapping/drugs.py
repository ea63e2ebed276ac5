"""Medication resources into events: drugs given in the ED, drugs taken at home.

Drugs are told apart by name, not by code: one dispense may spread over several codes.
"""

from collections.abc import Iterable, Iterator, Mapping

from fhir_mapping.elements import Concept, Reference, ends, starts
from fhir_mapping.encounters import origin_of
from fhir_mapping.history import DataIssue, Event
from fhir_mapping.profiles import Profile
from fhir_mapping.resources import (
    Medication,
    MedicationAdministration,
    MedicationDispense,
    MedicationRequest,
    MedicationStatement,
    MedicationUse,
    decode_contained_medication,
    id_of,
)

_NOT_GIVEN = frozenset(
    ("entered-in-error", "not-done", "cancelled", "declined", "preparation", "draft")
)
_AT_HOME = frozenset(("active", "completed", "unknown"))
_NAME_SYSTEM = "medication-name"

Medications = Mapping[str, Medication]
Found = Iterator[Event | DataIssue]


def by_id(medications: Iterable[Medication]) -> Medications:
    """Medication id -> Medication, for references."""
    return {medication.id: medication for medication in medications}


def drug_events(use: MedicationUse, medications: Medications, profile: Profile) -> Found:
    """One event for a drug that was given or is taken at home; none for what was not."""
    if isinstance(use, MedicationRequest):
        event = _request(use, medications, profile)
    elif isinstance(use, MedicationStatement):
        event = _statement(use, medications, profile)
    else:
        event = _given(use, medications, profile)
    if event and not event.name:
        yield DataIssue("drug_without_name", use.type)
    elif event:
        yield event


def _request(request: MedicationRequest, known: Medications, profile: Profile) -> Event | None:
    """A standing order: what the patient takes at home, unless it was written for the ward."""
    wanted = request.intent in ("order", "plan") and request.status == "active"
    if not wanted or _for_the_ward(request):
        return None
    return Event(
        kind="home_drug",
        origin=origin_of(request),
        time=profile.when(request.authored_on),
        name=_name(request, known),
        visit="" if request.reported_boolean else id_of(request.encounter),
    )


def _for_the_ward(request: MedicationRequest) -> bool:
    return any(
        coding.code == "inpatient"
        for concept in request.category or ()
        for coding in concept.codings
    )


def _statement(
    statement: MedicationStatement, known: Medications, profile: Profile
) -> Event | None:
    if statement.status not in _AT_HOME:
        return None
    period = statement.effective_period
    return Event(
        kind="home_list",
        origin=origin_of(statement),
        time=profile.when(
            statement.date_asserted or statement.effective_date_time or starts(period),
        ),
        ended=profile.when(ends(period)),
        name=_name(statement, known),
        visit=id_of(statement.context),
    )


def _given(
    use: MedicationAdministration | MedicationDispense, known: Medications, profile: Profile
) -> Event | None:
    if use.status in _NOT_GIVEN:
        return None
    if isinstance(use, MedicationDispense):
        time = use.when_handed_over or use.when_prepared
    else:
        time = use.effective_date_time or starts(use.effective_period)
    return Event(
        kind="ed_drug",
        origin=origin_of(use),
        time=profile.when(time),
        name=_name(use, known),
        visit=id_of(use.context),
    )


def _name(use: MedicationUse, known: Medications) -> str:
    concept = use.medication_codeable_concept
    if concept is not None:
        return plain_name(_concept_name(concept))
    reference = use.medication_reference
    if reference is None:
        return ""
    medication = _referenced(use, reference, known)
    name = _medication_name(medication, known) if medication else ""
    local = (reference.reference or "").startswith("#")  # names nothing outside its resource
    return plain_name(name or reference.display or ("" if local else id_of(reference)))


def _referenced(use: MedicationUse, reference: Reference, known: Medications) -> Medication | None:
    text = reference.reference or ""
    if not text.startswith("#"):
        return known.get(id_of(reference))
    contained = filter(None, map(decode_contained_medication, use.contained or ()))
    return next((each for each in contained if each.id.lstrip("#") == text[1:]), None)


def _medication_name(medication: Medication, known: Medications) -> str:
    for identifier in medication.identifier or ():
        if (identifier.system or "").endswith(_NAME_SYSTEM):
            return identifier.value or ""
    if medication.code:
        return _concept_name(medication.code)
    parts = [
        _ingredient_name(each.item_codeable_concept, each.item_reference, known)
        for each in medication.ingredient or ()
    ]
    return " + ".join(sorted(filter(None, parts)))


def _ingredient_name(
    concept: Concept | None, reference: Reference | None, known: Medications
) -> str:
    if concept:
        return _concept_name(concept)
    medication = known.get(id_of(reference))
    return _concept_name(medication.code) if medication and medication.code else id_of(reference)


def _concept_name(concept: Concept) -> str:
    codings = concept.codings
    displays = (coding.display for coding in codings if coding.display)
    codes = (coding.code for coding in codings if coding.code)
    return concept.text or next(displays, "") or next(codes, "")


def plain_name(name: str) -> str:
    """A drug's name as it is counted: lower case, single blanks."""
    return " ".join(name.lower().split())
