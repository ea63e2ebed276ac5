"""The part of a card that says what it rests on: inputs, sources, data issues, the clock. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from cds_service.assessment import coverage_of
from cds_service.hooks.task_wording import wording_of
from cds_service.hooks.wording import SOURCES, listed, plain
from cds_service.tasks import inputs_of
from fhir_mapping.catalogue import CATALOGUE, Feature
from fhir_mapping.extract import FeatureVector
from fhir_mapping.history import DataIssue, Sources, tally
from fhir_mapping.history import Source as ReadState
from model.bundle import Bundle

_NAMED = 12


def basis(vector: FeatureVector, sources: Sources, bundle: Bundle) -> Iterator[str]:
    """How much of the record was seen, and as of when."""
    coverage, words = coverage_of(vector, bundle), wording_of(bundle)
    groups = [
        f"{words.groups[name]} {known}/{total}" for name, (known, total) in coverage.groups.items()
    ]
    yield f"**Based on {coverage.known} of {coverage.total} inputs:** {listed(groups)}."
    yield from unread(sources)
    yield from _absent(vector, sources, bundle)
    if vector.issues:
        yield f"**Noticed in the data:** {listed(noticed(vector))}."
    yield f"**When:** {words.timing(vector, bundle)}"


def unread(sources: Sources) -> Iterator[str]:
    """What was not read, or in part, and what it would have told."""
    for state, words in (("not_read", "Not read"), ("partial", "Read in part")):
        types = [named(kind) for kind, found in sources.items() if found == state]
        if types:
            yield f"**{words}:** {listed(types)}."


def named(kind: str) -> str:
    """The resource type of a source with what it tells."""
    return f"{kind.partition('/')[0]} ({SOURCES[kind]})"


def _absent(
    vector: FeatureVector, sources: Mapping[str, ReadState], bundle: Bundle
) -> Iterator[str]:
    """What was looked for and is not there: not what was never read, and no score of ours."""
    inputs = inputs_of(bundle.manifest)
    labels = [
        plain(feature.label)
        for feature, value in zip(CATALOGUE, vector.values, strict=True)
        if feature.name in inputs
        and value in (None, "unknown")
        and all(sources.get(source) == "read" for source in feature.sources)
        and not cannot_be(feature, vector)
    ]
    if labels:
        more = len(labels) - _NAMED
        tail = f" and {more} more" if more > 0 else ""
        yield f"**Not in the record:** {listed(labels[:_NAMED])}{tail}."


def noticed(vector: FeatureVector) -> list[str]:
    """What a person should know about the data, by kind of resource."""
    return [_noticed(each) for each in _by_resource(vector)]


def cannot_be(feature: Feature, vector: FeatureVector) -> bool:
    """What no record could say yet, or never: where the patient goes before discharge; an arrival where there was no ED visit."""
    if feature.name == "discharge_location":
        return vector.timing == "before_discharge"
    in_ed = feature.name in ("arrival_transport", "triage_acuity")
    return in_ed and vector["ed_los_hours"] == 0.0


def _by_resource(vector: FeatureVector) -> Iterable[DataIssue]:
    return tally(DataIssue(each.code, each.resource, each.count) for each in vector.issues)


def _noticed(issue: DataIssue) -> str:
    times = f", {issue.count} times" if issue.count > 1 else ""
    return f"{issue.code.replace('_', ' ')} ({issue.resource}{times})"
