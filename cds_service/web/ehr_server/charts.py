"""The charts that the dev EHR holds: the example patients, as the demonstration page shows them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cds_service.web.gallery import Gallery

Json = dict[str, Any]


@dataclass(frozen=True)
class Charts:
    """Every resource of the listed patients; a stay in progress is of today, by the clock given."""

    gallery: Gallery
    clock: Callable[[], datetime]

    def resources(self) -> list[Json]:
        """Read anew each time, as the page is: a changed file shows at once."""
        today = self.clock().date()
        names = [line["name"] for line in self.gallery.lines()]
        return [resource for name in names for resource in self.gallery.record(name, today)]

    def patient_of(self, name: str) -> str | None:
        """The id of a listed patient; None where nobody is listed under that name."""
        if not self.gallery.has(name):
            return None
        record = self.gallery.record(name, self.clock().date())
        return next(str(each["id"]) for each in record if each["resourceType"] == "Patient")
