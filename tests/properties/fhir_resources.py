"""FHIR-shaped resources and whole hook requests by a seed: every field that is read, filled with
values right and odd, in any number, unicode and nesting included; then damaged in places."""

import json
from typing import Any, get_args

from hypothesis import strategies as st
from msgspec import inspect

from fhir_mapping.prefetch import PREFETCH
from fhir_mapping.resources import AnyResource
from tests.properties.chance import Chance
from tests.properties.clinical import SPANS
from tests.properties.damage import spliced, spoil
from tests.properties.records import PATIENT, SEEDS, Resource, record

_TYPES: dict[str, inspect.StructType] = {
    kind.__name__: inspect.type_info(kind)  # type: ignore[misc]
    for kind in get_args(AnyResource)
}
_DEEPEST = 6
_DEEP = "@deep"
_NUMBERS: tuple[Any, ...] = (0, -1, 7.25, 131, 1e-9, 1e308, -1e308, 2**63, 10**400, True, "7", None)
_REFERENCES = (
    "Patient/p",
    "Patient/p/_history/3",
    "https://ehr.example/fhir/Patient/p",
    "Patient/somebody-else",
    "Patient/",
    "/",
    "#",
    "#contained",
    "Encounter/stay",
    "Encounter/stay/Patient/p",
    "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    "Location/icu",
    "Group/p",
    "Patient?identifier=1|2",
)
_SYSTEMS = (
    "http://loinc.org",
    "http://snomed.info/sct",
    "http://hl7.org/fhir/sid/icd-10-cm",
    "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    "http://unitsofmeasure.org",
    "",
    "urn:oid:2.16.840.1.113883.6.96",
)
_CODES = (
    "718-7",
    "2951-2",
    "8867-4",
    "I50.9",
    "i509",
    "C50",
    "IMP",
    "EMER",
    "finished",
    "in-progress",
    "active",
    "mg/dL",
    "{beats}/min",
    "10*3/uL",
    "",
    "²",
)
_TEXTS = (
    "",
    " ",
    "Fever, cough - Brustschmerz",
    "٣٧ °C",
    "\u202egnp.exe",
    "\u0000",
    "e\u0301\u200b\ufeff",
    "\U0001f469\u200d\U0001f467 \U0001d4b3",
    "\ud83d",
    "<b>|`[x](y)`</b>",
    "word " * 400,
    "{{context.patientId}}",
)
_TIMED = ("date", "time", "start", "end", "issued", "updated", "on", "over", "prepared")


def hook_requests() -> st.SearchStrategy[bytes]:
    """Bodies of calls; the second number says in how many places one is spoilt."""
    return st.builds(hook_request, SEEDS, st.integers(0, 20))


def hook_request(seed: int, places: int) -> bytes:
    """The body of one call, mostly about the patient `p` and the encounter `stay`."""
    chance = Chance(("request", seed))
    found = [*record(seed, chance.number(0, 12)).resources]
    found += [shaped(chance) for _ in range(chance.number(1, 6))]
    found = json.loads(json.dumps(found))  # they share parts; what is spoilt is one's own
    for _ in range(places):
        spoil(chance.one(found[2:]), chance)  # the patient and the stay come first
    sent = _prefetch(chance, found)
    if chance.once_in(8):
        spoil(sent, chance)
    request: dict[str, Any] = {
        "hook": "patient-view" if chance.once_in(4) else "encounter-discharge",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/d1", "patientId": "p", "encounterId": "stay"},
        "prefetch": sent,
    }
    if chance.once_in(30):
        spoil(request, chance)
    nested = _nested(4000 if chance.once_in(40) else 50)
    raw = json.dumps(request).encode().replace(b'"@deep"', nested)
    return spliced(raw, chance) if chance.once_in(20) else raw


def _nested(levels: int) -> bytes:
    return b'{"extension":[' * levels + b"1" + b"]}" * levels


def shaped(chance: Chance) -> Resource:
    """A resource of a type that is read: any of its fields, of the right type or not quite."""
    name = chance.one(tuple(_TYPES))
    resource = _members(chance, _TYPES[name], 0)
    for who in ("subject", "beneficiary"):
        if who in resource and not chance.once_in(8):
            resource[who] = PATIENT
    return {"resourceType": name} | resource


def _value(chance: Chance, kind: Any, name: str, depth: int) -> Any:
    if depth > _DEEPEST or chance.once_in(40):
        return chance.one((None, [], {}, [None], _DEEP, 5, "x"))
    match kind:
        case inspect.UnionType(types=types):
            given = [each for each in types if not isinstance(each, inspect.NoneType)]
            return _value(chance, chance.one(given), name, depth)
        case inspect.StructType():
            return _members(chance, kind, depth)
        case inspect.VarTupleType(item_type=item):
            return [_value(chance, item, name, depth + 1) for _ in range(chance.number(0, 2))]
        case inspect.StrType():
            return _text(chance, name)
        case inspect.BoolType():
            return chance.once_in(2)
        case inspect.AnyType():
            return shaped(chance)
    return chance.one(_NUMBERS)


def _members(chance: Chance, kind: inspect.StructType, depth: int) -> Resource:
    kept = [each for each in kind.fields if chance.once_in(2)]
    return {e.encode_name: _value(chance, e.type, e.encode_name, depth + 1) for e in kept}


def _text(chance: Chance, name: str) -> str:
    if chance.once_in(12):
        return chance.one(_TEXTS)
    if name == "reference":
        return chance.one(_REFERENCES)
    if name == "system":
        return chance.one(_SYSTEMS)
    if name.lower().endswith(_TIMED):
        return chance.written(chance.one(SPANS))
    return chance.one(_CODES)


def _prefetch(chance: Chance, found: list[Resource]) -> dict[str, Any]:
    """Each resource under the key that asks for it, as clients answer: well, oddly or not at all."""
    sent: dict[str, Any] = {}
    for template in PREFETCH:
        kind = template.resource_type
        matches = [each for each in found if each.get("resourceType") == kind]
        if template.count is None:
            sent[template.key] = matches[0] if matches else None
        elif not chance.once_in(8):
            sent[template.key] = _searchset(chance, matches)
    odd = chance.one(PREFETCH).key
    if chance.once_in(6):
        failed = {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}
        sent[odd] = chance.one((None, failed, "<html>", [], {"resourceType": "Bundle"}, _DEEP))
    return sent


def _searchset(chance: Chance, matches: list[Resource]) -> Resource:
    modes: tuple[Any, ...] = ("match",) * 30 + ("include", "outcome", "", None)
    modes += (3,) if chance.once_in(40) else ()
    entries = [{"resource": each, "search": {"mode": chance.one(modes)}} for each in matches]
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
    if chance.once_in(20):
        bundle["total"] = chance.one((0, len(entries), 10**30, -1, "3", None))
    if chance.once_in(8):
        bundle["link"] = [{"relation": chance.one(("next", "NEXT", "self", None)), "url": "?p=2"}]
    return bundle
