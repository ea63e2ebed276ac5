"""The worklist as HTML."""

from dataclasses import dataclass
from datetime import date

from cds_service.hooks.wording import percent
from cds_service.smart.view.page import TEMPLATES, Facts
from cds_service.smart.worklist.listed import Worklist


@dataclass(frozen=True)
class Choice:
    """What the user chose to see. `services`: those there are to choose from."""

    day: date
    unit: str
    service: str
    services: tuple[str, ...]
    zone: str


def worklist_page(
    listed: Worklist, choice: Choice, facts: Facts, *, base_rate: float | None
) -> str:
    """`base_rate`: what estimates stand beside, as a share."""
    return TEMPLATES.get_template("worklist.html").render(
        listed=listed,
        choice=choice,
        facts=facts,
        average=None if base_rate is None else percent(base_rate),
        parameters={"day": choice.day.isoformat(), "unit": choice.unit, "service": choice.service},
    )
