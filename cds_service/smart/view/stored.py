"""What a page knows of one stored assessment, and the assessment it was, as far as it was kept. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cds_service.assessment import Assessment, Assessor, Baseline, NotScored, Scored
from cds_service.hooks.task_wording import WORDINGS, TaskWording
from cds_service.recalled import Contents, Recalled
from cds_service.tasks import inputs_of
from fhir_mapping.catalogue import CATALOGUE, Feature
from fhir_mapping.extract import FeatureVector
from fhir_mapping.history import Source
from fhir_mapping.scores import PointScore
from model.bundle import Bundle
from model.manifest import Task

_UNPRINTABLE = re.compile(r"[^\S ]+")


@dataclass(frozen=True)
class Stored:
    """`assessor`: of the bundle that made it; None where that is no longer loaded."""

    kept: Recalled
    task: Task
    assessor: Assessor | None

    @property
    def row(self) -> Mapping[str, Any]:
        """The columns of its row."""
        return self.kept.row

    @property
    def contents(self) -> Contents | None:
        """None where they were purged."""
        return self.kept.contents

    @property
    def bundle(self) -> Bundle | None:
        """The bundle that made it."""
        return self.assessor.bundle if self.assessor else None

    @property
    def words(self) -> TaskWording:
        """The words of its task."""
        return WORDINGS[self.task]

    @property
    def sources(self) -> Mapping[str, Source]:
        """What was read; empty where that was purged."""
        return self.contents.sources if self.contents else {}  # type: ignore[return-value]

    @cached_property
    def vector(self) -> FeatureVector | None:
        """The inputs; None where they were purged, never were, or are of another catalogue."""
        contents, row = self.contents, self.row
        if contents is None or not contents.values or row["mapping_digest"] != CATALOGUE.digest:
            return None
        return FeatureVector(
            values=contents.values,
            evidence=contents.evidence,
            issues=contents.issues,
            prediction_time=row["prediction_time"],
            timing=row["timing"],
            profile=row["profile"],
            profile_detected=bool(contents.profile_detected),
            zone=self.kept.zone,
        )

    @cached_property
    def assessment(self) -> Assessment | None:
        """As it was; None where not enough of it is known."""
        contents, row = self.contents, self.row
        if contents is None or self.bundle is None:
            return None
        if row["outcome"] != "scored":
            return NotScored(
                row["encounter_id"], row["reason"], self.sources, contents.missing, self.vector
            )
        if self.vector is None or contents.score is None:
            return None
        return Scored(
            encounter_id=row["encounter_id"],
            score=contents.score,
            baselines=tuple(_baselines(contents, self.bundle)),
            base_rate=contents.base_rate,
            vector=self.vector,
            sources=self.sources,
        )

    @cached_property
    def inputs(self) -> tuple[Feature, ...]:
        """The bundle's inputs in catalogue order; all of the catalogue where it is not loaded."""
        if self.bundle is None:
            return tuple(CATALOGUE)
        taken = frozenset(inputs_of(self.bundle.manifest))
        return tuple(feature for feature in CATALOGUE if feature.name in taken)

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Reference -> the number under which the page links to that resource as received."""
        received = self.contents.received if self.contents else {}
        return {reference: number for number, reference in enumerate(sorted(received), start=1)}


def received_at(contents: Contents, number: int) -> tuple[str, Any] | None:
    """The reference and the resource behind a link of the page; None: there is none."""
    listed = sorted(contents.received)
    if not 0 < number <= len(listed):
        return None
    return listed[number - 1], contents.received[listed[number - 1]]


def task_of_card(contents: Contents | None) -> Task | None:
    """Which task an assessment was of, by the topic of its card; None where no card is kept."""
    topic = ((contents and contents.card) or {}).get("source", {}).get("topic", {})
    return next(
        (task for task, said in WORDINGS.items() if said.topic[0] == topic.get("code")), None
    )


def printable(text: str) -> str:
    """Text from the record without what steers a terminal or turns the direction of writing."""
    spaced = _UNPRINTABLE.sub(" ", text)
    return "".join(each for each in spaced if each.isprintable())


def _baselines(contents: Contents, bundle: Bundle) -> list[Baseline]:
    return [
        Baseline(
            PointScore(each.name, each.components),  # type: ignore[arg-type]
            bundle.published[each.name],
            each.reading,
        )
        for each in contents.baselines
        if each.name in bundle.published
    ]
