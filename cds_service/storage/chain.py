"""The hash chain, pure: what a row's digest and a link's hash are. One chain for each tenant.

docs/decisions/0013-audit.md says what it shows and what it cannot show.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

Kind = Literal["assessed", "feedback", "purged", "refused"]
START: Final = "0" * 64
"""What the first link of a chain has as `previous`."""


@dataclass(frozen=True)
class Head:
    """The last link of a tenant's chain; number 0 where there is none yet."""

    tenant: str
    number: int
    hash: str


@dataclass(frozen=True)
class Link:
    """One link: `digest` stands for the row `subject` that it speaks of."""

    tenant: str
    number: int
    at: datetime
    kind: str
    subject: str
    digest: str
    previous: str

    @property
    def hash(self) -> str:
        """SHA-256 over every field, and so over all links before."""
        return digest_of(asdict(self))


def following(head: Head, kind: Kind, subject: str, *, at: datetime, digest: str) -> Link:
    """The link that comes after `head`."""
    return Link(head.tenant, head.number + 1, at, kind, subject, digest, head.hash)


def digest_of(row: Mapping[str, Any]) -> str:
    """SHA-256 over a row as stored: JSON with sorted names, no spaces, ASCII; a float by `repr`, a
    time in UTC with microseconds. What is NULL is left out, so that a column added later changes no
    digest of before."""
    stated = {name: value for name, value in row.items() if value is not None}
    text = json.dumps(
        stated, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_moment
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _moment(value: object) -> str:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    raise TypeError(f"{type(value).__name__} has no place in a chained row")
