"""What a run knows of itself: written beside every number, and into both cards."""

from collections.abc import Mapping
from typing import Any

import msgspec


class FlowStep(msgspec.Struct, frozen=True):
    """One line of the flow of participants: what was left out or kept, and how many stays."""

    text: str
    stays: int


class SplitSize(msgspec.Struct, frozen=True):
    """One split. `positives` are stays with the outcome."""

    name: str
    stays: int
    patients: int
    positives: int


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """`data_from`, `data_until`, `made_on` are ISO dates, "" where unknown. `outcome` and
    `population` are the rules in words, `model` what was built and how, `variant` as of when a
    critical outcome is predicted. `stated` answers TRIPOD+AI items by their number ("17"),
    or model-card headings by their key, that no run can know."""

    title: str
    task: str
    bundle: str
    data_source: str
    synthetic: bool
    made_on: str
    outcome: str
    population: str
    model: str = ""
    variant: str = ""
    data_from: str = ""
    data_until: str = ""
    features: int = 0
    flow: tuple[FlowStep, ...] = ()
    splits: tuple[SplitSize, ...] = ()
    seeds: tuple[int, ...] = ()
    settings: Mapping[str, Any] = {}
    environment: Mapping[str, str] = {}
    stated: Mapping[str, str] = {}
