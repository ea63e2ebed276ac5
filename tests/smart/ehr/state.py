"""What the fake EHR remembers: its clients, launches, codes, tokens, and all that it was asked."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, Literal

from joserfc.jwk import RSAKey

from cds_service.web.ehr_server.charts import Charts
from cds_service.web.gallery import Gallery
from tests.smart.ehr.faults import Faults, Scopes

Json = dict[str, Any]
EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
USER = "Practitioner/example-clinician"
PATIENT = "margaret-heart-failure-patient-1"
ENCOUNTER = "margaret-heart-failure-stay-1"
INTROSPECTOR = ("readmit-api", "introspection secret of the tests")
"""Client id and secret that may ask what a token is."""


def system_now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251


@dataclass(frozen=True)
class Registered:
    """One app that the EHR knows. `jwks`: its key set, or the address of it."""

    client_id: str
    redirect_uri: str
    auth: Literal["public", "secret", "private_key"] = "public"
    secret: str = ""
    jwks: Json | str = ""


@dataclass(frozen=True)
class Context:
    """What a user has open: patient, encounter, who the user is, and what a card's link carried."""

    patient: str | None = PATIENT
    encounter: str | None = ENCOUNTER
    user: str = USER
    app_context: str | None = None
    need_patient_banner: bool = False
    fhir_context: tuple[Json, ...] = ()


@dataclass(frozen=True)
class Asked:
    """An authorization request whose parameters are in order; it waits for the user, then for its code."""

    client: Registered
    parameters: Mapping[str, str]
    context: Context
    scopes: Scopes


@dataclass(frozen=True)
class Access:
    """What one access token may do, until when."""

    client_id: str
    scopes: Scopes
    context: Context
    family: str
    expires: float


@dataclass
class FakeEhr:
    """One EHR at one origin: `base` is its FHIR server and its `iss`.

    `consent`: "automatic", or "page" for the page that a user clicks through. `standalone`: the
    context that an app gets which was not launched from the chart.
    """

    origin: str
    clock: Callable[[], datetime] = system_now
    consent: Literal["automatic", "page"] = "automatic"
    standalone: Context = Context()
    faults: Faults = field(default_factory=Faults)
    clients: dict[str, Registered] = field(default_factory=dict)
    launches: dict[str, Context] = field(default_factory=dict)
    waiting: dict[str, Asked] = field(default_factory=dict)
    codes: dict[str, Asked] = field(default_factory=dict)
    accesses: dict[str, Access] = field(default_factory=dict)
    refreshes: dict[str, Access] = field(default_factory=dict)
    spent_refreshes: dict[str, str] = field(default_factory=dict)
    jtis: set[str] = field(default_factory=set)
    requests: list[tuple[str, str, Json]] = field(default_factory=list)
    issued: set[str] = field(default_factory=set)

    @property
    def base(self) -> str:
        return f"{self.origin}/fhir"

    @property
    def auth(self) -> str:
        return f"{self.origin}/auth"

    @cached_property
    def key(self) -> RSAKey:
        """What id_tokens are signed with."""
        named: Any = {"kid": uuid.uuid4().hex, "use": "sig", "alg": "RS256"}
        return RSAKey.generate_key(2048, named)

    @cached_property
    def charts(self) -> Charts:
        return Charts(Gallery(EXAMPLES), self.clock)

    @property
    def now(self) -> float:
        return self.clock().timestamp()

    def register(self, client_id: str, redirect_uri: str, **how: Any) -> Registered:
        """Make an app known."""
        made = Registered(client_id, redirect_uri, **how)
        self.clients[client_id] = made
        return made

    def launch(self, **context: Any) -> str:
        """A launch id for what a user has open (fields of Context)."""
        name = self.secret()
        self.launches[name] = Context(**context)
        return name

    def secret(self) -> str:
        """A new code, token or launch id; `issued` has them all, for tests that look for leaks."""
        made = token_urlsafe(32)
        self.issued.add(made)
        return made

    def asked(self, path: str) -> list[Json]:
        """The parameters of every request for a path, in the order they came."""
        return [parameters for _, asked, parameters in self.requests if asked == path]

    def expire_all(self) -> None:
        """Every access token that is out has expired."""
        self.accesses = {
            name: replace(each, expires=self.now - 1) for name, each in self.accesses.items()
        }

    @contextmanager
    def failing(self, **faults: Any) -> Iterator[None]:
        """Some faults, for as long as the block lasts."""
        before = self.faults
        self.faults = replace(before, **faults)
        try:
            yield
        finally:
            self.faults = before
