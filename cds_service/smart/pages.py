"""The pages that stand on their own: a problem, signed out, a choice of organisation."""

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlencode

import structlog
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader

from cds_service import metrics
from cds_service.observability import note
from cds_service.smart.app import Server, SmartApp
from cds_service.smart.cookies import prefix
from cds_service.smart.headers import page_headers
from cds_service.smart.problems import PROBLEMS, SmartProblemError, Words
from cds_service.tenants import Tenant

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True
)
_SIGNED_OUT = Words(
    200,
    "You are signed out",
    "Readmit has forgotten your sign-in and its access to the record.",
    "You can close this page. To come back, open Readmit from the patient's chart.",
)


def problem_page(problem: SmartProblemError, app: SmartApp) -> HTMLResponse:
    """The page of a problem. Where nobody knows whose it is, any tenant's frames may show it: it
    has nothing to hide, and a user would see an empty frame."""
    words = PROBLEMS[problem.code]
    metrics.refused(words.status, problem.code)
    note(problem=problem.code, **problem.facts)
    everybody = {origin for each in app.servers for origin in each.tenant.frame_ancestors}
    frames = problem.tenant.frame_ancestors if problem.tenant else sorted(everybody)
    html = TEMPLATES.get_template("problem.html").render(
        words=words,
        code=problem.code,
        link=problem.link,
        prefix=prefix(app.address),
        reference=structlog.contextvars.get_contextvars().get("request_id"),
    )
    return with_cookies(HTMLResponse(html, words.status, page_headers(frames)), problem.cookies)


def signed_out_page(tenant: Tenant, app: SmartApp, cookie: str) -> HTMLResponse:
    """That it is over; `cookie` takes the session's away."""
    html = TEMPLATES.get_template("problem.html").render(
        words=_SIGNED_OUT, prefix=prefix(app.address)
    )
    return with_cookies(HTMLResponse(html, 200, page_headers(tenant.frame_ancestors)), (cookie,))


def organisations_page(servers: Iterable[Server], app: SmartApp, *, worklist: bool) -> HTMLResponse:
    """Whose record system to sign in with."""
    more = {"for": "worklist"} if worklist else {}
    named = sorted((_label(each, app), each.base) for each in servers)
    listed = [{"label": label, "query": urlencode({"iss": base} | more)} for label, base in named]
    html = TEMPLATES.get_template("organisations.html").render(
        organisations=listed, prefix=prefix(app.address)
    )
    return HTMLResponse(html, 200 if listed else 404, page_headers(()))


def with_cookies(answer: HTMLResponse, cookies: Iterable[str]) -> HTMLResponse:
    """The answer with these `Set-Cookie` lines."""
    for each in cookies:
        answer.headers.append("set-cookie", each)
    return answer


def _label(server: Server, app: SmartApp) -> str:
    """The organisation; where it has several servers, which."""
    several = sum(each.tenant.name == server.tenant.name for each in app.servers) > 1
    return f"{server.tenant.title} ({server.base})" if several else server.tenant.title
