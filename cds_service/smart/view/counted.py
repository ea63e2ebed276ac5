"""LACE and HOSPITAL with their items, each beside the outcome it was published for."""

from dataclasses import dataclass

from cds_service.hooks.points import TITLES
from cds_service.hooks.wording import DATED, percent
from cds_service.recalled import KeptScore
from cds_service.smart.view.stored import Stored, printable
from fhir_mapping.scores import Component
from model.published import PublishedScore


@dataclass(frozen=True)
class Item:
    """One item: what was found, its points, and the numbers of its resources as received."""

    shown: str
    points: str
    date: str
    numbers: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Counted:
    """One score."""

    title: str
    points: str
    reading: str | None
    figure: str | None
    citation: str | None
    items: tuple[Item, ...]


def counted(stored: Stored) -> tuple[Counted, ...]:
    """As they were counted then; what they were published for is in the bundle."""
    contents = stored.contents
    return tuple(_score(each, stored) for each in contents.baselines) if contents else ()


def _score(kept: KeptScore, stored: Stored) -> Counted:
    published = stored.bundle.published.get(kept.name) if stored.bundle else None
    return Counted(
        title=TITLES.get(kept.name, kept.name),
        points=_points(kept, published),
        reading=kept.reading.label if kept.reading else None,
        figure=_figure(kept, published),
        citation=published.citation if published else None,
        items=tuple(_item(each, stored) for each in kept.components),
    )


def _points(kept: KeptScore, published: PublishedScore | None) -> str:
    certain = sum(each.points or 0 for each in kept.components)
    at_least = "" if kept.reading else "at least "
    return f"{at_least}{certain}{f' of {published.max_points}' if published else ''}"


def _figure(kept: KeptScore, published: PublishedScore | None) -> str | None:
    if kept.reading is None or kept.reading.figure is None or published is None:
        return None
    return f"{percent(kept.reading.figure)} {published.outcome}"


def _item(item: Component, stored: Stored) -> Item:
    numbers = [
        (printable(each.partition("/")[0]), stored.numbers[each])
        for each in item.references
        if each in stored.numbers
    ]
    return Item(
        shown=printable(item.shown or item.label),
        points="not known" if item.points is None else f"{item.points:+d}" if item.points else "0",
        date=f"{DATED.get(item.name, '')}{item.date}" if item.date else "",
        numbers=tuple(numbers),
    )
