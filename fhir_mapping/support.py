"""Resources that belong to no patient: of many, those that one patient's record refers to. Pure."""

from collections.abc import Iterable, Iterator

from fhir_mapping.elements import Reference
from fhir_mapping.encounters import by_reference
from fhir_mapping.resources import (
    AnyResource,
    Encounter,
    Location,
    Medication,
    MedicationUse,
    id_of,
)


class Support:
    """The Locations and Medications of a whole export."""

    def __init__(self, resources: Iterable[AnyResource]) -> None:
        """Where a resource comes twice, every version of it is kept: who reads takes the newest."""
        self._known: dict[str, list[Location | Medication]] = {}
        for each in resources:
            if isinstance(each, Location | Medication):
                for name in _names(each):
                    self._known.setdefault(name, []).append(each)

    def of(self, record: Iterable[AnyResource]) -> list[AnyResource]:
        """What the record refers to, each once."""
        names = {id_of(each) for resource in record for each in references_of(resource)}
        found = {id(each): each for name in sorted(names) for each in self._known.get(name, ())}
        return list(found.values())


def _names(support: Location | Medication) -> set[str]:
    """By id; a Location by `system|value` of its identifiers too."""
    return set(by_reference([support])) if isinstance(support, Location) else {support.id}


def references_of(resource: AnyResource) -> Iterator[Reference | None]:
    """What a resource of a patient refers to that is no patient's."""
    if isinstance(resource, Encounter):
        yield from (each.location for each in resource.location or ())
    elif isinstance(resource, MedicationUse):
        yield resource.medication_reference
