"""A past assessment again: the stored values through the same bundle, beside what was stored then.

Everything that was computed from values is computed anew. What was read from the record's events
(points, who is eligible) is not: events are not kept, and the answer says so.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any, Final

from cds_service.assessment import below_floor, coverage_of
from cds_service.governance.recorded import Compared
from fhir_mapping.extract import FeatureVector, digest_of
from model.bundle import Bundle, load_bundle, sha256
from model.manifest import MANIFEST
from model.scoring import TrainedScorer, Value, scorer_for

Row = Mapping[str, Any]
TOLERANCE: Final = 1e-6
"""How near probabilities of one CPU build and another come, before they are rounded."""
_HALF_STEP = 0.5e-4


def find_bundle(digest: str, folders: Iterable[Path]) -> Bundle | None:
    """The bundle of that digest among the folders. Raises BundleError where it is damaged."""
    for folder in folders:
        manifest = folder / MANIFEST
        if manifest.is_file() and sha256(manifest.read_bytes()) == digest:
            return load_bundle(folder.resolve())
    return None


def replay(row: Row, values: Sequence[Value], bundle: Bundle) -> Iterator[Compared]:
    """Everything that can be said again of one assessment."""
    yield _compared("mapping digest", row["mapping_digest"], bundle.manifest.mapping_digest)
    if not values:
        yield Compared(f"not scored ({row['reason']}): no values were computed", None)
        return
    yield _compared("vector digest", row["vector_digest"], digest_of(values))
    vector = _vector(row, values)
    yield _compared("known inputs", row["known_inputs"], coverage_of(vector, bundle).known)
    yield from (
        _scored(row, values, bundle)
        if row["outcome"] == "scored"
        else _refused(row, vector, bundle)
    )


def _scored(row: Row, values: Sequence[Value], bundle: Bundle) -> Iterator[Compared]:
    if bundle.trained is None:
        yield _compared("probability", row["probability"], None)
    else:
        scorer = TrainedScorer(bundle.trained, bundle.positions)
        yield _probability(
            row["probability"],
            scorer_for(bundle).score(values).probability,
            scorer.unrounded(values),
        )
    points = {"LACE": row["lace_points"], "HOSPITAL": row["hospital_points"]}
    stated = ", ".join(f"{name} {value}" for name, value in points.items() if value is not None)
    if stated:
        yield Compared(f"{stated}: counted from the record's events, which are not kept", None)


def _probability(then: float | None, now: float | None, unrounded: float) -> Compared:
    if then is None or now is None or then == now:
        return _compared("probability", then, now)
    near = abs(unrounded - then) <= _HALF_STEP + TOLERANCE
    if near:
        return Compared(f"probability {then} then, {now} now: equal within 1e-6 before rounding")
    return _compared("probability", then, now)


def _refused(row: Row, vector: FeatureVector, bundle: Bundle) -> Iterator[Compared]:
    reason = row["reason"]
    if reason == "below_coverage_floor":
        thin = below_floor(vector, bundle)
        yield Compared(
            f"not scored ({reason}): below it in {', '.join(thin) or 'no group'}", bool(thin)
        )
    elif reason == "length_of_stay_implausible":
        yield Compared(f"not scored ({reason})", vector["hosp_los_days"] is None)
    else:
        yield Compared(
            f"not scored ({reason}): told from the record's events, which are not kept", None
        )


def _compared(name: str, then: object, now: object) -> Compared:
    if then == now:
        return Compared(f"same {name} {now}")
    return Compared(f"{name} {then} then, {now} now", holds=False)


def _vector(row: Row, values: Sequence[Value]) -> FeatureVector:
    return FeatureVector(
        values=tuple(values),
        evidence=(),
        issues=(),
        prediction_time=row["prediction_time"],
        timing=row["timing"],
        zone=UTC,
        profile=row["profile"],
        profile_detected=False,
    )
