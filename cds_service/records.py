"""Gather one patient's resources from what the client sent. Pure; of FHIR it knows only whose a
resource is and whether all that was asked for was sent.

What a value in `prefetch` says (CDS Hooks 2.0, Prefetch Template):

| value | what we make of it |
|---|---|
| key absent | `not_read`; of a required resource that came by no other key: DataMissingError |
| `null` | read, nothing there |
| Bundle without entry | read, nothing there |
| OperationOutcome | `not_read`, as if the key were absent |
| Bundle with a `next` link, a full page, or fewer matches than its total | `partial` |
| entry with search mode `outcome` | no resource; where it reports an error: `partial` |
| entry with search mode `include` | support (Encounter, Location, Medication), never a match |
| wrong type, HTML, another resource | DataMissingError, naming the key |
| a resource about another patient | WrongPatientError: a hard stop, by whichever key it came |

A client that answers no key at all is the first row for every key.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from cds_service.errors import DataMissingError, WrongPatientError
from cds_service.searchsets import open_searchset
from fhir_mapping.history import DataIssue, Source, tally
from fhir_mapping.prefetch import PREFETCH, Template
from fhir_mapping.resources import (
    PATIENT_BOUND,
    AnyResource,
    decode,
    type_of,
)
from fhir_mapping.subjects import subject_of, subject_of_malformed

_SUPPORT: Final = frozenset(("Encounter", "Location", "Medication"))
_SEARCHED: Final = frozenset(each.resource_type for each in PREFETCH if each.count is not None)
_RESEND: Final = "Send what the prefetch template of this key asks for, or leave the key out."
_REQUIRED: Final = "Send it in prefetch: this service reads no FHIR server."


@dataclass(frozen=True)
class Gathered:
    """What was sent about one patient: typed resources, and how much of each type was read."""

    resources: tuple[AnyResource, ...]
    sources: Mapping[str, Source]
    issues: tuple[DataIssue, ...]

    def has(self, resource_type: str, resource_id: str) -> bool:
        """Whether that very resource is among them."""
        return any(r.id == resource_id and r.type == resource_type for r in self.resources)


@dataclass(frozen=True)
class _Answer:
    """What one key gave."""

    template: Template
    source: Source
    resources: tuple[AnyResource, ...] = ()
    issues: tuple[DataIssue, ...] = ()


def gather(
    prefetch: Mapping[str, msgspec.Raw],
    patient_id: str,
    *,
    encounter_id: str | None,
    asked: Iterable[Template] = PREFETCH,
) -> Gathered:
    """Read every key that was asked for, and no other. Raises DataMissingError or WrongPatientError.

    Without `encounter_id` the stay is looked for among all encounters, so these are required.
    """
    answers = {
        template.key: _answer(template, prefetch.get(template.key), patient_id)
        for template in asked
    }
    gathered = Gathered(
        resources=tuple(_once(answers)),
        sources=_sources(answers.values()),
        issues=tally(issue for answer in answers.values() for issue in answer.issues),
    )
    _require("Patient", patient_id, gathered, answers["patient"])
    if encounter_id is None:
        _require("Encounter", "", gathered, answers["encounters"])
    else:
        _require("Encounter", encounter_id, gathered, answers["encounter"])
        _check_index(answers["encounter"], encounter_id)
    return gathered


def _once(answers: Mapping[str, _Answer]) -> Iterator[AnyResource]:
    """The stay as read by its id is the one that counts, whatever a search says of it."""
    by_id = answers["encounter"].resources
    read = {(each.type, each.id) for each in by_id}
    yield from by_id
    for answer in answers.values():
        yield from (each for each in answer.resources if (each.type, each.id) not in read)


def _answer(template: Template, raw: msgspec.Raw | None, patient_id: str) -> _Answer:
    if raw is None:
        return _Answer(template, "not_read")
    if bytes(raw) == b"null":
        return _Answer(template, "read")
    match type_of(raw):
        case "OperationOutcome":
            return _Answer(template, "not_read", issues=(_issue("client_error", template),))
        case "Bundle":
            return _searched(template, raw, patient_id)
        case template.resource_type if template.count is None:
            return _single(template, raw, patient_id)
    expected = "Bundle" if template.count else template.resource_type
    raise DataMissingError(f"prefetch.{template.key}", f"neither null nor {expected}.", _RESEND)


def _single(template: Template, raw: msgspec.Raw, patient_id: str) -> _Answer:
    where = f"prefetch.{template.key}"
    resource = decode(raw)
    if resource is None or isinstance(resource, DataIssue):
        raise DataMissingError(where, f"a {template.resource_type} that cannot be read.", _RESEND)
    if not subject_of(resource):
        raise DataMissingError(where, f"a {resource.type} that does not say whose it is.", _RESEND)
    _check_patient(resource, where, patient_id)
    return _Answer(template, "read", (resource,))


def _searched(template: Template, raw: msgspec.Raw, patient_id: str) -> _Answer:
    where = f"prefetch.{template.key}"
    found = open_searchset(raw, page=template.count)
    if found is None:
        raise DataMissingError(where, "a Bundle that cannot be read.", _RESEND)
    if template.count is None and found.resources:
        raise DataMissingError(where, f"a Bundle instead of the {template.resource_type}.", _RESEND)
    kept: list[AnyResource] = []
    issues = [_issue("search_outcome", template)] * found.outcomes
    lost: tuple[DataIssue, ...] = ()
    for position, entry in found.resources:
        resource = decode(entry)
        path = f"{where}.entry[{position}].resource"
        match = None if position in found.supporting else template.resource_type
        if isinstance(resource, DataIssue) or resource is None:
            _check_subject(subject_of_malformed(entry), path, patient_id)
            lost += _lost(resource, match)
        elif problem := _problem(resource, match):
            _check_patient(resource, path, patient_id)
            lost += problem
        else:
            _check_patient(resource, path, patient_id)
            kept.append(resource)
    complete = found.complete and not lost
    return _Answer(template, "read" if complete else "partial", tuple(kept), (*issues, *lost))


def _lost(refused: DataIssue | None, match: str | None) -> tuple[DataIssue, ...]:
    """An entry that could not be used; of what was merely included only a malformed one counts."""
    if refused:
        return (refused,)
    return (DataIssue("unexpected_resource", "unknown"),) if match else ()


def _problem(resource: AnyResource, match: str | None) -> tuple[DataIssue, ...]:
    if resource.type != match and resource.type not in _SUPPORT:
        return (DataIssue("unexpected_resource", resource.type),)
    if resource.type in PATIENT_BOUND and not subject_of(resource):
        return (DataIssue("subject_missing", resource.type),)
    return ()


def _check_patient(resource: AnyResource, where: str, patient_id: str) -> None:
    if resource.type in PATIENT_BOUND:
        _check_subject(subject_of(resource), where, patient_id)


def _check_subject(subject: str, where: str, patient_id: str) -> None:
    if subject not in ("", patient_id):
        what = "this resource is about another patient than context.patientId names."
        raise WrongPatientError(
            where, what, "Send that patient's resources only; nothing was assessed."
        )


def _sources(answers: Iterable[_Answer]) -> dict[str, Source]:
    """By resource type. A single resource read by id is no look-back: its type's search decides."""
    return {
        answer.template.resource_type: answer.source
        for answer in answers
        if answer.template.count is not None or answer.template.resource_type not in _SEARCHED
    }


def _require(kind: str, resource_id: str, gathered: Gathered, answer: _Answer) -> None:
    if answer.source == "not_read" and not gathered.has(kind, resource_id):
        what = f"the {kind} was not sent, or an error was sent in its place."
        raise DataMissingError(f"prefetch.{answer.template.key}", what, _REQUIRED)


def _check_index(answer: _Answer, encounter_id: str) -> None:
    if any(resource.id != encounter_id for resource in answer.resources):
        what = "another Encounter than context.encounterId names."
        raise DataMissingError(f"prefetch.{answer.template.key}", what, _RESEND)


def _issue(code: str, template: Template) -> DataIssue:
    return DataIssue(code, template.resource_type)
