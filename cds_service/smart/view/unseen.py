"""What the model could not see: what was not read, what is missing and why, how far it could move it."""

from dataclasses import dataclass

from cds_service.hooks.basis import cannot_be, named, noticed
from cds_service.hooks.wording import SOURCES, listed, percent
from cds_service.smart.view.drawing import Scale, Span, scale_of
from cds_service.smart.view.inputs import missing, why_missing
from cds_service.smart.view.stored import Stored
from cds_service.smart.view.words import DENIED, NARROWED, NOT_LOADED, NOTHING_COULD_MOVE, UNTOLD
from fhir_mapping.catalogue import CATALOGUE, Feature
from fhir_mapping.extract import FeatureVector
from model.scoring import Move

_MOST = 5


@dataclass(frozen=True)
class CouldMove:
    """One missing input; `now` is where the estimate stands."""

    label: str
    lowest: str
    highest: str
    bar: Span
    now: float


@dataclass(frozen=True)
class Unseen:
    """`moves` empty: then `no_moves` says why. `absent`: what is missing, and why."""

    not_read: str | None
    in_part: str | None
    access: tuple[str, ...]
    noticed: str | None
    absent: tuple[tuple[str, str], ...]
    moves: tuple[CouldMove, ...]
    no_moves: str | None
    untold: str | None


def unseen_of(stored: Stored, denied: tuple[str, ...], narrowed: tuple[str, ...]) -> Unseen:
    """`denied`, `narrowed`: resource types that this session may not read, or in part."""
    vector = stored.vector
    absent = missing(stored, vector) if vector else ()
    moves, untold = _moves(stored, vector, absent) if vector else ((), 0)
    return Unseen(
        not_read=_sources(stored, "not_read"),
        in_part=_sources(stored, "partial"),
        access=tuple(_access(denied, narrowed)),
        noticed=listed(noticed(vector)) if vector and vector.issues else None,
        absent=tuple((each.label, why_missing(each, vector, stored)) for each in absent)
        if vector
        else (),
        moves=moves,
        no_moves=None if moves or untold else _why_none(stored),
        untold=UNTOLD.format(untold) if untold else None,
    )


def _sources(stored: Stored, state: str) -> str | None:
    kinds = [named(kind) for kind, found in stored.sources.items() if found == state]
    return listed(kinds) or None


def _access(denied: tuple[str, ...], narrowed: tuple[str, ...]) -> list[str]:
    said = ((DENIED, denied), (NARROWED, narrowed))
    return [
        sentence.format(listed([f"{kind} ({SOURCES.get(kind, kind)})" for kind in kinds]))
        for sentence, kinds in said
        if kinds
    ]


def _why_none(stored: Stored) -> str | None:
    if stored.row["probability"] is None:
        return None
    return NOTHING_COULD_MOVE if stored.assessor else NOT_LOADED


def _moves(
    stored: Stored, vector: FeatureVector, absent: tuple[Feature, ...]
) -> tuple[tuple[CouldMove, ...], int]:
    """Of what could be known: neither what is worked out from other inputs, nor what no record could
    say yet, or ever. And of how many the training stays cannot tell it."""
    probability = stored.row["probability"]
    if stored.assessor is None or probability is None:
        return (), 0
    among = [each.name for each in absent if not (each.derived or cannot_be(each, vector))]
    tried = stored.assessor.scorer.could_move(vector.values, among, most=len(among))
    found = [each for each in tried if each.highest > each.lowest]
    widest = found[:_MOST]
    scale = scale_of([probability, *(each.highest for each in widest)], at_least=0.0)
    moves = tuple(_move(each, probability, scale) for each in widest)
    return moves, len(among) - len(found)


def _move(move: Move, probability: float, scale: Scale) -> CouldMove:
    return CouldMove(
        label=CATALOGUE[move.name].label,
        lowest=percent(move.lowest),
        highest=percent(move.highest),
        bar=scale.between(move.lowest, move.highest),
        now=scale.at(probability),
    )
