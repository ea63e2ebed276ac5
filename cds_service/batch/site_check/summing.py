"""Tallies into findings: what is shown, in which order, and what is only counted."""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

from cds_service.batch.site_check.codes import Code, is_local
from cds_service.batch.site_check.findings import (
    CodeSeen,
    FeatureFound,
    GroupCoverage,
    IssueSeen,
    Lateness,
    MeasuredUnit,
    NotListed,
    Reason,
    Rejected,
    Stays,
    TypeNotRead,
    TypeSeen,
    UnitSeen,
    UnmappedCode,
)
from cds_service.batch.site_check.survey import FeatureTally, Survey
from cds_service.batch.site_check.tallies import Tally, ranked
from cds_service.tasks import inputs_of
from fhir_mapping.catalogue import CATALOGUE, Feature
from fhir_mapping.history import Sources
from fhir_mapping.issues import ISSUES
from fhir_mapping.profiles import Profile
from fhir_mapping.resources import KNOWN_TYPES
from fhir_mapping.units import conversion

K = TypeVar("K", bound=Hashable)
MOST = 25
"""Codes that are listed of one element, local ones first."""
_MOST_BEHIND = 10


def types_seen(counts: Mapping[str, int], no_type: str) -> tuple[TypeSeen, ...]:
    """Every type in the files; what states none of FHIR's is `unknown`."""
    order = sorted(counts, key=lambda name: (name == no_type, name))
    return tuple(TypeSeen(name, counts[name], name in KNOWN_TYPES) for name in order)


def not_read(sources: Sources) -> tuple[TypeNotRead, ...]:
    """What the catalogue asks for and did not get, with the features that suffer."""
    asked: dict[str, list[str]] = {}
    for feature in CATALOGUE:
        for source in () if feature.derived else feature.sources:
            asked.setdefault(source, []).append(feature.name)
    return tuple(
        TypeNotRead(source, sources.get(source, "not_read"), tuple(asked[source]))
        for source in sorted(asked)
        if sources.get(source) != "read"
    )


def stays(survey: Survey) -> Stays:
    """How many, and why not more."""
    return Stays(
        finished=survey.finished,
        eligible=survey.eligible,
        scored=survey.scored,
        not_scored=tuple(
            Reason(reason, missing, count)
            for (reason, missing), count in sorted(
                survey.not_scored.items(), key=lambda item: (-item[1], item[0])
            )
        ),
        left_out=tuple(Reason(why, (), count) for why, count in sorted(survey.left_out.items())),
    )


def coverage(survey: Survey) -> tuple[GroupCoverage, ...]:
    """The groups of the bundle's inputs."""
    manifest = survey.assessor.bundle.manifest
    sizes = Counter(CATALOGUE[name].coverage_group for name in inputs_of(manifest))
    return tuple(
        GroupCoverage(
            group=group,
            inputs=sizes[group],
            floor=manifest.coverage_floors.get(group, 0.0),
            median_known=ranked(survey.known.get(group, Counter()), 0.5),
            below_floor=survey.below[group],
        )
        for group in sizes
    )


def feature_found(feature: Feature, survey: Survey, least: int) -> FeatureFound:
    """One row of the table."""
    tally = survey.features[feature.name]
    counts = (tally.found, tally.nothing_there, tally.unknown)
    return FeatureFound(
        feature.name,
        feature.label,
        feature.coverage_group,
        *counts,
        missing=survey.finished - sum(counts),
        hours_before_discharge=_lateness(tally),
        issued_after_discharge=tally.issued_after,
        units=tuple(UnitSeen(*each) for each in _first(tally.units.common(least))),
        codes=tuple(_behind(tally, least)),
        rejected=tuple(
            Rejected(code, stays=in_stays, values=values)
            for code, values, in_stays in tally.rejected.common(1)
        ),
    )


def measured_units(
    measured: Tally[tuple[str, str]], profile: Profile, least: int
) -> tuple[MeasuredUnit, ...]:
    """The units of each measure; only what is shown is looked up, so odd spellings cost nothing."""
    wanted = {
        measure: feature
        for feature in CATALOGUE
        if feature.kind == "numeric"
        for measure in feature.reads
    }
    listed = (
        MeasuredUnit(measure, unit, _fits(unit, measure, wanted[measure], profile), values, of)
        for (measure, unit), values, of in measured.common(least)
        if measure in wanted
    )
    return tuple(sorted(listed, key=lambda each: each.measure))


def issues_seen(issues: Mapping[tuple[str, str], int]) -> tuple[IssueSeen, ...]:
    """Commonest first, with what the code means."""
    order = sorted(issues.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        IssueSeen(code, resource, count, ISSUES.get(code, "")) for (code, resource), count in order
    )


def unmapped_codes(survey: Survey, least: int) -> tuple[UnmappedCode, ...]:
    """The commonest of each element that enough patients share, local ones first."""
    displays = _displays(survey.displays, least)
    return tuple(
        UnmappedCode(
            element=code.element,
            system=code.system,
            code=code.code,
            display=displays.get(code, ""),
            local=is_local(code.system),
            count=count,
            patients=patients,
        )
        for some in _by_element(survey, least).values()
        for code, count, patients in some[:MOST]
    )


def not_listed(survey: Survey, least: int) -> tuple[NotListed, ...]:
    """What `unmapped_codes` leaves out, as numbers."""
    listed = _by_element(survey, least)
    rare: dict[str, list[Code]] = {}
    for code in survey.unmapped.patients:
        if not _listable(code, survey.unmapped.patients[code], least):
            rare.setdefault(code.element, []).append(code)
    elements = sorted({*listed, *rare, *survey.without_code})
    rows = (
        NotListed(
            element=element,
            rare_codes=len(rare.get(element, ())),
            rare_count=sum(survey.unmapped.counts[code] for code in rare.get(element, ())),
            further_codes=max(len(listed.get(element, ())) - MOST, 0),
            without_code=survey.without_code[element],
        )
        for element in elements
    )
    return tuple(row for row in rows if row != NotListed(row.element, 0, 0, 0, 0))


def _by_element(survey: Survey, least: int) -> dict[str, list[tuple[Code, int, int]]]:
    found: dict[str, list[tuple[Code, int, int]]] = {}
    for code, count, patients in survey.unmapped.common(least):
        if _listable(code, patients, least):
            found.setdefault(code.element, []).append((code, count, patients))
    for some in found.values():
        some.sort(key=lambda each: not is_local(each[0].system))
    return dict(sorted(found.items()))


def _listable(code: Code, patients: int, least: int) -> bool:
    """A code that cannot be written down cannot be mapped either."""
    return patients >= least and bool(code.code)


def _displays(displays: Tally[Code], least: int) -> dict[Code, str]:
    """The commonest display of each code, of those that enough patients share."""
    chosen: dict[Code, str] = {}
    for code, _, _ in displays.common(least):
        if code.display:
            chosen.setdefault(code._replace(display=""), code.display)
    return chosen


def _behind(tally: FeatureTally, least: int) -> Iterator[CodeSeen]:
    displays = _displays(tally.displays, least)
    for code, in_stays, patients in _first(tally.codes.common(least)):
        if code.code:
            yield CodeSeen(code.system, code.code, displays.get(code, ""), in_stays, patients)


def _first(some: Iterator[tuple[K, int, int]]) -> Iterator[tuple[K, int, int]]:
    return islice(some, _MOST_BEHIND)


def _lateness(tally: FeatureTally) -> Lateness | None:
    if not tally.hours.counts:
        return None
    return Lateness(median=tally.hours.at(0.5), p90=tally.hours.at(0.9))


def _fits(unit: str, measure: str, feature: Feature, profile: Profile) -> bool:
    return conversion(profile.unit(unit) if unit else "", feature.unit, measure) is not None
