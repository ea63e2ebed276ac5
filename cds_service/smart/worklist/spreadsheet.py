"""The list as CSV for a spreadsheet, in which no cell becomes a formula. Pure.

RFC 4180, in UTF-8 with a mark at its start, without which spreadsheets take it for another encoding.
"""

import csv
import io
from collections.abc import Iterator
from datetime import date

from cds_service.cells import harmless
from cds_service.smart.worklist.listed import Entry, Worklist

HEAD = (
    "rank", "within capacity", "name", "born", "patient id", "stay id", "unit", "bed", "state",
    "estimated risk", "point scores", "card warned", "assessed at", "remark",
)  # fmt: skip


def as_csv(listed: Worklist) -> bytes:
    """All entries that are shown, those apart at the end."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    for row in _rows(listed):
        writer.writerow(map(harmless, row))
    return written.getvalue().encode("utf-8-sig")


def file_name(day: date) -> str:
    """Says the day, and nothing of anybody on it."""
    return f"readmit-worklist-{day.isoformat()}.csv"


def _rows(listed: Worklist) -> Iterator[tuple[str, ...]]:
    yield HEAD
    reached = {each.encounter_id for each in listed.within}
    for each in (*listed.ranked, *listed.apart):
        yield _row(each, _within(each, reached, listed))


def _within(entry: Entry, reached: set[str], listed: Worklist) -> str:
    if entry.rank is None or listed.capacity is None:
        return ""
    return "yes" if entry.encounter_id in reached else "no"


def _row(entry: Entry, within: str) -> tuple[str, ...]:
    return (
        "" if entry.rank is None else str(entry.rank),
        within,
        entry.name or "",
        entry.born or "",
        entry.patient_id,
        entry.encounter_id,
        entry.unit or "",
        entry.bed or "",
        entry.state,
        entry.risk or "",
        ", ".join(entry.points),
        "yes" if entry.warned else "no",
        entry.made_at.isoformat(timespec="minutes"),
        entry.remark or "",
    )
