"""Cases of what a prefetch key holds: the eight ways of the specification, and client mistakes."""

import json
from collections.abc import Iterator

from tests.corpus.case import Case, not_scored, refused, scored
from tests.service.patients import (
    FAILED,
    call,
    encounter,
    observation,
    patient,
    searchset,
    stay,
    without,
)

_RULE = "https://cds-hooks.hl7.org/2.0/#prefetch-template"
_NULL = "https://github.com/cds-hooks/docs/issues/366"
_HTML = "<html><head><title>Apache Tomcat/8.5.4 - Error report</title></head></html>"
_NO_LABS = {"lace": 10}
_NO_CHARLSON = {"lace": 8, "hospital": 5}
_BLOOD = observation("718-7", 10.2, "g/dL", "2026-11-15T06:00:00Z")


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _optional()
    yield from _required()
    yield from _encounter()
    yield from _wrong()


def _optional() -> Iterator[Case]:
    """A key that is not required: the labs."""
    yield scored(
        "optional-absent",
        "The client declined the query: what rests on it is unknown, not zero.",
        without(call(), "observations"),
        points=_NO_LABS,
        source=_RULE,
        Observation="not_read",
    )
    yield scored(
        "optional-null",
        "The client ran the query and found nothing.",
        call(observations=None),
        points=_NO_LABS,
        source=_NULL,
        Observation="read",
    )
    yield scored(
        "optional-empty-bundle",
        "The same, as a search without matches; entry is an empty array against FHIR's rules.",
        call(observations=searchset(total=0)),
        points=_NO_LABS,
        Observation="read",
    )
    yield scored(
        "optional-error",
        "The client's query failed: an OperationOutcome stands in place of the data.",
        call(observations=FAILED),
        points=_NO_LABS,
        noticed=["client_error"],
        source=_RULE,
        Observation="not_read",
    )
    yield scored(
        "conditions-null",
        "No known conditions is a finding: no comorbidity adds points.",
        call(conditions=None),
        points=_NO_CHARLSON,
        Condition="read",
    )
    yield not_scored(
        "conditions-absent",
        "Without the conditions too little is known of the patient; silence is not health.",
        without(call(), "conditions"),
        "below_coverage_floor",
        source="https://github.com/DBCG/cqf-ruler/issues/536",
    )


def _required() -> Iterator[Case]:
    for name, request in (
        ("absent", without(call(), "patient")),
        ("error", call(patient=FAILED)),
    ):
        yield refused(
            f"required-{name}",
            "The patient is required and came neither by prefetch nor from a server.",
            request,
            412,
            where="prefetch.patient",
            source=_RULE,
        )
    for name, value in (("null", None), ("empty-bundle", searchset(total=0))):
        yield not_scored(
            f"required-{name}",
            "The client looked for the patient and found none: asking again would not help.",
            call(patient=value),
            "patient_unknown",
            source=_NULL,
        )


def _encounter() -> Iterator[Case]:
    yield scored(
        "encounter-among-encounters",
        "The stay was not read by its id but is among the encounters that were found.",
        without(call(), "encounter"),
    )
    yield refused(
        "encounter-absent",
        "The stay was sent under no key.",
        without(call(encounters=None), "encounter"),
        412,
        where="prefetch.encounter",
        source=_RULE,
    )
    yield not_scored(
        "encounter-null",
        "The client found no encounter of that id.",
        call(encounter=None, encounters=None),
        "encounter_unknown",
    )
    yield refused(
        "encounter-another",
        "A client caches the encounter of the chart that was open before.",
        call(encounter=encounter("stay-0", "2026-06-01T08:00:00Z", "2026-06-04T12:00:00Z")),
        412,
        where="prefetch.encounter",
    )


def _wrong() -> Iterator[Case]:
    for name, why, value in (
        ("html", "Tomcat's error page inside prefetch, as a string.", _HTML),
        ("stringified", "A resource as JSON in a string.", json.dumps(patient())),
        ("a-list", "A list of resources in place of a Bundle.", [_BLOOD]),
        ("one-resource", "A single match without a Bundle around it.", _BLOOD),
        ("empty-object", "An empty object for nothing found.", {}),
        ("true", "A flag in place of the data.", True),
    ):
        yield refused(
            f"wrong-{name}",
            why,
            call(observations=value),
            412,
            where="prefetch.observations",
            source="https://github.com/cds-hooks/docs/issues/5" if name == "html" else "",
        )
    yield refused(
        "wrong-bundle-for-a-read",
        "The patient was searched for in place of read by id.",
        call(patient=searchset(patient())),
        412,
        where="prefetch.patient",
    )
    yield refused(
        "wrong-resource-for-a-read",
        "The keys of two templates were exchanged.",
        call(patient=stay(), encounter=patient()),
        412,
        where="prefetch.patient",
    )
