"""The demonstration page that plays the EHR, and what it reads. Never mounted outside --dev."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from jinja2 import Environment, FileSystemLoader

from cds_service.web.gallery import Gallery

HERE = Path(__file__).parent
STATIC = {  # the only files that can be had, whatever is asked for
    "ehr.css": "text/css",
    "ehr.js": "text/javascript",
    "card.js": "text/javascript",
    "feedback.js": "text/javascript",
    "launch.js": "text/javascript",
    "markdown.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def ehr_page_router(gallery: Gallery, *, clock: Callable[[], datetime]) -> APIRouter:
    """`GET /`, its static files, and `GET /dev/patients[/{name}]` on the folder of examples."""
    router = APIRouter(include_in_schema=False)
    templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True)

    @router.get("/")
    def page() -> HTMLResponse:
        html = templates.get_template("ehr.html").render(patients=gallery.lines())
        return HTMLResponse(html, headers=HEADERS)

    @router.get("/static/ehr/{name}")
    def static(name: str) -> Response:
        if name not in STATIC:
            raise HTTPException(404)
        return FileResponse(HERE / "static" / name, media_type=STATIC[name], headers=HEADERS)

    @router.get("/dev/patients")
    def patients() -> JSONResponse:
        return JSONResponse(gallery.lines(), headers=HEADERS)

    @router.get("/dev/patients/{name}")
    def patient(name: str) -> JSONResponse:
        if not gallery.has(name):
            raise HTTPException(404)
        found: dict[str, Any] = gallery.patient(name, clock().date())
        return JSONResponse(found, headers=HEADERS)

    return router
