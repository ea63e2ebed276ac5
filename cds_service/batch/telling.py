"""What a run says while it goes on, and at its end; on standard error, of nobody."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cds_service.batch.arrived import Arrived
from cds_service.governance.opening import say
from fhir_mapping.resources import KNOWN_TYPES
from model.drift import MUCH


def tell(found: Mapping[str, Any], targets: Sequence[str], kept: Path) -> None:
    """The summary in words."""
    lines, stays, scored = found["lines"], found["stays"], found["scored"]
    say(
        f"{lines['read']} lines read, {lines['kept']} used; {found['patients']} patients with a stay"
    )
    for reason, count in lines["put aside"].items():
        say(f"  {count} put aside: {reason} (aside.ndjson has file and line)", style="yellow")
    say(f"{stays} stays: {scored} scored, {found['warned']} above the threshold")
    for reason, count in found["not_scored"].items():
        say(f"  {count} not scored: {reason}")
    known = found["known_inputs"]
    if scored:
        say(
            f"inputs known, of {known['of']}: {known['p50']:g} (tenth of stays below {known['p10']:g})"
        )
    _tell_drift(found["drift"])
    _tell_written(found["fhir"])
    say(f"into {', '.join(targets)}; summary in {kept}")


def tell_arrived(arrived: Arrived) -> None:
    """What a source did not have, or not give."""
    if arrived.absent:
        say(f"{arrived.absent} of those asked for are not at the source", style="yellow")
    missing = KNOWN_TYPES - (KNOWN_TYPES if arrived.types is None else arrived.types)
    for words, types in (("not read", missing), ("read in part", arrived.partial)):
        if types:
            say(f"{words}: {', '.join(sorted(types))}", style="yellow")
    if arrived.doubted:
        say(f"{len(arrived.doubted)} patients of whom not all was given", style="yellow")


def tell_deleted(count: int, purged: int | None) -> None:
    """What a server says is gone; `purged`: how many stored assessments lost what rested on it, None
    where the store was no target."""
    if count and purged is not None:
        say(f"{count} resources were deleted at the server: {purged} assessments purged of them")
    elif count:
        say(
            f"{count} resources were deleted at the server; what the store has of them stays until a"
            " run `--to database` or `readmit purge`",
            style="yellow",
        )


def _tell_drift(drift: Mapping[str, float] | None) -> None:
    if drift is None:
        return
    far = [f"{name} {index:.2f}" for name, index in drift.items() if index > MUCH]
    shown = ", ".join(far[:5]) or "none"
    say(
        f"inputs far from the training stays (index above {MUCH}): {len(far)} of {len(drift)}: {shown}"
    )


def _tell_written(written: Mapping[str, Any] | None) -> None:
    if written is None:
        return
    say(f"{written['there']} RiskAssessments are at the FHIR server, {written['new']} of them new")
    if written["removed there"]:
        say(f"  {written['removed there']} were removed there, and were not written again")
    for why, count in written["refused"].items():
        say(f"  {count} not taken: {why} (refused.ndjson has their uuids)", style="yellow")
