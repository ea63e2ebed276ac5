"""Reads the example patients from their folder: the list, the hook requests, the discharge summary."""

import base64
import json
from dataclasses import dataclass
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cds_service.web.redate import admitted_days_ago, moved_by, shift_to

Json = dict[str, Any]

DAYS_IN_HOSPITAL = 3


@dataclass(frozen=True)
class Gallery:
    """The folder `examples/` as the page sees it. Read anew each time: a changed file shows at once."""

    folder: Path

    def lines(self) -> list[Json]:
        index = self.folder / "index.json"
        return json.loads(index.read_bytes()) if index.is_file() else []

    def has(self, name: str) -> bool:
        return any(line["name"] == name for line in self.lines())

    def patient(self, name: str, today: date) -> Json:
        """Both hook requests and the summary of a listed patient; a stay in progress is moved to today."""
        request = self._read("requests", name)
        if request["prefetch"]["encounter"]["status"] == "in-progress":
            request = admitted_days_ago(request, DAYS_IN_HOSPITAL, today)
        summary = summary_text(self._read("patients", name))
        return {"discharge": request, "patient_view": patient_view(request), "summary": summary}

    def record(self, name: str, today: date) -> list[Json]:
        """The resources of a listed patient, moved in time as `patient` moves the requests."""
        request, record = self._read("requests", name), self._read("patients", name)
        if request["prefetch"]["encounter"]["status"] == "in-progress":
            record = moved_by(record, shift_to(request, DAYS_IN_HOSPITAL, today))
        return [entry["resource"] for entry in record["entry"]]

    def _read(self, kind: str, name: str) -> Json:
        document: Json = json.loads((self.folder / kind / f"{name}.json").read_bytes())
        return document


def patient_view(request: Json) -> Json:
    """The request that the same EHR sends when the chart is opened.

    Of a stay in progress the hook need not name the encounter, and many EHRs do not; of a stay
    that is over it must, or there is nothing to answer for.
    """
    context, prefetch = dict(request["context"]), dict(request["prefetch"])
    encounter = prefetch.pop("encounter")
    if encounter["status"] == "in-progress":
        del context["encounterId"]
    instance = str(uuid5(NAMESPACE_URL, request["hookInstance"]))
    opened = {"hook": "patient-view", "hookInstance": instance}
    return {**request, **opened, "context": context, "prefetch": prefetch}


def summary_text(record: Json) -> str:
    """The discharge summary of a record: headings in capitals, paragraphs apart by an empty line."""
    for resource in (entry["resource"] for entry in record["entry"]):
        if resource["resourceType"] == "Composition":
            return "\n\n".join(_section(each) for each in resource["section"])
        if resource["resourceType"] == "DocumentReference":
            data = resource["content"][0]["attachment"]["data"]
            return base64.b64decode(data).decode("utf-8")
    return ""


def _section(section: Json) -> str:
    reader = _Paragraphs()
    reader.feed(section["text"]["div"])
    return "\n".join([section["title"].upper(), "\n\n".join(reader.paragraphs)])


class _Paragraphs(HTMLParser):
    """The words of the paragraphs of a narrative, without its markup."""

    def __init__(self) -> None:
        super().__init__()
        self.paragraphs: list[str] = []

    def handle_starttag(self, tag: str, _: object) -> None:
        if tag == "p":
            self.paragraphs.append("")

    def handle_data(self, data: str) -> None:
        if self.paragraphs:
            self.paragraphs[-1] += data
