"""A typed record as of a moment: what began later is cut off, what ended later is open again."""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from fhir_mapping.elements import Coding, Concept, Period, ends, starts
from fhir_mapping.history import IndexStay
from fhir_mapping.profiles import Profile
from fhir_mapping.resources import (
    AnyResource,
    Condition,
    Coverage,
    Encounter,
    MedicationAdministration,
    MedicationDispense,
    MedicationRequest,
    MedicationStatement,
    Observation,
    Procedure,
)
from fhir_mapping.when import When

_ACTIVE = Concept(coding=(Coding(code="active"),))


def known_at(
    resources: Iterable[AnyResource], stay: IndexStay, profile: Profile
) -> list[AnyResource]:
    """The record less every resource whose own times all lie after the prediction time; what
    ended after it was still going on then."""
    kept = (each for each in resources if not _later(each, stay, profile))
    return [_as_then(each, stay, profile) for each in kept]


def reopened(resources: Iterable[AnyResource], stay: IndexStay) -> list[AnyResource]:
    """The record with the stay in progress, as it was before anyone wrote its end."""
    return [
        _opened(each) if isinstance(each, Encounter) and each.id == stay.visit.id else each
        for each in resources
    ]


def _opened(encounter: Encounter) -> Encounter:
    return replace(encounter, status="in-progress", period=Period(start=starts(encounter.period)))


def _as_then(resource: AnyResource, stay: IndexStay, profile: Profile) -> AnyResource:
    if isinstance(resource, Encounter):
        end = profile.when(ends(resource.period))
        return resource if end is None or end.by(stay.prediction_time) else _opened(resource)
    if isinstance(resource, Condition):
        over = resource.abatement_date_time or ends(resource.abatement_period)
        end = profile.when(over)
        return resource if end is None or end.by(stay.prediction_time) else _unresolved(resource)
    return resource


def _unresolved(condition: Condition) -> Condition:
    return replace(
        condition, clinical_status=_ACTIVE, abatement_date_time=None, abatement_period=None
    )


def _later(resource: AnyResource, stay: IndexStay, profile: Profile) -> bool:
    times = list(_times(resource, profile))
    return bool(times) and not any(time.by(stay.prediction_time) for time in times)


def _times(resource: AnyResource, profile: Profile) -> Iterator[When]:
    for text in _written(resource):
        time = profile.when(text)
        if time:
            yield time


def _written(resource: AnyResource) -> tuple[str | None, ...]:  # noqa: C901 - one line for each type
    match resource:
        case Encounter():
            return starts(resource.period), ends(resource.period)
        case Observation():
            return _observed(resource)
        case Condition():
            return _diagnosed(resource)
        case Procedure():
            return resource.performed_date_time, *_edges(resource.performed_period)
        case Coverage():
            return _edges(resource.period)
        case MedicationRequest():
            return (resource.authored_on,)
        case MedicationStatement():
            return (
                resource.date_asserted,
                resource.effective_date_time,
                *_edges(resource.effective_period),
            )
        case MedicationAdministration():
            return resource.effective_date_time, *_edges(resource.effective_period)
        case MedicationDispense():
            return resource.when_prepared, resource.when_handed_over
    return ()


def _observed(resource: Observation) -> tuple[str | None, ...]:
    return (
        resource.effective_date_time,
        resource.effective_instant,
        *_edges(resource.effective_period),
        resource.issued,
    )


def _diagnosed(resource: Condition) -> tuple[str | None, ...]:
    return (
        resource.recorded_date,
        resource.onset_date_time,
        *_edges(resource.onset_period),
        resource.abatement_date_time,
        *_edges(resource.abatement_period),
    )


def _edges(period: Period | None) -> tuple[str | None, str | None]:
    return starts(period), ends(period)
