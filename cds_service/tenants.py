"""Tenants: who may call, and what each of them chose. How the file is read: tenants_file.py.

docs/reference/tenants.md has every field. A tenant is one allow-listed pair of issuer and key set
(CDS Hooks 2.0, Trusting CDS Clients); every stored row carries its name and no query crosses it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from cds_service.addresses import Resource, Url, listed
from cds_service.backend_registration import Backend, Toml

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Share = Annotated[float, Field(gt=0, lt=1)]
DEV = "dev"
DEV_FHIR = "/dev/fhir"
"""Where the page that plays the EHR has its FHIR server, below the service's own address."""
DEV_USER = "Practitioner/example-clinician"
DEV_CLIENT = "readmit"


def _known_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("not a time zone by its IANA name, such as Europe/London") from None


class Alert(Toml):
    """From which probability a card of one service warns; at most one of the first three is given."""

    threshold: Share | None = Field(None, description="This probability.")
    per_day: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="First showings that the team can follow up in a day; the threshold is worked"
        " out of the recent past.",
    )
    missed_per_false: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="How many needless follow-ups one missed outcome outweighs: net benefit,"
        " threshold 1 / (1 + it).",
    )
    below: Literal["info", "none"] = Field(
        "info", description="Below the threshold: a card that informs, or none."
    )

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        given = (self.threshold, self.per_day, self.missed_per_false)
        if sum(each is not None for each in given) > 1:
            raise ValueError("give one of threshold, per_day and missed_per_false")
        return self


class Api(Toml):
    """Who may read assessments (docs/reference/read-api.md): whoever brings a token of this issuer."""

    issuer: str = Field(min_length=1, description="`iss` of its access tokens, to the letter.")
    audience: str = Field(
        min_length=1, description="`aud` of tokens for this service; one of several is enough."
    )
    jwks_uri: Resource | None = Field(
        None,
        description="Address of the issuer's key set, where its access tokens are JSON Web Tokens."
        " Either this or `introspection`.",
    )
    introspection: Resource | None = Field(
        None,
        description="Address that is asked what an opaque token is (RFC 7662); in one tenant of the"
        " file at most, for such a token does not say whose it is.",
    )
    client_id: str | None = Field(
        None, description="Who this service is at `introspection`; needed with it."
    )
    secret_file: Annotated[Path, Field(strict=False)] | None = Field(
        None,
        description="File with the secret for `introspection`, beside this file; read at start.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.jwks_uri is None) == (self.introspection is None):
            raise ValueError("needs jwks_uri, or introspection: one of the two")
        if self.introspection and not (self.client_id and self.secret_file):
            raise ValueError("introspection needs client_id and secret_file")
        return self


class Smart(Toml):
    """How the SMART app is registered with the authorization server of the tenant's FHIR servers."""

    client_id: str = Field(min_length=1, description="Client id that the app was registered with.")
    auth: Literal["public", "secret", "private_key"] = Field(
        "public",
        description="How the app proves itself at the token endpoint: not at all, with a client"
        " secret (HTTP Basic), or with a JSON Web Token signed by a key of `READMIT_APP_KEYS`.",
    )
    secret_file: Annotated[Path, Field(strict=False)] | None = Field(
        None, description="File with the client secret, beside this file; for `auth` secret only."
    )
    algorithm: Literal["RS384", "ES384"] = Field(
        "ES384", description="What the app signs with where `auth` is private_key."
    )
    title: str | None = Field(
        None, description="Name of the organisation, as users read it; unset: the tenant's name."
    )
    care_managers: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        (),
        description="Users who may open the worklist: `fhirUser` of each, such as Practitioner/17"
        " or its whole address.",
    )

    @model_validator(mode="after")
    def _secret_where_used(self) -> Self:
        if (self.auth == "secret") != (self.secret_file is not None):
            raise ValueError("secret_file belongs to auth = 'secret', and to that alone")
        return self


class Tenant(Toml):
    """One trusted client and its choices. `jku` None: its keys are in the file `jwks`."""

    name: Name = Field(
        description="What rows and log lines call it: lower-case letters, digits, hyphens. Never"
        " change it once rows are stored."
    )
    iss: str = Field(min_length=1, description="`iss` of its tokens, to the letter.")
    jku: Resource | None = Field(
        None,
        description="Address of its key set, to the letter as in its tokens. Either this or `jwks`.",
    )
    jwks: Annotated[Path, Field(strict=False)] | None = Field(
        None,
        description="File with its key set, beside this file, for a client that publishes none;"
        " read at start.",
    )
    fhir_servers: Annotated[tuple[Url, ...], Field(strict=False)] = Field(
        (), description="FHIR servers that may be asked for what prefetch lacks; none: none is."
    )
    profile: str | None = Field(
        None, description="Site profile (us_core, mimic, synthea); unset: detected per patient."
    )
    base_rate: Share | None = Field(
        None, description="The site's own 30-day readmission rate, as a share: 0.14."
    )
    silent: bool = Field(
        False, description="Everything is scored, stored and audited; no card is shown."
    )
    follow_up: Literal["Task", "ServiceRequest", "none"] = Field(
        "Task", description="What a card's suggestion would create, as a draft."
    )
    smart_launch: Url | None = Field(
        None, description="Launch address of the SMART app that a card links to; unset: no link."
    )
    frame_ancestors: Annotated[tuple[Url, ...], Field(strict=False)] = Field(
        (), description="Pages that may show the SMART app in a frame."
    )
    retention_days: Annotated[int, Field(ge=1)] = Field(
        365, description="How long stored inputs and comments are kept before they may be purged."
    )
    alerts: Mapping[str, Alert] = Field(
        {}, description="When cards warn, by service id; without an entry they inform only."
    )
    smart: Smart | None = Field(
        None, description="Registration of the SMART app at its FHIR servers; unset: no app."
    )
    backend: Backend | None = Field(
        None, description="Registration of batch at its FHIR servers; unset: no token is sent."
    )
    zone: Annotated[str, AfterValidator(_known_zone)] = Field(
        "UTC",
        description="Time zone of the site, by which the worklist counts days: Europe/London.",
    )
    api: Api | None = Field(
        None, description="Who may read assessments; without it nobody may, the SMART app aside."
    )

    @model_validator(mode="after")
    def _one_key_set(self) -> Self:
        if self.name != DEV and (self.jku is None) == (self.jwks is None):
            raise ValueError("needs jku, or jwks with the keys in a file: one of the two")
        return self

    @property
    def title(self) -> str:
        """What users are told of whose it is."""
        return (self.smart and self.smart.title) or self.name

    def server_of(self, named: str | None) -> str | None:
        """The FHIR server that a call is about, as this file writes it: ids of two servers may be
        the same. A call that names none is about the only one there is; else None."""
        if named is None:
            return self.fhir_servers[0] if len(self.fhir_servers) == 1 else None
        return listed(named, self.fhir_servers)

    def alert(self, service_id: str) -> Alert:
        """The rule of one service; without one nothing warns."""
        return self.alerts.get(service_id, Alert())


def dev_tenant(profile: str | None, base_rate: float | None, *, address: str) -> Tenant:
    """Whom `--dev` serves: everybody on this machine. The service at `address` is its EHR as well."""
    return Tenant(
        name=DEV,
        iss=DEV,
        profile=profile,
        base_rate=base_rate,
        fhir_servers=(address + DEV_FHIR,),
        smart_launch=f"{address}/smart/launch",
        frame_ancestors=(address,),
        smart=Smart(client_id=DEV_CLIENT, title="Readmit demonstration", care_managers=(DEV_USER,)),
    )
