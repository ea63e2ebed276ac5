"""Readers of drawn patients, for the tests of cohorts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from fhir_mapping.history import Sources
from tests.spec.record import READ, Rows, history
from training.subjects import Progress, Subject

END = datetime(2024, 12, 31, tzinfo=UTC)


def subject(
    id_: str, *rows: Rows, era: str = "", note: str = "", sources: Sources = READ
) -> Subject:
    """A drawn patient; `note` is the discharge summary of the stay called `stay`."""
    drawn = history(*rows)
    named = replace(drawn, person=type(drawn.person)(**_fields(drawn.person) | {"id": id_}))
    return Subject(id_, named, sources, {"stay": note} if note else {}, era)


def quiet(task: str, done: int, total: int) -> None:
    """A Progress that nobody watches."""


@dataclass
class Drawn:
    """Subjects dealt out to shards in turn."""

    people: Sequence[Subject]
    name: str = "drawn"
    follow_up_until: datetime = END
    print: str = "one"
    shards: int = 0
    asked: list[int] = field(default_factory=list)

    def fingerprint(self) -> str:
        return self.print

    def prepare(self, work: Path, shards: int, progress: Progress) -> None:
        self.shards = shards

    def subjects(self, shard: int) -> Iterator[Subject]:
        self.asked.append(shard)
        yield from self.people[shard :: self.shards]


def _fields(struct: object) -> dict[str, object]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}  # type: ignore[attr-defined]
