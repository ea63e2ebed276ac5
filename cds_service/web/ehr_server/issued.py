"""What the dev EHR handed out and still knows: launch ids, codes, tokens. In memory, of one process."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

Value = TypeVar("Value")
_MOST: Final = 1000
"""The oldest is forgotten then: whoever asks for more than that is not clicking."""


@dataclass
class Issued(Generic[Value]):
    """Random names for values, each known for `lifetime`."""

    lifetime: timedelta
    _kept: OrderedDict[str, tuple[Value, datetime]] = field(default_factory=OrderedDict)

    def put(self, value: Value, now: datetime) -> str:
        """A new name for a value."""
        if len(self._kept) >= _MOST:
            self._kept.popitem(last=False)
        name = secrets.token_urlsafe(24)
        self._kept[name] = (value, now + self.lifetime)
        return name

    def get(self, name: str, now: datetime) -> Value | None:
        """The value of a name; None where there is none, or no longer."""
        value, until = self._kept.get(name, (None, now))
        return value if until > now else None

    def take(self, name: str, now: datetime) -> Value | None:
        """The same, once: afterwards the name is not known."""
        value = self.get(name, now)
        self._kept.pop(name, None)
        return value
