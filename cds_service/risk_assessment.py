"""A stored assessment as a FHIR R4 RiskAssessment, built and validated by fhir.resources. Pure.

R4 gives a probability in percent (ras-2) and takes `whenRange` for an age, so the 30 days are a
`whenPeriod`, closed where the discharge is known. A point score is a prediction of its own, for
the outcome that it was published for, and never has a percent. Without a result the status is
`cancelled`, and the note says why: nobody can take that for a low risk.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Final

from cds_service.fhir_elements import AI, Json, device, instant, is_id, of_uuid, reference
from cds_service.hooks.points import TITLES
from cds_service.hooks.said import SCORES
from cds_service.hooks.task_wording import TaskWording, wording_of
from cds_service.hooks.wording import INTERVALS, TOPIC_SYSTEM
from cds_service.recalled import Contents, Recalled
from cds_service.tasks import inputs_of
from fhir_mapping.readings import Evidence
from model.bundle import Bundle
from model.scoring import Score

INTERVAL: Final = "urn:org.readmit:interval"
"""Extension of a prediction: the interval, a Range in percent."""
_THIRTY_DAYS: Final = timedelta(days=30)
_BANDS: Final = "http://terminology.hl7.org/CodeSystem/risk-probability"
_BAND_OF: Final[Mapping[str, tuple[str, str]]] = {
    "low": ("low", "Low likelihood"),
    "moderate": ("moderate", "Moderate likelihood"),
    "intermediate": ("moderate", "Moderate likelihood"),
    "high": ("high", "High likelihood"),
}
_LOCAL: Final = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}")
_PERCENT: Final[Json] = {"unit": "%", "system": "http://unitsofmeasure.org", "code": "%"}


@dataclass(frozen=True)
class _Case:
    """An assessment, and what its service has to say about it."""

    row: Mapping[str, Any]
    contents: Contents
    bundle: Bundle | None

    @property
    def wording(self) -> TaskWording | None:
        """The words of the service's task."""
        return wording_of(self.bundle) if self.bundle else None

    @property
    def own(self) -> Bundle | None:
        """The very bundle that assessed."""
        same = self.bundle and self.bundle.digest == self.row["bundle_digest"]
        return self.bundle if same else None


def risk_assessment(
    found: Recalled, *, bundle: Bundle | None, base: str = "", device_at: str = ""
) -> Json:
    """The resource as JSON.

    `bundle`: what the assessment's service answers with now, None where there is no such service;
    what only its own bundle can tell is left out where that is another one. `base`: of the FHIR
    server that the record is on, where it is known; references are relative without it. `device_at`:
    where the bundle's Device is, as `Device/id`, if that server has it.
    """
    case = _Case(found.row, found.contents or Contents(), bundle)
    row, own = case.row, case.own
    made = {
        "id": row["uuid"],
        "meta": _meta(row),
        "identifier": [of_uuid(row["uuid"])],
        "status": _status(row),
        "method": {"text": own.manifest.title if own else "Readmit"},
        "code": _code(case.wording),
        "subject": reference("Patient", row["patient_id"], base=base),
        "encounter": row["encounter_id"] and reference("Encounter", row["encounter_id"], base=base),
        "occurrenceDateTime": instant(row["prediction_time"] or row["created_at"]),
        "performer": device(row["bundle_digest"], at=device_at),
        "basis": list(_basis(case.contents.evidence, base)),
        "prediction": list(_predictions(case)),
        "note": [{"text": text} for text in _notes(case)],
    }
    return validated({name: value for name, value in made.items() if value})


def validated(made: Json) -> Json:
    """As fhir.resources writes it. Raises pydantic.ValidationError where it is no RiskAssessment."""
    found: Json = _model()(**made).model_dump(mode="json")
    return found


def _meta(row: Mapping[str, Any]) -> Json:
    """Points are counted by a published rule; a probability is a network's."""
    stated: Json = {"lastUpdated": instant(row["created_at"])}
    return stated | ({"security": [AI]} if row["probability"] is not None else {})


def _status(row: Mapping[str, Any]) -> str:
    if row["outcome"] != "scored":
        return "cancelled"
    return "preliminary" if row["timing"] == "before_discharge" else "final"


def _code(wording: TaskWording | None) -> Json | None:
    if wording is None:
        return None
    code, display = wording.topic
    return {"coding": [{"system": TOPIC_SYSTEM, "code": code, "display": display}]}


def _basis(evidence: Iterable[Evidence], base: str) -> Iterator[Json]:
    """Each resource once, with its version where that is known."""
    for name, version in dict.fromkeys((e.reference, e.version) for e in evidence):
        if _LOCAL.fullmatch(name):
            history = f"/_history/{version}" if is_id(version) else ""
            yield {"reference": f"{base}{name}{history}"}


def _predictions(case: _Case) -> Iterator[Json]:
    if case.row["probability"] is not None:
        yield _estimate(case)
    for name in SCORES:
        points = case.row[f"{name}_points"]
        if points is not None:
            yield _of_points(name, points, case)


def _estimate(case: _Case) -> Json:
    probability, score, wording = case.row["probability"], case.contents.score, case.wording
    rate = case.own.manifest.base_rate if case.own else None
    outcome = rate.outcome if rate else wording.outcome if wording else None
    made = {
        "extension": _interval(score),
        "outcome": {"text": outcome} if outcome else None,
        "probabilityDecimal": _in_percent(probability),
        "relativeRisk": _relative(probability, case),
        "whenPeriod": _when(case),
        "rationale": _how_sure(score, case),
    }
    return {name: value for name, value in made.items() if value is not None}


def _of_points(name: str, points: int, case: _Case) -> Json:
    published = case.own.published[name] if case.own else None
    label = published.read(points).label if published else _kept_label(name, case.contents)
    title = TITLES[name]
    made = {
        "outcome": {"text": published.outcome if published else f"what {title} was published for"},
        "qualitativeRisk": _band(label, title),
        "rationale": f"{title} {points}" + (f" of {published.max_points}" if published else ""),
    }
    return {name: value for name, value in made.items() if value is not None}


def _kept_label(name: str, contents: Contents) -> str | None:
    kept = (each.reading for each in contents.baselines if each.name == name)
    return next((reading.label for reading in kept if reading), None)


def _band(label: str | None, title: str) -> Json | None:
    if label is None:
        return None
    text = {"text": f"{title}: {label}"}
    if label not in _BAND_OF:
        return text
    code, display = _BAND_OF[label]
    return {"coding": [{"system": _BANDS, "code": code, "display": display}], **text}


def _relative(probability: float, case: _Case) -> float | None:
    """Against the base rate that it was shown beside."""
    rate = case.contents.base_rate or (case.own.manifest.base_rate if case.own else None)
    return round(probability / rate.value, 2) if rate else None


def _interval(score: Score | None) -> list[Json] | None:
    if score is None or score.interval is None:
        return None
    low, high = ({"value": _in_percent(each), **_PERCENT} for each in score.interval)
    return [{"url": INTERVAL, "valueRange": {"low": low, "high": high}}]


def _when(case: _Case) -> Json | None:
    """From the discharge for 30 days; from now on, without an end, where that is yet to come."""
    start = case.row["prediction_time"]
    if start is None:
        return None
    readmission = case.bundle is not None and case.bundle.manifest.task == "readmission_30d"
    ends = readmission and case.row["timing"] == "at_discharge"
    end = {"end": instant(start + _THIRTY_DAYS)} if ends else {}
    return {"start": instant(start), **end}


def _how_sure(score: Score | None, case: _Case) -> str | None:
    said = []
    if score and score.interval:
        low, high = map(_in_percent, score.interval)
        name, meaning = INTERVALS[score.interval_holds]
        said.append(f"{name}: {low:g} to {high:g} %. {meaning}")
    known, own = case.row["known_inputs"], case.own
    if known is not None and own:
        said.append(f"{known} of {len(inputs_of(own.manifest))} inputs were known.")
    return " ".join(said) or None


def _notes(case: _Case) -> Iterator[str]:
    row = case.row
    if row["outcome"] != "scored":
        yield why_not(row["reason"], case.contents, case.wording)
    elif row["timing"] == "before_discharge":
        yield "Made before the discharge: the stay was not over."
    if case.own:
        yield case.own.manifest.notice
    if case.wording:
        yield case.wording.limits


def why_not(reason: str, contents: Contents, wording: TaskWording | None) -> str:
    """Why there is no result, in words and with its code."""
    words = wording.reasons.get(reason, reason) if wording else reason
    lacking = f" Missing: {', '.join(contents.missing)}." if contents.missing else ""
    name = wording.not_scored if wording else "Not scored"
    return f"{name}: {words} ({reason}).{lacking}"


def _in_percent(share: float) -> float:
    return round(share * 100, 2)


@cache
def _model() -> Any:
    # slow to import: paid by the first resource, not by every start
    from fhir.resources.R4B.riskassessment import RiskAssessment

    return RiskAssessment
