"""From an example request to a page, without store and HTTP: kept and read back as the store does."""

import json
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from cds_service.answering import assessed
from cds_service.assessment import Assessor
from cds_service.hooks.call import read_call
from cds_service.hooks.row import row_of
from cds_service.hooks.said import contents_of
from cds_service.hooks.showing import showing
from cds_service.recalled import recalled
from cds_service.received import received
from cds_service.settings import READMISSION
from cds_service.smart.view.page import Facts, PageView, page
from cds_service.smart.view.stored import Stored
from fhir_mapping.catalogue import CATALOGUE
from model.bundle import load_bundle
from model.scoring import scorer_for
from tests.service.answering import occasion, tenant
from tests.service.requests import EXAMPLES, example, now

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.json"))
FACTS = Facts(organisation="North Hospital", csrf="csrf-of-a-test")
UUID = "3f0e8d1c-52a4-4b8e-9d26-0a7c51e9b7f4"


@cache
def assessor(name: str = "demo") -> Assessor:
    """Of a shipped bundle."""
    bundle = load_bundle(ROOT / "bundles" / name, mapping_digest=CATALOGUE.digest)
    return Assessor(bundle, scorer_for(bundle))


def stored(
    request: dict[str, Any] | str,
    of: Assessor | None = None,
    *,
    at: datetime | None = None,
    uuid: str = UUID,
    service_id: str = READMISSION,
    **choices: Any,
) -> Stored:
    """What a hook call leaves in the store, read back. `choices` are the tenant's."""
    used, when = of or assessor(), at or now()
    body = example(request) if isinstance(request, str) else request
    call = read_call(json.dumps(body).encode(), when)
    found = assessed(call, used)
    on = occasion(
        used.bundle,
        patient_id=call.patient_id,
        at=when,
        assessment_uuid=uuid,
        tenant=tenant(**choices),
        service_id=service_id,
    )
    shown = showing(found, on)
    contents = contents_of(found, shown.card, received(found, call.prefetch, {}))
    row = row_of(call, found, on, shown) | {"duration_ms": 1.0}
    written = msgspec.json.decode(msgspec.json.encode(contents))
    return Stored(recalled(row, written), used.bundle.manifest.task, used)


def changed(of: Stored, contents: dict[str, Any] | None = None, **row: Any) -> Stored:
    """Another row, or other contents."""
    kept = of.kept
    held = kept.contents
    if contents is not None and held is not None:
        held = msgspec.structs.replace(held, **contents)
    return replace(of, kept=msgspec.structs.replace(kept, row={**kept.row, **row}, contents=held))


def purged(of: Stored) -> Stored:
    """What is left after retention."""
    return replace(of, kept=msgspec.structs.replace(of.kept, contents=None))


def html(of: Stored, facts: Facts = FACTS, **others: Any) -> str:
    """The page."""
    return page(PageView(of, facts, **({"rows": (of.row,)} | others)))
