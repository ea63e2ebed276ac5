"""Forms of a session's pages: read only where page, browser and session are shown to be the same one's."""

import hmac
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from fastapi import Depends, Request

from cds_service.dependencies import State
from cds_service.smart.problems import SmartProblemError
from cds_service.smart.session import AppSession, Session

_LARGEST = 64 * 1024
_MOST_FIELDS = 50


async def _form(request: Request, session: Session, state: State) -> Mapping[str, str]:
    """The fields, of several of one name the last. Raises SmartProblemError `form_refused`."""
    if request.headers.getlist("origin") != [_origin(state.smart.address)]:
        raise _refused(session, "origin")
    fields = await _fields(request, session)
    if not hmac.compare_digest(fields.get("csrf", "").encode(), session.csrf.encode()):
        raise _refused(session, "csrf")
    return fields


Form = Annotated[Mapping[str, str], Depends(_form)]
"""The checked fields of a POST by a session's page. Every such route takes it."""


async def _fields(request: Request, session: AppSession) -> dict[str, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise _refused(session, "content_type")
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > _LARGEST:
            raise _refused(session, "too_large")
    try:
        text = received.decode("ascii")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise _refused(session, "malformed") from None


def _refused(session: AppSession, form: str) -> SmartProblemError:
    return SmartProblemError("form_refused", tenant=session.tenant, form=form)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}".lower()
