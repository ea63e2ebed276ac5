"""`[tenant.backend]` of the tenants file: how batch is registered at FHIR servers. Read once; no logic."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cds_service.addresses import Resource


class Toml(BaseModel):
    """A table of the file: every field by its type, none that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Backend(Toml):
    """How batch is registered as a backend service (SMART Backend Services) at the tenant's FHIR
    servers. It signs with `READMIT_APP_KEYS`."""

    client_id: str = Field(min_length=1, description="Client id that batch was registered with.")
    algorithm: Literal["RS384", "ES384"] = Field(
        "ES384", description="What it signs its requests for tokens with."
    )
    token_url: Resource | None = Field(
        None,
        description="Address that tokens are asked from, for a FHIR server that does not state it in"
        " `.well-known/smart-configuration`; unset: what it states there.",
    )
    scope: str | None = Field(
        None,
        description="What is asked for, as one text with blanks between; unset: system/ scopes for"
        " each type that is read or written. Servers that want a wildcard for exports need"
        " `system/*.rs` here, beside what is written back.",
    )
