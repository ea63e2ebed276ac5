"""What the fake bulk server holds and remembers: records, jobs, apps, tokens, and all that it was asked."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime
from secrets import token_urlsafe
from typing import Any, Literal

from tests.batch.bulk_server.faults import Canned, Faults, Step
from tests.smart.ehr.state import Registered, system_now

TYPES = ("Condition", "Encounter", "Observation", "Patient")
TRANSACTION_TIME = "2026-11-20T08:00:00.123+01:00"


def records(patients: int = 3) -> dict[str, list[dict[str, Any]]]:
    """Some of each type, by type; nobody's real data."""
    made: dict[str, list[dict[str, Any]]] = {each: [] for each in TYPES}
    for number in range(patients):
        subject = {"reference": f"Patient/p{number}"}
        made["Patient"].append({"resourceType": "Patient", "id": f"p{number}"})
        for kind in ("Condition", "Encounter", "Observation"):
            made[kind].append({"resourceType": kind, "id": f"{kind}-{number}", "subject": subject})
    return made


@dataclass(frozen=True)
class Seen:
    """One request: at which step, how, and with which token."""

    step: Step
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    token: str | None
    raw_query: str = ""


@dataclass
class Job:
    """One export. `polls`: how many more answers say that it is not done. `since`: of what changed
    later alone; `patients`: of these alone, None for all."""

    types: tuple[str, ...]
    polls: int
    deleted: bool = False
    since: datetime | None = None
    patients: frozenset[str] | None = None

    def has(self, resource: dict[str, Any]) -> bool:
        """Whether a resource is in it."""
        changed = resource.get("meta", {}).get("lastUpdated")
        if self.since and changed and datetime.fromisoformat(changed) <= self.since:
            return False
        return self.patients is None or whose(resource) in self.patients


def whose(resource: dict[str, Any]) -> str:
    """The id of the patient."""
    if resource["resourceType"] == "Patient":
        return str(resource["id"])
    return str(resource["subject"]["reference"]).removeprefix("Patient/")


@dataclass
class FakeBulk:
    """One server: FHIR at `base`, its tokens at `auth`. `group`: the members of its only Group; None
    where everybody is in it and it cannot be read."""

    origin: str
    clock: Callable[[], datetime] = system_now
    closed: bool = True
    faults: Faults = field(default_factory=Faults)
    transaction_time: str = TRANSACTION_TIME
    group: set[str] | None = None
    records: dict[str, list[dict[str, Any]]] = field(default_factory=records)
    clients: dict[str, Registered] = field(default_factory=dict)
    jtis: set[str] = field(default_factory=set)
    tokens: dict[str, float] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    algorithms: list[str] = field(default_factory=list)
    on_request: Callable[[], None] = lambda: None
    together: asyncio.Barrier | None = None
    searching: int = 0
    most_at_once: int = 0

    @property
    def base(self) -> str:
        return f"{self.origin}/fhir"

    @property
    def auth(self) -> str:
        return f"{self.origin}/auth"

    @property
    def now(self) -> float:
        return self.clock().timestamp()

    def reset(self, clock: Callable[[], datetime]) -> None:
        """As it was at first, by this clock."""
        fresh = FakeBulk(self.origin, clock)
        for each in fields(self):
            setattr(self, each.name, getattr(fresh, each.name))

    def register(self, client_id: str, jwks: Any) -> None:
        """Make a backend service known by its public keys."""
        how: Literal["private_key"] = "private_key"
        self.clients[client_id] = Registered(client_id, "", auth=how, jwks=jwks)

    def new_token(self) -> str:
        made = token_urlsafe(16)
        self.tokens[made] = self.now + self.faults.expires_in
        return made

    def at(self, step: Step) -> list[Seen]:
        """What was asked at one step, in order."""
        return [each for each in self.seen if each.step == step]

    def otherwise(self, step: Step) -> Canned | None:
        """The answer that a fault has for this request."""
        waiting = self.faults.instead.get(step)
        return waiting.pop(0) if waiting else self.faults.always.get(step)
