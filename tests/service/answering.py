"""From a request to its card without HTTP and store: a call on an occasion that is always the same."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from cds_service.answering import assessed
from cds_service.assessment import Assessment, Assessor
from cds_service.hooks.alerts import Showings, verdict
from cds_service.hooks.call import read_call
from cds_service.hooks.cards import Occasion, card_of
from cds_service.hooks.schemas import Card
from cds_service.settings import READMISSION
from cds_service.tenants import DEV, Alert, Tenant
from model.bundle import Bundle
from tests.service.patients import NOW, PATIENT, Json

TENANT = Tenant(name=DEV, iss=DEV)
ASSESSMENT = "3f0e8d1c-52a4-4b8e-9d26-0a7c51e9b7f4"


def tenant(**choices: Any) -> Tenant:
    """Everybody on this machine, with other choices."""
    return TENANT.model_copy(update=choices)


def alerting(**rule: Any) -> Tenant:
    """A tenant with a rule for the readmission service."""
    return tenant(alerts={READMISSION: Alert(**rule)})


def occasion(bundle: Bundle, **other: Any) -> Occasion:
    """A call at NOW about the patient made by hand."""
    made = Occasion(
        tenant=TENANT,
        service_id=READMISSION,
        patient_id=PATIENT,
        assessment_uuid=ASSESSMENT,
        at=NOW,
        bundle=bundle,
    )
    return replace(made, **other)


def assessment_of(request: Json, assessor: Assessor, now: datetime = NOW) -> Assessment:
    """What the service makes of a request."""
    return assessed(read_call(json.dumps(request).encode(), now), assessor)


def first_card(assessment: Assessment, on: Occasion, recent: Showings = ()) -> Card:
    """The card of a stay that has none."""
    rule = on.tenant.alert(on.service_id)
    return card_of(assessment, on, verdict(assessment, rule, recent=recent, at=on.at))
