"""The windows of the catalogue, and what is inside them: stated once, here.

Histories are `[start, T0)`. Values are closed on both sides and end at `prediction_time` at the
latest. Where only a day is known it is compared by date.
"""

from datetime import datetime, timedelta

import msgspec

from fhir_mapping.errors import CatalogueError
from fhir_mapping.history import IndexStay
from fhir_mapping.when import When

_TRIAGE = timedelta(hours=2)
_FIRST_DAY = timedelta(hours=24)


class Span(msgspec.Struct, frozen=True, gc=False):
    """From `start` on; up to `end`, itself inside only where `closed`."""

    start: datetime
    end: datetime
    closed: bool = True

    def __contains__(self, when: When) -> bool:
        if not when.since(self.start):
            return False
        return when.by(self.end) if self.closed else when.before(self.end)


def span_of(window: str, stay: IndexStay) -> Span:
    """The span that a catalogue window means for a stay.

    `30d` is `[T0 - 30 d, T0)`. `triage` is two hours from T0, `ed_last` the ED stay; without an
    ED visit both are the first day of the stay. `since_t0` runs to the prediction time.
    """
    if window[:-1].isdecimal() and window.endswith("d"):
        return Span(stay.t0 - timedelta(days=int(window[:-1])), stay.t0, closed=False)
    ends = {
        "triage": stay.t0 + _TRIAGE,
        "ed_last": stay.ed_end or stay.prediction_time,
        "since_t0": stay.prediction_time,
    }
    if window not in ends:
        raise CatalogueError(f"catalogue.csv: window {window} has no meaning")
    if not stay.ed_visits and window != "since_t0":
        return Span(stay.admission, min(stay.admission + _FIRST_DAY, stay.prediction_time))
    return Span(stay.t0, min(ends[window], stay.prediction_time))
