"""Every input with its value, unit, date and the resources it rests on; and why what is missing is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo

from cds_service.hooks.basis import cannot_be
from cds_service.hooks.estimate import shown_value
from cds_service.hooks.wording import UNKNOWN
from cds_service.smart.view.modifiable import may_change
from cds_service.smart.view.stored import Stored, printable
from cds_service.smart.view.words import WHY_MISSING
from fhir_mapping.catalogue import CATALOGUE, COVERAGE_GROUPS, Feature
from fhir_mapping.extract import FeatureVector
from fhir_mapping.readings import STAY_VITALS, Evidence

_LISTED = 4  # inputs that a derived one names


@dataclass(frozen=True)
class Proof:
    """One resource behind a value. `number` None: it was not kept as received."""

    date: str
    kind: str
    number: int | None
    received: str


@dataclass(frozen=True)
class Input:
    """`value` None: missing, and `why` says why; else `why` says how it came about."""

    label: str
    value: str | None
    why: str
    proofs: tuple[Proof, ...]
    may_change: bool


@dataclass(frozen=True)
class InputGroup:
    """The inputs of one group, `known` of them."""

    title: str
    known: int
    inputs: tuple[Input, ...]


def input_groups(stored: Stored) -> tuple[InputGroup, ...]:
    """By group in catalogue order; nothing where the inputs are not known."""
    vector = stored.vector
    if vector is None:
        return ()
    found = []
    for name in COVERAGE_GROUPS:
        features = [each for each in stored.inputs if each.coverage_group == name]
        inputs = tuple(_input(each, vector, stored) for each in features)
        if inputs:
            title = stored.words.groups[name]
            known = sum(each.value is not None for each in inputs)
            found.append(InputGroup(title[:1].upper() + title[1:], known, inputs))
    return tuple(found)


def missing(stored: Stored, vector: FeatureVector) -> tuple[Feature, ...]:
    """The inputs whose value is not known; `unknown` is a level, but nothing that was seen."""
    return tuple(each for each in stored.inputs if vector[each.name] in (None, "unknown"))


def why_missing(feature: Feature, vector: FeatureVector, stored: Stored) -> str:
    """In a few words."""
    if feature.derived:
        return WHY_MISSING["derived"]
    if cannot_be(feature, vector):
        return WHY_MISSING["not_yet"]
    for state in ("not_read", "partial"):
        kinds = [each for each in feature.sources if stored.sources.get(each, "not_read") == state]
        if kinds and not _read_for_the_stay(feature, stored):
            return WHY_MISSING[state].format(" and ".join(kinds))
    return WHY_MISSING["absent"]


def _read_for_the_stay(feature: Feature, stored: Stored) -> bool:
    """Vital signs of the stay may all have been read where not all Observations were."""
    return feature.coverage_group == "vitals" and stored.sources.get(STAY_VITALS) == "read"


def _input(feature: Feature, vector: FeatureVector, stored: Stored) -> Input:
    value, rows = vector[feature.name], vector.evidence_for(feature.name)
    known = value not in (None, "unknown")
    return Input(
        label=feature.label,
        value=shown_value(feature, value) if known else None,
        why="; ".join(_how(rows)) if known else why_missing(feature, vector, stored),
        proofs=tuple(_proof(row, feature, stored) for row in rows if row.reference),
        may_change=bool(may_change(feature.concept, stored.task, vector.timing)),
    )


def missing_value(value: str | None) -> str:
    """As the card says it."""
    return UNKNOWN if value is None else value


def _how(rows: Iterable[Evidence]) -> Iterator[str]:
    """The reasons once each; inputs by their labels, many of them by their number."""
    for reason in dict.fromkeys(row.reason for row in rows):
        names = reason.removeprefix("from ").split(", ")
        if reason.startswith("from ") and all(name in CATALOGUE.names for name in names):
            many = len(names) > _LISTED
            told = [CATALOGUE[name].label for name in names]
            yield f"from {len(names)} other inputs" if many else f"from {', '.join(told)}"
        else:
            yield printable(reason)


def _proof(row: Evidence, feature: Feature, stored: Stored) -> Proof:
    return Proof(
        date=when(row.time, stored.kept.zone),
        kind=printable(row.reference.partition("/")[0]),
        number=stored.numbers.get(row.reference),
        received=_received(row, feature),
    )


def _received(row: Evidence, feature: Feature) -> str:
    """The value as the resource has it, where its unit is another one than ours."""
    if feature.kind != "numeric" or row.received_unit in ("", feature.unit):
        return ""
    return printable(f"{row.received} {row.received_unit}")


def when(time: str, zone: tzinfo) -> str:
    """A day, or an instant in the stay's own zone."""
    if "T" not in time:
        return time
    return f"{datetime.fromisoformat(time).astimezone(zone):%Y-%m-%d %H:%M}"
