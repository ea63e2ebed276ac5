"""Every setting of the service, once; each is also READMIT_<NAME> in the environment. No logic."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from cds_service.addresses import Origin, Url

MEBIBYTE = 1024 * 1024
READMISSION = "readmission-risk"
Algorithm = Literal[
    "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"
]  # JSON Web Algorithms that sign with a private key; `none` and HMAC are none of them


class Settings(BaseSettings):
    """What a site chooses. Command line options of `readmit serve` win over the environment."""

    model_config = SettingsConfigDict(env_prefix="READMIT_", frozen=True, extra="forbid")

    host: str = Field(
        "127.0.0.1", description="Address to listen on; beyond loopback only with tenants."
    )
    port: int = Field(8000, ge=1, le=65535, description="Port to listen on.")
    workers: int = Field(
        1,
        ge=1,
        description="Processes that share the port; each loads the bundles. As many as cores.",
    )
    public_url: Url | None = Field(
        None,
        description="Base URL under which clients reach the service, such as"
        " https://readmit.example.org; tokens name it as their audience. Needed with tenants.",
    )
    bundles: dict[str, Path] = Field(
        {READMISSION: Path("bundles/demo")},
        description="Service id -> folder of the bundle that answers under it, as a JSON object.",
    )
    critical_outcome: bool = Field(
        False,
        description="Serve bundles of the task critical_outcome: intensive care soon after leaving"
        " the ED, or death in hospital. Such time-critical predictions are a regulated use; turning"
        " this on is the site's decision, and the site answers for it.",
    )
    tenants: Path | None = Field(
        None, description="File that says which clients are trusted: docs/reference/tenants.md."
    )
    algorithms: tuple[Algorithm, ...] = Field(
        ("ES384", "RS384"),
        min_length=1,
        description="Algorithms that clients may sign tokens with, as a JSON array; asymmetric only.",
    )
    token_lifetime_s: int = Field(
        300,
        ge=1,
        le=3600,
        description="Longest lifetime (`exp` less `iat`) of a token, in seconds.",
    )
    clock_skew_s: int = Field(
        30, ge=0, le=300, description="How far a client's clock may be off, in seconds."
    )
    cors_origins: tuple[Origin, ...] = Field(
        (),
        description="Origins of browser-based clients that may call, as a JSON array such as"
        ' ["https://ehr.example.org"]; unset: none.',
    )
    database: str = Field(
        "sqlite+aiosqlite:///readmit.sqlite",
        description="SQLAlchemy URL of the assessment store: SQLite, or PostgreSQL for several workers.",
    )
    storage_keys: tuple[SecretStr, ...] = Field(
        (),
        description="Keys that stored inputs and comments are encrypted with, as a JSON array:"
        " the first encrypts, all decrypt. `readmit new-key` makes one. Needed with tenants.",
    )
    app_keys: Path | None = Field(
        None,
        description="File with the private keys of the SMART app, a JSON Web Key Set that"
        " `readmit new-app-keys` makes. Needed where a tenant has it sign (`auth` private_key); the"
        " public half is served at `/.well-known/jwks.json`.",
    )
    audit_heads: Path | None = Field(
        None,
        description="File that grows by the heads of the audit chains, once a minute; on another"
        " disk than the database, so that `readmit audit verify` finds a tail that was cut off.",
    )
    dev: bool = Field(
        False,
        description="On loopback, without client authentication: serve the page that plays the"
        " EHR at `/`, and the EHR's own sign-in and FHIR server under `/dev`, which live in the"
        " memory of one worker. Not together with tenants.",
    )
    examples: Path = Field(Path("examples"), description="Example requests that page offers.")
    profile: str | None = Field(
        None,
        description="Under --dev, the site profile (us_core, mimic, synthea); unset: detected per"
        " patient. A tenant has its own.",
    )
    base_rate: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Under --dev, this site's own 30-day readmission rate, as a share: 0.14. A"
        " tenant has its own.",
    )
    max_body_bytes: int = Field(
        50 * MEBIBYTE,
        ge=1024,
        description="Largest request body accepted, and the most that is fetched for one, in bytes.",
    )
    fhir_budget_s: float = Field(
        5.0,
        gt=0,
        description="Seconds that reading the FHIR server may take of one call, retries included."
        " What has come by then counts, the rest was not read.",
    )
    fhir_concurrency: int = Field(
        6, ge=1, description="Requests that one call may have open at its FHIR server."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log line that is written."
    )

    @property
    def address(self) -> str:
        """Where browsers and clients reach the service; under --dev that is where it listens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"
