"""Into the FHIR server that the patients are of: each scored result as a RiskAssessment, with its
Provenance and the bundle's Device. decision 0020 says how each is there once.

What was not scored is not written: a chart is no place for what could not be said.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from cds_service.batch.drafts import drafted
from cds_service.batch.errors import BatchError
from cds_service.batch.job import Job
from cds_service.batch.progress import Listener
from cds_service.batch.results import Result
from cds_service.batch.run_folder import RunFolder
from cds_service.batch.targets.once import Became, Once
from cds_service.batch.targets.pieces import (
    DEVICE,
    PROVENANCE,
    RISK_ASSESSMENT,
    Piece,
    device_piece,
    provenance_piece,
    risk_assessment_piece,
)
from cds_service.batch.targets.target import Takes

AT_ONCE: Final = 8
_OF_ALL: Final = frozenset((403, 404, 405, 501))
"""What a server answers that means every resource of a kind, unless some others pass."""
_IN_A_ROW: Final = 10
_REFUSED: Final = "refused.ndjson"


class Refused(msgspec.Struct, frozen=True):
    """What is not at the server. `uuid`: of the assessment, in the other targets too."""

    resource: str
    uuid: str
    why: str


class Written(msgspec.Struct):
    """What became of the results of one shard; counts are of RiskAssessments. `new`: since the
    command began that wrote the shard to its end."""

    new: int = 0
    there: int = 0
    gone: int = 0
    refused: list[Refused] = msgspec.field(default_factory=list)

    def add(self, piece: Piece, became: Became) -> None:
        """Count one."""
        if became.what in ("refused", "unsure"):
            self.refused.append(Refused(piece.kind, piece.uuid, became.why))
        elif piece.kind == RISK_ASSESSMENT:
            setattr(self, became.what, getattr(self, became.what) + 1)


class ServerTarget:
    """`kinds`: those that the server takes; RiskAssessment is among them."""

    name = "fhir"
    takes = Takes.CONTENTS

    def __init__(
        self, once: Once, job: Job, folder: RunFolder, kinds: Sequence[str], progress: Listener
    ) -> None:
        self._once, self._job, self._kinds, self._progress = once, job, kinds, progress
        self._folder = folder
        self._device_at: str | None = None
        self._denied, self._passed = 0, any(each.new or each.there for each in _kept(folder))

    async def write(self, shard: int, results: Sequence[Result]) -> None:
        """Have them all there, or say of each why not. Raises BatchError where that is of all."""
        scored = [each for each in results if each.row["outcome"] == "scored"]
        written = Written()
        if scored:
            if self._device_at is None:
                self._device_at = await self._device(written)
            await self._all(scored, written)
            self._check_denied(least=1, why=written.refused[-1].why if written.refused else "")
        with drafted(_file(self._folder, shard)) as draft:
            draft.write_bytes(msgspec.json.encode(written))

    async def finish(self, shards: int) -> None:
        """What was refused, as one file. Raises BatchError."""
        with drafted(self._folder.path / _REFUSED) as draft, draft.open("wb") as lines:
            for each in _kept(self._folder):
                lines.writelines(msgspec.json.encode(one) + b"\n" for one in each.refused)

    async def _device(self, written: Written) -> str:
        """Where it is; nothing where the server takes none, or nobody can tell, or it was removed."""
        if DEVICE not in self._kinds:
            return ""
        piece = device_piece(self._job.assessor.bundle)
        became = await self._once.write(piece)
        if became.what == "refused":
            raise _denied(DEVICE, became.why)
        written.add(piece, became)
        return became.at

    async def _all(self, results: Sequence[Result], written: Written) -> None:
        waiting = _Counted(results, self._progress)
        work = (self._work(waiting, written) for _ in range(AT_ONCE))
        for ended in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(ended, BaseException):
                raise ended

    async def _work(self, waiting: "_Counted", written: Written) -> None:
        """What was sent is waited for, whatever fails beside it: its answer has to be noted."""
        try:
            for result in waiting:
                await self._one(result, written)
                waiting.tell()
        except BaseException:
            waiting.stop()
            raise

    async def _one(self, result: Result, written: Written) -> None:
        device_at = self._device_at or ""
        piece = risk_assessment_piece(result, self._job, device_at=device_at)
        became = await self._once.write(piece)
        written.add(piece, became)
        self._denied += became.status in _OF_ALL
        self._passed |= became.status not in _OF_ALL
        self._check_denied(least=_IN_A_ROW, why=became.why)
        if became.at and PROVENANCE in self._kinds:
            its = provenance_piece(result, target_at=became.at, device_at=device_at)
            written.add(its, await self._once.write(its))

    def _check_denied(self, *, least: int, why: str) -> None:
        if not self._passed and self._denied >= least:
            raise _denied("RiskAssessment", why)


class _Counted:
    """Results handed out to several, and how many of them are done."""

    def __init__(self, results: Sequence[Result], progress: Listener) -> None:
        self._left, self._total, self._done = iter(results), len(results), 0
        self._progress = progress

    def __iter__(self) -> Iterator[Result]:
        while (result := next(self._left, None)) is not None:
            yield result

    def tell(self) -> None:
        self._done += 1
        self._progress.say("Write to the FHIR server", self._done, self._total)

    def stop(self) -> None:
        self._left = iter(())


def written_of(folder: RunFolder) -> Mapping[str, Any] | None:
    """What a run has written to a FHIR server, in counts; None where it was not asked to."""
    shards = list(_kept(folder))
    if not shards:
        return None
    refused = Counter(f"{one.resource}: {one.why}" for each in shards for one in each.refused)
    return {
        "there": sum(each.new + each.there for each in shards),
        "new": sum(each.new for each in shards),
        "removed there": sum(each.gone for each in shards),
        "refused": dict(sorted(refused.items())),
    }


def _kept(folder: RunFolder) -> Iterator[Written]:
    for each in sorted(_file(folder, 0).parent.glob("*.json")):
        yield msgspec.json.decode(each.read_bytes(), type=Written)


def _file(folder: RunFolder, shard: int) -> Path:
    return folder.path / "fhir" / f"{shard:04d}.json"


def _denied(kind: str, why: str) -> BatchError:
    return BatchError(
        "--to fhir",
        f"the FHIR server takes no {kind}: {why}.",
        "Check that its address is right, that the registration there allows system/ scopes (.rs and"
        " .cu) for Device, RiskAssessment and Provenance, and `scope` of [tenant.backend].",
    )
