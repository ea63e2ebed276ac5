"""What one prefetch key says, from the client and from the FHIR server behind it. Pure.

Of FHIR it knows only whose a resource is and whether all that was asked for is here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from cds_service.errors import DataMissingError, WrongPatientError
from cds_service.searchsets import (
    Searchset,
    is_whole,
    open_searchset,
    type_and_searchset,
)
from fhir_mapping.history import DataIssue, Source
from fhir_mapping.prefetch import Template
from fhir_mapping.resources import PATIENT_BOUND, AnyResource, decode
from fhir_mapping.subjects import subject_of, subject_of_malformed

RESEND: Final = "Send what the prefetch template of this key asks for, or leave the key out."
_SUPPORT: Final = frozenset(("Encounter", "Location", "Medication"))


@dataclass
class Fetched:
    """What the FHIR server gave for a key, page by page; it grows while it is read.

    `trouble`: the issue code of why it is not all, None once it is. `after`: its pages come after
    the one in prefetch, instead of beginning again.
    """

    after: bool = False
    pages: list[msgspec.Raw] = field(default_factory=list)
    trouble: str | None = "server_too_slow"

    @property
    def size(self) -> int:
        """Bytes of its pages."""
        return sum(memoryview(page).nbytes for page in self.pages)


@dataclass(frozen=True)
class Answer:
    """What one key gave. `trouble`: why the FHIR server did not give it, where it was asked."""

    template: Template
    source: Source
    resources: tuple[AnyResource, ...] = ()
    issues: tuple[DataIssue, ...] = ()
    trouble: str | None = None


@dataclass(frozen=True)
class Lack:
    """A key whose answer is not whole. `next_page`: where what was sent goes on, None: ask again."""

    template: Template
    next_page: str | None = None


@dataclass(frozen=True)
class _Value:
    """What was sent for a key, or read by id. `found`: the Bundle, where it is one that can be read."""

    where: str
    raw: msgspec.Raw
    kind: str
    found: Searchset | None

    @property
    def is_null(self) -> bool:
        return bytes(self.raw) == b"null"

    @property
    def is_nothing(self) -> bool:
        """null, or a Bundle without entries: the client looked, and there was nothing."""
        return self.is_null or (self.found is not None and not self.found.resources)


@dataclass(frozen=True)
class _Page:
    where: str
    found: Searchset


def lack_of(template: Template, raw: msgspec.Raw | None) -> Lack | None:
    """What the FHIR server has to be asked for; None where the client's answer stands.

    It stands also where it is an error: the client ran that query, and it failed.
    """
    if raw is None:
        return Lack(template)
    _, found = type_and_searchset(raw)
    if found is None or template.count is None or is_whole([found], count=template.count):
        return None
    return Lack(template, found.next_page)


def answer_of(
    template: Template, raw: msgspec.Raw | None, fetched: Fetched | None, patient_id: str
) -> Answer:
    """A key as sent, with what was fetched. Raises DataMissingError or WrongPatientError."""
    value = None if raw is None else _value(f"prefetch.{template.key}", raw)
    if value and value.kind == "OperationOutcome":
        return Answer(
            template, "not_read", issues=(DataIssue("client_error", template.resource_type),)
        )
    if template.count is None:
        return _of_read(template, value, fetched, patient_id)
    return _of_search(template, value, fetched, patient_id)


def _value(where: str, raw: msgspec.Raw) -> _Value:
    kind, found = type_and_searchset(raw)
    return _Value(where, raw, kind, found)


def _of_read(
    template: Template, value: _Value | None, fetched: Fetched | None, patient_id: str
) -> Answer:
    trouble = fetched.trouble if fetched else None
    if value is None and fetched and fetched.pages:
        value = _value(f"fhirServer.{template.key}", fetched.pages[0])
    if value is None:
        return Answer(template, "not_read", issues=_troubles(template, trouble), trouble=trouble)
    if value.is_nothing:
        return Answer(template, "read")
    where, wanted = value.where, template.resource_type
    if value.kind == "Bundle":
        raise DataMissingError(where, f"a Bundle instead of the {wanted}.", RESEND)
    if value.kind != wanted:
        raise DataMissingError(where, f"neither null nor {wanted}.", RESEND)
    return Answer(template, "read", (_single(value.raw, template, where, patient_id),))


def _single(raw: msgspec.Raw, template: Template, where: str, patient_id: str) -> AnyResource:
    resource = decode(raw)
    if resource is None or isinstance(resource, DataIssue):
        raise DataMissingError(where, f"a {template.resource_type} that cannot be read.", RESEND)
    subject = subject_of(resource)
    if not subject:
        raise DataMissingError(
            where, f"a {template.resource_type} that does not say whose it is.", RESEND
        )
    _check_subject(subject, where, patient_id)
    return resource


def _of_search(
    template: Template, value: _Value | None, fetched: Fetched | None, patient_id: str
) -> Answer:
    sent, more = tuple(_sent(value)), tuple(_fetched(template, fetched))
    trouble = fetched.trouble if fetched else None
    if value is None and not more:
        return Answer(template, "not_read", issues=_troubles(template, trouble), trouble=trouble)
    found = _Found()
    for page in (*sent, *more):
        _collect(page, template, found, patient_id)
    whole = _whole(template, sent, more if fetched else None, after=bool(fetched and fetched.after))
    complete = whole and trouble is None and not found.lost
    issues = (*found.noticed, *found.lost, *_troubles(template, trouble))
    source: Source = "read" if complete else "partial"
    return Answer(template, source, tuple(found.kept), issues, trouble)


def _sent(value: _Value | None) -> Iterator[_Page]:
    """The page in prefetch, if there is one."""
    if value is None or value.is_null:
        return
    if value.kind != "Bundle":
        raise DataMissingError(value.where, "neither null nor Bundle.", RESEND)
    if value.found is None:
        raise DataMissingError(value.where, "a Bundle that cannot be read.", RESEND)
    yield _Page(value.where, value.found)


def _fetched(template: Template, fetched: Fetched | None) -> Iterator[_Page]:
    for number, raw in enumerate(fetched.pages if fetched else ()):
        found = open_searchset(raw)
        if found is not None:
            yield _Page(f"fhirServer.{template.key}.page[{number}]", found)


def _whole(
    template: Template, sent: tuple[_Page, ...], more: tuple[_Page, ...] | None, *, after: bool
) -> bool:
    """Of what was asked again, the pages fetched decide; what was sent is only held beside them."""
    pages = [each.found for each in (sent if more is None else (*sent, *more) if after else more)]
    failed = any(page.failed for page in pages)
    return not failed and (
        not pages or is_whole(pages, count=template.count, counted=more is not None)
    )


@dataclass
class _Found:
    """What the entries of a key's pages come to. What is `lost` makes the answer partial."""

    kept: list[AnyResource] = field(default_factory=list)
    lost: list[DataIssue] = field(default_factory=list)
    noticed: list[DataIssue] = field(default_factory=list)


def _collect(page: _Page, template: Template, found: _Found, patient_id: str) -> None:
    found.noticed += [DataIssue("search_outcome", template.resource_type)] * page.found.outcomes
    for position, entry in page.found.resources:
        resource = decode(entry)
        where = f"{page.where}.entry[{position}].resource"
        match = None if position in page.found.supporting else template.resource_type
        if isinstance(resource, DataIssue) or resource is None:
            _check_subject(subject_of_malformed(entry), where, patient_id)
            found.lost += _lost(resource, match)
            continue
        subject = subject_of(resource)
        _check_subject(subject, where, patient_id)
        problem = _problem(resource.type, subject, match)
        if problem is None:
            found.kept.append(resource)
        elif match is not None or resource.type in _SUPPORT:
            found.lost.append(problem)
        else:
            found.noticed.append(problem)


def _lost(refused: DataIssue | None, match: str | None) -> tuple[DataIssue, ...]:
    """An entry that could not be used; of what was merely included only a malformed one counts."""
    if refused:
        return (refused,)
    return (DataIssue("unexpected_resource", "unknown"),) if match else ()


def _problem(kind: str, subject: str, match: str | None) -> DataIssue | None:
    if kind != match and kind not in _SUPPORT:
        return DataIssue("unexpected_resource", kind)
    if not subject and kind in PATIENT_BOUND:
        return DataIssue("subject_missing", kind)
    return None


def _check_subject(subject: str, where: str, patient_id: str) -> None:
    """Raise WrongPatientError where `subject` is somebody else."""
    if subject not in ("", patient_id):
        what = "this resource is about another patient than context.patientId names."
        raise WrongPatientError(
            where, what, "Send that patient's resources only; nothing was assessed."
        )


def _troubles(template: Template, trouble: str | None) -> tuple[DataIssue, ...]:
    return (DataIssue(trouble, template.resource_type),) if trouble else ()
