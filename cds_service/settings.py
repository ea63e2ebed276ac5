"""Every setting of the service, once; each is also READMIT_<NAME> in the environment. No logic."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 1024 * 1024
READMISSION = "readmission-risk"


class Settings(BaseSettings):
    """What a site chooses. Command line options of `readmit serve` win over the environment."""

    model_config = SettingsConfigDict(env_prefix="READMIT_", frozen=True, extra="ignore")

    host: str = Field(
        "127.0.0.1", description="Address to listen on; beyond loopback only with tenants."
    )
    port: int = Field(8000, ge=1, le=65535, description="Port to listen on.")
    public_url: str | None = Field(
        None,
        description="Base URL under which clients reach the service, such as"
        " https://readmit.example.org; tokens name it as their audience. Needed with tenants.",
    )
    bundles: dict[str, Path] = Field(
        {READMISSION: Path("bundles/demo")},
        description="Service id -> folder of the bundle that answers under it, as a JSON object.",
    )
    tenants: Path | None = Field(
        None, description="File that says which clients are trusted: docs/reference/tenants.md."
    )
    database: str = Field(
        "sqlite+aiosqlite:///readmit.sqlite",
        description="SQLAlchemy URL of the assessment store: SQLite or PostgreSQL.",
    )
    storage_keys: tuple[SecretStr, ...] = Field(
        (),
        description="Keys that stored inputs and comments are encrypted with, as a JSON array:"
        " the first encrypts, all decrypt. `readmit new-key` makes one. Needed with tenants.",
    )
    dev: bool = Field(
        False,
        description="On loopback, without client authentication: serve the page that plays the"
        " EHR at `/`. Not together with tenants.",
    )
    examples: Path = Field(Path("examples"), description="Example requests that page offers.")
    profile: str | None = Field(
        None, description="Site profile (us_core, mimic, synthea); unset: detected per patient."
    )
    base_rate: float | None = Field(
        None, gt=0, lt=1, description="This site's own 30-day readmission rate, as a share: 0.14."
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
