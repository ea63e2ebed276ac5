"""A request made again while a server is busy or away, with pauses as it asks; and what is said in the end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx

from cds_service.batch.calling.addresses import plain
from cds_service.batch.calling.sending import Answer, Sender
from cds_service.batch.calling.waiting import wait_s
from cds_service.batch.errors import BatchError
from cds_service.batch.progress import Listener

MOST_FAILURES: Final = 10
"""Requests in a row that may fail in passing before all is given up."""
NO_GET: Final = frozenset((405, 501))
"""The server has nothing of the kind: asking again changes nothing."""
_MOST_SILENCES: Final = 4


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


async def patiently(
    around: Surroundings, method: str, url: str, headers: dict[str, str], content: bytes | None
) -> Answer:
    """An answer that stands. Raises BatchError where none comes; a server that has never answered is
    given up sooner: its address may be wrong."""
    silent = 0
    for attempt in range(MOST_FAILURES):
        answer = await tried(around, method, url, headers, content)
        if not answer.passes or answer.status in NO_GET:
            return answer
        silent += answer.status == 0
        if silent == _MOST_SILENCES or attempt + 1 == MOST_FAILURES:
            break
        await around.wait(answer.headers, attempt)
    raise given_up(url, attempt + 1, answer)


async def tried(
    around: Surroundings,
    method: str,
    url: str,
    headers: dict[str, str] | None = None,
    content: bytes | None = None,
) -> Answer:
    """One request, whatever comes of it. Raises BatchError where it may not be made."""
    try:
        return await around.sender.read(method, url, headers=headers, content=content)
    except (httpx.HTTPError, httpx.InvalidURL) as wrong:
        return Answer.none(wrong)


def given_up(url: str, times: int, last: Answer) -> BatchError:
    """What to raise after so many tries."""
    what = f"failed {times} times in a row, last with {last.in_words()}."
    return BatchError(plain(url), what, "Check the address and the server; start again to go on.")
