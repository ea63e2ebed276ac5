"""Who is in which bed, as the FHIR server says it now: stays by id, with patient and places. No network.

A stay whose patient is another than the stored one is not believed. What did not come is None, and
the list says that it was not read.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from cds_service.answers import Fetched
from cds_service.fhir_elements import is_id
from cds_service.searchsets import open_searchset
from cds_service.smart.view.banner import IN_USE
from cds_service.smart.view.stored import printable

CHUNK: Final = 50
_BEDS: Final = frozenset(("bd", "ro"))
_GONE: Final = frozenset(("completed", "planned"))
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Stay:
    """What identifies a stay to a person. `status`: of the Encounter; `ended`: its end as written."""

    patient_id: str
    name: str | None
    born: str | None
    unit: str | None
    bed: str | None
    status: str | None
    ended: str | None


def queries(encounter_ids: Iterable[str], granted: Collection[str]) -> list[str]:
    """The searches that ask for these stays, in chunks; none without access to Encounter."""
    if "Encounter" not in granted:
        return []
    asked = [each for each in dict.fromkeys(encounter_ids) if is_id(each)]
    includes = "".join(
        f"&_include=Encounter:{name}"
        for name, kind in (("patient", "Patient"), ("location", "Location"))
        if kind in granted
    )
    chunks = [asked[start : start + CHUNK] for start in range(0, len(asked), CHUNK)]
    return [f"Encounter?_id={','.join(each)}&_count={CHUNK}{includes}" for each in chunks]


def stays_in(answers: Iterable[Fetched]) -> dict[str, Stay]:
    """By the id of the stay, what came. Anything that has another form than FHIR's is left out."""
    found = list(_resources(answers))
    by_name = {f"{each['resourceType']}/{each['id']}": each for each in found}
    stays = (each for each in found if each["resourceType"] == "Encounter")
    return {str(each["id"]): _stay(each, by_name) for each in stays}


def _resources(answers: Iterable[Fetched]) -> Iterator[Json]:
    for page in (page for each in answers for page in each.pages):
        opened = open_searchset(page)
        for _, raw in opened.resources if opened else ():
            try:
                resource = msgspec.json.decode(raw)
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                continue
            if isinstance(resource, dict) and {"resourceType", "id"} <= resource.keys():
                yield resource


def _stay(encounter: Json, by_name: Mapping[str, Json]) -> Stay:
    patient_id = _local(encounter.get("subject"), "Patient")
    patient = by_name.get(f"Patient/{patient_id}", {})
    unit, bed = _places(encounter, by_name)
    return Stay(
        patient_id=patient_id,
        name=next(_names(patient), None),
        born=_text(patient.get("birthDate")),
        unit=unit,
        bed=bed,
        status=_text(encounter.get("status")),
        ended=_text(_object(encounter.get("period")).get("end")),
    )


def _places(encounter: Json, by_name: Mapping[str, Json]) -> tuple[str | None, str | None]:
    """Unit and bed, of the places where the patient is, or was last."""
    listed = [each for each in _list(encounter.get("location")) if isinstance(each, dict)]
    current = [each for each in listed if each.get("status") not in _GONE] or listed[-1:]
    units: list[str] = []
    beds: list[str] = []
    for each in current:
        location = by_name.get(f"Location/{_local(each.get('location'), 'Location')}", {})
        named = _display(each.get("location")) or _text(location.get("name"))
        if named:
            (beds if _is_bed(each, location) else units).append(named)
        within = _display(location.get("partOf"))
        if within and _is_bed(each, location):
            units.append(within)
    return (units[-1] if units else None), (beds[-1] if beds else None)


def _is_bed(place: Json, location: Json) -> bool:
    concepts = (_object(each.get("physicalType")) for each in (place, location))
    codings = (each for concept in concepts for each in _list(concept.get("coding")))
    return any(_object(each).get("code") in _BEDS for each in codings)


def _names(patient: Json) -> Iterator[str]:
    """The name in use first; family name, then given names, as lists are read."""
    listed = [_object(each) for each in _list(patient.get("name"))]
    for each in sorted(listed, key=lambda name: name.get("use") not in IN_USE):
        given = " ".join(str(part) for part in _list(each.get("given")) if part)
        said = ", ".join(str(part) for part in (each.get("family"), given) if part)
        text = _text(said or each.get("text"))
        if text:
            yield text


def _local(reference: object, kind: str) -> str:
    """The id in a reference to that type, relative or absolute; empty where it is none."""
    said = _object(reference).get("reference")
    before, _, name = said.rpartition("/") if isinstance(said, str) else ("", "", "")
    return name if before.rpartition("/")[2] == kind else ""


def _display(reference: object) -> str | None:
    return _text(_object(reference).get("display"))


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _text(value: object) -> str | None:
    return printable(value).strip() or None if isinstance(value, str) else None
