"""One job at the server: asked for, waited for until its manifest is there, and given back at the end."""

from collections.abc import Sequence
from typing import Final

import httpx

from cds_service.batch.calling.addresses import checked, plain
from cds_service.batch.calling.patience import (
    MOST_FAILURES,
    NO_GET,
    Surroundings,
    given_up,
    patiently,
    tried,
)
from cds_service.batch.calling.sending import Answer
from cds_service.batch.errors import BatchError
from cds_service.batch.sources.bulk.asking import Asked
from cds_service.batch.sources.bulk.manifest import Page, read_manifest

_PREFER: Final = {"prefer": "respond-async"}
_LENIENT: Final = {"prefer": "respond-async, handling=lenient"}
_PARAMETERS: Final = {"content-type": "application/fhir+json"}
_MOST_WORDS: Final = 100


class JobGoneError(Exception):
    """The server knows the job, or a file of it, no more: another one has to be asked for."""


class ExportRefusedError(BatchError):
    """The server does not begin such an export."""


class JobFailedError(BatchError):
    """The server says that the job failed."""


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
        answer = await patiently(around, "GET", str(asked.query(types)), prefer, None)
        if answer.status not in NO_GET:
            return answer
    address = str(httpx.URL(asked.address).copy_with(query=None))
    return await patiently(around, "POST", address, prefer | _PARAMETERS, asked.body(types))


async def manifest(around: Surroundings, url: str) -> Page:
    """Wait until the job is done. Raises JobGoneError, JobFailedError or BatchError."""
    failures = attempt = 0
    while True:
        answer = await tried(around, "GET", url, {"accept": "application/json"})
        page = read_manifest(answer.body, url) if answer.status == 200 else None
        if page is not None:
            return page
        failures = 0 if _goes_on(answer, url) else failures + 1
        if failures == MOST_FAILURES:
            raise given_up(url, failures, answer)
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
        await tried(around, "DELETE", url)
    except BatchError:
        return


def _in_words(headers: httpx.Headers, attempt: int) -> str:
    stated = "".join(each for each in headers.get("x-progress", "") if each.isprintable())
    said = f": {stated[:_MOST_WORDS]}" if stated else ""
    return f"Waiting for the export, asked {attempt + 1} times{said}"


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
