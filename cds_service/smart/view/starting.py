"""Pages from which a first assessment is made: none yet, and a choice of stay."""

from collections.abc import Iterable
from dataclasses import dataclass

from cds_service.smart.view import words
from cds_service.smart.view.page import TEMPLATES, Facts
from fhir_mapping.history import Visit
from fhir_mapping.when import When


@dataclass(frozen=True)
class Stay:
    """A stay that can be chosen. `id` goes into a form, never into an address."""

    id: str
    period: str
    state: str


def nothing_page(facts: Facts) -> str:
    """That there is no assessment of this stay yet, and how one is made."""
    return TEMPLATES.get_template("nothing.html").render(words=words, facts=facts)


def stays_page(facts: Facts, visits: Iterable[Visit]) -> str:
    """The stays of the patient, newest first, each with the button that scores it."""
    listed = [_stay(each) for each in visits]
    return TEMPLATES.get_template("stays.html").render(words=words, facts=facts, stays=listed)


def _stay(visit: Visit) -> Stay:
    finished = visit.status == "finished"
    until = _day(visit.end) if finished and visit.end else "now"
    return Stay(visit.id, f"{_day(visit.start)} to {until}", "ended" if finished else "in progress")


def _day(when: When | None) -> str:
    return f"{when.earliest:%Y-%m-%d}" if when else "not known"
