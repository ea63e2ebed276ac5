"""Damage to resources: wrong types, nulls, huge numbers, odd text, broken bytes, deep nesting."""

import json
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from tests.properties.chance import Chance

_GARBAGE: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**400,
    1.5e308,
    -1e-320,
    2**63,
    "",
    " ",
    "9" * 5000,
    "\u0000",
    "٣٤",
    "²",
    "null",
    "2026-03-10T14:30:00+24:00",
    "0000-00-00",
    "9999-12-31T23:59:59-12:00",
    "0001-01-01T00:00:00+14:00",
    "Encounter/stay",
    "#",
    "urn:uuid:",
    "?=",
    "10*999999999",
    "1/(0)",
    "<script>alert(1)</script>",
    [],
    {},
    [None],
    [[]],
    [{}],
    {"coding": None},
    {"coding": [None]},
    {"reference": None},
    {"value": "7"},
    {"start": 5},
)
_TIMES = (
    "0001-01-03T00:00:00Z",
    "0999",
    "1000-01-01",
    "2026-03-10T14:30:00Z",
    "2026-03-10T14:30:00.123456789123Z",
    "8999-12-31T23:59:59Z",
    "9999-12-29",
)
_BYTES = (b"\xff", b"\x00", b'"', b"{", b"]", b"\\ud800", b"1e999", b"NaN", b"\xef\xbb\xbf", b",")
_ODD: tuple[bytes, ...] = (
    b"",
    b"null",
    b"[]",
    b"7",
    b'"Patient"',
    b"{}",
    b'{"resourceType":null}',
    b'{"resourceType":"Observation"',
    b'{"resourceType":"Observation","id":"\\ud800"}',
    b'{"resourceType":"Condition","code":' + b'{"coding":[' * 3000,
    b'{"resourceType":"MedicationRequest","contained":' + b"[" * 100_000,
)


def damaged(resources: Sequence[dict[str, Any]], seed: int, times: int) -> list[bytes]:
    """Resources as bytes, damaged in so many places, with some that never were resources."""
    chance = Chance(("damage", seed))
    broken: list[Any] = json.loads(json.dumps(resources))
    for _ in range(times):
        spoil(broken[chance.number(0, len(broken) - 1)], chance)
    for visit in (each for each in broken if chance.once_in(8)):
        visit["period"] = {"start": chance.one(_TIMES), "end": chance.one(_TIMES)}
    raw = [json.dumps(each).encode() for each in broken]
    for _ in range(times // 4):
        place = chance.number(0, len(raw) - 1)
        raw[place] = spliced(raw[place], chance)
    return [*raw, *(chance.one(_ODD) for _ in range(times // 4))]


def spoil(node: Any, chance: Chance) -> None:
    """Walk down at random and spoil, drop or double what is there."""
    places = list(node) if isinstance(node, dict) else list(range(len(node)))
    if not places:
        return
    place = chance.one(places)
    if isinstance(node[place], dict | list) and not chance.once_in(3):
        spoil(node[place], chance)
    elif chance.once_in(4):
        del node[place]
    else:
        node[place] = deepcopy(chance.one(_GARBAGE))


def spliced(raw: bytes, chance: Chance) -> bytes:
    start = chance.number(0, len(raw))
    return raw[:start] + chance.one(_BYTES) + raw[start + chance.number(0, 3) :]
