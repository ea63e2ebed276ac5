"""Cases of a search's answer: pages, search modes, and Bundles of another type."""

from collections.abc import Iterator
from typing import Any

from fhir_mapping.prefetch import PREFETCH
from tests.corpus.case import Case, Json, not_scored, scored
from tests.service.patients import FAILED, call, condition, observation, searchset, stay

_NO_LABS = {"lace": 10}
_BLOOD = observation("718-7", 10.2, "g/dL", "2026-11-15T06:00:00Z")


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _incomplete()
    yield from _modes()
    yield from _bundles()


def _incomplete() -> Iterator[Case]:
    problem = condition("I50.9")
    later = {"link": [{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]}
    partial = "Part of an answer proves what it holds and says nothing of the rest."
    yield scored(
        "next-link",
        "The client sends the first page only. " + partial,
        call(observations=searchset(_BLOOD, **later)),
        points=_NO_LABS,
        Observation="partial",
    )
    yield not_scored(
        "total-larger",
        "total says that more was found than was sent. " + partial,
        call(conditions=searchset(problem, total=40)),
        "below_coverage_floor",
    )
    yield not_scored(
        "full-page",
        "As many entries as _count allows: there may be more. " + partial,
        call(encounters=searchset(*_many())),
        "below_coverage_floor",
    )
    yield scored(
        "self-link-of-dstu2",
        "The link to the search itself repeats a template in DSTU2's spelling of _sort.",
        call(
            conditions=searchset(
                problem, link=[{"relation": "self", "url": "Condition?_sort:desc=date"}]
            )
        ),
        source="https://cds-hooks.hl7.org/2.0/#example-prefetch-token",
    )
    yield scored(
        "total-zero-with-entries",
        "A server that does not count says 0; what was sent is there all the same.",
        call(conditions=searchset(problem, total=0)),
    )


def _many() -> Iterator[Json]:
    """A full page of short visits to an outpatient clinic, the stay the first of them."""
    count = next(each.count for each in PREFETCH if each.key == "encounters") or 0
    yield stay()
    for number in range(1, count):
        day = f"2026-{number % 9 + 1:02}-{number % 28 + 1:02}"
        yield {
            "resourceType": "Encounter",
            "id": f"v{number}",
            "status": "finished",
            "class": {"code": "AMB"},
            "subject": {"reference": "Patient/p1"},
            "period": {"start": day, "end": day},
        }


def _entry(resource: Any, mode: str) -> Json:
    return {"resource": resource, "search": {"mode": mode}}


def _with(key: str, *entries: Json) -> Json:
    request = call()
    held = request["prefetch"][key] or searchset()
    held["entry"] += entries
    return request | {"prefetch": request["prefetch"] | {key: held}}


def _modes() -> Iterator[Case]:
    warning = FAILED | {"issue": [{"severity": "warning", "code": "informational"}]}
    yield scored(
        "outcome-entry-warning",
        "Servers add an OperationOutcome with search mode outcome, here a mere warning.",
        _with("conditions", _entry(warning, "outcome")),
        noticed=["search_outcome"],
        source="https://hl7.org/fhir/R4/bundle.html",
        Condition="read",
    )
    yield not_scored(
        "outcome-entry-error",
        "One source of a federated search failed: the answer is a part.",
        _with("conditions", _entry(FAILED, "outcome")),
        "below_coverage_floor",
    )
    yield scored(
        "outcome-entry-without-mode",
        "An OperationOutcome among the entries that does not say what it is.",
        _with("observations", {"resource": FAILED}),
        noticed=["unexpected_resource"],
        Observation="partial",
    )
    yield scored(
        "included-location",
        "_include brings locations that were no match.",
        _with(
            "locations",
            _entry({"resourceType": "Location", "id": "w1", "name": "Ward 1"}, "include"),
        ),
        Location="read",
    )
    yield scored(
        "included-provenance",
        "_revinclude brings the Provenance of each condition: never a match, and not used.",
        _with("conditions", _entry({"resourceType": "Provenance", "id": "from"}, "include")),
        Condition="read",
    )
    yield scored(
        "included-observation",
        "_revinclude brings an Observation of the patient among the conditions: noticed, not used.",
        _with(
            "conditions",
            _entry(observation("718-7", 9.1, "g/dL", "2026-11-15T06:00:00Z"), "include"),
        ),
        noticed=["unexpected_resource"],
        Condition="read",
    )


def _bundles() -> Iterator[Case]:
    problem = condition("I50.9")
    bare = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": problem}]}
    yield scored(
        "bundle-collection",
        "A Bundle of type collection, without search modes.",
        call(conditions=bare),
        Condition="read",
    )
    response = {"response": {"status": "200 OK"}}
    yield scored(
        "bundle-batch-response",
        "Resources straight in the answer to a batch.",
        call(
            conditions=bare
            | {"type": "batch-response", "entry": [{"resource": problem} | response]}
        ),
        Condition="read",
    )
    yield not_scored(
        "bundle-in-bundle",
        "The answer to a batch as it is: the searchset is inside, and nothing in it is looked for.",
        call(conditions=bare | {"entry": [{"resource": searchset(problem)} | response]}),
        "below_coverage_floor",
    )
    yield not_scored(
        "bundle-entry-without-resource",
        "Servers that answer with minimal entries send fullUrl alone.",
        call(conditions=bare | {"entry": [{"fullUrl": "https://ehr.example/fhir/Condition/c1"}]}),
        "below_coverage_floor",
    )
    yield scored(
        "bundle-null-members",
        "Serialisers that write null for what is absent.",
        call(conditions=searchset(problem, link=None, total=None)),
    )
