"""Files in, findings out: reads them, surveys patient by patient, sums up."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cds_service.assessment import Assessor
from cds_service.batch.arrived import Arrived
from cds_service.batch.site_check.deep import NO_TYPE, Checked, Sample, deep_check, summed
from cds_service.batch.site_check.findings import FORMAT, BundleChecked, ProfileUsed, SiteCheck
from cds_service.batch.site_check.summing import (
    coverage,
    feature_found,
    issues_seen,
    measured_units,
    not_listed,
    not_read,
    stays,
    types_seen,
    unmapped_codes,
)
from cds_service.batch.site_check.survey import Survey
from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.errors import ExportError
from fhir_mapping.exports import Export, raw_resources
from fhir_mapping.history import Source
from fhir_mapping.profiles import Profile, load_profile

Track = Callable[[Iterable[Any], str, int], Iterable[Any]]
"""Shows how far an iteration has come: things, words, how many."""


@dataclass(frozen=True)
class Asked:
    """How to look. `least`: text of records is shown where so many patients share it.
    `each_type`: resources of each type that are validated in depth."""

    assessor: Assessor
    site: Profile | None
    least: int
    each_type: int
    now: datetime


def check(arrived: Arrived, asked: Asked, track: Track) -> tuple[SiteCheck, Profile]:
    """The findings, and the profile that most patients were read with. Raises ExportError."""
    sample = Sample(asked.each_type)
    export = _read(arrived.files, sample, track)
    survey = Survey(_sources(arrived, export), asked.assessor)
    survey.notice(export.issues)
    waiting, gone = len(export.patients), frozenset(arrived.deleted)
    for patient, resources in track(export.records(), "Patients", waiting):
        survey.add([each for each in resources if (each.type, each.id) not in gone], asked.site)
        export.patients.pop(patient, None)
    checked = track(deep_check(sample), "Deep check", sum(map(len, sample.kept.values())))
    profile = _profile(survey, asked.site)
    return _findings(arrived, asked, survey, sample, profile, checked), profile


def _read(files: Iterable[Path], sample: Sample, track: Track) -> Export:
    export, listed = Export(), list(files)
    for file in track(listed, "Files", len(listed)):
        for raw in raw_resources(file):
            export.add(raw)
            sample.consider(raw)
    if not export.patients:
        raise ExportError(
            "no patient's resources in the files; export Patient, Encounter and what else"
            " docs/reference/prefetch.md names"
        )
    return export


def _sources(arrived: Arrived, export: Export) -> dict[str, Source]:
    """A type that the source does not hold was not read."""
    types = export.types if arrived.types is None else arrived.types
    return {
        each: "partial" if each in arrived.partial else "read"
        for each in sorted(types | arrived.partial)
    }


def _profile(survey: Survey, site: Profile | None) -> Profile:
    if site:
        return site
    used: Counter[str] = Counter()
    for (name, _), patients in survey.profiles.items():
        used[name] += patients
    commonest = min(used, key=lambda name: (-used[name], name), default="us_core")
    return load_profile(commonest)


def _findings(
    arrived: Arrived,
    asked: Asked,
    survey: Survey,
    sample: Sample,
    profile: Profile,
    checked: Iterable[Checked],
) -> SiteCheck:
    manifest = asked.assessor.bundle.manifest
    return SiteCheck(
        format=FORMAT,
        made_on=asked.now.date().isoformat(),
        least_patients=asked.least,
        bundle=BundleChecked(manifest.name, manifest.version),
        profiles=tuple(
            ProfileUsed(name, patients, detected)
            for (name, detected), patients in sorted(survey.profiles.items())
        ),
        files=len(arrived.files),
        patients=survey.patients,
        patients_left_out=survey.patients_left_out,
        resources=types_seen(sample.counts, NO_TYPE),
        not_read=not_read(survey.sources),
        stays=stays(survey),
        coverage=coverage(survey),
        features=tuple(feature_found(each, survey, asked.least) for each in CATALOGUE),
        units=measured_units(survey.measured, profile, asked.least),
        issues=issues_seen(survey.issues),
        unmapped=unmapped_codes(survey, asked.least),
        not_listed=not_listed(survey, asked.least),
        deep_check=summed(asked.each_type, checked, asked.least),
    )
