"""One job at the server: asked for, waited for until its manifest is there, and given back at the end."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx

from cds_service.batch.errors import BatchError
from cds_service.batch.progress import Listener
from cds_service.batch.sources.bulk.asking import Asked, checked, plain
from cds_service.batch.sources.bulk.manifest import Page, read_manifest
from cds_service.batch.sources.bulk.sending import Answer, Sender
from cds_service.batch.sources.bulk.waiting import wait_s

MOST_FAILURES: Final = 10
"""Requests in a row that may fail in passing before the export is given up."""
_MOST_SILENCES: Final = 4
_PREFER: Final = {"prefer": "respond-async"}
_LENIENT: Final = {"prefer": "respond-async, handling=lenient"}
_PARAMETERS: Final = {"content-type": "application/fhir+json"}
_NO_GET: Final = frozenset((405, 501))
_MOST_WORDS: Final = 100


class JobGoneError(Exception):
    """The server knows the job, or a file of it, no more: another one has to be asked for."""


class ExportRefusedError(BatchError):
    """The server does not begin such an export."""


class JobFailedError(BatchError):
    """The server says that the job failed."""


@dataclass(frozen=True)
class Surroundings:
    """What every request needs around it: time, patience, and somebody who is told."""

    sender: Sender
    clock: Callable[[], datetime]
    pause: Callable[[float], Awaitable[None]]
    progress: Listener

    async def wait(self, headers: httpx.Headers, attempt: int) -> None:
        """As long as the server asks."""
        await self.pause(wait_s(headers, attempt, self.clock()))


async def kick_off(around: Surroundings, asked: Asked, types: Sequence[str]) -> str:
    """Ask for the export; the address of its job. Raises ExportRefusedError or BatchError.

    With GET, which versions 1 to 3 take; with POST where GET is not allowed. A server that does not
    accept a parameter is asked once more to leave out what it does not know.
    """
    around.progress.say("Asking for the export")
    answer = await _asked(around, asked, types, _PREFER)
    if answer.status == 400:
        answer = await _asked(around, asked, types, _LENIENT)
    where = plain(asked.address)
    if answer.status != 202:
        said = f"does not export: {answer.in_words()}."
        raise ExportRefusedError(where, said, _remedy(answer.status))
    stated = answer.headers.get("content-location", "").strip()
    joined = str(httpx.URL(asked.address).join(stated)) if stated else None
    return checked(joined, f"{where}: Content-Location")


async def _asked(
    around: Surroundings, asked: Asked, types: Sequence[str], prefer: dict[str, str]
) -> Answer:
    if not asked.patients:
        answer = await _patiently(around, "GET", str(asked.query(types)), prefer, None)
        if answer.status not in _NO_GET:
            return answer
    address = str(httpx.URL(asked.address).copy_with(query=None))
    return await _patiently(around, "POST", address, prefer | _PARAMETERS, asked.body(types))


async def _patiently(
    around: Surroundings, method: str, url: str, headers: dict[str, str], content: bytes | None
) -> Answer:
    """A server that has never answered is given up sooner: its address may be wrong."""
    silent = 0
    for attempt in range(MOST_FAILURES):
        answer = await _tried(around, method, url, headers, content)
        if not answer.passes or answer.status in _NO_GET:
            return answer
        silent += answer.status == 0
        if silent == _MOST_SILENCES or attempt + 1 == MOST_FAILURES:
            break
        await around.wait(answer.headers, attempt)
    raise _given_up(url, attempt + 1, answer)


async def _tried(
    around: Surroundings,
    method: str,
    url: str,
    headers: dict[str, str] | None = None,
    content: bytes | None = None,
) -> Answer:
    try:
        return await around.sender.read(method, url, headers=headers, content=content)
    except (httpx.HTTPError, httpx.InvalidURL) as wrong:
        return Answer.none(wrong)


async def manifest(around: Surroundings, url: str) -> Page:
    """Wait until the job is done. Raises JobGoneError, JobFailedError or BatchError."""
    failures = attempt = 0
    while True:
        answer = await _tried(around, "GET", url, {"accept": "application/json"})
        page = read_manifest(answer.body, url) if answer.status == 200 else None
        if page is not None:
            return page
        failures = 0 if _goes_on(answer, url) else failures + 1
        if failures == MOST_FAILURES:
            raise _given_up(url, failures, answer)
        around.progress.say(_in_words(answer.headers, attempt))
        await around.wait(answer.headers, attempt if failures == 0 else failures - 1)
        attempt += 1


def _goes_on(answer: Answer, url: str) -> bool:
    """Whether the server works on the job; False where nobody can tell from this answer."""
    if answer.status in (202, 429):
        return True
    if answer.status in (404, 410):
        raise JobGoneError
    if answer.status == 200 or answer.passes:
        return False
    if answer.status in (401, 403):
        raise BatchError(plain(url), f"is closed: {answer.in_words()}.", _remedy(answer.status))
    what = f"the export failed: {answer.in_words()}."
    raise JobFailedError(plain(url), what, "Ask those who run the server; start again for another.")


async def give_back(around: Surroundings, url: str) -> None:
    """Tell the server that the job may go. It goes by itself some day: nothing hangs on this."""
    try:
        await _tried(around, "DELETE", url)
    except BatchError:
        return


def _in_words(headers: httpx.Headers, attempt: int) -> str:
    stated = "".join(each for each in headers.get("x-progress", "") if each.isprintable())
    said = f": {stated[:_MOST_WORDS]}" if stated else ""
    return f"Waiting for the export, asked {attempt + 1} times{said}"


def _given_up(url: str, times: int, last: Answer) -> BatchError:
    what = f"failed {times} times in a row, last with {last.in_words()}."
    return BatchError(plain(url), what, "Check the address and the server; start again to go on.")


def _remedy(status: int) -> str:
    return _REMEDIES.get(status, "Ask those who run the server, and start again.")


_REMEDIES: Final = {
    400: "The server takes none of the ways in which it was asked; ask those who run it which types"
    " it exports.",
    401: "The server asks for a token: give the tenant a [tenant.backend].",
    403: "Check at the server that the registration allows exports and the types asked for. Where it"
    " wants a wildcard, set `scope` of [tenant.backend] to system/*.rs.",
    404: "Check the address: it has to be a FHIR server with $export, and the Group has to exist.",
    200: "The server did not start an export of its own; check that it has $export.",
}
