"""The resources that an assessment rests on, as they were received: kept sealed, shown on the page. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from cds_service.answers import Fetched
from cds_service.assessment import Assessment, Scored
from cds_service.searchsets import type_and_searchset
from fhir_mapping.subjects import reference_of

Received = Mapping[str, msgspec.Raw]
"""`Observation/17` -> the JSON of that resource."""
LARGEST: Final = 64 * 1024
"""Bytes; what is larger holds a document, and would be kept for the sake of one number."""


def received(
    assessment: Assessment, prefetch: Mapping[str, msgspec.Raw], fetched: Mapping[str, Fetched]
) -> Received:
    """Each resource that the evidence names, by reference, as the client or the FHIR server sent
    it; the first where it came twice. What is larger than LARGEST is left out."""
    pages = [*prefetch.values(), *(page for each in fetched.values() for page in each.pages)]
    return received_among(assessment, (each for page in pages for each in _resources(page)))


def received_among(assessment: Assessment, resources: Iterable[msgspec.Raw]) -> Received:
    """The same, of resources that came by themselves."""
    wanted = references(assessment)
    found: dict[str, msgspec.Raw] = {}
    for raw in resources:
        name = reference_of(raw)
        if name in wanted and name not in found and memoryview(raw).nbytes <= LARGEST:
            found[name] = raw.copy()  # not with the whole request held in memory
    return found


def references(assessment: Assessment) -> frozenset[str]:
    """What the values and the point scores rest on, as references of one server."""
    vector = assessment.vector
    named = {each.reference for each in vector.evidence} if vector else set[str]()
    if isinstance(assessment, Scored):
        items = (item for each in assessment.baselines for item in each.score.components)
        named.update(reference for item in items for reference in item.references)
    return frozenset(named - {""})


def _resources(page: msgspec.Raw) -> Iterator[msgspec.Raw]:
    kind, opened = type_and_searchset(page)
    if kind != "Bundle":
        yield page
    elif opened:
        yield from (raw for _, raw in opened.resources)
