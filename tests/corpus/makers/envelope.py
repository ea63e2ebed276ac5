"""Cases of the request around the data: hook, context, members that clients add or forget."""

from collections.abc import Iterator

from tests.corpus.case import Case, context, lacking, put, refused, scored
from tests.corpus.makers.stays import WHILE_THERE, open_stay
from tests.service.patients import call, view

_SPECIFICATION = "https://cds-hooks.hl7.org/2.0/#http-request_1"
_DISCHARGE = "https://cds-hooks.hl7.org/hooks/encounter-discharge/"


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _plain()
    yield from _tolerated()
    yield from _hooks()
    yield from _contexts()
    yield from _members()


def _plain() -> Iterator[Case]:
    yield scored(
        "plain-discharge",
        "The request that all other cases vary: every key answered, nothing unusual.",
        call(),
    )
    yield scored(
        "plain-patient-view",
        "patient-view has no encounter in its context: the one open stay is meant.",
        view(open_stay()),
        points=WHILE_THERE,
    )
    yield scored(
        "patient-view-with-encounter-id",
        "encounterId is optional in patient-view and clients send it when a chart is opened in a visit.",
        context(view(open_stay()), encounterId="stay-1"),
        points=WHILE_THERE,
    )


def _tolerated() -> Iterator[Case]:
    yield scored(
        "unknown-members",
        "Clients of a later version add members; what is unknown is ignored.",
        put(context(call(), fulfilled=[{"a": [None]}]), version="3.0", org={"x": {"y": []}}),
    )
    yield scored(
        "null-members",
        "Clients that serialise optional fields write null for each of them.",
        put(call(), fhirServer=None, fhirAuthorization=None, extension=None),
        source="https://github.com/cds-hooks/docs/issues/366",
    )
    yield scored(
        "extension-an-array",
        "extension is an object, but at least one framework's clients send a FHIR-like array.",
        put(call(), extension=[{"url": "http://ehr.example/ext", "valueString": "ward-7-annex"}]),
        source="https://cds-hooks.hl7.org/2.0/#extensions",
    )
    yield scored(
        "extension-an-object",
        "An extension of the client's own, named as the specification recommends.",
        put(call(), extension={"com.example.ehr": {"workstation": "ward-7-annex"}}),
    )
    yield scored(
        "hook-instance-no-uuid",
        "hookInstance is a UUID by the specification; some clients send a number in its place.",
        put(call(), hookInstance="20261116-0001"),
        source=_SPECIFICATION,
    )
    yield scored(
        "user-id-without-type",
        "userId lacks its resource type in several EHRs; the service does not read the user.",
        context(call(), userId="d1"),
    )
    yield scored(
        "user-a-patient",
        "patient-view may come from a patient portal, where the user is the patient.",
        context(view(open_stay()), userId="Patient/p1"),
        points=WHILE_THERE,
        source="https://cds-hooks.hl7.org/hooks/patient-view/",
    )


def _hooks() -> Iterator[Case]:
    yield refused(
        "hook-missing", "Not a CDS Hooks call.", lacking(call(), "hook"), 400, where="hook"
    )
    yield refused(
        "hook-of-another-service",
        "A client configured with the wrong hook calls the service from encounter-start.",
        put(call(), hook="encounter-start"),
        400,
        where="hook",
    )
    yield refused(
        "hook-unknown",
        "Hooks may be of the client's own making.",
        put(call(), hook="com.example.bed-cleaned"),
        400,
        where="hook",
    )
    yield refused(
        "hook-in-capitals",
        "Names of hooks are compared as they are written.",
        put(call(), hook="Encounter-Discharge"),
        400,
        where="hook",
    )
    yield refused(
        "service-unknown",
        "An id that was renamed since the client last asked discovery.",
        call(),
        404,
        where="path",
        service="readmission-risk-v0",
    )
    yield refused(
        "hook-instance-missing",
        "hookInstance is required.",
        lacking(call(), "hookInstance"),
        400,
        where="hookInstance",
        source=_SPECIFICATION,
    )
    yield refused(
        "hook-instance-a-number",
        "A counter in place of a UUID, and not even as a string.",
        put(call(), hookInstance=20261116),
        400,
        where="hookInstance",
    )


def _contexts() -> Iterator[Case]:
    yield refused(
        "context-missing", "context is required.", lacking(call(), "context"), 400, where="context"
    )
    yield refused(
        "context-an-array",
        "DSTU2-era clients sent context as an array of resources.",
        put(call(), context=[call()["prefetch"]["encounter"]]),
        400,
        where="context",
    )
    yield refused(
        "user-id-missing",
        "Every hook requires userId.",
        lacking(call(), "context", "userId"),
        400,
        where="context.userId",
    )
    for name, why, value in (
        ("a-reference", "patientId is a bare id; half of all clients have sent a reference once.", "Patient/p1"),
        ("a-number", "Ids of a numeric key, sent as the number.", 17),
        ("empty", "No patient is selected.", ""),
        ("null", "No patient is selected.", None),
        ("with-line-break", "A value pasted from a form.", "p1\n"),
    ):  # fmt: skip
        yield refused(
            f"patient-id-{name}",
            why,
            context(call(), patientId=value),
            400,
            where="context.patientId",
        )
    yield refused(
        "encounter-id-missing",
        "encounter-discharge requires encounterId; HealthChain's sandbox leaves it out.",
        lacking(call(), "context", "encounterId"),
        400,
        where="context.encounterId",
        source=_DISCHARGE,
    )
    for name, value in (
        ("null", None),
        ("a-reference", "Encounter/stay-1"),
        ("a-list", ["stay-1"]),
    ):
        yield refused(
            f"encounter-id-{name}",
            "encounterId is one bare id at discharge.",
            context(call(), encounterId=value),
            400,
            where="context.encounterId",
            source=_DISCHARGE,
        )


def _members() -> Iterator[Case]:
    for name, value in (("an-array", []), ("a-string", "see fhirServer")):
        yield refused(
            f"prefetch-{name}",
            "prefetch is an object of keys.",
            put(call(), prefetch=value),
            400,
            where="prefetch",
        )
    for name, sent in (
        ("missing", lacking(call(), "prefetch")),
        ("null", put(call(), prefetch=None)),
        ("without-keys", put(call(), prefetch={})),
    ):
        yield refused(
            f"prefetch-{name}",
            "A client need not support prefetch; without it and without a server there is nothing to read.",
            sent,
            412,
            where="prefetch.patient",
            source="https://cds-hooks.hl7.org/2.0/#prefetch-template",
        )
    yield scored(
        "prefetch-unknown-key",
        "Clients send keys of an earlier version of discovery.",
        call(allergies="<html>gone</html>"),
    )
