"""HealthChain's SandboxClient, driven by a job on standard input; run by an interpreter that has it.

Answers on standard output: what it sent, what came back, which errors it logged, and what its own models
think of the answer. It imports nothing of this project.
"""

import json
import logging
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from healthchain.models import CDSRequest, CDSResponse, CDSServiceInformation
from healthchain.models.hooks import EncounterDischargeContext
from healthchain.sandbox import SandboxClient
from pydantic import BaseModel, ValidationError


class WholeRequest(CDSRequest):
    """Its request declares a context of two members, and so leaves `encounterId` unsent."""

    context: EncounterDischargeContext


class Kept(logging.Handler):
    """Its client logs an error answer and gives an empty object for it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def client_of(job: dict[str, Any]) -> SandboxClient:
    client = SandboxClient(url=job["url"], workflow=job["workflow"])
    with TemporaryDirectory() as folder:
        file = Path(folder) / "prefetch.json"
        file.write_text(json.dumps(job["prefetch"]))
        client.load_from_path(file)
    (request,) = client.requests
    request.context = request.context.model_copy(update=job["context"])
    if job["whole"]:
        client.requests = [WholeRequest(**dict(request))]
    return client


def disputed(model: type[BaseModel], value: Any) -> list[str]:
    """The paths at which its model does not take a value."""
    try:
        model.model_validate(value)
    except ValidationError as wrong:
        return sorted(".".join(map(str, each["loc"])) for each in wrong.errors())
    return []


def main() -> None:
    job, kept = json.load(sys.stdin), Kept()
    logging.getLogger("healthchain").addHandler(kept)
    client = client_of(job)
    (response,) = client.send_requests()
    (sent,) = client.get_request_data()
    told = {
        "sent": sent,
        "response": response,
        "errors": kept.messages,
        "disputed": disputed(CDSResponse, response),
        "discovery_disputed": disputed(CDSServiceInformation, job["discovery"]),
    }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
