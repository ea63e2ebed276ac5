"""The chart that the builders write into: one patient's FHIR resources with running ids."""

from __future__ import annotations

from dataclasses import dataclass, field

from vocabulary import CORE, Json, at


@dataclass
class Chart:
    """The resources of one patient, in the order in which they were written."""

    name: str
    case: Json
    resources: list[Json] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, short: str, when: str, body: Json, *, profile: str = "") -> str:
        self.counts[short] = self.counts.get(short, 0) + 1
        meta: Json = {"versionId": "1", "lastUpdated": _instant(when)}
        if profile:
            meta["profile"] = [CORE + profile]
        identity = {"resourceType": kind, "id": f"{self.name}-{short}-{self.counts[short]}"}
        self.resources.append({**identity, "meta": meta, **body})
        return f"{kind}/{identity['id']}"

    def of_type(self, kind: str) -> list[Json]:
        return [resource for resource in self.resources if resource["resourceType"] == kind]

    @property
    def patient(self) -> Json:
        return {"reference": f"Patient/{self.name}-patient-1"}

    @property
    def stay(self) -> Json:
        """The hospital stay that the example is about."""
        return next(e for e in self.of_type("Encounter") if e["id"] == f"{self.name}-stay-1")


def _instant(when: str) -> str:
    return at(when if len(when) > len("2026-10-19") else f"{when} 12:00")
