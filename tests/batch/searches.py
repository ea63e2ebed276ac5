"""One search against the fake server, without waiting, as exporting.py has it for exports."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from cds_service.batch.arrived import Arrived
from cds_service.batch.calling.backend import BackendTokens, Registered
from cds_service.batch.lines import lines_of
from cds_service.batch.scoring import Choice
from cds_service.batch.sources.bulk.export import TYPES
from cds_service.batch.sources.searching.asking import asked_of
from cds_service.batch.sources.searching.search import arrive_by_search
from cds_service.fhir_server import outgoing_client
from tests.batch.bulk_server.state import FakeBulk
from tests.batch.exporting import Time

Json = dict[str, Any]
FINISHED = Choice()
CLASSES = ("IMP", "ACUTE")


@dataclass
class Searching:
    """A server, a time, a folder, and how batch is registered."""

    server: FakeBulk
    folder: Path
    time: Time = field(default_factory=Time)
    registered: Registered | None = None
    transport: httpx.AsyncBaseTransport | None = None

    async def arrive(
        self,
        tail: str = "",
        choice: Choice = FINISHED,
        ids: tuple[str, ...] | None = None,
        **how: Any,
    ) -> Arrived:
        """A call as one process makes it: its own client, its own tokens."""
        asked = asked_of(f"{self.server.base}{tail}", choice, CLASSES, ids)
        http = outgoing_client()
        if self.transport:
            http = httpx.AsyncClient(transport=self.transport, follow_redirects=False)
        async with http:
            tokens = self.registered and BackendTokens(
                http,
                self.server.base,
                self.registered,
                reads=TYPES,
                clock=self.time,
                pause=self.time.pause,
            )
            return await arrive_by_search(
                asked,
                folder=self.folder,
                http=http,
                clock=self.time,
                tokens=tokens,
                progress=self.time,
                pause=self.time.pause,
                **how,
            )


def stays(patients: int = 3) -> dict[str, list[Json]]:
    """A ward and its Locations and Medications: each patient is in, and was in before."""
    made: dict[str, list[Json]] = {kind: [] for kind in TYPES}
    for number in range(patients):
        subject = {"reference": f"Patient/p{number}"}
        made["Patient"].append({"resourceType": "Patient", "id": f"p{number}"})
        made["Encounter"] += [
            stay(f"now-{number}", subject, "in-progress", f"ward-{number % 2}"),
            stay(f"then-{number}", subject, "finished", "ward-0"),
        ]
        made["Observation"] += [
            {"resourceType": "Observation", "id": f"o{number}-{each}", "subject": subject}
            for each in range(5)
        ]
        given = {"subject": subject, "medicationReference": {"reference": "Medication/m"}}
        made["MedicationRequest"].append(
            {"resourceType": "MedicationRequest", "id": f"r{number}"} | given
        )
    made["Location"] = [{"resourceType": "Location", "id": f"ward-{each}"} for each in range(3)]
    made["Medication"] = [{"resourceType": "Medication", "id": "m"}]
    return made


def stay(name: str, subject: Json, status: str, ward: str) -> Json:
    where = [{"location": {"reference": f"Location/{ward}"}}]
    of = {"class": {"code": "IMP"}, "status": status, "subject": subject, "location": where}
    return {"resourceType": "Encounter", "id": name} | of


def references(arrived: Arrived) -> set[str]:
    """`Type/id` of every line."""
    found = [json.loads(line.raw or b"{}") for file in arrived.files for line in lines_of(file)]
    return {f"{each['resourceType']}/{each['id']}" for each in found}
