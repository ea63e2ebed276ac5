"""Send a case of the corpus to a service and say how its answer differs from what is expected."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

Json = dict[str, Any]
REQUESTS = Path(__file__).parent / "requests"
EXTENSION = "org.readmit.readmission"
_NOTICED = re.compile(r"\*\*Noticed in the data:\*\* (.*)\.")
_CODE = re.compile(r"([a-z][a-z ]*) \(")


def load() -> dict[str, Json]:
    """Every case by its name."""
    read = (json.loads(path.read_text("utf-8")) for path in sorted(REQUESTS.rglob("*.json")))
    return {case["name"]: case for case in read}


def body(case: Json) -> bytes:
    """What is sent, byte for byte."""
    if "request" in case:
        return json.dumps(case["request"]).encode()
    if "body" in case:
        return str(case["body"]).encode()
    return base64.b64decode(case["body_base64"])


async def play(http: httpx.AsyncClient, case: Json) -> httpx.Response:
    """Send it."""
    headers = {"content-type": "application/json"} | case.get("headers", {})
    path = f"/cds-services/{case['service']}"
    return await http.post(path, content=body(case), headers=headers)


def differences(case: Json, answer: httpx.Response) -> list[str]:
    """In words, one for each; empty where the answer is as expected."""
    expected = case["expected"]
    if answer.status_code != expected["status"]:
        return [f"status {answer.status_code}, expected {expected['status']}"]
    found = _answered(answer.json()) if answer.status_code == 200 else _refused(answer.json())
    return [
        f"{name} {found.get(name)!r}, expected {wanted!r}"
        for name, wanted in expected.items()
        if name != "status" and not _as_expected(name, wanted, found.get(name))
    ]


def _as_expected(name: str, wanted: Any, found: Any) -> bool:
    if name == "where":
        return str(found).startswith(f"{wanted}: ")
    if name == "sources":
        return {kind: (found or {}).get(kind) for kind in wanted} == wanted
    return bool(found == wanted)


def _refused(outcome: Json) -> Json:
    return {"where": outcome["issue"][0]["diagnostics"]}


def _answered(response: Json) -> Json:
    """The one card's result; a service that has no such extension differs in all of it."""
    card = response["cards"][0] if response["cards"] else {}
    facts = card.get("extension", {}).get(EXTENSION, {})
    return {
        "outcome": facts.get("outcome"),
        "reason": facts.get("reason"),
        "points": {name: facts[name] for name in ("lace", "hospital") if name in facts},
        "noticed": sorted(_noticed(card.get("detail", ""))),
        "sources": facts.get("sources"),
    }


def _noticed(detail: str) -> Iterator[str]:
    said = _NOTICED.search(detail)
    for code in _CODE.findall(said[1] if said else ""):
        yield code.strip().replace(" ", "_")
