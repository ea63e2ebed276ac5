"""Every setting of the service, once; each is also READMIT_<NAME> in the environment. No logic."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 1024 * 1024


class Settings(BaseSettings):
    """What a site chooses. Command line options of `readmit serve` win over the environment."""

    model_config = SettingsConfigDict(env_prefix="READMIT_", frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", description="Address to listen on; loopback only, for now.")
    port: int = Field(8000, ge=1, le=65535, description="Port to listen on.")
    bundle: Path = Field(Path("bundles/demo"), description="Folder of the bundle that scores.")
    database: str = Field(
        "sqlite+aiosqlite:///readmit.sqlite",
        description="SQLAlchemy URL of the assessment store: SQLite or PostgreSQL.",
    )
    dev: bool = Field(False, description="Serve the page that plays the EHR at `/`.")
    examples: Path = Field(Path("examples"), description="Example requests that page offers.")
    profile: str | None = Field(
        None, description="Site profile (us_core, mimic, synthea); unset: detected per patient."
    )
    base_rate: float | None = Field(
        None, gt=0, lt=1, description="This site's own 30-day readmission rate, as a share: 0.14."
    )
    max_body_bytes: int = Field(
        50 * MEBIBYTE, ge=1024, description="Largest request body accepted, in bytes."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log line that is written."
    )
