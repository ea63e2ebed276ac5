"""NDJSON of FHIR R4 RiskAssessments, one for each result; what is not scored says why."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from cds_service.batch.drafts import drafted
from cds_service.batch.job import Job
from cds_service.batch.results import Result
from cds_service.batch.run_folder import RunFolder
from cds_service.batch.targets.target import Takes
from cds_service.recalled import Contents, Recalled
from cds_service.risk_assessment import risk_assessment


class RiskAssessmentTarget:
    """`file` ends in .ndjson."""

    takes = Takes.CONTENTS

    def __init__(self, file: Path, folder: RunFolder, job: Job) -> None:
        self.name = file.name
        self._file, self._folder, self._job = file, folder, job

    async def write(self, shard: int, results: Sequence[Result]) -> None:
        """Into the run's folder. Raises BatchError."""
        with drafted(self._part(shard)) as draft, draft.open("wb") as written:
            written.writelines(line + b"\n" for line in self._lines(results))

    async def finish(self, shards: int) -> None:
        """Replace the file. Raises BatchError."""
        with drafted(self._file) as draft, draft.open("wb") as written:
            for shard in range(shards):
                with self._part(shard).open("rb") as part:
                    shutil.copyfileobj(part, written)

    def _part(self, shard: int) -> Path:
        return self._folder.path / "parts" / self.name / f"{shard:04d}.ndjson"

    def _lines(self, results: Sequence[Result]) -> Iterator[bytes]:
        base = f"{self._job.fhir_server}/" if self._job.fhir_server else ""
        for each in results:
            found = Recalled(each.row, as_stored(each.contents))
            made = risk_assessment(found, bundle=self._job.assessor.bundle, base=base)
            yield msgspec.json.encode(made)


def as_stored(contents: object) -> Contents:
    """Contents as they come back from the store."""
    return msgspec.json.decode(msgspec.json.encode(contents), type=Contents)
