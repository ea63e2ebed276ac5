"""The service in this process, over ASGI, with an empty database of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from cds_service.app import create_app
from cds_service.settings import Settings
from tests.service.requests import now

URL = "/cds-services/readmission-risk"


@asynccontextmanager
async def running(folder: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, started and stopped around the block."""
    database = f"sqlite+aiosqlite:///{folder}/test.sqlite"
    app = create_app(Settings(**{"database": database, "dev": True} | settings), clock=now)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            yield http
