"""The part of a card that shows the published point scores: the table, and what adds points. Pure."""

from collections.abc import Iterable, Iterator

from cds_service.assessment import Baseline
from cds_service.hooks.wording import DATED, listed, percent, plain
from fhir_mapping.scores import Component

TITLES = {"lace": "LACE", "hospital": "HOSPITAL"}


def in_short(baselines: Iterable[Baseline]) -> str:
    """Each score in a few words, for a summary."""
    return listed([_in_short(each) for each in baselines])


def table(baselines: Iterable[Baseline]) -> str:
    """Points, class, and the published figure for the outcome it was published for."""
    lines = ["| score | points | class | published figure |", "|---|---|---|---|"]
    for each in baselines:
        cells = (TITLES[each.score.name], _points(each), _class(each), _figure(each))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def drivers(baselines: Iterable[Baseline]) -> str:
    """Each item that adds points, once, with the points it adds to each score."""
    return "**What adds points**\n\n" + "\n".join(
        list(_drivers(baselines)) or ["- Nothing that the scores count"]
    )


def incomplete(baselines: Iterable[Baseline]) -> Iterator[str]:
    """What each score lacks that could not be summed."""
    for each in baselines:
        if each.reading is None:
            missing = listed([plain(label) for label in each.score.missing])
            yield f"**{TITLES[each.score.name]} is incomplete:** {missing} not known."


def _in_short(baseline: Baseline) -> str:
    name, most = TITLES[baseline.score.name], baseline.published.max_points
    if baseline.reading is None:
        return f"{name} incomplete"
    return f"{name} {baseline.score.points} of {most} ({baseline.reading.label})"


def _points(baseline: Baseline) -> str:
    most = baseline.published.max_points
    if baseline.reading is None:
        return f"at least {baseline.score.at_least} of {most}"
    return f"{baseline.score.points} of {most}"


def _class(baseline: Baseline) -> str:
    return plain(baseline.reading.label) if baseline.reading else "not known"


def _figure(baseline: Baseline) -> str:
    reading = baseline.reading
    if reading is None or reading.figure is None:
        return "none"
    return f"{percent(reading.figure)} {plain(baseline.published.outcome)}"


def _drivers(baselines: Iterable[Baseline]) -> Iterator[str]:
    added: dict[str, tuple[str, list[str]]] = {}
    for baseline in baselines:
        for item in baseline.score.components:
            if item.points:
                text = plain(item.shown) + _date(item)
                points = added.setdefault(item.name, (text, []))[1]
                points.append(f"{TITLES[baseline.score.name]} +{item.points}")
    for text, points in added.values():
        yield f"- {text} ({listed(points)})"


def _date(item: Component) -> str:
    return f", {DATED.get(item.name, '')}{plain(item.date)}" if item.date else ""
