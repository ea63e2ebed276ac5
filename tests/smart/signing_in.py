"""A browser that signs in: our service in this process, the fake EHR on loopback, one clock for both."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from fastapi import APIRouter, FastAPI
from pydantic import SecretStr

from cds_service.app import create_app
from cds_service.dependencies import ServiceState, State
from cds_service.settings import READMISSION, Settings
from cds_service.smart.access import access_token
from cds_service.smart.forms import Form
from cds_service.smart.refusing import refused_view
from cds_service.smart.session import PatientSession, Session, WorklistSession
from tests.security.clients import PUBLIC, ROOT, STORAGE_KEY, Clock
from tests.service.patients import database
from tests.smart.ehr.state import FakeEhr

CALLBACK = f"{PUBLIC}/smart/callback"
FRAMES = "https://ehr.north.example"
REASON = re.compile(r"Reference: (\w+), ")


def entry(name: str, *servers: str, client_id: str = "readmit", **smart: Any) -> str:
    """A `[[tenant]]` whose FHIR servers may launch the app."""
    told = {"client_id": client_id} | smart
    return "\n".join(
        [
            "[[tenant]]",
            f'name = "{name}"',
            f'iss = "https://{name}.example"',
            f'jku = "https://{name}.example/jwks"',
            f"fhir_servers = {list(servers)}",
            f'frame_ancestors = ["https://ehr.{name}.example"]',
            "[tenant.smart]",
            *(f"{key} = {_toml(value)}" for key, value in told.items()),
            "",
        ]
    )


def _toml(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else f'"{value}"'


@dataclass
class Readmit:
    """The service, and a browser that keeps its cookies."""

    app: FastAPI
    clock: Clock
    http: httpx.AsyncClient
    visited: list[str] = field(default_factory=list)

    @property
    def state(self) -> ServiceState:
        state: ServiceState = self.app.state.service
        return state

    def another_browser(self) -> "Readmit":
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        http = httpx.AsyncClient(transport=transport, base_url=PUBLIC)
        return Readmit(self.app, self.clock, http)

    async def launch(self, ehr: FakeEhr, **context: Any) -> httpx.Response:
        """What the EHR opens."""
        launched = ehr.launch(**context)
        return await self.get("/smart/launch", params={"iss": ehr.base, "launch": launched})

    async def sign_in(self, ehr: FakeEhr, **context: Any) -> httpx.Response:
        """From the launch to what the callback answers."""
        return await self.follow(await self.launch(ehr, **context))

    async def follow(self, begun: httpx.Response) -> httpx.Response:
        """From the redirect to the authorization server to what the callback answers."""
        return await self.get(await authorized(begun))

    async def session(self, ehr: FakeEhr, **context: Any) -> "Page":
        """A session, signed in."""
        return self.page(await self.sign_in(ehr, **context))

    def page(self, answer: httpx.Response) -> "Page":
        assert answer.status_code == 303, answer.text
        return Page(self, answer.headers["location"].removeprefix(PUBLIC))

    async def get(self, address: str, **how: Any) -> httpx.Response:
        answer = await self.http.get(address, **how)
        self.visited += [str(answer.request.url), answer.headers.get("location", "")]
        return answer


@dataclass(frozen=True)
class Page:
    """The session's own addresses."""

    browser: Readmit
    path: str

    @property
    def id(self) -> str:
        return self.path.split("/")[3]

    async def told(self) -> dict[str, Any]:
        """What the session is, as a page's route sees it."""
        answer = await self.browser.get(f"/smart/s/{self.id}/told")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def post(
        self, name: str, *, origin: str | None = PUBLIC, **fields: str
    ) -> httpx.Response:
        headers = {} if origin is None else {"origin": origin}
        return await self.browser.http.post(
            f"/smart/s/{self.id}/{name}", data=fields, headers=headers
        )


async def authorized(begun: httpx.Response) -> str:
    """The address that the authorization server sends the browser back to."""
    assert begun.status_code == 303, begun.text
    async with httpx.AsyncClient() as web:
        answer = await web.get(begun.headers["location"])
    assert answer.status_code == 303, answer.text
    location: str = answer.headers["location"]
    return location


def asked(begun: httpx.Response) -> dict[str, str]:
    """The parameters of the authorization request."""
    return dict(parse_qsl(urlsplit(begun.headers["location"]).query))


def problem(answer: httpx.Response) -> str:
    """Which problem a page is about; it must be one that a browser may show and nobody else frame."""
    assert answer.headers["content-type"] == "text/html; charset=utf-8", answer.text
    assert "frame-ancestors" in answer.headers["content-security-policy"]
    found = REASON.search(answer.text)
    assert found, answer.text
    return found[1]


@asynccontextmanager
async def serving(
    folder: Path, *entries: str, clock: Clock | None = None, **other: Any
) -> AsyncIterator[Readmit]:
    """The service with these tenants, and routes that show what a page's route is given."""
    clock = clock or Clock()
    file = folder / "tenants.toml"
    file.write_text("\n".join(entries))
    chosen: dict[str, Any] = {
        "tenants": file,
        "public_url": PUBLIC,
        "storage_keys": (STORAGE_KEY,),
        "database": database(folder),
        "bundles": {READMISSION: ROOT / "bundles" / "lace-hospital"},
    }
    app = create_app(Settings(**(chosen | other)), clock=clock)
    app.include_router(_shown())
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as http:
            yield Readmit(app, clock, http)


def _shown() -> APIRouter:
    """Routes as the pages have them, which say what they were given."""
    router = APIRouter(prefix="/smart/s/{sid}")

    @router.get("/told")
    async def told(session: Session) -> dict[str, Any]:
        return {
            "tenant": session.tenant.name,
            "iss": session.iss,
            "kind": session.kind,
            "patient": session.patient_id,
            "encounter": session.encounter_id,
            "user": session.fhir_user,
            "app_context": session.app_context,
            "granted": sorted(session.granted),
            "narrowed": sorted(session.narrowed),
            "denied": list(session.denied),
            "needs_banner": session.needs_banner,
            "csrf": session.csrf,
        }

    @router.get("/token")
    async def token(session: Session, state: State, rejected: str | None = None) -> str:
        """The access token itself, which no real page shows."""
        old = SecretStr(rejected) if rejected else None
        return (await access_token(session, state, rejected=old)).get_secret_value()

    @router.post("/posted")
    async def posted(_session: Session, form: Form) -> Mapping[str, str]:
        return form

    @router.get("/of-a-patient")
    async def of_a_patient(_session: PatientSession) -> None: ...

    @router.get("/of-all")
    async def of_all(_session: WorklistSession) -> None: ...

    @router.get("/refused/{assessment}")
    async def refused(session: Session, state: State, assessment: str) -> None:
        raise await refused_view(session, state, assessment=assessment, reason="other_patient")

    return router
