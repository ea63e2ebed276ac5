"""Gather one patient's resources from what the client sent and what its FHIR server gave. Pure.

What a value in `prefetch` says (CDS Hooks 2.0, Prefetch Template), and what is fetched where the
request names a FHIR server that the site allows (cds_service/fetching.py):

| value | what we make of it | from the server |
|---|---|---|
| key absent | `not_read` | the template's query |
| `null` | read, nothing there | nothing |
| Bundle without entry | read, nothing there | nothing |
| OperationOutcome | `not_read`: the client ran it and failed | nothing |
| Bundle with a `next` link | `partial` | the pages from that link on |
| a full page, or fewer matches than its total | `partial` | the query again, to its end |
| entry with search mode `outcome` | no resource; where it reports an error: `partial` | nothing |
| entry with search mode `include` | support (Encounter, Location, Medication), never a match | |
| wrong type, HTML, another resource | DataMissingError, naming the key | |
| a resource about another patient | WrongPatientError: a hard stop, by whichever way it came | |

A client that answers no key at all is the first row for every key. A required resource that came
in no way is a DataMissingError. Observations are asked of the server by date, not by their newest
(docs/decisions/0012-fhir-server.md).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import msgspec

from cds_service.answers import RESEND, Answer, Fetched, answer_of
from cds_service.errors import DataMissingError
from fhir_mapping.history import DataIssue, Source, tally
from fhir_mapping.prefetch import OBSERVATIONS, PREFETCH, VITALS, Template
from fhir_mapping.readings import STAY_VITALS
from fhir_mapping.resources import AnyResource

NOTHING_FETCHED: Final[Mapping[str, Fetched]] = MappingProxyType({})
_SEARCHED: Final = frozenset(each.resource_type for each in PREFETCH if each.count is not None)
_REQUIRED: Final = "Send it in prefetch, or name a fhirServer that this site allows, with a token that may read it."


@dataclass(frozen=True)
class Gathered:
    """What was read about one patient: typed resources, and how much of each type was read."""

    resources: tuple[AnyResource, ...]
    sources: Mapping[str, Source]
    issues: tuple[DataIssue, ...]

    def has(self, resource_type: str, resource_id: str) -> bool:
        """Whether that very resource is among them."""
        return any(r.id == resource_id and r.type == resource_type for r in self.resources)


def gather(
    prefetch: Mapping[str, msgspec.Raw],
    patient_id: str,
    *,
    encounter_id: str | None,
    asked: Iterable[Template] = PREFETCH,
    fetched: Mapping[str, Fetched] = NOTHING_FETCHED,
) -> Gathered:
    """Read every key that was asked for, and no other. Raises DataMissingError or WrongPatientError.

    Without `encounter_id` the stay is looked for among all encounters, so these are required.
    """
    answers = {
        each.key: answer_of(each, prefetch.get(each.key), fetched.get(each.key), patient_id)
        for each in asked
    }
    if fetched.get("encounters") and _misses_the_stay(answers):
        answers["encounters"] = _doubted(answers["encounters"])
    patched = _patched(answers)
    if not patched:
        answers.pop(VITALS, None)
    gathered = Gathered(
        resources=tuple(_once(answers)),
        sources=_sources(answers) | (dict(_PATCHED) if patched else {}),
        issues=tally(issue for answer in answers.values() for issue in answer.issues),
    )
    _require("Patient", patient_id, gathered, answers["patient"])
    if encounter_id is None:
        _require("Encounter", "", gathered, answers["encounters"])
    else:
        _require("Encounter", encounter_id, gathered, answers["encounter"])
        _check_index(answers["encounter"], encounter_id)
    return gathered


def _misses_the_stay(answers: Mapping[str, Answer]) -> bool:
    """Whether a search does not find the very stay that can be read by its id.

    Then what else it does not find is no finding. A client that sends an empty answer is believed:
    that is how CDS Hooks says that there is nothing.
    """
    by_id, search = answers["encounter"], answers["encounters"]
    found = {each.id for each in search.resources}
    return search.source == "read" and any(each.id not in found for each in by_id.resources)


def _doubted(answer: Answer) -> Answer:
    missed = DataIssue("stay_not_found_by_search", answer.template.resource_type)
    return replace(answer, source="partial", issues=(*answer.issues, missed))


_PATCHED: Final[Mapping[str, Source]] = MappingProxyType(
    {"Observation": "partial", STAY_VITALS: "read"}
)


def _patched(answers: Mapping[str, Answer]) -> bool:
    """Whether the stay's own vital signs count: they are whole, where the observations are not.

    Else they only repeat, or would leave a gap that nobody sees between them and the newest.
    """
    of_stay = answers.get(VITALS)
    if of_stay is None or answers[OBSERVATIONS].source == "read":
        return False
    return of_stay.source == "read" and bool(of_stay.resources)


def _once(answers: Mapping[str, Answer]) -> Iterator[AnyResource]:
    """The stay as read by its id is the one that counts, whatever a search says of it."""
    by_id = answers["encounter"].resources
    read = {(type(each), each.id) for each in by_id}
    yield from by_id
    for answer in answers.values():
        yield from [each for each in answer.resources if (type(each), each.id) not in read]


def _sources(answers: Mapping[str, Answer]) -> dict[str, Source]:
    """By resource type. A single resource read by id is no look-back: its type's search decides."""
    return {
        answer.template.resource_type: answer.source
        for answer in answers.values()
        if answer.template.count is not None or answer.template.resource_type not in _SEARCHED
    }


def _require(kind: str, resource_id: str, gathered: Gathered, answer: Answer) -> None:
    if answer.source == "not_read" and not gathered.has(kind, resource_id):
        what = f"the {kind} was not sent, or an error was sent in its place."
        if answer.trouble:
            what = (
                f"the {kind} was not sent, and the FHIR server did not give it ({answer.trouble})."
            )
        raise DataMissingError(f"prefetch.{answer.template.key}", what, _REQUIRED)


def _check_index(answer: Answer, encounter_id: str) -> None:
    if any(resource.id != encounter_id for resource in answer.resources):
        what = "another Encounter than context.encounterId names."
        raise DataMissingError(f"prefetch.{answer.template.key}", what, RESEND)
