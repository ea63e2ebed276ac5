"""The request that the hook is asked: an example of the repository, made larger, of another stay each time."""

import json
from itertools import cycle, islice
from pathlib import Path
from typing import Any

EXAMPLE = Path("examples/requests/margaret-heart-failure.json")
RESOURCES = 266
_NAMES = ("margaret-heart-failure-patient-1", "margaret-heart-failure-stay-1")
_VARIED = 9.8125
"""The last haemoglobin, an input of the model: no two calls say the same, so that no score is remembered."""


class Requests:
    """`body(n)`: the n-th request, of a patient, a stay and a laboratory value of its own."""

    def __init__(self) -> None:
        self._template = _compact(_enlarged(json.loads(EXAMPLE.read_bytes())))

    def body(self, number: int) -> bytes:
        """JSON of the request, always of one length."""
        text = self._template.replace(str(_VARIED), f"{8.0 + number / 1000:.4f}")
        for name in _NAMES:
            text = text.replace(name, f"{name}-{number:06}")
        return text.encode()


def resources_of(prefetch: dict[str, Any]) -> int:
    """How many resources a prefetch holds."""
    return sum(len(each.get("entry", ())) if _searched(each) else 1 for each in prefetch.values())


def _enlarged(request: dict[str, Any]) -> dict[str, Any]:
    """With RESOURCES resources: its observations again, as further ones with ids of their own."""
    lacking = RESOURCES - resources_of(request["prefetch"])
    entries = request["prefetch"]["observations"]["entry"]
    last = [each["resource"] for each in entries if _is_haemoglobin(each["resource"])][-1]
    last["valueQuantity"]["value"] = _VARIED
    copies = islice(cycle(list(entries)), lacking)
    entries += [_copied(each, number) for number, each in enumerate(copies)]
    return request


def _is_haemoglobin(resource: dict[str, Any]) -> bool:
    return any(each.get("code") == "718-7" for each in resource["code"]["coding"])


def _copied(entry: dict[str, Any], number: int) -> dict[str, Any]:
    name = f"{entry['resource']['id']}-{number}"
    url = entry["fullUrl"].rpartition("/")[0] if "fullUrl" in entry else "urn"
    return entry | {"fullUrl": f"{url}/{name}", "resource": entry["resource"] | {"id": name}}


def _searched(resource: dict[str, Any]) -> bool:
    return resource["resourceType"] == "Bundle"


def _compact(request: dict[str, Any]) -> str:
    return json.dumps(request, separators=(",", ":"))
