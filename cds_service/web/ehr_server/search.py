"""FHIR R4 search and read over a list of resources. Pure; only the parameters that we ask with.

FHIR R4, Search: values of one parameter joined by commas are alternatives, repeated parameters all
hold. A parameter that is not known is refused: ignored, it would find more than was asked for.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

Json = dict[str, Any]
Asked = Mapping[str, Sequence[str]]

_PATIENT: Final = ("subject", "patient", "beneficiary")
_ENCOUNTER: Final = ("encounter", "context")
_DATES: Final = (
    "effectiveDateTime", "effectivePeriod", "period", "performedDateTime", "performedPeriod",
    "recordedDate", "authoredOn", "whenHandedOver", "date",
)  # fmt: skip
_INCLUDED: Final = {
    "location": "location",
    "medication": "medicationReference",
    "patient": "subject",
}
_USUAL_COUNT: Final = 1000


class UnsupportedSearchError(Exception):
    """A parameter that this server does not know, by its name."""


def searchset(
    resources: Sequence[Json], kind: str, asked: Asked, base: str, *, patient: str | None = None
) -> Json:
    """The page of a searchset Bundle that `asked` names. `patient`: nobody else's is found.

    Raises UnsupportedSearchError.
    """
    found = [each for each in resources if each["resourceType"] == kind and of(each, patient)]
    for name, values in asked.items():
        if name not in _MODIFIERS:
            test = _test(name)
            found = [each for each in found if all(test(each, value) for value in values)]
    found = _sorted(found, asked.get("_sort", [""])[0])
    start, count = _number(asked, "_offset", 0), _number(asked, "_count", _USUAL_COUNT)
    page = found[start : start + count]
    included = _included(resources, page, asked.get("_include", ()))
    entries = [*_entries(page, "match", base), *_entries(included, "include", base)]
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
    if start + count < len(found):
        following = {**asked, "_offset": [str(start + count)]}
        address = f"{base}/{kind}?{urlencode(following, doseq=True)}"
        bundle["link"] = [{"relation": "next", "url": address}]
    return {**bundle, "entry": entries} if entries else bundle


def read(resources: Iterable[Json], kind: str, name: str) -> Json | None:
    """The resource of that type and id."""
    wanted = (kind, name)
    return next((each for each in resources if (each["resourceType"], each["id"]) == wanted), None)


def of(resource: Json, patient: str | None) -> bool:
    """Whether a resource may be seen by one who may see this patient; None: everybody."""
    owner = patient_of(resource)
    return patient is None or owner is None or owner == patient


def patient_of(resource: Json) -> str | None:
    """The id of the patient whose it is; None of what is nobody's, such as a location."""
    if resource["resourceType"] == "Patient":
        return str(resource["id"])
    references = (resource.get(name, {}).get("reference", "") for name in _PATIENT)
    return next((_id(each) for each in references if each.startswith("Patient/")), None)


def _id(reference: str) -> str:
    return reference.rpartition("/")[2]


def _test(name: str) -> Callable[[Json, str], bool]:
    if name not in _TESTS:
        raise UnsupportedSearchError(name)
    test = _TESTS[name]
    return lambda resource, value: any(test(resource, each) for each in value.split(","))


def _is_of_patient(resource: Json, value: str) -> bool:
    return patient_of(resource) == _id(value)


def _is_of_encounter(resource: Json, value: str) -> bool:
    references = (resource.get(name, {}).get("reference", "") for name in _ENCOUNTER)
    return any(each and _id(each) == _id(value) for each in references)


def _has_token(element: str) -> Callable[[Json, str], bool]:
    """token search: `system|code`, or the code alone."""

    def test(resource: Json, value: str) -> bool:
        system, bar, code = value.rpartition("|")
        return any(
            each.get("code") == code and (not bar or each.get("system", "") == system)
            for each in _codings(resource.get(element))
        )

    return test


def _codings(element: Any) -> Iterator[Json]:
    """The codings of a Coding, a CodeableConcept, a code, or a list of these."""
    if isinstance(element, list):
        for each in element:
            yield from _codings(each)
    elif isinstance(element, str):
        yield {"code": element}
    elif isinstance(element, dict):
        yield from element.get("coding") or [element]


def _is_of_date(resource: Json, value: str) -> bool:
    start, end = dates(resource)
    bound, day = (value[:2], value[2:12]) if value[:2].isalpha() else ("eq", value[:10])
    latest = end[:10] or "9999"
    return bool(start) and {
        "ge": latest >= day,
        "gt": latest > day,
        "le": start[:10] <= day,
        "lt": start[:10] < day,
        "eq": start[:10] == day,
    }.get(bound, False)


def dates(resource: Json) -> tuple[str, str]:
    """When a resource begins and ends, as written; an instant does both. Empty: not known."""
    value = next((resource[name] for name in _DATES if name in resource), "")
    if isinstance(value, dict):
        return value.get("start", ""), value.get("end", "")
    return value, value


def _sorted(found: list[Json], by: str) -> list[Json]:
    """By date, whatever name the type gives it: nothing else is asked for."""
    if not by:
        return found
    return sorted(found, key=lambda each: dates(each)[0], reverse=by.startswith("-"))


def _number(asked: Asked, name: str, default: int) -> int:
    text = asked.get(name, [""])[0]
    return int(text) if text.isdecimal() else default


def _included(
    resources: Sequence[Json], page: Sequence[Json], includes: Iterable[str]
) -> list[Json]:
    elements = [_INCLUDED.get(each.split(":")[1]) for each in includes if ":" in each]
    wanted = {
        reference
        for each in page
        for element in elements
        if element
        for reference in _references(each.get(element))
    }
    return [each for each in resources if f"{each['resourceType']}/{each['id']}" in wanted]


def _references(element: Any) -> Iterator[str]:
    """Of a reference, or of a list of elements with a `location`."""
    if isinstance(element, list):
        for each in element:
            yield from _references(each.get("location"))
    elif isinstance(element, dict) and "reference" in element:
        yield element["reference"]


def _entries(resources: Iterable[Json], mode: str, base: str) -> Iterator[Json]:
    for each in resources:
        address = f"{base}/{each['resourceType']}/{each['id']}"
        yield {"fullUrl": address, "resource": each, "search": {"mode": mode}}


_MODIFIERS: Final = frozenset(("_sort", "_count", "_offset", "_include", "_format"))
_TESTS: Final[Mapping[str, Callable[[Json, str], bool]]] = {
    "_id": lambda resource, value: bool(resource["id"] == value),
    "patient": _is_of_patient,
    "subject": _is_of_patient,
    "encounter": _is_of_encounter,
    "code": _has_token("code"),
    "category": _has_token("category"),
    "status": _has_token("status"),
    "class": _has_token("class"),
    "date": _is_of_date,
}
